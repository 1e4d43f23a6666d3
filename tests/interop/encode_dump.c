/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a varied batch of spans in both encodings, for encode_test.py to decode and compare:
 * encode_dump PROTOBUF_FILE JSON_FILE
 */
#include <math.h>

#include "../unit/span_builder.h"
#include "fields.h"
#include "otlp_encode.h"
#include "otlp_json.h"

#define START UINT64_C(1790000000123456789)
#define MOST 64

static void write_file(const char *path, const void *data, size_t size)
{
	FILE *file = fopen(path, "w");

	if (!file || fwrite(data, 1, size, file) != size || fclose(file)) {
		perror(path);
		exit(1);
	}
}

/* One of each kind of value, and of what is hard to write down. */
static void add_values(struct draft *draft)
{
	static const double reals[] = {
		0.0, -0.0,	1.5, 0.1,  -2.25, 1e300, 1e-300, 5e-324, 1e15, 123456,	 1e21,
		0.3, 1.0 / 3.0, NAN, 1e22, 99.99, 1e16,	 4.35,	 2e-7,	 1e-6, INFINITY, -INFINITY};
	static const int64_t integers[] = {0, 1, -1, 99, 100, INT64_MAX, INT64_MIN, 1234567890};
	struct piece nothing = {0}, values[3], pairs = {0}, deep = value_string("bottom");
	char key[32];

	for (size_t i = 0; i < sizeof(reals) / sizeof(*reals); i++) {
		snprintf(key, sizeof(key), "real.%zu", i);
		piece_attribute(&draft->attributes, 9, key, value_double(reals[i]));
	}
	for (size_t i = 0; i < sizeof(integers) / sizeof(*integers); i++) {
		snprintf(key, sizeof(key), "integer.%zu", i);
		piece_attribute(&draft->attributes, 9, key, value_int(integers[i]));
	}
	piece_attribute(&draft->attributes, 9, "true", value_bool(true));
	piece_attribute(&draft->attributes, 9, "false", value_bool(false));
	piece_attribute(&draft->attributes, 9, "empty string", value_string(""));
	piece_attribute(&draft->attributes, 9, "no value", nothing);
	piece_attribute(&draft->attributes, 9, "", value_string("no key"));
	piece_attribute(&draft->attributes, 9, "bytes 0", value_bytes(7, "", 0));
	piece_attribute(&draft->attributes, 9, "bytes 1", value_bytes(7, "\xff", 1));
	piece_attribute(&draft->attributes, 9, "bytes 2", value_bytes(7, "\xff\0", 2));
	piece_attribute(&draft->attributes, 9, "bytes 3", value_bytes(7, "\0\1\2", 3));
	piece_attribute(&draft->attributes, 9, "bytes 7", value_bytes(7, "1234567", 7));
	values[0] = value_int(1);
	values[1] = value_string("two");
	values[2] = (struct piece){0};
	piece_attribute(&draft->attributes, 9, "array", value_array(values, 3));
	piece_attribute(&draft->attributes, 9, "empty array", value_array(values, 0));
	piece_attribute(&pairs, 1, "a", value_double(2.5));
	piece_attribute(&pairs, 1, "b \"quoted\"", value_string("\\ \" / \b\f\n\r\t\x01\x1f\x7f"));
	piece_attribute(&draft->attributes, 9, "map", value_map(pairs));
	piece_attribute(&draft->attributes, 9, "empty map", value_map(nothing));
	for (int i = 0; i < 20; i++)
		deep = value_array(&deep, 1);
	piece_attribute(&draft->attributes, 9, "deep", deep);
	piece_attribute(&draft->attributes, 9, "料理", value_string("寿司 🍣 { } [ ] é"));
	draft->dropped_attributes = 300;
}

/* Maps in maps, as many as intake lets pass. */
static struct piece deepest(void)
{
	struct piece value = value_string("bottom");

	for (int i = 1; i < FIELD_DEPTH; i++) {
		struct piece pairs = {0};

		piece_attribute(&pairs, 1, "k", value);
		value = value_map(pairs);
	}
	return value;
}

