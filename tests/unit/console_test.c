/* SPDX-License-Identifier: Apache-2.0 */
#include "console_draw.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "console_traces.h"
#include "console_tree.h"
#include "display.h"
#include "exporter.h"
#include "span_builder.h"

#define START UINT64_C(1790000000000000000)
#define MS UINT64_C(1000000)
#define REMOTE 0x300
#define LOCAL 0x100

static struct resource *shop, *kitchen;
static struct scope *scope;

static struct draft draft(uint32_t id, uint32_t parent, uint64_t start_ms, uint64_t end_ms,
			  const char *name)
{
	return (struct draft){
		.resource = shop,
		.scope = scope,
		.trace = 1,
		.id = id,
		.parent = parent,
		.start = START + start_ms * MS,
		.end = START + end_ms * MS,
		.flags = LOCAL,
		.kind = SPAN_INTERNAL,
		.name = name,
	};
}

static struct span *simple(uint32_t id, uint32_t parent, uint64_t start_ms, uint64_t end_ms,
			   const char *name)
{
	struct draft it = draft(id, parent, start_ms, end_ms, name);

	return make_span(&it);
}

/* ---- Text of strangers ------------------------------------------------------------------------*/

static void what_could_drive_a_terminal_is_shown_instead(void **state)
{
	static const struct {
		const char *from;
		const char *to;
	} cases[] = {
		{"plain", "plain"},
		{"\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"},
		{"bell\a tab\t line\nreturn\r", "bell\\x07 tab\\t line\\nreturn\\r"},
		{"\x7f", "\\x7f"},
		/* Controls of 8 bits, which some terminals obey. */
		{"\xc2\x9b"
		 "31m",
		 "\\x9b31m"},
		/* Text that is written the other way round. */
		{"a\xe2\x80\xae"
		 "b",
		 "a\\u202eb"},
		{"\xe2\x80\xa8\xef\xbb\xbf", "\\u2028\\ufeff"},
		/* No UTF-8: overlong, cut off, surrogate, too large. */
		{"\xc0\x80", "\\xc0\\x80"},
		{"\xe2\x82", "\\xe2\\x82"},
		{"\xed\xa0\x80", "\\xed\\xa0\\x80"},
		{"\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80"},
		{"寿司 é 🍣", "寿司 é 🍣"},
	};
	struct text text = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		display_put(&text, display_bytes(cases[i].from), 100);
		text_put_char(&text, '\0');
		assert_string_equal(text.data, cases[i].to);
		text_clear(&text);
	}
	text_free(&text);
}

static void columns_are_counted_as_terminals_do(void **state)
{
	struct text text = {0};

	(void)state;
	assert_int_equal(display_width(display_bytes("abc")), 3);
	assert_int_equal(display_width(display_bytes("寿司")), 4);
	assert_int_equal(display_width(display_bytes("e\xcc\x81")), 1);
	assert_int_equal(display_width(display_bytes("\x1b")), 4);
	assert_int_equal(display_put(&text, display_bytes("寿司屋"), 4), 3);
	text_put_char(&text, '\0');
	assert_string_equal(text.data, "寿…");
	text_free(&text);
}

static void durations_have_three_digits_and_a_unit(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{0, "0ns"},
		{999, "999ns"},
		{1000, "1.00µs"},
		{9994, "9.99µs"},
		{9996, "10.0µs"},
		{12345, "12.3µs"},
		{123456, "123µs"},
		{999499, "999µs"},
		{999600, "1.00ms"},
		{1234567, "1.23ms"},
		{1500000000, "1.50s"},
		{59 * 1000 * MS, "59.0s"},
		{123 * 1000 * MS, "2m03s"},
		{3720 * 1000 * MS, "1h02m"},
	};
	struct text text = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		display_put_duration(&text, cases[i].ns);
		text_put_char(&text, '\0');
		assert_string_equal(text.data, cases[i].text);
		text_clear(&text);
	}
	text_free(&text);
}

/* ---- The tree ---------------------------------------------------------------------------------*/

