/* SPDX-License-Identifier: Apache-2.0 */
#include "sampling.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "otel/record.h"

#define PARENT_BASED "parentbased_"

struct sampling sampling_default(void)
{
	return (struct sampling){.rate = SAMPLING_ALL};
}

static int parse_ratio(const char *text, uint32_t *rate)
{
	double ratio;
	char *end;

	if (!text || !*text) {
		*rate = SAMPLING_ALL;
		return 0;
	}
	ratio = strtod(text, &end);
	if (*end || end == text || !(ratio >= 0 && ratio <= 1))
		return -EINVAL;
	*rate = (uint32_t)(ratio * SAMPLING_ALL + 0.5);
	/* Some is not none. */
	if (ratio > 0 && !*rate)
		*rate = 1;
	return 0;
}

int sampling_parse(const char *name, const char *argument, struct sampling *out, const char **why)
{
	struct sampling sampling = {.ignore_parent = true};

	if (!strncasecmp(name, PARENT_BASED, strlen(PARENT_BASED))) {
		sampling.ignore_parent = false;
		name += strlen(PARENT_BASED);
	}
	if (!strcasecmp(name, "always_on")) {
		sampling.rate = SAMPLING_ALL;
	} else if (!strcasecmp(name, "always_off")) {
		sampling.rate = 0;
	} else if (strcasecmp(name, "traceidratio")) {
		*why = "samplers are always_on, always_off, traceidratio, and the same with parentbased_";
		return -EINVAL;
	} else if (parse_ratio(argument, &sampling.rate)) {
		*why = "the ratio is a number from 0 to 1";
		return -EINVAL;
	}
	*out = sampling;
	return 0;
}

unsigned sampling_controls(const struct sampling *sampling, uint8_t *controls)
{
	unsigned n = 0;

	if (sampling->rate >= SAMPLING_ALL)
		controls[n++] = OTEL_CONTROL_ALL;
	else
		for (unsigned i = 1; i <= 16; i++)
			if (sampling->rate >> (16 - i) & 1)
				controls[n++] = (uint8_t)(OTEL_CONTROL_RATE_1 + i - 1);
	if (sampling->ignore_parent)
		controls[n++] = OTEL_CONTROL_IGNORE_PARENT;
	return n;
}
