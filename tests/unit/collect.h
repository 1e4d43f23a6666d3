/* SPDX-License-Identifier: Apache-2.0 */
/* A sink for tests that keeps what it gets, and looks into it. */
#ifndef TESTS_COLLECT_H
#define TESTS_COLLECT_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../exporter/wire.h"
#include "intake.h"

struct collected {
	struct span *spans[4096];
	size_t n;
	const char *off; /* the tracer that is switched off; NULL: none */
};

static uint64_t collect_began; /* of intakes that are made; see intake_options.h */

static inline void collect_span(void *self, struct span *span)
{
	struct collected *it = self;

	if (it->n < 4096)
		it->spans[it->n++] = span_ref(span);
}

static inline void collected_free(struct collected *it)
{
	for (size_t i = 0; i < it->n; i++)
		span_unref(it->spans[i]);
	it->n = 0;
}

static inline bool collect_tracer_on(void *self, struct bytes name)
{
	const struct collected *it = self;

	return !it->off || name.size != strlen(it->off) || memcmp(name.data, it->off, name.size) != 0;
}

static inline struct intake *collect_new(struct collected *it, size_t max_open)
{
	const struct intake_options options = {
		.max_open = max_open,
		.began = collect_began,
		.sink = {.submit = collect_span, .self = it},
		.tracers = {.on = collect_tracer_on, .self = it},
	};

	memset(it, 0, sizeof(*it));
	return intake_new(&options);
}

static inline bool bytes_are(struct bytes bytes, const char *text)
{
	return bytes.size == strlen(text) && (!bytes.size || !memcmp(bytes.data, text, bytes.size));
}

/* Fields @number of a message. */
static inline size_t count_fields(struct bytes message, uint32_t number)
{
	struct wire_reader reader = wire_reader(message);
	struct wire_field field;
	size_t n = 0;

	while (wire_next(&reader, &field) > 0)
		n += field.number == number;
	return n;
}

/* The @index-th field @number. */
static inline struct wire_field field_at(struct bytes message, uint32_t number, size_t index)
{
	struct wire_reader reader = wire_reader(message);
	struct wire_field field;

	while (wire_next(&reader, &field) > 0)
		if (field.number == number && !index--)
			return field;
	return (struct wire_field){0};
}

/* The encoded AnyValue of an attribute among fields @number; .data is NULL if there is none. */
static inline struct bytes attribute(struct bytes fields, uint32_t number, const char *key)
{
	struct wire_reader reader = wire_reader(fields);
	struct wire_field field;

	while (wire_next(&reader, &field) > 0)
		if (field.number == number && bytes_are(field_at(field.bytes, 1, 0).bytes, key))
			return field_at(field.bytes, 2, 0).bytes;
	return (struct bytes){0};
}

/* The text of a string attribute. */
static inline struct bytes text_attribute(struct bytes fields, uint32_t number, const char *key)
{
	return field_at(attribute(fields, number, key), 1, 0).bytes;
}

static inline bool is_true(struct bytes fields, const char *key)
{
	return field_at(attribute(fields, 9, key), 2, 0).value == 1;
}

#endif
