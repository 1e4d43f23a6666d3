/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenes NAME: one use of the API each; spans_test.py says what must come of it. Compiled as C11 and
 * as C++17.
 */
#include <errno.h>
#include <otel/propagation.h>
#include <otel/trace.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static otel_tracer tracer = OTEL_TRACER("scenes", "1.2.3");
static otel_tracer nameless = OTEL_TRACER("", "");

/* ---- Parents ---- */

static void innermost(void)
{
	OTEL_SPAN(span, &tracer, "innermost");
	otel_set(span, otel_int("depth", 3));
}

static void nesting(void)
{
	OTEL_SPAN(outer, &tracer, "outer");
	{
		OTEL_SPAN(first, &tracer, "first");
		innermost();
	}
	OTEL_SPAN(second, &tracer, "second");
	(void)outer;
	(void)second;
}

static void roots(void)
{
	for (int i = 0; i < 2; i++) {
		OTEL_SPAN(span, &tracer, "root");
		otel_set(span, otel_int("i", i));
	}
}

static void explicit_parent(void)
{
	otel_context nobody, stored;

	memset(&nobody, 0, sizeof(nobody));
	{
		OTEL_SPAN(left, &tracer, "left");
		stored = otel_context_of(left);
	}
	OTEL_SPAN(around, &tracer, "around");
	{
		OTEL_SPAN(child, &tracer, "child of left", otel_parent(stored));
		OTEL_SPAN(grandchild, &tracer, "grandchild of left");
		(void)child;
		(void)grandchild;
	}
	OTEL_SPAN(root, &tracer, "a new root", otel_parent(nobody));
	(void)around;
	(void)root;
	otel_context_release(&stored);
}

static void detached(void)
{
	OTEL_SPAN(around, &tracer, "around");
	otel_span a = otel_start(&tracer, "a", otel_kind(OTEL_CLIENT));
	otel_span b = otel_start(&tracer, "b");

	OTEL_SPAN(inside, &tracer, "not below a or b");
	(void)around;
	(void)inside;
	otel_set(b, otel_str("who", "b"));
	otel_end(a);
	otel_end(b);
}

static void kinds(void)
{
	OTEL_SPAN(unsaid, &tracer, "unsaid");
	OTEL_SPAN(internal, &tracer, "internal", otel_kind(OTEL_INTERNAL));
	OTEL_SPAN(server, &tracer, "server", otel_kind(OTEL_SERVER));
	OTEL_SPAN(client, &tracer, "client", otel_kind(OTEL_CLIENT));
	OTEL_SPAN(producer, &tracer, "producer", otel_kind(OTEL_PRODUCER));
	OTEL_SPAN(consumer, &tracer, "consumer", otel_kind(OTEL_CONSUMER));
	(void)unsaid;
	(void)internal;
	(void)server;
	(void)client;
	(void)producer;
	(void)consumer;
}

/* Without a call that has to come first, also in C. */
static const otel_option of_the_scope[] = {
	OTEL_ATTRIBUTE_STR("flavour", "vegan"), OTEL_ATTRIBUTE_INT("seats", -4), OTEL_ATTRIBUTE_BOOL("open", true),
	OTEL_ATTRIBUTE_DOUBLE("rating", 4.5), OTEL_ATTRIBUTE_LAST,
};
static otel_tracer with_attributes = OTEL_TRACER_WITH_ATTRIBUTES("described", "1", "https://a.test/1", of_the_scope);

static void static_scope(void)
{
	OTEL_SPAN(span, &with_attributes, "span");
	(void)span;
}

static void no_scope(void)
{
	OTEL_SPAN(a, &nameless, "nameless tracer");
	OTEL_SPAN(b, (otel_tracer *)0, "no tracer");
	(void)a;
	(void)b;
}

static void made_scope(void)
{
	static char name[16], schema_url[32];
	static otel_option attributes[3];
	otel_tracer made, empty = otel_get_tracer(NULL, NULL, NULL, NULL);

	snprintf(name, sizeof(name), "plugin %d", 7);
	snprintf(schema_url, sizeof(schema_url), "https://a.test/%d", 2);
	attributes[0] = otel_str("path", "/lib/vegan.so");
	attributes[1] = otel_int("abi", -3);
	attributes[2] = otel_last();
	made = otel_get_tracer(name, "2", schema_url, attributes);
	OTEL_SPAN(span, &made, "made");
	OTEL_SPAN(without, &empty, "without");
	(void)span, (void)without;
}

