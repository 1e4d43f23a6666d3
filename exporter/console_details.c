/* SPDX-License-Identifier: Apache-2.0 */
#include "console_details.h"

#include <inttypes.h>
#include <stdio.h>

#include "otlp_read.h"

/* A value is shown up to here; all of it is in the other exporters. */
#define VALUE_BYTES 1024
#define VALUE_LINES 40
#define LEVELS 8

struct details {
	struct terminal *terminal;
	const struct text *prefix;
	size_t prefix_width;
};

static struct paragraph begin(const struct details *details, size_t hanging)
{
	struct paragraph p = {
		.terminal = details->terminal,
		.prefix = details->prefix,
		.prefix_width = details->prefix_width,
		.hanging = hanging,
	};

	paragraph_begin(&p);
	return p;
}

static bool needs_quotes(struct bytes text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] == ' ' || text.data[i] == '"' || text.data[i] == '=')
			return true;
	}
	return !text.size;
}

static void put_text(struct text *out, struct bytes text)
{
	struct bytes part = text;
	bool quotes = needs_quotes(text);

	if (part.size > VALUE_BYTES) {
		part.size = VALUE_BYTES;
		/* Not in the middle of a character. */
		while (part.size && (part.data[part.size] & 0xc0) == 0x80)
			part.size--;
	}
	if (quotes)
		text_put_char(out, '"');
	for (size_t i = 0; i < part.size; i++) {
		if (quotes && part.data[i] == '"')
			text_put_char(out, '\\');
		text_put_char(out, (char)part.data[i]);
	}
	if (quotes)
		text_put_char(out, '"');
	if (part.size < text.size) {
		text_put_literal(out, "… (");
		text_put_uint(out, text.size);
		text_put_literal(out, " bytes)");
	}
}

static void put_value(struct text *out, const struct otlp_value *value, int level);

static void put_values(struct text *out, struct bytes body, int level)
{
	struct wire_reader reader = wire_reader(body);
	struct otlp_value element;

	text_put_char(out, '[');
	for (int n = 0; otlp_next_value(&reader, &element); n++) {
		if (n)
			text_put_literal(out, ", ");
		put_value(out, &element, level + 1);
	}
	text_put_char(out, ']');
}

static void put_pairs(struct text *out, struct bytes body, int level)
{
	struct wire_reader reader = wire_reader(body);
	struct otlp_attribute pair;

	text_put_char(out, '{');
	for (int n = 0; otlp_next_attribute(&reader, 1, &pair); n++) {
		if (n)
			text_put_literal(out, ", ");
		text_put(out, pair.key.data, pair.key.size);
		text_put_char(out, '=');
		put_value(out, &pair.value, level + 1);
	}
	text_put_char(out, '}');
}

static void put_octets(struct text *out, struct bytes octets)
{
	size_t shown = octets.size < VALUE_BYTES / 2 ? octets.size : VALUE_BYTES / 2;

	text_put_literal(out, "0x");
	text_put_hex(out, octets.data, shown);
	if (shown < octets.size) {
		text_put_literal(out, "… (");
		text_put_uint(out, octets.size);
		text_put_literal(out, " bytes)");
	}
}

static void put_value(struct text *out, const struct otlp_value *value, int level)
{
	if (level > LEVELS || out->size > 4 * VALUE_BYTES) {
		text_put_literal(out, "…");
		return;
	}
	switch (value->type) {
	case OTLP_EMPTY:
		text_put_literal(out, "(empty)");
		break;
	case OTLP_STRING:
		put_text(out, value->bytes);
		break;
	case OTLP_BOOL:
		text_put_string(out, value->boolean ? "true" : "false");
		break;
	case OTLP_INT:
		text_put_int(out, value->integer);
		break;
	case OTLP_DOUBLE:
		text_put_double(out, value->real);
		break;
	case OTLP_ARRAY:
		put_values(out, value->bytes, level);
		break;
	case OTLP_MAP:
		put_pairs(out, value->bytes, level);
		break;
	case OTLP_BYTES:
		put_octets(out, value->bytes);
		break;
	}
}

/* A text of several lines, such as a stack trace, keeps them. */
static bool has_lines(const struct otlp_value *value)
{
	return value->type == OTLP_STRING && value->bytes.size &&
	       memchr(value->bytes.data, '\n', value->bytes.size - 1);
}

static void put_lines(struct paragraph *p, struct bytes text)
{
	const uint8_t *end = text.data + text.size, *line = text.data, *next;
	size_t lines = 0;

	for (; line < end; line = next + 1) {
		next = memchr(line, '\n', (size_t)(end - line));
		if (!next)
			next = end;
		paragraph_break(p);
		if (++lines > VALUE_LINES) {
			paragraph_put_string(p, STYLE_DIM, "…");
			break;
		}
		paragraph_put(p, STYLE_PLAIN, (struct bytes){line, (size_t)(next - line)});
	}
}

