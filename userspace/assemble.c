/* SPDX-License-Identifier: Apache-2.0 */
#include "assemble.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "hash.h"
#include "left_out.h"
#include "log.h"
#include "open.h"
#include "open_save.h"
#include "resource.h"
#include "wire.h"

/* Spans that are not in use are kept for the next ones, with a little memory. */
#define SPARES_MAX 1024

/* An offset that is this far from the clocks' is of before somebody set them. */
#define OFFSET_OLD_NS 10000000

struct assembler {
	struct intake_options options;
	struct limits limits;
	struct intake_counts *counts;
	struct open_span **buckets;
	size_t room; /* a power of two */
	size_t n;
	size_t n_started;
	size_t memory;
	struct list holders[64]; /* processes, by the binary logarithm of the memory they hold */
	uint64_t secret;
	struct open_span *last; /* touched: the next record is most often for the same */
	struct list used;
	struct list waiting; /* by deadline */
	struct list unstarted; /* the same, of those that wait for their START, too */
	struct open_span *spares;
	size_t n_spares;
	struct attributes scratch;
	struct attributes host;
	struct scope *no_scope;
	struct clock clock;
	struct left_out *left_out; /* NULL: no span was, yet */
	bool eviction_logged;
};

static size_t buckets_for(size_t max_open)
{
	size_t room = 1024;

	while (room < max_open && room < (size_t)1 << 20)
		room *= 2;
	return room;
}

struct assembler *assembler_new(const struct intake_options *options, struct intake_counts *counts)
{
	struct assembler *as = calloc(1, sizeof(*as));
	uint8_t *none;

	if (!as)
		return NULL;
	as->options = *options;
	as->limits = options->limits ? *options->limits : (struct limits)LIMITS_DEFAULTS;
	if (!as->options.max_open)
		as->options.max_open = 1;
	as->counts = counts;
	as->secret = hash_secret();
	as->room = buckets_for(as->options.max_open);
	list_init(&as->used);
	for (size_t i = 0; i < sizeof(as->holders) / sizeof(*as->holders); i++)
		list_init(&as->holders[i]);
	list_init(&as->waiting);
	list_init(&as->unstarted);
	as->buckets = calloc(as->room, sizeof(struct open_span *));
	as->no_scope = scope_new(0, &none);
	if (!as->buckets || !as->no_scope) {
		assembler_free(as);
		errno = ENOMEM;
		return NULL;
	}
	detect_host(&as->host);
	return as;
}

/* ---- The table ------------------------------------------------------------------------------ */

static struct open_span **bucket(const struct assembler *as, const struct process *process,
				 uint64_t id)
{
	uint64_t hash = hash_u64(as->secret, (uint64_t)(uintptr_t)process, id);

	return &as->buckets[hash & (as->room - 1)];
}

static struct open_span *find(struct assembler *as, struct process *process, uint64_t id)
{
	struct open_span *it = as->last;

	if (it && it->id == id && it->process == process)
		return it;
	it = *bucket(as, process, id);
	while (it && (it->id != id || it->process != process))
		it = it->next_hash;
	return it;
}

static void finish(struct assembler *as, struct open_span *span);

static unsigned rank(size_t memory)
{
	return 63u - (unsigned)__builtin_clzll(memory | 1);
}

/* A span of the process takes @memory bytes, no longer what it took before. */
static void set_memory(struct assembler *as, struct open_span *span, size_t memory)
{
	struct process *process = span->process;
	size_t before = process->open_memory;

	as->memory += memory - span->memory;
	process->open_memory += memory - span->memory;
	span->memory = memory;
	if (!process->open_memory)
		list_remove(&process->holders);
	else if (!before || rank(before) != rank(process->open_memory))
		list_move(&as->holders[rank(process->open_memory)], &process->holders);
}

/* Takes it out of all lists. The memory is kept for another, or freed. */
static void discard(struct assembler *as, struct open_span *span)
{
	struct open_span **p = bucket(as, span->process, span->id);

	while (*p != span)
		p = &(*p)->next_hash;
	*p = span->next_hash;
	list_remove(&span->used);
	list_remove(&span->sibling);
	list_remove(&span->waiting);
	span->process->n_open--;
	as->n--;
	set_memory(as, span, 0);
	span->process->books->counts[BOOK_OPEN] -= span->started;
	as->n_started -= span->started;
	if (as->last == span)
		as->last = NULL;
	if (as->n_spares >= SPARES_MAX) {
		open_free(span);
		return;
	}
	open_reset(span);
	span->next_hash = as->spares;
	as->spares = span;
	as->n_spares++;
}

