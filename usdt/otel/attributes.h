/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to otel/trace.h: attributes, in OTLP's encoding from the start.
 */
#ifndef OTEL_ATTRIBUTES_H
#define OTEL_ATTRIBUTES_H

#include "options.h"
#include "write.h"

OTEL_INLINE_ int otel_valid_(const otel_context *context)
{
	return (otel_state_(context) & OTEL_CONTEXT_VALID) != 0;
}

OTEL_INLINE_ otel_u64 otel_number_(const otel_u8 *id)
{
	otel_u64 number;

	__builtin_memcpy(&number, id, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	number = __builtin_bswap64(number);
#endif
	return number;
}

/* The lists that have the one which is being looked at in them: where they go on, the outermost first. */
#define OTEL_LISTS_DEEP_ 8u
struct otel_outer_ {
	unsigned depth; /* 0 at first */
	const otel_option *at[OTEL_LISTS_DEEP_];
};

/* The first attribute of a list, from @at on, or NULL. */
OTEL_INLINE_ const otel_option *otel_attribute_(const otel_option *at, struct otel_outer_ *outer)
{
	for (;;) {
		if (__builtin_expect(at->type != OTEL_TYPE_END && at->type < OTEL_TYPE_KIND, 1))
			return at;
		if (at->type == OTEL_TYPE_END) {
			if (!outer->depth)
				return (const otel_option *)0;
			at = outer->at[--outer->depth];
		} else if (at->type == OTEL_TYPE_LIST && at->value.pointer && outer->depth < OTEL_LISTS_DEEP_) {
			outer->at[outer->depth++] = at + 1;
			at = (const otel_option *)at->value.pointer;
		} else {
			at++;
		}
	}
}

OTEL_INLINE_ otel_u64 otel_text_size_(const char *text, otel_u64 size)
{
	if (!text)
		return 0;
	return size == OTEL_UNKNOWN_SIZE_ ? __builtin_strlen(text) : size;
}

/*
 * A record that is larger than 16 MiB is worth nothing to its reader: so what would make it that large is cut.
 * A list of attributes has so much room, of which those below a size that never matters take nothing; names
 * and descriptions have less.
 */
#define OTEL_ROOM_OF_LIST_ (12ull << 20)
#define OTEL_ROOM_OF_NAME_ (1ull << 20)
#define OTEL_SMALL_ 4096u

/* How much of @text has room, in whole characters of UTF-8. */
OTEL_COLD_ otel_u64 otel_cut_(const char *text, otel_u64 size, otel_u64 room)
{
	if (size <= room)
		return size;
	for (unsigned i = 0; i < 3 && room && (text[room] & 0xc0) == 0x80; i++)
		room--;
	return room;
}

/* The size of a name or a description. */
OTEL_INLINE_ otel_u64 otel_name_size_(const char *text, otel_u64 size)
{
	size = otel_text_size_(text, size);
	return __builtin_expect(size > OTEL_ROOM_OF_NAME_, 0) ? otel_cut_(text, size, OTEL_ROOM_OF_NAME_) : size;
}

/* The size of a key or value, for which there is *@room, which it takes. */
OTEL_INLINE_ otel_u64 otel_fit_(const char *text, otel_u64 size, otel_u64 *room)
{
	if (__builtin_expect(size > OTEL_SMALL_, 0)) {
		size = otel_cut_(text, size, *room);
		*room -= size;
	}
	return size;
}

/* Element @index of an array: the size of its AnyValue, and, with @w, the AnyValue itself. */
OTEL_COLD_ otel_u64 otel_element_(struct otel_writer_ *w, const otel_option *option, otel_u64 index)
{
	const struct otel_elements_ *elements;
	otel_option element;
	otel_u8 scalar[2];
	otel_u64 size;

	element.size = OTEL_UNKNOWN_SIZE_;
	switch (option->type) {
	case OTEL_TYPE_STRINGS:
		element.type = OTEL_TYPE_STRING;
		element.value.pointer = ((const char *const *)option->value.pointer)[index];
		break;
	case OTEL_TYPE_BOOLS:
		element.type = OTEL_TYPE_BOOL;
		element.value.integer = ((const otel_u8 *)option->value.pointer)[index] != 0;
		break;
	case OTEL_TYPE_INTS:
		element.type = OTEL_TYPE_INT;
		element.value.integer = (otel_u64)((const long long *)option->value.pointer)[index];
		break;
	case OTEL_TYPE_DOUBLES:
		element.type = OTEL_TYPE_DOUBLE;
		element.value.number = ((const double *)option->value.pointer)[index];
		break;
	default:
		elements = (const struct otel_elements_ *)option->value.pointer;
		elements->read(elements->data, index, &element);
	}
	switch (element.type) {
	case OTEL_TYPE_STRING:
		size = otel_text_size_((const char *)element.value.pointer, element.size);
		if (w) {
			otel_put_head_(w, 1, size);
			otel_put_(w, element.value.pointer, size);
		}
		return otel_field_size_(size);
	case OTEL_TYPE_BOOL:
		scalar[0] = 2 << 3;
		scalar[1] = (otel_u8)element.value.integer;
		if (w)
			otel_put_(w, scalar, 2);
		return 2;
	case OTEL_TYPE_INT:
		scalar[0] = 3 << 3;
		if (w) {
			otel_put_(w, scalar, 1);
			otel_put_varint_(w, element.value.integer);
		}
		return 1 + otel_varint_size_(element.value.integer);
	default:
		scalar[0] = 4 << 3 | 1;
		if (w) {
			otel_put_(w, scalar, 1);
			otel_put_(w, &element.value.number, 8);
		}
		return 9;
	}
}

/*
 * The size of the ArrayValue's body, and, with @w, the body: fields 1, an AnyValue each; of the first ones, that
 * have @room.
 */
OTEL_COLD_ otel_u64 otel_put_elements_(struct otel_writer_ *w, const otel_option *option, otel_u64 room)
{
	otel_u64 size = 0, element;

	for (otel_u64 i = 0; i < option->size; i++) {
		element = otel_element_((struct otel_writer_ *)0, option, i);
		if (otel_field_size_(element) > room - size)
			break;
		size += otel_field_size_(element);
		if (w) {
			otel_put_head_(w, 1, element);
			otel_element_(w, option, i);
		}
	}
	return size;
}

OTEL_INLINE_ void otel_put_text_(struct otel_writer_ *w, otel_u8 number, const char *text, otel_u64 size)
{
	otel_put_head_(w, number, size);
	otel_put_(w, text, size);
}

/* Puts the attributes in @list as fields @number of the message around them; returns how many. */
OTEL_WARM_ otel_u32 otel_put_attributes_(struct otel_writer_ *w, const otel_option *list, otel_u8 number)
{
	struct otel_outer_ outer;
	otel_u64 room = OTEL_ROOM_OF_LIST_;
	otel_u32 count = 0;

	outer.depth = 0;
	for (list = otel_attribute_(list, &outer); list; list = otel_attribute_(list + 1, &outer)) {
		otel_u64 key_size, room_before, text_size = 0, value_size, size;
		otel_u8 scalar[11], text_number = 0; /* the AnyValue's field, if it has a length */

		key_size = otel_fit_(list->key, otel_text_size_(list->key, list->key_size), &room);
		room_before = room;
		/* The AnyValue, but for a string's text. */
		switch (list->type) {
		case OTEL_TYPE_STRING:
			text_number = 1;
			text_size = otel_fit_((const char *)list->value.pointer,
					      otel_text_size_((const char *)list->value.pointer, list->size),
					      &room);
			value_size = otel_field_size_(text_size);
			break;
		case OTEL_TYPE_BYTES:
			text_number = 7;
			text_size = otel_fit_((const char *)list->value.pointer, list->size, &room);
			value_size = otel_field_size_(text_size);
			break;
		case OTEL_TYPE_BOOL:
			scalar[0] = 2 << 3;
			scalar[1] = (otel_u8)list->value.integer;
			value_size = 2;
			break;
		case OTEL_TYPE_INT: {
			otel_u64 rest = list->value.integer;

			scalar[0] = 3 << 3;
			for (value_size = 1; rest >= 0x80; rest >>= 7)
				scalar[value_size++] = (otel_u8)(rest | 0x80);
			scalar[value_size++] = (otel_u8)rest;
			break;
		}
		case OTEL_TYPE_DOUBLE:
			scalar[0] = 4 << 3 | 1;
			__builtin_memcpy(scalar + 1, &list->value.number, 8);
			value_size = 9;
			break;
		default: /* arrays */
			text_number = 5;
			text_size = otel_put_elements_((struct otel_writer_ *)0, list, room);
			room -= text_size;
			value_size = otel_field_size_(text_size);
		}
		size = otel_field_size_(key_size) + otel_field_size_(value_size);
		if (__builtin_expect(size < 0x80 && (otel_u64)(w->end - w->at) >= size + 2 &&
					     text_number != 5, 1)) {
			otel_u8 *at = w->at;

			at[0] = (otel_u8)(number << 3 | 2);
			at[1] = (otel_u8)size;
			at[2] = 1 << 3 | 2;
			at[3] = (otel_u8)key_size;
			otel_copy_(at + 4, (const otel_u8 *)list->key, key_size);
			at += 4 + key_size;
			at[0] = 2 << 3 | 2;
			at[1] = (otel_u8)value_size;
			at += 2;
			if (text_number) {
				at[0] = (otel_u8)(text_number << 3 | 2);
				at[1] = (otel_u8)text_size;
				otel_copy_(at + 2, (const otel_u8 *)list->value.pointer, text_size);
			} else {
				otel_copy_(at, scalar, value_size);
			}
			w->at = at + value_size;
		} else {
			otel_put_head_(w, number, size);
			otel_put_text_(w, 1, list->key, key_size);
			otel_put_head_(w, 2, value_size);
			if (text_number == 5) {
				otel_put_head_(w, 5, text_size);
				otel_put_elements_(w, list, room_before);
			} else if (text_number) {
				otel_put_text_(w, text_number, (const char *)list->value.pointer, text_size);
			} else {
				otel_put_(w, scalar, value_size);
			}
		}
		count++;
	}
	return count;
}

/* What these fields come to, as otel_put_attributes_() writes them. */
OTEL_COLD_ otel_u64 otel_attributes_size_(const otel_option *list)
{
	otel_u64 size = 0, value, key, room = OTEL_ROOM_OF_LIST_;
	struct otel_outer_ outer;

	outer.depth = 0;
	for (list = otel_attribute_(list, &outer); list; list = otel_attribute_(list + 1, &outer)) {
		key = otel_fit_(list->key, otel_text_size_(list->key, list->key_size), &room);
		switch (list->type) {
		case OTEL_TYPE_STRING:
			value = otel_field_size_(
				otel_fit_((const char *)list->value.pointer,
					  otel_text_size_((const char *)list->value.pointer, list->size), &room));
			break;
		case OTEL_TYPE_BYTES:
			value = otel_field_size_(
				otel_fit_((const char *)list->value.pointer, list->size, &room));
			break;
		case OTEL_TYPE_BOOL:
			value = 2;
			break;
		case OTEL_TYPE_INT:
			value = 1 + otel_varint_size_(list->value.integer);
			break;
		case OTEL_TYPE_DOUBLE:
			value = 9;
			break;
		default:
			value = otel_put_elements_((struct otel_writer_ *)0, list, room);
			room -= value;
			value = otel_field_size_(value);
		}
		size += otel_field_size_(otel_field_size_(key) + otel_field_size_(value));
	}
	return size;
}

/* For the probes for people, where a text ends in NUL: copies its beginning. Returns @copy. */
OTEL_COLD_ const char *otel_probe_text_(char copy[256], const char *text, otel_u64 size)
{
	size = otel_text_size_(text, size);
	if (size > 255)
		size = 255;
	otel_copy_((otel_u8 *)copy, (const otel_u8 *)text, size);
	copy[size] = 0;
	return copy;
}

OTEL_COLD_ void otel_probe_attributes_(const otel_span *span, const otel_option *list)
{
	struct otel_outer_ outer;

	outer.depth = 0;
	for (list = otel_attribute_(list, &outer); list; list = otel_attribute_(list + 1, &outer)) {
		otel_u64 value = list->value.integer;
		char key[256], text[256];

		if (list->type == OTEL_TYPE_STRING)
			value = (otel_u64)otel_probe_text_(text, (const char *)list->value.pointer,
							   list->size);
		otel_bpf_span_attribute_v1(otel_number_(span->context.span_id),
					   otel_probe_text_(key, list->key, list->key_size),
					   (int)list->type, value);
	}
}

#endif