/* The order of reading, as "name:depth " with a mark for orphans; frees the spans. */
static void assert_tree(struct span **spans, size_t n, const char *expected)
{
	struct tree tree;
	char shown[512] = "";

	assert_int_equal(tree_build(&tree, spans, n), 0);
	for (uint32_t i = 0; i < tree.n; i++) {
		const struct tree_node *node = &tree.nodes[tree.order[i]];
		size_t size = strlen(shown);

		snprintf(shown + size, sizeof(shown) - size, "%s%.*s:%u ", node->orphan ? "?" : "",
			 (int)node->span->name.size, node->span->name.data, node->depth);
	}
	assert_string_equal(shown, expected);
	tree_clear(&tree);
	for (size_t i = 0; i < n; i++)
		span_unref(spans[i]);
}

static void children_stand_below_their_parents_by_start_time(void **state)
{
	struct span *spans[] = {
		simple(4, 2, 3, 4, "d"), simple(3, 1, 5, 9, "c"),  simple(2, 1, 1, 4, "b"),
		simple(1, 0, 0, 9, "a"), simple(5, 99, 2, 3, "e"), simple(6, 5, 2, 3, "f"),
	};

	(void)state;
	assert_tree(spans, 6, "a:0 b:1 d:2 c:1 ?e:0 f:1 ");
}

static void spans_that_are_their_own_ancestors_are_all_shown_once(void **state)
{
	struct span *self[] = {simple(1, 1, 0, 9, "self")};
	struct span *circle[] = {simple(1, 3, 0, 9, "a"), simple(2, 1, 1, 9, "b"),
				 simple(3, 2, 2, 9, "c"), simple(4, 2, 3, 9, "d")};
	struct span *tail[] = {simple(9, 1, 0, 9, "tail"), simple(1, 2, 1, 9, "a"),
			       simple(2, 1, 2, 9, "b")};
	struct span *twins[] = {simple(1, 0, 0, 9, "a"), simple(1, 0, 0, 9, "a"),
				simple(2, 1, 1, 2, "b")};

	(void)state;
	assert_tree(self, 1, "?self:0 ");
	assert_tree(circle, 4, "?a:0 b:1 c:2 d:2 ");
	assert_tree(tail, 3, "?a:0 tail:1 b:1 ");
	assert_tree(twins, 3, "a:0 b:1 a:0 ");
}

static void a_deep_chain_does_not_need_a_deep_stack(void **state)
{
	const uint32_t n = 100000;
	struct span **spans = calloc(n, sizeof(*spans));
	struct tree tree;

	(void)state;
	for (uint32_t i = 0; i < n; i++)
		spans[i] = simple(i + 1, i, i, n, "span");
	assert_int_equal(tree_build(&tree, spans, n), 0);
	assert_int_equal(tree.nodes[tree.order[n - 1]].depth, n - 1);
	tree_clear(&tree);
	/* One large circle. */
	span_unref(spans[0]);
	spans[0] = simple(1, n, 0, n, "span");
	assert_int_equal(tree_build(&tree, spans, n), 0);
	assert_int_equal(tree.nodes[tree.order[n - 1]].depth, n - 1);
	tree_clear(&tree);
	for (uint32_t i = 0; i < n; i++)
		span_unref(spans[i]);
	free(spans);
}

/* ---- When a trace is due ----------------------------------------------------------------------*/

static void add(struct console_traces *traces, uint8_t trace, uint32_t id, uint32_t parent,
		uint32_t flags, uint64_t now)
{
	struct draft it = draft(id, parent, 0, 1, "span");
	struct span *span;

	it.trace = trace;
	it.flags = flags;
	span = make_span(&it);
	assert_int_equal(console_traces_add(traces, span, now), 0);
	span_unref(span);
}

/* Takes a trace and returns how many spans it had; 0: none was due. */
static size_t take(struct console_traces *traces, uint64_t now, bool all, bool *continued)
{
	struct trace *trace = console_traces_take(traces, now, all);
	size_t n = trace ? trace->n : 0;

	if (trace && continued)
		*continued = trace->continued;
	if (trace)
		trace_free(trace);
	return n;
}

static void a_trace_is_due_shortly_after_its_root(void **state)
{
	struct console_traces *traces = console_traces_new(1000, 1 << 20);
	bool continued;

	(void)state;
	assert_int_equal(console_traces_next_due(traces), 0);
	add(traces, 1, 2, 1, LOCAL, 1000);
	assert_int_equal(take(traces, 1500, false, NULL), 0);
	add(traces, 1, 1, 0, LOCAL, 1500);
	assert_int_equal(take(traces, 1500, false, NULL), 0);
	add(traces, 1, 3, 1, LOCAL, 1600); /* late */
	assert_int_equal(console_traces_next_due(traces), 1700);
	assert_int_equal(take(traces, 1700, false, &continued), 3);
	assert_false(continued);
	assert_int_equal(console_traces_next_due(traces), 0);
	/* Later still: a fragment. */
	add(traces, 1, 4, 1, LOCAL, 3000);
	assert_int_equal(take(traces, 3200, false, &continued), 1);
	assert_true(continued);
	console_traces_free(traces);
}

