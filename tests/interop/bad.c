/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bad: what nobody should hand to the API, all of it; bad_test.py says what may come of it. Compiled as C11
 * and as C++17.
 */
#include <limits.h>
#include <math.h>
#include <otel/propagation.h>
#include <otel/stack.h>
#include <otel/trace.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEGA (1u << 20)

static otel_tracer tracer = OTEL_TRACER("bad", "1");
static char *mega; /* of 1 MiB */

static void zeroed(void)
{
	otel_context nothing, context;
	otel_tracer none;
	otel_token token;
	otel_span span;

	memset(&nothing, 0, sizeof(nothing));
	memset(&span, 0, sizeof(span));
	memset(&none, 0, sizeof(none));
	otel_set(span, otel_int("a", 1));
	otel_event(span, "e", otel_int("a", 1));
	otel_set_status(span, OTEL_ERROR, "x");
	otel_fail(span, 5);
	otel_set_name(span, "n");
	otel_add_links(span, otel_link(nothing));
	otel_exception(span, NULL, NULL);
	context = otel_context_of(span);
	otel_context_release(&context);
	otel_context_release(&context);
	otel_end(span);
	otel_end_at(span, 1);
	{
		OTEL_USE(nothing);
		OTEL_USE_SPAN(span);
		token = otel_attach(nothing);
		OTEL_SPAN(root, &tracer, "in nothing", otel_parent(nothing), otel_link(nothing));
		otel_add_links(root, otel_link(nothing, otel_str(NULL, NULL)), otel_link(nothing, otel_str("k", NULL)));
		otel_detach(&token);
		otel_detach(&token);
	}
	OTEL_SPAN(of_none, &none, "of a zeroed tracer");
	OTEL_SPAN(of_null, (otel_tracer *)0, "of no tracer");
	(void)of_none;
	(void)of_null;
}

static void null(void)
{
	otel_tracer none = otel_get_tracer(NULL, NULL, NULL, NULL);
	otel_option itself[2];
	OTEL_SPAN(span, &none, NULL, otel_str(NULL, NULL), otel_kind((enum otel_kind)7));

	otel_set(span, otel_str(NULL, "x"), otel_str("", ""), otel_str("null", NULL), otel_strn("n", NULL, 9),
		 otel_bytes("bytes", NULL, 7), otel_ints("ints", NULL, 5), otel_strs("strs", NULL, 2),
		 otel_doubles("doubles", NULL, 3), otel_bools("bools", NULL, 4));
	otel_event(span, NULL, otel_str(NULL, NULL), otel_str("", "x"));
	otel_exception(span, NULL, NULL);
	otel_exception(span, NULL, NULL, otel_stack());
	otel_set_status(span, OTEL_ERROR, NULL);
	otel_set_status(span, (enum otel_code)3, "x");
	otel_set_name(span, NULL);
	otel_set_name(span, "null");
	/* A list without one, and one that is in itself. */
	itself[0] = otel_attributes(itself);
	itself[1] = otel_last();
	otel_set(span, otel_attributes(NULL), otel_attributes(itself));
	otel_event(span, "lists", otel_attributes(itself), otel_attributes(NULL));
	otel_context_release(NULL);
	otel_detach(NULL);
}

static void huge(void)
{
	otel_option scope[2];
	otel_tracer big;

	{
		OTEL_SPAN(span, &tracer, "huge", otel_str("value", mega), otel_int(mega, 1));
		otel_set(span, otel_int(mega, 2), otel_str("after", "x"));
		otel_event(span, mega, otel_int(mega, 1));
		otel_exception(span, mega, mega);
		otel_add_links(span, otel_link(otel_current().context, otel_str(mega, mega)));
		otel_set_status(span, OTEL_ERROR, mega);
	}
	{
		OTEL_SPAN(span, &tracer, mega);
		(void)span;
	}
	scope[0] = otel_str(mega, mega);
	scope[1] = otel_last();
	big = otel_get_tracer(mega, mega, mega, scope);
	OTEL_SPAN(span, &big, "of a huge tracer");
	(void)span;
}

