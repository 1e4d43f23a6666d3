/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Account of a process: what became of each of its spans, for every exporter by itself.
 *
 * Whoever knows the process makes one and keeps a reference; the process's resources hold one
 * each, and so does what waits on disk: the process may be long gone when the last of its spans
 * gets its fate. An account with a single reference changes no more.
 *
 * Each slot is written by one exporter, with that exporter's lock held, so that counting costs no
 * locked instruction; anybody may read at any time.
 */
#ifndef OTEL_BPF_ACCOUNT_H
#define OTEL_BPF_ACCOUNT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Spans, but for the last. ACCOUNT_SUBMITTED is the sum of those up to ACCOUNT_SPOOLED, and of
 * those that wait in memory.
 */
enum account_count {
	ACCOUNT_SUBMITTED, /* handed to the exporter */
	ACCOUNT_EXPORTED,
	ACCOUNT_REJECTED,    /* dropped: the receiver said no */
	ACCOUNT_QUEUE_FULL,  /* dropped: the process has its share of the queue */
	ACCOUNT_UNDELIVERED, /* dropped: no receiver until the retries or the deadline were over */
	ACCOUNT_SPOOL_DROPPED, /* dropped: the oldest in a spool that was full */
	ACCOUNT_SPOOL_CORRUPT, /* dropped: could not be read back from the spool */
	ACCOUNT_SPOOLED,       /* on disk now; or went there, when too many processes' are */
	ACCOUNT_WAITING_BYTES, /* of memory, in the exporter's queue now */
	ACCOUNT_COUNTS,
};

struct account_slot {
	_Atomic uint64_t counts[ACCOUNT_COUNTS];
};

struct account {
	atomic_uint references;
	uint32_t pid;  /* the host's, for people */
	char name[32]; /* for people; cut if longer */
	size_t n_slots;
	struct account_slot slots[];
};

/**
 * Makes one with a single reference, all zero, for @slots exporters. @name may be NULL.
 * NULL: ENOMEM.
 */
struct account *account_new(uint32_t pid, const char *name, size_t slots);

/** Takes one more reference; returns its argument. NULL is allowed. */
struct account *account_ref(struct account *account);

/** Gives one reference back, and with the last one the memory. NULL is allowed. */
void account_unref(struct account *account);

/** True if nobody else has a reference: all counts are final. */
static inline int account_is_settled(struct account *account)
{
	return atomic_load_explicit(&account->references, memory_order_acquire) == 1;
}

/** Counts of one exporter; 0 for a slot that is not there. */
static inline uint64_t account_read(const struct account *account, size_t slot,
				    enum account_count what)
{
	if (slot >= account->n_slots)
		return 0;
	return atomic_load_explicit(&account->slots[slot].counts[what], memory_order_relaxed);
}

/**
 * Adds @n (or takes it away, as -n) in the slot of an exporter, whose lock the caller holds. An
 * account that is NULL, or has no such slot, is left alone.
 */
static inline void account_add(struct account *account, size_t slot, enum account_count what,
			       uint64_t n)
{
	_Atomic uint64_t *count;

	if (!account || slot >= account->n_slots)
		return;
	count = &account->slots[slot].counts[what];
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

#endif
