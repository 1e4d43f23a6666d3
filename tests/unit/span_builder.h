/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes spans up for tests: encodes what the agent's assembler would hand over. Written apart
 * from exporter/wire.h on purpose, so that a mistake there does not show on both sides.
 */
#ifndef OTEL_BPF_TESTS_SPAN_BUILDER_H
#define OTEL_BPF_TESTS_SPAN_BUILDER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "span.h"

/* Encoded bytes that grow. */
struct piece {
	uint8_t *data;
	size_t size;
};

static inline void piece_add(struct piece *piece, const void *data, size_t size)
{
	piece->data = realloc(piece->data, piece->size + size + 1);
	if (!piece->data)
		abort();
	if (size)
		memcpy(piece->data + piece->size, data, size);
	piece->size += size;
}

static inline void piece_varint(struct piece *piece, uint64_t value)
{
	uint8_t byte;

	do {
		byte = (uint8_t)(value & 0x7f) | (value > 0x7f ? 0x80 : 0);
		piece_add(piece, &byte, 1);
		value >>= 7;
	} while (value);
}

static inline void piece_bytes(struct piece *piece, unsigned int number, const void *data, size_t n)
{
	piece_varint(piece, number * 8 + 2);
	piece_varint(piece, n);
	piece_add(piece, data, n);
}

/* Puts @inner as field @number into @piece, and frees it. */
static inline void piece_message(struct piece *piece, unsigned int number, struct piece inner)
{
	piece_bytes(piece, number, inner.data, inner.size);
	free(inner.data);
}

static inline struct piece value_bytes(unsigned int number, const void *data, size_t size)
{
	struct piece value = {0};

	piece_bytes(&value, number, data, size);
	return value;
}

static inline struct piece value_string(const char *text)
{
	return value_bytes(1, text, strlen(text));
}

static inline struct piece value_varint(unsigned int number, uint64_t number_value)
{
	struct piece value = {0};

	piece_varint(&value, number * 8);
	piece_varint(&value, number_value);
	return value;
}

static inline struct piece value_bool(bool boolean)
{
	return value_varint(2, boolean);
}

static inline struct piece value_int(int64_t integer)
{
	return value_varint(3, (uint64_t)integer);
}

static inline struct piece value_double(double real)
{
	struct piece value = {0};

	piece_varint(&value, 4 * 8 + 1);
	piece_add(&value, &real, sizeof(real));
	return value;
}

/* An array of values; takes them over. */
static inline struct piece value_array(struct piece *values, size_t n)
{
	struct piece array = {0}, value = {0};

	for (size_t i = 0; i < n; i++)
		piece_message(&array, 1, values[i]);
	piece_message(&value, 5, array);
	return value;
}

/* Appends an attribute; takes the value over. */
static inline void piece_attribute(struct piece *piece, unsigned int number, const char *key,
				   struct piece value)
{
	struct piece pair = {0};

	if (*key)
		piece_bytes(&pair, 1, key, strlen(key));
	piece_message(&pair, 2, value);
	piece_message(piece, number, pair);
}

/* A value that is a map with what @pairs has as fields 1; takes it over. */
static inline struct piece value_map(struct piece pairs)
{
	struct piece value = {0};

	piece_message(&value, 6, pairs);
	return value;
}

/* Appends an event to a span's; takes over its attributes, which are fields 3. */
static inline void piece_event(struct piece *events, uint64_t at, const char *name,
			       struct piece attributes)
{
	struct piece event = {0};

	piece_varint(&event, 1 * 8 + 1);
	piece_add(&event, &at, sizeof(at));
	piece_bytes(&event, 2, name, strlen(name));
	piece_add(&event, attributes.data, attributes.size);
	free(attributes.data);
	piece_message(events, 11, event);
}

/* Appends a link; takes over its attributes, which are fields 4. */
static inline void piece_link(struct piece *links, const uint8_t trace_id[16],
			      const uint8_t span_id[8], uint32_t flags, struct piece attributes)
{
	struct piece link = {0};

	piece_bytes(&link, 1, trace_id, 16);
	piece_bytes(&link, 2, span_id, 8);
	piece_add(&link, attributes.data, attributes.size);
	free(attributes.data);
	if (flags) {
		piece_varint(&link, 6 * 8 + 5);
		piece_add(&link, &flags, sizeof(flags));
	}
	piece_message(links, 13, link);
}

