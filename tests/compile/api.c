/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every call of otel/trace.h, in the places where programs put them. Valid C99 and C++11; run.sh
 * compiles it with every compiler there is, and spans.py knows which spans it makes.
 *
 *     -DPART=name        the function that makes the spans, and its tracer's name; default: api
 *     -DOTHER=name       the part in another file that is called within a span of this one
 *     -DWITHOUT_MAIN     there is a main() elsewhere
 */
#ifdef __cplusplus
extern "C" {
#endif
#include <otel/trace.h>
#ifdef __cplusplus
}
#endif
#include <otel/trace.h> /* twice does no harm */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifndef PART
#define PART api
#endif
#define TEXT2(name) #name
#define TEXT(name) TEXT2(name)

#ifdef __cplusplus
#define EXTERN_C extern "C"
#else
#define EXTERN_C extern
#endif
EXTERN_C __attribute__((visibility("default"))) int PART(void);
#ifdef OTHER
EXTERN_C int OTHER(void);
#endif

static otel_tracer tracer = OTEL_TRACER(TEXT(PART), "1.2.3");
static const otel_tracer constant = OTEL_TRACER(TEXT(PART) ".constant", "");

struct order {
	const char *dish;
	size_t plates;
	otel_span span;
	otel_context context;
};

static int evaluated;

static int once(int value)
{
	evaluated++;
	return value;
}

static const char *text(const char *value)
{
	evaluated++;
	return value;
}

/* ---- Spans that are current ---- */

static void kinds(void)
{
	static const enum otel_kind all[] = {OTEL_INTERNAL, OTEL_SERVER, OTEL_CLIENT, OTEL_PRODUCER,
					     OTEL_CONSUMER};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		OTEL_SPAN(span, &tracer, "kind", otel_kind(all[i]), otel_int("index", i));
	}
}

static void attributes(const struct order *order)
{
	const char *const nothing = NULL;
	const double amount = 99.5;
	const unsigned char small = 200;
	const uint64_t large = 1ull << 40;
	const int64_t negative = -5;
	char name[16] = "from memory";
	OTEL_SPAN(span, &constant, "attributes", otel_str("at.start", "yes"), otel_kind(OTEL_CLIENT),
		  otel_int("size_t", order->plates), otel_bool("bool", order->plates > 2));

	otel_set(span, otel_str("dish", order->dish), otel_str("null", nothing), otel_str("empty", ""),
		 otel_str("name", name), otel_double("double", amount), otel_double("negative.double", -0.25));
	otel_set(span, otel_int("char", 'a'), otel_int("unsigned.char", small), otel_int("large", large),
		 otel_int("negative", negative), otel_int("sizeof", sizeof(large)),
		 otel_int("enum", OTEL_CONSUMER), otel_bool("false", 0), otel_bool("pointer", &name[0] != NULL));
	otel_set(span, otel_int("twice", 1));
	otel_set(span, otel_int("twice", 2));
	name[0] = 'F'; /* it was copied */
}

/* An if and an else without braces around every call that is a statement. */
static int branches(int which, int error)
{
	OTEL_SPAN(span, &tracer, "branches", otel_int("which", which));

	if (which)
		otel_set(span, otel_str("branch", "if"));
	else
		otel_set(span, otel_str("branch", "else"));
	if (which)
		otel_event(span, "if");
	else
		otel_event(span, "else", otel_int("which", which));
	if (error)
		otel_set_status(span, OTEL_ERROR, "it did not work");
	else if (which)
		otel_set_status(span, OTEL_OK, NULL);
	else
		(void)otel_fail(span, 0);
	for (int i = 0; i < 2; i++)
		otel_event(span, "loop", otel_int("i", i));
	switch (which) {
	case 1:
		otel_event(span, "case");
		break;
	default:
		otel_event(span, "default");
	}
	if (which)
		otel_end(span);
	else
		(void)otel_is_recording(span);
	otel_set(span, otel_bool("before.the.end", which == 0));
	return error ? otel_fail(span, error) : 0;
}

static int fails(int error)
{
	OTEL_SPAN(span, &tracer, "fails");

	if (!error)
		goto out;
	if (error == EINVAL)
		return otel_fail(span, -error);
out:
	return otel_fail(span, error);
}

