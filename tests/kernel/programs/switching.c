/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switching: spans within spans at random, in three threads, until a line comes. Says of each with ids: the ids
 * of its trace, its own, its parent's, and whether it is recorded; and what was wrong with what is current.
 */
#include <otel/trace.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEEPEST 6

static otel_tracer tracers[] = {OTEL_TRACER("stays", "1"), OTEL_TRACER("goes", "1")};
static atomic_int stop;
static pthread_mutex_t printing = PTHREAD_MUTEX_INITIALIZER;

static void say(otel_span span, const otel_context *parent)
{
	char trace[33], own[17], other[17] = "";

	if (!otel_is_valid(&span.context))
		return;
	otel_trace_id(&span.context, trace);
	otel_span_id(&span.context, own);
	if (otel_is_valid(parent))
		otel_span_id(parent, other);
	/* With nobody listening, it is the parent that is handed through. */
	if (!strcmp(own, other))
		return;
	pthread_mutex_lock(&printing);
	printf("%s %s %s %s\n", otel_is_recording(span) ? "recorded" : "not", trace, own, other);
	if (otel_is_recording(span) != otel_is_sampled(&span.context))
		puts("wrong: what goes downstream");
	pthread_mutex_unlock(&printing);
}

static void walk(unsigned *seed, int depth);
static void (*volatile go)(unsigned *, int) = walk;

static void within(unsigned *seed, int depth, otel_tracer *tracer, const otel_context *before)
{
	static const otel_context nothing;
	int kind = rand_r(seed) % 8;

	if (kind == 0) {
		otel_span span = otel_start(tracer, "detached");

		say(span, before);
		go(seed, depth);
		otel_end(span);
	} else if (kind == 1) {
		OTEL_SPAN(span, tracer, "root", otel_root());

		say(span, &nothing);
		go(seed, depth);
	} else {
		OTEL_SPAN(span, tracer, "span");

		say(span, before);
		if (kind < 5)
			go(seed, depth);
		else
			usleep((unsigned)rand_r(seed) % 1000);
	}
}

static void walk(unsigned *seed, int depth)
{
	if (depth == DEEPEST)
		return;
	for (int i = rand_r(seed) % 3; i >= 0; i--) {
		otel_context before = otel_current().context, after;

		within(seed, depth + 1, &tracers[rand_r(seed) % 2], &before);
		after = otel_current().context;
		if (otel_is_valid(&before) != otel_is_valid(&after) ||
		    (otel_is_valid(&before) && memcmp(before.span_id, after.span_id, 8)))
			puts("wrong: what is current");
	}
}

static void *walks(void *data)
{
	unsigned seed = *(unsigned *)data;

	while (!stop)
		walk(&seed, 0);
	return data;
}

int main(void)
{
	static unsigned seeds[] = {1, 2, 3};
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, walks, &seeds[i]);
	(void)getchar();
	stop = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
