/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf's wire format, as far as OTLP needs it.
 *
 * Writers write into memory that the caller knows to be large enough: compute the size first,
 * allocate once, then write. Each returns the byte behind what it wrote.
 *
 * The reader is made for bytes that nobody has checked: it never reads outside of them, and it
 * refuses what the strictest of the common decoders refuse, so that what passes here passes at
 * any receiver.
 */
#ifndef OTEL_BPF_WIRE_H
#define OTEL_BPF_WIRE_H

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "span.h"

enum wire_type {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_BYTES = 2,
	WIRE_FIXED32 = 5,
};

/* ---- Sizes ----------------------------------------------------------------------------------- */

/** Bytes that @value takes as a varint: 1 to 10. */
static inline size_t wire_varint_size(uint64_t value)
{
	/* 1 + floor(bit / 7) of the highest bit; 9/64 is close enough to 1/7 for bits 0 to 63. */
	return ((size_t)(63 - __builtin_clzll(value | 1)) * 9 + 73) / 64;
}

static inline size_t wire_tag_size(uint32_t number)
{
	return wire_varint_size((uint64_t)number << 3);
}

/** Of a varint field with its tag. */
static inline size_t wire_uint_size(uint32_t number, uint64_t value)
{
	return wire_tag_size(number) + wire_varint_size(value);
}

/** Of a bytes field of @size bytes with its tag and its length. */
static inline size_t wire_bytes_size(uint32_t number, size_t size)
{
	return wire_uint_size(number, size) + size;
}

/* ---- Writers --------------------------------------------------------------------------------- */

static inline uint8_t *wire_put_varint(uint8_t *p, uint64_t value)
{
	while (value >= 0x80) {
		*p++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*p++ = (uint8_t)value;
	return p;
}

static inline uint8_t *wire_put_tag(uint8_t *p, uint32_t number, enum wire_type type)
{
	return wire_put_varint(p, (uint64_t)number << 3 | type);
}

static inline uint8_t *wire_put_uint(uint8_t *p, uint32_t number, uint64_t value)
{
	return wire_put_varint(wire_put_tag(p, number, WIRE_VARINT), value);
}

static inline uint8_t *wire_put_fixed64(uint8_t *p, uint32_t number, uint64_t value)
{
	p = wire_put_tag(p, number, WIRE_FIXED64);
	value = htole64(value);
	memcpy(p, &value, sizeof(value));
	return p + sizeof(value);
}

static inline uint8_t *wire_put_fixed32(uint8_t *p, uint32_t number, uint32_t value)
{
	p = wire_put_tag(p, number, WIRE_FIXED32);
	value = htole32(value);
	memcpy(p, &value, sizeof(value));
	return p + sizeof(value);
}

/** Only the tag and the length of a bytes field: @size bytes must follow. */
static inline uint8_t *wire_put_header(uint8_t *p, uint32_t number, size_t size)
{
	return wire_put_varint(wire_put_tag(p, number, WIRE_BYTES), size);
}

/** Bytes as they are: fields that are encoded already. */
static inline uint8_t *wire_put_raw(uint8_t *p, const void *data, size_t size)
{
	if (size)
		memcpy(p, data, size);
	return p + size;
}

static inline uint8_t *wire_put_bytes(uint8_t *p, uint32_t number, const void *data, size_t size)
{
	return wire_put_raw(wire_put_header(p, number, size), data, size);
}

/* ---- Reader ---------------------------------------------------------------------------------- */

struct wire_reader {
	const uint8_t *p; /* the next field, or where the reader gave up */
	const uint8_t *end;
};

struct wire_field {
	uint32_t number;      /* 1 to 2^29 - 1 */
	uint8_t type;	      /* enum wire_type */
	uint64_t value;	      /* of WIRE_VARINT, WIRE_FIXED64 and WIRE_FIXED32; else the size */
	struct bytes bytes;   /* of WIRE_BYTES; points into what is read */
	const uint8_t *start; /* of the tag: from here to reader->p it is the whole field */
};

static inline struct wire_reader wire_reader(struct bytes bytes)
{
	/* Nothing may be NULL, and NULL + 0 is undefined in C. */
	const uint8_t *end = bytes.size ? bytes.data + bytes.size : bytes.data;

	return (struct wire_reader){.p = bytes.data, .end = end};
}

/* wire_varint() for more than one byte. */
int wire_varint_slow(const uint8_t **p, const uint8_t *end, size_t most, uint64_t *value);

/**
 * Reads one varint of @most bytes (10, or 5 where decoders take 32 bits) and moves *@p behind it.
 * Returns 0, or -EBADMSG if it is longer, has more than 64 bits, or ends early.
 */
static inline int wire_varint(const uint8_t **p, const uint8_t *end, size_t most, uint64_t *value)
{
	if (*p < end && **p < 0x80) {
		*value = *(*p)++;
		return 0;
	}
	return wire_varint_slow(p, end, most, value);
}

/**
 * Reads the next field. Returns 1: *@field is filled in; 0: the end; -EBADMSG: this is not
 * protobuf, or has groups, which OTLP does not.
 */
static inline int wire_next(struct wire_reader *reader, struct wire_field *field)
{
	const uint8_t *p = reader->p, *end = reader->end;
	uint64_t tag, size;
	uint32_t half;

	if (p == end)
		return 0;
	field->start = p;
	/* Tags and lengths are 32 bits to others: C++ refuses more than five bytes of them. */
	if (wire_varint(&p, end, 5, &tag) || tag > UINT32_MAX || tag < 8)
		return -EBADMSG;
	field->number = (uint32_t)(tag >> 3);
	field->type = tag & 7;
	field->bytes = (struct bytes){0};
	switch (field->type) {
	case WIRE_VARINT:
		if (wire_varint(&p, end, 10, &field->value))
			return -EBADMSG;
		break;
	case WIRE_FIXED64:
		if (end - p < 8)
			return -EBADMSG;
		memcpy(&size, p, 8);
		field->value = le64toh(size);
		p += 8;
		break;
	case WIRE_BYTES:
		if (wire_varint(&p, end, 5, &size) || size > (size_t)(end - p))
			return -EBADMSG;
		field->value = size;
		field->bytes = (struct bytes){.data = p, .size = size};
		p += size;
		break;
	case WIRE_FIXED32:
		if (end - p < 4)
			return -EBADMSG;
		memcpy(&half, p, 4);
		field->value = le32toh(half);
		p += 4;
		break;
	default:
		return -EBADMSG;
	}
	reader->p = p;
	return 1;
}

#endif
