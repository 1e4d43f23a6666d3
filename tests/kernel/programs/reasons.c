/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reasons HOW: loses spans in one of the ways in which they can be lost before they reach the agent's
 * exporters, says how many it has started and how many of those are lost, and waits for the end of its input.
 *
 *   unreadable       a part of the buffer cannot be read when it is handed over
 *   not_handed_over  the buffer is emptied, and the probe is not run over
 *   application      signal handlers that interrupt each other too deep
 *   malformed        a byte of the beginning of each is changed
 *   quota            one process puts more into the ring than it may have of it
 *   ring_full        many processes do, which have little of it each; after a line of input
 */
#include <otel/trace.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static otel_tracer tracer = OTEL_TRACER("reasons", "1");
static long started, lost;

static struct otel_buffer *buffer(void)
{
	return (struct otel_buffer *)otel_bpf_thread_v1->buffers[0];
}

static void start(long n)
{
	for (long i = 0; i < n; i++)
		(void)otel_start(&tracer, "a span with a name that takes its time and its room", otel_int("i", i));
	started += n;
}

/* As otel_flush_() leaves it. */
static void emptied(struct otel_buffer *b)
{
	b->started_before = b->started;
	b->position += b->committed;
	b->committed = 0;
}

static void unreadable(void)
{
	struct otel_buffer *b = buffer();
	char *second = (char *)b + 4096;

	start(lost = 60);
	if (b->committed < 4096 || mprotect(second, 4096, PROT_NONE))
		exit(3);
	otel_bpf_flush_v1(b, sizeof(*b) + b->committed);
	mprotect(second, 4096, PROT_READ | PROT_WRITE);
	emptied(b);
}

static void not_handed_over(void)
{
	start(lost = 40);
	emptied(buffer());
}

static void too_deep(int signal)
{
	static int depth;

	(void)signal;
	otel_bpf_thread_v1->nested++;
	if (++depth < 6)
		raise(SIGUSR1);
	else
		(void)otel_start(&tracer, "too deep");
	otel_bpf_thread_v1->nested--;
}

static void application(void)
{
	struct sigaction action = {.sa_handler = too_deep, .sa_flags = SA_NODEFER};

	start(1);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	lost = 1;
	started++;
}

static void malformed(void)
{
	struct otel_buffer *b = buffer();

	for (lost = 0; lost < 7; lost++) {
		struct otel_record *record;
		otel_u32 at = b->committed;

		start(1);
		record = (struct otel_record *)(void *)((char *)(b + 1) + at);
		record->padding = 99;
	}
}

static void flood(long n)
{
	for (long i = 0; i < n; i++) {
		OTEL_SPAN(span, &tracer, "flood", otel_int("i", i));
		(void)span;
	}
	started += n;
}

static void quota(void)
{
	flood(50000);
	lost = -1;
}

static void ring_full(void)
{
	char c;

	printf("ready\n");
	fflush(stdout);
	if (read(STDIN_FILENO, &c, 1) != 1)
		exit(3);
	for (int i = 0; i < 60; i++)
		if (!fork()) {
			flood(1000);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	started += 60000;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*play)(void);
	} ways[] = {{"unreadable", unreadable}, {"not_handed_over", not_handed_over}, {"application", application},
		    {"malformed", malformed},	{"quota", quota},		      {"ring_full", ring_full}};
	char c;

	{
		OTEL_SPAN(first, &tracer, "first");
		started++;
	}
	for (size_t i = 0; argc == 2 && i < sizeof(ways) / sizeof(*ways); i++)
		if (!strcmp(ways[i].name, argv[1]))
			ways[i].play();
	{
		OTEL_SPAN(last, &tracer, "last");
		started++;
	}
	printf("%ld started %ld lost\n", started, lost);
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	return 0;
}