static void a_trace_whose_parent_is_elsewhere_waits_for_it_a_little(void **state)
{
	struct console_traces *traces = console_traces_new(1000, 1 << 20);

	(void)state;
	add(traces, 1, 2, 1, REMOTE, 1000);
	add(traces, 2, 2, 1, REMOTE, 1000);
	add(traces, 1, 1, 0, LOCAL, 1300);
	assert_int_equal(take(traces, 1500, false, NULL), 2);
	assert_int_equal(take(traces, 1999, false, NULL), 0);
	assert_int_equal(take(traces, 2000, false, NULL), 1);
	console_traces_free(traces);
}

static void a_trace_without_root_is_shown_after_a_while_or_at_the_end(void **state)
{
	struct console_traces *traces = console_traces_new(1000, 1 << 20);

	(void)state;
	add(traces, 1, 2, 1, LOCAL, 1000);
	assert_int_equal(take(traces, 5999, false, NULL), 0);
	assert_int_equal(take(traces, 6000, false, NULL), 1);
	add(traces, 2, 2, 1, LOCAL, 7000);
	assert_int_equal(take(traces, 7000, true, NULL), 1);
	assert_int_equal(take(traces, 7000, true, NULL), 0);
	console_traces_free(traces);
}

static void what_waits_is_bounded(void **state)
{
	struct console_traces *traces = console_traces_new(100, 1 << 20);
	size_t held = 0;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		add(traces, (uint8_t)(i % 250), i + 2, 1, LOCAL, 1000);
		held++;
		held -= take(traces, 1000, false, NULL);
		assert_true(held <= 100);
	}
	console_traces_free(traces);
}

/* ---- What is drawn ----------------------------------------------------------------------------*/

static void put_event(struct draft *it)
{
	struct piece attributes = {0};

	piece_attribute(&attributes, 3, "oven.temperature", value_int(220));
	piece_event(&it->events, it->start + 5 * MS, "oven.on", attributes);
}

static size_t make_trace(struct span **spans)
{
	struct draft it = draft(1, 0, 0, 100, "POST /order");
	size_t n = 0;

	it.kind = SPAN_SERVER;
	piece_attribute(&it.attributes, 9, "http.route", value_string("/order"));
	piece_attribute(&it.attributes, 9, "note", value_string("two words"));
	spans[n++] = make_span(&it);
	it = draft(2, 1, 10, 20, "validate");
	it.status = SPAN_OK;
	spans[n++] = make_span(&it);
	it = draft(3, 1, 20, 80, "POST /cook");
	it.resource = kitchen;
	it.kind = SPAN_SERVER;
	it.status = SPAN_ERROR;
	it.status_message = "out of salt";
	put_event(&it);
	spans[n++] = make_span(&it);
	it = draft(4, 3, 30, 40, "chop");
	it.resource = kitchen;
	it.dropped_attributes = 2;
	spans[n++] = make_span(&it);
	it = draft(5, 77, 90, 100, "wash");
	spans[n++] = make_span(&it);
	return n;
}

static struct text draw(struct span **spans, size_t n, size_t width, bool colours)
{
	struct trace trace = {.spans = spans, .n = n};
	struct text out = {0};
	struct terminal terminal = {&out, width, colours};

	memcpy(trace.id, spans[0]->trace_id, sizeof(trace.id));
	assert_int_equal(console_draw(&terminal, &trace), 0);
	text_put_char(&out, '\0');
	for (size_t i = 0; i < n; i++)
		span_unref(spans[i]);
	return out;
}

