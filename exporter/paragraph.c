/* SPDX-License-Identifier: Apache-2.0 */
#include "paragraph.h"

static const char *const styles[] = {
	[STYLE_PLAIN] = "",
	[STYLE_BOLD] = "\x1b[1m",
	[STYLE_DIM] = "\x1b[2m",
	[STYLE_ERROR] = "\x1b[31m",
	[STYLE_ERROR_BOLD] = "\x1b[1;31m",
	[STYLE_GOOD] = "\x1b[32m",
	[STYLE_EVENT] = "\x1b[33m",
	/* Red is for errors, yellow for events. */
	[STYLE_SERVICE] = "\x1b[36m",
	[STYLE_SERVICE + 1] = "\x1b[35m",
	[STYLE_SERVICE + 2] = "\x1b[34m",
	[STYLE_SERVICE + 3] = "\x1b[32m",
	[STYLE_SERVICE + 4] = "\x1b[96m",
	[STYLE_SERVICE + 5] = "\x1b[95m",
};

static void begin_style(struct terminal *terminal, enum style style)
{
	if (terminal->colours)
		text_put_string(terminal->out, styles[style]);
}

static void end_style(struct terminal *terminal, enum style style)
{
	if (terminal->colours && style != STYLE_PLAIN)
		text_put_literal(terminal->out, "\x1b[0m");
}

void terminal_put(struct terminal *terminal, enum style style, const void *data, size_t size)
{
	if (!size)
		return;
	begin_style(terminal, style);
	text_put(terminal->out, data, size);
	end_style(terminal, style);
}

void terminal_pad(struct terminal *terminal, size_t columns)
{
	for (size_t i = 0; i < columns; i++)
		text_put_char(terminal->out, ' ');
}

static void begin_line(struct paragraph *p, size_t indent)
{
	terminal_put(p->terminal, STYLE_DIM, p->prefix->data, p->prefix->size);
	terminal_pad(p->terminal, indent);
	p->column = p->prefix_width + indent;
	p->fresh = true;
	p->gap = 0;
}

void paragraph_begin(struct paragraph *p)
{
	begin_line(p, p->indent);
}

void paragraph_break(struct paragraph *p)
{
	text_put_char(p->terminal->out, '\n');
	begin_line(p, p->indent + p->hanging);
}

void paragraph_keep(struct paragraph *p, size_t columns)
{
	if (!p->fresh && p->column + p->gap + columns > p->terminal->width)
		paragraph_break(p);
}

void paragraph_gap(struct paragraph *p, size_t columns)
{
	if (!p->fresh)
		p->gap = columns;
}

static void put_gap(struct paragraph *p)
{
	if (!p->gap)
		return;
	terminal_pad(p->terminal, p->gap);
	p->column += p->gap;
	p->gap = 0;
}

/* Up to the next space, that not included. */
static size_t word_width(const uint8_t *p, size_t left)
{
	const uint8_t *space = memchr(p, ' ', left);

	return display_width((struct bytes){p, space ? (size_t)(space - p) : left});
}

void paragraph_put(struct paragraph *p, enum style style, struct bytes text)
{
	size_t start = p->prefix_width + p->indent + p->hanging, room = p->terminal->width;
	struct glyph glyph;

	if (!text.size)
		return;
	put_gap(p);
	begin_style(p->terminal, style);
	for (size_t i = 0, word; i < text.size;) {
		bool space = text.data[i] == ' ';

		i += display_next(text.data + i, text.size - i, &glyph);
		word = space ? word_width(text.data + i, text.size - i) : 0;
		/* A word that no line has room for may as well begin here. */
		if (start + word > room)
			word = 0;
		if (p->column + glyph.width + word > room && !p->fresh) {
			end_style(p->terminal, style);
			paragraph_break(p);
			begin_style(p->terminal, style);
			if (space)
				continue;
		}
		text_put(p->terminal->out, glyph.text, glyph.size);
		p->column += glyph.width;
		p->fresh = false;
	}
	end_style(p->terminal, style);
}

void paragraph_put_string(struct paragraph *p, enum style style, const char *string)
{
	paragraph_put(p, style, display_bytes(string));
}

void paragraph_end(struct paragraph *p)
{
	text_put_char(p->terminal->out, '\n');
}
