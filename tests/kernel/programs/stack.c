/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stack WHAT [LIBRARY]: an exception deep in nested functions, with its stack trace, and the end of
 * the process right behind it; stack_test.py says what must come of it. With STACK_LIBRARY it is the
 * library.
 */
#include <dlfcn.h>
#include <errno.h>
#include <otel/stack.h>
#include <otel/trace.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLED __attribute__((noinline, noclone))

static otel_tracer tracer = OTEL_TRACER("stack", "1");

/* What is loaded or executed later is attached a little later. */
static void wait_for_agent(void)
{
	while (!otel_enabled(&tracer))
		usleep(1000);
}

#ifdef STACK_LIBRARY

int library_entry(int depth);

CALLED static void in_library(otel_span *span, int depth)
{
	if (depth)
		in_library(span, depth - 1);
	else
		otel_exception(*span, "LibraryError", "in a library", otel_stack());
	__asm__ volatile("" : : : "memory"); /* no tail call */
}

CALLED int library_entry(int depth)
{
	wait_for_agent();

	OTEL_SPAN(span, &tracer, "library");

	in_library(&span, depth);
	return depth;
}

#else

CALLED static void innermost(otel_span *span)
{
	otel_exception(*span, "DeepError", "at the bottom", otel_stack());
	__asm__ volatile("" : : : "memory");
}

CALLED void middle(otel_span *span)
{
	innermost(span);
	__asm__ volatile("" : : : "memory");
}

CALLED static void outer(const char *name)
{
	OTEL_SPAN(span, &tracer, name);

	middle(&span);
	__asm__ volatile("" : : : "memory");
}

static void own_text(void)
{
	OTEL_SPAN(span, &tracer, "own text");

	otel_exception(span, "TextError", "has its own", otel_str("exception.stacktrace", "mine"),
		       otel_stack());
}

/* A trace belongs to its own event, and to no other. */
static void several(void)
{
	OTEL_SPAN(span, &tracer, "several");

	otel_event(span, "before");
	innermost(&span);
	otel_event(span, "after");
	otel_event(span, "not an exception", otel_stack());
}

static void *in_thread(void *context)
{
	OTEL_USE(*(otel_context *)context);

	innermost(&otel_current());
	return NULL;
}

static void threads(void)
{
	OTEL_SPAN(span, &tracer, "threads");
	otel_context context = otel_context_of(span);
	pthread_t thread[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, in_thread, &context);
	innermost(&span);
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	otel_context_release(&context);
}

static void many(const char *path)
{
	for (int i = 0; i < 200; i++)
		if (!fork()) {
			execl(path, path, "nested", (char *)0);
			_exit(1);
		} else if (i % 8 == 7) {
			while (wait(NULL) > 0)
				;
		}
	while (wait(NULL) > 0 || errno == EINTR)
		;
}

static int load(const char *path)
{
	void *library = dlopen(path, RTLD_NOW);
	int (*entry)(int);
	void *symbol;

	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	symbol = dlsym(library, "library_entry");
	memcpy(&entry, &symbol, sizeof(entry));
	entry(3);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	wait_for_agent();
	if (!strcmp(what, "nested")) {
		outer("nested");
	} else if (!strcmp(what, "own_text")) {
		own_text();
	} else if (!strcmp(what, "several")) {
		several();
	} else if (!strcmp(what, "threads")) {
		threads();
	} else if (!strcmp(what, "many")) {
		many(argv[0]);
	} else if (!strcmp(what, "waits")) {
		puts("ready");
		fflush(stdout);
		(void)getchar();
		outer("waits");
	} else if (!strcmp(what, "forked")) {
		if (!fork()) {
			outer("forked");
			_exit(0);
		}
		wait(NULL);
	} else if (!strcmp(what, "executes") && argc > 2) {
		outer("before the exec");
		execl(argv[2], argv[2], "nested", (char *)0);
		return 1;
	} else if (!strcmp(what, "loads") && argc > 2) {
		if (load(argv[2]))
			return 1;
	} else {
		return 2;
	}
	_exit(0);
}

#endif