static void links(void)
{
	static const char *const lines[] = {"traceparent: 00-0123456789abcdef0123456789abcdef-0123456789abcdef-00",
					    "tracestate: a=1,b=2"};
	static const otel_u8 trace_id[16] = {1}, span_id[8] = {2};
	otel_context remote = otel_extract_lines(lines, 2), made = otel_context_make(trace_id, span_id, 0xff, 0);
	OTEL_SPAN(span, &tracer, "linked");
	otel_context own = otel_context_of(span);
	OTEL_SPAN(links, &tracer, "links", otel_link(remote, otel_int("n", 1)), otel_link(made));

	otel_add_links(links, otel_link(own), otel_link(remote));
	otel_context_release(&own);
	otel_context_release(&remote);
}

static void links_to_nowhere(void)
{
	otel_context nowhere;

	memset(&nowhere, 0, sizeof(nowhere));
	OTEL_SPAN(span, &tracer, "span", otel_link(nowhere), otel_link(nowhere, otel_str("why", "lost")));
	otel_add_links(span, otel_link(nowhere), otel_link(nowhere, otel_int("n", 2)));
}

/* ---- Attributes ---- */

static void attributes(void)
{
	OTEL_SPAN(span, &tracer, "span", otel_str("at.start", "s"), otel_int("overwritten", 1));

	otel_set(span, otel_str("string", "text"), otel_bool("true", true), otel_bool("false", false),
		 otel_bool("five", 5), otel_double("double", 0.1), otel_int("zero", 0));
	otel_set(span, otel_int("overwritten", 2));
	otel_set(span, otel_str("overwritten", "three"), otel_str("twice", "a"), otel_str("twice", "b"));
	otel_set(span, otel_str("umlaut", "Grüße, 世界 🍜"));
}

static void numbers(void)
{
	OTEL_SPAN(span, &tracer, "span");

	otel_set(span, otel_int("minus one", -1), otel_int("min", INT64_MIN), otel_int("max", INT64_MAX),
		 otel_int("char", (signed char)-5), otel_int("unsigned", 4000000000u),
		 otel_int("size", sizeof(int)));
	otel_set(span, otel_double("nan", __builtin_nan("")), otel_double("inf", __builtin_inf()),
		 otel_double("minus inf", -__builtin_inf()), otel_double("minus zero", -0.0),
		 otel_double("tiny", 5e-324), otel_double("huge", 1.7976931348623157e308));
}

static void nothing_there(void)
{
	OTEL_SPAN(span, &tracer, (const char *)0);

	otel_set(span, otel_str("empty", ""), otel_str("null", (const char *)0));
	otel_event(span, (const char *)0);
	otel_event(span, "", otel_str("", "under no key"));
	otel_set_status(span, OTEL_ERROR, (const char *)0);
	OTEL_SPAN(empty, &tracer, "");
	otel_set(empty, otel_str((const char *)0, "under a NULL key"));
}

static char *made_of(size_t size, int salt)
{
	char *text = (char *)malloc(size + 1);

	for (size_t i = 0; i < size; i++)
		text[i] = (char)('a' + (i * 31 + (size_t)salt + i / 977) % 26);
	text[size] = 0;
	return text;
}

static void big_strings(void)
{
	char *mega = made_of(1 << 20, 1), *name = made_of(40000, 2);
	OTEL_SPAN(span, &tracer, "big", otel_str("at start", mega), otel_int("after", 1));

	otel_set(span, otel_str("set", mega), otel_int("after set", 2));
	otel_event(span, "event", otel_str("in event", mega));
	{
		OTEL_SPAN(long_name, &tracer, name);
		otel_set_status(long_name, OTEL_ERROR, name);
	}
	free(mega);
	free(name);
}

/* More than a reader takes: the first of it arrives. Three bytes a character. */
static void too_long(void)
{
	const size_t size = 20 << 20;
	char *text = (char *)malloc(size + 1);
	const char *const texts[] = {"first", text, "last"};
	const char *name;

	for (size_t i = 0; i < size; i++)
		text[i] = "\xe2\x82\xac"[i % 3];
	text[size] = 0;
	name = text;
	{
		OTEL_SPAN(span, &tracer, "too long", otel_str("before", "b"), otel_str("text", text),
			  otel_str("more", text), otel_int("after", 1));
		otel_set(span, otel_bytes("bytes", text, size), otel_int("bytes after", 1));
		otel_set(span, otel_strs("texts", texts, 3), otel_int("texts after", 1));
		otel_event(span, "event", otel_str("in event", text), otel_int("after", 1));
		otel_set_status(span, OTEL_ERROR, text);
	}
	OTEL_SPAN(long_name, &tracer, name);
	otel_event(long_name, name);
	otel_set_name(long_name, name);
	free(text);
}

