/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent says at its end of what it recorded and what was lost. */
#ifndef OTEL_BPF_REPORT_H
#define OTEL_BPF_REPORT_H

#include "capture.h"
#include "intake.h"

struct report {
	uint64_t refused;      /* flushes that could not be read, or that no buffer has the size of */
	uint64_t switched_off; /* spans of tracers that are */
	struct intake_counts counts;
	struct capture_faults faults;
	size_t images;	   /* attached to */
	double longest_ms; /* that one of them took */
};

/** What went wrong, a line each. */
void report_say(const struct report *report);

/** What became of all spans. */
void report_say_all(const struct report *report);

#endif
