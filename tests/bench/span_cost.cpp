/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a span of trace.hpp costs, as span_cost.c has it. The compiler decides here how much of a
 * list is built when nobody listens, so this is run as each of them makes it.
 */
#include <otel/trace.hpp>

#include "measure.h"

static const otel::tracer tracer("bench", "1.0.0");

__attribute__((noinline)) static void single(int i)
{
	otel::scoped_span span(tracer, "single");

	span.set({{"http.route", "/order"}, {"order.id", i}, {"paid", true}, {"amount", 99.99}});
	span.event("enqueued", {{"queue.length", 3}});
}

__attribute__((noinline)) static void at_start(int i)
{
	otel::scoped_span span(tracer, "at its start",
			       {otel::kind::server,
				{"http.route", "/order"},
				{"order.id", i},
				{"paid", true},
				{"amount", 99.99}});

	span.event("enqueued", {{"queue.length", 3}});
}

__attribute__((noinline)) static void detached(int i)
{
	otel::span span(
		tracer, "detached",
		{{"http.route", "/order"}, {"order.id", i}, {"paid", true}, {"amount", 99.99}});

	span.event("enqueued", {{"queue.length", 3}});
}

__attribute__((noinline)) static void called(int i)
{
	otel::with_span(tracer, "called", {{"http.route", "/order"}, {"order.id", i}},
			[&](otel::scoped_span &span) {
				span.set({{"paid", true}, {"amount", 99.99}});
				span.event("enqueued", {{"queue.length", 3}});
			});
}

int main()
{
	const bool on = tracer.enabled();
	const int calls = on ? 5000 : 2000000, pause_us = on ? 20000 : 0;
	const double target = on ? 0 : 2;

	begin(on ? COMPILER ", with the agent" : COMPILER ", no agent");
	span_cost("4 attributes, 1 event, alone", target, single, calls, 1, pause_us);
	span_cost("the attributes at the start", target, at_start, calls, 1, pause_us);
	span_cost("detached", target, detached, calls, 1, pause_us);
	span_cost("with_span()", target, called, calls, 1, pause_us);
	return 0;
}
