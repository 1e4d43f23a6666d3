/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for terminals, from strangers: what could move the cursor, change colours or turn the
 * direction of writing is shown as \x1b and the like; and how many columns it takes is known.
 */
#ifndef OTEL_BPF_DISPLAY_H
#define OTEL_BPF_DISPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "span.h"
#include "text.h"

/* What one character is shown as. */
struct glyph {
	char text[12];
	uint8_t size;
	uint8_t width; /* columns */
};

/** Takes the first character of @left > 0 bytes; returns how many bytes it has. */
size_t display_next(const uint8_t *p, size_t left, struct glyph *out);

/** Columns of all of it. */
size_t display_width(struct bytes text);

/** Appends it; at most @columns, the last one being an ellipsis if that is not enough. */
size_t display_put(struct text *out, struct bytes text, size_t columns);

/** 850ns, 12.3µs, 1.23s, 2m03s, 1h02m, 12d: at most 7 columns. */
void display_put_duration(struct text *out, uint64_t nanoseconds);

static inline struct bytes display_bytes(const char *string)
{
	return (struct bytes){.data = (const uint8_t *)string, .size = strlen(string)};
}

static inline struct bytes text_bytes(const struct text *text)
{
	return (struct bytes){.data = (const uint8_t *)text->data, .size = text->size};
}

#endif
