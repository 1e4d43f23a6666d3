/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits on what a span may carry, with OpenTelemetry's names, defaults and precedence. What comes
 * first is kept, the rest is counted as dropped; long values are cut. (A limits.h of ours would hide
 * the C library's.)
 */
#ifndef OTEL_BPF_SPAN_LIMITS_H
#define OTEL_BPF_SPAN_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#define LIMITS_DEFAULT 128

/* Looking for a key takes time of the order of the attributes that are there already. */
#define LIMITS_MOST 16384

#define LIMITS_NONE SIZE_MAX

struct limits {
	uint32_t attributes; /* of a span */
	uint32_t events;
	uint32_t links;
	uint32_t event_attributes; /* of each event */
	uint32_t link_attributes;
	/*
	 * Of every value in a span, its events and links: characters of a string, bytes of a byte
	 * array, each element of an array by itself.
	 */
	size_t value_length;
};

#define LIMITS_DEFAULTS                                                                            \
	{                                                                                          \
		.attributes = LIMITS_DEFAULT, .events = LIMITS_DEFAULT, .links = LIMITS_DEFAULT,   \
		.event_attributes = LIMITS_DEFAULT, .link_attributes = LIMITS_DEFAULT,             \
		.value_length = LIMITS_NONE,                                                       \
	}

/** Reads our own environment. What makes no sense there is told of and counts as not set. */
struct limits limits_from_environment(void);

#endif
