/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flushes of buffers: their place in the stream, their records, and what left their last span.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "accounting.h"
#include "intake_state.h"
#include "resource.h"
#include "type_name.h"

#define STACK_KEEP 65536

static void take_resource(struct intake *intake, struct process *process,
			  const struct record *record, struct complaint *complaint, size_t offset)
{
	const char *why;
	int found = resource_merge(process, record->payload, &why);

	if (found < 0)
		intake_reject(intake, complaint, why, record->header.kind, offset);
	else
		intake->counts.records_repaired += found > 0;
}

/*
 * The addresses of a stack trace become its text, while the process's memory is as it was. -ENOENT:
 * there is none.
 */
static int name_stack(struct intake *intake, const struct process *process, struct record *record,
		      const char **why)
{
	size_t head = record->header.flags & OTEL_RECORD_TIMED ? sizeof(uint64_t) : 0;
	const struct bytes all = record->payload;

	if (all.size < head || (all.size - head) % sizeof(uint64_t)) {
		*why = "stack trace cut off";
		return -EBADMSG;
	}
	if (!intake->stack_names.describe || all.size == head)
		return -ENOENT;
	blob_reset(&intake->stack, STACK_KEEP);
	if (blob_append(&intake->stack, all.data, head))
		return -ENOENT;
	intake->stack_names.describe(intake->stack_names.self, &process->id, intake->event_time,
				     (struct bytes){all.data + head, all.size - head},
				     &intake->stack);
	record->payload = blob_bytes(&intake->stack);
	return intake->stack.size > head ? 0 : -ENOENT;
}

static void take_span_record(struct intake *intake, struct stream *stream, struct record *record,
			     struct complaint *complaint, size_t offset)
{
	const char *why;
	int err = 0;

	if (record->header.kind == OTEL_RECORD_STACK)
		err = name_stack(intake, stream->process, record, &why);
	if (!err)
		err = assembler_feed(intake->assembler, stream->process, stream, record,
				     intake->now, &why);
	if (err != -EBADMSG)
		return;
	intake_reject(intake, complaint, why, record->header.kind, offset);
	if (record->header.kind == OTEL_RECORD_STATUS || record->header.kind == OTEL_RECORD_NAME ||
	    record->header.kind == OTEL_RECORD_END)
		assembler_damage(intake->assembler, stream->process, record->span_id);
}

/* If values that are not whole take too much, all of who holds the most are dropped. */
static void bound_pieces(struct intake *intake)
{
	while (intake->processes.pieces > PIECES_MAX) {
		struct process *most = process_most_pieces(&intake->processes);

		for (struct list *it = most->streams.next; it != &most->streams; it = it->next) {
			struct stream *stream = list_entry(it, struct stream, sibling);

			if (!intake_drop_pieces(intake, stream, BOOK_MALFORMED))
				continue;
			stream->skipping = true;
			intake->counts.records_rejected++;
			most->rejected++;
		}
	}
}

static bool begins_span(const struct record *record)
{
	return record->header.kind == OTEL_RECORD_START &&
	       !(record->header.flags & OTEL_RECORD_CONTINUED);
}

/*
 * Does it begin a span that had started before this agent came? An agent before may have exported it, from a
 * look at the same buffer. Where nobody knows the process's clock, it is ours.
 */
static bool is_of_before(const struct intake *intake, const struct process *process, const struct record *record)
{
	const struct clock_shift *shift = &process->shift;
	struct otel_start start;

	if (!intake->began || process->whole || !(shift->same || shift->known) ||
	    record->payload.size < sizeof(start))
		return false;
	memcpy(&start, record->payload.data, sizeof(start));
	return start.time + (uint64_t)clock_shift_of(shift) < intake->began;
}

/* One record that was not here before. */
static void take_record(struct intake *intake, struct stream *stream, struct record *record,
			struct complaint *complaint, size_t offset)
{
	const uint8_t pieces = OTEL_RECORD_MORE | OTEL_RECORD_CONTINUED;
	struct process *process = stream->process;
	const struct otel_record *header = &record->header;
	bool in_pieces = header->flags & pieces;
	const char *why = "value in pieces cut off";
	int found = 1;

