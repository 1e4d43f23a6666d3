/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the wall clock says at a time of CLOCK_MONOTONIC, which records carry. Durations stay what
 * the monotonic clock measured: a span takes the offset once, at its start.
 */
#ifndef OTEL_BPF_CLOCK_H
#define OTEL_BPF_CLOCK_H

#include <stdint.h>

struct clock {
	int64_t offset;	   /* CLOCK_REALTIME - CLOCK_MONOTONIC, nanoseconds */
	uint64_t measured; /* when, on CLOCK_MONOTONIC; 0: never */
};

/** CLOCK_MONOTONIC in nanoseconds. */
uint64_t clock_now(void);

/** The offset, measured anew if it is older than 100 ms at @now. */
int64_t clock_offset(struct clock *clock, uint64_t now);

/* ---- Processes in time namespaces see another CLOCK_MONOTONIC. ---- */

struct clock_shift {
	int64_t least; /* the least difference that was seen */
	uint8_t known;
	uint8_t same; /* the process is in our time namespace: there is none */
};

/**
 * Learns from a flush that the process made at @theirs by its clock, and that the kernel saw at
 * @ours: what is between them is the shift and a little time.
 */
void clock_shift_learn(struct clock_shift *shift, uint64_t theirs, uint64_t ours);

/** To be added to the process's times. */
int64_t clock_shift_of(const struct clock_shift *shift);

#endif
