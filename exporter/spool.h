/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spool: batches on disk that wait for their receiver, oldest first.
 *
 * A directory with a file for each batch (spool_file.h), named by its number, and a lock. A file
 * is written under another name and renamed when it is whole: whoever is killed leaves at most
 * one that is not, and the next one who opens the directory finds all others.
 *
 * Nothing is synced to the disk. What a process has written survives its death, however it comes;
 * a sync would guard against a loss of power only, which also takes what is in memory, and would
 * hold up the spans behind it for as long as the disk likes. After a loss of power the last
 * seconds may be missing or torn; checksums find that.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_SPOOL_H
#define OTEL_BPF_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "list.h"
#include "span.h"
#include "tally.h"

struct spool_entry {
	struct list order; /* by number */
	uint64_t number;
	uint32_t spans;
	uint32_t size;	    /* of the request */
	bool sent;	    /* once, and the answer was lost */
	struct tally tally; /* empty for what was found */
};

struct spool_counts {
	uint64_t spans; /* there now */
	uint64_t batches;
	uint64_t bytes; /* on disk: files have whole blocks */
	size_t shares;	/* of accounts, in the tallies */
};

struct spool;

/**
 * Opens @path, or makes it (not the directories above it), for this process alone; at most @budget
 * bytes will be in it. It must belong to us or to root, and nobody else may write to it. Finds
 * what was left there; what is no whole batch is removed and counted.
 * Returns 0, or a negative errno after saying why.
 */
int spool_open(const char *path, uint64_t budget, struct spool **out);

/** Leaves what is in it for the next one. NULL is allowed. */
void spool_close(struct spool *spool);

/** As given to spool_open(). */
const char *spool_path(const struct spool *spool);

/** What is in it. */
void spool_counts(const struct spool *spool, struct spool_counts *out);

/** Spans found by spool_open(), those included that turned out to be in files that are not whole.
 */
uint64_t spool_found(const struct spool *spool);

/** Of those: in files that are not whole. */
uint64_t spool_found_corrupt(const struct spool *spool);

/** Whether a request of @size bytes still fits. */
bool spool_has_room(const struct spool *spool, size_t size);

/** Whether a request of @size bytes fits into an empty one. */
bool spool_ever_has_room(const struct spool *spool, size_t size);

/**
 * Adds a batch at the end, also if it has no room by its budget; *@tally is taken over on success.
 * Returns 0, or a negative errno: nothing was added.
 */
int spool_append(struct spool *spool, struct bytes request, uint32_t spans, bool sent,
		 struct tally *tally, struct spool_entry **out);

/** The oldest; NULL: none. */
struct spool_entry *spool_first(const struct spool *spool);

/** The one behind @entry; NULL: none. */
struct spool_entry *spool_next(const struct spool *spool, const struct spool_entry *entry);

/**
 * Reads a request; *@out is valid until the next call. Returns 0, -EBADMSG: it is not what was
 * written, or another negative errno.
 */
int spool_read(struct spool *spool, const struct spool_entry *entry, struct bytes *out);

/** Notes on disk, too, that the batch is sent, or that it surely did not arrive. */
void spool_mark(struct spool *spool, struct spool_entry *entry, bool sent);

/** Removes it from disk, and frees it, but for its tally, which is the caller's: *@tally. */
void spool_remove(struct spool *spool, struct spool_entry *entry, struct tally *tally);

#endif
