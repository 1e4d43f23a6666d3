/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said of processes that hand over what is malformed, or makes little sense.
 */
#include "intake_state.h"
#include "log.h"

static const struct {
	enum oddity oddity;
	const char *text;
} oddities[] = {
	{ODD_ATTRIBUTES, "OTEL_RESOURCE_ATTRIBUTES ignored: not a list of key=value"},
	{ODD_PROPAGATORS,
	 "OTEL_PROPAGATORS: only tracecontext, baggage and none are known, the rest is ignored"},
	{ODD_NAMELESS, "a tracer has no name, so that nothing tells whose its spans are"},
	{ODD_LATE, "a span was written to after its end, which changes nothing"},
	{ODD_DESCRIPTION,
	 "a description goes with the status Error only, that of another is ignored"},
};

static bool may_complain(struct intake *intake)
{
	uint64_t seconds = (intake->now - intake->complaints_at) / 1000000000u;

	if (seconds) {
		intake->complaints_at = intake->now;
		intake->complaints += seconds < COMPLAINTS_MAX ? seconds : COMPLAINTS_MAX;
		if (intake->complaints > COMPLAINTS_MAX)
			intake->complaints = COMPLAINTS_MAX;
	}
	if (!intake->complaints)
		return false;
	intake->complaints--;
	return true;
}

void intake_reject(struct intake *intake, struct complaint *complaint, const char *why,
		   uint8_t kind, size_t offset)
{
	intake->counts.records_rejected++;
	if (!complaint->n++) {
		complaint->why = why;
		complaint->kind = kind;
		complaint->offset = offset;
	}
}

void intake_complain(struct intake *intake, struct process *process,
		     const struct complaint *complaint)
{
	char name[64];

	process->rejected += complaint->n;
	process_name(process, name, sizeof(name));
	for (size_t i = 0; i < sizeof(oddities) / sizeof(oddities[0]); i++) {
		if (!(process->odd & ~process->told & oddities[i].oddity) || !may_complain(intake))
			continue;
		process->told |= oddities[i].oddity;
		log_info("process %u (%s): %s", process->id.pid, name, oddities[i].text);
	}
	if (!complaint->n || process->reported || !may_complain(intake))
		return;
	process->reported = true;
	log_error("process %u (%s): %llu malformed record%s dropped (%s in %s at offset %zu)",
		  process->id.pid, name, (unsigned long long)complaint->n,
		  complaint->n == 1 ? "" : "s", complaint->why,
		  complaint->kind ? record_name(complaint->kind) : "a flush", complaint->offset);
}
