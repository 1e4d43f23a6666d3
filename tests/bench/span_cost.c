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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 41

static otel_tracer tracer = OTEL_TRACER("bench", "1.0.0");
static volatile int sink;

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void empty(int i)
{
	sink = i;
}

static void call_getppid(int i)
{
	sink = i;
	syscall(SYS_getppid);
}

static void read_clock(int i)
{
	struct timespec now;

	sink = i;
	clock_gettime(CLOCK_MONOTONIC, &now);
}

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

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/*
 * Nanoseconds per call, the median of several rounds. Short ones: on a machine that has other work,
 * few of them are interrupted, and the median is the price of a call.
 */
static double measure(void (*run)(int), int calls, int per_call, int pause_us)
{
	double rounds[ROUNDS];

	for (int r = 0; r < ROUNDS; r++) {
		double begin = now_ns();

		for (int i = 0; i < calls; i++)
			run(i);
		rounds[r] = (now_ns() - begin) / calls / per_call;
		if (pause_us)
			usleep((unsigned)pause_us); /* lets the agent keep up: nothing is lost */
	}
	qsort(rounds, ROUNDS, sizeof(*rounds), compare);
	return rounds[ROUNDS / 2];
}

static double loop_ns, getppid_ns, clock_ns;

static void report(const char *what, double ns)
{
	printf("  %-38s %7.1f ns  %7.2f  %6.3f  %6.2f\n", what, ns, ns / loop_ns, ns / getppid_ns,
	       ns / clock_ns);
}

/* With the loop and the call taken off: what the span costs. */
static void span_cost(const char *what, void (*run)(int), int calls, int per_call, int pause_us)
{
	report(what, measure(run, calls, per_call, pause_us) - loop_ns);
}

int main(void)
{
	int on = otel_enabled(&tracer), sampled; /* what is linked is attached before main() */
	otel_span probe = otel_start(&tracer, "probe");

	sampled = otel_is_recording(probe);
	otel_end(probe);
	loop_ns = measure(empty, 1000000, 1, 0);
	getppid_ns = measure(call_getppid, 20000, 1, 0) - loop_ns;
	clock_ns = measure(read_clock, 100000, 1, 0) - loop_ns;
	printf("%s: ns per span, and ratios to an empty loop (%.2f ns), a getppid() (%.0f ns), a clock read (%.1f ns)\n",
	       !on ? "no agent" : sampled ? "with the agent" : "with the agent, sampling none", loop_ns,
	       getppid_ns, clock_ns);
	if (on && !sampled) {
		span_cost("a root that is not sampled", leaf, 20000, 1, 0);
		span_cost("a child that is not sampled", many, 1000, 101, 0);
		return 0;
	}
	span_cost("4 attributes, 1 event, in a trace of 11", trace, on ? 600 : 200000, 11, on ? 20000 : 0);
	span_cost("4 attributes, 1 event, alone", single, on ? 5000 : 2000000, 1, on ? 20000 : 0);
	span_cost("detached, nothing written", detached, on ? 5000 : 2000000, 1, on ? 20000 : 0);
	if (on)
		report("one more short attribute", (measure(with_12, 500, 10, 20000) -
						    measure(with_4, 500, 10, 20000)) / 8);
	return 0;
}
