/* SPDX-License-Identifier: Apache-2.0 */
/* Whose the spans of a batch are: known also when the spans themselves are gone. */
#ifndef OTEL_BPF_TALLY_H
#define OTEL_BPF_TALLY_H

#include <stddef.h>

#include "account.h"
#include "span.h"

struct tally_share {
	struct account *account;
	size_t spans;
	size_t bytes; /* of memory */
};

/* Spans without an account are in no share, but in the sum. */
struct tally {
	struct tally_share *shares; /* an account may have several */
	size_t n;
	size_t bytes; /* of all */
};

/**
 * Counts @n spans. tally->shares has room for @n; there are no references in it: it is valid as
 * long as the spans are.
 */
void tally_count(struct tally *tally, struct span *const *spans, size_t n);

/** A copy with references to the accounts. Returns 0 or -ENOMEM. Free with tally_drop(). */
int tally_keep(const struct tally *tally, struct tally *out);
void tally_drop(struct tally *tally);

/** Adds the spans of each share to @what in its account, or takes them away. */
void tally_add(const struct tally *tally, size_t slot, enum account_count what);
void tally_subtract(const struct tally *tally, size_t slot, enum account_count what);

/** The memory is no longer waiting. */
void tally_release_bytes(const struct tally *tally, size_t slot);

/**
 * The receiver has rejected @rejected spans and taken the rest. It does not say whose they were:
 * they are the first ones here.
 */
void tally_deliver(const struct tally *tally, size_t slot, size_t rejected);

#endif
