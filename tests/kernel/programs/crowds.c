/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crowds PROCESSES CYCLES: so many processes in which 100,000 threads lead one to another, for ever, and one
 * that writes a span "held" and holds it for three seconds, so many times.
 */
#include <otel/trace.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static otel_tracer tracer = OTEL_TRACER("crowds", "1");

static void hold(int cycles)
{
	for (int i = 0; i < cycles; i++) {
		OTEL_SPAN(outer, &tracer, "stays open");
		{
			OTEL_SPAN(span, &tracer, "held", otel_int("i", i));
			(void)span;
		}
		(void)outer;
		usleep(3000000);
	}
}

static void crowd(void)
{
	enum { THREADS = 100000 };
	struct otel_thread *threads = (struct otel_thread *)calloc(THREADS, sizeof(*threads));
	struct otel_anchor *anchor;

	{
		OTEL_SPAN(span, &tracer, "first");
		(void)span;
	}
	anchor = (struct otel_anchor *)((struct otel_buffer *)otel_bpf_thread_v1->buffers[0])->anchor;
	for (int i = 0; threads && i < THREADS; i++) {
		threads[i] = *otel_bpf_thread_v1;
		threads[i].next = (otel_u64)&threads[(i + 1) % THREADS];
	}
	for (unsigned i = 0; i < OTEL_ANCHOR_BUCKETS; i++)
		anchor->threads[i] = (otel_u64)&threads[i];
}

int main(int argc, char **argv)
{
	int others[2];
	char c;

	if (argc != 3 || pipe(others))
		return 2;
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(others[1]);
		while (read(others[0], &c, 1) < 0) /* until the others are there */
			;
		hold(atoi(argv[2]));
		_exit(0);
	}
	crowd();
	for (int i = 0; i < atoi(argv[1]); i++)
		if (!fork()) {
			close(others[1]);
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	close(others[1]);
	printf("ready\n");
	fflush(stdout);
	for (;;)
		pause();
}
