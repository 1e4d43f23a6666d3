/* SPDX-License-Identifier: Apache-2.0 */
#include "fields.h"

#include <stdbool.h>

#include "utf8.h"
#include "wire.h"

/* W3C asks for at least 512 bytes to be passed on; more than this helps nobody. */
#define TRACESTATE_MAX 1024

enum { ANY_STRING = 1, ANY_BOOL, ANY_INT, ANY_DOUBLE, ANY_ARRAY, ANY_KVLIST, ANY_BYTES };

static int bad(const char **why, const char *what)
{
	*why = what;
	return -EBADMSG;
}

static int any_value_check(struct bytes body, unsigned int depth, const char **why);

static int one_key_value_check(struct bytes body, unsigned int depth, struct bytes *key,
			       const char **why)
{
	struct wire_reader reader = wire_reader(body);
	bool has_key = false, has_value = false;
	struct wire_field field;
	int found, repair = 0;

	*key = (struct bytes){0};
	while ((found = wire_next(&reader, &field)) > 0) {
		if (field.type != WIRE_BYTES)
			return bad(why, "bad wire type in an attribute");
		if (field.number == 1 && !has_key) {
			has_key = true;
			*key = field.bytes;
			if (!utf8_valid(key->data, key->size))
				repair = 1;
		} else if (field.number == 2 && !has_value) {
			has_value = true;
			found = any_value_check(field.bytes, depth, why);
			if (found < 0)
				return found;
			repair |= found;
		} else {
			return bad(why, "unknown or repeated field in an attribute");
		}
	}
	return found < 0 ? bad(why, "broken attribute") : repair;
}

/* ArrayValue and KeyValueList: repeated fields 1. */
static int elements_check(struct bytes body, bool keyed, unsigned int depth, const char **why)
{
	struct wire_reader reader = wire_reader(body);
	struct wire_field field;
	struct bytes key;
	int found, repair = 0;

	while ((found = wire_next(&reader, &field)) > 0) {
		if (field.number != 1 || field.type != WIRE_BYTES)
			return bad(why, "bad element of an array or map");
		if (keyed)
			found = one_key_value_check(field.bytes, depth, &key, why);
		else
			found = any_value_check(field.bytes, depth, why);
		if (found < 0)
			return found;
		repair |= found;
	}
	return found < 0 ? bad(why, "broken array or map") : repair;
}

/* @depth: 1 for the value of an attribute. */
static int any_value_check(struct bytes body, unsigned int depth, const char **why)
{
	static const uint8_t types[] = {
		[ANY_STRING] = WIRE_BYTES,   [ANY_BOOL] = WIRE_VARINT, [ANY_INT] = WIRE_VARINT,
		[ANY_DOUBLE] = WIRE_FIXED64, [ANY_ARRAY] = WIRE_BYTES, [ANY_KVLIST] = WIRE_BYTES,
		[ANY_BYTES] = WIRE_BYTES,
	};
	struct wire_reader reader = wire_reader(body);
	struct wire_field field;
	int found;

	if (!body.size)
		return 0;
	if (depth > FIELD_DEPTH)
		return 1;
	found = wire_next(&reader, &field);
	if (found < 0)
		return bad(why, "broken value");
	if (field.number < ANY_STRING || field.number > ANY_BYTES)
		return bad(why, "unknown kind of value");
	if (field.type != types[field.number])
		return bad(why, "bad wire type in a value");
	/* The last of several would win: no writer that means well does that. */
	if (reader.p != reader.end)
		return bad(why, "more than one value");
	switch (field.number) {
	case ANY_STRING:
		return !utf8_valid(field.bytes.data, field.bytes.size);
	case ANY_ARRAY:
	case ANY_KVLIST:
		return elements_check(field.bytes, field.number == ANY_KVLIST, depth + 1, why);
	default:
		return 0;
	}
}

int key_value_check(struct bytes body, struct bytes *key, const char **why)
{
	return one_key_value_check(body, 1, key, why);
}

/* ---- Repairing ----------------------------------------------------------------------------- */

/*
 * Lengths of messages are written behind the content, with as many bytes as the largest takes:
 * protobuf allows that, and it saves moving what is inside once for every level.
 */
#define PADDED 5

static uint8_t *begin_message(uint8_t *out, uint32_t number)
{
	return wire_put_tag(out, number, WIRE_BYTES) + PADDED;
}

static void end_message(uint8_t *content, const uint8_t *end)
{
	size_t size = (size_t)(end - content);
	uint8_t *p = content - PADDED;

	for (int i = 0; i < PADDED - 1; i++, size >>= 7)
		*p++ = (uint8_t)(size | 0x80);
	*p = (uint8_t)size;
}

static uint8_t *any_value_repair(uint8_t *out, struct bytes body, unsigned int depth,
				 size_t most);

static uint8_t *one_key_value_repair(uint8_t *out, struct bytes body, unsigned int depth,
				     size_t most)
{
	struct wire_reader reader = wire_reader(body);
	struct wire_field field;
	uint8_t *content;

	while (wire_next(&reader, &field) > 0) {
		if (field.number == 1) {
			out = wire_put_header(
				out, 1, utf8_repaired_size(field.bytes.data, field.bytes.size));
			out = utf8_repair(out, field.bytes.data, field.bytes.size);
		} else {
			content = begin_message(out, 2);
			out = any_value_repair(content, field.bytes, depth, most);
			end_message(content, out);
		}
	}
	return out;
}

