/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safety NAME: what a program that is traced, or is not, must never notice; safety_test.py says what.
 */
#include <linux/seccomp.h>
#include <otel/trace.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static otel_tracer tracer = OTEL_TRACER("safety", "1");

/* ---- Without system calls ---- */

static void everything(int i)
{
	otel_span detached = otel_start(&tracer, "detached", otel_kind(OTEL_CLIENT));
	OTEL_SPAN(span, &tracer, "span", otel_int("i", i));
	otel_context context = otel_context_of(span);

	otel_set(span, otel_str("text", "text"), otel_bool("odd", i & 1));
	otel_event(span, "event", otel_double("d", 0.5));
	otel_set(otel_current(), otel_int("i", i));
	otel_add_links(detached, otel_link(context));
	otel_exception(span, "type", "message");
	otel_fail(span, 5);
	otel_set_name(span, "name");
	otel_set_status(span, OTEL_ERROR, "no");
	otel_end(detached);
	otel_context_release(&context);
}

/* In this mode the kernel kills whoever makes a call but read(), write() and _exit(). */
static void silent(void)
{
	static const char all_is_well[] = "no system call\n";

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		abort();
	for (int i = 0; i < 1000; i++)
		everything(i);
	if (write(1, all_is_well, sizeof(all_is_well) - 1) < 0)
		abort();
	syscall(SYS_exit, 0);
}

/* ---- How long the calls take ---- */

#define ROUND 20000

static uint64_t now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* For each line of input a round of spans; says the median and the 99th percentile of their ends, in ns. */
static void ends(void)
{
	static uint64_t took[ROUND];
	char line[16];

	while (fgets(line, sizeof(line), stdin)) {
		for (int i = 0; i < ROUND; i++) {
			otel_span span = otel_start(&tracer, "timed", otel_int("i", i), otel_str("some", "bytes"));
			uint64_t before = now();

			otel_end(span);
			took[i] = now() - before;
		}
		qsort(took, ROUND, sizeof(*took), by_size);
		printf("round %c %llu %llu\n", line[0], (unsigned long long)took[ROUND / 2],
		       (unsigned long long)took[ROUND / 100 * 99]);
		fflush(stdout);
	}
}

/* ---- Spans that are not sampled ---- */

static int wrong;

static void is_current(const otel_context *expected)
{
	otel_context current = otel_context_of(otel_current());

	wrong += memcmp(current.span_id, expected->span_id, 8) || memcmp(current.trace_id, expected->trace_id, 16) ||
		 otel_is_sampled(&current) || otel_is_recording(otel_current());
	otel_context_release(&current);
}

static void grow(const otel_context *parent, int depth)
{
	OTEL_SPAN(span, &tracer, "grown");

	wrong += !memcmp(span.context.span_id, parent->span_id, 8) ||
		 memcmp(span.context.trace_id, parent->trace_id, 16);
	is_current(&span.context);
	for (int i = 0; depth && i < 2; i++) {
		grow(&span.context, depth - 1);
		is_current(&span.context);
	}
}

static void unsampled(void)
{
	OTEL_SPAN(root, &tracer, "root");

	is_current(&root.context);
	for (int i = 0; i < 3; i++) {
		grow(&root.context, 5);
		is_current(&root.context);
	}
	printf("wrong %d\n", wrong);
}

/* ---- Threads that end within a scope, without a word ---- */

static void *exits(void *data)
{
	OTEL_SPAN(outer, &tracer, "left open");
	OTEL_SPAN(span, &tracer, "left open");
	(void)outer;
	(void)span;
	pthread_exit(data);
}

static void *begins(void *data)
{
	OTEL_SPAN(span, &tracer, "first of its thread");
	(void)span;
	return data;
}

static void in_a_thread(void *(*run)(void *))
{
	pthread_t thread;

	pthread_create(&thread, NULL, run, NULL);
	pthread_join(thread, NULL);
}

static void thread_reuse(void)
{
	sigset_t all;

	for (int i = 0; i < 4; i++) {
		in_a_thread(exits);
		in_a_thread(begins);
	}
	/* The end of a thread whose signals are blocked from its start is not noticed. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	for (int i = 0; i < 4; i++) {
		in_a_thread(exits);
		in_a_thread(begins);
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*play)(void);
	} scenes[] = {
		{"silent", silent},
		{"ends", ends},
		{"unsampled", unsampled},
		{"thread_reuse", thread_reuse},
	};

	for (size_t i = 0; argc == 2 && i < sizeof(scenes) / sizeof(*scenes); i++)
		if (!strcmp(scenes[i].name, argv[1])) {
			scenes[i].play();
			return 0;
		}
	fprintf(stderr, "there is no such scene\n");
	return 2;
}