static void many(void)
{
	OTEL_SPAN(span, &tracer, "many");
	char key[32];

	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		otel_set(span, otel_int(key, i));
		otel_event(span, key, otel_int(key, i));
		otel_add_links(span, otel_link(span.context, otel_int(key, i)));
	}
}

/* More than the limits by far, and than the ring holds: what is lost is said, and the rest is well. */
static void million(void)
{
	OTEL_SPAN(span, &tracer, "million");
	char key[32];

	for (int i = 0; i < 1000000; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		otel_set(span, otel_int(key, i));
	}
}

static void numbers(void)
{
	static const double numbers[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
	OTEL_SPAN(span, &tracer, "numbers", otel_double("nan", (double)NAN));

	otel_set(span, otel_doubles("doubles", numbers, 3), otel_double("infinity", (double)INFINITY));
	otel_event(span, "e", otel_double("nan", (double)NAN), otel_time(1));
	(void)otel_fail(span, INT_MIN);
	otel_end_at(span, ~0ull);
}

static void no_utf8(void)
{
	static const char *const texts[] = {"a", NULL, "\xff", "\xed\xa0\x80"};
	otel_option scope[2];
	otel_tracer broken;

	scope[0] = otel_str("key \xff", "\xff");
	scope[1] = otel_last();
	broken = otel_get_tracer("tracer \xff", "\xc3", "\xfe", scope);
	OTEL_SPAN(span, &broken, "no utf8 \xff", otel_str("\xff", "\xff"), otel_strs("texts", texts, 4));
	otel_event(span, "\xff", otel_str("\xff", "\xff"));
	otel_exception(span, "\xff", "\xff");
	otel_add_links(span, otel_link(otel_current().context, otel_str("\xff", "\xff")));
	otel_set_status(span, OTEL_ERROR, "\xff");
}

static void after_the_end(void)
{
	otel_span span = otel_start(&tracer, "ended", otel_int("before", 1)), copy = span;
	otel_context context = otel_context_of(span);

	otel_end(span);
	otel_set(span, otel_int("after", 1));
	otel_set(copy, otel_int("after", 1));
	otel_end(copy);
	{
		OTEL_USE(context);
		otel_set(otel_current(), otel_int("after", 1));
		OTEL_SPAN(child, &tracer, "child of an ended one");
		(void)child;
	}
	otel_context_release(&context);
	otel_context_release(&context);
	OTEL_USE(context);
	OTEL_SPAN(root, &tracer, "in a released context");
	(void)root;
}

/* ---- Sixteen threads write to one span and end it, all at once ---- */

static otel_context shared;
static otel_span raced;
static pthread_barrier_t together;

static void *races(void *data)
{
	otel_span mine = raced;
	char key[16];

	snprintf(key, sizeof(key), "t%d", *(const int *)data);
	{
		OTEL_USE(shared);
		otel_set(otel_current(), otel_int(key, *(const int *)data));
		otel_event(otel_current(), key);
	}
	pthread_barrier_wait(&together);
	otel_set(mine, otel_int("last", *(const int *)data));
	otel_end_at(mine, 2000000000000000000u + (unsigned long)*(const int *)data);
	return NULL;
}

static void race(void)
{
	pthread_t threads[16];
	int numbers_of[16];

	raced = otel_start(&tracer, "raced");
	shared = otel_context_of(raced);
	pthread_barrier_init(&together, NULL, 16);
	for (int i = 0; i < 16; i++) {
		numbers_of[i] = i;
		pthread_create(&threads[i], NULL, races, &numbers_of[i]);
	}
	for (int i = 0; i < 16; i++)
		pthread_join(threads[i], NULL);
	otel_context_release(&shared);
}

int main(int argc, char **argv)
{
	(void)argv;
	mega = (char *)malloc(MEGA + 1);
	memset(mega, 'm', MEGA);
	mega[MEGA] = 0;
	otel_set_resource(otel_str(NULL, "x"), otel_str("", "x"), otel_str("null", NULL), otel_str("of.\xff", "\xff"),
			  otel_double("nan", (double)NAN));
	zeroed();
	null();
	huge();
	many();
	numbers();
	no_utf8();
	after_the_end();
	race();
	if (argc > 1)
		million();
	free(mega);
	return 0;
}
