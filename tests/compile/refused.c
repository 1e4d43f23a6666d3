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
	static float numbers[2];
	static int integers[2];
	static const char *text = "text";
	OTEL_SPAN(span, &tracer, "span");

	(void)number, (void)numbers, (void)integers, (void)text;
#ifndef LINE
	otel_set(span, otel_int("k", (int)number), otel_double("k", number), otel_ints("k", integers, 2));
	otel_set(span, otel_doubles("k", numbers, 2), otel_str("k", text), otel_bool("k", number > 1));
#elif LINE == 1 /* otel_int.. takes an integer */
	otel_set(span, otel_int("k", number));
#elif LINE == 2 /* otel_int.. takes an integer */
	otel_set(span, otel_int("k", text));
#elif LINE == 3 /* otel_int.. takes an integer */
	static const otel_option list[] = {OTEL_ATTRIBUTE_INT("k", 2.5), OTEL_ATTRIBUTE_LAST};

	otel_set(span, otel_attributes(list));
#elif LINE == 4 /* float \*|array of integers */
	otel_set(span, otel_ints("k", numbers, 2));
#elif LINE == 5 /* int \*|array of float or double */
	otel_set(span, otel_doubles("k", integers, 2));
#elif LINE == 6 /* int ?\*|to .otel_strs */
	otel_set(span, otel_strs("k", integers, 2));
#elif LINE == 7 /* unused.result|ignoring return value */
	otel_attach(otel_context_of(span));
#endif
	return 0;
}
