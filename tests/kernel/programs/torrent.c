/* SPDX-License-Identifier: Apache-2.0 */
/*
 * torrent PROCESSES THREADS TRACES: makes more spans than a small ring takes, from threads and processes
 * that come and go while agents do, too; restart_test.py. Every thread makes so many traces, and another
 * takes its place; so does every process when its first thread has had some. It does what the lines of
 * its standard input say, and ends with it:
 *
 *   work         begins
 *   rest         and no more; says how many spans were recorded since the start
 */
#include <otel/trace.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 20 /* of threads, in one process */

static otel_tracer tracer = OTEL_TRACER("torrent", "1");
static long processes, threads, traces;

static struct shared {
	atomic_long recorded;
	atomic_bool rest;
} *shared;

static long make_trace(long n)
{
	OTEL_SPAN(request, &tracer, "request", otel_int("n", n));
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
	(void)argument;
	for (long n = 0; n < traces && !atomic_load(&shared->rest); n++)
		atomic_fetch_add(&shared->recorded, make_trace(n));
	return NULL;
}

static void *workers(void *argument)
{
	pthread_t thread;

	for (int i = 0; i < ROUNDS && !atomic_load(&shared->rest); i++)
		if (!pthread_create(&thread, NULL, worker, argument))
			pthread_join(thread, NULL);
	return NULL;
}

static void process(void)
{
	pthread_t *ids = calloc((size_t)threads, sizeof(*ids));

	for (long i = 0; ids && i < threads; i++)
		if (pthread_create(&ids[i], NULL, workers, NULL))
			abort();
	for (long i = 0; ids && i < threads; i++)
		pthread_join(ids[i], NULL);
	_exit(0);
}

/* One process after the other. */
static void *generations(void *argument)
{
	(void)argument;
	while (!atomic_load(&shared->rest)) {
		pid_t pid = fork();

		if (!pid)
			process();
		if (pid < 0 || waitpid(pid, NULL, 0) < 0)
			abort();
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t *ids;
	char line[64];

	if (argc < 4)
		return 2;
	processes = atol(argv[1]);
	threads = atol(argv[2]);
	traces = atol(argv[3]);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ids = calloc((size_t)processes, sizeof(*ids));
	if (shared == MAP_FAILED || !ids)
		return 1;
	printf("ready %d\n", getpid());
	for (fflush(stdout); fgets(line, sizeof(line), stdin); fflush(stdout)) {
		if (!strcmp(line, "work\n")) {
			for (long i = 0; i < processes; i++)
				if (pthread_create(&ids[i], NULL, generations, NULL))
					return 1;
			printf("working\n");
		} else if (!strcmp(line, "rest\n")) {
			atomic_store(&shared->rest, true);
			for (long i = 0; i < processes; i++)
				pthread_join(ids[i], NULL);
			printf("recorded %ld\n", atomic_load(&shared->recorded));
		}
	}
	free(ids);
	return 0;
}
