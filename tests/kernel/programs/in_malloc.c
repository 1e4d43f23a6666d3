/* SPDX-License-Identifier: Apache-2.0 */
/*
 * in_malloc: signal handlers make spans while memory is being allocated, which is not entered a second time: a
 * thread would wait for itself there. Says how many handlers there were, and how often it was entered again.
 */
#include <otel/trace.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static otel_tracer tracer = OTEL_TRACER("in malloc", "1");
static volatile int handled, again;
static __thread volatile int signal_to_raise, inside;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static void enter(void)
{
	int number = signal_to_raise;

	signal_to_raise = 0;
	if (inside++)
		again++;
	if (number)
		raise(number);
}

void *malloc(size_t size)
{
	void *memory;

	enter();
	memory = __libc_malloc(size);
	inside--;
	return memory;
}

void *calloc(size_t count, size_t size)
{
	void *memory;

	enter();
	memory = __libc_calloc(count, size);
	inside--;
	return memory;
}

void *realloc(void *old, size_t size)
{
	void *memory;

	enter();
	memory = __libc_realloc(old, size);
	inside--;
	return memory;
}

static void handler(int number)
{
	OTEL_SPAN(span, &tracer, "in a handler", otel_int("signal", number));

	(void)span;
	handled++;
}

static void handle(int number, int flags)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = handler;
	action.sa_flags = flags;
	sigaction(number, &action, NULL);
}

/* What a thread's first span allocates is interrupted. */
static void *first(void *data)
{
	signal_to_raise = SIGUSR1;
	{
		OTEL_SPAN(span, &tracer, "first");
		(void)span;
	}
	return data;
}

/* What the thread itself allocates is interrupted, and the handler's span is the thread's first. */
static void *handlers_first(void *data)
{
	static char memory[65536];
	stack_t stack;

	memset(&stack, 0, sizeof(stack));
	stack.ss_sp = memory;
	stack.ss_size = sizeof(memory);
	sigaltstack(&stack, NULL);
	signal_to_raise = *(int *)data;
	free(malloc(1));
	OTEL_SPAN(span, &tracer, "first");
	(void)span;
	return data;
}

static void in_a_thread(void *(*run)(void *), int number)
{
	pthread_t thread;

	pthread_create(&thread, NULL, run, &number);
	pthread_join(thread, NULL);
}

int main(void)
{
	handle(SIGUSR1, SA_NODEFER);
	handle(SIGUSR2, 0);
	handle(SIGALRM, SA_NODEFER | SA_ONSTACK);
	in_a_thread(first, 0);
	in_a_thread(handlers_first, SIGUSR2);
	in_a_thread(handlers_first, SIGALRM);
	printf("handled %d\nagain %d\n", handled, again);
	return 0;
}
