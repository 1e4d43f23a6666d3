/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans leave the assembler: finished, evicted, cut short by the end of their process, or left out
 * since their tracer is switched off.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "assemble_state.h"
#include "hash.h"
#include "log.h"
#include "resource.h"

void finish_merge(struct assembler *as, struct open_span *span)
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
	return hash_bytes(as->table.secret, &process->id, sizeof(process->id)) | 1;
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
		open = id ? open_table_find(&as->table, span->process, id) : NULL;
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

void finish_decide(struct assembler *as, struct open_span *span)
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
	books_add(span->process->books, BOOK_TRACER_OFF, 1);
}

/* ---- Finishing ------------------------------------------------------------------------------ */

void finish_span(struct assembler *as, struct open_span *span)
{
	struct books *books = span->process->books;
	struct resource *resource;
	struct span *out = NULL;
	bool pieces_missing;

	if (span->left_out) {
		leave_out(as, span);
		open_table_discard(&as->table, span);
		return;
	}
	finish_merge(as, span);
	if (as->left_out)
		find_parent(as, span);
	/*
	 * Nobody counts what others wrote, or what was written to a span without an end: a hole in
	 * the process's streams may have held some. Behind its end, the stream of that holds nothing.
	 */
	if (span->ended ? span->shared && process_gap_elsewhere(span->process, span->process_gaps,
								span->end_buffer_id) :
			  span->process_gaps != span->process->gaps)
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
		books_add(books, BOOK_EXPORTING, 1);
		books_add(books, BOOK_INCOMPLETE, pieces_missing);
		books_add(books, BOOK_CUT_SHORT, !pieces_missing && !span->ended);
	} else {
		books_add(books, BOOK_TABLE_FULL, 1); /* no memory: the same as no room */
	}
	span_unref(out);
	open_table_discard(&as->table, span);
}

/* For one that never got a START: nobody counts it as a span. */
static void discard_orphan(struct assembler *as, struct open_span *span)
{
	as->counts->records_orphaned += span->records;
	open_table_discard(&as->table, span);
}

void finish_evicted(void *self, struct open_span *span)
{
	struct assembler *as = self;

	if (!span->started) {
		discard_orphan(as, span);
		return;
	}
	/* It only waits for what others may have to add. */
	if (span->ended) {
		finish_span(as, span);
		return;
	}
	books_add(span->process->books, BOOK_TABLE_FULL, 1);
	if (!as->eviction_logged)
		log_error("more spans are open than there is room for: the oldest are dropped; "
			  "are some never ended?");
	as->eviction_logged = true;
	open_table_discard(&as->table, span);
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
	finish_span(as, span);
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
			 "process exited with status %d before the span ended",
			 WEXITSTATUS(status));
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
			finish_merge(as, span);
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
			finish_span(as, span);
		else
			discard_orphan(as, span);
	}
}

void assembler_tick(struct assembler *as, uint64_t now)
{
	finish_late(as, &as->table.waiting, now);
	finish_late(as, &as->table.unstarted, now);
	while (!list_empty(&as->table.used)) {
		struct open_span *span = list_entry(as->table.used.next, struct open_span, used);

		if (span->touched + FORGOTTEN_NS > now)
			return;
		span->damaged = true;
		cut(as, span, span->touched);
	}
}

void assembler_finish(struct assembler *as, uint64_t now)
{
	while (!list_empty(&as->table.used)) {
		struct open_span *span = list_entry(as->table.used.next, struct open_span, used);

		if (!span->ended)
			span->damaged = true;
		cut(as, span, now);
	}
}
