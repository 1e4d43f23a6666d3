/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans that are left out of what is exported because their tracer is switched off, and who their
 * parents are: children that are exported become those of the nearest ancestor that is.
 *
 * Remembers the last ones only, in memory that is allocated with the first.
 */
#ifndef OTEL_BPF_LEFT_OUT_H
#define OTEL_BPF_LEFT_OUT_H

#include <stdbool.h>
#include <stdint.h>

/* How many are remembered, at least a quarter of it whatever their ids are. */
#define LEFT_OUT_MAX 65536u

struct left_out;

/* What stands in a span of its parent. */
struct parent {
	uint8_t id[8];	/* all zero: none */
	uint32_t flags; /* those of OTLP's Span that are about the parent */
};

/** Returns NULL and sets errno (ENOMEM). */
struct left_out *left_out_new(void);

/** NULL is allowed. */
void left_out_free(struct left_out *left_out);

/** Span @id of the process with the number @process is left out; its parent is this one. */
void left_out_add(struct left_out *left_out, uint64_t process, uint64_t id,
		  const struct parent *parent);

/** Is @id left out? Then *@parent is what its children get. */
bool left_out_find(const struct left_out *left_out, uint64_t process, uint64_t id,
		   struct parent *parent);

#endif