static uint8_t *elements_repair(uint8_t *out, struct bytes body, bool keyed, unsigned int depth,
				size_t most)
{
	struct wire_reader reader = wire_reader(body);
	struct wire_field field;
	uint8_t *content;

	while (wire_next(&reader, &field) > 0) {
		content = begin_message(out, 1);
		if (keyed)
			out = one_key_value_repair(content, field.bytes, depth, most);
		else
			out = any_value_repair(content, field.bytes, depth, most);
		end_message(content, out);
	}
	return out;
}

static uint8_t *any_value_repair(uint8_t *out, struct bytes body, unsigned int depth, size_t most)
{
	struct wire_reader reader = wire_reader(body);
	struct wire_field field;
	uint8_t *content;

	if (depth > FIELD_DEPTH || wire_next(&reader, &field) <= 0)
		return out;
	switch (field.number) {
	case ANY_STRING:
		if (utf8_valid(field.bytes.data, field.bytes.size))
			return wire_put_bytes(
				out, ANY_STRING, field.bytes.data,
				utf8_prefix(field.bytes.data, field.bytes.size, most));
		/* fall through */
	case ANY_BYTES:
		return wire_put_bytes(out, ANY_BYTES, field.bytes.data,
				      field.bytes.size < most ? field.bytes.size : most);
	case ANY_ARRAY:
	case ANY_KVLIST:
		content = begin_message(out, field.number);
		out = elements_repair(content, field.bytes, field.number == ANY_KVLIST, depth + 1, most);
		end_message(content, out);
		return out;
	default:
		return wire_put_raw(out, body.data, body.size);
	}
}

uint8_t *key_value_cut(uint8_t *out, struct bytes body, size_t most)
{
	return one_key_value_repair(out, body, 1, most);
}

struct bytes key_value_key(struct bytes body)
{
	struct wire_reader reader = wire_reader(body);
	struct wire_field field;

	while (wire_next(&reader, &field) > 0)
		if (field.number == 1)
			return field.bytes;
	return (struct bytes){.data = body.data, .size = 0};
}

/* ---- Events and links ---------------------------------------------------------------------- */

int tracestate_check(struct bytes tracestate)
{
	if (tracestate.size > TRACESTATE_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < tracestate.size; i++)
		if (tracestate.data[i] < 0x20 || tracestate.data[i] > 0x7e)
			return -EBADMSG;
	return 0;
}

int event_check(struct bytes body, struct event_fields *out, const char **why)
{
	static const uint8_t types[] = {
		[1] = WIRE_FIXED64, [2] = WIRE_BYTES, [3] = WIRE_BYTES, [4] = WIRE_VARINT};
	struct wire_reader reader = wire_reader(body);
	struct wire_field field;
	int found;

	*out = (struct event_fields){0};
	while ((found = wire_next(&reader, &field)) > 0) {
		if (field.number >= sizeof(types) || field.type != types[field.number])
			return bad(why, "unknown field or bad wire type in an event");
		switch (field.number) {
		case 1:
			out->time = field.value;
			break;
		case 2:
			out->name = field.bytes;
			break;
		case 3:
			out->attributes++;
			break;
		case 4:
			out->dropped = field.value;
			break;
		}
	}
	return found < 0 ? bad(why, "broken event") : 0;
}

static bool is_zero(struct bytes bytes)
{
	uint8_t any = 0;

	for (size_t i = 0; i < bytes.size; i++)
		any |= bytes.data[i];
	return !any;
}

int link_check(struct bytes body, struct link_fields *out, const char **why)
{
	static const uint8_t types[] = {[1] = WIRE_BYTES, [2] = WIRE_BYTES,  [3] = WIRE_BYTES,
					[4] = WIRE_BYTES, [5] = WIRE_VARINT, [6] = WIRE_FIXED32};
	struct wire_reader reader = wire_reader(body);
	struct wire_field field;
	int found;

	*out = (struct link_fields){0};
	while ((found = wire_next(&reader, &field)) > 0) {
		if (field.number >= sizeof(types) || field.type != types[field.number])
			return bad(why, "unknown field or bad wire type in a link");
		switch (field.number) {
		case 1:
			out->trace_id = field.bytes;
			break;
		case 2:
			out->span_id = field.bytes;
			break;
		case 3:
			out->tracestate = field.bytes;
			break;
		case 4:
			out->attributes++;
			break;
		case 5:
			out->dropped = field.value;
			break;
		case 6:
			/* OTLP: the other bits must be zero. */
			out->flags = (uint32_t)field.value & 0x3ff;
			break;
		}
	}
	if (found < 0)
		return bad(why, "broken link");
	if (out->trace_id.size != 16 || out->span_id.size != 8)
		return bad(why, "link without ids");
	out->nowhere = is_zero(out->trace_id) || is_zero(out->span_id);
	return 0;
}
