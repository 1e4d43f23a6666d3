/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The starts of spans while nobody listens, as OTEL_SPAN() and otel_start() call them: no option is
 * a parent, which the compiler sees, so that the lists are not built. run.sh compiles this with
 * optimisation, in C and in C++, and looks that the function which takes a parent was not needed.
 */
#include <otel/trace.h>

static otel_tracer tracer = OTEL_TRACER("folds", "1");

void enter(struct otel_scope *scope, otel_span *span, int i, const char *text);
void start(otel_span *span, int i, const char *text);

void enter(struct otel_scope *scope, otel_span *span, int i, const char *text)
{
	otel_enter_off_(scope, span, &tracer, "enter",
			OTEL_LIST_(otel_kind(OTEL_SERVER), otel_str("a", text), otel_int("b", i),
				   otel_int("c", i), otel_bool("d", i), otel_last()));
}

void start(otel_span *span, int i, const char *text)
{
	otel_start_off_(span, &tracer, "start",
			OTEL_LIST_(otel_str("a", text), otel_str("b", "2"), otel_int("c", i),
				   otel_double("d", i), otel_bool("e", i), otel_int("f", 6),
				   otel_strn("g", text, 8), otel_int("h", i), otel_last()));
}