static void a_trace_is_drawn_as_a_tree_of_bars(void **state)
{
	struct span *spans[8];
	size_t n = make_trace(spans);
	struct text out = draw(spans, n, 80, false);

	(void)state;
	print_message("%s", out.data);
	assert_string_equal(
		out.data,
		"26374859  shop, kitchen · 5 spans · 100ms · 1 error\n"
		"  POST /order server @shop      ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━    100ms\n"
		"  │  http.route=/order  note=\"two words\"\n"
		"  ├─ validate                      ╺━━━                                 10.0ms ✓\n"
		"  └─ POST /cook server @kitchen        ━━┿━━━━━━━━━━━━━━━━━━━╸          60.0ms ✗\n"
		"     │  ✗ out of salt\n"
		"     │  +5.00ms oven.on  oven.temperature=220\n"
		"     └─ chop                               ━━━╸                         10.0ms\n"
		"           (2 more)\n"
		"  ⋯ wash @shop                                                   ━━━━   10.0ms\n"
		"\n");
	text_free(&out);
}

/* Columns of the widest line, colours not counted; no line may be wider than the terminal. */
static size_t widest(const char *text)
{
	size_t most = 0;

	for (const char *line = text; *line;) {
		const char *end = strchr(line, '\n');
		size_t width = 0;

		assert_non_null(end);
		while (line < end) {
			struct glyph glyph;

			if (*line == '\x1b') {
				line = strchr(line, 'm') + 1;
				continue;
			}
			line += display_next((const uint8_t *)line, (size_t)(end - line), &glyph);
			width += glyph.width;
		}
		if (width > most)
			most = width;
		line = end + 1;
	}
	return most;
}

/* Everything that is awkward, and a few levels of it. */
static size_t make_awkward(struct span **spans)
{
	char name[400], value[5000];
	size_t n = 0;

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (uint32_t i = 0; i < 100; i++) {
		struct draft it = draft(i + 1, i, i, 200 - i, name);
		struct piece attributes = {0};

		memset(name, i % 3 ? 'n' : ' ', sizeof(name));
		name[i * 4 % sizeof(name)] = '\0';
		it.resource = i % 2 ? shop : kitchen;
		it.kind = (uint8_t)(i % 6);
		piece_attribute(&it.attributes, 9, i % 5 ? "料理" : value, value_string(value));
		piece_attribute(&it.attributes, 9, "lines",
				value_string("one\n  two\n\x1b[2Jthree"));
		piece_attribute(&attributes, 3, "é",
				value_string(i % 7 ? "寿司 🍣 寿司 🍣 寿司" : value));
		piece_event(&it.events, it.start + 2 * MS, name, attributes);
		it.dropped_events = i;
		it.dropped_links = i;
		spans[n++] = make_span(&it);
	}
	return n;
}

static void no_line_is_wider_than_the_terminal(void **state)
{
	struct span *spans[128];

	(void)state;
	for (size_t width = 60; width <= 240; width += 7) {
		struct text out = draw(spans, make_awkward(spans), width, width % 2);

		if (widest(out.data) > width)
			print_message("%zu columns in %zu\n", widest(out.data), width);
		assert_true(widest(out.data) <= width);
		text_free(&out);
	}
}

static void without_colours_there_is_no_escape_sequence(void **state)
{
	struct span *spans[128];
	struct text out = draw(spans, make_awkward(spans), 80, false);

	(void)state;
	assert_null(strchr(out.data, '\x1b'));
	text_free(&out);
	out = draw(spans, make_awkward(spans), 80, true);
	assert_non_null(strstr(out.data, "\x1b[0m"));
	/* Those of the application are none, even so. */
	assert_null(strstr(out.data, "\x1b[2J"));
	assert_non_null(strstr(out.data, "\\x1b[2Jthree"));
	text_free(&out);
}

static void clocks_that_run_backwards_do_no_harm(void **state)
{
	struct span *spans[] = {simple(1, 0, 50, 10, "backwards"), simple(2, 1, 0, 0, "nothing"),
				simple(3, 1, 60, 70, "after its parent")};
	struct text out;

	(void)state;
	spans[1]->start_unix_nano = 0;
	spans[1]->end_unix_nano = UINT64_MAX;
	out = draw(spans, 3, 80, false);
	assert_true(widest(out.data) <= 80);
	assert_non_null(strstr(out.data, "backwards"));
	text_free(&out);
}

/* ---- The sink ---------------------------------------------------------------------------------*/

