/* SPDX-License-Identifier: Apache-2.0 */
#include "assemble.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "assemble_state.h"
#include "open_save.h"
#include "resource.h"
#include "wire.h"

/* An offset that is this far from the clocks' is of before somebody set them. */
#define OFFSET_OLD_NS 10000000

struct assembler *assembler_new(const struct intake_options *options, struct intake_counts *counts)
{
	struct assembler *as = calloc(1, sizeof(*as));
	uint8_t *none;
	int err;

	if (!as)
		return NULL;
	as->options = *options;
	as->limits = options->limits ? *options->limits : (struct limits)LIMITS_DEFAULTS;
	as->counts = counts;
	err = open_table_init(&as->table, options->max_open, ASSEMBLER_BYTES_MAX, &as->limits, finish_evicted,
			      as);
	as->no_scope = scope_new(0, &none);
	if (err || !as->no_scope) {
		assembler_free(as);
		errno = ENOMEM;
		return NULL;
	}
	detect_host(&as->host);
	return as;
}

void assembler_free(struct assembler *as)
{
	if (!as)
		return;
	open_table_free(&as->table);
	attributes_free(&as->scratch);
	attributes_free(&as->host);
	scope_unref(as->no_scope);
	left_out_free(as->left_out);
	free(as);
}

static void wait_for_more(struct assembler *as, struct open_span *span, uint64_t now)
{
	open_table_wait(&as->table, span, now + (span->started ? LINGER_NS : LINGER_START_NS));
}

static void set_offset(struct assembler *as, struct open_span *span, uint64_t now)
{
	span->host_offset = clock_offset(&as->clock, now);
	span->offset = span->host_offset + clock_shift_of(&span->process->shift);
}

static int verdict_result(struct assembler *as, const struct verdict *verdict, const char **why)
{
	if (verdict->repaired)
		as->counts->records_repaired++;
	if (!verdict->why)
		return 0;
	*why = verdict->why;
	return -EBADMSG;
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
	finish_span(as, span);
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
	parent = open_table_find(&as->table, span->process, id);
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
	span = open_table_find(&as->table, process, record->span_id);
	if (span && span->started) {
		*why = "span id used twice";
		goto rejected;
	}
	if (!span)
		span = open_table_add(&as->table, process, record->span_id, now);
	if (!span)
		goto no_memory;
	if (start.fixed.flags & OTEL_START_HAS_SCOPE)
		span->scope = scopes_get(&process->scopes, &start, &verdict.repaired);
	if (!span->scope)
		span->scope = scope_ref(as->no_scope);
	if (!(start.fixed.flags & OTEL_START_HAS_SCOPE) || !start.scope_name.size)
		process->odd |= ODD_NAMELESS;
	open_table_started(span);
	span->buffer_id = stream->buffer_id;
	span->process_gaps = process->gaps;
	span->stream_gaps = stream->gaps;
	open_start(span, &start, &verdict);
	finish_decide(as, span);
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
		open_table_touch(&as->table, span, now);
		open_table_weigh(&as->table, span);
	}
	return verdict_result(as, &verdict, why);

rejected:
	books_add(process->books, BOOK_MALFORMED, 1);
	return -EBADMSG;
no_memory:
	books_add(process->books, BOOK_TABLE_FULL, 1);
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
	/* Nobody counts names and states either, nor what others wrote: a hole may have held some. */
	if (span->started && ((span->buffer_id == stream->buffer_id && span->stream_gaps != stream->gaps) ||
			      (span->shared && span->process_gaps != span->process->gaps)))
		span->damaged = true;
	span->process_gaps = span->process->gaps;
	if (finish_if_complete(as, span))
		return;
	wait_for_more(as, span, now);
	open_table_touch(&as->table, span, now);
	open_table_weigh(&as->table, span);
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
	span = open_table_find(&as->table, process, record->span_id);
	if (span && span->ended && end.time >= span->end) {
		as->counts->records_orphaned++;
		return 0;
	}
	if (!span) {
		span = open_table_add(&as->table, process, record->span_id, now);
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
	finish_merge(as, span);
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
	span = open_table_find(&as->table, process, span_id);
	if (span && span->ended)
		orphan = stream->buffer_id == span->end_buffer_id || operation->time > span->end;
	else
		orphan = !span && !(operation->flags & OTEL_RECORD_TIMED);
	if (!orphan && !span) {
		span = open_table_add(&as->table, process, span_id, now);
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
		open_table_touch(&as->table, span, now);
		open_table_weigh(&as->table, span);
	}
	return verdict_result(as, &verdict, why);
}

static int feed_operation(struct assembler *as, struct process *process, struct stream *stream,
			  const struct record *record, uint64_t now, const char **why)
{
	struct operation operation;
	struct status status;

	if (timed(record, stream, &operation, why))
		return -EBADMSG;
	if (operation.kind == OTEL_RECORD_STATUS && !decode_status(operation.payload, &status, why) &&
	    status.code != SPAN_ERROR && status.description.size)
		process->odd |= ODD_DESCRIPTION;
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

void assembler_damage(struct assembler *as, struct process *process, uint64_t id)
{
	struct open_span *span = open_table_find(&as->table, process, id);

	if (span && !span->ended)
		span->damaged = true;
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
	case OTEL_RECORD_LATE:
		process->odd |= ODD_LATE;
		return 0;
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

	if (unpack->failed || open_table_find(&as->table, process, id))
		return -EBADMSG;
	span = open_table_add(&as->table, process, id, now);
	if (!span)
		return -ENOMEM;
	open_load(span, unpack, scope);
	started = span->started;
	if (unpack->failed) {
		span->started = false;
		open_table_discard(&as->table, span);
		return -EBADMSG;
	}
	if (span->left_out && !as->left_out)
		as->left_out = left_out_new();
	span->left_out = span->left_out && as->left_out;
	books_add(process->books, BOOK_STARTED, started);
	books_add(process->books, BOOK_OPEN, started);
	/* What is late is in the ring, or was before: its time begins anew. */
	if (span->ended || !started)
		wait_for_more(as, span, now);
	open_table_weigh(&as->table, span);
	return started;
}
