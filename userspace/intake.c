/* SPDX-License-Identifier: Apache-2.0 */
#include "intake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "accounting.h"
#include "assemble.h"
#include "checkpoint.h"
#include "log.h"
#include "process.h"
#include "resource.h"
#include "type_name.h"

/* What comes from a process can be as late as its last flush was in the ring. */
#define ENDED_NS UINT64_C(3000000000)

/*
 * An exit that did not fit into the ring is never told: those that are silent for so long are
 * looked at, a few a tick.
 */
#define SILENT_NS UINT64_C(30000000000)
#define LOOKS_MAX 8

/* Complaints about processes: so many at once, and one a second. */
#define COMPLAINTS_MAX 20

#define STACK_KEEP 65536

struct intake {
	struct intake_counts counts;
	struct processes processes;
	struct assembler *assembler;
	struct stack_names stack_names;
	struct process_texts texts;
	struct blob stack; /* the text of a stack trace */
	uint64_t event_time;
	uint64_t now; /* the latest time that an event or a tick named */
	uint64_t complaints;
	uint64_t complaints_at;
	bool skip;
};

/* What is wrong with a flush, to be said once it is done with. */
struct complaint {
	const char *why;
	uint8_t kind;
	size_t offset;
	uint64_t n;
};

struct intake *intake_new(const struct intake_options *options)
{
	struct intake *intake = calloc(1, sizeof(*intake));

	if (!intake)
		return NULL;
	if (processes_init(&intake->processes))
		goto free_intake;
	intake->assembler = assembler_new(options, &intake->counts);
	if (!intake->assembler)
		goto free_processes;
	intake->stack_names = options->stack_names;
	intake->texts = options->texts;
	intake->complaints = COMPLAINTS_MAX;
	return intake;

free_processes:
	processes_free(&intake->processes);
free_intake:
	free(intake);
	errno = ENOMEM;
	return NULL;
}

void intake_free(struct intake *intake)
{
	if (!intake)
		return;
	assembler_free(intake->assembler);
	processes_free(&intake->processes);
	blob_free(&intake->stack);
	free(intake);
}

static void advance(struct intake *intake, uint64_t now)
{
	if (now > intake->now)
		intake->now = now;
}

/* ---- Complaints ----------------------------------------------------------------------------- */

static bool may_complain(struct intake *intake)
{
	uint64_t seconds = (intake->now - intake->complaints_at) / 1000000000u;

	if (seconds) {
		intake->complaints_at = intake->now;
		intake->complaints += seconds < COMPLAINTS_MAX ? seconds : COMPLAINTS_MAX;
		if (intake->complaints > COMPLAINTS_MAX)
			intake->complaints = COMPLAINTS_MAX;
	}
	if (!intake->complaints)
		return false;
	intake->complaints--;
	return true;
}

static void reject(struct intake *intake, struct complaint *complaint, const char *why,
		   uint8_t kind, size_t offset)
{
	intake->counts.records_rejected++;
	if (!complaint->n++) {
		complaint->why = why;
		complaint->kind = kind;
		complaint->offset = offset;
	}
}

static void complain(struct intake *intake, struct process *process,
		     const struct complaint *complaint)
{
	char name[64];

	process->rejected += complaint->n;
	process_name(process, name, sizeof(name));
	if (process->bad_environment && !process->bad_environment_reported &&
	    may_complain(intake)) {
		process->bad_environment_reported = true;
		log_info("process %u (%s): OTEL_RESOURCE_ATTRIBUTES ignored: not a list of "
			 "key=value",
			 process->id.pid, name);
	}
	if (process->bad_propagators && !process->bad_propagators_reported && may_complain(intake)) {
		process->bad_propagators_reported = true;
		log_info("process %u (%s): OTEL_PROPAGATORS: only tracecontext, baggage and none are "
			 "known, the rest is ignored",
			 process->id.pid, name);
	}
	if (!complaint->n || process->reported || !may_complain(intake))
		return;
	process->reported = true;
	log_error("process %u (%s): %llu malformed record%s dropped (%s in %s at offset %zu)",
		  process->id.pid, name, (unsigned long long)complaint->n,
		  complaint->n == 1 ? "" : "s", complaint->why,
		  complaint->kind ? record_name(complaint->kind) : "a flush", complaint->offset);
}

/* ---- Processes ------------------------------------------------------------------------------ */

