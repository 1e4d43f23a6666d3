/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "text.h"

#define PROCESSES_SAID 20 /* those that lost the most */

/* ---- What went wrong ------------------------------------------------------------------------ */

static void say_fault(uint64_t n, const char *one, const char *more)
{
	if (n)
		log_error("%" PRIu64 " %s", n, n == 1 ? one : more);
}

static void say_faults(const struct overview *overview)
{
	const struct intake_counts *counts = &overview->counts;
	const struct capture_faults *faults = &overview->faults;
	uint64_t cut_short = counts->books[BOOK_CUT_SHORT];

	say_fault(counts->flushes_refused,
		  "flush was refused: its memory could not be read, or no buffer has its size",
		  "flushes were refused: their memory could not be read, or no buffer has their size");
	say_fault(counts->records_rejected, "malformed record was dropped",
		  "malformed records were dropped");
	if (cut_short)
		log_info("%" PRIu64 " span%s cut short by the end of %s process", cut_short,
			 cut_short == 1 ? " was" : "s were", cut_short == 1 ? "its" : "their");
	say_fault(counts->books[BOOK_INCOMPLETE],
		  "span is incomplete: its end, or a part of it, did not come",
		  "spans are incomplete: their ends, or parts of them, did not come");
	if (faults->losses_unknown)
		log_error("about %" PRIu64
			  " more spans were lost than there was room to note for whom",
			  faults->losses_unknown);
	if (faults->probes_missed)
		log_error("the kernel skipped %" PRIu64 " probe%s", faults->probes_missed,
			  faults->probes_missed == 1 ? "" : "s");
	say_fault(counts->vanished,
		  "process ended unseen: what it held then is lost, and not in these numbers",
		  "processes ended unseen: what they held then is lost, and not in these numbers");
	say_fault(faults->forks_unseen,
		  "fork was not seen: what the process did until it executed something or ended is "
		  "lost, and not in these numbers",
		  "forks were not seen: what these processes did until they executed something or "
		  "ended is lost, and not in these numbers");
	say_fault(faults->execs_unread,
		  "process executed something unseen: what it held then is lost, and not in these "
		  "numbers",
		  "processes executed something unseen: what they held then is lost, and not in "
		  "these numbers");
	say_fault(faults->deaths_unread,
		  "thread ended unseen: what it held then is lost, and not in these numbers",
		  "threads ended unseen: what they held then is lost, and not in these numbers");
	say_fault(faults->lives_lost,
		  "fork or exec was not told because the ring was full (see --ring-size)",
		  "forks and execs were not told because the ring was full (see --ring-size)");
	say_fault(overview->looks_failed,
		  "look at what a process holds came to nothing, since its memory did not come in "
		  "time: what it held and never handed over is lost, and not in these numbers",
		  "looks at what a process holds came to nothing, since its memory did not come in "
		  "time: what it held and never handed over is lost, and not in these numbers");
	say_fault(overview->files_refused,
		  "time, a file on a file system that could hang the agent was loaded, and not "
		  "attached to",
		  "times, a file on a file system that could hang the agent was loaded, and not "
		  "attached to");
	say_fault(faults->not_followed, "process was not followed: too many at once",
		  "processes were not followed: too many at once");
}

static void say_balance(const struct overview *overview)
{
	int64_t difference = books_difference(overview->counts.books);

	if (difference)
		log_error("the books do not balance: %" PRId64
			  " spans are unaccounted for; please report it",
			  difference);
	else if (overview->counts.books[BOOK_CONTRADICTED])
		log_error("the books balance, but the processes' own counts deny %" PRIu64
			  " of the spans: some are made up",
			  overview->counts.books[BOOK_CONTRADICTED]);
	else
		log_info("  the books balance");
}

/* ---- What became of all --------------------------------------------------------------------- */

static void say_count(uint64_t spans, const char *prefix, const char *text)
{
	if (spans)
		log_info("  %12" PRIu64 "  %s%s", spans, prefix, text);
}

static void say_loss(const struct pipeline *pipeline, size_t slot, uint64_t spans,
		     const char *prefix, enum account_count what)
{
	if (spans)
		log_info("  %12" PRIu64 "  %slost: %s", spans, prefix,
			 pipeline_exporter_why(pipeline, slot, what));
}

static void say_exporter(const struct pipeline *pipeline, size_t slot)
{
	struct exporter_counts counts;
	char prefix[64];

	pipeline_exporter_counts(pipeline, slot, &counts);
	snprintf(prefix, sizeof(prefix), "%.30s: ", pipeline_exporter_name(pipeline, slot));
	log_info("  %12" PRIu64 "  %sexported", counts.exported, prefix);
	say_loss(pipeline, slot, counts.undelivered, prefix, ACCOUNT_UNDELIVERED);
	say_loss(pipeline, slot, counts.rejected, prefix, ACCOUNT_REJECTED);
	say_loss(pipeline, slot, counts.queue_full, prefix, ACCOUNT_QUEUE_FULL);
	say_loss(pipeline, slot, counts.spool_dropped, prefix, ACCOUNT_SPOOL_DROPPED);
	say_loss(pipeline, slot, counts.spool_corrupt, prefix, ACCOUNT_SPOOL_CORRUPT);
	say_count(counts.spooled, prefix, "kept in the spool");
	say_count(counts.found, prefix, "found in the spool, beside those started");
	say_count(counts.resent, prefix, "sent again, since the answer was lost");
}

static bool exporters_lost(const struct pipeline *pipeline)
{
	struct exporter_counts counts;
	uint64_t lost = 0;

	for (size_t slot = 0; slot < pipeline_exporters(pipeline); slot++) {
		pipeline_exporter_counts(pipeline, slot, &counts);
		lost += counts.undelivered + counts.rejected + counts.queue_full +
			counts.spool_dropped + counts.spool_corrupt;
	}
	return lost;
}