/* For one that never got a START: nobody counts it as a span. */
static void discard_orphan(struct assembler *as, struct open_span *span)
{
	as->counts->records_orphaned += span->records;
	discard(as, span);
}

static void evict(struct assembler *as, struct open_span *span)
{
	if (!span->started) {
		discard_orphan(as, span);
		return;
	}
	/* It only waits for what others may have to add. */
	if (span->ended) {
		finish(as, span);
		return;
	}
	span->process->books->counts[BOOK_TABLE_FULL]++;
	if (!as->eviction_logged)
		log_error("more spans are open than there is room for: the oldest are dropped; "
			  "are some never ended?");
	as->eviction_logged = true;
	discard(as, span);
}

/*
 * Of the process that holds the most, give or take a half, the span that was touched longest ago,
 * or what may be no span at all: who leaves all its spans open pushes out its own.
 */
static void evict_one(struct assembler *as)
{
	struct open_span *unstarted =
		list_empty(&as->unstarted)
			? NULL
			: list_entry(as->unstarted.next, struct open_span, waiting);
	unsigned i = rank(as->memory);
	struct process *process;

	while (i && list_empty(&as->holders[i]))
		i--;
	process = list_entry(as->holders[i].next, struct process, holders);
	evict(as, unstarted && unstarted->process == process
			  ? unstarted
			  : list_entry(process->open.next, struct open_span, sibling));
}

static void make_room(struct assembler *as)
{
	if (as->n >= as->options.max_open)
		evict_one(as);
}

static struct open_span *add(struct assembler *as, struct process *process, uint64_t id,
			     uint64_t now)
{
	struct open_span *span, **head;

	make_room(as);
	span = as->spares;
	if (span) {
		as->spares = span->next_hash;
		as->n_spares--;
	} else {
		span = calloc(1, sizeof(*span));
		if (!span)
			return NULL;
	}
	span->id = id;
	span->touched = now;
	span->process = process;
	span->limits = &as->limits;
	span->last_event = SIZE_MAX;
	head = bucket(as, process, id);
	span->next_hash = *head;
	*head = span;
	list_init(&span->waiting);
	list_add(&as->used, &span->used);
	list_add(&process->open, &span->sibling);
	process->n_open++;
	as->n++;
	set_memory(as, span, sizeof(*span));
	return span;
}

static void touch(struct assembler *as, struct open_span *span, uint64_t now)
{
	span->touched = now;
	if (as->last == span)
		return;
	as->last = span;
	list_move(&as->used, &span->used);
	list_move(&span->process->open, &span->sibling);
}

/* Once a record is in: what it takes, which may be too much for all of us. */
static void weigh(struct assembler *as, struct open_span *span)
{
	set_memory(as, span, open_memory(span) + sizeof(*span));
	while (as->memory > ASSEMBLER_BYTES_MAX)
		evict_one(as);
}

static void wait_for_more(struct assembler *as, struct open_span *span, uint64_t now)
{
	span->deadline = now + (span->started ? LINGER_NS : LINGER_START_NS);
	list_move(span->started ? &as->waiting : &as->unstarted, &span->waiting);
}

static void set_offset(struct assembler *as, struct open_span *span, uint64_t now)
{
	span->host_offset = clock_offset(&as->clock, now);
	span->offset = span->host_offset + clock_shift_of(&span->process->shift);
}

/* ---- Finishing ------------------------------------------------------------------------------ */

static int verdict_result(struct assembler *as, const struct verdict *verdict, const char **why)
{
	if (verdict->repaired)
		as->counts->records_repaired++;
	if (!verdict->why)
		return 0;
	*why = verdict->why;
	return -EBADMSG;
}

/* What was put aside is looked at only now: what is wrong with it is counted here. */
static void merge(struct assembler *as, struct open_span *span)
{
	struct verdict verdict = {0};
	uint32_t orphans;

	if (!span->n_late)
		return;
	orphans = open_merge(span, &as->scratch, &verdict);
	as->counts->records_orphaned += orphans;
	as->counts->records_repaired += verdict.repaired;
	if (verdict.why) {
		as->counts->records_rejected++;
		span->process->rejected++;
	}
}

