/* SPDX-License-Identifier: Apache-2.0 */
/*
 * soak HOW [LIBRARY]: a short life with all that an agent has to remember: threads, exceptions with
 * stack traces, a library that is loaded and unloaded, spans that stay open, children. HOW is the way
 * it ends: return, exit, kill, exec.
 */
#include <dlfcn.h>
#include <otel/stack.h>
#include <otel/trace.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static otel_tracer tracer = OTEL_TRACER("soak", "1");

__attribute__((noinline)) static void fail(int i)
{
	OTEL_SPAN(span, &tracer, "fails", otel_int("i", i));

	otel_exception(span, "Soaked", "it did not work", otel_stack());
	(void)otel_fail(span, -22);
}

static void *work(void *unused)
{
	(void)unused;
	for (int i = 0; i < 20; i++) {
		OTEL_SPAN(span, &tracer, "work", otel_int("i", i));

		otel_event(span, "event", otel_str("key", "value"));
		fail(i);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	void *library = argc > 2 ? dlopen(argv[2], RTLD_NOW) : NULL;
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, work, NULL))
			return 1;
	work(NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	if (library)
		dlclose(library);
	if (!fork()) {
		work(NULL);
		_exit(0);
	}
	(void)otel_start(&tracer, "never ends");
	while (wait(NULL) > 0)
		;
	if (argc > 1 && !strcmp(argv[1], "exit"))
		_exit(0);
	if (argc > 1 && !strcmp(argv[1], "kill"))
		raise(SIGKILL);
	if (argc > 1 && !strcmp(argv[1], "exec"))
		execl("/bin/true", "true", (char *)NULL);
	return 0;
}