static void the_sink_prints_to_a_file_without_colours(void **state)
{
	char path[] = "/tmp/console_test.XXXXXX", shown[4096] = "";
	int fd = mkstemp(path), again;
	struct delivery delivery = {0};
	struct span *spans[8];
	struct sink *sink;
	size_t n = make_trace(spans);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(sink_console_new(path, &sink), 0);
	assert_string_equal(sink->name, "console");
	assert_int_equal(sink->write(sink, spans, n, &delivery), 0);
	again = sink->flush(sink, false);
	assert_in_range(again, 1, 200); /* it waits for stragglers */
	assert_int_equal(sink->flush(sink, true), 0);
	sink->free(sink);
	assert_true(read(fd, shown, sizeof(shown) - 1) > 500);
	assert_non_null(strstr(shown, "26374859  shop, kitchen · 5 spans"));
	assert_null(strchr(shown, '\x1b'));
	close(fd);
	unlink(path);
	for (size_t i = 0; i < n; i++)
		span_unref(spans[i]);
}

/* What a sink prints on a terminal of @columns. */
static char *print_on_terminal(unsigned short columns)
{
	struct winsize size = {.ws_row = 50, .ws_col = columns};
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct delivery delivery = {0};
	char *shown = calloc(1, 16384);
	struct span *span = simple(1, 0, 0, 1, "span");
	struct sink *sink;

	assert_true(master >= 0 && !grantpt(master) && !unlockpt(master));
	assert_int_equal(ioctl(master, TIOCSWINSZ, &size), 0);
	assert_int_equal(sink_console_new(ptsname(master), &sink), 0);
	assert_int_equal(sink->write(sink, &span, 1, &delivery), 0);
	assert_int_equal(sink->flush(sink, true), 0);
	assert_true(read(master, shown, 16383) > 0);
	sink->free(sink);
	close(master);
	span_unref(span);
	return shown;
}

static void a_terminal_gets_colours_and_lines_of_its_width(void **state)
{
	char *shown;

	(void)state;
	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	shown = print_on_terminal(100);
	assert_non_null(strchr(shown, '\x1b'));
	/* The line ends in a duration, two columns for a mark, and a return of the terminal's. */
	assert_in_range(widest(shown), 90, 102);
	free(shown);
	shown = print_on_terminal(20);
	assert_in_range(widest(shown), 50, 62);
	free(shown);
}

static void colours_can_be_switched_off(void **state)
{
	char *shown;

	(void)state;
	setenv("NO_COLOR", "1", 1);
	shown = print_on_terminal(100);
	assert_null(strchr(shown, '\x1b'));
	free(shown);
	setenv("NO_COLOR", "", 1);
	setenv("TERM", "dumb", 1);
	shown = print_on_terminal(100);
	assert_null(strchr(shown, '\x1b'));
	free(shown);
}

static void a_full_device_loses_the_spans_but_nothing_else(void **state)
{
	struct delivery delivery = {0};
	struct span *spans[8];
	struct sink *sink;
	size_t n = make_trace(spans);

	(void)state;
	assert_int_equal(sink_console_new("/dev/full", &sink), 0);
	assert_int_equal(sink->write(sink, spans, n, &delivery), 0);
	assert_int_equal(sink->flush(sink, true), -ENOSPC);
	assert_int_equal(sink->flush(sink, true), 0);
	sink->free(sink);
	for (size_t i = 0; i < n; i++)
		span_unref(spans[i]);
}

/* What an exporter counts of @n times two spans, printed to @path, with 300 ms for it at the end. */
static struct exporter_counts export_to(const char *path, uint32_t n, struct exporter_health *health)
{
	const struct exporter_options options = {.queue_bytes = 64u << 20, .schedule_ms = 10};
	struct exporter_counts counts;
	struct exporter *exporter;
	struct sink *sink;

	assert_int_equal(sink_console_new(path, &sink), 0);
	exporter = exporter_new(sink, &options);
	assert_non_null(exporter);
	for (uint32_t i = 0; i < 2 * n; i++) {
		struct draft it = draft(i + 1, i % 2 ? i : 0, 0, 1, "boil");
		struct span *span;

		it.trace = (uint8_t)(i / 2);
		span = make_span(&it);
		exporter_submit(exporter, span);
		span_unref(span);
	}
	exporter_counts(exporter, &counts);
	assert_int_equal(counts.submitted, 2 * n);
	assert_int_equal(counts.exported + counts.rejected + counts.waiting, 2 * n);
	exporter_stop(exporter, 300);
	exporter_counts(exporter, &counts);
	exporter_health(exporter, health);
	exporter_free(exporter);
	assert_int_equal(counts.waiting, 0);
	return counts;
}

