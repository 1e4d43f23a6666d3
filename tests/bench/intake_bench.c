/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a span costs the agent between the ring and the exporters: START, ATTRIBUTES with 4, EVENT
 * and END, eleven spans a flush, on one core. Prints nanoseconds a span: the best and the median
 * of the rounds.
 *
 *     intake_bench [rounds]
 */
#include <stdio.h>
#include <time.h>

#include "../unit/producer.h"

enum { SPANS = 11, FLUSHES = 20000, ROUNDS_MAX = 1000 };

static size_t finished;

static void count(void *self, struct span *span)
{
	(void)self;
	(void)span;
	finished++;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static int by_number(const void *a, const void *b)
{
	const double *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

static void put_span(struct producer *p, uint64_t id)
{
	static const struct start_options options = {.scope = "kitchen", .kind = SPAN_SERVER};
	uint8_t fields[256], *end = fields;

	end = encode_text(end, 9, "http.request.method", "POST");
	end = encode_text(end, 9, "http.route", "/order/{id}");
	end = encode_text(end, 9, "url.scheme", "https");
	end = encode_text(end, 9, "server.address", "kitchen.example.org");
	producer_start(p, id, "POST /order/{id}", &options);
	producer_put(p, OTEL_RECORD_ATTRIBUTES, OTEL_RECORD_COUNTED, id, NULL, 0, fields,
		     (size_t)(end - fields));
	producer_event(p, id, OTEL_RECORD_COUNTED, NOW + 10, "enqueued", NULL, 0);
	producer_end(p, id, NOW + 100, 4, 1, 0, 0);
}

int main(int argc, char **argv)
{
	static struct producer p;
	static double times[ROUNDS_MAX];
	const struct intake_options options = {.max_open = 100000, .sink = {.submit = count}};
	struct intake *intake = intake_new(&options);
	int rounds = argc > 1 ? atoi(argv[1]) : 15;
	struct otel_buffer *header;
	struct event *event;
	size_t size;

	if (!intake || rounds < 1 || rounds > ROUNDS_MAX)
		return 1;
	producer_init(&p, 1);
	for (int i = 0; i < SPANS; i++)
		put_span(&p, 1 + (uint64_t)i);
	producer_look(&p, intake); /* the event is in p.event from here on */
	event = (struct event *)(void *)p.event;
	header = (struct otel_buffer *)(void *)(event + 1);
	size = sizeof(*event) + event->size;
	for (int round = 0; round < rounds; round++) {
		uint64_t start = now();

		for (int i = 0; i < FLUSHES; i++) {
			header->position += header->committed;
			header->started_before = header->started;
			header->started += SPANS;
			if (intake_event(intake, p.event, size))
				return 1;
		}
		times[round] = (double)(now() - start) / (FLUSHES * SPANS);
	}
	qsort(times, (size_t)rounds, sizeof(times[0]), by_number);
	printf("%.0f ns a span at best, %.0f the median of %d rounds (%zu bytes a span, %zu "
	       "spans)\n",
	       times[0], times[rounds / 2], rounds, p.size / SPANS, finished);
	intake_free(intake);
	return 0;
}