/* ---- Spans and contexts as values ---- */

static void detached(struct order *order)
{
	otel_span inner;

	order->span = otel_start(&tracer, "detached", otel_kind(OTEL_PRODUCER),
				 otel_str("dish", order->dish));
	order->context = otel_context_of(order->span);
	inner = otel_start(&constant, "child of detached", otel_parent(order->context));
	otel_event(inner, "moved", otel_bool("valid", otel_is_valid(&order->context)));
	otel_end(inner);
	otel_end(inner);
	otel_set(order->span, otel_int("plates", order->plates));
	{
		otel_token token = otel_attach(order->context);
		{
			OTEL_USE_SPAN(order->span);
		}
		if (otel_detach(&token))
			otel_event(order->span, "in the wrong order");
	}
}

static void use(const otel_context *context)
{
	OTEL_USE(*context);
	{
		OTEL_SPAN(first, &tracer, "used");
		OTEL_SPAN(second, &tracer, "used twice");
		const otel_context parent = otel_context_of(first);

		{
			OTEL_USE(parent);
			OTEL_SPAN(third, &tracer, "used again");

			otel_event(otel_current(), "to the current one");
			(void)third;
		}
		otel_set(second, otel_bool("recording", otel_is_recording(second)));
	}
	otel_set(otel_current(), otel_str("by", "context"));
}

/* ---- Calls in the arguments of calls ---- */

static int measured(otel_span *span)
{
	otel_event(*span, "measured");
	return 7;
}

static void nested(struct order *order)
{
	OTEL_SPAN(span, &tracer, order->plates ? "nested" : "", otel_int("once", once(1)),
		  otel_str("text", text("a")), otel_parent(otel_context_of(otel_current())));
	otel_span other, *to = &order->span;

	otel_set(span, otel_int("measured", measured(&span)),
		 otel_bool("enabled", otel_enabled(&tracer) == otel_is_recording(span)),
		 otel_int("failed", otel_fail(span, once(0))));
	otel_event(span, text("event"), otel_str("text", text("b")), otel_int("once", once(2)),
		   otel_int("comma", (once(0), once(3))));
	*to = otel_start(&tracer, "outer of two",
			 otel_bool("inner", (other = otel_start(&tracer, "inner of two"),
					     otel_set(other, otel_bool("set", 1)), otel_end(other),
					     !otel_is_recording(other))));
	otel_set(*to, otel_int("in an expression", __extension__({
					 OTEL_SPAN(inner, &tracer, "in an argument");
					 otel_is_recording(inner) == otel_enabled(&tracer);
				 })));
	otel_end(*to);
}

static int many(void)
{
	OTEL_SPAN(span, &tracer, "many");

	otel_set(span, otel_int("a0", 0), otel_int("a1", 1), otel_int("a2", 2), otel_int("a3", 3),
		 otel_int("a4", 4), otel_int("a5", 5), otel_int("a6", 6), otel_int("a7", 7),
		 otel_int("a8", 8), otel_int("a9", 9), otel_int("a10", 10), otel_int("a11", 11),
		 otel_int("a12", 12), otel_int("a13", 13), otel_int("a14", 14), otel_int("a15", 15),
		 otel_str("long", "0123456789012345678901234567890123456789012345678901234567890123456789"
				  "0123456789012345678901234567890123456789012345678901234567890123456789"));
	return otel_enabled(&tracer);
}

/* ---- All other values and options ---- */