/* Before the first span leaves: where the exporters note what became of it. */
static void open_account(struct assembler *as, struct process *process)
{
	struct books *books = process->books;

	if (books->account)
		return;
	process_name_books(process);
	books->account = account_new(process->id.pid, books->name, as->options.exporters);
}

/* ---- Spans of tracers that are switched off -------------------------------------------------- */

#define ANCESTORS_MAX 64 /* hostile ones may be their own */
#define PARENT_FLAGS 0x300u

static uint64_t process_number(const struct assembler *as, const struct process *process)
{
	return hash_bytes(as->secret, &process->id, sizeof(process->id)) | 1;
}

/* The nearest ancestor that is exported, as far as those between are known here. */
static void find_parent(struct assembler *as, struct open_span *span)
{
	struct parent parent = {.flags = span->flags & PARENT_FLAGS};
	uint64_t number = process_number(as, span->process), id;

	memcpy(parent.id, span->parent_id, sizeof(parent.id));
	for (int i = 0; i < ANCESTORS_MAX; i++) {
		const struct open_span *open;

		memcpy(&id, parent.id, sizeof(id));
		open = id ? find(as, span->process, id) : NULL;
		if (open && open->left_out) {
			memcpy(parent.id, open->parent_id, sizeof(parent.id));
			parent.flags = open->flags & PARENT_FLAGS;
		} else if (!id || !left_out_find(as->left_out, number, id, &parent)) {
			break;
		}
	}
	memcpy(span->parent_id, parent.id, sizeof(parent.id));
	span->flags = (span->flags & ~PARENT_FLAGS) | parent.flags;
}

/* Decided when it starts, as the application would: what is on its way stays what it is. */
static void decide(struct assembler *as, struct open_span *span)
{
	const struct tracer_rules *rules = &as->options.tracers;

	if (!rules->on || rules->on(rules->self, span->scope->name))
		return;
	if (!as->left_out)
		as->left_out = left_out_new();
	span->left_out = as->left_out != NULL;
}

static void leave_out(struct assembler *as, struct open_span *span)
{
	struct parent parent;

	find_parent(as, span);
	memcpy(parent.id, span->parent_id, sizeof(parent.id));
	parent.flags = span->flags & PARENT_FLAGS;
	left_out_add(as->left_out, process_number(as, span->process), span->id, &parent);
	span->process->books->counts[BOOK_TRACER_OFF]++;
}

/* Hands it to the sink, ended or not, and forgets it. */
static void finish(struct assembler *as, struct open_span *span)
{
	uint64_t *counts = span->process->books->counts;
	struct resource *resource;
	struct span *out = NULL;
	bool pieces_missing;

	if (span->left_out) {
		leave_out(as, span);
		discard(as, span);
		return;
	}
	merge(as, span);
	if (as->left_out)
		find_parent(as, span);
	/*
	 * Nobody counts what others wrote, or what was written to a span without an end: a hole in
	 * the process's streams may have held some.
	 */
	if ((span->shared || !span->ended) && span->process_gaps != span->process->gaps)
		span->damaged = true;
	pieces_missing = !open_complete(span) || span->damaged;
	if (pieces_missing) {
		open_count_missing(span);
		open_mark(span, "otelbpf.incomplete");
	}
	open_account(as, span->process);
	resource = resource_of(span->process, &as->host, as->options.service_name);
	if (resource)
		out = open_finish(span, resource);
	if (out) {
		as->options.sink.submit(as->options.sink.self, out);
		counts[BOOK_EXPORTING]++;
		counts[BOOK_INCOMPLETE] += pieces_missing || !span->ended;
	} else {
		counts[BOOK_TABLE_FULL]++; /* no memory: the same as no room */
	}
	span_unref(out);
	discard(as, span);
}

/* @end: when, on the host's clock, somebody else has ended it. */
static void cut(struct assembler *as, struct open_span *span, uint64_t end)
{
	if (!span->started) {
		discard_orphan(as, span);
		return;
	}
	if (!span->ended)
		span->end = end + (uint64_t)span->host_offset - (uint64_t)span->offset;
	finish(as, span);
}

/* What the exception of a process that died so is called, and what is to be said of it. */
struct death {
	char type[16];
	char message[80];
};

static struct death explain_death(const struct process *process)
{
	int status = process->exit_status, signal = WTERMSIG(status);
	const char *name = sigabbrev_np(signal);
	struct death death = {"exit", ""};

