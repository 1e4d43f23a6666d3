/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What share of root spans is recorded, decided in the applications from the control bits that the
 * agent sets (see enum otel_control). OpenTelemetry: Built-in samplers.
 */
#ifndef OTEL_BPF_SAMPLING_H
#define OTEL_BPF_SAMPLING_H

#include <stdbool.h>
#include <stdint.h>

#define SAMPLING_ALL 65536u

struct sampling {
	uint32_t rate;	    /* of 65536 root spans */
	bool ignore_parent; /* children decide as roots do */
};

/** What is meant without a word: parentbased_always_on. */
struct sampling sampling_default(void);

/**
 * Reads a sampler by OpenTelemetry's name (always_on, always_off, traceidratio, and with parentbased_)
 * and its argument, a ratio from 0 to 1; NULL: none, which is 1. Returns 0, or -EINVAL with the reason
 * in *@why.
 */
int sampling_parse(const char *name, const char *argument, struct sampling *out, const char **why);

/** Writes the control bits that make it so; returns how many, at most OTEL_CONTROLS. */
unsigned sampling_controls(const struct sampling *sampling, uint8_t *controls);

#endif
