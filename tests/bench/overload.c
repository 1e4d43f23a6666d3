/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a span costs the application's thread under overload, beside what it costs when the agent
 * keeps up: in processor time, so that others on the machine do not count. Ends with 1 if the ratio
 * is above 1.5.
 *
 *     otel-bpf run -e none --ring-size 1M -- overload
 */
#define _GNU_SOURCE
#include <otel/trace.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 101, TRACES = 50, SPANS = 11 };

static otel_tracer tracer = OTEL_TRACER("bench", "1.0.0");

static double processor_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void span(int i)
{
	OTEL_SPAN(span, &tracer, "child");

	otel_set(span, otel_str("http.route", "/order"), otel_int("order.id", i),
		 otel_bool("paid", 1), otel_double("amount", 99.99));
	otel_event(span, "enqueued", otel_int("queue.length", 3));
}

static void trace(void)
{
	OTEL_SPAN(root, &tracer, "root");

	for (int i = 1; i < SPANS; i++)
		span(i);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The median of several rounds. */
static double cost(unsigned pause_us)
{
	double rounds[ROUNDS], begin;

	for (int r = 0; r < ROUNDS; r++) {
		begin = processor_ns();
		for (int i = 0; i < TRACES; i++)
			trace();
		rounds[r] = (processor_ns() - begin) / TRACES / SPANS;
		if (pause_us)
			usleep(pause_us);
	}
	qsort(rounds, ROUNDS, sizeof(*rounds), compare);
	return rounds[ROUNDS / 2];
}

int main(void)
{
	double calm, overload;

	if (!otel_enabled(&tracer)) {
		printf("overload: nobody listens; run it with otel-bpf run\n");
		return 0;
	}
	calm = cost(10000);
	/* Until the ring is full, whatever its size. */
	for (int i = 0; i < 20000; i++)
		trace();
	overload = cost(0);
	printf("a span costs %.0f ns when the agent keeps up, %.0f ns when it cannot: %.2f times\n",
	       calm, overload, overload / calm);
	return overload > 1.5 * calm;
}
