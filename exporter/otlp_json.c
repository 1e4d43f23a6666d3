/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp_json.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "otlp_read.h"

/* ---- Text ------------------------------------------------------------------------------------ */

static bool must_escape(uint8_t c)
{
	return c < 0x20 || c == '"' || c == '\\';
}

/* True if one of eight bytes must be escaped: the well-known "has a byte less than" of words. */
static bool must_escape_word(uint64_t word)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	uint64_t quotes = word ^ ones * '"', slashes = word ^ ones * '\\';
	uint64_t hits = ((word - ones * 0x20) & ~word) | ((quotes - ones) & ~quotes) |
			((slashes - ones) & ~slashes);

	return (hits & tops) != 0;
}

static size_t plain_prefix(const uint8_t *data, size_t size)
{
	uint64_t word;
	size_t i = 0;

	for (; size - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, data + i, sizeof(word));
		if (must_escape_word(word))
			break;
	}
	while (i < size && !must_escape(data[i]))
		i++;
	return i;
}

static void put_escape(struct text *out, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";
	char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
	const char *from = "\"\\\b\f\n\r\t", *to = "\"\\bfnrt", *known = c ? strchr(from, c) : NULL;

	if (!known) {
		text_put(out, escape, sizeof(escape));
		return;
	}
	escape[1] = to[known - from];
	text_put(out, escape, 2);
}

static void put_string(struct text *out, struct bytes bytes)
{
	const uint8_t *p = bytes.data;
	size_t left = bytes.size;

	text_put_char(out, '"');
	while (left) {
		size_t plain = plain_prefix(p, left);

		text_put(out, p, plain);
		p += plain;
		left -= plain;
		if (left) {
			put_escape(out, *p++);
			left--;
		}
	}
	text_put_char(out, '"');
}

static void put_quoted_uint(struct text *out, uint64_t value)
{
	text_put_char(out, '"');
	text_put_uint(out, value);
	text_put_char(out, '"');
}

static void put_quoted_hex(struct text *out, const uint8_t *data, size_t size)
{
	text_put_char(out, '"');
	text_put_hex(out, data, size);
	text_put_char(out, '"');
}

/*
 * Members of an object: each comes with a comma before it, unless it is the first one, which is
 * seen from the brace before it.
 */
static void put_comma(struct text *out)
{
	if (out->size && out->data[out->size - 1] != '{')
		text_put_char(out, ',');
}

#define put_key(out, key)                                                                          \
	do {                                                                                       \
		put_comma(out);                                                                    \
		text_put_literal(out, "\"" key "\":");                                             \
	} while (0)

#define put_string_member(out, key, bytes)                                                         \
	do {                                                                                       \
		if ((bytes).size) {                                                                \
			put_key(out, key);                                                         \
			put_string(out, bytes);                                                    \
		}                                                                                  \
	} while (0)

#define put_uint_member(out, key, value)                                                           \
	do {                                                                                       \
		if (value) {                                                                       \
			put_key(out, key);                                                         \
			text_put_uint(out, value);                                                 \
		}                                                                                  \
	} while (0)

/* ---- Values ---------------------------------------------------------------------------------- */

static void put_value(struct text *out, const struct otlp_value *value, int depth);

static void put_double(struct text *out, double value)
{
	if (isnan(value))
		text_put_literal(out, "\"NaN\"");
	else if (isinf(value))
		text_put_string(out, value < 0 ? "\"-Infinity\"" : "\"Infinity\"");
	else
		text_put_double(out, value);
}

static void put_array(struct text *out, struct bytes body, int depth)
{
	struct wire_reader reader = wire_reader(body);
	struct otlp_value element;
	bool first = true;

	text_put_literal(out, "{\"values\":[");
	while (otlp_next_value(&reader, &element)) {
		if (!first)
			text_put_char(out, ',');
		first = false;
		put_value(out, &element, depth + 1);
	}
	text_put_literal(out, "]}");
}

