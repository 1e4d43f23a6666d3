/* SPDX-License-Identifier: Apache-2.0 */
#include "console_draw.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "console_details.h"
#include "console_tree.h"
#include "otlp_read.h"

#define DURATION_COLUMNS 8
#define MARK_COLUMNS 2
#define LABEL_LEAST 20
#define BAR_LEAST 16
#define SERVICES 16

struct drawing {
	struct terminal *terminal;
	struct tree tree;
	size_t label_columns;
	size_t bar_columns;
	uint32_t most_depth; /* deeper spans are not indented further */
	struct bytes services[SERVICES];
	size_t n_services;
	size_t n_errors;
	struct text prefix; /* of the current line */
	struct text label;
};

/* ---- Services -------------------------------------------------------------------------------- */

static bool same(struct bytes a, struct bytes b)
{
	return a.size == b.size && (!a.size || !memcmp(a.data, b.data, a.size));
}

static size_t service_number(const struct drawing *d, struct bytes name)
{
	size_t i = 0;

	while (i < d->n_services && !same(d->services[i], name))
		i++;
	return i;
}

static void collect_services(struct drawing *d)
{
	for (uint32_t i = 0; i < d->tree.n; i++) {
		const struct span *span = d->tree.nodes[d->tree.order[i]].span;
		size_t number = service_number(d, span->resource->service_name);

		if (span->status == SPAN_ERROR)
			d->n_errors++;
		if (number == d->n_services && number < SERVICES)
			d->services[d->n_services++] = span->resource->service_name;
	}
}

static enum style service_style(const struct drawing *d, const struct span *span)
{
	return STYLE_SERVICE +
	       (enum style)(service_number(d, span->resource->service_name) % STYLE_SERVICES);
}

/* ---- The label ------------------------------------------------------------------------------- */

static uint32_t shown_depth(const struct drawing *d, const struct tree_node *node)
{
	return node->depth < d->most_depth ? node->depth : d->most_depth;
}

/* The tree's lines before the name of a span, into ->prefix. Returns their width. */
static size_t make_prefix(struct drawing *d, const struct tree_node *node)
{
	uint32_t depth = shown_depth(d, node);
	size_t width = 2 + 3 * (size_t)depth;
	char number[16];

	text_clear(&d->prefix);
	text_put_literal(&d->prefix, "  ");
	for (uint32_t i = 1; i < depth; i++)
		text_put_string(&d->prefix, node->lines >> i & 1 ? "│  " : "   ");
	if (depth)
		text_put_string(&d->prefix, node->lines >> depth & 1 ? "├─ " : "└─ ");
	if (node->depth > depth) {
		/* Too deep for this terminal: say how deep. */
		width += (size_t)snprintf(number, sizeof(number), "%u ", node->depth);
		text_put_string(&d->prefix, number);
	}
	if (node->orphan) {
		text_put_literal(&d->prefix, "⋯ ");
		width += 2;
	}
	return width;
}

/* The tree's lines below the name, as far as the name is indented. */
static size_t make_below(const struct drawing *d, const struct tree_node *node, struct text *below)
{
	uint32_t depth = shown_depth(d, node);

	text_clear(below);
	text_put_literal(below, "  ");
	for (uint32_t i = 1; i <= depth; i++)
		text_put_string(below, node->lines >> i & 1 ? "│  " : "   ");
	return 2 + 3 * (size_t)depth;
}

/* Behind the name: the kind, and the service where it changes. */
static void make_suffix(struct drawing *d, const struct tree_node *node, struct bytes *service)
{
	static const char *const kinds[] = {
		[SPAN_SERVER] = "server",
		[SPAN_CLIENT] = "client",
		[SPAN_PRODUCER] = "producer",
		[SPAN_CONSUMER] = "consumer",
	};
	const struct span *span = node->span;

	text_clear(&d->label);
	if (span->kind >= SPAN_SERVER && span->kind <= SPAN_CONSUMER)
		text_put_string(&d->label, kinds[span->kind]);
	*service = (struct bytes){0};
	if (d->n_services > 1 && (node->parent == TREE_NONE ||
				  !same(d->tree.nodes[node->parent].span->resource->service_name,
					span->resource->service_name)))
		*service = span->resource->service_name;
}

static struct bytes name_of(const struct span *span)
{
	return span->name.size ? span->name : display_bytes("(no name)");
}

static size_t label_width(struct drawing *d, const struct tree_node *node)
{
	size_t width = make_prefix(d, node) + display_width(name_of(node->span));
	struct bytes service;

	make_suffix(d, node, &service);
	width += d->label.size ? d->label.size + 1 : 0;
	return service.size ? width + 2 + display_width(service) : width;
}