/* A value that never became whole; if it was a START, so did the span. */
static bool drop_pieces(struct intake *intake, struct stream *stream)
{
	if (!stream_drop(stream, &intake->processes.pieces))
		return false;
	if (stream->first.header.kind == OTEL_RECORD_START)
		stream->process->books->counts[BOOK_MALFORMED]++;
	return true;
}

static void end_process(struct intake *intake, struct process *process, int status, uint64_t at)
{
	struct list *link;

	process->exit_status = status;
	intake->counts.vanished += status < 0;
	assembler_end(intake->assembler, process, at);
	for (link = process->streams.next; link != &process->streams; link = link->next)
		drop_pieces(intake, list_entry(link, struct stream, sibling));
	process_end(&intake->processes, process, at);
}

static void forget_ended(struct intake *intake)
{
	struct processes *all = &intake->processes;

	while (!list_empty(&all->ended)) {
		struct process *it = list_entry(all->ended.next, struct process, order);

		if (it->ended_at + ENDED_NS > intake->now && all->n < PROCESSES_MAX &&
		    all->n - all->n_living <= PROCESSES_ENDED_MAX)
			return;
		process_remove(all, it);
	}
}

/* A process that is new here; what it replaces is over. */
static struct process *add_process(struct intake *intake, const struct process_id *id, uint64_t now)
{
	struct process *before = process_find_replaced(&intake->processes, id), *process;

	/* Of an exec only the next program tells. */
	if (before)
		end_process(intake, before, before->id.start_time == id->start_time ? 0 : -1, now);
	forget_ended(intake);
	if (intake->processes.n >= PROCESSES_MAX) {
		end_process(intake,
			    list_entry(intake->processes.living.next, struct process, order), 0,
			    now);
		forget_ended(intake);
	}
	process = process_add(&intake->processes, id);
	if (process)
		process->heard = now;
	if (process && before && before->id.start_time == id->start_time) {
		process->facts.parent_pid = before->facts.parent_pid;
		/* If it is gone before /proc is read. */
		memcpy(process->facts.container, before->facts.container,
		       sizeof(process->facts.container));
	}
	return process;
}

static void detect(struct process *process)
{
	uint32_t parent_pid = process->facts.parent_pid;
	struct facts facts;

	if (detect_process(&process->id, &facts))
		return;
	facts_free(&process->facts);
	process->facts = facts;
	process->shift.same = facts.same_clock;
	if (parent_pid)
		process->facts.parent_pid = parent_pid;
	process_name_books(process);
}

/* The process of news that say nothing about it but its id. */
static struct process *get_process(struct intake *intake, const struct process_id *id,
				   uint64_t time)
{
	struct process *process = process_find(&intake->processes, id);

	if (process) {
		process_touch(&intake->processes, process, time);
		return process;
	}
	process = add_process(intake, id, time);
	if (process)
		detect(process);
	return process;
}

/* ---- Forks, execs, exits -------------------------------------------------------------------- */

/* A fork copies all that the program knows of itself. */
static void inherit(struct process *process, const struct process *parent)
{
	struct blob fields = {0};
	const char *why;

	facts_free(&process->facts);
	(void)facts_copy(&process->facts, &parent->facts);
	process_name_books(process);
	process->language = parent->language;
	/* A child can be the first in a time namespace that its parent made. */
	if (parent->facts.seen && detect_clock(process->id.pid) == 0)
		process->shift = (struct clock_shift){0};
	else
		process->shift = parent->shift;
	(void)blob_append(&process->environment, parent->environment.data,
			  parent->environment.size);
	if (parent->by_program.n && !blob_reserve(&fields, attributes_size(&parent->by_program))) {
		fields.size =
			(size_t)(attributes_write(&parent->by_program, fields.data) - fields.data);
		(void)resource_merge(process, blob_bytes(&fields), &why);
		blob_free(&fields);
	}
}

static int take_fork(struct intake *intake, const struct event *event, struct bytes body)
{
	struct event_fork fork;
	struct process *process, *parent;

	if (body.size < sizeof(fork))
		return -EBADMSG;
	memcpy(&fork, body.data, sizeof(fork));
	if (process_find(&intake->processes, &event->process))
		return 0;
	process = add_process(intake, &event->process, event->time);
	if (!process)
		return 0;
	process->whole = true;
	parent = process_find(&intake->processes, &fork.parent);
	if (parent)
		inherit(process, parent);
	else
		detect(process);
	process->facts.parent_pid = fork.parent.pid;
	return 0;
}

