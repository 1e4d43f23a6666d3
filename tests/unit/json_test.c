/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pieces that JSON is made of. That whole spans mean the same as in protobuf is checked with
 * decoders of others: see tests/interop/encode_test.py.
 */
#include "otlp_json.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "span_builder.h"

static void assert_text(struct text *text, const char *expected)
{
	text_put_char(text, '\0');
	assert_false(text->failed);
	assert_string_equal(text->data, expected);
	text_clear(text);
}

static void doubles_are_short_and_read_back_as_what_they_were(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{0, "0"},
		{-0.0, "-0.0"},
		{1, "1"},
		{-1, "-1"},
		{0.1, "0.1"},
		{0.5, "0.5"},
		{99.99, "99.99"},
		{4.35, "4.35"},
		{-2.25, "-2.25"},
		{1e6, "1000000"},
		{0.000001, "0.000001"},
		{1e300, "1e+300"},
		{5e-324, "4.94065645841247e-324"},
		{0.1 + 0.2, "0.30000000000000004"},
		{NAN, "nan"},
		{INFINITY, "inf"},
		{-INFINITY, "-inf"},
	};
	struct text text = {0};
	uint64_t seed = 88172645463325252;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		text_put_double(&text, cases[i].value);
		assert_text(&text, cases[i].text);
	}
	for (int i = 0; i < 200000; i++) {
		double value;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		memcpy(&value, &seed, sizeof(value));
		/* Any bits at all, and numbers of the size that people use. */
		if (i % 2)
			value = (double)(int64_t)(seed % 2000000000 - 1000000000) /
				(double)(1 + seed % 7 * 1000);
		if (isnan(value) || isinf(value))
			continue;
		text_put_double(&text, value);
		text_put_char(&text, '\0');
		if (strtod(text.data, NULL) != value)
			print_message("%.17g became %s\n", value, text.data);
		assert_true(strtod(text.data, NULL) == value);
		text_clear(&text);
	}
	text_free(&text);
}

static void integers_are_written_to_their_limits(void **state)
{
	struct text text = {0};

	(void)state;
	text_put_uint(&text, 0);
	assert_text(&text, "0");
	text_put_uint(&text, UINT64_MAX);
	assert_text(&text, "18446744073709551615");
	text_put_int(&text, INT64_MIN);
	assert_text(&text, "-9223372036854775808");
	for (uint64_t value = 1; value < UINT64_MAX / 10; value *= 10) {
		char expected[32];

		for (int delta = -1; delta <= 1; delta++) {
			snprintf(expected, sizeof(expected), "%llu",
				 (unsigned long long)value + (unsigned long long)delta);
			text_put_uint(&text, value + (uint64_t)delta);
			assert_text(&text, expected);
		}
	}
	text_free(&text);
}

/* The line of one span that has @name. */
static struct text line_of(const char *name)
{
	struct piece nothing = {0};
	struct resource *resource = make_resource("a", nothing);
	struct scope *scope = make_scope(NULL, NULL, nothing);
	struct draft draft = {.resource = resource, .scope = scope, .id = 1, .name = name};
	struct span *span = make_span(&draft);
	struct grouping grouping = {0};
	struct text line = {0};

	assert_int_equal(otlp_json(&grouping, &span, 1, &line), 0);
	text_put_char(&line, '\0');
	group_clear(&grouping);
	span_unref(span);
	resource_unref(resource);
	scope_unref(scope);
	return line;
}

static void every_control_character_quote_and_backslash_is_escaped(void **state)
{
	char name[300], expected[64];
	struct text line;

	(void)state;
	/* At every place within a word, for strings are looked through by words. */
	for (int place = 0; place < 17; place++) {
		for (int c = 1; c < 0x80; c++) {
			static const char shorts[] = "b\bf\fn\nr\rt\t\"\"\\\\";
			const char *known = NULL;

			for (size_t i = 1; i < sizeof(shorts) - 1; i += 2) {
				if (shorts[i] == c)
					known = shorts + i - 1;
			}
			memset(name, 'a', 20);
			name[20] = '\0';
			name[place] = (char)c;
			line = line_of(name);
			if (known)
				snprintf(expected, sizeof(expected), "\\%ca", *known);
			else if (c < 0x20)
				snprintf(expected, sizeof(expected), "\\u%04xa", (unsigned int)c);
			else
				snprintf(expected, sizeof(expected), "%ca", c);
			if (!strstr(line.data, expected))
				print_message("%s not in %s", expected, line.data);
			assert_non_null(strstr(line.data, expected));
			for (const char *p = line.data; p[1] != '\0'; p++)
				assert_true((uint8_t)*p >= 0x20);
			text_free(&line);
		}
	}
}

static void a_span_of_nothing_but_defaults_has_only_what_it_must(void **state)
{
	struct text line = line_of(NULL);

	(void)state;
	assert_string_equal(
		line.data,
		"{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
		"\"value\":{\"stringValue\":\"a\"}}]},\"scopeSpans\":[{\"spans\":[{"
		"\"traceId\":\"0112233445566778899aabbccddeef00\","
		"\"spanId\":\"157c4a7fb979379e\",\"startTimeUnixNano\":\"0\","
		"\"endTimeUnixNano\":\"0\"}]}],\"schemaUrl\":"
		"\"https://opentelemetry.io/schemas/1.36.0\"}]}\n");
	text_free(&line);
}

static void values_that_are_nested_too_deeply_end_in_an_empty_one(void **state)
{
	struct piece nothing = {0}, value = value_string("bottom");
	struct resource *resource = make_resource("a", nothing);
	struct scope *scope = make_scope(NULL, NULL, nothing);
	struct draft draft = {.resource = resource, .scope = scope, .id = 1};
	struct grouping grouping = {0};
	struct text line = {0};
	struct span *span;

	(void)state;
	for (int i = 0; i < 2000; i++)
		value = value_array(&value, 1);
	piece_attribute(&draft.attributes, 9, "deep", value);
	span = make_span(&draft);
	assert_int_equal(otlp_json(&grouping, &span, 1, &line), 0);
	assert_true(line.size < 2000);
	group_clear(&grouping);
	text_free(&line);
	span_unref(span);
	resource_unref(resource);
	scope_unref(scope);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doubles_are_short_and_read_back_as_what_they_were),
		cmocka_unit_test(integers_are_written_to_their_limits),
		cmocka_unit_test(every_control_character_quote_and_backslash_is_escaped),
		cmocka_unit_test(a_span_of_nothing_but_defaults_has_only_what_it_must),
		cmocka_unit_test(values_that_are_nested_too_deeply_end_in_an_empty_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
