/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the virtual machines run under the agent. Says on standard output what happened, in lines
 * "WHAT NUMBER" that check.py reads.
 *
 *     smoke load SPANS THREADS     that many spans in all
 *     smoke family                 forks, and the child executes `smoke child`
 *     smoke death HOW              kill, abort or _exit, with spans ended and open in 4 threads
 *     smoke detach                 kills the agent that started it and watches its semaphores
 *     smoke site                   what uprobe(2) says
 */
#include <errno.h>
#include <otel/trace.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static otel_tracer tracer = OTEL_TRACER("smoke", "1");

static long milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void nap(void)
{
	struct timespec time = {0, 1000000};

	nanosleep(&time, NULL);
}

/* ---- Load ---- */

static long spans_each;

/* What is in a record tells whether another one was written into it. */
static void *load_thread(void *data)
{
	long thread = (long)data;

	for (long i = 0; i < spans_each; i += 10) {
		OTEL_SPAN(parent, &tracer, "parent", otel_int("thread", thread), otel_int("n", i));

		for (long n = i + 1; n < i + 10; n++) {
			OTEL_SPAN(child, &tracer, "child", otel_int("thread", thread));
			otel_set(child, otel_int("n", n), otel_str("text", "the same in each of them"));
		}
	}
	return NULL;
}

static int load(long spans, long threads)
{
	pthread_t thread[64];

	if (threads < 1 || threads > 64)
		return 2;
	spans_each = spans / threads;
	for (long i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, load_thread, (void *)i))
			return 1;
	for (long i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	printf("started %ld\n", spans_each * threads);
	return 0;
}

/* ---- Fork and exec ---- */

static int family(const char *self)
{
	OTEL_SPAN(span, &tracer, "parent");
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		{
			OTEL_SPAN(forked, &tracer, "forked");
			otel_set(forked, otel_int("pid", getpid()));
		}
		execl(self, self, "child", (char *)NULL);
		_exit(127);
	}
	otel_set(span, otel_int("child", pid));
	waitpid(pid, &status, 0);
	return status != 0;
}

static int child(void)
{
	OTEL_SPAN(span, &tracer, "executed");

	otel_set(span, otel_int("pid", getpid()));
	return 0;
}

/* ---- Death ---- */

static pthread_barrier_t barrier;

static void *doomed(void *data)
{
	otel_span open = otel_start(&tracer, "open", otel_int("thread", (long)data));
	otel_span ended = otel_start(&tracer, "ended", otel_int("thread", (long)data));

	(void)open;
	otel_end(ended);
	pthread_barrier_wait(&barrier);
	for (;;)
		pause();
	return NULL;
}

static int death(const char *how)
{
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 5);
	{
		/* A flush, by which the agent knows this process. */
		OTEL_SPAN(first, &tracer, "first");
		(void)first;
	}
	for (long i = 0; i < 4; i++)
		if (pthread_create(&thread, NULL, doomed, (void *)i))
			return 1;
	pthread_barrier_wait(&barrier);
	if (!strcmp(how, "kill"))
		kill(getpid(), SIGKILL);
	else if (!strcmp(how, "abort"))
		abort();
	_exit(3);
}

/* ---- Detaching ---- */

static unsigned words_set(void)
{
	const volatile otel_u16 *semaphores = (const volatile otel_u16 *)&otel_bpf_semaphores_v1;
	unsigned n = 0;

	for (int i = 0; i < 4; i++)
		n += semaphores[i] != 0;
	for (int i = 0; i < OTEL_CONTROLS; i++)
		n += otel_bpf_controls_v1[i] != 0;
	return n;
}

static int detach(void)
{
	long begin = milliseconds(), killed, first = 0;
	unsigned at_first, left;

	while (!otel_bpf_semaphores_v1 && milliseconds() - begin < 10000)
		nap();
	at_first = words_set();
	printf("words_set %u\n", at_first);
	{
		OTEL_SPAN(span, &tracer, "while it is there");
		(void)span;
	}
	killed = milliseconds();
	if (kill(getppid(), SIGKILL))
		return 1;
	while ((left = words_set()) && milliseconds() - killed < 20000) {
		OTEL_SPAN(span, &tracer, "while it goes");
		(void)span;
		if (!first && left < at_first)
			first = milliseconds();
		nap();
	}
	printf("words_left %u\nall_off_ms %ld\n", left, milliseconds() - killed);
	for (int i = 0; i < 1000; i++) {
		OTEL_SPAN(span, &tracer, "after");
		otel_set(span, otel_int("i", i));
	}
	printf("unharmed 1\n");
	return 0;
}

/* ---- Main ---- */

static int site(void)
{
#ifdef __x86_64__
	long ret = syscall(336);

	printf("uprobe_errno %d\n", ret < 0 ? errno : 0);
#endif
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (argc == 4 && !strcmp(what, "load"))
		return load(atol(argv[2]), atol(argv[3]));
	if (!strcmp(what, "family"))
		return family(argv[0]);
	if (!strcmp(what, "child"))
		return child();
	if (argc == 3 && !strcmp(what, "death"))
		return death(argv[2]);
	if (!strcmp(what, "detach"))
		return detach();
	if (!strcmp(what, "site"))
		return site();
	fprintf(stderr, "smoke: see its source for what it can do\n");
	return 2;
}
