/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: what an agent has taken out of the ring and not got rid of, in pinned memory, so
 * that the next one can say what was lost if this one is killed. It is written with a few stores at
 * every event.
 *
 * The agent writes it before an event is given back to the ring, and hands the spans that the event
 * has finished to the exporters afterwards: an event that comes again is one of which nothing has
 * left. What the event has changed of what is kept of streams (positions.h) is written there, too,
 * and takes place when it cannot come again.
 *
 * Single-threaded, but for what exporters write.
 */
#ifndef OTEL_BPF_JOURNAL_H
#define OTEL_BPF_JOURNAL_H

#include "exporter.h"
#include "kept.h"
#include "pin.h"
#include "pipeline.h"

#define JOURNAL_EXPORTERS PIPELINE_EXPORTERS_MAX

/* Spans that the agent has to answer for. */
struct journal_entry {
	uint64_t
		event; /* where in the ring the event is that was being handled; UINT64_MAX: none */
	uint64_t open; /* not all of them is here */
	uint64_t handed; /* to each exporter, ever */
	uint64_t lost;	 /* before that */
	uint64_t tracer_off; /* left out */
	uint64_t time;	 /* unix time, nanoseconds */
};

/* What becomes of a slot of positions.h. */
struct journal_change {
	uint32_t slot;
	struct kept kept;
};

/* One stream, and all processes that are known by it. */
#define JOURNAL_CHANGES 8

/* What an agent before us has left. */
struct journal_past {
	bool known;    /* there was one */
	bool in_order; /* it has ended as it should, and told of what it has lost */
	uint64_t time; /* about when it ended; unix time, nanoseconds */
	uint64_t open; /* spans that it had in its table */
	uint64_t lost; /* that it had lost before */
	uint64_t tracer_off; /* that it had left out */
	size_t n;
	struct {
		char name[32];
		uint64_t waiting; /* spans that it had not got rid of, those under way aside */
		uint64_t under_way;
		uint64_t dropped;
	} exporters[JOURNAL_EXPORTERS];
	size_t n_changes; /* that may not have taken place */
	struct journal_change changes[JOURNAL_CHANGES];
};

struct journal;

/**
 * Opens the journal, or makes it. @consumed: how far the ring was read. *@past: what the agent
 * before had. Returns 0 or a negative errno.
 */
int journal_open(const struct pin *pin, uint64_t consumed, struct journal **out,
		 struct journal_past *past);
void journal_close(struct journal *journal);

/** Begins anew. To be called after all above, and before the exporters are given spans. */
void journal_begin(struct journal *journal, uint64_t open);

/** What the exporter in slot @slot writes. */
struct exporter_trace *journal_exporters(struct journal *journal);
void journal_name(struct journal *journal, size_t slot, const char *name);

/** Writes @entry, and up to JOURNAL_CHANGES changes. */
void journal_write(struct journal *journal, const struct journal_entry *entry,
		   const struct journal_change *changes, size_t n_changes);

/** The changes of the last entry have taken place. */
void journal_changed(struct journal *journal);

/** The agent ends in order. */
void journal_end(struct journal *journal);

#endif
