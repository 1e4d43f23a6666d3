/* SPDX-License-Identifier: Apache-2.0 */
#include "journal.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_NAME "journal"
/* Zero: nobody has ever written it. */
struct page {
	_Atomic uint32_t written; /* 1 + which of the entries is the last */
	uint32_t in_order;
	struct {
		struct journal_entry entry;
		uint64_t n_changes;
		struct journal_change changes[JOURNAL_CHANGES];
	} entries[2];
	struct exporter_trace traces[JOURNAL_EXPORTERS];
	char names[JOURNAL_EXPORTERS][32];
};
_Static_assert(sizeof(struct page) <= 4096, "one page");

struct journal {
	struct page *page;
};

static uint64_t drop_below(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static void read_past(const struct page *page, uint64_t consumed, struct journal_past *past)
{
	uint32_t written = atomic_load(&page->written), last = written - 1;
	const struct journal_entry *entry;

	*past = (struct journal_past){.known = written == 1 || written == 2};
	if (!past->known)
		return;
	entry = &page->entries[last].entry;
	past->time = entry->time;
	/* It was killed before it gave the event back: it comes again, and this is of before. */
	if (entry->event != UINT64_MAX && entry->event >= consumed)
		last = 1 - last;
	entry = &page->entries[last].entry;
	past->n_changes = page->entries[last].n_changes % (JOURNAL_CHANGES + 1);
	memcpy(past->changes, page->entries[last].changes, past->n_changes * sizeof(*past->changes));
	past->in_order = page->in_order;
	past->open = entry->open;
	past->lost = entry->lost;
	past->tracer_off = entry->tracer_off;
	for (size_t i = 0; i < JOURNAL_EXPORTERS && *page->names[i]; i++) {
		uint64_t state = atomic_load(&page->traces[i].state);
		uint64_t under_way = state & EXPORTER_TRACE_UNDER_WAY,
			 waiting =
				 drop_below(entry->handed, state / (EXPORTER_TRACE_UNDER_WAY + 1));

		memcpy(past->exporters[i].name, page->names[i], sizeof(page->names[i]) - 1);
		past->exporters[i].under_way = under_way < waiting ? under_way : waiting;
		past->exporters[i].waiting = waiting - past->exporters[i].under_way;
		past->exporters[i].dropped = atomic_load(&page->traces[i].dropped);
		past->n++;
	}
}

int journal_open(const struct pin *pin, uint64_t consumed, struct journal **out,
		 struct journal_past *past)
{
	struct journal *journal = calloc(1, sizeof(*journal));
	void *page;
	int err;

	if (!journal)
		return -ENOMEM;
	err = pin_memory(pin, PAGE_NAME, sizeof(*journal->page), &page);
	if (err) {
		free(journal);
		return err;
	}
	journal->page = page;
	read_past(journal->page, consumed, past);
	*out = journal;
	return 0;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	pin_memory_unmap(journal->page, sizeof(*journal->page));
	free(journal);
}

void journal_begin(struct journal *journal, uint64_t open)
{
	const struct journal_entry entry = {.event = UINT64_MAX, .open = open};
	struct page *page = journal->page;

	journal_write(journal, &entry, NULL, 0);
	for (size_t i = 0; i < JOURNAL_EXPORTERS; i++) {
		atomic_store(&page->traces[i].state, 0);
		atomic_store(&page->traces[i].dropped, 0);
		page->names[i][0] = '\0';
	}
	page->in_order = false;
}

struct exporter_trace *journal_exporters(struct journal *journal)
{
	return journal->page->traces;
}

void journal_name(struct journal *journal, size_t slot, const char *name)
{
	if (slot < JOURNAL_EXPORTERS)
		strncpy(journal->page->names[slot], name, sizeof(journal->page->names[slot]) - 1);
}

void journal_write(struct journal *journal, const struct journal_entry *entry,
		   const struct journal_change *changes, size_t n_changes)
{
	struct page *page = journal->page;
	uint32_t next = atomic_load_explicit(&page->written, memory_order_relaxed) == 1;

	page->entries[next].entry = *entry;
	page->entries[next].n_changes = n_changes;
	for (size_t i = 0; i < n_changes; i++)
		page->entries[next].changes[i] = changes[i];
	atomic_store_explicit(&page->written, next + 1, memory_order_release);
}

void journal_changed(struct journal *journal)
{
	struct page *page = journal->page;

	atomic_signal_fence(memory_order_seq_cst);
	page->entries[atomic_load_explicit(&page->written, memory_order_relaxed) - 1].n_changes = 0;
	atomic_signal_fence(memory_order_seq_cst);
}

void journal_end(struct journal *journal)
{
	journal->page->in_order = true;
}
