/* SPDX-License-Identifier: Apache-2.0 */
#include "status.h"

#include <unistd.h>

#define PROCESSES_MAX_SHOWN 4096

/* A comma where one is due: text ends with '{' or '[' where none is. */
static void put_key(struct text *out, const char *key)
{
	char last = out->size ? out->data[out->size - 1] : '{';

	if (last != '{' && last != '[')
		text_put_char(out, ',');
	text_put_char(out, '"');
	text_put_string(out, key);
	text_put_literal(out, "\":");
}

static void put_uint(struct text *out, const char *key, uint64_t value)
{
	put_key(out, key);
	text_put_uint(out, value);
}

static void put_text(struct text *out, const char *key, const char *value)
{
	static const char hex[] = "0123456789abcdef";

	put_key(out, key);
	text_put_char(out, '"');
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (c == '"' || c == '\\') {
			text_put_char(out, '\\');
			text_put_char(out, (char)c);
		} else if (c < 0x20 || c >= 0x7f) {
			/* Messages of the system are ASCII; what is not may not even be UTF-8. */
			text_put_literal(out, "\\u00");
			text_put_char(out, hex[c >> 4]);
			text_put_char(out, hex[c & 15]);
		} else {
			text_put_char(out, (char)c);
		}
	}
	text_put_char(out, '"');
}

static void put_bool(struct text *out, const char *key, bool value)
{
	put_key(out, key);
	text_put_string(out, value ? "true" : "false");
}

static void put_seconds(struct text *out, const char *key, uint64_t ns)
{
	put_key(out, key);
	text_put_double(out, (double)(ns / 1000000) / 1000);
}

static void put_books(struct text *out, const uint64_t *books)
{
	put_uint(out, "started", books[BOOK_STARTED]);
	put_uint(out, "not_sampled", books[BOOK_NOT_SAMPLED]);
	put_uint(out, "open", books[BOOK_OPEN]);
	put_uint(out, "finished", books[BOOK_EXPORTING]);
	put_uint(out, "incomplete", books[BOOK_INCOMPLETE]);
	put_uint(out, "cut_short", books[BOOK_CUT_SHORT]);
	put_uint(out, "tracer_off", books[BOOK_TRACER_OFF]);
	put_key(out, "lost");
	text_put_char(out, '{');
	for (int i = BOOK_REASONS_BEGIN; i < BOOK_REASONS_END; i++)
		if (i != BOOK_TRACER_OFF)
			put_uint(out, books_reason((enum book)i)->name, books[i]);
	text_put_char(out, '}');
	put_uint(out, "contradicted", books[BOOK_CONTRADICTED]);
	put_key(out, "difference");
	text_put_int(out, books_difference(books));
}

static void put_exporter(struct text *out, const struct pipeline *pipeline, size_t slot)
{
	struct exporter_health health;
	struct exporter_counts counts;

	pipeline_exporter_counts(pipeline, slot, &counts);
	pipeline_exporter_health(pipeline, slot, &health);
	text_put_string(out, slot ? ",{" : "{");
	put_text(out, "name", pipeline_exporter_name(pipeline, slot));
	put_uint(out, "submitted", counts.submitted);
	put_uint(out, "found", counts.found);
	put_uint(out, "exported", counts.exported);
	put_uint(out, "waiting", counts.waiting);
	put_uint(out, "spooled", counts.spooled);
	put_uint(out, "resent", counts.resent);
	put_key(out, "lost");
	text_put_char(out, '{');
	put_uint(out, "queue_full", counts.queue_full);
	put_uint(out, "rejected", counts.rejected);
	put_uint(out, "undelivered", counts.undelivered);
	put_uint(out, "spool_dropped", counts.spool_dropped);
	put_uint(out, "spool_corrupt", counts.spool_corrupt);
	text_put_char(out, '}');
	put_uint(out, "spool_bytes", counts.spool_bytes);
	put_bool(out, "healthy", health.healthy);
	put_text(out, "last_error", health.message);
	put_seconds(out, "last_error_seconds", health.age_ms * 1000000);
	text_put_char(out, '}');
}

