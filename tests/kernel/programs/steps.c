/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steps: a signal handler that makes a span after every single instruction of what the main program
 * does. Says how many handlers there were, or what one of them found, and where. Compiled as C11;
 * x86-64 only: the processor traps after each instruction.
 */
#include <otel/propagation.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define MOST 4000000

static otel_tracer tracer = OTEL_TRACER("steps", "1");
static volatile unsigned long handled, dropped; /* handlers, and those whose spans found no buffer */
static volatile int sparing; /* handlers make a span only where they interrupt an operation that keeps others out */
static volatile int in_a_change; /* if 2 or more, one handler makes one, at that instruction of a change */
static const char *volatile doing = "nothing";
static const otel_context *volatile expected[2]; /* what may be current: before, and within */
static otel_u64 ids[MOST];
static volatile unsigned long made;

#define TRAP "0x100"
#define STEP_ON()                                                                                  \
	__asm__ volatile("lea -128(%%rsp), %%rsp\n pushfq\n orq $" TRAP ", (%%rsp)\n popfq\n"      \
			 "lea 128(%%rsp), %%rsp" ::                                                \
				 : "memory", "cc")
#define STEP_OFF()                                                                                 \
	__asm__ volatile("lea -128(%%rsp), %%rsp\n pushfq\n andq $~" TRAP ", (%%rsp)\n popfq\n"    \
			 "lea 128(%%rsp), %%rsp" ::                                                \
				 : "memory", "cc")

/* The tracer, and @span is one that may be current from here on. */
#define HERE(span) (expected[1] = &(span).context, &tracer)

/* @context may be current; it is all there before a handler can see it. */
#define EXPECT(context)                                                                            \
	do {                                                                                       \
		__asm__ volatile("" ::: "memory");                                                 \
		expected[1] = &(context);                                                          \
	} while (0)

static void wrong(const char *what)
{
	static char text[256];
	int size = snprintf(text, sizeof(text), "wrong in %s: %s, after %lu handlers\n", doing,
			    what, handled);

	write(1, text, (size_t)size);
	_exit(1);
}

static int same(const otel_context *a, const otel_context *b)
{
	return otel_is_valid(a) == otel_is_valid(b) &&
	       (!otel_is_valid(a) ||
		(!memcmp(a->trace_id, b->trace_id, 16) && !memcmp(a->span_id, b->span_id, 8)));
}

static void note(const otel_context *context)
{
	unsigned long n;

	if (!otel_is_valid(context)) /* there was no buffer */
		return;
	n = __atomic_fetch_add(&made, 1, __ATOMIC_RELAXED);
	if (n >= MOST)
		wrong("too many spans");
	memcpy(&ids[n], context->span_id, 8);
}

static NOINLINE void in_handler(const otel_context *before)
{
	OTEL_SPAN(span, &tracer, "in a handler", otel_int("n", (int64_t)handled));
	otel_context own = otel_current().context;

	if (otel_is_valid(&own) && otel_is_valid(&span.context) && !same(&own, &span.context))
		wrong("a handler's span is not current in it");
	if (otel_is_valid(before) && otel_is_valid(&span.context) &&
	    memcmp(before->trace_id, span.context.trace_id, 16))
		wrong("a handler's span is not of the trace that it interrupts");
	if (!otel_is_valid(&span.context))
		dropped++;
	note(&span.context);
	otel_set(span, otel_str("text", "seen"));
}

static otel_span open_one;
static volatile int leaves; /* one handler that interrupts an operation starts a span that others end */

static void leaves_a_span(void)
{
	if (!otel_bpf_thread_v1->nested)
		return;
	open_one = otel_start(&tracer, "in a handler", otel_int("n", (int64_t)handled));
	note(&open_one.context);
	handled++;
	leaves = 0;
}