	if (!WIFSIGNALED(status)) {
		snprintf(death.message, sizeof(death.message),
			 "process exited with status %d before the span ended", WEXITSTATUS(status));
		return death;
	}
	if (name)
		snprintf(death.type, sizeof(death.type), "SIG%s", name);
	else
		snprintf(death.type, sizeof(death.type), "signal %d", signal);
	snprintf(death.message, sizeof(death.message), "process killed by %s", death.type);
	if (signal == SIGKILL && process->out_of_memory)
		death = (struct death){"OOMKilled", "process killed by SIGKILL: out of memory"};
	return death;
}

void assembler_end(struct assembler *as, struct process *process, uint64_t now)
{
	struct death death = explain_death(process);

	while (!list_empty(&process->open)) {
		struct open_span *span = list_entry(process->open.next, struct open_span, sibling);

		if (span->started && !span->ended) {
			merge(as, span);
			open_mark(span, "otelbpf.cut_short");
			if (process->exit_status > 0)
				open_fail(span, death.type, death.message,
					  now + (uint64_t)span->host_offset, &as->scratch);
			/* Nobody saw its end: what it held then is missing. */
			else if (process->exit_status < 0)
				span->damaged = true;
		}
		cut(as, span, now);
	}
}

static void finish_late(struct assembler *as, struct list *list, uint64_t now)
{
	while (!list_empty(list)) {
		struct open_span *span = list_entry(list->next, struct open_span, waiting);

		if (span->deadline > now)
			return;
		if (span->started)
			finish(as, span);
		else
			discard_orphan(as, span);
	}
}

void assembler_tick(struct assembler *as, uint64_t now)
{
	finish_late(as, &as->waiting, now);
	finish_late(as, &as->unstarted, now);
	while (!list_empty(&as->used)) {
		struct open_span *span = list_entry(as->used.next, struct open_span, used);

		if (span->touched + FORGOTTEN_NS > now)
			return;
		span->damaged = true;
		cut(as, span, span->touched);
	}
}

void assembler_finish(struct assembler *as, uint64_t now)
{
	while (!list_empty(&as->used)) {
		struct open_span *span = list_entry(as->used.next, struct open_span, used);

		if (!span->ended)
			span->damaged = true;
		cut(as, span, now);
	}
}

void assembler_free(struct assembler *as)
{
	struct open_span *span;

	if (!as)
		return;
	while (!list_empty(&as->used))
		discard(as, list_entry(as->used.next, struct open_span, used));
	while ((span = as->spares)) {
		as->spares = span->next_hash;
		open_free(span);
	}
	attributes_free(&as->scratch);
	attributes_free(&as->host);
	scope_unref(as->no_scope);
	left_out_free(as->left_out);
	free(as->buckets);
	free(as);
}

/* ---- Records -------------------------------------------------------------------------------- */

static void add_carried(struct open_span *span, const struct carried *carried)
{
	span->carried.attributes += carried->attributes;
	span->carried.events += carried->events;
	span->carried.links += carried->links;
}

/* An ended span is finished once nothing can be missing from it; returns true if it is gone. */
static bool finish_if_complete(struct assembler *as, struct open_span *span)
{
	if (!span->started || !span->ended || span->shared || !open_complete(span))
		return false;
	finish(as, span);
	return true;
}

/* Children take their parent's offset: they do not start before it, whatever the clocks do. */
static void inherit_offset(struct assembler *as, struct open_span *span)
{
	struct open_span *parent;
	uint64_t id;
	int64_t age;

	memcpy(&id, span->parent_id, sizeof(id));
	if (!id)
		return;
	parent = find(as, span->process, id);
	if (!parent || !parent->started)
		return;
	age = parent->host_offset - span->host_offset;
	if (age > OFFSET_OLD_NS || age < -OFFSET_OLD_NS)
		return;
	span->offset += age;
	span->host_offset = parent->host_offset;
}

