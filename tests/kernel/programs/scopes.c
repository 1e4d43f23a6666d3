/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scopes NAME: what is current, where scopes are not left in the order in which they were entered;
 * scopes_test.py says what must come of it. Compiled as C11 and as C++17.
 */
#include <errno.h>
#include <otel/trace.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define NOINLINE __attribute__((noinline))

static otel_tracer tracer = OTEL_TRACER("scopes", "1.2.3");

/* ---- longjmp ---- */

static __thread jmp_buf back;

static NOINLINE void jumps(void)
{
	OTEL_SPAN(span, &tracer, "jumped over");
	(void)span;
	longjmp(back, 1);
}

static void jumps_from_deeper(int depth);
static void (*volatile deeper)(int) = jumps_from_deeper;

static NOINLINE void jumps_from_deeper(int depth)
{
	OTEL_SPAN(span, &tracer, "jumped over");
	(void)span;
	if (depth)
		deeper(depth - 1);
	longjmp(back, 1);
}

static NOINLINE void jumps_over_a_context(void)
{
	otel_span span = otel_start(&tracer, "used");

	OTEL_USE(span.context);
	otel_end(span);
	longjmp(back, 1);
}

static NOINLINE void jumps_over_a_token(void)
{
	otel_span span = otel_start(&tracer, "attached");
	otel_token token = otel_attach(span.context);

	(void)token;
	otel_end(span);
	jumps();
}

/* Uses what lies below the caller's stack for something else. */
static NOINLINE void other_work(void)
{
	volatile char memory[8192];

	for (size_t i = 0; i < sizeof(memory); i++)
		memory[i] = 1;
}

static NOINLINE void deeper_than_before(const char *name)
{
	volatile char memory[2048];

	memory[17] = 1;
	OTEL_SPAN(span, &tracer, name);
	otel_set(span, otel_int("memory", memory[17]));
}

static void recover(int how)
{
	if (setjmp(back))
		return;
	switch (how) {
	case 0:
		jumps();
		break;
	case 1:
		jumps_from_deeper(5);
		break;
	case 2:
		jumps_over_a_context();
		break;
	default:
		jumps_from_deeper(60); /* more than are kept */
	}
}

static void *jump(void *data)
{
	for (int i = 0; i < 8; i++) {
		recover(i % 4);
		OTEL_SPAN(after, &tracer, "after");
		OTEL_SPAN(inner, &tracer, "inner");
		(void)after;
		(void)inner;
	}
	recover(0);
	other_work();
	deeper_than_before("deeper");
	recover(0);
	otel_set(otel_current(), otel_str("written", "to what was jumped over"));
	recover(0);
	otel_span detached = otel_start(&tracer, "detached");
	otel_end(detached);
	return data;
}

static void jump_at_the_outermost(void)
{
	jump(NULL);
}

static void jump_in_a_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, jump, NULL);
	pthread_join(thread, NULL);
}

static void jump_within(void)
{
	OTEL_SPAN(outer, &tracer, "outer");

	for (int i = 0; i < 8; i++) {
		recover(i % 4);
		OTEL_SPAN(after, &tracer, "after");
		(void)after;
	}
	{
		OTEL_SPAN(around, &tracer, "around");
		recover(1);
		(void)around;
	}
	OTEL_SPAN(last, &tracer, "last");
	otel_set(outer, otel_bool("goes on", 1));
	(void)last;
}

static void jump_over_a_token(void)
{
	if (!setjmp(back))
		jumps_over_a_token();
	/* Where a token is says nothing: it stays. */
	printf("still current %d\n", otel_is_valid(&otel_current().context));
}

/* ---- Other stacks ---- */

static char other_stack[1 << 16] __attribute__((aligned(64)));
static volatile int handled;

static void handler(int number)
{
	OTEL_SPAN(span, &tracer, "in a handler");
	otel_set(span, otel_int("signal", number));
	handled = 1;
}

static void on_an_alternative_stack(void)
{
	struct sigaction action;
	stack_t stack;

	memset(&action, 0, sizeof(action));
	memset(&stack, 0, sizeof(stack));
	stack.ss_sp = other_stack;
	stack.ss_size = sizeof(other_stack);
	sigaltstack(&stack, NULL);
	action.sa_handler = handler;
	action.sa_flags = SA_ONSTACK;
	sigaction(SIGUSR1, &action, NULL);
	OTEL_SPAN(outer, &tracer, "outer");
	raise(SIGUSR1);
	OTEL_SPAN(after, &tracer, "after");
	(void)outer;
	(void)after;
}

static ucontext_t of_main, of_coroutine;

static void coroutine(void)
{
	OTEL_SPAN(span, &tracer, "in a coroutine");
	OTEL_SPAN(below, &tracer, "below");
	swapcontext(&of_coroutine, &of_main);
	OTEL_SPAN(resumed, &tracer, "resumed");
	(void)span;
	(void)below;
	(void)resumed;
}

