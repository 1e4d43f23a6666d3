/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <string.h>

#include "hash.h"

#define BUCKETS 4096u
#define STREAM_BUCKETS 16384u

int processes_init(struct processes *processes)
{
	*processes = (struct processes){.room = BUCKETS, .secret = hash_secret()};
	list_init(&processes->living);
	list_init(&processes->ended);
	ledger_init(&processes->ledger);
	list_init(&processes->streams);
	for (size_t i = 0; i < STREAM_HOLDERS; i++)
		list_init(&processes->stream_holders[i]);
	processes->buckets = calloc(BUCKETS, sizeof(struct process *));
	processes->stream_buckets = calloc(STREAM_BUCKETS, sizeof(struct stream *));
	if (processes->buckets && processes->stream_buckets)
		return 0;
	free(processes->buckets);
	free(processes->stream_buckets);
	return -ENOMEM;
}

static void remove_all(struct processes *processes, struct list *list)
{
	while (!list_empty(list))
		process_remove(processes, list_entry(list->next, struct process, order));
}

void processes_free(struct processes *processes)
{
	/* Who comes after us goes on with them. */
	processes->keeper = (struct keeper){0};
	remove_all(processes, &processes->living);
	remove_all(processes, &processes->ended);
	ledger_free(&processes->ledger);
	free(processes->buckets);
	free(processes->stream_buckets);
}

/* By pid only: whoever has a pid now tells that the one before is gone. */
static struct process **bucket(const struct processes *processes, uint32_t pid)
{
	return &processes->buckets[hash_u64(processes->secret, pid, 0) & (processes->room - 1)];
}

struct process *process_find(const struct processes *processes, const struct process_id *id)
{
	struct process *it = *bucket(processes, id->pid);

	while (it && (it->id.pid != id->pid || it->id.execs != id->execs ||
		      it->id.start_time != id->start_time))
		it = it->next_hash;
	return it;
}

struct process *process_find_replaced(const struct processes *processes,
				      const struct process_id *id)
{
	struct process *it = *bucket(processes, id->pid);

	/* Events of before an exec can be late: only what is older is replaced. */
	while (it && (it->id.pid != id->pid || it->ended || it->id.start_time > id->start_time ||
		      (it->id.start_time == id->start_time && it->id.execs >= id->execs)))
		it = it->next_hash;
	return it;
}

struct process *process_add(struct processes *processes, const struct process_id *id)
{
	struct process *it = calloc(1, sizeof(*it)), **head;

	if (!it)
		return NULL;
	it->books = books_open(&processes->ledger, id);
	if (!it->books) {
		free(it);
		return NULL;
	}
	it->id = *id;
	it->exit_status = -1;
	list_init(&it->streams);
	list_init(&it->open);
	list_init(&it->holders);
	list_init(&it->stream_holders);
	head = bucket(processes, id->pid);
	it->next_hash = *head;
	*head = it;
	list_add(&processes->living, &it->order);
	processes->n++;
	processes->n_living++;
	return it;
}

void process_touch(struct processes *processes, struct process *process, uint64_t now)
{
	process->heard = now;
	if (!process->ended)
		list_move(&processes->living, &process->order);
}

static void forget_words(struct process *process)
{
	scopes_free(&process->scopes);
	resource_unref(process->resource);
	process->resource = NULL;
	attributes_free(&process->by_program);
	blob_free(&process->environment);
}

/* Rare: it has to say as much again before it happens to it again. */
static struct process *most_words(struct processes *processes, struct process *most)
{
	struct list *lists[] = {&processes->living, &processes->ended};

	for (size_t i = 0; i < 2; i++)
		for (struct list *it = lists[i]->next; it != lists[i]; it = it->next)
			if (list_entry(it, struct process, order)->words > most->words)
				most = list_entry(it, struct process, order);
	return most;
}

void process_weigh(struct processes *processes, struct process *process)
{
	size_t words = process->scopes.memory + process->environment.room +
		       attributes_memory(&process->by_program);

	if (process->resource)
		words += process->resource->encoded.size;
	processes->words += words - process->words;
	process->words = words;
	if (processes->words <= WORDS_MAX)
		return;
	process = most_words(processes, process);
	forget_words(process);
	processes->words -= process->words;
	process->words = 0;
}

void process_end(struct processes *processes, struct process *process, uint64_t now)
{
	if (process->ended)
		return;
	process->ended = true;
	process->books->ended = true;
	process->ended_at = now;
	processes->n_living--;
	list_move(&processes->ended, &process->order);
	scopes_free(&process->scopes);
	put_process(processes, process);
}

static struct stream **stream_bucket(const struct processes *processes,
				     const struct process *process, uint64_t buffer_id)
{
	uint64_t hash = hash_u64(processes->secret, (uint64_t)(uintptr_t)process, buffer_id);

	return &processes->stream_buckets[hash & (STREAM_BUCKETS - 1)];
}