/* As wide as the labels need, but not so wide that no room for bars is left. */
static void choose_columns(struct drawing *d)
{
	size_t width = d->terminal->width;
	size_t rest = width - DURATION_COLUMNS - MARK_COLUMNS - 1, most = width / 2;

	if (most > rest - BAR_LEAST)
		most = rest - BAR_LEAST;
	d->most_depth = (uint32_t)(most - 10) / 3;
	if (d->most_depth >= TREE_LINES)
		d->most_depth = TREE_LINES - 1;
	d->label_columns = LABEL_LEAST;
	for (uint32_t i = 0; i < d->tree.n; i++) {
		size_t label = label_width(d, &d->tree.nodes[i]) + 1; /* a gap before the bar */

		/* It will have a line of its own; but the tree stands before the bar, too. */
		if (label > most)
			label = 2 + 3 * (size_t)shown_depth(d, &d->tree.nodes[i]);
		if (label > d->label_columns)
			d->label_columns = label;
	}
	d->bar_columns = rest - d->label_columns;
}

/* Writes the label; if it is too long for its column, it gets a line, or more, of its own. */
static void put_label(struct drawing *d, const struct tree_node *node)
{
	struct terminal *t = d->terminal;
	size_t width = label_width(d, node);
	struct text below = {0};
	struct paragraph p = {.terminal = t, .prefix = &d->prefix, .hanging = 2};
	struct bytes service;

	make_suffix(d, node, &service);
	p.prefix_width = make_prefix(d, node);
	paragraph_begin(&p);
	/* What does not fit goes on below the name, beside the lines of the tree. */
	p.prefix_width = make_below(d, node, &below);
	p.prefix = &below;
	paragraph_put(&p, node->span->status == SPAN_ERROR ? STYLE_ERROR_BOLD : STYLE_BOLD,
		      name_of(node->span));
	paragraph_gap(&p, 1);
	paragraph_keep(&p, d->label.size);
	paragraph_put(&p, STYLE_DIM, text_bytes(&d->label));
	if (service.size) {
		paragraph_gap(&p, 1);
		paragraph_keep(&p, 1 + display_width(service));
		paragraph_put_string(&p, service_style(d, node->span), "@");
		paragraph_put(&p, service_style(d, node->span), service);
	}
	if (width >= d->label_columns) {
		text_put_char(t->out, '\n');
		terminal_put(t, STYLE_DIM, below.data, below.size);
		width = p.prefix_width;
	}
	terminal_pad(t, width < d->label_columns ? d->label_columns - width : 0);
	text_free(&below);
}

/* ---- The bar --------------------------------------------------------------------------------- */

static uint64_t at_most(uint64_t value, uint64_t most)
{
	return value < most ? value : most;
}

/* Where a time is on the bar, in halves of a column. */
static size_t half_of(const struct drawing *d, uint64_t time)
{
	uint64_t from = d->tree.start_unix_nano, to = d->tree.end_unix_nano;

	if (time <= from || to <= from)
		return 0;
	return (size_t)((double)(at_most(time, to) - from) / (double)(to - from) *
			(double)(2 * d->bar_columns));
}

/* Marks the columns in which something happened. */
static void mark_events(const struct drawing *d, const struct span *span, uint8_t *marks)
{
	struct wire_reader reader = wire_reader(span->events);
	struct otlp_event event;
	struct bytes body;

	memset(marks, 0, d->bar_columns);
	while (otlp_next(&reader, OTLP_SPAN_EVENTS, &body)) {
		size_t column;

		otlp_read_event(body, &event);
		if (event.time_unix_nano < span->start_unix_nano ||
		    event.time_unix_nano > span->end_unix_nano)
			continue;
		column = half_of(d, event.time_unix_nano) / 2;
		marks[column < d->bar_columns ? column : d->bar_columns - 1] = 1;
	}
}

static void put_bar(struct drawing *d, const struct span *span)
{
	size_t last = 2 * d->bar_columns - 1, from, to;
	enum style style = span->status == SPAN_ERROR ? STYLE_ERROR : service_style(d, span);
	uint8_t marks[1024] = {0};

	from = at_most(half_of(d, span->start_unix_nano), last);
	to = half_of(d, span->end_unix_nano);
	if (to <= from)
		to = from + 1; /* as short as can be seen */
	if (d->bar_columns <= sizeof(marks))
		mark_events(d, span, marks);
	terminal_pad(d->terminal, from / 2);
	text_clear(&d->label);
	for (size_t column = from / 2; column < (to + 1) / 2; column++) {
		bool left = 2 * column >= from, right = 2 * column + 1 < to;

		if (column < sizeof(marks) && marks[column]) {
			terminal_put(d->terminal, style, d->label.data, d->label.size);
			terminal_put(d->terminal, STYLE_EVENT, "┿", strlen("┿"));
			text_clear(&d->label);
		} else {
			text_put_string(&d->label, left && right ? "━" : left ? "╸" : "╺");
		}
	}
	terminal_put(d->terminal, style, d->label.data, d->label.size);
	terminal_pad(d->terminal, d->bar_columns - (to + 1) / 2);
}

