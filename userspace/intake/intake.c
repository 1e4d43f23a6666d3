/* SPDX-License-Identifier: Apache-2.0 */
#include "intake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "accounting.h"
#include "checkpoint.h"
#include "intake_state.h"

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
	intake->began = options->began;
	intake->processes.keeper = options->keeper;
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
		return intake_flush(intake, &event, body);
	case EVENT_ANCHOR:
		return intake_anchor(intake, &event, body);
	case EVENT_FORK:
		return intake_fork(intake, &event, body);
	case EVENT_EXEC:
		return intake_exec(intake, &event, body);
	case EVENT_EXIT:
		return intake_exit(intake, &event, body);
	case EVENT_RUNS:
		(void)intake_get_process(intake, &event.process, event.time);
		return 0;
	case EVENT_EXCEPTION:
		return intake_exception(intake, &event, body);
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
	struct process *process = intake_get_process(intake, &key->process, intake->now);
	struct stream *stream;

	intake->counts.flushes_refused +=
		note->flushes[LOSS_UNREADABLE] + note->flushes[LOSS_REFUSED];
	if (!process)
		return;
	if (!key->buffer_id) {
		accounting_unknown(process, note);
		keep_process(&intake->processes, process);
		return;
	}
	stream = process_stream(&intake->processes, process, key->buffer_id);
	if (!stream)
		return;
	(void)accounting_meet(stream, note->position, note->started_before);
	if (note->end > stream->expected && note->end - stream->expected <= STREAM_GAP_MAX) {
		intake->counts.gap_bytes += note->end - stream->expected;
		intake_drop_pieces(intake, stream, BOOK_NOT_HANDED_OVER);
		stream->skipping = true;
	}
	accounting_note(stream, note);
	keep_stream(&intake->processes, stream);
}

void intake_expect_losses(struct intake *intake, bool expected)
{
	intake->losses_expected = expected;
}

bool intake_vanished(struct intake *intake, const struct process_id *id)
{
	/* Whichever program it executed last. */
	const struct process_id any = {id->pid, UINT32_MAX, id->start_time};
	struct process *process = process_find_replaced(&intake->processes, &any);

	if (!process || process->id.start_time != id->start_time)
		return false;
	intake_end_process(intake, process, -1, intake->now);
	return true;
}

void intake_tick(struct intake *intake, uint64_t now)
{
	advance(intake, now);
	assembler_tick(intake->assembler, intake->now);
	intake_look_for_silent(intake);
	intake_forget_ended(intake);
	ledger_settle(&intake->processes.ledger);
}

void intake_finish(struct intake *intake)
{
	struct list *link;

	assembler_finish(intake->assembler, intake->now);
	for (link = intake->processes.streams.next; link != &intake->processes.streams;
	     link = link->next)
		intake_drop_pieces(intake, list_entry(link, struct stream, used), BOOK_MALFORMED);
}

int intake_save(struct intake *intake, struct blob *out)
{
	/* A span in pieces is one that is open. */
	for (struct list *link = intake->processes.streams.next; link != &intake->processes.streams;
	     link = link->next) {
		const struct stream *stream = list_entry(link, struct stream, used);

		if (stream->joining && stream->first.header.kind == OTEL_RECORD_START)
			books_add(stream->process->books, BOOK_OPEN, 1);
	}
	return checkpoint_save(&intake->processes, out);
}

int intake_load(struct intake *intake, struct bytes data, uint64_t now, uint64_t *open)
{
	advance(intake, now);
	intake->loaded = true;
	return checkpoint_load(&intake->processes, intake->assembler, data, now, open);
}

static bool restore_one_process(struct intake *intake, const struct kept *kept, uint32_t slot)
{
	struct process *process = process_find(&intake->processes, &kept->process);

	if (!process && !intake->loaded) {
		process = intake_get_process(intake, &kept->process, intake->now);
		if (process)
			restore_process(process, kept);
	}
	if (!process || process->slot)
		return false;
	process->slot = slot;
	/* What is late of it is as late as we are. */
	if (kept->flags & KEPT_ENDED)
		process_end(&intake->processes, process, intake->now);
	return true;
}

bool intake_restore(struct intake *intake, const struct kept *kept, uint32_t slot, uint64_t now)
{
	struct process *process;
	struct stream *stream;

	advance(intake, now);
	if (kept->flags & KEPT_PROCESS)
		return restore_one_process(intake, kept, slot);
	process = process_find(&intake->processes, &kept->process);
	if (!process)
		return false;
	stream = process_find_stream(&intake->processes, process, kept->of_stream.buffer_id);
	if (!stream && !intake->loaded) {
		stream = process_stream(&intake->processes, process, kept->of_stream.buffer_id);
		if (stream)
			restore_stream(stream, kept);
	}
	if (!stream || stream->slot)
		return false;
	stream->slot = slot;
	return true;
}

size_t intake_processes(const struct intake *intake)
{
	return intake->processes.n_living;
}

void intake_counts(const struct intake *intake, struct intake_counts *out)
{
	*out = intake->counts;
	memcpy(out->books, intake->processes.ledger.sums, sizeof(out->books));
}

const struct ledger *intake_ledger(const struct intake *intake)
{
	return &intake->processes.ledger;
}
