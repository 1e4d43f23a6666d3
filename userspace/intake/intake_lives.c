/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which processes there are: what the kernel tells of their lives, and what they say of themselves.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "intake_state.h"
#include "resource.h"

/* What comes from a process can be as late as its last flush was in the ring. */
#define ENDED_NS UINT64_C(3000000000)

/*
 * An exit that did not fit into the ring is never told: those that are silent for so long are
 * looked at, a few a tick.
 */
#define SILENT_NS UINT64_C(30000000000)
#define LOOKS_MAX 8

bool intake_drop_pieces(struct intake *intake, struct stream *stream, enum book why)
{
	if (!stream_drop(stream, &intake->processes.pieces))
		return false;
	if (stream->first.header.kind == OTEL_RECORD_START) {
		books_add(stream->process->books, why, 1);
		stream->torn += why == BOOK_NOT_HANDED_OVER;
	}
	return true;
}

void intake_end_process(struct intake *intake, struct process *process, int status, uint64_t at)
{
	struct list *link;

	process->exit_status = status;
	intake->counts.vanished += status < 0;
	assembler_end(intake->assembler, process, at);
	for (link = process->streams.next; link != &process->streams; link = link->next)
		intake_drop_pieces(intake, list_entry(link, struct stream, sibling), BOOK_MALFORMED);
	process_end(&intake->processes, process, at);
}

void intake_forget_ended(struct intake *intake)
{
	struct processes *all = &intake->processes;

	while (!list_empty(&all->ended)) {
		struct process *it = list_entry(all->ended.next, struct process, order);

		if ((it->ended_at + ENDED_NS > intake->now || intake->losses_expected) && all->n < PROCESSES_MAX &&
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
		intake_end_process(intake, before, before->id.start_time == id->start_time ? 0 : -1,
				   now);
	intake_forget_ended(intake);
	if (intake->processes.n >= PROCESSES_MAX) {
		intake_end_process(intake,
				   list_entry(intake->processes.living.next, struct process, order),
				   0, now);
		intake_forget_ended(intake);
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

struct process *intake_get_process(struct intake *intake, const struct process_id *id,
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

void intake_look_for_silent(struct intake *intake)
{
	struct processes *all = &intake->processes;

	for (int i = 0; i < LOOKS_MAX && !list_empty(&all->living); i++) {
		struct process *it = list_entry(all->living.next, struct process, order);

		if (it->heard + SILENT_NS > intake->now)
			return;
		/* A /proc of another pid namespace knows nobody: only believe one that did. */
		if (it->facts.seen && !detect_alive(&it->id))
			intake_end_process(intake, it, -1, intake->now);
		else
			process_touch(all, it, intake->now);
	}
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

int intake_fork(struct intake *intake, const struct event *event, struct bytes body)
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
	keep_process(&intake->processes, process);
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

int intake_exec(struct intake *intake, const struct event *event, struct bytes body)
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
		keep_process(&intake->processes, process);
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

int intake_exit(struct intake *intake, const struct event *event, struct bytes body)
{
	struct event_exit it;
	struct process *process;

	if (body.size < sizeof(it))
		return -EBADMSG;
	memcpy(&it, body.data, sizeof(it));
	process = process_find(&intake->processes, &event->process);
	/* An exec can fail after the old program is gone: nobody tells of the next one, but this.
	 */
	if (!process)
		process = process_find_replaced(&intake->processes, &event->process);
	if (process && !process->ended && process->id.start_time == event->process.start_time) {
		process->out_of_memory = it.out_of_memory;
		intake_end_process(intake, process, it.status, event->time);
	}
	return 0;
}

int intake_anchor(struct intake *intake, const struct event *event, struct bytes body)
{
	struct process *process = intake_get_process(intake, &event->process, event->time);
	struct complaint complaint = {0};
	struct anchor anchor;
	const char *why;

	if (!process)
		return 0;
	if (decode_anchor(body, &anchor, &why)) {
		intake_reject(intake, &complaint, why, 0, 0);
		intake_complain(intake, process, &complaint);
		return -EBADMSG;
	}
	process->language = (uint16_t)anchor.language;
	blob_reset(&process->environment, OTEL_ANCHOR_SIZE);
	(void)blob_append(&process->environment, anchor.environment.data, anchor.environment.size);
	if (resource_merge(process, anchor.resource, &why) < 0)
		intake_reject(intake, &complaint, why, OTEL_RECORD_RESOURCE, 0);
	intake_complain(intake, process, &complaint);
	process_weigh(&intake->processes, process);
	return 0;
}