/*
 * What /proc does not tell any more. The path that was given to execve(2) may be a link's or a
 * script's: then only the file's own name is known.
 */
static char *executable_of(const struct event_exec *exec, const char *path)
{
	size_t name = strlen(exec->name), size = exec->filename_size;

	if (!name)
		return size ? strndup(path, size) : NULL;
	if (size > name && *path == '/' && path[size - name - 1] == '/' &&
	    !memcmp(path + size - name, exec->name, name))
		return strndup(path, size);
	return strdup(exec->name);
}

static int take_exec(struct intake *intake, const struct event *event, struct bytes body)
{
	struct event_exec exec;
	struct process *process;
	struct facts *facts;
	const char *strings;

	if (body.size < sizeof(exec))
		return -EBADMSG;
	memcpy(&exec, body.data, sizeof(exec));
	exec.name[sizeof(exec.name) - 1] = '\0';
	strings = (const char *)body.data + sizeof(exec);
	if ((uint64_t)exec.filename_size + exec.arguments_size > body.size - sizeof(exec))
		return -EBADMSG;
	process = process_find(&intake->processes, &event->process);
	if (!process) {
		process = add_process(intake, &event->process, event->time);
		if (!process)
			return 0;
		process->whole = true;
	}
	detect(process);
	facts = &process->facts;
	if (!facts->executable)
		facts->executable = executable_of(&exec, strings);
	if (!facts->command && exec.arguments_size)
		facts->command = strndup(strings + exec.filename_size, exec.arguments_size);
	process_name_books(process);
	return 0;
}

static int take_exit(struct intake *intake, const struct event *event, struct bytes body)
{
	struct event_exit it;
	struct process *process;

	if (body.size < sizeof(it))
		return -EBADMSG;
	memcpy(&it, body.data, sizeof(it));
	process = process_find(&intake->processes, &event->process);
	/* An exec can fail after the old program is gone: nobody tells of the next one, but this. */
	if (!process)
		process = process_find_replaced(&intake->processes, &event->process);
	if (process && !process->ended && process->id.start_time == event->process.start_time) {
		process->out_of_memory = it.out_of_memory;
		end_process(intake, process, it.status, event->time);
	}
	return 0;
}

static int take_anchor(struct intake *intake, const struct event *event, struct bytes body)
{
	struct process *process = get_process(intake, &event->process, event->time);
	struct complaint complaint = {0};
	struct anchor anchor;
	const char *why;

	if (!process)
		return 0;
	if (decode_anchor(body, &anchor, &why)) {
		reject(intake, &complaint, why, 0, 0);
		complain(intake, process, &complaint);
		return -EBADMSG;
	}
	process->language = (uint16_t)anchor.language;
	blob_reset(&process->environment, OTEL_ANCHOR_SIZE);
	(void)blob_append(&process->environment, anchor.environment.data, anchor.environment.size);
	if (resource_merge(process, anchor.resource, &why) < 0)
		reject(intake, &complaint, why, OTEL_RECORD_RESOURCE, 0);
	complain(intake, process, &complaint);
	process_weigh(&intake->processes, process);
	return 0;
}

/* ---- Flushes -------------------------------------------------------------------------------- */

static void take_resource(struct intake *intake, struct process *process,
			  const struct record *record, struct complaint *complaint, size_t offset)
{
	const char *why;
	int found = resource_merge(process, record->payload, &why);

	if (found < 0)
		reject(intake, complaint, why, record->header.kind, offset);
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
	if (err == -EBADMSG)
		reject(intake, complaint, why, record->header.kind, offset);
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
		reject(intake, complaint, why, stream->first.header.kind, offset);
		drop_pieces(intake, stream);
	}
	if (header->kind == OTEL_RECORD_START && !(header->flags & OTEL_RECORD_CONTINUED))
		accounting_start(stream);
	if (in_pieces) {
		uint8_t kind = stream->joining ? stream->first.header.kind : header->kind;
		bool continued = header->flags & OTEL_RECORD_CONTINUED && !stream->joining;

		found = stream_join(stream, record, &intake->processes.pieces);
		if (found < 0) {
			if (kind == OTEL_RECORD_START && !continued)
				process->books->counts[BOOK_MALFORMED]++;
			why = found == -EFBIG ? "value too large" : "pieces that do not fit";
			reject(intake, complaint, why, kind, offset);
		}
	} else {
		stream->skipping = false;
	}
	if (found <= 0)
		return;
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
	stream->process->books->counts[BOOK_MALFORMED] += lost;
	drop_pieces(intake, stream);
	stream->skipping = true;
	/* Like a hole: something of the spans that are open may have been in there. */
	stream->gaps++;
	stream->process->gaps++;
	return lost;
}

