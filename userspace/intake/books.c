/* SPDX-License-Identifier: Apache-2.0 */
#include "books.h"

#include <stdlib.h>

/* Books of processes that are gone: what the exporters hold is bounded otherwise, but not by
 * processes. */
#define SETTLING_MAX 16384u
#define LOSSY_MAX 1024u

static const struct book_reason reasons[BOOK_REASONS_END] = {
	[BOOK_RING_FULL] = {"ring_full", "the ring was full (see --ring-size)"},
	[BOOK_QUOTA] = {"quota", "the process flooded the ring and had its share of it (see --ring-size, or sample)"},
	[BOOK_UNREADABLE] = {"unreadable", "the process's memory could not be read"},
	[BOOK_NOT_HANDED_OVER] =
		{"not_handed_over",
		 "by the processes' own counts, they were not handed over (the kernel skips "
		 "a probe now and then)"},
	[BOOK_APPLICATION] = {"application",
			      "the application was too deep in signals, or had no memory for those"},
	[BOOK_MALFORMED] = {"malformed", "the process handed over malformed records"},
	[BOOK_TABLE_FULL] = {"table_full", "too many spans were open (are some never ended?)"},
	[BOOK_STOPPED] = {"stopped", "the agent had to end before it could take them"},
	[BOOK_TRACER_OFF] = {"tracer_off", "their tracer is switched off"},
};

const struct book_reason *books_reason(enum book reason)
{
	return &reasons[reason];
}

void ledger_init(struct ledger *ledger)
{
	*ledger = (struct ledger){0};
	list_init(&ledger->living);
	list_init(&ledger->settling);
	list_init(&ledger->lossy);
}

static void free_all(struct list *list)
{
	while (!list_empty(list)) {
		struct books *books = list_entry(list->next, struct books, order);

		list_remove(&books->order);
		account_unref(books->account);
		free(books);
	}
}

void ledger_free(struct ledger *ledger)
{
	free_all(&ledger->living);
	free_all(&ledger->settling);
	free_all(&ledger->lossy);
}

struct books *books_open(struct ledger *ledger, const struct process_id *id)
{
	struct books *books = calloc(1, sizeof(*books));

	if (!books)
		return NULL;
	books->id = *id;
	books->sums = ledger->sums;
	list_add(&ledger->living, &books->order);
	ledger->n_living++;
	return books;
}

uint64_t books_lost(const uint64_t *counts)
{
	uint64_t lost = 0;

	for (int reason = BOOK_REASONS_BEGIN; reason < BOOK_REASONS_END; reason++)
		lost += reason == BOOK_TRACER_OFF ? 0 : counts[reason];
	return lost;
}

uint64_t books_in_hand(const uint64_t *counts)
{
	return counts[BOOK_STARTED] - counts[BOOK_EXPORTING] - counts[BOOK_TRACER_OFF] - books_lost(counts);
}

int64_t books_difference(const uint64_t *counts)
{
	return (int64_t)(books_in_hand(counts) - counts[BOOK_OPEN]);
}

/* Is there something to be said of it? */
static bool is_lossy(const struct books *books)
{
	const struct account *account = books->account;
	uint64_t lost = books_lost(books->counts) + books->counts[BOOK_CONTRADICTED];

	for (size_t slot = 0; account && slot < account->n_slots; slot++)
		for (int what = ACCOUNT_REJECTED; what < ACCOUNT_SPOOLED; what++)
			lost += account_read(account, slot, (enum account_count)what);
	return lost != 0;
}

static void forget(struct ledger *ledger, struct books *books)
{
	ledger->n_forgotten++;
	list_remove(&books->order);
	account_unref(books->account);
	free(books);
}

/* The exporters are done with it, or it is the oldest of too many. */
static void settle(struct ledger *ledger, struct books *books)
{
	ledger->n_settling--;
	if (!is_lossy(books)) {
		forget(ledger, books);
		return;
	}
	list_move(&ledger->lossy, &books->order);
	if (++ledger->n_lossy > LOSSY_MAX) {
		forget(ledger, list_entry(ledger->lossy.next, struct books, order));
		ledger->n_lossy--;
	}
}

void books_close(struct ledger *ledger, struct books *books)
{
	books->ended = true;
	ledger->n_living--;
	list_move(&ledger->settling, &books->order);
	if (++ledger->n_settling > SETTLING_MAX)
		settle(ledger, list_entry(ledger->settling.next, struct books, order));
}

void ledger_settle(struct ledger *ledger)
{
	while (!list_empty(&ledger->settling)) {
		struct books *books = list_entry(ledger->settling.next, struct books, order);

		/* Those behind it are younger, and what they wait for is, too, mostly. */
		if (books->account && !account_is_settled(books->account))
			return;
		settle(ledger, books);
	}
}
