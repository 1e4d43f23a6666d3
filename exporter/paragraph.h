/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a terminal: text with styles, behind a prefix, broken at the right edge.
 */
#ifndef OTEL_BPF_PARAGRAPH_H
#define OTEL_BPF_PARAGRAPH_H

#include <stdbool.h>
#include <stddef.h>

#include "display.h"
#include "text.h"

struct terminal {
	struct text *out;
	size_t width;
	bool colours;
};

enum style {
	STYLE_PLAIN,
	STYLE_BOLD,
	STYLE_DIM,
	STYLE_ERROR,
	STYLE_ERROR_BOLD,
	STYLE_GOOD,
	STYLE_EVENT,
	STYLE_SERVICE, /* from here on one for each service */
};
#define STYLE_SERVICES 6

struct paragraph {
	struct terminal *terminal;
	const struct text *prefix; /* begins every line; of ->prefix_width columns */
	size_t prefix_width;
	size_t indent;	/* behind the prefix */
	size_t hanging; /* more of it, for all lines but the first */
	size_t gap;	/* before the next word, if that is on the same line */
	size_t column;	/* the next one to be written */
	bool fresh;	/* nothing is on this line yet */
};

void terminal_put(struct terminal *terminal, enum style style, const void *data, size_t size);
void terminal_pad(struct terminal *terminal, size_t columns);

/** Begins the first line; the fields above ->column must be set. */
void paragraph_begin(struct paragraph *paragraph);
/** Begins the next one. */
void paragraph_break(struct paragraph *paragraph);
/** Begins the next one if this one, which is not empty, has no room for @columns more. */
void paragraph_keep(struct paragraph *paragraph, size_t columns);
/** Appends strangers' text; lines break between words where they can. */
void paragraph_put(struct paragraph *paragraph, enum style style, struct bytes text);
void paragraph_put_string(struct paragraph *paragraph, enum style style, const char *string);
/** What follows is another word, so many columns away, unless it begins a line. */
void paragraph_gap(struct paragraph *paragraph, size_t columns);
void paragraph_end(struct paragraph *paragraph);

#endif
