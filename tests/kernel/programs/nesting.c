/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nesting SEED [STEPS]: scopes, tokens and jumps at random, as deep as it comes, beside a plain account of what
 * must be current. Says how often it looked, or what was wrong, and where. Compiled as C11 and as C++17.
 */
#include <otel/propagation.h>
#include <otel/trace.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))
#define DEEPEST 64 /* more than are kept */
#define JUMPS 15   /* a jump is found out where all scopes are kept; every step has 3 at most */

static otel_tracer tracer = OTEL_TRACER("nesting", "1.2.3");
static unsigned long seed, steps, looked;

struct landing {
	jmp_buf to;
};
static struct landing *landing; /* where a jump may go; not over tokens, which would stay */

static unsigned long below(unsigned long limit)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return (seed >> 33) % limit;
}

/* Is what is current all that @expected is? */
static void look(const otel_context *expected, const char *where)
{
	otel_context now = otel_current().context;
	int valid = otel_is_valid(&now);

	looked++;
	if (valid == otel_is_valid(expected) &&
	    (!valid || (!memcmp(now.trace_id, expected->trace_id, 16) &&
			!memcmp(now.span_id, expected->span_id, 8) &&
			now.trace_flags == expected->trace_flags && now.origin == expected->origin &&
			otel_is_remote(&now) == otel_is_remote(expected) &&
			now.tracestate == expected->tracestate)))
		return;
	printf("wrong after %s, look %lu\n", where, looked);
	exit(1);
}

static void walk(int depth, const otel_context *expected);
static void (*volatile go)(int, const otel_context *) = walk; /* never inlined */

static NOINLINE void in_a_span(int depth)
{
	OTEL_SPAN(span, &tracer, "span", otel_kind(OTEL_CLIENT));
	otel_context mine = otel_context_of(span);

	go(depth, &mine);
	look(&mine, "what is in a span");
	otel_context_release(&mine);
}

static NOINLINE void in_a_root(int depth)
{
	OTEL_SPAN(span, &tracer, "root", otel_root());
	otel_context mine = otel_context_of(span);

	go(depth, &mine);
	look(&mine, "what is in a root");
	otel_context_release(&mine);
}

/* Contexts that come from elsewhere: sampled or not, with a trace state or not. */
static otel_context remote(void)
{
	static const char *const parents[] = {"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
					      "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203332-01"};
	const char *lines[2];

	lines[0] = parents[below(2)];
	lines[1] = "tracestate: a=b";
	return otel_extract_lines(lines, 1 + below(2));
}

static NOINLINE void in_a_context(int depth)
{
	otel_context context = remote();

	{
		OTEL_USE(context);
		go(depth, &context);
		look(&context, "what is in a context");
	}
	otel_context_release(&context);
}

/* Left in order, out of order, or never. */
static NOINLINE void in_tokens(int depth, const otel_context *before)
{
	otel_context outer = remote(), inner = remote();
	otel_token first = otel_attach(outer), second;
	unsigned long order = below(3);
	struct landing *before_it = landing;

	landing = NULL;
	in_a_span(depth);
	second = otel_attach(inner);
	go(depth, &inner);
	if (!order)
		otel_detach(&second);
	otel_detach(&first);
	landing = before_it;
	look(before, "tokens");
	if (order)
		otel_detach(&second);
	look(before, "a token that was left too late");
	otel_context_release(&outer);
	otel_context_release(&inner);
}

static NOINLINE void in_a_span_with_a_token_that_stays(int depth)
{
	otel_context context = remote();
	OTEL_SPAN(span, &tracer, "around a token");
	otel_token token = otel_attach(context);
	struct landing *before = landing;

	(void)span;
	(void)token;
	landing = NULL;
	go(depth, &context);
	landing = before;
}

static NOINLINE void around_a_jump(int depth, const otel_context *expected)
{
	struct landing here, *volatile before = landing;

	landing = &here;
	if (!setjmp(here.to))
		go(depth, expected);
	landing = before;
	look(expected, "a jump");
}

static NOINLINE void walk(int depth, const otel_context *expected)
{
	if (depth >= DEEPEST || !steps)
		return;
	for (unsigned long i = 1 + below(3); i && steps; i--) {
		steps--;
		switch (below(12)) {
		case 0:
			in_a_root(depth + 1);
			break;
		case 1:
			in_a_context(depth + 1);
			break;
		case 2:
			in_tokens(depth + 1, expected);
			break;
		case 3:
			in_a_span_with_a_token_that_stays(depth + 1);
			break;
		case 4:
			if (depth < JUMPS)
				around_a_jump(depth + 1, expected);
			break;
		case 5:
			if (landing && !below(4))
				longjmp(landing->to, 1);
			break;
		default:
			in_a_span(depth + 1);
		}
		look(expected, "a step");
	}
}

int main(int argc, char **argv)
{
	otel_context nothing;
	unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 2000;

	memset(&nothing, 0, sizeof(nothing));
	seed = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
	while (rounds--) {
		steps = 200;
		landing = NULL;
		while (steps)
			go(0, &nothing);
	}
	look(&nothing, "everything");
	printf("looked %lu times\n", looked);
	return 0;
}
