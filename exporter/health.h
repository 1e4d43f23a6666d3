/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an exporter tells people about its destination: once when something begins, once when it
 * ends, however many batches it is about, and not again and again if it comes and goes.
 */
#ifndef OTEL_BPF_HEALTH_H
#define OTEL_BPF_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct health_state {
	bool on;
	bool said;
	uint64_t since_ms;
	uint64_t quiet_until_ms;
};

struct health {
	const char *name;
	struct health_state unreachable;
	struct health_state gave_up; /* since it is unreachable */
	struct health_state refused;
	struct health_state partly; /* refused */
	struct health_state overflow;
	uint64_t dropped_before; /* spans, when the overflow was said */
};

void health_init(struct health *health, const char *name);

/** A batch did not get through, and will be tried again. */
void health_unreachable(struct health *health, const char *message, uint64_t now_ms);

/** A batch did not get through for so long that it is given up. */
void health_gave_up(struct health *health, size_t n, uint64_t now_ms);

/** A batch got an answer: @err and @rejected as in exporter.h. */
void health_delivered(struct health *health, int err, size_t rejected, const char *message,
		      uint64_t now_ms);

/** Whether the queue overflows, and how many spans were @dropped for that so far. */
void health_overflow(struct health *health, bool overflow, uint64_t dropped, uint64_t now_ms);

#endif