static void put_account(struct text *out, const struct account *account)
{
	static const char *const names[ACCOUNT_COUNTS] = {
		[ACCOUNT_SUBMITTED] = "submitted",
		[ACCOUNT_EXPORTED] = "exported",
		[ACCOUNT_REJECTED] = "rejected",
		[ACCOUNT_QUEUE_FULL] = "queue_full",
		[ACCOUNT_UNDELIVERED] = "undelivered",
		[ACCOUNT_SPOOL_DROPPED] = "spool_dropped",
		[ACCOUNT_SPOOL_CORRUPT] = "spool_corrupt",
		[ACCOUNT_SPOOLED] = "spooled",
	};

	put_key(out, "exporters");
	text_put_char(out, '[');
	for (size_t slot = 0; account && slot < account->n_slots; slot++) {
		text_put_string(out, slot ? ",{" : "{");
		for (int i = 0; i <= ACCOUNT_SPOOLED; i++)
			put_uint(out, names[i], account_read(account, slot, (enum account_count)i));
		text_put_char(out, '}');
	}
	text_put_char(out, ']');
}

static size_t put_processes(struct text *out, const struct list *list, size_t n)
{
	for (const struct list *link = list->next; link != list; link = link->next, n++) {
		const struct books *books = list_entry(link, struct books, order);

		if (n >= PROCESSES_MAX_SHOWN)
			continue;
		text_put_string(out, n ? ",{" : "{");
		put_uint(out, "pid", books->id.pid);
		put_text(out, "name", *books->name ? books->name : "?");
		put_bool(out, "ended", books->ended);
		put_books(out, books->counts);
		put_account(out, books->account);
		text_put_char(out, '}');
	}
	return n;
}

void status_json(const struct overview *overview, struct text *out)
{
	const struct intake_counts *counts = &overview->counts;
	const struct capture_faults *faults = &overview->faults;
	size_t n;

	text_put_char(out, '{');
	put_text(out, "version", OTEL_BPF_VERSION);
	put_uint(out, "pid", (uint64_t)getpid());
	put_seconds(out, "uptime_seconds", overview->uptime_ns);
	put_uint(out, "images", overview->images);
	put_uint(out, "processes_followed", overview->processes);
	put_uint(out, "ring_bytes", overview->ring_bytes);
	put_uint(out, "ring_used", overview->ring_used);
	put_key(out, "spans");
	text_put_char(out, '{');
	put_books(out, counts->books);
	text_put_char(out, '}');
	put_uint(out, "spans_before", counts->spans_before);
	put_uint(out, "records_malformed", counts->records_rejected);
	put_uint(out, "records_repaired", counts->records_repaired);
	put_uint(out, "records_orphaned", counts->records_orphaned);
	put_uint(out, "flushes_refused", counts->flushes_refused);
	put_uint(out, "looks_failed", overview->looks_failed);
	put_uint(out, "files_refused", overview->files_refused);
	put_uint(out, "processes_vanished", counts->vanished);
	put_uint(out, "processes_not_followed", faults->not_followed);
	put_uint(out, "lives_lost", faults->lives_lost);
	put_uint(out, "probes_missed", faults->probes_missed);
	put_uint(out, "losses_unknown", faults->losses_unknown);
	put_key(out, "exporters");
	text_put_char(out, '[');
	for (size_t slot = 0; slot < pipeline_exporters(overview->pipeline); slot++)
		put_exporter(out, overview->pipeline, slot);
	text_put_char(out, ']');
	put_key(out, "processes");
	text_put_char(out, '[');
	n = put_processes(out, &overview->ledger->living, 0);
	n = put_processes(out, &overview->ledger->settling, n);
	n = put_processes(out, &overview->ledger->lossy, n);
	text_put_char(out, ']');
	put_uint(out, "processes_left_out", n > PROCESSES_MAX_SHOWN ? n - PROCESSES_MAX_SHOWN : 0);
	put_uint(out, "processes_forgotten", overview->ledger->n_forgotten);
	text_put_char(out, '}');
}