/* Every length around the sizes where a record is split, and where a varint gets longer. */
static void all_lengths(void)
{
	char *text = made_of(20000, 3);
	static const size_t around[] = {127, 16383 - 128, 16256, 15744, 15800, 16384};

	OTEL_SPAN(span, &tracer, "outer");
	(void)span;
	for (size_t i = 0; i < sizeof(around) / sizeof(*around); i++)
		for (size_t size = around[i] - 30; size < around[i] + 30; size++) {
			OTEL_SPAN(inner, &tracer, "length");
			text[size] = 0;
			otel_set(inner, otel_str("text", text), otel_int("size", size));
			text[size] = (char)('a' + (size * 31 + 3 + size / 977) % 26);
		}
	free(text);
}

static void no_utf8(void)
{
	OTEL_SPAN(span, &tracer, "bad \xff name");

	otel_set(span, otel_str("latin1", "caf\xe9"), otel_str("bad \xc3 key", "fine"),
		 otel_str("surrogate", "\xed\xa0\x80"), otel_str("fine", "ok"));
	otel_event(span, "bad \xfe event");
	otel_set_status(span, OTEL_ERROR, "bad \x80 description");
}

static void many_attributes(void)
{
	OTEL_SPAN(span, &tracer, "span");
	char key[32];

	for (int i = 0; i < 200; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		otel_set(span, otel_int(key, i));
		otel_event(span, key);
	}
}

/* ---- Events and status ---- */

static void events(void)
{
	OTEL_SPAN(span, &tracer, "span");

	otel_event(span, "first");
	usleep(2000);
	otel_event(span, "second", otel_int("n", -7), otel_str("s", "text"), otel_bool("b", 1),
		   otel_double("d", 2.5));
	otel_event(span, "third");
}

static void status(void)
{
	OTEL_SPAN(unset, &tracer, "unset");
	OTEL_SPAN(ok, &tracer, "ok");
	OTEL_SPAN(error, &tracer, "error");
	OTEL_SPAN(last, &tracer, "the last error counts");
	OTEL_SPAN(final, &tracer, "ok is final");
	OTEL_SPAN(ignored, &tracer, "unset is ignored");
	OTEL_SPAN(described, &tracer, "ok has no description");
	(void)unset;
	otel_set_status(ok, OTEL_OK, (const char *)0);
	otel_set_status(error, OTEL_ERROR, "why");
	otel_set_status(last, OTEL_ERROR, "first");
	otel_set_status(last, OTEL_ERROR, "second");
	otel_set_status(final, OTEL_OK, (const char *)0);
	otel_set_status(final, OTEL_ERROR, "too late");
	otel_set_status(ignored, OTEL_ERROR, "stays");
	otel_set_status(ignored, OTEL_UNSET, (const char *)0);
	otel_set_status(described, OTEL_OK, "not kept");
}

static int refused(void)
{
	OTEL_SPAN(span, &tracer, "negative");
	return otel_fail(span, -ECONNREFUSED);
}

static void failing(void)
{
	OTEL_SPAN(none, &tracer, "no error");
	OTEL_SPAN(some, &tracer, "errno");
	OTEL_SPAN(by_hand, &tracer, "status by hand stays");
	OTEL_SPAN(odd, &tracer, "unknown errno");

	if (otel_fail(none, 0) != 0 || otel_fail(some, ENOENT) != ENOENT || refused() != -ECONNREFUSED)
		abort();
	otel_set_status(by_hand, OTEL_ERROR, "the kitchen is closed");
	otel_fail(by_hand, EIO);
	otel_fail(odd, 4242);
}

/* ---- Ends ---- */

static void ending(void)
{
	otel_span twice = otel_start(&tracer, "ended twice");
	otel_span copy = twice;

	otel_set(twice, otel_int("before", 1));
	otel_end(twice);
	if (otel_is_recording(twice))
		abort();
	usleep(2000);
	otel_set(twice, otel_int("after", 1));
	otel_event(twice, "after");
	otel_set_status(twice, OTEL_ERROR, "after");
	otel_fail(twice, EIO);
	otel_end(twice);
	otel_set(copy, otel_int("after by a copy", 1));
	otel_end(copy);
	OTEL_SPAN(scoped, &tracer, "ended before its scope");
	otel_end(scoped);
	otel_set(scoped, otel_int("after", 1));
	otel_set(otel_current(), otel_int("after", 1));
	OTEL_SPAN(child, &tracer, "child of an ended one");
	(void)child;
}

