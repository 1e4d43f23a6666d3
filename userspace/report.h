/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent says at its end: the books, and what went wrong. */
#ifndef OTEL_BPF_REPORT_H
#define OTEL_BPF_REPORT_H

#include "books.h"
#include "capture.h"
#include "intake.h"
#include "pipeline.h"

struct report {
	const struct ledger *ledger;
	const struct pipeline *pipeline;
	struct intake_counts counts;
	struct capture_faults faults;
	size_t images;	   /* attached to */
	double longest_ms; /* that one of them took */
};

/** What went wrong; if spans were lost, or @verbose, also what became of all. */
void report_say(const struct report *report, bool verbose);

#endif