static int feed_start(struct assembler *as, struct process *process, struct stream *stream,
		      const struct record *record, uint64_t now, const char **why)
{
	struct verdict verdict = {0};
	struct open_span *span;
	struct start start;

	if (decode_start(record->payload, &start, why))
		goto rejected;
	span = find(as, process, record->span_id);
	if (span && span->started) {
		*why = "span id used twice";
		goto rejected;
	}
	if (!span)
		span = add(as, process, record->span_id, now);
	if (!span)
		goto no_memory;
	if (start.fixed.flags & OTEL_START_HAS_SCOPE)
		span->scope = scopes_get(&process->scopes, &start, &verdict.repaired);
	if (!span->scope)
		span->scope = scope_ref(as->no_scope);
	span->started = true;
	process->books->counts[BOOK_OPEN]++;
	as->n_started++;
	span->buffer_id = stream->buffer_id;
	span->process_gaps = process->gaps;
	span->stream_gaps = stream->gaps;
	open_start(span, &start, &verdict);
	decide(as, span);
	set_offset(as, span, now);
	inherit_offset(as, span);
	if (record->header.flags & OTEL_RECORD_COUNTED)
		add_carried(span, &verdict.carried);
	if (start.fixed.time > stream->time)
		stream->time = start.fixed.time;
	if (span->ended)
		wait_for_more(as, span, now);
	else
		list_remove(&span->waiting);
	if (!finish_if_complete(as, span)) {
		touch(as, span, now);
		weigh(as, span);
	}
	return verdict_result(as, &verdict, why);

rejected:
	process->books->counts[BOOK_MALFORMED]++;
	return -EBADMSG;
no_memory:
	process->books->counts[BOOK_TABLE_FULL]++;
	return 0;
}

static void end_span(struct assembler *as, struct open_span *span, struct stream *stream,
		     const struct otel_end *end, uint64_t now)
{
	span->ended = true;
	span->end = end->time;
	span->end_unix = end->unix_time;
	span->end_buffer_id = stream->buffer_id;
	span->shared = end->flags & OTEL_END_SHARED;
	span->promised = (struct carried){end->attributes, end->events, end->links};
	/* Nobody counts names and states either. */
	if (span->started && span->buffer_id == stream->buffer_id)
		span->damaged = span->stream_gaps != stream->gaps;
	if (finish_if_complete(as, span))
		return;
	wait_for_more(as, span, now);
	touch(as, span, now);
	weigh(as, span);
}

static int feed_end(struct assembler *as, struct process *process, struct stream *stream,
		    const struct record *record, uint64_t now, const char **why)
{
	struct open_span *span;
	struct otel_end end;

	if (decode_end(record->payload, &end, why))
		return -EBADMSG;
	if (end.time > stream->time)
		stream->time = end.time;
	span = find(as, process, record->span_id);
	if (span && span->ended && end.time >= span->end) {
		as->counts->records_orphaned++;
		return 0;
	}
	if (!span) {
		span = add(as, process, record->span_id, now);
		if (!span)
			return 0;
		set_offset(as, span, now);
	}
	span->records += !span->started;
	end_span(as, span, stream, &end, now);
	return 0;
}

/* The time of a record, exactly or as far as its neighbours tell, and its payload behind it. */
static int timed(const struct record *record, const struct stream *stream,
		 struct operation *operation, const char **why)
{
	struct otel_error error;

	*operation = (struct operation){
		.kind = record->header.kind,
		.flags = record->header.flags,
		.time = stream->time,
		.payload = record->payload,
	};
	if (operation->kind == OTEL_RECORD_ERROR) {
		if (decode_error(record->payload, &error, why))
			return -EBADMSG;
		operation->flags |= OTEL_RECORD_TIMED;
		operation->time = error.time;
		return 0;
	}
	if (!(operation->flags & OTEL_RECORD_TIMED))
		return 0;
	return decode_time(&operation->payload, &operation->time, why);
}

/* What an operation carries that is not looked into, yet. */
static struct carried count(const struct operation *operation)
{
	struct wire_reader reader = wire_reader(operation->payload);
	struct carried carried = {0};
	struct wire_field field;

	if (operation->kind == OTEL_RECORD_ATTRIBUTES)
		while (wire_next(&reader, &field) > 0)
			carried.attributes += field.number == 9;
	carried.events =
		operation->kind == OTEL_RECORD_EVENT || operation->kind == OTEL_RECORD_ERROR;
	carried.links = operation->kind == OTEL_RECORD_LINK;
	return carried;
}

