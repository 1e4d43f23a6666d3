/* SPDX-License-Identifier: Apache-2.0 */
/*
 * churn SEED THREADS FOLDER: scopes, tokens, jumps, detached spans, spans that other threads
 * end, and forks at random in each thread, beside a plain account of what must be current, until
 * the input ends, whoever listens. Writes each span that was made down, for churn_test.py.
 */
#include <fcntl.h>
#include <otel/propagation.h>
#include <otel/trace.h>
#include <otel/tracestate.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))
#define DEEPEST 56
#define JUMPS 12
#define POSTS 8
#define PAUSE_US 2000
#define THREADS 16

static otel_tracer tracers[] = {OTEL_TRACER("a", "1"), OTEL_TRACER("b", "1"), OTEL_TRACER("b.c", "1")};

/* What a span says of itself at its start. */
struct noted {
	unsigned char trace[16], id[8], parent[8];
	unsigned char flags, parent_flags; /* 0xff: there is none */
	char sampling[14];		   /* what the trace state says of it */
};

struct landing {
	jmp_buf to;
};

struct walker {
	unsigned long seed, steps, looked;
	struct landing *landing;
	int file, child;
	unsigned used;
	struct noted noted[256];
};

static __thread struct walker *me;
static atomic_int stop;
static const char *folder;

/* Spans on their way to whoever ends them. */
struct post {
	atomic_int state; /* 0 empty, 1 busy, 2 full */
	otel_span span;
};
static struct post posts[POSTS];

static unsigned long below(unsigned long limit)
{
	me->seed = me->seed * 6364136223846793005ul + 1442695040888963407ul;
	return (me->seed >> 33) % limit;
}

static void write_out(void)
{
	size_t size = me->used * sizeof(me->noted[0]);

	if (write(me->file, me->noted, size) != (ssize_t)size)
		abort();
	me->used = 0;
}

static void wrong(const char *what, const char *where)
{
	printf("wrong: %s after %s, look %lu of %d\n", what, where, me->looked, (int)gettid());
	fflush(stdout);
	_exit(1);
}

static void note(const otel_span *span, const otel_context *mine, const otel_context *parent)
{
	int valid = otel_is_valid(parent);
	struct noted *it;
	otel_tracestate state;

	/* With nobody there what is current stands for the span, or the parent that was given. */
	if (!(span->context.state & OTEL_CONTEXT_VALID) ||
	    (valid && !memcmp(mine->span_id, parent->span_id, 8))) {
		if (otel_is_valid(mine) != valid || (valid && memcmp(mine->span_id, parent->span_id, 8)))
			wrong("what stands for a span", "its start");
		return;
	}
	if (valid && memcmp(mine->trace_id, parent->trace_id, 16))
		wrong("the trace is not the parent's", "a start");
	if (otel_is_remote(mine))
		wrong("a span that was made here is remote", "a start");
	if (otel_is_sampled(mine) != otel_is_recording(*span))
		wrong("sampled is not recorded", "a start");
	if (me->used == 256)
		write_out();
	it = &me->noted[me->used++];
	memset(it, 0, sizeof(*it));
	memcpy(it->trace, mine->trace_id, 16);
	memcpy(it->id, mine->span_id, 8);
	if (valid)
		memcpy(it->parent, parent->span_id, 8);
	it->flags = mine->trace_flags;
	it->parent_flags = valid ? parent->trace_flags : 0xff;
	state = otel_tracestate_of(mine);
	otel_tracestate_get(&state, "ot", it->sampling, sizeof(it->sampling));
}

static void look(const otel_context *expected, const char *where)
{
	otel_context now = otel_current().context;
	int valid = otel_is_valid(&now);

	me->looked++;
	if (valid == otel_is_valid(expected) &&
	    (!valid || (!memcmp(now.trace_id, expected->trace_id, 16) &&
			!memcmp(now.span_id, expected->span_id, 8) &&
			now.trace_flags == expected->trace_flags && now.origin == expected->origin &&
			otel_is_remote(&now) == otel_is_remote(expected) &&
			now.tracestate == expected->tracestate)))
		return;
	wrong("current", where);
}

static void walk(int depth, const otel_context *expected);
static void (*volatile go)(int, const otel_context *) = walk;

