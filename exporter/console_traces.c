/* SPDX-License-Identifier: Apache-2.0 */
#include "console_traces.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Span.flags of OTLP: the parent is in another process. */
#define PARENT_IS_REMOTE 0x200

#define BUCKETS 4096
#define TAKEN 4096

enum { WAIT_FOR_STRAGGLERS, WAIT_FOR_PARENT, WAIT_FOR_ROOT, WAITS };

static const uint64_t wait_ms[WAITS] = {
	[WAIT_FOR_STRAGGLERS] = 200,
	[WAIT_FOR_PARENT] = 1000,
	[WAIT_FOR_ROOT] = 5000,
};

/* Traces of one wait: it is the same for all of them, so the oldest is the first due. */
struct line {
	struct trace *oldest, *newest;
};

struct console_traces {
	size_t max_spans, max_bytes;
	size_t n_spans, bytes;
	struct line lines[WAITS];
	struct trace *buckets[BUCKETS];
	uint8_t taken[TAKEN][16]; /* ids that were taken lately, by hash */
};

struct console_traces *console_traces_new(size_t max_spans, size_t max_bytes)
{
	struct console_traces *traces = calloc(1, sizeof(*traces));

	if (!traces)
		return NULL;
	traces->max_spans = max_spans;
	traces->max_bytes = max_bytes;
	return traces;
}

void trace_free(struct trace *trace)
{
	for (size_t i = 0; i < trace->n; i++)
		span_unref(trace->spans[i]);
	free(trace->spans);
	free(trace);
}

void console_traces_free(struct console_traces *traces)
{
	struct trace *trace;

	if (!traces)
		return;
	while ((trace = console_traces_take(traces, 0, true)))
		trace_free(trace);
	free(traces);
}

static uint64_t hash(const uint8_t id[16])
{
	uint64_t half[2];

	memcpy(half, id, sizeof(half));
	return (half[0] ^ half[1]) * UINT64_C(0x9e3779b97f4a7c15) >> 32;
}

static void leave_line(struct console_traces *traces, struct trace *trace)
{
	struct line *line = &traces->lines[trace->wait];

	if (trace->older)
		trace->older->newer = trace->newer;
	else
		line->oldest = trace->newer;
	if (trace->newer)
		trace->newer->older = trace->older;
	else
		line->newest = trace->older;
}

static void enter_line(struct console_traces *traces, struct trace *trace, int wait,
		       uint64_t now_ms)
{
	struct line *line = &traces->lines[wait];

	trace->wait = wait;
	trace->due_ms = now_ms + wait_ms[wait];
	trace->older = line->newest;
	trace->newer = NULL;
	if (line->newest)
		line->newest->newer = trace;
	else
		line->oldest = trace;
	line->newest = trace;
}

static struct trace *find_or_make(struct console_traces *traces, const uint8_t id[16],
				  uint64_t now_ms)
{
	uint64_t h = hash(id);
	struct trace **bucket = &traces->buckets[h % BUCKETS], *trace;

	for (trace = *bucket; trace; trace = trace->same_hash) {
		if (!memcmp(trace->id, id, sizeof(trace->id)))
			return trace;
	}
	trace = calloc(1, sizeof(*trace));
	if (!trace)
		return NULL;
	memcpy(trace->id, id, sizeof(trace->id));
	trace->continued = !memcmp(traces->taken[h % TAKEN], id, sizeof(trace->id));
	trace->same_hash = *bucket;
	*bucket = trace;
	enter_line(traces, trace, trace->continued ? WAIT_FOR_STRAGGLERS : WAIT_FOR_ROOT, now_ms);
	return trace;
}

static int append(struct trace *trace, struct span *span)
{
	size_t capacity = trace->capacity ? 2 * trace->capacity : 8;
	struct span **spans;

	if (trace->n == trace->capacity) {
		spans = realloc(trace->spans, capacity * sizeof(*spans));
		if (!spans)
			return -ENOMEM;
		trace->spans = spans;
		trace->capacity = capacity;
	}
	trace->spans[trace->n++] = span_ref(span);
	return 0;
}

static int wait_after(const struct span *span)
{
	static const uint8_t none[8];

	if (!memcmp(span->parent_id, none, sizeof(none)))
		return WAIT_FOR_STRAGGLERS;
	return span->flags & PARENT_IS_REMOTE ? WAIT_FOR_PARENT : WAIT_FOR_ROOT;
}

int console_traces_add(struct console_traces *traces, struct span *span, uint64_t now_ms)
{
	struct trace *trace = find_or_make(traces, span->trace_id, now_ms);
	int wait = wait_after(span);
	const struct span *before = trace && trace->n ? trace->spans[trace->n - 1] : NULL;
	size_t bytes = span_memory(span);

	if (!before || before->resource != span->resource)
		bytes += resource_memory(span->resource);
	if (!before || before->scope != span->scope)
		bytes += scope_memory(span->scope);
	if (!trace || append(trace, span))
		return -ENOMEM;
	trace->bytes += bytes;
	traces->bytes += bytes;
	traces->n_spans++;
	if (wait < trace->wait) {
		leave_line(traces, trace);
		enter_line(traces, trace, wait, now_ms);
	}
	return 0;
}

static struct trace *choose(struct console_traces *traces, uint64_t now_ms, bool all)
{
	bool full = traces->n_spans > traces->max_spans || traces->bytes > traces->max_bytes;

	for (int wait = 0; wait < WAITS; wait++) {
		struct trace *oldest = traces->lines[wait].oldest;

		if (oldest && (all || full || oldest->due_ms <= now_ms))
			return oldest;
	}
	return NULL;
}

struct trace *console_traces_take(struct console_traces *traces, uint64_t now_ms, bool all)
{
	struct trace *trace = choose(traces, now_ms, all), **link;
	uint64_t h;

	if (!trace)
		return NULL;
	h = hash(trace->id);
	leave_line(traces, trace);
	for (link = &traces->buckets[h % BUCKETS]; *link != trace; link = &(*link)->same_hash)
		;
	*link = trace->same_hash;
	memcpy(traces->taken[h % TAKEN], trace->id, sizeof(trace->id));
	traces->n_spans -= trace->n;
	traces->bytes -= trace->bytes;
	return trace;
}

uint64_t console_traces_next_due(const struct console_traces *traces)
{
	uint64_t due = 0;

	for (int wait = 0; wait < WAITS; wait++) {
		const struct trace *oldest = traces->lines[wait].oldest;

		if (oldest && (!due || oldest->due_ms < due))
			due = oldest->due_ms;
	}
	return due;
}