static void add_events(struct draft *draft)
{
	struct piece attributes = {0}, nothing = {0};
	uint8_t trace_id[16], span_id[8];

	piece_event(&draft->events, START + 5, "no attributes", nothing);
	piece_attribute(&attributes, 3, "exception.type", value_string("KeyError"));
	piece_attribute(&attributes, 3, "exception.escaped", value_bool(false));
	piece_event(&draft->events, START + 7, "exception", attributes);
	attributes = (struct piece){0};
	piece_attribute(&attributes, 3, "deepest", deepest());
	piece_event(&draft->events, START + 8, "as deep as may be", attributes);
	draft->dropped_events = 1;
	draft_trace_id(trace_id, 200);
	draft_id(span_id, 4711);
	piece_link(&draft->links, trace_id, span_id, 0x301, nothing);
	attributes = (struct piece){0};
	piece_attribute(&attributes, 4, "batch", value_int(7));
	piece_link(&draft->links, trace_id, span_id, 0, attributes);
	draft->dropped_links = UINT32_MAX;
}

/* All that is not a default. */
static struct span *full_span(struct resource *resource, struct scope *scope)
{
	struct draft draft = {
		.resource = resource,
		.scope = scope,
		.trace = 1,
		.id = 1,
		.parent = 2,
		.start = START,
		.end = START + 1234567,
		.flags = 0x301,
		.kind = SPAN_SERVER,
		.status = SPAN_ERROR,
		.name = "GET /menu \"today\"",
		.tracestate = "ot=th:8,vendor=1",
		.status_message = "out of salt\n",
	};

	add_values(&draft);
	add_events(&draft);
	return make_span(&draft);
}

static struct span *small_span(struct resource *resource, struct scope *scope, uint32_t id)
{
	struct draft draft = {
		.resource = resource,
		.scope = scope,
		.trace = 2,
		.id = id,
		.start = START,
		.end = START + id,
		.kind = (uint8_t)(id % 6),
		.status = (uint8_t)(id % 3),
		.name = id % 4 ? "small" : NULL,
	};

	return make_span(&draft);
}

int main(int argc, char **argv)
{
	struct piece attributes = {0}, nothing = {0};
	struct resource *resources[3];
	struct scope *scopes[4];
	struct span *spans[MOST];
	struct otlp_encoder *encoder = otlp_encoder_new();
	struct grouping grouping = {0};
	struct text line = {0};
	struct bytes encoded;
	size_t n = 0;

	if (argc != 3 || !encoder)
		return 2;
	piece_attribute(&attributes, 1, "process.pid", value_int(4711));
	resources[0] = make_resource("shop", attributes);
	resources[1] = make_resource("kitchen", nothing);
	/* The same content, but another process. */
	resources[2] = make_resource("kitchen", nothing);
	attributes = (struct piece){0};
	piece_attribute(&attributes, 3, "short_name", value_string("t"));
	scopes[0] = make_scope("tracer", "1.0.0", attributes);
	scopes[1] = make_scope(NULL, NULL, nothing);
	/* Two that are equal become one. */
	scopes[2] = make_scope("other", NULL, nothing);
	scopes[3] = make_scope("other", NULL, nothing);

	spans[n++] = full_span(resources[0], scopes[0]);
	while (n < MOST) {
		spans[n] = small_span(resources[n % 3], scopes[n / 3 % 4], (uint32_t)n + 100);
		n++;
	}
	if (otlp_encode(encoder, spans, n, SIZE_MAX, &encoded) ||
	    otlp_json(&grouping, spans, n, &line))
		return 1;
	write_file(argv[1], encoded.data, encoded.size);
	write_file(argv[2], line.data, line.size);

	for (size_t i = 0; i < n; i++)
		span_unref(spans[i]);
	for (int i = 0; i < 3; i++)
		resource_unref(resources[i]);
	for (int i = 0; i < 4; i++)
		scope_unref(scopes[i]);
	otlp_encoder_free(encoder);
	group_clear(&grouping);
	text_free(&line);
	return 0;
}