static int values(const otel_context *from)
{
	static const char *const strings[] = {"a", "", "c"};
	static const long long ints[] = {1, -2, 1ll << 40};
	static const double doubles[] = {0.5, -1.25};
	static const bool bools[] = {true, false};
	static const otel_tracer schema = OTEL_TRACER_WITH_SCHEMA(TEXT(PART), "1.2.3", "https://a.test/1");
	const size_t two = 2;
	char trace_id[33], span_id[17];
	otel_span stand_in = otel_span_of(from), late;
	int wrong = 0;

	OTEL_SPAN(span, &tracer, "values", otel_time(1700000000000000000u), otel_kind(OTEL_SERVER),
		  otel_link(*from, otel_int("index", 0)), otel_link(otel_context_of(stand_in)));
	otel_set(span, otel_strs("strings", strings, 3), otel_ints("ints", ints, two + 1),
		 otel_doubles("doubles", doubles, two), otel_bools("bools", bools, two),
		 otel_bytes("bytes", "\xff\0", two), otel_strn("strn", "abc", two),
		 otel_ints("none", NULL, 0));
	otel_event(span, "long ago", otel_time(1700000000000000007u), otel_bool("true", true));
	if (two)
		otel_exception(span, "ParseError", "not a number", otel_str("exception.stacktrace", "at 1"));
	else
		otel_exception(span, "ParseError", NULL);
	if (two)
		otel_add_links(span, otel_link(*from, otel_str("added", "yes")));
	else
		otel_set_name(span, "not me");
	otel_set_name(span, "renamed");
	otel_end_at(span, 1700000000000001000u);

	late = otel_start(&schema, "root", otel_root());
	wrong += strlen(otel_trace_id(from, trace_id)) != 32 || strlen(otel_span_id(from, span_id)) != 16;
	wrong += otel_is_sampled(from) != otel_enabled(&schema) || otel_is_remote(from);
	otel_end(late);
	return wrong;
}

/* Attributes that are as many as it turns out, and arrays that stand where they are used. */
static void lists(int count, const otel_context *from)
{
	otel_option list[4], outer[9][3];

	for (int i = 0; i < count; i++)
		list[i] = otel_int(i % 2 ? "odd" : "even", i);
	list[count] = otel_last();
	OTEL_SPAN(span, &tracer, "lists", otel_attributes(list), otel_link(*from, otel_attributes(list), otel_bool("behind", 1)));
	otel_event(span, "made of", otel_attributes(list), otel_int("n", count), otel_attributes(NULL));
	/* Of eight lists in one another all count; the ninth is left out, and what contains itself ends. */
	for (int i = 0; i < 9; i++) {
		outer[i][0] = otel_attributes(i < 8 ? outer[i + 1] : outer[0]);
		outer[i][1] = otel_int(i < 8 ? "last" : "ninth", i);
		outer[i][2] = otel_last();
	}
	otel_event(span, "in lists", otel_attributes(outer[7]), otel_attributes(list), otel_bool("beside", 1));
	otel_event(span, "too deep", otel_attributes(outer[0]), otel_bool("beside", 1));
	otel_set(span, otel_bool("wide", (size_t)count << 40), otel_attributes(list + count));
#ifndef __cplusplus
	list[0] = otel_ints("commas", (const long long[]){1, 2}, 2);
	list[1] = otel_strs("more", (const char *[]){"a", "b"}, 2);
	list[2] = otel_last();
	otel_set(span, otel_attributes(list));
#else
	{
		const long long numbers[] = {1, 2};
		const char *more[] = {"a", "b"};

		otel_set(span, otel_ints("commas", numbers, 2), otel_strs("more", more, 2));
	}
#endif
}

int PART(void)
{
	static struct order empty;
	struct order order = empty;
	int wrong = 0;

	order.dish = "soup";
	order.plates = 3;
	evaluated = 0;
	errno = EDOM;
	otel_set_resource(otel_str("made.by", "api.c"), otel_int("number", order.plates));
	{
		OTEL_SPAN(span, &tracer, "api", otel_kind(OTEL_SERVER));

		kinds();
		attributes(&order);
		wrong += branches(0, 0) != 0;
		wrong += branches(1, 0) != 0;
		wrong += branches(0, EIO) != EIO;
		wrong += fails(0) != 0;
		wrong += fails(EINVAL) != -EINVAL;
		wrong += fails(ENOENT) != ENOENT;
		detached(&order);
		use(&order.context);
		wrong += values(&order.context);
		lists(3, &order.context);
		otel_context_release(&order.context);
		wrong += otel_is_valid(&order.context);
		nested(&order);
		many();
#ifdef OTHER
		wrong += OTHER();
#endif
		wrong += otel_is_recording(span) && !otel_enabled(&tracer);
	}
	wrong += errno != EDOM;
	wrong += evaluated != 8;
	if (wrong)
		fprintf(stderr, "%s: %d wrong, %d evaluated, errno %d\n", TEXT(PART), wrong, evaluated, errno);
	return wrong;
}

#ifndef WITHOUT_MAIN
int main(void)
{
	return PART() != 0;
}
#endif
