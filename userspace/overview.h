/* SPDX-License-Identifier: Apache-2.0 */
/* All that is to be said of a running agent, at one moment. For the report, status and metrics. */
#ifndef OTEL_BPF_OVERVIEW_H
#define OTEL_BPF_OVERVIEW_H

#include "books.h"
#include "capture.h"
#include "intake.h"
#include "pipeline.h"

struct overview {
	/* The agent's: valid until it turns again. */
	const struct ledger *ledger;
	const struct pipeline *pipeline;
	struct intake_counts counts;
	struct capture_faults faults;
	uint64_t uptime_ns;
	size_t processes;  /* that live */
	size_t images;	   /* attached to */
	double longest_ms; /* that one of them took */
	uint64_t looks_failed;	/* at what a process held */
	uint64_t files_refused; /* not touched for where they are; whenever one was mapped */
	uint64_t ring_bytes;
	uint64_t ring_used;
	/* BOOK_NOT_HANDED_OVER, but never less than before: for a moment, what was lost for a reason that
	 * is not known yet counts there. */
	uint64_t not_handed_over;
};

/** Tells what there is to say. */
typedef void (*overview_fn)(void *self, struct overview *out);

#endif