static void what_was_printed_counts_as_exported(void **state)
{
	char path[] = "/tmp/console_test.XXXXXX";
	struct exporter_health health;
	struct exporter_counts counts;
	int fd = mkstemp(path);

	(void)state;
	counts = export_to(path, 100, &health);
	assert_int_equal(counts.exported, 200);
	assert_true(health.healthy);
	close(fd);
	unlink(path);
}

static void what_could_not_be_printed_is_not_counted_as_exported(void **state)
{
	struct exporter_health health;
	struct exporter_counts counts = export_to("/dev/full", 100, &health);

	(void)state;
	assert_int_equal(counts.exported, 0);
	assert_int_equal(counts.rejected, 200);
	assert_false(health.healthy);
	assert_non_null(strstr(health.message, "/dev/full: No space left on device"));
}

static void what_nobody_read_in_time_is_not_counted_as_exported(void **state)
{
	char folder[] = "/tmp/console_test.XXXXXX", path[64];
	static char shown[1 << 20];
	struct exporter_health health;
	struct exporter_counts counts;
	size_t size = 0, whole = 0;
	const char *end;
	ssize_t n;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/fifo", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	counts = export_to(path, 5000, &health);
	while ((n = read(fd, shown + size, sizeof(shown) - 1 - size)) > 0)
		size += (size_t)n;
	/* A trace ends with an empty line: behind the last one is a part of one. */
	end = strstr(shown, "\n\n");
	for (const char *next; end && (next = strstr(end + 2, "\n\n"));)
		end = next;
	assert_non_null(end);
	for (const char *at = shown; (at = strstr(at, "boil ")) && at < end; at++)
		whole++;
	print_message("%zu spans in %zu bytes, %zu exported\n", whole, size,
		      (size_t)counts.exported);
	assert_in_range(whole, 1, 9999);
	assert_int_equal(counts.exported, whole);
	assert_int_equal(counts.undelivered, 10000 - whole);
	close(fd);
	unlink(path);
	rmdir(folder);
}

static int make_shared(void **state)
{
	struct piece nothing = {0};

	(void)state;
	shop = make_resource("shop", nothing);
	kitchen = make_resource("kitchen", nothing);
	scope = make_scope("test", NULL, nothing);
	return 0;
}

static int free_shared(void **state)
{
	(void)state;
	assert_int_equal(shop->references, 1);
	assert_int_equal(kitchen->references, 1);
	resource_unref(shop);
	resource_unref(kitchen);
	scope_unref(scope);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_could_drive_a_terminal_is_shown_instead),
		cmocka_unit_test(columns_are_counted_as_terminals_do),
		cmocka_unit_test(durations_have_three_digits_and_a_unit),
		cmocka_unit_test(children_stand_below_their_parents_by_start_time),
		cmocka_unit_test(spans_that_are_their_own_ancestors_are_all_shown_once),
		cmocka_unit_test(a_deep_chain_does_not_need_a_deep_stack),
		cmocka_unit_test(a_trace_is_due_shortly_after_its_root),
		cmocka_unit_test(a_trace_whose_parent_is_elsewhere_waits_for_it_a_little),
		cmocka_unit_test(a_trace_without_root_is_shown_after_a_while_or_at_the_end),
		cmocka_unit_test(what_waits_is_bounded),
		cmocka_unit_test(a_trace_is_drawn_as_a_tree_of_bars),
		cmocka_unit_test(no_line_is_wider_than_the_terminal),
		cmocka_unit_test(without_colours_there_is_no_escape_sequence),
		cmocka_unit_test(clocks_that_run_backwards_do_no_harm),
		cmocka_unit_test(the_sink_prints_to_a_file_without_colours),
		cmocka_unit_test(a_terminal_gets_colours_and_lines_of_its_width),
		cmocka_unit_test(colours_can_be_switched_off),
		cmocka_unit_test(a_full_device_loses_the_spans_but_nothing_else),
		cmocka_unit_test(what_was_printed_counts_as_exported),
		cmocka_unit_test(what_could_not_be_printed_is_not_counted_as_exported),
		cmocka_unit_test(what_nobody_read_in_time_is_not_counted_as_exported),
	};

	return cmocka_run_group_tests(tests, make_shared, free_shared);
}
