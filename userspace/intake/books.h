/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The books: what became of every span, for each process and in total.
 *
 * A span is entered once when it is known to have started, and once when its fate is: handed to the
 * exporters, or lost for one of the reasons below, or it is open. Both entries are made at
 * different places, and the difference is what the books do not balance by. From there on the
 * exporters' accounts (exporter/account.h) say the rest, for each exporter by itself.
 *
 * A process's books outlive what else is known of it: until the exporters are done with its spans,
 * and longer if it lost some, as far as there is room. Then only the sum of all knows of them.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_BOOKS_H
#define OTEL_BPF_BOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../bpf/event.h"
#include "account.h"
#include "list.h"

/* Spans, since the start, but for BOOK_OPEN, which is now. */
enum book {
	BOOK_STARTED,	  /* that were to be recorded */
	BOOK_NOT_SAMPLED, /* beside those */
	BOOK_EXPORTING,	  /* handed to the exporters */
	BOOK_OPEN,
	/* Lost, or meant to be; see books_reason(). */
	BOOK_RING_FULL,
	BOOK_QUOTA,
	BOOK_UNREADABLE,
	BOOK_NOT_HANDED_OVER,
	BOOK_APPLICATION,
	BOOK_MALFORMED,
	BOOK_TABLE_FULL,
	BOOK_STOPPED,
	BOOK_TRACER_OFF,
	BOOK_REASONS_END,
	/* More about them. */
	BOOK_INCOMPLETE =
		BOOK_REASONS_END, /* of BOOK_EXPORTING: pieces are missing, the end perhaps */
	BOOK_CUT_SHORT, /* of BOOK_EXPORTING: ended with their process, and whole otherwise */
	BOOK_CONTRADICTED, /* by how much the process's own counts deny what it handed over */
	BOOKS,
};

#define BOOK_REASONS_BEGIN BOOK_RING_FULL

/* A process's. */
struct books {
	struct list order; /* in the ledger */
	struct process_id id;
	char name[32];		 /* for people; cut if longer */
	bool ended;		 /* the process has */
	struct account *account; /* NULL: nothing was handed to the exporters */
	uint64_t counts[BOOKS]; /* written by books_add() and books_subtract() only */
	uint64_t *sums;		/* of all books, in the ledger */
};

/* All of them. */
struct ledger {
	struct list living;   /* of processes that are known */
	struct list settling; /* of others: the exporters still hold spans */
	struct list lossy;    /* of others, which lost some, as they were forgotten */
	size_t n_living;
	size_t n_settling;
	size_t n_lossy;
	uint64_t n_forgotten;
	uint64_t sums[BOOKS]; /* over all books, those that are forgotten, too */
};

/** What a span is lost for: a word for machines ("ring_full"), and the same for people. */
struct book_reason {
	const char *name;
	const char *text; /* "N spans were lost: ..." */
};
const struct book_reason *books_reason(enum book reason);

void ledger_init(struct ledger *ledger);
void ledger_free(struct ledger *ledger);

/** New books, all zero; NULL: no memory. They go on until books_close(). */
struct books *books_open(struct ledger *ledger, const struct process_id *id);

/** The process is forgotten: nothing will be entered any more but by exporters. */
void books_close(struct ledger *ledger, struct books *books);

/** Moves on what the exporters are done with; to be called now and then. */
void ledger_settle(struct ledger *ledger);

/** Enters @n spans more, or fewer. */
static inline void books_add(struct books *books, enum book book, uint64_t n)
{
	books->counts[book] += n;
	books->sums[book] += n;
}

static inline void books_subtract(struct books *books, enum book book, uint64_t n)
{
	books->counts[book] -= n;
	books->sums[book] -= n;
}

/** How many spans were lost before they reached the exporters, switched off ones aside. */
uint64_t books_lost(const uint64_t *counts);

/** How many have started, and are neither handed on nor lost: open, or not all of their beginning is here. */
uint64_t books_in_hand(const uint64_t *counts);

/** What is missing in the equation: 0, or the books do not balance. */
int64_t books_difference(const uint64_t *counts);

#endif
