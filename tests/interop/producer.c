/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes spans that throughput.py can verify one by one:
 *
 *     producer SPANS RATE [THREADS]
 *
 * SPANS in all, RATE of them per second in each of THREADS (2) threads; 0 is as fast as they can. A
 * trace is a root and 10 children. Every span has 4 attributes and 1 event; "sequence" counts the
 * spans of a thread, with the thread in the upper 32 bits, and the others follow from it.
 */
#include <inttypes.h>
#include <otel/trace.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MOST_THREADS 64
#define PER_TRACE 11
#define BURST_NS 1000000 /* sleeps are at least this long */

static otel_tracer tracer = OTEL_TRACER("producer", "1.0.0");
static uint64_t rate;

struct worker {
	pthread_t thread;
	uint64_t number;
	uint64_t spans;
	uint64_t cpu_ns;
	uint64_t late_ns; /* the most that a burst came too late */
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Attributes that follow from the sequence number, and one event. */
static void write_span(otel_span *span, uint64_t sequence, uint64_t position)
{
	static const char digits[] = "0123456789abcdef";
	char text[] = "span 0123456789abcdef";

	for (unsigned i = 0; i < 16; i++)
		text[5 + i] = digits[sequence >> (60 - 4 * i) & 15];
	otel_set(*span, otel_int("sequence", sequence), otel_str("text", text),
		 otel_double("half", (double)(sequence & UINT32_MAX) / 2), otel_bool("odd", sequence & 1));
	otel_event(*span, "written", otel_int("position", position));
}

__attribute__((noinline)) static void child(uint64_t sequence, uint64_t position)
{
	OTEL_SPAN(span, &tracer, "child", otel_kind(OTEL_CLIENT));

	write_span(&span, sequence, position);
}

__attribute__((noinline)) static void trace(uint64_t sequence, uint64_t count)
{
	OTEL_SPAN(span, &tracer, "root", otel_kind(OTEL_SERVER));

	write_span(&span, sequence, 0);
	for (uint64_t i = 1; i < count; i++)
		child(sequence + i, i);
}

static void *work(void *data)
{
	struct worker *worker = data;
	uint64_t begin = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	for (uint64_t done = 0; done < worker->spans; done += PER_TRACE) {
		uint64_t left = worker->spans - done;

		if (rate) {
			uint64_t now = clock_ns(CLOCK_MONOTONIC);
			uint64_t due = begin + done * 1000000000u / rate;
			struct timespec until = {(time_t)((due + BURST_NS) / 1000000000u),
						 (long)((due + BURST_NS) % 1000000000u)};

			if (due > now)
				clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
			else if (now - due > worker->late_ns)
				worker->late_ns = now - due;
		}
		trace(worker->number << 32 | done, left < PER_TRACE ? left : PER_TRACE);
	}
	worker->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	return NULL;
}

int main(int argc, char **argv)
{
	static struct worker workers[MOST_THREADS];
	uint64_t spans = argc > 1 ? strtoull(argv[1], NULL, 10) : 0, begin, took, cpu = 0, late = 0;
	unsigned threads = argc > 3 ? (unsigned)atoi(argv[3]) : 2;

	if (!spans || argc < 3 || argc > 4 || !threads || threads > MOST_THREADS) {
		fprintf(stderr, "usage: producer SPANS RATE [THREADS]\n");
		return 2;
	}
	rate = strtoull(argv[2], NULL, 10);
	begin = clock_ns(CLOCK_MONOTONIC);
	for (unsigned i = 0; i < threads; i++) {
		workers[i].number = i;
		workers[i].spans = spans / threads + (i < spans % threads);
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return 1;
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		cpu += workers[i].cpu_ns;
		late = workers[i].late_ns > late ? workers[i].late_ns : late;
	}
	took = clock_ns(CLOCK_MONOTONIC) - begin;
	printf("%" PRIu64 " spans in %.2f s, %.0f per second, %" PRIu64
	       " ns of CPU each, at most %.1f ms late\n",
	       spans, (double)took / 1e9, (double)spans * 1e9 / (double)took, cpu / spans,
	       (double)late / 1e6);
	return 0;
}
