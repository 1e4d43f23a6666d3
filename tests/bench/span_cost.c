/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a span costs the application's thread: a root and 10 children per trace, each with 4
 * attributes and 1 event, beside an empty loop, a getppid() and a clock read in the same run.
 *
 *     span_cost [SECONDS]                      with nobody listening
 *     otel-bpf run -e none -- span_cost        with the agent
 */
#define _GNU_SOURCE
#include <otel/trace.h>

#include "measure.h"

static otel_tracer tracer = OTEL_TRACER("bench", "1.0.0");
__attribute__((noinline)) static void child(int i)
{
	OTEL_SPAN(span, &tracer, "child");

	otel_set(span, otel_str("http.route", "/order"), otel_int("order.id", i),
		 otel_bool("paid", 1), otel_double("amount", 99.99));
	otel_event(span, "enqueued", otel_int("queue.length", 3));
	sink = i;
}

__attribute__((noinline)) static void trace(int i)
{
	OTEL_SPAN(span, &tracer, "root");

	otel_set(span, otel_str("http.route", "/order"), otel_int("order.id", i),
		 otel_bool("paid", 1), otel_double("amount", 99.99));
	otel_event(span, "enqueued", otel_int("queue.length", 3));
	for (int k = 0; k < 10; k++)
		child(k);
}

__attribute__((noinline)) static void single(int i)
{
	OTEL_SPAN(span, &tracer, "single");

	otel_set(span, otel_str("http.route", "/order"), otel_int("order.id", i),
		 otel_bool("paid", 1), otel_double("amount", 99.99));
	otel_event(span, "enqueued", otel_int("queue.length", 3));
}

__attribute__((noinline)) static void at_start(int i)
{
	OTEL_SPAN(span, &tracer, "at its start", otel_kind(OTEL_SERVER), otel_str("http.route", "/order"),
		  otel_int("order.id", i), otel_bool("paid", 1), otel_double("amount", 99.99));

	otel_event(span, "enqueued", otel_int("queue.length", 3));
}

__attribute__((noinline)) static void detached(int i)
{
	otel_span span = otel_start(&tracer, "detached");

	sink = i;
	otel_end(span);
}

/* What sampling leaves out: a root, and 100 children of one. */
__attribute__((noinline)) static void leaf(int i)
{
	OTEL_SPAN(span, &tracer, "leaf");

	sink = i;
}

__attribute__((noinline)) static void many(int i)
{
	OTEL_SPAN(span, &tracer, "root");

	for (int k = 0; k < 100; k++)
		leaf(i);
}

/* The same span with 4 and with 12 short attributes: what one more costs. */
__attribute__((noinline)) static void with_4(int i)
{
	OTEL_SPAN(span, &tracer, "root");

	for (int k = 0; k < 10; k++)
		otel_set(span, otel_str("a", "x"), otel_int("b", i), otel_int("c", 2), otel_bool("d", 1));
}

__attribute__((noinline)) static void with_12(int i)
{
	OTEL_SPAN(span, &tracer, "root");

	for (int k = 0; k < 10; k++)
		otel_set(span, otel_str("a", "x"), otel_int("b", i), otel_int("c", 2), otel_bool("d", 1),
			 otel_str("e", "x"), otel_int("f", i), otel_int("g", 2), otel_bool("h", 1),
			 otel_str("i", "x"), otel_int("j", i), otel_int("k", 2), otel_bool("l", 1));
}

int main(void)
{
	int on = otel_enabled(&tracer), sampled; /* what is linked is attached before main() */
	otel_span probe = otel_start(&tracer, "probe");

	sampled = otel_is_recording(probe);
	otel_end(probe);
	begin(!on ? "no agent" : sampled ? "with the agent" : "with the agent, sampling none");
	if (on && !sampled) {
		span_cost("a root that is not sampled", 20, leaf, 20000, 1, 0);
		span_cost("a child that is not sampled", 8, many, 1000, 101, 0);
		return 0;
	}
	span_cost("4 attributes, 1 event, in a trace of 11", on ? 0 : 2, trace, on ? 600 : 200000, 11, on ? 20000 : 0);
	span_cost("4 attributes, 1 event, alone", on ? 0 : 2, single, on ? 5000 : 2000000, 1, on ? 20000 : 0);
	span_cost("4 attributes at its start, 1 event, alone", on ? 0 : 2, at_start, on ? 5000 : 2000000, 1, on ? 20000 : 0);
	span_cost("detached, nothing written", on ? 0 : 2, detached, on ? 5000 : 2000000, 1, on ? 20000 : 0);
	if (on)
		report("one more short attribute",
		       (measure(with_12, 500, 10, 20000) - measure(with_4, 500, 10, 20000)) / 8, 15);
	return 0;
}