static void handler(int number, siginfo_t *info, void *interrupted)
{
	otel_context before, after;

	(void)number;
	(void)info;
	if (leaves) {
		leaves_a_span();
		return;
	}
	if (sparing && otel_bpf_thread_v1 && !otel_bpf_thread_v1->nested &&
	    !sigismember(&((const ucontext_t *)interrupted)->uc_sigmask, SIGUSR1))
		return;
	if (in_a_change && (!otel_bpf_thread_v1->changing || in_a_change == 1 || --in_a_change > 1))
		return;
	before = otel_current().context;
	handled++;
	if (otel_is_valid(&before) && !same(&before, expected[0]) && !same(&before, expected[1]))
		wrong("something else is current");
	in_handler(&before);
	after = otel_current().context;
	if (!same(&before, &after))
		wrong("a handler leaves something else current");
}

/* What is interrupted, each in a span that is current before and after it. */

/* A function that makes a span, of what is given, and then does @then. */
#define MAKES_A_SPAN(function, then, ...)                                                          \
	static NOINLINE void function(const otel_context *outer)                                   \
	{                                                                                          \
		otel_context within;                                                               \
                                                                                                   \
		memset(&within, 0, sizeof(within));                                                \
		expected[1] = outer;                                                               \
		STEP_ON();                                                                         \
		{                                                                                  \
			OTEL_SPAN(span, HERE(span), __VA_ARGS__);                                  \
			within = span.context;                                                     \
			EXPECT(within);                                                            \
			then;                                                                      \
		}                                                                                  \
		STEP_OFF();                                                                        \
		note(&within);                                                                     \
	}

static void writes(otel_span span)
{
	otel_set(span, otel_double("d", 0.5), otel_bool("b", 1));
	otel_event(span, "event", otel_int("n", 1));
}

MAKES_A_SPAN(makes_a_child, (void)0, "child")
MAKES_A_SPAN(makes_a_root, (void)0, "root", otel_root())
MAKES_A_SPAN(writes_to_a_child, writes(span), "writes", otel_kind(OTEL_CLIENT), otel_str("s", "text"),
	     otel_int("i", 1))

