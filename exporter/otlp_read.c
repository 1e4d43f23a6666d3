/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of the fields are those of opentelemetry/proto/{common,resource,trace}/v1. */
#include "otlp_read.h"

#include <string.h>

bool otlp_next(struct wire_reader *reader, uint32_t number, struct bytes *body)
{
	struct wire_field field;

	while (wire_next(reader, &field) == 1) {
		if (field.number == number && field.type == WIRE_BYTES) {
			*body = field.bytes;
			return true;
		}
	}
	return false;
}

void otlp_read_value(struct bytes body, struct otlp_value *out)
{
	struct wire_reader reader = wire_reader(body);
	struct wire_field field;

	*out = (struct otlp_value){.type = OTLP_EMPTY};
	/* Of several members of a oneof, the last one counts. */
	while (wire_next(&reader, &field) == 1) {
		switch (field.number << 3 | field.type) {
		case OTLP_STRING << 3 | WIRE_BYTES:
		case OTLP_ARRAY << 3 | WIRE_BYTES:
		case OTLP_MAP << 3 | WIRE_BYTES:
		case OTLP_BYTES << 3 | WIRE_BYTES:
			out->bytes = field.bytes;
			break;
		case OTLP_BOOL << 3 | WIRE_VARINT:
			out->boolean = field.value != 0;
			break;
		case OTLP_INT << 3 | WIRE_VARINT:
			out->integer = (int64_t)field.value;
			break;
		case OTLP_DOUBLE << 3 | WIRE_FIXED64:
			memcpy(&out->real, &field.value, sizeof(out->real));
			break;
		default:
			continue;
		}
		out->type = (enum otlp_type)field.number;
	}
}

bool otlp_next_value(struct wire_reader *reader, struct otlp_value *out)
{
	struct bytes body;

	if (!otlp_next(reader, 1, &body))
		return false;
	otlp_read_value(body, out);
	return true;
}

bool otlp_next_attribute(struct wire_reader *reader, uint32_t number, struct otlp_attribute *out)
{
	struct wire_reader pair;
	struct wire_field field;
	struct bytes body, value = {0};

	if (!otlp_next(reader, number, &body))
		return false;
	pair = wire_reader(body);
	out->key = (struct bytes){0};
	while (wire_next(&pair, &field) == 1) {
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number == 1)
			out->key = field.bytes;
		else if (field.number == 2)
			value = field.bytes;
	}
	otlp_read_value(value, &out->value);
	return true;
}

void otlp_read_event(struct bytes body, struct otlp_event *out)
{
	struct wire_reader reader = wire_reader(body);
	struct wire_field field;

	*out = (struct otlp_event){.attributes = body};
	while (wire_next(&reader, &field) == 1) {
		if (field.number == 1 && field.type == WIRE_FIXED64)
			out->time_unix_nano = field.value;
		else if (field.number == 2 && field.type == WIRE_BYTES)
			out->name = field.bytes;
		else if (field.number == 4 && field.type == WIRE_VARINT)
			out->dropped_attributes = (uint32_t)field.value;
	}
}

static struct bytes id_of(struct bytes bytes, size_t size)
{
	return bytes.size == size ? bytes : (struct bytes){0};
}

void otlp_read_link(struct bytes body, struct otlp_link *out)
{
	struct wire_reader reader = wire_reader(body);
	struct wire_field field;

	*out = (struct otlp_link){.attributes = body};
	while (wire_next(&reader, &field) == 1) {
		if (field.number == 1 && field.type == WIRE_BYTES)
			out->trace_id = id_of(field.bytes, 16);
		else if (field.number == 2 && field.type == WIRE_BYTES)
			out->span_id = id_of(field.bytes, 8);
		else if (field.number == 3 && field.type == WIRE_BYTES)
			out->tracestate = field.bytes;
		else if (field.number == 5 && field.type == WIRE_VARINT)
			out->dropped_attributes = (uint32_t)field.value;
		else if (field.number == 6 && field.type == WIRE_FIXED32)
			out->flags = (uint32_t)field.value;
	}
}

void otlp_read_scope(struct bytes body, struct otlp_scope *out)
{
	struct wire_reader reader = wire_reader(body);
	struct wire_field field;

	*out = (struct otlp_scope){.attributes = body};
	while (wire_next(&reader, &field) == 1) {
		if (field.number == 1 && field.type == WIRE_BYTES)
			out->name = field.bytes;
		else if (field.number == 2 && field.type == WIRE_BYTES)
			out->version = field.bytes;
		else if (field.number == 4 && field.type == WIRE_VARINT)
			out->dropped_attributes = (uint32_t)field.value;
	}
}

uint32_t otlp_resource_dropped(struct bytes body)
{
	struct wire_reader reader = wire_reader(body);
	struct wire_field field;
	uint32_t dropped = 0;

	while (wire_next(&reader, &field) == 1) {
		if (field.number == 2 && field.type == WIRE_VARINT)
			dropped = (uint32_t)field.value;
	}
	return dropped;
}
