/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracers: spans of several tracers, for each line of its input once; says which of them are enabled then.
 * tracers once: does so a single time, at once.
 */
#include <otel/trace.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static otel_tracer noisy = OTEL_TRACER("noisy.inside", "1");
static otel_tracer quiet = OTEL_TRACER("quiet", "1");
static const otel_tracer unwritable = OTEL_TRACER("noisy.const", "1");

static void round_of(int n, const otel_tracer *made)
{
	OTEL_SPAN(outer, &quiet, "outer", otel_int("round", n));
	OTEL_SPAN(first, &noisy, "noisy", otel_int("round", n));
	OTEL_SPAN(inner, &quiet, "inner", otel_int("round", n));
	OTEL_SPAN(second, &unwritable, "const", otel_int("round", n));
	OTEL_SPAN(third, made, "made", otel_int("round", n));
	OTEL_SPAN(innermost, &quiet, "innermost", otel_int("round", n));
	otel_span detached = otel_start(&noisy, "detached", otel_root(), otel_int("round", n));
	otel_context context = otel_context_of(detached);
	otel_span child = otel_start(&quiet, "below the detached", otel_parent(context), otel_int("round", n));

	otel_end(child);
	otel_end(detached);
	otel_context_release(&context);
	(void)first, (void)inner, (void)second, (void)third, (void)innermost, (void)outer;
}

int main(int argc, char **argv)
{
	otel_tracer made = otel_get_tracer("noisy.made", "1", NULL, NULL);
	char line[16];

	(void)argv;
	for (int n = 0; argc > 1 ? n < 1 : fgets(line, sizeof(line), stdin) != NULL; n++) {
		int on = otel_enabled(&noisy);

		round_of(n, &made);
		printf("round %d: noisy %d quiet %d const %d made %d, off %d\n", n, on, otel_enabled(&quiet),
		       otel_enabled(&unwritable), otel_enabled(&made), noisy.state.off);
		fflush(stdout);
	}
	return 0;
}