static NOINLINE void in_a_span(int depth, const otel_context *expected)
{
	int which = (int)below(3);
	OTEL_SPAN(span, &tracers[which], "span", otel_int("depth", depth));
	otel_context mine = otel_context_of(span);

	note(&span, &mine, expected);
	look(&mine, "the start of a span");
	go(depth, &mine);
	look(&mine, "what is in a span");
	otel_context_release(&mine);
}

static NOINLINE void in_a_root(int depth)
{
	int which = (int)below(3);
	otel_context nothing;
	OTEL_SPAN(span, &tracers[which], "root", otel_root());
	otel_context mine = otel_context_of(span);

	memset(&nothing, 0, sizeof(nothing));
	note(&span, &mine, &nothing);
	go(depth, &mine);
	look(&mine, "what is in a root");
	otel_context_release(&mine);
}

static otel_context remote(void)
{
	char parent[80];
	const char *lines[2] = {parent, "tracestate: a=b"};

	snprintf(parent, sizeof(parent), "traceparent: 00-%016lx%016lx-%016lx-0%lu", below(1ul << 30) + 1,
		 below(1ul << 31) << 25 | below(1ul << 30), below(1ul << 30) + 1, below(4));
	return otel_extract_lines(lines, 1 + below(2));
}

static NOINLINE void in_a_context(int depth)
{
	otel_context context = remote();
	struct landing *before = me->landing;

	me->landing = NULL;
	{
		OTEL_USE(context);
		look(&context, "making a context current");
		go(depth, &context);
		look(&context, "what is in a context");
	}
	me->landing = before;
	otel_context_release(&context);
}

static NOINLINE void in_a_remote_span(int depth)
{
	otel_context context = remote();
	struct landing *before = me->landing;

	me->landing = NULL;
	{
		int which = (int)below(3);
		OTEL_SPAN(span, &tracers[which], "remote", otel_parent(context));
		otel_context mine = otel_context_of(span);

		note(&span, &mine, &context);
		go(depth, &mine);
		look(&mine, "what is below a remote parent");
		otel_context_release(&mine);
	}
	me->landing = before;
	otel_context_release(&context);
}

static NOINLINE void in_tokens(int depth, const otel_context *before)
{
	otel_context outer = remote(), inner = remote();
	otel_token first = otel_attach(outer), second;
	unsigned long order = below(3);
	struct landing *before_it = me->landing;

	me->landing = NULL;
	in_a_span(depth, &outer);
	second = otel_attach(inner);
	go(depth, &inner);
	look(&inner, "what is in tokens");
	if (!order)
		otel_detach(&second);
	otel_detach(&first);
	me->landing = before_it;
	look(before, "tokens");
	if (order)
		otel_detach(&second);
	look(before, "a token that was left too late");
	otel_context_release(&outer);
	otel_context_release(&inner);
}

static NOINLINE void in_a_span_with_a_token_that_stays(int depth, const otel_context *expected)
{
	otel_context context = remote(), mine;
	OTEL_SPAN(span, &tracers[0], "around a token");
	otel_token token;
	struct landing *before = me->landing;

	mine = otel_context_of(span);
	note(&span, &mine, expected);
	otel_context_release(&mine);
	token = otel_attach(context);
	(void)token;
	me->landing = NULL;
	go(depth, &context);
	look(&context, "what is in a token that stays");
	me->landing = before;
	if (!otel_is_recording(span)) /* else it leaks on purpose */
		otel_detach(&token);
	otel_context_release(&context);
}

/* Started here; in use here for a while or not; ended here, or by whoever finds it. */
static NOINLINE void around_a_detached(int depth, const otel_context *expected)
{
	int which = (int)below(3);
	otel_span span = otel_start(&tracers[which], "detached");
	otel_context mine = otel_context_of(span);
	struct landing *before = me->landing;
	struct post *post = &posts[below(POSTS)];
	int empty = 0;

	me->landing = NULL;
	note(&span, &mine, expected);
	if (below(2)) {
		OTEL_USE(mine);
		look(&mine, "making a detached span current");
		go(depth, &mine);
		look(&mine, "what is in a detached span");
	}
	look(expected, "a detached span");
	me->landing = before;
	otel_context_release(&mine);
	if (!me->child && atomic_compare_exchange_strong(&post->state, &empty, 1)) {
		post->span = span;
		atomic_store(&post->state, 2);
	} else {
		otel_end(span);
	}
}

