/* SPDX-License-Identifier: Apache-2.0 */
/* The examples of the fifth document, manual instrumentation, in C. Its oracle is manual.py. */
#include <errno.h>
#include <otel/trace.h>
#include <stdio.h>

static otel_tracer tracer = OTEL_TRACER("manual", "");

static int might_fail(void)
{
	return -ENOENT;
}

static void something(void)
{
	OTEL_SPAN(span, &tracer, "span-name");
	(void)span; /* closed when the block ends */
}

static void nested(void)
{
	OTEL_SPAN(parent, &tracer, "parent");
	{
		OTEL_SPAN(child, &tracer, "child");
		(void)child;
	}
	(void)parent;
}

static void enriched(void)
{
	static const long long stuff[] = {1, 2, 3};
	OTEL_SPAN(span, &tracer, "attributes");

	otel_set(otel_current(), otel_int("operation.value", 1));
	otel_set(otel_current(), otel_str("operation.name", "Saying hello!"));
	otel_set(otel_current(), otel_ints("operation.other-stuff", stuff, 3));
	(void)span;
}

static void events(void)
{
	OTEL_SPAN(span, &tracer, "events");

	otel_event(otel_current(), "Gonna try it!");
	otel_event(otel_current(), "Did it!");
	(void)span;
}

static void linked(void)
{
	OTEL_SPAN(first, &tracer, "linked-to");
	otel_context context = otel_context_of(otel_current());
	{
		OTEL_SPAN(second, &tracer, "new-span", otel_link(context));
		(void)second;
	}
	otel_context_release(&context);
	(void)first;
}

static void failing(void)
{
	OTEL_SPAN(span, &tracer, "status");

	if (might_fail())
		otel_set_status(otel_current(), OTEL_ERROR, NULL);
	(void)span;
}

static void overridden(void)
{
	OTEL_SPAN(span, &tracer, "overridden");

	otel_set_status(span, OTEL_ERROR, "not so bad");
	otel_set_status(span, OTEL_OK, NULL);
	otel_set_status(span, OTEL_ERROR, "too late");
}

static void recorded(void)
{
	OTEL_SPAN(span, &tracer, "exception");

	if (might_fail()) {
		otel_set_status(otel_current(), OTEL_ERROR, NULL);
		otel_exception(otel_current(), "FileNotFoundError", "no such file");
	}
	(void)span;
}

static int in_one_line(void)
{
	OTEL_SPAN(span, &tracer, "one line");

	return otel_fail(span, might_fail());
}

int main(void)
{
	something();
	nested();
	enriched();
	events();
	linked();
	failing();
	overridden();
	recorded();
	return in_one_line() == -ENOENT ? 0 : 1;
}
