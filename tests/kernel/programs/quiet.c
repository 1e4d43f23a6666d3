/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quiet NAME: ways to leave records behind and then do nothing for long; deadlines_test.py looks when
 * they arrive. Each ends when its standard input does.
 */
#include <otel/trace.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static otel_tracer tracer = OTEL_TRACER("quiet", "1");

static void block(void)
{
	struct pollfd input = {STDIN_FILENO, POLLIN, 0};

	printf("blocked\n");
	fflush(stdout);
	while (poll(&input, 1, -1) < 0)
		;
}

/* An event loop in which there is always a span open, and which then waits forever. */
static void overlapping(void)
{
	otel_span spans[4];

	for (int i = 0; i < 4; i++)
		spans[i] = otel_start(&tracer, "overlapping", otel_int("i", i));
	for (int i = 4; i < 400; i++) {
		otel_end(spans[i % 4]);
		spans[i % 4] = otel_start(&tracer, "overlapping", otel_int("i", i));
		usleep(1000);
	}
	otel_end(spans[0]);
	block();
}

/* The same, with nothing between the last end and the wait. */
static void one_of_two(void)
{
	otel_span open = otel_start(&tracer, "stays open");
	otel_span ended = otel_start(&tracer, "ended");

	otel_end(ended);
	block();
	otel_end(open);
}

static void inside(void)
{
	OTEL_SPAN(outer, &tracer, "stays open");
	{
		OTEL_SPAN(span, &tracer, "ended");
		otel_set(span, otel_str("key", "value"));
	}
	block();
	(void)outer;
}

static otel_span shared;
struct flag {
	volatile int set;
};

static void *writes_and_sleeps(void *data)
{
	otel_set(shared, otel_str("from", "the writer"));
	otel_event(shared, "written");
	((struct flag *)data)->set = 1;
	pause();
	return data;
}

/* A thread that only writes to another's span, and then sleeps. */
static void writer(void)
{
	struct flag written = {0};
	pthread_t thread;

	shared = otel_start(&tracer, "shared");
	pthread_create(&thread, NULL, writes_and_sleeps, &written);
	while (!written.set)
		usleep(1000);
	otel_end(shared);
	block();
}

/* A busy loop that makes few records: those of an open scope get old. */
static void *ends_it(void *data)
{
	otel_end(shared);
	((struct flag *)data)->set = 1;
	pause();
	return data;
}

static void ended_elsewhere(void)
{
	struct flag ended = {0};
	pthread_t thread;

	shared = otel_start(&tracer, "shared");
	pthread_create(&thread, NULL, ends_it, &ended);
	while (!ended.set)
		usleep(1000);
	block();
}

/* A few spans, then nothing for long. */
static void idle(void)
{
	for (int i = 0; i < 3; i++) {
		OTEL_SPAN(span, &tracer, "ended");
		otel_set(span, otel_int("i", i));
	}
	block();
}

int main(int argc, char **argv)
{
	static const struct scene {
		const char *name;
		void (*play)(void);
	} scenes[] = {{"overlapping", overlapping}, {"one_of_two", one_of_two}, {"inside", inside},
		      {"writer", writer}, {"ended_elsewhere", ended_elsewhere}, {"idle", idle}};

	for (size_t i = 0; argc == 2 && i < sizeof(scenes) / sizeof(*scenes); i++)
		if (!strcmp(scenes[i].name, argv[1])) {
			scenes[i].play();
			return 0;
		}
	return 2;
}
