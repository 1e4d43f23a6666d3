/* SPDX-License-Identifier: Apache-2.0 */
/* A function of C that a C++ exception may pass through: compiled with and without -fexceptions. */
#include <otel/trace.h>

static otel_tracer tracer = OTEL_TRACER("frame", "");

void in_c(void (*callback)(void));

void in_c(void (*callback)(void))
{
	OTEL_SPAN(span, &tracer, "in C");

	otel_set(span, otel_bool("before", 1));
	callback();
	otel_set(span, otel_bool("after", 1));
}
