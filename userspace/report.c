/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "text.h"

#define PROCESSES_SAID 20 /* those that lost the most */

/* ---- What went wrong ------------------------------------------------------------------------ */

static void say_faults(const struct overview *overview)
{
	const struct intake_counts *counts = &overview->counts;
	const struct capture_faults *faults = &overview->faults;

	if (counts->flushes_refused)
		log_error("%" PRIu64
			  " flushes were refused: their memory could not be read, or no buffer has "
			  "their size",
			  counts->flushes_refused);
	if (counts->records_rejected)
		log_error("%" PRIu64 " malformed records were dropped", counts->records_rejected);
	if (counts->books[BOOK_INCOMPLETE])
		log_error("%" PRIu64
			  " spans are incomplete: they did not end, or parts of them were lost",
			  counts->books[BOOK_INCOMPLETE]);
	if (faults->losses_unknown)
		log_error("about %" PRIu64
			  " spans more were lost than there was room to note for whom",
			  faults->losses_unknown);
	if (faults->probes_missed)
		log_error("the kernel skipped %" PRIu64 " probes", faults->probes_missed);
	if (counts->vanished)
		log_error("%" PRIu64 " processes ended unseen: what they held then is lost, and not in these "
			  "numbers",
			  counts->vanished);
	if (faults->forks_unseen)
		log_error("%" PRIu64 " forks were not seen: what these processes did until they executed "
			  "something or ended is lost, and not in these numbers",
			  faults->forks_unseen);
	if (faults->execs_unread)
		log_error("%" PRIu64 " processes executed something unseen: what they held then is lost, and "
			  "not in these numbers",
			  faults->execs_unread);
	if (faults->lives_lost)
		log_error("%" PRIu64 " forks and execs were not told because the ring was full (see "
			  "--ring-size)",
			  faults->lives_lost);
	if (overview->looks_failed)
		log_error("%" PRIu64 " looks at what a process holds came to nothing, since its memory did not "
			  "come in time: what it held and never handed over is lost, and not in these numbers",
			  overview->looks_failed);
	if (overview->files_refused)
		log_error("%" PRIu64 " times, a file on a file system that could hang the agent was loaded, and "
			  "not attached to",
			  overview->files_refused);
	if (faults->not_followed)
		log_error("%" PRIu64 " processes were not followed: too many at once", faults->not_followed);
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

static void say_exporter(const struct pipeline *pipeline, size_t slot)
{
	struct exporter_counts counts;
	char prefix[64];

	pipeline_exporter_counts(pipeline, slot, &counts);
	snprintf(prefix, sizeof(prefix), "%.30s: ", pipeline_exporter_name(pipeline, slot));
	log_info("  %12" PRIu64 "  %sexported", counts.exported, prefix);
	say_count(counts.undelivered, prefix, "lost: the receiver could not be reached");
	say_count(counts.rejected, prefix, "lost: the receiver refused them");
	say_count(counts.queue_full, prefix, "lost: the queue was full");
	say_count(counts.spool_dropped, prefix, "lost: the oldest in a spool that was full");
	say_count(counts.spool_corrupt, prefix, "lost: could not be read back from the spool");
	say_count(counts.spooled, prefix, "kept in the spool");
	say_count(counts.found, prefix, "found in the spool, beside those started");
	say_count(counts.resent, prefix, "sent again, since the answer was lost");
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
		log_info("  and %zu processes more", n - PROCESSES_SAID);
	free(losers);
}

void report_say(const struct overview *overview, bool verbose)
{
	const uint64_t *books = overview->counts.books;
	uint64_t lost = books_lost(books);

	if (lost)
		log_error("%" PRIu64 " of %" PRIu64 " spans were lost", lost, books[BOOK_STARTED]);
	say_faults(overview);
	/* What exporters lost they have said themselves. */
	if (verbose || lost || books[BOOK_CONTRADICTED] || books_difference(books))
		say_books(overview);
	say_losers(overview);
	log_debug("  attached to %zu files, which took at most %.1f ms each", overview->images,
		  overview->longest_ms);
}
