/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <inttypes.h>

#include "log.h"

#define LEAST_SPAN_BYTES (sizeof(struct otel_record) + sizeof(struct otel_start))

static uint64_t lost(const struct report *report)
{
	const struct intake_counts *counts = &report->counts;

	return counts->lost_ring + counts->lost_rejected + counts->lost_dropped + counts->lost_evicted +
	       report->faults.losses_unknown;
}

/* By the applications' own counts, which are claims: at most as many as fit into what is missing. */
static uint64_t missing(const struct intake_counts *counts)
{
	uint64_t most = counts->gap_bytes / LEAST_SPAN_BYTES;

	return counts->unexplained < most ? counts->unexplained : most;
}

void report_say(const struct report *report)
{
	const struct intake_counts *counts = &report->counts;
	const struct capture_faults *faults = &report->faults;

	if (lost(report))
		log_error("%" PRIu64 " of %" PRIu64 " spans were lost: %" PRIu64
			  " because the ring was full (see --ring-size), %" PRIu64
			  " because too many were open, %" PRIu64 " with malformed records, %" PRIu64
			  " in the application",
			  lost(report), counts->started + faults->losses_unknown,
			  counts->lost_ring + faults->losses_unknown, counts->lost_evicted,
			  counts->lost_rejected, counts->lost_dropped);
	if (report->refused)
		log_error("%" PRIu64 " flushes were refused: their memory could not be read, or no buffer has "
			  "their size",
			  report->refused);
	if (counts->records_rejected)
		log_error("%" PRIu64 " malformed records were dropped", counts->records_rejected);
	if (counts->incomplete)
		log_error("%" PRIu64 " spans are incomplete: they did not end, or parts of them were lost",
			  counts->incomplete);
	if (missing(counts))
		log_error("%" PRIu64 " spans more did not arrive, for no reason that is known",
			  missing(counts));
	if (faults->probes_missed)
		log_error("the kernel skipped %" PRIu64 " probes", faults->probes_missed);
	if (counts->vanished)
		log_error("%" PRIu64 " processes ended unseen: what they held then is lost, and not in these "
			  "numbers",
			  counts->vanished);
	if (faults->lives_lost)
		log_error("%" PRIu64 " forks and execs were not told because the ring was full (see "
			  "--ring-size)",
			  faults->lives_lost);
	if (faults->not_followed)
		log_error("%" PRIu64 " processes were not followed: too many at once", faults->not_followed);
}

void report_say_all(const struct report *report)
{
	const struct intake_counts *counts = &report->counts;

	log_info("%" PRIu64 " spans started, %" PRIu64 " finished, %" PRIu64 " not sampled, %" PRIu64 " lost",
		 counts->started, counts->finished, counts->not_sampled, lost(report));
	log_info("attached to %zu files, which took at most %.1f ms each", report->images,
		 report->longest_ms);
	if (report->switched_off)
		log_info("%" PRIu64 " spans of tracers that are switched off", report->switched_off);
}
