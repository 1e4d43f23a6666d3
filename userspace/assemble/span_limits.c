/* SPDX-License-Identifier: Apache-2.0 */
#include "span_limits.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "log.h"

/* An empty variable is one that is not set. */
static bool read_number(const char *name, uint64_t *out)
{
	const char *text = getenv(name);
	unsigned long long value;
	char *end;

	if (!text || !*text)
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	/* strtoull() takes signs and spaces; we do not. */
	if (*text < '0' || *text > '9' || *end || errno) {
		log_error("%s=%s ignored: not a whole number from 0", name, text);
		return false;
	}
	*out = value;
	return true;
}

static void read_count(const char *name, uint32_t *out)
{
	uint64_t value;

	if (!read_number(name, &value))
		return;
	if (value > LIMITS_MOST)
		log_info("%s: %u is the most that is possible, and used", name, LIMITS_MOST);
	*out = value < LIMITS_MOST ? (uint32_t)value : LIMITS_MOST;
}

static void read_length(const char *name, size_t *out)
{
	uint64_t value;

	if (read_number(name, &value))
		*out = value < LIMITS_NONE ? (size_t)value : LIMITS_NONE;
}

struct limits limits_from_environment(void)
{
	struct limits limits = LIMITS_DEFAULTS;

	/* The general ones first: the specific ones replace them. */
	read_count("OTEL_ATTRIBUTE_COUNT_LIMIT", &limits.attributes);
	read_count("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", &limits.attributes);
	read_count("OTEL_SPAN_EVENT_COUNT_LIMIT", &limits.events);
	read_count("OTEL_SPAN_LINK_COUNT_LIMIT", &limits.links);
	read_count("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", &limits.event_attributes);
	read_count("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", &limits.link_attributes);
	read_length("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", &limits.value_length);
	read_length("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", &limits.value_length);
	return limits;
}