static void put_duration(struct drawing *d, const struct span *span)
{
	uint64_t ns = span->end_unix_nano > span->start_unix_nano
			      ? span->end_unix_nano - span->start_unix_nano
			      : 0;
	struct bytes shown;
	size_t width;

	text_clear(&d->label);
	display_put_duration(&d->label, ns);
	shown = text_bytes(&d->label);
	width = display_width(shown);
	terminal_pad(d->terminal, width < DURATION_COLUMNS ? 1 + DURATION_COLUMNS - width : 1);
	text_put(d->terminal->out, d->label.data, d->label.size);
}

static void put_mark(struct drawing *d, const struct span *span)
{
	if (span->status == SPAN_ERROR)
		terminal_put(d->terminal, STYLE_ERROR_BOLD, " ✗", strlen(" ✗"));
	else if (span->status == SPAN_OK)
		terminal_put(d->terminal, STYLE_GOOD, " ✓", strlen(" ✓"));
}

/* ---- The trace ------------------------------------------------------------------------------- */

static void put_item(struct paragraph *p, enum style style, struct bytes text)
{
	paragraph_gap(p, 1);
	paragraph_keep(p, 2 + display_width(text));
	paragraph_put_string(p, STYLE_DIM, "· ");
	paragraph_put(p, style, text);
}

static void put_count(struct paragraph *p, enum style style, size_t n, const char *noun)
{
	char count[48];

	snprintf(count, sizeof(count), "%zu %s%s", n, noun, n == 1 ? "" : "s");
	put_item(p, style, display_bytes(count));
}

static void put_header(struct drawing *d, const struct trace *trace)
{
	const struct text nothing = {0};
	struct paragraph p = {.terminal = d->terminal, .prefix = &nothing, .hanging = 2};

	text_clear(&d->label);
	text_put_hex(&d->label, trace->id, 4);
	paragraph_begin(&p);
	paragraph_put(&p, STYLE_BOLD, text_bytes(&d->label));
	paragraph_gap(&p, 2);
	for (size_t i = 0; i < d->n_services; i++) {
		struct bytes name = d->services[i];

		if (!name.size)
			name = display_bytes("(no service)");
		paragraph_keep(&p, display_width(name) + 1);
		paragraph_put(&p, STYLE_SERVICE + (enum style)(i % STYLE_SERVICES), name);
		if (i + 1 < d->n_services)
			paragraph_put_string(&p, STYLE_DIM, ",");
		paragraph_gap(&p, 1);
	}
	put_count(&p, STYLE_PLAIN, d->tree.n, "span");
	text_clear(&d->label);
	display_put_duration(&d->label, d->tree.end_unix_nano > d->tree.start_unix_nano
						? d->tree.end_unix_nano - d->tree.start_unix_nano
						: 0);
	put_item(&p, STYLE_PLAIN, text_bytes(&d->label));
	if (d->n_errors)
		put_count(&p, STYLE_ERROR, d->n_errors, "error");
	if (trace->continued)
		put_item(&p, STYLE_DIM, display_bytes("continued"));
	paragraph_end(&p);
}

static void put_span(struct drawing *d, const struct tree_node *node)
{
	size_t width;

	put_label(d, node);
	put_bar(d, node->span);
	put_duration(d, node->span);
	put_mark(d, node->span);
	text_put_char(d->terminal->out, '\n');
	width = make_below(d, node, &d->prefix);
	/* The line to the first child runs past the details. */
	text_put_string(&d->prefix, node->first_child != TREE_NONE && node->depth < d->most_depth
					    ? "│  "
					    : "   ");
	console_details(d->terminal, &d->prefix, width + 3, node->span);
}

int console_draw(struct terminal *terminal, const struct trace *trace)
{
	struct drawing d = {.terminal = terminal};
	int err = tree_build(&d.tree, trace->spans, trace->n);

	if (err)
		return err;
	collect_services(&d);
	choose_columns(&d);
	put_header(&d, trace);
	for (uint32_t i = 0; i < d.tree.n; i++)
		put_span(&d, &d.tree.nodes[d.tree.order[i]]);
	text_put_char(terminal->out, '\n');
	text_free(&d.prefix);
	text_free(&d.label);
	tree_clear(&d.tree);
	return terminal->out->failed ? -ENOMEM : 0;
}