	if (stream->joining && !(header->flags & OTEL_RECORD_CONTINUED)) {
		intake_reject(intake, complaint, why, stream->first.header.kind, offset);
		intake_drop_pieces(intake, stream, BOOK_MALFORMED);
	}
	if (begins_span(record) && is_of_before(intake, process, record)) {
		accounting_pass(stream);
		intake->counts.spans_before++;
		stream->skipping = true; /* the other pieces, if there are any */
		return;
	}
	if (begins_span(record))
		accounting_start(stream);
	if (in_pieces) {
		uint8_t kind = stream->joining ? stream->first.header.kind : header->kind;
		bool continued = header->flags & OTEL_RECORD_CONTINUED && !stream->joining;

		found = stream_join(stream, record, &intake->processes.pieces);
		if (found < 0) {
			if (kind == OTEL_RECORD_START && !continued)
				books_add(process->books, BOOK_MALFORMED, 1);
			why = found == -EFBIG ? "value too large" : "pieces that do not fit";
			intake_reject(intake, complaint, why, kind, offset);
		}
	} else {
		stream->skipping = false;
	}
	if (found <= 0) {
		bound_pieces(intake);
		return;
	}
	if (header->kind == OTEL_RECORD_RESOURCE)
		take_resource(intake, process, record, complaint, offset);
	else
		take_span_record(intake, stream, record, complaint, offset);
	if (in_pieces)
		stream_drop(stream, &intake->processes.pieces);
}

/*
 * The rest of a flush behind a record whose size is broken. Spans were started in it that will
 * never be seen: the header says how many, and no more than would fit. Returns that.
 */
static uint64_t give_up(struct intake *intake, struct stream *stream, const struct flush *flush,
			uint64_t starts, size_t rest)
{
	uint64_t claimed = flush->header.started - flush->header.started_before, lost;
	uint64_t most = rest / (sizeof(struct otel_record) + sizeof(struct otel_start));

	lost = claimed > starts ? claimed - starts : 0;
	if (lost > most)
		lost = most;
	for (uint64_t i = 0; i < lost; i++)
		accounting_start(stream);
	books_add(stream->process->books, BOOK_MALFORMED, lost);
	intake_drop_pieces(intake, stream, BOOK_MALFORMED);
	stream->skipping = true;
	/* Like a hole: something of the spans that are open may have been in there. */
	stream->gaps++;
	process_gap(stream->process, stream->buffer_id);
	return lost;
}

/* Returns how many spans were started in the flush, in what was here before, too. */
static uint64_t take_records(struct intake *intake, struct stream *stream,
			     const struct flush *flush, size_t overlap, struct complaint *complaint)
{
	struct bytes rest = flush->records;
	struct record record;
	uint64_t starts = 0;
	const char *why;
	size_t offset;
	int err;

	while (rest.size) {
		offset = flush->records.size - rest.size;
		err = decode_record(&rest, &record, &why);
		if (err == -EPROTO) {
			intake_reject(intake, complaint, why, 0, offset);
			return starts + give_up(intake, stream, flush, starts, rest.size);
		}
		starts += begins_span(&record);
		if (offset < overlap)
			continue;
		if (!err) {
			take_record(intake, stream, &record, complaint, offset);
			continue;
		}
		intake_reject(intake, complaint, why, record.header.kind, offset);
		if (begins_span(&record)) {
			accounting_start(stream);
			books_add(stream->process->books, BOOK_MALFORMED, 1);
		} else {
			assembler_damage(intake->assembler, stream->process, record.span_id);
		}
	}
	return starts;
}

/* A flush that there is no time for. */
static void skip_records(struct intake *intake, struct stream *stream, const struct flush *flush)
{
	accounting_skip(stream, flush->records.size, flush->header.started);
	intake_drop_pieces(intake, stream, BOOK_STOPPED);
	stream->skipping = true;
	stream->gaps++;
	process_gap(stream->process, stream->buffer_id);
}

/* The name of an exception's type, as compilers write it; one that was not in memory is read
 * elsewhere. */