static void say_books(const struct overview *overview)
{
	const uint64_t *books = overview->counts.books;

	log_info("  %12s", "spans");
	log_info("  %12" PRIu64 "  started", books[BOOK_STARTED]);
	for (int i = BOOK_REASONS_BEGIN; i < BOOK_REASONS_END; i++)
		say_count(books[i],
			  i == BOOK_TRACER_OFF ? "" : "lost: ", books_reason((enum book)i)->text);
	say_count(books[BOOK_OPEN], "", "open");
	log_info("  %12" PRIu64 "  finished, and handed to the exporters", books[BOOK_EXPORTING]);
	for (size_t slot = 0; slot < pipeline_exporters(overview->pipeline); slot++)
		say_exporter(overview->pipeline, slot);
	say_count(books[BOOK_NOT_SAMPLED], "", "not sampled, beside those started");
	say_count(overview->counts.spans_before, "", "had started before this agent came, beside those started");
	say_balance(overview);
}

/* ---- For each process ----------------------------------------------------------------------- */

struct loser {
	const struct books *books;
	uint64_t lost;
};

static uint64_t lost_by(const struct account *account, size_t slot)
{
	uint64_t lost = 0;

	for (int what = ACCOUNT_REJECTED; what < ACCOUNT_SPOOLED; what++)
		lost += account_read(account, slot, (enum account_count)what);
	return lost;
}

/* Every exporter gets each span: what the worst one lost, not the sum. */
static uint64_t lost_by_exporters(const struct books *books)
{
	const struct account *account = books->account;
	uint64_t most = 0;

	for (size_t slot = 0; account && slot < account->n_slots; slot++) {
		uint64_t lost = lost_by(account, slot);

		most = lost > most ? lost : most;
	}
	return most;
}

static size_t add_losers(const struct list *list, struct loser *losers, size_t n)
{
	for (const struct list *link = list->next; link != list; link = link->next) {
		const struct books *books = list_entry(link, struct books, order);
		uint64_t lost = books_lost(books->counts) + lost_by_exporters(books);

		if (!lost && !books->counts[BOOK_CONTRADICTED])
			continue;
		if (losers)
			losers[n] = (struct loser){books, lost};
		n++;
	}
	return n;
}

static size_t find_losers(const struct ledger *ledger, struct loser *losers)
{
	size_t n = add_losers(&ledger->living, losers, 0);

	n = add_losers(&ledger->settling, losers, n);
	return add_losers(&ledger->lossy, losers, n);
}

static int by_loss(const void *a, const void *b)
{
	const struct loser *one = a, *two = b;

	return one->lost < two->lost ? 1 : one->lost > two->lost ? -1 : 0;
}

static void put_reason(struct text *out, const char *name, uint64_t spans)
{
	text_put_literal(out, ", ");
	text_put_string(out, name);
	text_put_char(out, ' ');
	text_put_uint(out, spans);
}

static void say_loser(const struct overview *overview, const struct loser *loser)
{
	const struct books *books = loser->books;
	const struct account *account = books->account;
	struct text reasons = {0};

	for (int i = BOOK_REASONS_BEGIN; i < BOOK_REASONS_END; i++)
		if (books->counts[i] && i != BOOK_TRACER_OFF)
			put_reason(&reasons, books_reason((enum book)i)->name, books->counts[i]);
	for (size_t slot = 0; account && slot < account->n_slots; slot++)
		if (lost_by(account, slot))
			put_reason(&reasons, pipeline_exporter_name(overview->pipeline, slot),
				   lost_by(account, slot));
	if (books->counts[BOOK_CONTRADICTED])
		put_reason(&reasons, "denied by its own counts", books->counts[BOOK_CONTRADICTED]);
	log_info("  process %u (%s): %" PRIu64 " of %" PRIu64 " lost%.*s", books->id.pid,
		 *books->name ? books->name : "?", loser->lost, books->counts[BOOK_STARTED],
		 (int)reasons.size, reasons.size ? reasons.data : "");
	text_free(&reasons);
}

static void say_losers(const struct overview *overview)
{
	const struct ledger *ledger = overview->ledger;
	size_t n = find_losers(ledger, NULL);
	struct loser *losers = n > 1 ? calloc(n, sizeof(*losers)) : NULL;

	if (!losers)
		return;
	find_losers(ledger, losers);
	qsort(losers, n, sizeof(*losers), by_loss);
	for (size_t i = 0; i < n && i < PROCESSES_SAID; i++)
		say_loser(overview, &losers[i]);
	if (n > PROCESSES_SAID)
		log_info("  and %zu more process%s", n - PROCESSES_SAID,
			 n - PROCESSES_SAID == 1 ? "" : "es");
	free(losers);
}

void report_say(const struct overview *overview, bool verbose)
{
	const uint64_t *books = overview->counts.books;
	uint64_t lost = books_lost(books);

	if (lost)
		log_error("%" PRIu64 " of %" PRIu64 " span%s lost", lost, books[BOOK_STARTED],
			  books[BOOK_STARTED] == 1 ? " was" : "s were");
	say_faults(overview);
	/* How many exporters lost they have said themselves. */
	if (verbose || lost || exporters_lost(overview->pipeline) || books[BOOK_CONTRADICTED] || books_difference(books))
		say_books(overview);
	say_losers(overview);
	log_debug("  attached to %zu file%s, which took at most %.1f ms each", overview->images,
		  overview->images == 1 ? "" : "s", overview->longest_ms);
}
