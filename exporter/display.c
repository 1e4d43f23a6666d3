/* SPDX-License-Identifier: Apache-2.0 */
#include "display.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

struct range {
	uint32_t first, last;
};

/* Controls, separators, and what turns the direction of writing ("Trojan Source"). */
static const struct range unsafe[] = {
	{0x0000, 0x001f}, {0x007f, 0x009f}, {0x061c, 0x061c}, {0x200e, 0x200f},	   {0x2028, 0x202e},
	{0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0x10ffff},
};

static const struct range narrow[] = {
	{0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x064b, 0x065f}, {0x1ab0, 0x1aff},
	{0x1dc0, 0x1dff}, {0x200b, 0x200d}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
};

static const struct range wide[] = {
	{0x1100, 0x115f},   {0x231a, 0x231b},	{0x2e80, 0x303e},   {0x3041, 0xa4cf},
	{0xac00, 0xd7a3},   {0xf900, 0xfaff},	{0xfe30, 0xfe6f},   {0xff00, 0xff60},
	{0xffe0, 0xffe6},   {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff},
	{0x20000, 0x3fffd},
};

static bool in_ranges(uint32_t c, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n && c >= ranges[i].first; i++) {
		if (c <= ranges[i].last)
			return true;
	}
	return false;
}

#define IN(c, ranges) in_ranges(c, ranges, sizeof(ranges) / sizeof(*(ranges)))

/* Decodes one character of more than a byte; 0: it is not valid. */
static size_t decode(const uint8_t *p, size_t left, uint32_t *c)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t size = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

	if (p[0] < 0xc2 || p[0] > 0xf4 || size > left)
		return 0;
	*c = p[0] & (0x7fu >> size);
	for (size_t i = 1; i < size; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (p[i] & 0x3f);
	}
	if (*c < least[size] || *c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff))
		return 0;
	return size;
}

static void escape(struct glyph *out, uint32_t c)
{
	const char *format = c < 0x100 ? "\\x%02" PRIx32 : "\\u%04" PRIx32;
	int size;

	if (c == '\n' || c == '\t' || c == '\r')
		size = snprintf(out->text, sizeof(out->text), "\\%c",
				c == '\n'   ? 'n'
				: c == '\t' ? 't'
					    : 'r');
	else
		size = snprintf(out->text, sizeof(out->text), format, c);
	out->size = (uint8_t)size;
	out->width = (uint8_t)size;
}

size_t display_next(const uint8_t *p, size_t left, struct glyph *out)
{
	uint32_t c = p[0];
	size_t size = 1;

	if (c >= ' ' && c < 0x7f) {
		out->text[0] = (char)c;
		out->size = 1;
		out->width = 1;
		return 1;
	}
	if (c >= 0x80) {
		size = decode(p, left, &c);
		if (!size) {
			escape(out, p[0]);
			return 1;
		}
	}
	if (IN(c, unsafe)) {
		escape(out, c);
		return size;
	}
	memcpy(out->text, p, size);
	out->size = (uint8_t)size;
	out->width = IN(c, narrow) ? 0 : IN(c, wide) ? 2 : 1;
	return size;
}

size_t display_width(struct bytes text)
{
	struct glyph glyph;
	size_t width = 0;

	for (size_t i = 0; i < text.size; width += glyph.width)
		i += display_next(text.data + i, text.size - i, &glyph);
	return width;
}

size_t display_put(struct text *out, struct bytes text, size_t columns)
{
	bool cut = display_width(text) > columns;
	size_t room = cut && columns ? columns - 1 : columns, used = 0;
	struct glyph glyph;

	for (size_t i = 0; i < text.size; used += glyph.width) {
		i += display_next(text.data + i, text.size - i, &glyph);
		if (used + glyph.width > room)
			break;
		text_put(out, glyph.text, glyph.size);
	}
	if (cut && columns) {
		text_put_literal(out, "…");
		used++;
	}
	return used;
}

void display_put_duration(struct text *out, uint64_t ns)
{
	static const struct {
		uint64_t unit;
		const char *name;
	} units[] = {{1000000000, "s"}, {1000000, "ms"}, {1000, "µs"}};
	const uint64_t second = 1000000000;
	char number[32];

	if (ns < 1000) {
		text_put_uint(out, ns);
		text_put_literal(out, "ns");
		return;
	}
	if (ns >= 100 * 3600 * second) {
		text_put_uint(out, ns / second / 86400);
		text_put_char(out, 'd');
		return;
	}
	if (ns >= 3600 * second) {
		snprintf(number, sizeof(number), "%" PRIu64 "h%02" PRIu64 "m", ns / second / 3600,
			 ns / second / 60 % 60);
		text_put_string(out, number);
		return;
	}
	if (ns >= 60 * second) {
		snprintf(number, sizeof(number), "%" PRIu64 "m%02" PRIu64 "s", ns / second / 60,
			 ns / second % 60);
		text_put_string(out, number);
		return;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		double value = (double)ns / (double)units[i].unit;

		/* Three digits; what would be rounded to 1000 is one of the next unit. */
		if (value < 0.9995)
			continue;
		snprintf(number, sizeof(number), "%.*f",
			 value < 9.995	 ? 2
			 : value < 99.95 ? 1
					 : 0,
			 value);
		text_put_string(out, number);
		text_put_string(out, units[i].name);
		return;
	}
}
