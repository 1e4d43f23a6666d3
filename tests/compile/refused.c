/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must not compile, in C and in C++, and a pattern of what the compiler must say then; -DLINE=n chooses.
 * Without it all compiles: the same calls, with what they take.
 */
#include <stddef.h>

#include <otel/trace.h>

static otel_tracer tracer = OTEL_TRACER("refused", "1");

int main(void)
{
	static double number = 2.5;
	static const char *text = "text";
	OTEL_SPAN(span, &tracer, "span");

	(void)number, (void)text;
#ifndef LINE
	otel_set(span, otel_int("k", (int)number), otel_double("k", number), otel_str("k", text), otel_bool("k", number > 1));
#elif LINE == 1 /* otel_int.*takes.an.integer */
	otel_set(span, otel_int("k", number));
#elif LINE == 2 /* otel_int.*takes.an.integer */
	otel_set(span, otel_int("k", text));
#elif LINE == 3 /* otel_int.*takes.an.integer */
	static const otel_option list[] = {OTEL_ATTRIBUTE_INT("k", 2.5), OTEL_ATTRIBUTE_LAST};

	otel_set(span, otel_attributes(list));
#elif LINE == 4 /* unused.result|ignoring return value */
	otel_attach(otel_context_of(span));
#endif
	return 0;
}