static NOINLINE void uses_a_context(const otel_context *outer)
{
	static const char *const lines[] = {
		"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"tracestate: a=b"};
	otel_context remote = otel_extract_lines(lines, 2);

	(void)outer;
	expected[1] = &remote;
	STEP_ON();
	{
		OTEL_USE(remote);
	}
	{
		otel_token token = otel_attach(remote);
		otel_detach(&token);
	}
	STEP_OFF();
	otel_context_release(&remote);
}

static NOINLINE void starts_and_ends(const otel_context *outer)
{
	otel_span span;
	otel_context copy;

	expected[1] = outer;
	STEP_ON();
	span = otel_start(&tracer, "detached");
	copy = otel_context_of(span);
	otel_context_release(&copy);
	otel_end(span);
	STEP_OFF();
	note(&span.context);
}

/* Its end hands over what handlers have left, which have no buffer then. */
static NOINLINE void has_to_hand_over_more(const otel_context *outer)
{
	sparing = 1;
	makes_a_root(outer);
	sparing = 0;
}

static NOINLINE void ends_what_a_handler_started(const otel_context *outer)
{
	otel_context within;

	expected[1] = outer;
	if (!otel_bpf_thread_v1)
		return;
	leaves = 1;
	STEP_ON();
	{
		OTEL_SPAN(span, HERE(span), "interrupted");
		within = span.context;
		EXPECT(within);
		otel_event(span, "event");
		leaves = 0;
	}
	STEP_OFF();
	note(&within);
	expected[1] = outer;
	otel_end(open_one);
	if (otel_bpf_thread_v1->detached)
		wrong("it counts as open for ever");
}

/* As deep in handlers as there are buffers: what is dropped is counted, wherever it is interrupted. */
static NOINLINE void finds_no_buffer(const otel_context *outer)
{
	otel_span span;

	if (!otel_is_valid(outer))
		return;
	expected[1] = outer;
	otel_bpf_thread_v1->nested += OTEL_BUFFERS_;
	STEP_ON();
	span = otel_start(&tracer, "dropped");
	STEP_OFF();
	otel_bpf_thread_v1->nested -= OTEL_BUFFERS_;
	if (otel_is_valid(&span.context))
		wrong("there was a buffer");
	handled++; /* it stands for a handler's */
	dropped++;
}

static jmp_buf outside;
static otel_context jumped_over;

static NOINLINE void jumps(void)
{
	OTEL_SPAN(outermost, &tracer, "jumped over");
	OTEL_SPAN(middle, &tracer, "jumped over");
	OTEL_SPAN(innermost, &tracer, "jumped over");

	note(&outermost.context);
	note(&middle.context);
	note(&innermost.context);
	jumped_over = innermost.context;
	longjmp(outside, 1);
}

static NOINLINE void uses_the_stack(void)
{
	char bytes[8192];

	memset(bytes, 1, sizeof(bytes));
	__asm__ volatile("" ::"r"(bytes) : "memory");
}

static NOINLINE void forgets_what_was_jumped_over(const otel_context *outer)
{
	volatile int n = 1, left = 0;

	while (left < 2 && otel_is_valid(outer)) { /* the change has that many instructions */
		otel_context now;

		expected[1] = outer;
		if (!setjmp(outside))
			jumps();
		uses_the_stack(); /* so that a handler, too, sees that they were jumped over */
		expected[1] = &jumped_over;
		in_a_change = ++n;
		STEP_ON();
		now = otel_current().context;
		STEP_OFF();
		left = in_a_change;
		in_a_change = 0;
		if (!same(&now, outer))
			wrong("what was jumped over is still current");
	}
}

#define DOES(function) {function, #function}

static const struct {
	void (*run)(const otel_context *outer);
	const char *name;
} all[] = {
	DOES(makes_a_child),   DOES(writes_to_a_child),	    DOES(makes_a_root),			DOES(uses_a_context),
	DOES(starts_and_ends), DOES(has_to_hand_over_more), DOES(forgets_what_was_jumped_over),
	DOES(finds_no_buffer), DOES(ends_what_a_handler_started),
};

static NOINLINE void within_a_span(unsigned i)
{
	OTEL_SPAN(outer, &tracer, "outer");
	otel_context mine = outer.context, now;

	note(&mine);
	expected[0] = &mine;
	doing = all[i].name;
	all[i].run(&mine);
	expected[1] = &mine;
	now = otel_current().context;
	if (!same(&now, &mine))
		wrong("what was current is not so after it");
}

static NOINLINE void within_nothing(unsigned i)
{
	otel_context nothing;

	memset(&nothing, 0, sizeof(nothing));
	expected[0] = &nothing;
	doing = all[i].name;
	all[i].run(&nothing);
	nothing = otel_current().context;
	if (otel_is_valid(&nothing))
		wrong("something is current after it");
}

static void *begins(void *data)
{
	unsigned i = *(unsigned *)data;

	within_nothing(i); /* a thread's first operation */
	within_a_span(i);
	return data;
}

static int by_number(const void *a, const void *b)
{
	otel_u64 x = *(const otel_u64 *)a, y = *(const otel_u64 *)b;

	return x < y ? -1 : x > y;
}

int main(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_sigaction = handler;
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGTRAP, &action, NULL);
	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++) {
		pthread_t thread;

		within_nothing(i);
		within_a_span(i);
		pthread_create(&thread, NULL, begins, &i);
		pthread_join(thread, NULL);
	}
	qsort(ids, made, sizeof(*ids), by_number);
	for (unsigned long i = 1; i < made; i++)
		if (ids[i] == ids[i - 1])
			wrong("an id twice");
	printf("handled %lu\nmade %lu\ndropped %lu\n", handled, made, dropped);
	return 0;
}
