/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What open.c (records) and open_finish.c (the finished span) share, and nobody else.
 */
#ifndef OTEL_BPF_OPEN_STATE_H
#define OTEL_BPF_OPEN_STATE_H

#include <stdint.h>

#include "open.h"

/* OTLP's counts have 32 bits. */
static inline uint32_t open_at_most_u32(uint64_t value)
{
	return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

/* A time on the process's clock, as that of the wall clock. */
static inline uint64_t open_to_unix(const struct open_span *span, uint64_t time)
{
	return time + (uint64_t)span->offset;
}

#endif
