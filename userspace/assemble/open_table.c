/* SPDX-License-Identifier: Apache-2.0 */
#include "open_table.h"

#include <errno.h>
#include <stdlib.h>

#include "hash.h"

/* Spans that are not in use are kept for the next ones, with a little memory. */
#define SPARES_MAX 1024

static size_t buckets_for(size_t max_open)
{
	size_t room = 1024;

	while (room < max_open && room < (size_t)1 << 20)
		room *= 2;
	return room;
}

int open_table_init(struct open_table *table, size_t max_open, size_t max_bytes,
		    const struct limits *limits, void (*evict)(void *self, struct open_span *span),
		    void *self)
{
	*table = (struct open_table){
		.max_open = max_open ? max_open : 1,
		.max_bytes = max_bytes,
		.limits = limits,
		.evict = evict,
		.self = self,
		.secret = hash_secret(),
	};
	table->room = buckets_for(table->max_open);
	list_init(&table->used);
	for (size_t i = 0; i < sizeof(table->holders) / sizeof(*table->holders); i++)
		list_init(&table->holders[i]);
	list_init(&table->waiting);
	list_init(&table->unstarted);
	table->buckets = calloc(table->room, sizeof(struct open_span *));
	return table->buckets ? 0 : -ENOMEM;
}

void open_table_free(struct open_table *table)
{
	struct open_span *span;

	while (!list_empty(&table->used))
		open_table_discard(table, list_entry(table->used.next, struct open_span, used));
	while ((span = table->spares)) {
		table->spares = span->next_hash;
		open_free(span);
	}
	free(table->buckets);
}

static struct open_span **bucket(const struct open_table *table, const struct process *process,
				 uint64_t id)
{
	uint64_t hash = hash_u64(table->secret, (uint64_t)(uintptr_t)process, id);

	return &table->buckets[hash & (table->room - 1)];
}

struct open_span *open_table_find(struct open_table *table, struct process *process, uint64_t id)
{
	struct open_span *it = table->last;

	if (it && it->id == id && it->process == process)
		return it;
	it = *bucket(table, process, id);
	while (it && (it->id != id || it->process != process))
		it = it->next_hash;
	return it;
}

static unsigned rank(size_t memory)
{
	return 63u - (unsigned)__builtin_clzll(memory | 1);
}

/* A span of the process takes @memory bytes, no longer what it took before. */
static void set_memory(struct open_table *table, struct open_span *span, size_t memory)
{
	struct process *process = span->process;
	size_t before = process->open_memory;

	table->memory += memory - span->memory;
	process->open_memory += memory - span->memory;
	span->memory = memory;
	if (!process->open_memory)
		list_remove(&process->holders);
	else if (!before || rank(before) != rank(process->open_memory))
		list_move(&table->holders[rank(process->open_memory)], &process->holders);
}

void open_table_discard(struct open_table *table, struct open_span *span)
{
	struct open_span **p = bucket(table, span->process, span->id);

	while (*p != span)
		p = &(*p)->next_hash;
	*p = span->next_hash;
	list_remove(&span->used);
	list_remove(&span->sibling);
	list_remove(&span->waiting);
	span->process->n_open--;
	table->n--;
	set_memory(table, span, 0);
	books_subtract(span->process->books, BOOK_OPEN, span->started);
	if (table->last == span)
		table->last = NULL;
	if (table->n_spares >= SPARES_MAX) {
		open_free(span);
		return;
	}
	open_reset(span);
	span->next_hash = table->spares;
	table->spares = span;
	table->n_spares++;
}

/*
 * Of the process that holds the most, give or take a half, the span that was touched longest ago,
 * or what may be no span at all: who leaves all its spans open pushes out its own.
 */
static void evict_one(struct open_table *table)
{
	struct open_span *unstarted =
		list_empty(&table->unstarted)
			? NULL
			: list_entry(table->unstarted.next, struct open_span, waiting);
	unsigned i = rank(table->memory);
	struct process *process;

	while (i && list_empty(&table->holders[i]))
		i--;
	process = list_entry(table->holders[i].next, struct process, holders);
	table->evict(table->self,
		     unstarted && unstarted->process == process
			     ? unstarted
			     : list_entry(process->open.next, struct open_span, sibling));
}

static void make_room(struct open_table *table)
{
	if (table->n >= table->max_open)
		evict_one(table);
}

struct open_span *open_table_add(struct open_table *table, struct process *process, uint64_t id,
				 uint64_t now)
{
	struct open_span *span, **head;

	make_room(table);
	span = table->spares;
	if (span) {
		table->spares = span->next_hash;
		table->n_spares--;
	} else {
		span = calloc(1, sizeof(*span));
		if (!span)
			return NULL;
	}
	span->id = id;
	span->touched = now;
	span->process = process;
	span->limits = table->limits;
	span->last_event = SIZE_MAX;
	head = bucket(table, process, id);
	span->next_hash = *head;
	*head = span;
	list_init(&span->waiting);
	list_add(&table->used, &span->used);
	list_add(&process->open, &span->sibling);
	process->n_open++;
	table->n++;
	set_memory(table, span, sizeof(*span));
	return span;
}

void open_table_started(struct open_span *span)
{
	span->started = true;
	books_add(span->process->books, BOOK_OPEN, 1);
}

void open_table_touch(struct open_table *table, struct open_span *span, uint64_t now)
{
	span->touched = now;
	if (table->last == span)
		return;
	table->last = span;
	list_move(&table->used, &span->used);
	list_move(&span->process->open, &span->sibling);
}

void open_table_weigh(struct open_table *table, struct open_span *span)
{
	set_memory(table, span, open_memory(span) + sizeof(*span));
	while (table->memory > table->max_bytes)
		evict_one(table);
}

void open_table_wait(struct open_table *table, struct open_span *span, uint64_t deadline)
{
	span->deadline = deadline;
	list_move(span->started ? &table->waiting : &table->unstarted, &span->waiting);
}