static void put_attributes(struct paragraph *p, struct bytes fields, uint32_t number,
			   uint32_t dropped)
{
	struct wire_reader reader = wire_reader(fields);
	struct otlp_attribute it;
	struct text value = {0};
	bool block = false;
	char more[40];

	while (otlp_next_attribute(&reader, number, &it)) {
		text_clear(&value);
		if (block)
			paragraph_break(p);
		block = has_lines(&it.value);
		if (!block)
			put_value(&value, &it.value, 0);
		paragraph_gap(p, 2);
		paragraph_keep(p, display_width(it.key) + 1 + display_width(text_bytes(&value)));
		paragraph_put(p, STYLE_DIM, it.key);
		paragraph_put_string(p, STYLE_DIM, "=");
		p->hanging += 2;
		if (block)
			put_lines(p, it.value.bytes);
		else
			paragraph_put(p, STYLE_PLAIN, text_bytes(&value));
		p->hanging -= 2;
	}
	text_free(&value);
	if (!dropped)
		return;
	if (block)
		paragraph_break(p);
	snprintf(more, sizeof(more), "(%" PRIu32 " more)", dropped);
	paragraph_gap(p, 2);
	paragraph_keep(p, strlen(more));
	paragraph_put_string(p, STYLE_DIM, more);
}

static void show_status(const struct details *details, const struct span *span)
{
	struct paragraph p;

	if (span->status != SPAN_ERROR || !span->status_message.size)
		return;
	p = begin(details, 2);
	paragraph_put_string(&p, STYLE_ERROR, "✗ ");
	paragraph_put(&p, STYLE_ERROR, span->status_message);
	paragraph_end(&p);
}

static void show_attributes(const struct details *details, const struct span *span)
{
	struct paragraph p;

	if (!span->attributes.size && !span->dropped_attributes)
		return;
	p = begin(details, 0);
	put_attributes(&p, span->attributes, OTLP_SPAN_ATTRIBUTES, span->dropped_attributes);
	paragraph_end(&p);
}

static void put_offset(struct paragraph *p, uint64_t start, uint64_t at)
{
	struct text offset = {0};

	text_put_char(&offset, at < start ? '-' : '+');
	display_put_duration(&offset, at < start ? start - at : at - start);
	paragraph_put(p, STYLE_EVENT, text_bytes(&offset));
	text_free(&offset);
}

static void show_events(const struct details *details, const struct span *span)
{
	struct wire_reader reader = wire_reader(span->events);
	struct otlp_event event;
	struct paragraph p;
	struct bytes body;

	while (otlp_next(&reader, OTLP_SPAN_EVENTS, &body)) {
		otlp_read_event(body, &event);
		p = begin(details, 2);
		put_offset(&p, span->start_unix_nano, event.time_unix_nano);
		paragraph_gap(&p, 1);
		paragraph_put(&p, STYLE_BOLD, event.name);
		put_attributes(&p, event.attributes, OTLP_EVENT_ATTRIBUTES,
			       event.dropped_attributes);
		paragraph_end(&p);
	}
}

static void show_links(const struct details *details, const struct span *span)
{
	struct wire_reader reader = wire_reader(span->links);
	struct text ids = {0};
	struct otlp_link link;
	struct paragraph p;
	struct bytes body;

	while (otlp_next(&reader, OTLP_SPAN_LINKS, &body)) {
		otlp_read_link(body, &link);
		text_clear(&ids);
		text_put_hex(&ids, link.trace_id.data, link.trace_id.size);
		text_put_char(&ids, ':');
		text_put_hex(&ids, link.span_id.data, link.span_id.size);
		p = begin(details, 2);
		paragraph_put_string(&p, STYLE_EVENT, "→ ");
		paragraph_put(&p, STYLE_PLAIN, text_bytes(&ids));
		put_attributes(&p, link.attributes, OTLP_LINK_ATTRIBUTES, link.dropped_attributes);
		paragraph_end(&p);
	}
	text_free(&ids);
}

static void show_loss(const struct details *details, uint32_t n, const char *what)
{
	struct paragraph p;
	char line[40];

	if (!n)
		return;
	snprintf(line, sizeof(line), "(%" PRIu32 " more %s)", n, what);
	p = begin(details, 2);
	paragraph_put_string(&p, STYLE_DIM, line);
	paragraph_end(&p);
}

void console_details(struct terminal *terminal, const struct text *prefix, size_t width,
		     const struct span *span)
{
	struct details details = {terminal, prefix, width};

	show_status(&details, span);
	show_attributes(&details, span);
	show_events(&details, span);
	show_loss(&details, span->dropped_events, "events");
	show_links(&details, span);
	show_loss(&details, span->dropped_links, "links");
}
