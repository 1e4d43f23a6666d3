/* SPDX-License-Identifier: Apache-2.0 */
/* A library with spans of its own; NAME is a string. What host.c asks of it. */
#include <otel/trace.h>
#include <stdint.h>

#ifdef __cplusplus
#define VISIBLE extern "C" __attribute__((visibility("default")))
#else
#define VISIBLE __attribute__((visibility("default")))
#endif

static otel_tracer tracer = OTEL_TRACER(NAME, "1");

VISIBLE void make_span(void (*inside)(void));
VISIBLE uint64_t thread_address(void);
VISIBLE uint64_t anchor_address(void);
VISIBLE int enabled(void);
VISIBLE otel_context current(void);
VISIBLE void write_current(const char *key);

void make_span(void (*inside)(void))
{
	OTEL_SPAN(span, &tracer, "in " NAME);

	otel_set(span, otel_str("name", NAME));
	if (inside)
		inside();
}

uint64_t thread_address(void)
{
	return (uint64_t)(uintptr_t)THREAD;
}

uint64_t anchor_address(void)
{
	return (uint64_t)ANCHOR;
}

int enabled(void)
{
	return otel_enabled(&tracer);
}

otel_context current(void)
{
	return otel_context_of(otel_current());
}

void write_current(const char *key)
{
	otel_set(otel_current(), otel_str(key, NAME));
}
