/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve THREADS: a program that runs while agents come and go; restart_test.py. It does what the
 * lines of its standard input say, answers each with a line, and ends with it.
 *
 *   open NAME    starts a span             close    ends it             span NAME   both
 *   work US      every thread makes traces, with so many microseconds between them
 *   rest         and no more; says how many spans were recorded since the start
 *   fork         makes a child that does what it is told by the lines from then on
 *   exec PATH    starts a program, and waits for its end
 *   resource X   says of itself that it is X
 *   leave        ends the main thread; another does what the lines say from then on
 *   off          says when (CLOCK_MONOTONIC) no semaphore is set any more
 *   brim         two threads make spans until nobody listens, and then cannot keep what they hold:
 *                one fills its buffer with the ends of others, one ends
 *   brimmed      says how many of these were recorded, once both have done so
 */
#include <otel/trace.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static otel_tracer tracer = OTEL_TRACER("serve", "1");
static atomic_long pause_us = -1;
static atomic_long resting;
static atomic_long recorded;
static long threads;

static long make_trace(long number, long n)
{
	OTEL_SPAN(request, &tracer, "request", otel_int("thread", number), otel_int("n", n));
	long count = otel_is_recording(request);
	{
		OTEL_SPAN(work, &tracer, "work", otel_str("key", "value"));
		otel_event(work, "done");
		count += otel_is_recording(work);
	}
	return count;
}

static void *worker(void *argument)
{
	long number = (long)(size_t)argument, n = 0, us;
	int rested = 0;

	for (;;) {
		us = atomic_load(&pause_us);
		if (us < 0) {
			if (!rested)
				atomic_fetch_add(&resting, 1);
			rested = 1;
			usleep(1000);
			continue;
		}
		if (rested)
			atomic_fetch_sub(&resting, 1);
		rested = 0;
		atomic_fetch_add(&recorded, make_trace(number, n++));
		if (us)
			usleep((unsigned)us);
	}
	return NULL;
}

static int any_semaphore(void)
{
	int any = otel_bpf_semaphores_v1 != 0;

	for (int i = 0; i < OTEL_CONTROLS; i++)
		any |= otel_bpf_controls_v1[i] != 0;
	return any;
}

static void wait_off(void)
{
	struct timespec now;

	while (any_semaphore())
		usleep(500);
	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("off %lld\n", (long long)now.tv_sec * 1000000000 + now.tv_nsec);
}

static void rest(void)
{
	atomic_store(&pause_us, -1);
	while (atomic_load(&resting) < threads)
		usleep(500);
	printf("recorded %ld\n", atomic_load(&recorded));
}

#define BRIM 300 /* ends of so many spans are more than a buffer holds */

static pthread_t brimming[2];

static void *brim(void *data)
{
	int fills = data != NULL;
	static otel_span spans[BRIM];
	/* Else each span would be handed over at its end. */
	otel_span around = otel_start(&tracer, "around");
	long count = otel_is_recording(around);

	for (int i = 0; fills && i < BRIM; i++) {
		spans[i] = otel_start(&tracer, "brim");
		count += otel_is_recording(spans[i]);
	}
	while (otel_enabled(&tracer)) {
		OTEL_SPAN(span, &tracer, "drop");

		count += otel_is_recording(span);
		usleep(100);
	}
	for (int i = 0; fills && i < BRIM; i++)
		otel_end(spans[i]);
	return (void *)(size_t)count;
}

static void wait_brimmed(void)
{
	long count = 0;

	for (size_t i = 0; i < 2; i++) {
		void *result;

		pthread_join(brimming[i], &result);
		count += (long)(size_t)result;
	}
	printf("brimmed %ld\n", count);
}

static void start_program(const char *path)
{
	pid_t pid = fork();

	if (!pid) {
		execl(path, path, "once", (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	printf("ended\n");
}

/* Does what the lines say, to their end, or until the main thread shall leave. */
static void *obey(void *data)
{
	otel_span span;
	char line[512];

	memset(&span, 0, sizeof(span));
	for (fflush(stdout); fgets(line, sizeof(line), stdin); fflush(stdout)) {
		char *word = strtok(line, " \n"), *rest_of_line = strtok(NULL, "\n");

		if (!word) {
			continue;
		} else if (!strcmp(word, "open")) {
			span = otel_start(&tracer, rest_of_line, otel_str("at", "start"));
			printf("opened %d\n", otel_is_recording(span));
		} else if (!strcmp(word, "close")) {
			otel_set(span, otel_str("at the", "end"));
			otel_end(span);
			printf("closed\n");
		} else if (!strcmp(word, "span")) {
			otel_context parent = otel_context_of(span);
			OTEL_SPAN(it, &tracer, rest_of_line, otel_parent(parent));

			printf("span %d\n", otel_is_recording(it));
		} else if (!strcmp(word, "work")) {
			atomic_store(&pause_us, atol(rest_of_line));
			printf("working\n");
		} else if (!strcmp(word, "rest")) {
			rest();
		} else if (!strcmp(word, "fork")) {
			fflush(stdout);
			if (fork())
				for (;;)
					pause();
			threads = 0;
			printf("child %d\n", getpid());
		} else if (!strcmp(word, "exec")) {
			start_program(rest_of_line);
		} else if (!strcmp(word, "resource")) {
			otel_set_resource(otel_str("said", rest_of_line));
			printf("said\n");
		} else if (!strcmp(word, "leave")) {
			pthread_t thread;

			printf("left\n");
			pthread_create(&thread, NULL, obey, NULL);
			pthread_exit(NULL);
		} else if (!strcmp(word, "off")) {
			wait_off();
		} else if (!strcmp(word, "brim")) {
			for (size_t i = 0; i < 2; i++)
				pthread_create(&brimming[i], NULL, brim, (void *)i);
			printf("brimming\n");
		} else if (!strcmp(word, "brimmed")) {
			wait_brimmed();
		}
	}
	exit(0);
	return data;
}

int main(int argc, char **argv)
{
	threads = argc > 1 ? atol(argv[1]) : 0;
	for (long i = 0; i < threads; i++) {
		pthread_t thread;

		pthread_create(&thread, NULL, worker, (void *)(size_t)i);
	}
	printf("ready %d\n", getpid());
	obey(NULL);
	return 0;
}
