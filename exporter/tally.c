/* SPDX-License-Identifier: Apache-2.0 */
#include "tally.h"

#include <errno.h>
#include <stdlib.h>

/* More shares than this are sorted, so that each account has one. */
#define SORT_FROM 8

static int by_account(const void *a, const void *b)
{
	uintptr_t left = (uintptr_t)((const struct tally_share *)a)->account;
	uintptr_t right = (uintptr_t)((const struct tally_share *)b)->account;

	return left < right ? -1 : left > right;
}

/* Makes one share of neighbours that have the same account. */
static size_t merge(struct tally_share *shares, size_t n)
{
	size_t kept = 0;

	for (size_t i = 1; i < n; i++) {
		if (shares[kept].account != shares[i].account) {
			shares[++kept] = shares[i];
			continue;
		}
		shares[kept].spans += shares[i].spans;
		shares[kept].bytes += shares[i].bytes;
	}
	return kept + 1;
}

void tally_count(struct tally *tally, struct span *const *spans, size_t n)
{
	struct tally_share *last = NULL;

	tally->n = 0;
	tally->bytes = 0;
	for (size_t i = 0; i < n; i++) {
		struct account *account = span_account(spans[i]);
		size_t bytes = span_memory(spans[i]);

		tally->bytes += bytes;
		if (!account)
			continue;
		if (!last || last->account != account) {
			last = &tally->shares[tally->n++];
			*last = (struct tally_share){.account = account};
		}
		last->spans++;
		last->bytes += bytes;
	}
	if (tally->n > SORT_FROM) {
		qsort(tally->shares, tally->n, sizeof(*tally->shares), by_account);
		tally->n = merge(tally->shares, tally->n);
	}
}

int tally_keep(const struct tally *tally, struct tally *out)
{
	*out = (struct tally){.n = tally->n, .bytes = tally->bytes};
	if (!tally->n)
		return 0;
	out->shares = malloc(tally->n * sizeof(*out->shares));
	if (!out->shares) {
		*out = (struct tally){0};
		return -ENOMEM;
	}
	for (size_t i = 0; i < tally->n; i++) {
		out->shares[i] = tally->shares[i];
		account_ref(out->shares[i].account);
	}
	return 0;
}

void tally_drop(struct tally *tally)
{
	for (size_t i = 0; i < tally->n; i++)
		account_unref(tally->shares[i].account);
	free(tally->shares);
	*tally = (struct tally){0};
}

void tally_add(const struct tally *tally, size_t slot, enum account_count what)
{
	for (size_t i = 0; i < tally->n; i++)
		account_add(tally->shares[i].account, slot, what, tally->shares[i].spans);
}

void tally_subtract(const struct tally *tally, size_t slot, enum account_count what)
{
	for (size_t i = 0; i < tally->n; i++)
		account_add(tally->shares[i].account, slot, what, -tally->shares[i].spans);
}

void tally_release_bytes(const struct tally *tally, size_t slot)
{
	for (size_t i = 0; i < tally->n; i++)
		account_add(tally->shares[i].account, slot, ACCOUNT_WAITING_BYTES,
			    -tally->shares[i].bytes);
}

void tally_deliver(const struct tally *tally, size_t slot, size_t rejected)
{
	for (size_t i = 0; i < tally->n; i++) {
		const struct tally_share *share = &tally->shares[i];
		size_t lost = rejected < share->spans ? rejected : share->spans;

		account_add(share->account, slot, ACCOUNT_REJECTED, lost);
		account_add(share->account, slot, ACCOUNT_EXPORTED, share->spans - lost);
		rejected -= lost;
	}
}
