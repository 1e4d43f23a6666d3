/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of the fields are those of opentelemetry/proto/trace/v1/trace.proto. */
#include "otlp_encode.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "group.h"
#include "wire.h"

struct otlp_encoder {
	struct grouping grouping;
	size_t *sizes; /* of the bodies of the spans */
	size_t sizes_capacity;
	uint8_t *buffer;
	size_t buffer_capacity;
};

struct otlp_encoder *otlp_encoder_new(void)
{
	return calloc(1, sizeof(struct otlp_encoder));
}

void otlp_encoder_free(struct otlp_encoder *encoder)
{
	if (!encoder)
		return;
	group_clear(&encoder->grouping);
	free(encoder->sizes);
	free(encoder->buffer);
	free(encoder);
}

/*
 * Room for @size bytes, more than that when it grows; what was there is gone, for nobody needs it.
 * NULL: ENOMEM.
 */
static void *reserve(void *memory, size_t *capacity, size_t size)
{
	if (size <= *capacity)
		return memory;
	free(memory);
	*capacity = 0;
	size += size / 4;
	memory = malloc(size);
	if (memory)
		*capacity = size;
	return memory;
}

static bool has_id(const uint8_t id[8])
{
	uint64_t value;

	memcpy(&value, id, sizeof(value));
	return value != 0;
}

/* Proto3: a field that has its default is not written. */
static size_t size_of_bytes(uint32_t number, struct bytes bytes)
{
	return bytes.size ? wire_bytes_size(number, bytes.size) : 0;
}

static uint8_t *put_bytes(uint8_t *p, uint32_t number, struct bytes bytes)
{
	return bytes.size ? wire_put_bytes(p, number, bytes.data, bytes.size) : p;
}

static size_t size_of_uint(uint32_t number, uint64_t value)
{
	return value ? wire_uint_size(number, value) : 0;
}

static uint8_t *put_uint(uint8_t *p, uint32_t number, uint64_t value)
{
	return value ? wire_put_uint(p, number, value) : p;
}

static size_t status_size(const struct span *span)
{
	return size_of_bytes(2, span->status_message) + size_of_uint(3, span->status);
}

static size_t span_size(const struct span *span)
{
	/* trace_id, span_id, start_time_unix_nano and end_time_unix_nano, with their tags */
	size_t size = 18 + 10 + 9 + 9, status = status_size(span);

	size += size_of_bytes(3, span->tracestate);
	size += has_id(span->parent_id) ? 10 : 0;
	size += size_of_bytes(5, span->name);
	size += size_of_uint(6, span->kind);
	size += span->attributes.size;
	size += size_of_uint(10, span->dropped_attributes);
	size += span->events.size;
	size += size_of_uint(12, span->dropped_events);
	size += span->links.size;
	size += size_of_uint(14, span->dropped_links);
	size += status ? wire_bytes_size(15, status) : 0;
	size += span->flags ? 6 : 0;
	return size;
}

static uint8_t *put_span(uint8_t *p, const struct span *span)
{
	size_t status = status_size(span);

	p = wire_put_bytes(p, 1, span->trace_id, sizeof(span->trace_id));
	p = wire_put_bytes(p, 2, span->span_id, sizeof(span->span_id));
	p = put_bytes(p, 3, span->tracestate);
	if (has_id(span->parent_id))
		p = wire_put_bytes(p, 4, span->parent_id, sizeof(span->parent_id));
	p = put_bytes(p, 5, span->name);
	p = put_uint(p, 6, span->kind);
	p = wire_put_fixed64(p, 7, span->start_unix_nano);
	p = wire_put_fixed64(p, 8, span->end_unix_nano);
	p = wire_put_raw(p, span->attributes.data, span->attributes.size);
	p = put_uint(p, 10, span->dropped_attributes);
	p = wire_put_raw(p, span->events.data, span->events.size);
	p = put_uint(p, 12, span->dropped_events);
	p = wire_put_raw(p, span->links.data, span->links.size);
	p = put_uint(p, 14, span->dropped_links);
	if (status) {
		p = wire_put_header(p, 15, status);
		p = put_bytes(p, 2, span->status_message);
		p = put_uint(p, 3, span->status);
	}
	if (span->flags)
		p = wire_put_fixed32(p, 16, span->flags);
	return p;
}

/* Fills in all sizes, from the spans up; returns that of the request. */
static size_t request_size(struct otlp_encoder *encoder, struct span *const *spans, size_t n)
{
	struct grouping *g = &encoder->grouping;
	size_t total = 0;

	for (size_t i = 0; i < n; i++)
		encoder->sizes[i] = span_size(spans[i]);
	for (uint32_t s = 0; s < g->n_scopes; s++) {
		struct group_scope *it = &g->scopes[s];

		it->size = size_of_bytes(1, it->scope->encoded) +
			   size_of_bytes(3, it->scope->schema_url);
		for (uint32_t i = it->first_span; i != GROUP_NONE; i = g->next_span[i])
			it->size += wire_bytes_size(2, encoder->sizes[i]);
	}
	for (uint32_t r = 0; r < g->n_resources; r++) {
		struct group_resource *it = &g->resources[r];

		it->size = size_of_bytes(1, it->resource->encoded) +
			   size_of_bytes(3, it->resource->schema_url);
		for (uint32_t s = it->first_scope; s != GROUP_NONE; s = g->scopes[s].next)
			it->size += wire_bytes_size(2, g->scopes[s].size);
		total += wire_bytes_size(1, it->size);
	}
	return total;
}

static uint8_t *put_request(uint8_t *p, const struct otlp_encoder *encoder,
			    struct span *const *spans)
{
	const struct grouping *g = &encoder->grouping;

	for (uint32_t r = 0; r < g->n_resources; r++) {
		const struct group_resource *resource = &g->resources[r];

		p = wire_put_header(p, 1, resource->size);
		p = put_bytes(p, 1, resource->resource->encoded);
		for (uint32_t s = resource->first_scope; s != GROUP_NONE; s = g->scopes[s].next) {
			const struct group_scope *scope = &g->scopes[s];

			p = wire_put_header(p, 2, scope->size);
			p = put_bytes(p, 1, scope->scope->encoded);
			for (uint32_t i = scope->first_span; i != GROUP_NONE; i = g->next_span[i]) {
				p = wire_put_header(p, 2, encoder->sizes[i]);
				p = put_span(p, spans[i]);
			}
			p = put_bytes(p, 3, scope->scope->schema_url);
		}
		p = put_bytes(p, 3, resource->resource->schema_url);
	}
	return p;
}

int otlp_encode(struct otlp_encoder *encoder, struct span *const *spans, size_t n, size_t most,
		struct bytes *out)
{
	size_t size;
	int err = group_spans(&encoder->grouping, spans, n);

	if (err)
		return err;
	encoder->sizes =
		reserve(encoder->sizes, &encoder->sizes_capacity, n * sizeof(*encoder->sizes));
	if (!encoder->sizes && n)
		return -ENOMEM;
	size = request_size(encoder, spans, n);
	if (size > most)
		return -EMSGSIZE;
	encoder->buffer = reserve(encoder->buffer, &encoder->buffer_capacity, size);
	if (!encoder->buffer && size)
		return -ENOMEM;
	put_request(encoder->buffer, encoder, spans);
	*out = (struct bytes){.data = encoder->buffer, .size = size};
	return 0;
}