/* Of a thread that did not start it, or before it is known who did. */
static void defer(struct assembler *as, struct open_span *span, const struct operation *operation,
		  struct verdict *verdict)
{
	verdict->carried = count(operation);
	if (!open_defer(span, operation))
		return;
	/* Too many to remember: from here on their order among threads is that of arrival. */
	merge(as, span);
	if (open_defer(span, operation))
		open_apply(span, operation, &as->scratch, verdict);
}

static int operate(struct assembler *as, struct process *process, struct stream *stream, uint64_t span_id,
		   const struct operation *operation, uint64_t now, const char **why)
{
	struct verdict verdict = {0};
	struct open_span *span;
	bool orphan;

	if (operation->flags & OTEL_RECORD_TIMED && operation->time > stream->time)
		stream->time = operation->time;
	span = find(as, process, span_id);
	if (span && span->ended)
		orphan = stream->buffer_id == span->end_buffer_id || operation->time > span->end;
	else
		orphan = !span && !(operation->flags & OTEL_RECORD_TIMED);
	if (!orphan && !span) {
		span = add(as, process, span_id, now);
		orphan = !span;
		if (span) {
			set_offset(as, span, now);
			wait_for_more(as, span, now);
		}
	}
	if (orphan) {
		as->counts->records_orphaned++;
		return 0;
	}
	span->records += !span->started;
	if (span->started && span->buffer_id == stream->buffer_id)
		open_apply(span, operation, &as->scratch, &verdict);
	else
		defer(as, span, operation, &verdict);
	if (operation->flags & OTEL_RECORD_COUNTED)
		add_carried(span, &verdict.carried);
	if (!finish_if_complete(as, span)) {
		touch(as, span, now);
		weigh(as, span);
	}
	return verdict_result(as, &verdict, why);
}

static int feed_operation(struct assembler *as, struct process *process, struct stream *stream,
			  const struct record *record, uint64_t now, const char **why)
{
	struct operation operation;

	if (timed(record, stream, &operation, why))
		return -EBADMSG;
	return operate(as, process, stream, record->span_id, &operation, now, why);
}

void assembler_exception(struct assembler *as, struct process *process, struct stream *stream,
			 const struct record *last, struct bytes type, uint64_t now)
{
	struct operation operation;
	const char *why;

	if ((last->header.kind != OTEL_RECORD_EVENT && last->header.kind != OTEL_RECORD_STATUS) ||
	    timed(last, stream, &operation, &why))
		return;
	operation.kind = OPERATION_EXCEPTION;
	operation.flags &= OTEL_RECORD_TIMED;
	operation.payload = type;
	(void)operate(as, process, stream, last->span_id, &operation, now, &why);
}

int assembler_feed(struct assembler *as, struct process *process, struct stream *stream,
		   const struct record *record, uint64_t now, const char **why)
{
	switch (record->header.kind) {
	case OTEL_RECORD_START:
		return feed_start(as, process, stream, record, now, why);
	case OTEL_RECORD_END:
		return feed_end(as, process, stream, record, now, why);
	case OTEL_RECORD_ATTRIBUTES:
	case OTEL_RECORD_EVENT:
	case OTEL_RECORD_LINK:
	case OTEL_RECORD_STATUS:
	case OTEL_RECORD_NAME:
	case OTEL_RECORD_ERROR:
	case OTEL_RECORD_STACK:
		return feed_operation(as, process, stream, record, now, why);
	default:
		return 0;
	}
}

/* ---- Restarts ------------------------------------------------------------------------------- */

int assembler_load(struct assembler *as, struct process *process, struct unpack *unpack, struct scope **scope,
		   uint64_t now)
{
	uint64_t id = unpack_u64(unpack);
	struct open_span *span;
	bool started;

	if (unpack->failed || find(as, process, id))
		return -EBADMSG;
	span = add(as, process, id, now);
	if (!span)
		return -ENOMEM;
	open_load(span, unpack, scope);
	started = span->started;
	if (unpack->failed) {
		span->started = false;
		discard(as, span);
		return -EBADMSG;
	}
	if (span->left_out && !as->left_out)
		as->left_out = left_out_new();
	span->left_out = span->left_out && as->left_out;
	process->books->counts[BOOK_STARTED] += started;
	process->books->counts[BOOK_OPEN] += started;
	as->n_started += started;
	/* What is late is in the ring, or was before: its time begins anew. */
	if (span->ended || !started)
		wait_for_more(as, span, now);
	weigh(as, span);
	return started;
}

size_t assembler_open(const struct assembler *as)
{
	return as->n_started;
}
