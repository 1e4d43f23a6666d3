/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool text_grow(struct text *text, size_t more)
{
	size_t capacity = text->capacity ? text->capacity : 256;
	char *data;

	if (text->failed)
		return false;
	while (capacity - text->size < more) {
		if (capacity > SIZE_MAX / 2)
			goto failed;
		capacity *= 2;
	}
	data = realloc(text->data, capacity);
	if (!data)
		goto failed;
	text->data = data;
	text->capacity = capacity;
	return true;

failed:
	text->failed = true;
	/* The next small piece would fit, and hide that this one is missing. */
	text->size = text->capacity;
	return false;
}

void text_free(struct text *text)
{
	free(text->data);
	*text = (struct text){0};
}

static const char two_digits[] = "00010203040506070809101112131415161718192021222324"
				 "25262728293031323334353637383940414243444546474849"
				 "50515253545556575859606162636465666768697071727374"
				 "75767778798081828384858687888990919293949596979899";

void text_put_uint(struct text *text, uint64_t value)
{
	char digits[20], *p = digits + sizeof(digits);

	while (value >= 100) {
		p -= 2;
		memcpy(p, two_digits + value % 100 * 2, 2);
		value /= 100;
	}
	if (value >= 10) {
		p -= 2;
		memcpy(p, two_digits + value * 2, 2);
	} else {
		*--p = (char)('0' + value);
	}
	text_put(text, p, (size_t)(digits + sizeof(digits) - p));
}

void text_put_int(struct text *text, int64_t value)
{
	if (value < 0)
		text_put_char(text, '-');
	text_put_uint(text, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

/*
 * Numbers with up to six decimals, which is most that people write: if m / 10^k, both exact and
 * correctly rounded, is the value again, then so is what a reader makes of the digits of m.
 */
static bool put_short_double(struct text *text, double value)
{
	static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};

	for (int k = 0; k < (int)(sizeof(powers) / sizeof(*powers)); k++) {
		double scaled = value * powers[k];
		uint64_t digits, power = (uint64_t)powers[k], fraction;

		if (!(scaled < 1e15))
			return false;
		digits = (uint64_t)(scaled + 0.5);
		if ((double)digits / powers[k] != value)
			continue;
		text_put_uint(text, digits / power);
		if (!k)
			return true;
		text_put_char(text, '.');
		fraction = digits % power;
		for (power /= 10; power; power /= 10)
			text_put_char(text, (char)('0' + fraction / power % 10));
		return true;
	}
	return false;
}

void text_put_double(struct text *text, double value)
{
	bool negative = signbit(value) != 0;
	char number[40];

	if (isnan(value)) {
		text_put_literal(text, "nan");
		return;
	}
	if (negative) {
		text_put_char(text, '-');
		value = -value;
	}
	if (isinf(value)) {
		text_put_literal(text, "inf");
		return;
	}
	if (put_short_double(text, value)) {
		/* Without a point it would be an integer to others, and those have no -0. */
		if (value == 0 && negative)
			text_put_literal(text, ".0");
		return;
	}
	for (int precision = 15; precision <= 17; precision++) {
		snprintf(number, sizeof(number), "%.*g", precision, value);
		if (strtod(number, NULL) == value)
			break;
	}
	text_put_string(text, number);
}

void text_put_hex(struct text *text, const uint8_t *data, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	char *p;

	if (!text_room(text, 2 * size))
		return;
	p = text->data + text->size;
	for (size_t i = 0; i < size; i++) {
		*p++ = hex[data[i] >> 4];
		*p++ = hex[data[i] & 15];
	}
	text->size += 2 * size;
}

void text_put_base64(struct text *text, const uint8_t *data, size_t size)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t encoded = (size + 2) / 3 * 4;
	uint32_t three;
	char *p;

	if (!text_room(text, encoded))
		return;
	p = text->data + text->size;
	for (; size >= 3; data += 3, size -= 3) {
		three = (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2];
		*p++ = digits[three >> 18];
		*p++ = digits[three >> 12 & 63];
		*p++ = digits[three >> 6 & 63];
		*p++ = digits[three & 63];
	}
	if (size) {
		three = (uint32_t)data[0] << 16 | (size == 2 ? (uint32_t)data[1] << 8 : 0);
		*p++ = digits[three >> 18];
		*p++ = digits[three >> 12 & 63];
		*p++ = size == 2 ? digits[three >> 6 & 63] : '=';
		*p++ = '=';
	}
	text->size += encoded;
}
