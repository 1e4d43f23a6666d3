/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts more spans than a small ring takes, in several processes of several threads, each in a trace of
 * its own, and says how many:
 *
 *     barrel PROCESSES THREADS SPANS [stay]
 *
 * The threads of a process begin at once. With no threads, the main thread starts them. With "stay", each process waits for its standard input to close before it ends.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <otel/trace.h>

static otel_tracer tracer = OTEL_TRACER("barrel", "1");
static unsigned long spans;
static pthread_barrier_t begin;

static void *overflow(void *argument)
{
	if (argument)
		pthread_barrier_wait(argument);
	for (unsigned long i = 0; i < spans; i++) {
		OTEL_SPAN(span, &tracer, "drop", otel_int("number", (long)i));

		otel_event(span, "fell", otel_str("where", "into the barrel, and out of it again"));
	}
	return NULL;
}

static int process(unsigned long threads, int stay)
{
	pthread_t *ids = calloc(threads, sizeof(*ids));
	char c;

	if (!ids)
		return 1;
	if (!threads)
		overflow(NULL);
	else if (pthread_barrier_init(&begin, NULL, (unsigned)threads))
		return 1;
	for (unsigned long i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, overflow, &begin))
			return 1;
	for (unsigned long i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	free(ids);
	printf("%d started %lu\n", (int)getpid(), (threads ? threads : 1) * spans);
	fflush(stdout);
	while (stay && read(STDIN_FILENO, &c, 1) > 0)
		;
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long processes, threads;
	int status, failed = 0;

	if (argc < 4)
		return 2;
	processes = strtoul(argv[1], NULL, 10);
	threads = strtoul(argv[2], NULL, 10);
	spans = strtoul(argv[3], NULL, 10);
	for (unsigned long i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (!pid)
			return process(threads, argc > 4 && !strcmp(argv[4], "stay"));
	}
	for (unsigned long i = 0; i < processes; i++)
		if (wait(&status) < 0 || status)
			failed = 1;
	return failed;
}