/* ---- Threads ---- */

static void *uses(void *data)
{
	otel_context *context = (otel_context *)data;

	OTEL_USE(*context);
	if (!otel_is_recording(otel_current()))
		abort();
	otel_set(otel_current(), otel_str("from", "the other thread"));
	otel_event(otel_current(), "there");
	OTEL_SPAN(child, &tracer, "child in the other thread");
	(void)child;
	return NULL;
}

static void use(void)
{
	OTEL_SPAN(span, &tracer, "shared");
	otel_context context = otel_context_of(span);
	pthread_t thread;

	otel_set(span, otel_str("mine", "first"), otel_str("from", "overwritten"));
	if (pthread_create(&thread, NULL, uses, &context))
		abort();
	pthread_join(thread, NULL);
	otel_context_release(&context);
	otel_event(span, "back");
}

static pthread_barrier_t written;

/* Hands over what it wrote after the span has ended, and has been handed over. */
static void *writes_late(void *data)
{
	OTEL_SPAN(around, &tracer, "around the writer", otel_root());
	OTEL_USE(*(otel_context *)data);

	otel_set(otel_current(), otel_str("late", "kept"));
	pthread_barrier_wait(&written);
	pthread_barrier_wait(&written);
	(void)around;
	return NULL;
}

static void late_writes_to(int of_current, int ended_by_hand)
{
	otel_context context;
	pthread_t thread;
	{
		OTEL_SPAN(span, &tracer, "written late", otel_int("way", of_current + ended_by_hand));

		context = of_current ? otel_context_of(otel_current()) : otel_context_of(span);
		pthread_create(&thread, NULL, writes_late, &context);
		pthread_barrier_wait(&written);
		if (ended_by_hand)
			otel_end(span);
	}
	pthread_barrier_wait(&written);
	pthread_join(thread, NULL);
	otel_context_release(&context);
}

static void late_writes(void)
{
	pthread_barrier_init(&written, NULL, 2);
	late_writes_to(0, 0);
	late_writes_to(1, 0);
	late_writes_to(1, 1);
}

static void resource_of_a_child(void)
{
	pid_t pid;
	int status;

	otel_set_resource(otel_str("said", "by the program"), otel_int("tables", 12));
	pid = fork();
	{
		OTEL_SPAN(span, &tracer, "span", otel_bool("child", !pid));
		(void)span;
	}
	if (!pid)
		_exit(0);
	waitpid(pid, &status, 0);
}

static otel_span travelling;

static void *second(void *data)
{
	otel_set(travelling, otel_int("second", 2), otel_int("order", 2));
	otel_event(travelling, "written");
	return data;
}

static void *third(void *data)
{
	otel_set(travelling, otel_int("order", 3));
	otel_end(travelling);
	return data;
}

static void three_threads(void)
{
	pthread_t thread;

	travelling = otel_start(&tracer, "travelling", otel_int("order", 1));
	pthread_create(&thread, NULL, second, NULL);
	pthread_join(thread, NULL);
	pthread_create(&thread, NULL, third, NULL);
	pthread_join(thread, NULL);
	otel_set(travelling, otel_int("after", 4));
}

static void *many_spans(void *data)
{
	for (int i = 0; i < 500; i++) {
		OTEL_SPAN(span, &tracer, "parent");
		otel_set(span, otel_int("i", i));
		OTEL_SPAN(child, &tracer, "child");
		otel_set(child, otel_int("i", i));
	}
	return data;
}

static void ids(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, many_spans, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static void *ends_with_its_thread(void *data)
{
	otel_span span = otel_start(&tracer, "of a thread that ended");
	otel_span left_open = otel_start(&tracer, "left open by a thread");

	otel_end(span);
	(void)left_open;
	return data;
}

/* With a detached span open nothing is handed over but at the thread's end. */
static void thread_exit(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, ends_with_its_thread, NULL);
	pthread_join(thread, NULL);
	printf("joined\n");
	fflush(stdout);
	(void)getchar();
}

/* ---- Manners ---- */

