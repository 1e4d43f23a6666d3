/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of what contexts carry: an agent that is attached by setting the semaphores that it would
 * set, and a count of the references that nobody gave back.
 */
#ifndef TESTS_CONTEXTS_H
#define TESTS_CONTEXTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <otel/propagation.h>

static otel_tracer tracer = OTEL_TRACER("test", "1");

static inline void attach(int on)
{
	otel_bpf_semaphores_v1 = (otel_u64)on; /* the first of them is otel:flush */
	otel_bpf_controls_v1[OTEL_CONTROL_ALL] = (otel_u16)on;
}

/* Samples @rate of 65536 roots; SAMPLE_ALL is the bit that says all. */
#define SAMPLE_ALL 65536u
static inline void sample(unsigned rate)
{
	otel_bpf_controls_v1[OTEL_CONTROL_ALL] = rate == SAMPLE_ALL;
	for (unsigned i = 0; i < 16; i++)
		otel_bpf_controls_v1[OTEL_CONTROL_RATE_1 + i] = rate >> (15 - i) & 1;
}

/* References that are held, of all texts. */
static inline unsigned references(void)
{
	const struct otel_anchor *anchor = (const struct otel_anchor *)otel_bpf_anchor_v1;
	unsigned sum = 0;

	for (unsigned which = 0; anchor && which < 2; which++) {
		const struct otel_store *store = (const struct otel_store *)anchor->stores[which];

		for (unsigned i = 0; store && i < store->made; i++)
			sum += (unsigned)otel_slot_(store, i)->state;
	}
	return sum;
}

static inline int begin(void **state)
{
	(void)state;
	attach(0);
	sample(0);
	otel_bpf_controls_v1[OTEL_CONTROL_IGNORE_PARENT] = 0;
	return 0;
}

static inline int finish(void **state)
{
	unsigned held = references();

	begin(state);
	if (held)
		fprintf(stderr, "%u references are held\n", held);
	return held ? -1 : 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

/* ---- Carriers: what was set, in order ---- */

struct headers {
	unsigned count;
	struct {
		char name[32];
		char value[8300];
	} list[8];
};

static inline void set_header(void *carrier, const char *name, const char *value)
{
	struct headers *headers = carrier;

	assert_true(headers->count < 8 && strlen(name) < 32 && strlen(value) < 8300);
	strcpy(headers->list[headers->count].name, name);
	strcpy(headers->list[headers->count++].value, value);
}

static inline const char *get_header(void *carrier, const char *name, unsigned index)
{
	struct headers *headers = carrier;

	for (unsigned i = 0; i < headers->count; i++)
		if (!strcmp(headers->list[i].name, name) && !index--)
			return headers->list[i].value;
	return NULL;
}

/* The value of a header that @context is sent with, or "-". */
static inline const char *sent(const otel_context *context, const char *name)
{
	static struct headers headers;
	const char *value;

	headers.count = 0;
	otel_inject_context(context, set_header, &headers);
	value = get_header(&headers, name, 0);
	return value ? value : "-";
}

#define TRACE_ID "12345678901234567890123456789012"
#define SPAN_ID "1234567890123456"
#define TRACEPARENT "00-" TRACE_ID "-" SPAN_ID "-01"
#define NOT_SAMPLED "00-" TRACE_ID "-" SPAN_ID "-00"

#define EXTRACT(...)                                                                               \
	otel_extract_lines((const char *const[]){__VA_ARGS__},                                     \
			   sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

#endif