/* Once it has a stream more or less. */
static void rank(struct processes *processes, struct process *process)
{
	size_t n = process->n_streams;

	_Static_assert(STREAMS_OF_PROCESS_MAX < 1 << STREAM_HOLDERS, "each has a place");
	if (!n)
		list_remove(&process->stream_holders);
	else if (list_empty(&process->stream_holders) || !(n & (n - 1)) || !(n & (n + 1)))
		list_move(&processes->stream_holders[63 - __builtin_clzll(n)],
			  &process->stream_holders);
}

static struct process *most_streams(const struct processes *processes)
{
	size_t i = STREAM_HOLDERS - 1;

	while (list_empty(&processes->stream_holders[i]))
		i--;
	return list_entry(processes->stream_holders[i].next, struct process, stream_holders);
}

struct process *process_most_pieces(const struct processes *processes)
{
	const struct list *lists[] = {&processes->living, &processes->ended};
	struct process *most = NULL;

	for (size_t i = 0; i < 2; i++)
		for (struct list *it = lists[i]->next; it != lists[i]; it = it->next) {
			struct process *process = list_entry(it, struct process, order);

			if (process->pieces > (most ? most->pieces : 0))
				most = process;
		}
	return most;
}

static void stream_remove(struct processes *processes, struct stream *stream)
{
	struct stream **p = stream_bucket(processes, stream->process, stream->buffer_id);

	while (*p != stream)
		p = &(*p)->next_hash;
	*p = stream->next_hash;
	list_remove(&stream->used);
	list_remove(&stream->sibling);
	if (stream_drop(stream, &processes->pieces) &&
	    stream->first.header.kind == OTEL_RECORD_START)
		books_add(stream->process->books, BOOK_MALFORMED, 1);
	forget_stream(processes, stream);
	stream->process->n_streams--;
	rank(processes, stream->process);
	processes->n_streams--;
	free(stream->exception);
	free(stream);
}

void process_gap(struct process *process, uint64_t buffer_id)
{
	if (process->gap_buffer != buffer_id) {
		process->gaps_elsewhere = process->gaps;
		process->gap_buffer = buffer_id;
	}
	process->gaps++;
}

bool process_gap_elsewhere(const struct process *process, uint64_t gaps, uint64_t buffer_id)
{
	return process->gaps != gaps &&
	       (process->gap_buffer != buffer_id || process->gaps_elsewhere > gaps);
}

void process_remove(struct processes *processes, struct process *process)
{
	struct process **p = bucket(processes, process->id.pid);

	while (!list_empty(&process->streams))
		stream_remove(processes, list_entry(process->streams.next, struct stream, sibling));
	while (*p != process)
		p = &(*p)->next_hash;
	*p = process->next_hash;
	forget_process(processes, process);
	list_remove(&process->order);
	processes->n--;
	processes->n_living -= !process->ended;
	processes->words -= process->words;
	forget_words(process);
	facts_free(&process->facts);
	books_close(&processes->ledger, process->books);
	free(process);
}

struct stream *process_find_stream(const struct processes *processes, const struct process *process,
				   uint64_t buffer_id)
{
	struct stream *it = *stream_bucket(processes, process, buffer_id);

	while (it && (it->process != process || it->buffer_id != buffer_id))
		it = it->next_hash;
	return it;
}

/* The stream of @process that is silent the longest. */
static void drop_one(struct processes *processes, struct process *process)
{
	struct stream *stream = list_entry(process->streams.next, struct stream, sibling);

	if (stream->buffer_id > process->forgotten_buffer)
		process->forgotten_buffer = stream->buffer_id;
	put_process(processes, process);
	stream_remove(processes, stream);
}

struct stream *process_stream(struct processes *processes, struct process *process,
			      uint64_t buffer_id)
{
	struct stream *it = process_find_stream(processes, process, buffer_id), **head;

	if (it) {
		list_move(&process->streams, &it->sibling);
		return it;
	}
	/* Threads that come and go leave theirs behind: nobody says which are over for good. */
	if (process->n_streams >= STREAMS_OF_PROCESS_MAX)
		drop_one(processes, process);
	else if (processes->n_streams >= STREAMS_MAX)
		drop_one(processes, most_streams(processes));
	it = calloc(1, sizeof(*it));
	if (!it)
		return NULL;
	it->process = process;
	it->pieces_of_process = &process->pieces;
	it->buffer_id = buffer_id;
	it->expected = UINT64_MAX;
	head = stream_bucket(processes, process, buffer_id);
	it->next_hash = *head;
	*head = it;
	list_add(&processes->streams, &it->used);
	list_add(&process->streams, &it->sibling);
	process->n_streams++;
	processes->n_streams++;
	rank(processes, process);
	return it;
}

void process_name(const struct process *process, char *text, size_t room)
{
	const char *path = process->facts.executable, *name;
	size_t size = 0;

	name = path ? strrchr(path, '/') : NULL;
	name = name ? name + 1 : path;
	for (; name && *name && size < room - 1; name++)
		text[size++] = *name >= 0x20 && *name < 0x7f ? *name : '?';
	if (!size)
		text[size++] = '?';
	text[size] = '\0';
}

void process_name_books(struct process *process)
{
	process_name(process, process->books->name, sizeof(process->books->name));
}