static void asking(void)
{
	OTEL_SPAN(span, &tracer, "span");

	printf("recording %d enabled %d valid %d\n", otel_is_recording(span), otel_enabled(&tracer),
	       otel_is_valid(&span.context));
	otel_end(span);
	printf("after the end %d\n", otel_is_recording(span));
}

static int keeps_errno(int number)
{
	int bad = errno != number;

	errno = number;
	return bad;
}

static void *errno_in_thread(void *data)
{
	int bad = 0;
	otel_context context;

	errno = 77;
	{
		OTEL_SPAN(span, &tracer, "first of its thread", otel_int("a", 1));
		bad += keeps_errno(77);
		otel_set(span, otel_str("s", "t"));
		bad += keeps_errno(77);
		otel_event(span, "e");
		bad += keeps_errno(77);
		otel_set_status(span, OTEL_ERROR, "d");
		bad += keeps_errno(77);
		otel_fail(span, EIO);
		bad += keeps_errno(77);
		context = otel_context_of(span);
		bad += keeps_errno(77);
		{
			OTEL_USE(context);
			bad += keeps_errno(77);
			otel_set(otel_current(), otel_int("b", 2));
		}
		bad += keeps_errno(77);
		otel_context_release(&context);
		otel_span other = otel_start(&tracer, "detached");
		bad += keeps_errno(77);
		otel_end(other);
		bad += keeps_errno(77);
	}
	bad += keeps_errno(77);
	*(int *)data += bad;
	return NULL;
}

static void keeping_errno(void)
{
	pthread_t thread;
	int bad = 0;

	errno_in_thread(&bad);
	pthread_create(&thread, NULL, errno_in_thread, &bad);
	pthread_join(thread, NULL);
	printf("errno changed %d times\n", bad);
}

static int calls;

static const char *counted(const char *text)
{
	calls++;
	return text;
}

static int number(int value)
{
	calls++;
	return value;
}

static const otel_tracer *counted_tracer(void)
{
	calls++;
	return &tracer;
}

static void evaluating(void)
{
	otel_context context;

	memset(&context, 0, sizeof(context));
	OTEL_SPAN(span, counted_tracer(), counted("span"), otel_kind((enum otel_kind)number(1)),
		  otel_str(counted("key"), counted("value")));
	printf("span %d\n", calls);
	calls = 0;
	otel_span other = otel_start(counted_tracer(), counted("other"), otel_int(counted("i"), number(1)));
	printf("start %d\n", calls);
	calls = 0;
	otel_set(span, otel_double(counted("d"), number(1)), otel_bool(counted("b"), number(1)));
	printf("set %d\n", calls);
	calls = 0;
	otel_event(span, counted("event"), otel_str(counted("k"), counted("v")));
	printf("event %d\n", calls);
	calls = 0;
	otel_set_status(span, (enum otel_code)number(2), counted("description"));
	printf("status %d\n", calls);
	calls = 0;
	otel_fail(span, number(5));
	printf("fail %d\n", calls);
	calls = 0;
	otel_span spans[2] = {other, other};
	otel_set(spans[number(1)], otel_int("i", 1));
	otel_event(spans[number(1)], "e");
	otel_end(spans[number(1)]);
	printf("which %d\n", calls);
	otel_end(other);
	otel_set(other, otel_int("ended", number(1)));
	printf("ended %d\n", calls - 3);
	(void)context;
}

/* ---- Main ---- */

static const struct scene {
	const char *name;
	void (*play)(void);
} scenes[] = {
	{"nesting", nesting},
	{"roots", roots},
	{"explicit_parent", explicit_parent},
	{"detached", detached},
	{"kinds", kinds},
	{"no_scope", no_scope},
	{"static_scope", static_scope},
	{"made_scope", made_scope},
	{"links", links},
	{"late_writes", late_writes},
	{"resource_of_a_child", resource_of_a_child},
	{"links_to_nowhere", links_to_nowhere},
	{"attributes", attributes},
	{"numbers", numbers},
	{"nothing_there", nothing_there},
	{"big_strings", big_strings},
	{"too_long", too_long},
	{"all_lengths", all_lengths},
	{"no_utf8", no_utf8},
	{"many_attributes", many_attributes},
	{"events", events},
	{"status", status},
	{"failing", failing},
	{"ending", ending},
	{"use", use},
	{"three_threads", three_threads},
	{"ids", ids},
	{"thread_exit", thread_exit},
	{"asking", asking},
	{"keeping_errno", keeping_errno},
	{"evaluating", evaluating},
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
