/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a span now and then until there is a line on standard input, so that a tool can attach
 * meanwhile; then one of everything, and says its ids.
 */
#include <otel/trace.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static otel_tracer tracer = OTEL_TRACER("people", "1");

static void say(const char *name, const otel_span *span)
{
	printf("%s ", name);
	for (int i = 0; i < 8; i++)
		printf("%02x", span->context.span_id[i]);
	printf(" ");
	for (int i = 0; i < 16; i++)
		printf("%02x", span->context.trace_id[i]);
	printf(" flags %d recording %d enabled %d\n", span->context.trace_flags, otel_is_recording(*span),
	       otel_enabled(&tracer));
}

int main(int argc, char **argv)
{
	struct pollfd input = {STDIN_FILENO, POLLIN, 0};
	char line[16];

	while (argc == 1 && !poll(&input, 1, 10)) {
		OTEL_SPAN(attempt, &tracer, "try");
		otel_set(attempt, otel_str("try", "again"));
	}
	(void)argv;
	{
		OTEL_SPAN(outer, &tracer, "outer", otel_kind(OTEL_SERVER), otel_str("route", "/order"));
		OTEL_SPAN(inner, &tracer, "inner", otel_int("negative", -7));
		otel_span apart = otel_start(&tracer, "apart", otel_kind(OTEL_CONSUMER));

		say("outer", &outer);
		say("inner", &inner);
		say("apart", &apart);
		fflush(stdout);
		otel_set(inner, otel_bool("bool", 1), otel_double("double", 2.5), otel_str("null", NULL));
		otel_event(inner, "event", otel_int("n", 1));
		usleep(5000);
		otel_set_status(inner, OTEL_ERROR, "description");
		otel_end(apart);
		otel_end(apart);
		(void)otel_fail(outer, 2);
	}
	while (argc == 1 && read(STDIN_FILENO, line, sizeof(line)) > 0)
		;
	return 0;
}
