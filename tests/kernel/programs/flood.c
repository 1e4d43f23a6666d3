/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flood FLOODERS MILLISECONDS [PAUSE]: so many processes that make spans as fast as they can, and one
 * that makes one each PAUSE microseconds (1,000). Prints "KIND PID SPANS" for each: what they have started.
 */
#include <otel/trace.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static otel_tracer tracer = OTEL_TRACER("flood", "1");

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void one(const char *name, long i)
{
	OTEL_SPAN(span, &tracer, name, otel_int("i", i));

	otel_set(span, otel_str("http.request.method", "POST"), otel_str("url.path", "/order"));
}

static void play(const char *kind, uint64_t until, int pause_us)
{
	long n = 0;

	while (now_ms() < until) {
		if (pause_us) {
			one(kind, n++);
			usleep((useconds_t)pause_us);
			continue;
		}
		OTEL_SPAN(span, &tracer, kind, otel_int("i", n++));
		for (int i = 0; i < 60; i++)
			one(kind, n++);
	}
	/* In one piece: all write to the same file. */
	printf("%s %d %ld\n", kind, (int)getpid(), n);
	exit(0);
}

int main(int argc, char **argv)
{
	int flooders = argc > 2 ? atoi(argv[1]) : 2, pause_us = argc > 3 ? atoi(argv[3]) : 1000;
	uint64_t until = now_ms() + (uint64_t)(argc > 2 ? atoi(argv[2]) : 1000);
	int status = 0, one_status;

	for (int i = 0; i <= flooders; i++)
		if (!fork())
			play(i ? "flood" : "modest", until, i ? 0 : pause_us);
	while (wait(&one_status) > 0)
		status |= one_status;
	return status != 0;
}
