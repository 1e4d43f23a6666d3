/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A piece of memory that grows while text is appended to it.
 *
 * Running out of memory is remembered, and what is appended after that is lost: check ->failed
 * once, at the end.
 */
#ifndef OTEL_BPF_TEXT_H
#define OTEL_BPF_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
	char *data;
	size_t size;
	size_t capacity;
	bool failed;
};

/* Makes room for @more bytes behind what is there; false: there is none. */
bool text_grow(struct text *text, size_t more);

static inline bool text_room(struct text *text, size_t more)
{
	return text->capacity - text->size >= more || text_grow(text, more);
}

static inline void text_put(struct text *text, const void *data, size_t size)
{
	if (!size || !text_room(text, size))
		return;
	memcpy(text->data + text->size, data, size);
	text->size += size;
}

static inline void text_put_char(struct text *text, char c)
{
	if (text_room(text, 1))
		text->data[text->size++] = c;
}

#define text_put_literal(text, literal) text_put(text, literal, sizeof(literal) - 1)

static inline void text_put_string(struct text *text, const char *string)
{
	text_put(text, string, strlen(string));
}

void text_put_uint(struct text *text, uint64_t value);
void text_put_int(struct text *text, int64_t value);

/** The shortest decimal number that reads back as @value; "nan", "inf" or "-inf" if it is none. */
void text_put_double(struct text *text, double value);

void text_put_hex(struct text *text, const uint8_t *data, size_t size);
void text_put_base64(struct text *text, const uint8_t *data, size_t size);

/** Forgets what is in it, and that memory ran out, but keeps the memory. */
static inline void text_clear(struct text *text)
{
	text->size = 0;
	text->failed = false;
}

/** Frees the memory and makes *@text zero. */
void text_free(struct text *text);

#endif
