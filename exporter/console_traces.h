/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans of the console exporter that wait for the rest of their trace.
 *
 * A trace is due shortly after its root has come, since spans of other threads and processes may
 * be a little late; later if its parent is elsewhere, for that may be a process that is traced,
 * too; and in pieces if the root takes long. What comes after a trace was taken is a fragment.
 */
#ifndef OTEL_BPF_CONSOLE_TRACES_H
#define OTEL_BPF_CONSOLE_TRACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "span.h"

struct trace {
	uint8_t id[16];
	bool continued;	     /* a part of it was taken before */
	struct span **spans; /* each with a reference */
	size_t n;

	/* For console_traces.c. */
	size_t capacity;
	size_t bytes;
	uint64_t due_ms;
	int wait;
	struct trace *older, *newer; /* of the same wait */
	struct trace *same_hash;
};

struct console_traces;

/** Holds at most @max_spans spans and @max_bytes of them. NULL: ENOMEM. */
struct console_traces *console_traces_new(size_t max_spans, size_t max_bytes);
void console_traces_free(struct console_traces *traces);

/** Adds a span, taking a reference. Returns 0 or -ENOMEM. */
int console_traces_add(struct console_traces *traces, struct span *span, uint64_t now_ms);

/**
 * Takes out a trace that is due, or one for which there is no room, or, if @all, any. NULL: none.
 * Free it with trace_free().
 */
struct trace *console_traces_take(struct console_traces *traces, uint64_t now_ms, bool all);

/** When the next one is due; 0: there is none. */
uint64_t console_traces_next_due(const struct console_traces *traces);

void trace_free(struct trace *trace);

#endif