/* The elements of an array of KeyValue, without brackets; returns how many. */
static size_t put_pairs(struct text *out, struct bytes body, uint32_t number, int depth)
{
	struct wire_reader reader = wire_reader(body);
	struct otlp_attribute it;
	size_t n = 0;

	for (; otlp_next_attribute(&reader, number, &it); n++) {
		if (n)
			text_put_char(out, ',');
		text_put_literal(out, "{\"key\":");
		put_string(out, it.key);
		text_put_literal(out, ",\"value\":");
		put_value(out, &it.value, depth);
		text_put_char(out, '}');
	}
	return n;
}

static void put_value(struct text *out, const struct otlp_value *value, int depth)
{
	/* Deeper ones would be refused by any decoder. */
	enum otlp_type type = depth < OTLP_DEPTH ? value->type : OTLP_EMPTY;

	text_put_char(out, '{');
	switch (type) {
	case OTLP_EMPTY:
		break;
	case OTLP_STRING:
		text_put_literal(out, "\"stringValue\":");
		put_string(out, value->bytes);
		break;
	case OTLP_BOOL:
		text_put_literal(out, "\"boolValue\":");
		text_put_string(out, value->boolean ? "true" : "false");
		break;
	case OTLP_INT:
		text_put_literal(out, "\"intValue\":\"");
		text_put_int(out, value->integer);
		text_put_char(out, '"');
		break;
	case OTLP_DOUBLE:
		text_put_literal(out, "\"doubleValue\":");
		put_double(out, value->real);
		break;
	case OTLP_ARRAY:
		text_put_literal(out, "\"arrayValue\":");
		put_array(out, value->bytes, depth);
		break;
	case OTLP_MAP:
		text_put_literal(out, "\"kvlistValue\":{\"values\":[");
		put_pairs(out, value->bytes, 1, depth + 1);
		text_put_literal(out, "]}");
		break;
	case OTLP_BYTES:
		text_put_literal(out, "\"bytesValue\":\"");
		text_put_base64(out, value->bytes.data, value->bytes.size);
		text_put_char(out, '"');
		break;
	}
	text_put_char(out, '}');
}

static void put_attributes(struct text *out, struct bytes body, uint32_t number, uint32_t dropped)
{
	size_t before = out->size;

	if (body.size) {
		put_key(out, "attributes");
		text_put_char(out, '[');
		/* A default is left out; only now it is known that there are none. */
		if (put_pairs(out, body, number, 0))
			text_put_char(out, ']');
		else if (!out->failed)
			out->size = before;
	}
	put_uint_member(out, "droppedAttributesCount", dropped);
}

/* ---- Spans ----------------------------------------------------------------------------------- */

static void put_event(struct text *out, struct bytes body)
{
	struct otlp_event event;

	otlp_read_event(body, &event);
	text_put_char(out, '{');
	if (event.time_unix_nano) {
		put_key(out, "timeUnixNano");
		put_quoted_uint(out, event.time_unix_nano);
	}
	put_string_member(out, "name", event.name);
	put_attributes(out, event.attributes, OTLP_EVENT_ATTRIBUTES, event.dropped_attributes);
	text_put_char(out, '}');
}

static void put_link(struct text *out, struct bytes body)
{
	struct otlp_link link;

	otlp_read_link(body, &link);
	text_put_char(out, '{');
	if (link.trace_id.size) {
		put_key(out, "traceId");
		put_quoted_hex(out, link.trace_id.data, link.trace_id.size);
	}
	if (link.span_id.size) {
		put_key(out, "spanId");
		put_quoted_hex(out, link.span_id.data, link.span_id.size);
	}
	put_string_member(out, "traceState", link.tracestate);
	put_attributes(out, link.attributes, OTLP_LINK_ATTRIBUTES, link.dropped_attributes);
	put_uint_member(out, "flags", link.flags);
	text_put_char(out, '}');
}

static void put_bodies(struct text *out, struct bytes fields, uint32_t number,
		       void (*put)(struct text *out, struct bytes body))
{
	struct wire_reader reader = wire_reader(fields);
	struct bytes body;
	bool first = true;

	text_put_char(out, '[');
	while (otlp_next(&reader, number, &body)) {
		if (!first)
			text_put_char(out, ',');
		first = false;
		put(out, body);
	}
	text_put_char(out, ']');
}

static void put_status(struct text *out, const struct span *span)
{
	if (!span->status && !span->status_message.size)
		return;
	put_key(out, "status");
	text_put_char(out, '{');
	put_string_member(out, "message", span->status_message);
	put_uint_member(out, "code", span->status);
	text_put_char(out, '}');
}