static bool begins_span(const struct record *record)
{
	return record->header.kind == OTEL_RECORD_START &&
	       !(record->header.flags & OTEL_RECORD_CONTINUED);
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
			reject(intake, complaint, why, 0, offset);
			return starts + give_up(intake, stream, flush, starts, rest.size);
		}
		starts += begins_span(&record);
		if (offset < overlap)
			continue;
		if (!err) {
			take_record(intake, stream, &record, complaint, offset);
			continue;
		}
		reject(intake, complaint, why, record.header.kind, offset);
		if (begins_span(&record)) {
			accounting_start(stream);
			stream->process->books->counts[BOOK_MALFORMED]++;
		}
	}
	return starts;
}

/* A flush that there is no time for. */
static void skip_records(struct intake *intake, struct stream *stream, const struct flush *flush)
{
	accounting_skip(stream, flush->records.size, flush->header.started);
	drop_pieces(intake, stream);
	stream->skipping = true;
	stream->gaps++;
	stream->process->gaps++;
}

/* The name of an exception's type, as compilers write it; one that was not in memory is read elsewhere. */
static int exception_text(struct intake *intake, const struct event *event, const struct event_exception *it,
			  char text[TYPE_NAME_MAX])
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
static int take_exception(struct intake *intake, const struct event *event, struct bytes body)
{
	struct process *process = get_process(intake, &event->process, event->time);
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

static int take_flush(struct intake *intake, const struct event *event, struct bytes body)
{
	struct process *process = get_process(intake, &event->process, event->time);
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
	first = stream->expected == UINT64_MAX;
	if (first)
		accounting_begin(stream, flush.header.position, flush.header.started_before);
	why = "impossible position";
	if (stream_advance(stream, &flush, &news))
		goto rejected;
	clock_shift_learn(&process->shift, flush.header.clock_time, event->time);
	accounting_counts(stream, flush.header.not_sampled, flush.header.dropped_starts);
	if (news.seen) {
		name_exception(intake, stream, &flush);
		intake->counts.duplicates += flush.records.size != 0;
		return 0;
	}
	if (news.gap || (first && flush.header.position)) {
		drop_pieces(intake, stream);
		stream->skipping = true;
	}
	if (news.gap) {
		intake->counts.gap_bytes += news.gap;
		process->gaps++;
		accounting_gap(stream, news.gap, flush.header.started_before);
	}
	if (intake->skip) {
		skip_records(intake, stream, &flush);
	} else {
		starts = take_records(intake, stream, &flush, news.overlap, &complaint);
		accounting_check(stream, flush.header.started_before + starts);
	}
	name_exception(intake, stream, &flush);
	if (process->ended)
		assembler_end(intake->assembler, process, process->ended_at);
	process_weigh(&intake->processes, process);
	complain(intake, process, &complaint);
	return 0;

rejected:
	reject(intake, &complaint, why, 0, 0);
	complain(intake, process, &complaint);
	return -EBADMSG;
}

/* ---- The interface -------------------------------------------------------------------------- */

int intake_event(struct intake *intake, const void *data, size_t size)
{
	struct event event;
	struct bytes body;

	if (size < sizeof(event))
		return -EBADMSG;
	memcpy(&event, data, sizeof(event));
	if (event.size > size - sizeof(event))
		return -EBADMSG;
	body = (struct bytes){.data = (const uint8_t *)data + sizeof(event), .size = event.size};
	advance(intake, event.time);
	intake->event_time = event.time;
	switch (event.kind) {
	case EVENT_FLUSH:
		return take_flush(intake, &event, body);
	case EVENT_ANCHOR:
		return take_anchor(intake, &event, body);
	case EVENT_FORK:
		return take_fork(intake, &event, body);
	case EVENT_EXEC:
		return take_exec(intake, &event, body);
	case EVENT_EXIT:
		return take_exit(intake, &event, body);
	case EVENT_RUNS:
		(void)get_process(intake, &event.process, event.time);
		return 0;
	case EVENT_EXCEPTION:
		return take_exception(intake, &event, body);
	default:
		return -EBADMSG;
	}
}

int intake_skip(struct intake *intake, const void *data, size_t size)
{
	int err;

	intake->skip = true;
	err = intake_event(intake, data, size);
	intake->skip = false;
	return err;
}

void intake_lost(struct intake *intake, const struct loss_key *key, const struct loss_note *note)
{
	struct process *process = get_process(intake, &key->process, intake->now);
	struct stream *stream;

	intake->counts.flushes_refused +=
		note->flushes[LOSS_UNREADABLE] + note->flushes[LOSS_REFUSED];
	if (!process)
		return;
	if (!key->buffer_id) {
		accounting_unknown(process, note);
		return;
	}
	stream = process_stream(&intake->processes, process, key->buffer_id);
	if (!stream)
		return;
	if (stream->expected == UINT64_MAX)
		accounting_begin(stream, note->position, note->started_before);
	if (note->end > stream->expected && note->end - stream->expected <= STREAM_GAP_MAX) {
		intake->counts.gap_bytes += note->end - stream->expected;
		drop_pieces(intake, stream);
		stream->skipping = true;
	}
	accounting_note(stream, note);
}

static void look_for_silent(struct intake *intake)
{
	struct processes *all = &intake->processes;

	for (int i = 0; i < LOOKS_MAX && !list_empty(&all->living); i++) {
		struct process *it = list_entry(all->living.next, struct process, order);

		if (it->heard + SILENT_NS > intake->now)
			return;
		/* A /proc of another pid namespace knows nobody: only believe one that did. */
		if (it->facts.seen && !detect_alive(&it->id))
			end_process(intake, it, -1, intake->now);
		else
			process_touch(all, it, intake->now);
	}
}

bool intake_vanished(struct intake *intake, const struct process_id *id)
{
	/* Whichever program it executed last. */
	const struct process_id any = {id->pid, UINT32_MAX, id->start_time};
	struct process *process = process_find_replaced(&intake->processes, &any);

	if (!process || process->id.start_time != id->start_time)
		return false;
	end_process(intake, process, -1, intake->now);
	return true;
}

void intake_tick(struct intake *intake, uint64_t now)
{
	advance(intake, now);
	assembler_tick(intake->assembler, intake->now);
	look_for_silent(intake);
	forget_ended(intake);
	ledger_settle(&intake->processes.ledger);
}

void intake_finish(struct intake *intake)
{
	struct list *link;

	assembler_finish(intake->assembler, intake->now);
	for (link = intake->processes.streams.next; link != &intake->processes.streams;
	     link = link->next)
		drop_pieces(intake, list_entry(link, struct stream, used));
}

int intake_save(struct intake *intake, struct blob *out)
{
	/* A span in pieces is one that is open. */
	for (struct list *link = intake->processes.streams.next; link != &intake->processes.streams;
	     link = link->next) {
		const struct stream *stream = list_entry(link, struct stream, used);

		if (stream->joining && stream->first.header.kind == OTEL_RECORD_START)
			stream->process->books->counts[BOOK_OPEN]++;
	}
	return checkpoint_save(&intake->processes, out);
}

int intake_load(struct intake *intake, struct bytes data, uint64_t now, uint64_t *open)
{
	advance(intake, now);
	return checkpoint_load(&intake->processes, intake->assembler, data, now, open);
}

void intake_known(struct intake *intake, const struct process_id *id, uint64_t buffer_id, uint64_t end,
		  uint64_t started)
{
	struct process *process = detect_alive(id) ? get_process(intake, id, intake->now) : NULL;
	struct stream *stream = process ? process_stream(&intake->processes, process, buffer_id) : NULL;

	if (stream && stream->expected == UINT64_MAX)
		accounting_begin(stream, end, started);
}

size_t intake_open(const struct intake *intake)
{
	return assembler_open(intake->assembler);
}

size_t intake_processes(const struct intake *intake)
{
	return intake->processes.n_living;
}

void intake_counts(const struct intake *intake, struct intake_counts *out)
{
	*out = intake->counts;
	ledger_sum(&intake->processes.ledger, out->books);
}

const struct ledger *intake_ledger(const struct intake *intake)
{
	return &intake->processes.ledger;
}
