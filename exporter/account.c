/* SPDX-License-Identifier: Apache-2.0 */
#include "account.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct account *account_new(uint32_t pid, const char *name, size_t slots)
{
	struct account *account = calloc(1, sizeof(*account) + slots * sizeof(*account->slots));

	if (!account) {
		errno = ENOMEM;
		return NULL;
	}
	atomic_init(&account->references, 1);
	account->pid = pid;
	account->n_slots = slots;
	snprintf(account->name, sizeof(account->name), "%s", name ? name : "");
	return account;
}

struct account *account_ref(struct account *account)
{
	if (account)
		atomic_fetch_add_explicit(&account->references, 1, memory_order_relaxed);
	return account;
}

void account_unref(struct account *account)
{
	if (account &&
	    atomic_fetch_sub_explicit(&account->references, 1, memory_order_acq_rel) == 1)
		free(account);
}