static inline struct bytes put_into(uint8_t **room, const void *data, size_t size)
{
	struct bytes bytes = {.data = *room, .size = size};

	if (size)
		memcpy(*room, data, size);
	*room += size;
	return bytes;
}

/* A resource with the service's name and whatever else is in @more (fields 1), which it frees. */
static inline struct resource *make_resource(const char *service, struct piece more)
{
	static const char schema[] = "https://opentelemetry.io/schemas/1.36.0";
	struct piece encoded = {0};
	struct resource *resource;
	uint8_t *room;

	piece_attribute(&encoded, 1, "service.name", value_string(service));
	piece_add(&encoded, more.data, more.size);
	free(more.data);
	resource = resource_new(encoded.size + strlen(service) + sizeof(schema), &room);
	if (!resource)
		abort();
	resource->encoded = put_into(&room, encoded.data, encoded.size);
	resource->service_name = put_into(&room, service, strlen(service));
	resource->schema_url = put_into(&room, schema, sizeof(schema) - 1);
	resource->pid = 4711;
	free(encoded.data);
	return resource;
}

/* @name NULL: no scope at all. Frees @more (fields 3). */
static inline struct scope *make_scope(const char *name, const char *version, struct piece more)
{
	struct piece encoded = {0};
	struct scope *scope;
	uint8_t *room;

	if (name)
		piece_bytes(&encoded, 1, name, strlen(name));
	if (version)
		piece_bytes(&encoded, 2, version, strlen(version));
	piece_add(&encoded, more.data, more.size);
	free(more.data);
	scope = scope_new(encoded.size + (name ? strlen(name) : 0), &room);
	if (!scope)
		abort();
	scope->encoded = put_into(&room, encoded.data, encoded.size);
	scope->name = put_into(&room, name, name ? strlen(name) : 0);
	free(encoded.data);
	return scope;
}

/* What a span shall be; the strings may be NULL, the pieces are freed by make_span(). */
struct draft {
	struct resource *resource; /* the span takes references of its own */
	struct scope *scope;
	uint8_t trace; /* the ids are made of these: see draft_id() */
	uint32_t id;
	uint32_t parent;
	uint64_t start, end;
	uint32_t flags;
	uint8_t kind, status;
	uint32_t dropped_attributes, dropped_events, dropped_links;
	const char *name, *tracestate, *status_message;
	struct piece attributes, events, links;
};

static inline void draft_trace_id(uint8_t id[16], uint8_t trace)
{
	for (int i = 0; i < 16; i++)
		id[i] = (uint8_t)(trace * 37 + i * 17 + 1);
}

static inline void draft_id(uint8_t id[8], uint32_t number)
{
	uint64_t spread = number * UINT64_C(0x9e3779b97f4a7c15);

	memcpy(id, &spread, 8); /* 0 stays 0 */
}

static inline size_t length(const char *string)
{
	return string ? strlen(string) : 0;
}

static inline struct span *make_span(const struct draft *draft)
{
	struct span *span;
	uint8_t *room;

	span = span_new(length(draft->name) + length(draft->tracestate) +
				length(draft->status_message) + draft->attributes.size +
				draft->events.size + draft->links.size,
			&room);
	if (!span)
		abort();
	span->resource = resource_ref(draft->resource);
	span->scope = scope_ref(draft->scope);
	draft_trace_id(span->trace_id, draft->trace);
	draft_id(span->span_id, draft->id);
	draft_id(span->parent_id, draft->parent);
	span->start_unix_nano = draft->start;
	span->end_unix_nano = draft->end;
	span->flags = draft->flags;
	span->kind = draft->kind;
	span->status = draft->status;
	span->dropped_attributes = draft->dropped_attributes;
	span->dropped_events = draft->dropped_events;
	span->dropped_links = draft->dropped_links;
	span->name = put_into(&room, draft->name, length(draft->name));
	span->tracestate = put_into(&room, draft->tracestate, length(draft->tracestate));
	span->status_message =
		put_into(&room, draft->status_message, length(draft->status_message));
	span->attributes = put_into(&room, draft->attributes.data, draft->attributes.size);
	span->events = put_into(&room, draft->events.data, draft->events.size);
	span->links = put_into(&room, draft->links.data, draft->links.size);
	free(draft->attributes.data);
	free(draft->events.data);
	free(draft->links.data);
	return span;
}

#endif