static void put_span(struct text *out, const struct span *span)
{
	static const uint8_t none[8];

	text_put_literal(out, "{\"traceId\":");
	put_quoted_hex(out, span->trace_id, sizeof(span->trace_id));
	text_put_literal(out, ",\"spanId\":");
	put_quoted_hex(out, span->span_id, sizeof(span->span_id));
	put_string_member(out, "traceState", span->tracestate);
	if (memcmp(span->parent_id, none, sizeof(none)) != 0) {
		put_key(out, "parentSpanId");
		put_quoted_hex(out, span->parent_id, sizeof(span->parent_id));
	}
	put_uint_member(out, "flags", span->flags);
	put_string_member(out, "name", span->name);
	put_uint_member(out, "kind", span->kind);
	text_put_literal(out, ",\"startTimeUnixNano\":");
	put_quoted_uint(out, span->start_unix_nano);
	text_put_literal(out, ",\"endTimeUnixNano\":");
	put_quoted_uint(out, span->end_unix_nano);
	put_attributes(out, span->attributes, OTLP_SPAN_ATTRIBUTES, span->dropped_attributes);
	if (span->events.size) {
		put_key(out, "events");
		put_bodies(out, span->events, OTLP_SPAN_EVENTS, put_event);
	}
	put_uint_member(out, "droppedEventsCount", span->dropped_events);
	if (span->links.size) {
		put_key(out, "links");
		put_bodies(out, span->links, OTLP_SPAN_LINKS, put_link);
	}
	put_uint_member(out, "droppedLinksCount", span->dropped_links);
	put_status(out, span);
	text_put_char(out, '}');
}

/* ---- The request ----------------------------------------------------------------------------- */

static void put_scope_spans(struct text *out, const struct grouping *g,
			    const struct group_scope *it, struct span *const *spans)
{
	text_put_char(out, '{');
	if (it->scope->encoded.size) {
		struct otlp_scope scope;

		otlp_read_scope(it->scope->encoded, &scope);
		put_key(out, "scope");
		text_put_char(out, '{');
		put_string_member(out, "name", scope.name);
		put_string_member(out, "version", scope.version);
		put_attributes(out, scope.attributes, OTLP_SCOPE_ATTRIBUTES,
			       scope.dropped_attributes);
		text_put_char(out, '}');
	}
	put_key(out, "spans");
	for (uint32_t i = it->first_span; i != GROUP_NONE; i = g->next_span[i]) {
		text_put_char(out, i == it->first_span ? '[' : ',');
		put_span(out, spans[i]);
	}
	text_put_char(out, ']');
	put_string_member(out, "schemaUrl", it->scope->schema_url);
	text_put_char(out, '}');
}

static void put_resource_spans(struct text *out, const struct grouping *g,
			       const struct group_resource *it, struct span *const *spans)
{
	text_put_char(out, '{');
	if (it->resource->encoded.size) {
		put_key(out, "resource");
		text_put_char(out, '{');
		put_attributes(out, it->resource->encoded, OTLP_RESOURCE_ATTRIBUTES,
			       otlp_resource_dropped(it->resource->encoded));
		text_put_char(out, '}');
	}
	put_key(out, "scopeSpans");
	for (uint32_t s = it->first_scope; s != GROUP_NONE; s = g->scopes[s].next) {
		text_put_char(out, s == it->first_scope ? '[' : ',');
		put_scope_spans(out, g, &g->scopes[s], spans);
	}
	text_put_char(out, ']');
	put_string_member(out, "schemaUrl", it->resource->schema_url);
	text_put_char(out, '}');
}

int otlp_json(struct grouping *grouping, struct span *const *spans, size_t n, struct text *out)
{
	int err = group_spans(grouping, spans, n);

	if (err)
		return err;
	text_put_literal(out, "{\"resourceSpans\":[");
	for (uint32_t r = 0; r < grouping->n_resources; r++) {
		if (r)
			text_put_char(out, ',');
		put_resource_spans(out, grouping, &grouping->resources[r], spans);
	}
	text_put_literal(out, "]}\n");
	return out->failed ? -ENOMEM : 0;
}
