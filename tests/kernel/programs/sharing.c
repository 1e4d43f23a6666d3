/* SPDX-License-Identifier: Apache-2.0 */
/* Many threads at once: they take one span's context, ask for what is current, and write to that span. */
#include <otel/trace.h>
#include <pthread.h>

static otel_tracer tracer = OTEL_TRACER("sharing", "1");
static otel_span shared;

static void *takes(void *data)
{
	for (int i = 0; i < 300; i++) {
		otel_context context;

		if (otel_is_valid(&otel_current().context))
			return data;
		context = otel_context_of(shared);
		{
			OTEL_USE(context);
			OTEL_SPAN(span, &tracer, "inside", otel_int("i", i));

			otel_set(span, otel_bool("recording", otel_is_recording(shared)));
		}
		otel_context_release(&context);
	}
	return data;
}

int main(void)
{
	pthread_t threads[16];

	for (int round = 0; round < 5; round++) {
		shared = otel_start(&tracer, "shared");
		for (int i = 0; i < 16; i++)
			pthread_create(&threads[i], NULL, takes, NULL);
		otel_set(shared, otel_int("round", round));
		for (int i = 0; i < 16; i++)
			pthread_join(threads[i], NULL);
		otel_end(shared);
	}
	return 0;
}
