/* SPDX-License-Identifier: Apache-2.0 */
#include "status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define PROCESSES_SHOWN 40

__attribute__((format(printf, 2, 3))) static void put(struct text *out, const char *format, ...)
{
	char line[1024];
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (n > 0)
		text_put(out, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static void put_uptime(struct text *out, uint64_t ns)
{
	uint64_t seconds = ns / 1000000000, minutes = seconds / 60, hours = minutes / 60;

	if (hours >= 24)
		put(out, "%" PRIu64 " d %" PRIu64 " h", hours / 24, hours % 24);
	else if (hours)
		put(out, "%" PRIu64 " h %" PRIu64 " min", hours, minutes % 60);
	else if (minutes)
		put(out, "%" PRIu64 " min %" PRIu64 " s", minutes, seconds % 60);
	else
		put(out, "%" PRIu64 " s", seconds);
}

static void put_count(struct text *out, uint64_t spans, const char *prefix, const char *text)
{
	if (spans)
		put(out, "  %14" PRIu64 "  %s%s\n", spans, prefix, text);
}

static void put_spans(struct text *out, const uint64_t *books)
{
	put(out, "  %14s\n  %14" PRIu64 "  started\n", "spans", books[BOOK_STARTED]);
	for (int i = BOOK_REASONS_BEGIN; i < BOOK_REASONS_END; i++)
		put_count(out, books[i],
			  i == BOOK_TRACER_OFF ? "" : "lost: ", books_reason((enum book)i)->text);
	put_count(out, books[BOOK_OPEN], "", "open");
	put(out, "  %14" PRIu64 "  finished, and handed to the exporters\n", books[BOOK_EXPORTING]);
	put_count(out, books[BOOK_INCOMPLETE], "", "of them incomplete");
	put_count(out, books[BOOK_CUT_SHORT], "", "of them cut short by the end of their process");
	put_count(out, books[BOOK_NOT_SAMPLED], "", "not sampled, beside those started");
	put_count(out, books[BOOK_CONTRADICTED], "", "denied by the processes' own counts");
	if (books_difference(books))
		put(out, "  the books do not balance: %" PRId64 " spans are unaccounted for\n",
		    books_difference(books));
}

static void put_exporter(struct text *out, const struct pipeline *pipeline, size_t slot)
{
	struct exporter_health health;
	struct exporter_counts counts;

	pipeline_exporter_counts(pipeline, slot, &counts);
	pipeline_exporter_health(pipeline, slot, &health);
	put(out, "  exporter %s: %s", pipeline_exporter_name(pipeline, slot),
	    health.healthy ? "delivers" : "cannot deliver");
	if (*health.message)
		put(out, "; %s%" PRIu64 " s ago: %s", health.healthy ? "the last error was " : "",
		    health.age_ms / 1000, health.message);
	put(out, "\n  %14" PRIu64 "  exported\n", counts.exported);
	put_count(out, counts.waiting, "", "wait in memory");
	put_count(out, counts.spooled, "", "wait in the spool");
	put_count(out, counts.queue_full, "lost: ",
		  pipeline_exporter_why(pipeline, slot, ACCOUNT_QUEUE_FULL));
	put_count(out, counts.rejected, "lost: ",
		  pipeline_exporter_why(pipeline, slot, ACCOUNT_REJECTED));
	put_count(out, counts.undelivered, "lost: ",
		  pipeline_exporter_why(pipeline, slot, ACCOUNT_UNDELIVERED));
	put_count(out, counts.spool_dropped, "lost: ",
		  pipeline_exporter_why(pipeline, slot, ACCOUNT_SPOOL_DROPPED));
	put_count(out, counts.spool_corrupt, "lost: ",
		  pipeline_exporter_why(pipeline, slot, ACCOUNT_SPOOL_CORRUPT));
	put_count(out, counts.resent, "", "sent again since the answer was lost");
}

static void put_faults(struct text *out, const struct overview *overview)
{
	const struct intake_counts *counts = &overview->counts;
	const struct capture_faults *faults = &overview->faults;

	put_count(out, counts->records_rejected, "", "malformed records dropped");
	put_count(out, counts->flushes_refused, "", "flushes refused");
	put_count(out, faults->probes_missed, "", "probes skipped by the kernel");
	put_count(out, faults->lives_lost, "", "forks and execs not told: the ring was full");
	put_count(out, faults->not_followed, "", "processes not followed: too many at once");
	put_count(out, overview->looks_failed, "",
		  "looks at what a process holds came to nothing: its memory did not come in time");
	put_count(out, overview->files_refused, "",
		  "files loaded from a file system that could hang the agent: not attached to");
	put_count(out, counts->vanished, "", "processes ended unseen");
	put_count(out, faults->losses_unknown, "", "spans more lost than could be noted for whom");
}

/* By all exporters: what the slowest has, and what waits with it. */
static uint64_t exported(const struct books *books)
{
	const struct account *account = books->account;
	uint64_t least = UINT64_MAX;

	for (size_t slot = 0; account && slot < account->n_slots; slot++) {
		uint64_t n = account_read(account, slot, ACCOUNT_EXPORTED);

		least = n < least ? n : least;
	}
	return least == UINT64_MAX ? 0 : least;
}

static size_t put_processes(struct text *out, const struct list *list, size_t n)
{
	for (const struct list *link = list->next; link != list; link = link->next) {
		const struct books *books = list_entry(link, struct books, order);
		const uint64_t *counts = books->counts;

		/* Shells and the like, which have nothing to say. */
		if (!counts[BOOK_STARTED] && !counts[BOOK_NOT_SAMPLED])
			continue;
		if (n++ >= PROCESSES_SHOWN)
			continue;
		put(out,
		    "  %8u %12" PRIu64 " %12" PRIu64 " %9" PRIu64 " %12" PRIu64 " %12" PRIu64
		    "  %s%s\n",
		    books->id.pid, counts[BOOK_STARTED], exported(books), counts[BOOK_OPEN],
		    books_lost(counts), counts[BOOK_NOT_SAMPLED], *books->name ? books->name : "?",
		    books->ended ? " (ended)" : "");
	}
	return n;
}

void status_text(const struct overview *overview, struct text *out)
{
	size_t n;

	put(out, "agent %d, otel-bpf " OTEL_BPF_VERSION ", up ", (int)getpid());
	put_uptime(out, overview->uptime_ns);
	put(out,
	    "\n  %zu process%s followed, %zu file%s attached to, %" PRIu64 " KiB of %" PRIu64
	    " KiB in the ring\n",
	    overview->processes, overview->processes == 1 ? "" : "es", overview->images,
	    overview->images == 1 ? "" : "s", overview->ring_used >> 10,
	    overview->ring_bytes >> 10);
	put_spans(out, overview->counts.books);
	put_faults(out, overview);
	for (size_t slot = 0; slot < pipeline_exporters(overview->pipeline); slot++)
		put_exporter(out, overview->pipeline, slot);
	put(out, "  %8s %12s %12s %9s %12s %12s  %s\n", "process", "started", "exported", "open",
	    "lost", "not sampled", "name");
	n = put_processes(out, &overview->ledger->living, 0);
	n = put_processes(out, &overview->ledger->settling, n);
	n = put_processes(out, &overview->ledger->lossy, n);
	if (n > PROCESSES_SHOWN)
		put(out, "  and %zu processes more: see --json\n", n - PROCESSES_SHOWN);
	if (overview->ledger->n_forgotten)
		put(out, "  and %" PRIu64 " that have ended, all of whose spans left\n",
		    overview->ledger->n_forgotten);
}