static NOINLINE void take_from_another(int depth)
{
	struct post *post = &posts[below(POSTS)];
	struct landing *before = me->landing;
	int full = 2;
	otel_span span;

	if (me->child || !atomic_compare_exchange_strong(&post->state, &full, 1))
		return;
	span = post->span;
	atomic_store(&post->state, 0);
	me->landing = NULL;
	if (span.context.state & OTEL_CONTEXT_VALID) {
		otel_context context = otel_context_of(span);

		OTEL_USE(context);
		otel_set(span, otel_int("by", depth));
		look(&context, "using another's span");
		go(depth, &context);
		look(&context, "what is in another's span");
		otel_context_release(&context);
	}
	me->landing = before;
	otel_end(span);
}

static NOINLINE void around_a_jump(int depth, const otel_context *expected)
{
	struct landing here, *volatile before = me->landing;

	me->landing = &here;
	if (!setjmp(here.to))
		go(depth, expected);
	me->landing = before;
	look(expected, "a jump");
}

static void open_file(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/noted.%d.%d", folder, (int)getpid(), (int)gettid());
	me->file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (me->file < 0)
		abort();
}

static NOINLINE void in_a_child(int depth, const otel_context *expected)
{
	if (me->child)
		return;
	if (fork())
		return;
	me->child = 1;
	me->used = 0;
	me->landing = NULL;
	open_file();
	look(expected, "a fork");
	for (int i = 0; i < 5; i++) {
		me->steps = 20;
		go(depth, expected);
		look(expected, "what is in a child");
		usleep((unsigned)below(20000));
	}
	write_out();
	_exit(0);
}

static NOINLINE void walk(int depth, const otel_context *expected)
{
	if (depth >= DEEPEST || !me->steps)
		return;
	for (unsigned long i = 1 + below(3); i && me->steps; i--) {
		me->steps--;
		if (!below(4))
			usleep((unsigned)below(PAUSE_US));
		switch (below(20)) {
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
			in_a_span_with_a_token_that_stays(depth + 1, expected);
			break;
		case 4:
			if (depth < JUMPS)
				around_a_jump(depth + 1, expected);
			break;
		case 5:
			if (me->landing && !below(30))
				longjmp(me->landing->to, 1);
			break;
		case 6:
			in_a_remote_span(depth + 1);
			break;
		case 7:
			around_a_detached(depth + 1, expected);
			break;
		case 8:
			take_from_another(depth + 1);
			break;
		case 9:
			if (!below(40))
				in_a_child(depth + 1, expected);
			break;
		default:
			in_a_span(depth + 1, expected);
		}
		look(expected, "a step");
	}
}

static void *run(void *seed)
{
	otel_context nothing;
	unsigned long looked;

	memset(&nothing, 0, sizeof(nothing));
	me = (struct walker *)calloc(1, sizeof(*me));
	if (!me)
		abort();
	me->seed = (unsigned long)seed;
	open_file();
	while (!stop) {
		me->steps = 1 + below(300);
		me->landing = NULL;
		while (me->steps)
			go(0, &nothing);
		look(&nothing, "everything");
	}
	write_out();
	looked = me->looked;
	return (void *)looked;
}

int main(int argc, char **argv)
{
	unsigned long seed, count, looked = 0;
	pthread_t threads[THREADS];
	void *result;

	if (argc < 4)
		return 2;
	seed = strtoul(argv[1], NULL, 10);
	count = strtoul(argv[2], NULL, 10);
	if (count > THREADS)
		return 2;
	folder = argv[3];
	signal(SIGCHLD, SIG_IGN);
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	for (unsigned long i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, run, (void *)(seed * 1000 + i));
	while (getchar() != EOF)
		;
	stop = 1;
	for (unsigned long i = 0; i < count; i++) {
		pthread_join(threads[i], &result);
		looked += (unsigned long)result;
	}
	for (unsigned i = 0; i < POSTS; i++)
		if (posts[i].state == 2)
			otel_end(posts[i].span);
	while (wait(NULL) != -1) /* until all children have written their spans down */
		;
	printf("looked %lu times\n", looked);
	return 0;
}
