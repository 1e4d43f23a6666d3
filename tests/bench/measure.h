/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benches of spans share: nanoseconds per call, beside an empty loop, a getppid() and a
 * clock read of the same run, and beside what we promise. Valid C and C++. Include <otel/trace.h>
 * before.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 41

static volatile int sink;
static double loop_ns, getppid_ns, clock_ns;

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

__attribute__((noinline)) static void empty(int i)
{
	sink = i;
}

__attribute__((noinline)) static void call_getppid(int i)
{
	sink = i;
	syscall(SYS_getppid);
}

__attribute__((noinline)) static void read_clock(int i)
{
	struct timespec now;

	sink = i;
	clock_gettime(CLOCK_MONOTONIC, &now);
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

/* Prints @ns, its ratios, and, unless it is 0, the target that it should not exceed. */
static void report(const char *what, double ns, double target)
{
	printf("  %-38s %7.1f ns  %7.2f  %6.3f  %6.2f", what, ns, ns / loop_ns, ns / getppid_ns,
	       ns / clock_ns);
	if (target != 0)
		printf("   target <= %2.0f ns: %s", target, ns <= target ? "kept" : "MISSED");
	printf("\n");
}

/* With the loop and the call taken off: what the span costs. */
static void span_cost(const char *what, double target, void (*run)(int), int calls, int per_call,
		      int pause_us)
{
	report(what, measure(run, calls, per_call, pause_us) - loop_ns, target);
}

/* Measures what all else is compared with, and prints a heading. */
static void begin(const char *who)
{
	loop_ns = measure(empty, 1000000, 1, 0);
	getppid_ns = measure(call_getppid, 20000, 1, 0) - loop_ns;
	clock_ns = measure(read_clock, 100000, 1, 0) - loop_ns;
	printf("%s: ns per span, and ratios to an empty loop (%.2f ns), a getppid() (%.0f ns), a "
	       "clock read (%.1f ns)\n",
	       who, loop_ns, getppid_ns, clock_ns);
}

#endif