static int exception_text(struct intake *intake, const struct event *event,
			  const struct event_exception *it, char text[TYPE_NAME_MAX])
{
	if (it->size && it->size < sizeof(it->text)) {
		memcpy(text, it->text, it->size);
		text[it->size] = '\0';
		return 0;
	}
	if (!it->name || !intake->texts.read || intake->skip)
		return -ENOENT;
	return intake->texts.read(intake->texts.self, &event->process, event->time, it->name, text,
				  TYPE_NAME_MAX);
}

/* What left the last span of the flush that follows, if it comes. */
int intake_exception(struct intake *intake, const struct event *event, struct bytes body)
{
	struct process *process = intake_get_process(intake, &event->process, event->time);
	char text[TYPE_NAME_MAX], type[TYPE_NAME_MAX];
	struct event_exception it;
	struct stream *stream;

	if (body.size < sizeof(it))
		return -EBADMSG;
	memcpy(&it, body.data, sizeof(it));
	if (!process || exception_text(intake, event, &it, text))
		return 0;
	/* A star marks types that are never those of other libraries. */
	type_name(text + (*text == '*'), type);
	stream = process_stream(&intake->processes, process, it.buffer_id);
	if (!stream || !*type)
		return 0;
	free(stream->exception);
	stream->exception = strdup(type);
	stream->exception_position = it.position;
	return 0;
}

static void name_exception(struct intake *intake, struct stream *stream, const struct flush *flush)
{
	struct bytes rest = flush->records, type;
	struct record record;
	const char *why;
	bool found = false;

	if (!stream->exception || flush->header.position < stream->exception_position)
		return;
	type = (struct bytes){(const uint8_t *)stream->exception, strlen(stream->exception)};
	if (flush->header.position == stream->exception_position &&
	    flush->header.reason == OTEL_FLUSH_UNWOUND)
		while (rest.size && decode_record(&rest, &record, &why) != -EPROTO)
			found = true;
	if (found)
		assembler_exception(intake->assembler, stream->process, stream, &record, type,
				    intake->now);
	free(stream->exception);
	stream->exception = NULL;
}

int intake_flush(struct intake *intake, const struct event *event, struct bytes body)
{
	struct process *process = intake_get_process(intake, &event->process, event->time);
	struct complaint complaint = {0};
	struct stream_news news;
	struct stream *stream;
	struct flush flush;
	uint64_t starts;
	const char *why;
	bool first;

	if (!process)
		return 0;
	if (decode_flush(body, &flush, &why))
		goto rejected;
	stream = process_stream(&intake->processes, process, flush.header.buffer_id);
	if (!stream)
		return 0;
	first = accounting_meet(stream, flush.header.position, flush.header.started_before);
	why = "impossible position";
	if (stream_advance(stream, &flush, &news)) {
		keep_stream(&intake->processes, stream);
		goto rejected;
	}
	clock_shift_learn(&process->shift, flush.header.clock_time, event->time);
	accounting_counts(stream, flush.header.not_sampled, flush.header.dropped_starts);
	if (news.seen) {
		keep_stream(&intake->processes, stream);
		name_exception(intake, stream, &flush);
		intake->counts.duplicates += flush.records.size != 0;
		return 0;
	}
	if (news.gap || (first && flush.header.position)) {
		intake_drop_pieces(intake, stream, BOOK_NOT_HANDED_OVER);
		stream->skipping = true;
	}
	if (news.gap) {
		intake->counts.gap_bytes += news.gap;
		process_gap(process, stream->buffer_id);
		accounting_gap(stream, news.gap, flush.header.started_before);
	}
	if (intake->skip) {
		skip_records(intake, stream, &flush);
	} else {
		starts = take_records(intake, stream, &flush, news.overlap, &complaint);
		accounting_check(stream, flush.header.started_before + starts);
	}
	keep_stream(&intake->processes, stream);
	name_exception(intake, stream, &flush);
	if (process->ended)
		assembler_end(intake->assembler, process, process->ended_at);
	process_weigh(&intake->processes, process);
	intake_complain(intake, process, &complaint);
	return 0;

rejected:
	intake_reject(intake, &complaint, why, 0, 0);
	intake_complain(intake, process, &complaint);
	return -EBADMSG;
}