static void on_a_coroutines_stack(void)
{
	OTEL_SPAN(outer, &tracer, "outer");

	getcontext(&of_coroutine);
	of_coroutine.uc_stack.ss_sp = other_stack;
	of_coroutine.uc_stack.ss_size = sizeof(other_stack);
	of_coroutine.uc_link = &of_main;
	makecontext(&of_coroutine, coroutine, 0);
	swapcontext(&of_main, &of_coroutine);
	{
		OTEL_SPAN(between, &tracer, "between");
		(void)between;
	}
	swapcontext(&of_main, &of_coroutine);
	OTEL_SPAN(after, &tracer, "after");
	(void)outer;
	(void)after;
}

static void *resumes(void *data)
{
	swapcontext(&of_main, &of_coroutine);
	OTEL_SPAN(span, &tracer, "where it ends");
	(void)span;
	return data;
}

static void begins(void)
{
	OTEL_SPAN(span, &tracer, "moves");
	OTEL_SPAN(below, &tracer, "below");
	(void)below;
	swapcontext(&of_coroutine, &of_main);
	otel_set(span, otel_bool("moved", 1));
}

static void moves_to_another_thread(void)
{
	pthread_t thread;

	getcontext(&of_coroutine);
	of_coroutine.uc_stack.ss_sp = other_stack;
	of_coroutine.uc_stack.ss_size = sizeof(other_stack);
	of_coroutine.uc_link = &of_main;
	makecontext(&of_coroutine, begins, 0);
	swapcontext(&of_main, &of_coroutine);
	pthread_create(&thread, NULL, resumes, NULL);
	pthread_join(thread, NULL);
	OTEL_SPAN(span, &tracer, "where it began");
	(void)span;
}

/* ---- Attach and detach ---- */

static otel_token begin_hook(otel_span *span, const char *name)
{
	*span = otel_start(&tracer, name);
	return otel_attach(span->context);
}

static int end_hook(otel_span *span, otel_token *token)
{
	int error = otel_detach(token);

	otel_end(*span);
	return error;
}

static void note(const char *name)
{
	OTEL_SPAN(span, &tracer, name);
	(void)span;
}

static void hooks(void)
{
	otel_span a, b;
	otel_token of_a = begin_hook(&a, "a"), of_b;

	note("in a");
	of_b = begin_hook(&b, "b");
	note("in b");
	otel_set(otel_current(), otel_bool("current", 1));
	printf("detach b %d\n", end_hook(&b, &of_b));
	note("in a again");
	printf("detach a %d\n", end_hook(&a, &of_a));
	note("in nothing");
}

static void *detaches_elsewhere(void *data)
{
	printf("elsewhere %d\n", otel_detach((otel_token *)data) == -EINVAL);
	note("elsewhere");
	return NULL;
}

static void wrong_order(void)
{
	otel_token none, of_a, of_b, copy;
	pthread_t thread;
	otel_span a, b;

	memset(&none, 0, sizeof(none));
	printf("nothing %d\n", otel_detach(&none));
	of_a = begin_hook(&a, "a");
	of_b = begin_hook(&b, "b");
	copy = of_a;
	pthread_create(&thread, NULL, detaches_elsewhere, &copy);
	pthread_join(thread, NULL);
	note("in b");
	printf("outer first %d\n", end_hook(&a, &of_a) == -EINVAL);
	note("in nothing");
	{
		OTEL_SPAN(c, &tracer, "c");
		OTEL_SPAN(d, &tracer, "d");
		printf("inner last %d\n", end_hook(&b, &of_b) == -EINVAL);
		note("in d");
		printf("twice %d\n", otel_detach(&of_b) == -EINVAL);
		(void)c;
		(void)d;
	}
	note("in nothing");
	printf("a copy %d\n", otel_detach(&copy) == -EINVAL);
	note("in nothing");
	{
		OTEL_SPAN(outer, &tracer, "outer");
		of_a = begin_hook(&a, "forgotten");
		otel_end(a);
		(void)outer;
	}
	note("in nothing");
	printf("after its block %d\n", otel_detach(&of_a) == -EINVAL);
	note("in nothing");
}

static void ends_with_the_block(void)
{
	otel_span span = otel_start(&tracer, "used"), early = otel_start(&tracer, "ended early");
	otel_span nothing;

	memset(&nothing, 0, sizeof(nothing));
	{
		OTEL_USE_SPAN(span);
		OTEL_USE_SPAN(early);
		OTEL_USE_SPAN(nothing);
		note("in early");
		otel_end(early);
		otel_set(span, otel_bool("written", 1));
	}
	printf("recording %d\n", otel_is_recording(span));
	otel_set(span, otel_bool("too late", 1));
	note("in nothing");
}

/* ---- Main ---- */

static const struct scene {
	const char *name;
	void (*play)(void);
} scenes[] = {
	{"jump_at_the_outermost", jump_at_the_outermost},
	{"jump_in_a_thread", jump_in_a_thread},
	{"jump_within", jump_within},
	{"jump_over_a_token", jump_over_a_token},
	{"on_an_alternative_stack", on_an_alternative_stack},
	{"on_a_coroutines_stack", on_a_coroutines_stack},
	{"moves_to_another_thread", moves_to_another_thread},
	{"hooks", hooks},
	{"wrong_order", wrong_order},
	{"ends_with_the_block", ends_with_the_block},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(scenes) / sizeof(*scenes); i++)
		if (!strcmp(scenes[i].name, argv[1])) {
			scenes[i].play();
			return 0;
		}
	fprintf(stderr, "there is no such scene\n");
	return 2;
}
