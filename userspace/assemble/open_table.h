/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spans that are open, over all processes: found by process and id, the oldest of the process
 * that holds the most first to go when there are too many.
 *
 * Owns them. Single-threaded.
 */
#ifndef OTEL_BPF_OPEN_TABLE_H
#define OTEL_BPF_OPEN_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "list.h"
#include "open.h"
#include "process.h"

struct open_table {
	size_t max_open;
	size_t max_bytes;
	const struct limits *limits; /* of all spans */
	void (*evict)(void *self, struct open_span *span);
	void *self;
	struct open_span **buckets;
	size_t room; /* a power of two */
	size_t n;
	size_t memory;
	struct list holders[64]; /* processes, by the binary logarithm of the memory they hold */
	uint64_t secret;
	struct open_span *last; /* touched: the next record is most often for the same */
	struct list used;
	struct list waiting;   /* by deadline */
	struct list unstarted; /* the same, of those that wait for their START, too */
	struct open_span *spares;
	size_t n_spares;
};

/**
 * For at most @max_open spans, at least one, of @max_bytes together. When there is no room, @evict
 * has to discard the span that it is given. @limits must outlive the table. Returns 0 or -ENOMEM;
 * open_table_free() in either case.
 */
int open_table_init(struct open_table *table, size_t max_open, size_t max_bytes,
		    const struct limits *limits, void (*evict)(void *self, struct open_span *span),
		    void *self);
void open_table_free(struct open_table *table);

/** NULL: it is not there. */
struct open_span *open_table_find(struct open_table *table, struct process *process, uint64_t id);

/** A new one, touched at @now; others may have to make room for it. NULL: no memory. */
struct open_span *open_table_add(struct open_table *table, struct process *process, uint64_t id,
				 uint64_t now);

/** Its START is here: it counts as an open span. */
void open_table_started(struct open_span *span);

void open_table_touch(struct open_table *table, struct open_span *span, uint64_t now);

/** Once a record is in: what it takes, which may be too much for all of us. */
void open_table_weigh(struct open_table *table, struct open_span *span);

/** It waits for late records, or for its START, until @deadline: the same time from now for all of
 * a kind. */
void open_table_wait(struct open_table *table, struct open_span *span, uint64_t deadline);

/** Takes it out of all lists. The memory is kept for another, or freed. */
void open_table_discard(struct open_table *table, struct open_span *span);

#endif
