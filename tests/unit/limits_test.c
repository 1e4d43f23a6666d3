/* SPDX-License-Identifier: Apache-2.0 */
#include "span_limits.h"

#include <fcntl.h>

#include "utf8.h"
#include "fixture.h"

/* ---- The environment ------------------------------------------------------------------------ */

static const char *const names[] = {
	"OTEL_ATTRIBUTE_COUNT_LIMIT",	     "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
	"OTEL_SPAN_EVENT_COUNT_LIMIT",	     "OTEL_SPAN_LINK_COUNT_LIMIT",
	"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",  "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
	"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
};

/* Of @general and @specific, NULL: not set, the attributes' limit. */
static struct {
	const char *what;
	const char *general;
	const char *specific;
	uint64_t count;
	uint64_t length;
	bool warns; /* for each of the two pairs */
} const table[] = {
	{"neither is set", NULL, NULL, 128, SIZE_MAX, false},
	{"only the general one", "7", NULL, 7, 7, false},
	{"only the specific one", NULL, "9", 9, 9, false},
	{"the specific one wins", "7", "9", 9, 9, false},
	{"the specific one wins although it is larger", "7", "1000", 1000, 1000, false},
	{"an empty one is not set", "", NULL, 128, SIZE_MAX, false},
	{"an empty specific one leaves the general one", "7", "", 7, 7, false},
	{"both empty", "", "", 128, SIZE_MAX, false},
	{"none at all", NULL, "0", 0, 0, false},
	{"a word", NULL, "many", 128, SIZE_MAX, true},
	{"a bad specific one leaves the general one", "7", "many", 7, 7, true},
	{"a bad general one leaves the specific one", "many", "9", 9, 9, true},
	{"a negative number", "-1", NULL, 128, SIZE_MAX, true},
	{"a sign", "+5", NULL, 128, SIZE_MAX, true},
	{"a fraction", "12.5", NULL, 128, SIZE_MAX, true},
	{"a space before", " 5", NULL, 128, SIZE_MAX, true},
	{"something behind", "5x", NULL, 128, SIZE_MAX, true},
	{"more than 64 bits", "18446744073709551616", NULL, 128, SIZE_MAX, true},
	{"more than there can be", "2147483647", NULL, LIMITS_MOST, 2147483647, false},
};

static void set(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

static int clear_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	return 0;
}

/* Reads the limits and how many lines were said about ignored ones. */
static struct limits read_limits(size_t *warnings)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	struct limits limits;
	char line[512];

	assert_non_null(file);
	dup2(fileno(file), STDERR_FILENO);
	limits = limits_from_environment();
	dup2(saved, STDERR_FILENO);
	close(saved);
	*warnings = 0;
	rewind(file);
	while (fgets(line, sizeof(line), file))
		*warnings += strstr(line, "ignored: not a whole number") != NULL;
	fclose(file);
	return limits;
}

static void the_environment_sets_the_limits_as_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct limits limits;
		size_t warnings;

		set("OTEL_ATTRIBUTE_COUNT_LIMIT", table[i].general);
		set("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", table[i].specific);
		set("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", table[i].general);
		set("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", table[i].specific);
		limits = read_limits(&warnings);
		if (limits.attributes != table[i].count || limits.value_length != table[i].length ||
		    warnings != (table[i].warns ? 2 : 0))
			fprintf(stderr, "%s: %u, %zu, %zu warnings\n", table[i].what,
				limits.attributes, limits.value_length, warnings);
		assert_int_equal(limits.attributes, table[i].count);
		assert_true(limits.value_length == table[i].length);
		assert_int_equal(warnings, table[i].warns ? 2 : 0);
		/* They are of spans. */
		assert_int_equal(limits.events, 128);
		assert_int_equal(limits.links, 128);
		assert_int_equal(limits.event_attributes, 128);
		assert_int_equal(limits.link_attributes, 128);
	}
}

static void every_variable_sets_its_own_limit(void **state)
{
	struct limits limits;
	size_t warnings;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char value[2] = {(char)('1' + i), '\0'};

		set(names[i], value);
	}
	limits = read_limits(&warnings);
	assert_int_equal(limits.attributes, 2);
	assert_int_equal(limits.events, 3);
	assert_int_equal(limits.links, 4);
	assert_int_equal(limits.event_attributes, 5);
	assert_int_equal(limits.link_attributes, 6);
	assert_int_equal(limits.value_length, 8);
	assert_int_equal(warnings, 0);
}

/* ---- Spans ---------------------------------------------------------------------------------- */

static const struct limits few = {
	.attributes = 3,
	.events = 2,
	.links = 2,
	.event_attributes = 2,
	.link_attributes = 1,
	.value_length = 5,
};

static void restart(const struct limits *limits)
{
	const struct intake_options options = {
		.max_open = 100,
		.limits = limits,
		.sink = {.submit = collect_span, .self = &out},
	};

	intake_free(intake);
	intake = intake_new(&options);
	assert_non_null(intake);
}

static void put_texts(size_t n, const char *prefix)
{
	for (size_t i = 0; i < n; i++) {
		char key[32];

		snprintf(key, sizeof(key), "%s%zu", prefix, i);
		producer_text(&one, SPAN, OTEL_RECORD_COUNTED, 0, key, "v");
	}
}

static uint8_t *encode_texts(uint8_t *end, uint32_t number, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char key[32];

		snprintf(key, sizeof(key), "k%zu", i);
		end = encode_text(end, number, key, "v");
	}
	return end;
}

static void put_link(size_t attributes)
{
	static uint8_t body[65536];
	uint8_t *end = wire_put_bytes(body, 1, "0123456789abcdef", 16);

	end = wire_put_bytes(end, 2, "01234567", 8);
	end = encode_texts(end, 4, attributes);
	producer_put(&one, OTEL_RECORD_LINK, OTEL_RECORD_COUNTED, SPAN, NULL, 0, body,
		     (size_t)(end - body));
}

static void put_event(uint64_t time, size_t attributes)
{
	static uint8_t body[65536];
	uint8_t *end = encode_texts(body, 3, attributes);

	producer_event(&one, SPAN, OTEL_RECORD_COUNTED, time, "event", body, (size_t)(end - body));
}

static void the_129th_attribute_is_dropped_and_counted(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "name", NULL);
	put_texts(131, "k");
	producer_end(&one, SPAN, NOW + 9, 131, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(count_fields(only()->attributes, 9), 128);
	assert_int_equal(only()->dropped_attributes, 3);
	assert_text(text_attribute(only()->attributes, 9, "k0"), "v");
	assert_text(text_attribute(only()->attributes, 9, "k127"), "v");
	assert_null(attribute(only()->attributes, 9, "k128").data);
}

static void a_value_that_replaces_another_is_no_drop(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "name", NULL);
	put_texts(128, "k");
	producer_text(&one, SPAN, OTEL_RECORD_COUNTED, 0, "k5", "again");
	producer_end(&one, SPAN, NOW + 9, 129, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(count_fields(only()->attributes, 9), 128);
	assert_int_equal(only()->dropped_attributes, 0);
	assert_text(text_attribute(only()->attributes, 9, "k5"), "again");
}

static void the_129th_event_and_link_are_dropped_and_counted(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "name", NULL);
	for (uint64_t i = 0; i < 129; i++) {
		put_event(NOW + i, 0);
		put_link(1);
	}
	producer_end(&one, SPAN, NOW + 999, 0, 129, 129, 0);
	producer_flush(&one, intake);
	assert_int_equal(count_fields(only()->events, 11), 128);
	assert_int_equal(only()->dropped_events, 1);
	assert_int_equal(count_fields(only()->links, 13), 128);
	assert_int_equal(only()->dropped_links, 1);
}

static void the_129th_attribute_of_an_event_and_of_a_link_is_dropped_and_counted(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "name", NULL);
	put_event(NOW + 1, 130);
	put_link(131);
	producer_end(&one, SPAN, NOW + 9, 0, 1, 1, 0);
	producer_flush(&one, intake);
	assert_int_equal(count_fields(field_at(only()->events, 11, 0).bytes, 3), 128);
	assert_int_equal(field_at(field_at(only()->events, 11, 0).bytes, 4, 0).value, 2);
	assert_int_equal(count_fields(field_at(only()->links, 13, 0).bytes, 4), 128);
	assert_int_equal(field_at(field_at(only()->links, 13, 0).bytes, 5, 0).value, 3);
	assert_int_equal(only()->dropped_attributes, 0);
}

static void limits_that_are_set_hold_for_all_that_a_span_carries(void **state)
{
	(void)state;
	restart(&few);
	producer_start(&one, SPAN, "name", NULL);
	put_texts(5, "k");
	for (uint64_t i = 0; i < 4; i++)
		put_event(NOW + i, 3);
	for (int i = 0; i < 5; i++)
		put_link(4);
	producer_end(&one, SPAN, NOW + 9, 5, 4, 5, 0);
	producer_flush(&one, intake);
	assert_int_equal(count_fields(only()->attributes, 9), 3);
	assert_int_equal(only()->dropped_attributes, 2);
	assert_int_equal(count_fields(only()->events, 11), 2);
	assert_int_equal(only()->dropped_events, 2);
	assert_int_equal(count_fields(field_at(only()->events, 11, 1).bytes, 3), 2);
	assert_int_equal(field_at(field_at(only()->events, 11, 1).bytes, 4, 0).value, 1);
	assert_int_equal(count_fields(only()->links, 13), 2);
	assert_int_equal(only()->dropped_links, 3);
	assert_int_equal(count_fields(field_at(only()->links, 13, 1).bytes, 4), 1);
	assert_int_equal(field_at(field_at(only()->links, 13, 1).bytes, 5, 0).value, 3);
}

static void limits_of_nothing_leave_a_span_with_nothing(void **state)
{
	static const struct limits none = {.value_length = LIMITS_NONE};

	(void)state;
	restart(&none);
	producer_start(&one, SPAN, "name", NULL);
	put_texts(2, "k");
	put_event(NOW + 1, 1);
	put_link(1);
	producer_end(&one, SPAN, NOW + 9, 2, 1, 1, 0);
	producer_flush(&one, intake);
	assert_int_equal(only()->attributes.size + only()->events.size + only()->links.size, 0);
	assert_int_equal(only()->dropped_attributes, 2);
	assert_int_equal(only()->dropped_events, 1);
	assert_int_equal(only()->dropped_links, 1);
}

static void larger_limits_let_more_in(void **state)
{
	struct limits limits = LIMITS_DEFAULTS;

	(void)state;
	limits.attributes = 1000;
	limits.events = 1000;
	restart(&limits);
	producer_start(&one, SPAN, "name", NULL);
	put_texts(1001, "k");
	for (uint64_t i = 0; i < 1001; i++)
		put_event(NOW + i, 0);
	/* From another thread, too: all are put into order. */
	producer_event(&two, SPAN, 0, NOW + 500, "other", NULL, 0);
	producer_end(&one, SPAN, NOW + 1500, 1001, 1001, 0, OTEL_END_SHARED);
	producer_flush(&one, intake);
	producer_flush(&two, intake);
	intake_tick(intake, NOW + 5 * SECOND);
	assert_int_equal(count_fields(only()->attributes, 9), 1000);
	assert_int_equal(only()->dropped_attributes, 1);
	assert_int_equal(count_fields(only()->events, 11), 1000);
	assert_int_equal(only()->dropped_events, 2);
}

static void an_errors_event_has_the_same_limits(void **state)
{
	struct otel_error error = {.time = NOW + 3, .error = 2};

	(void)state;
	restart(&few);
	producer_start(&one, SPAN, "name", NULL);
	put_texts(3, "k");
	producer_put(&one, OTEL_RECORD_ERROR, OTEL_RECORD_COUNTED, SPAN, &error, sizeof(error),
		     NULL, 0);
	producer_end(&one, SPAN, NOW + 9, 3, 1, 0, 0);
	producer_flush(&one, intake);
	assert_text(text_attribute(field_at(only()->events, 11, 0).bytes, 3, "exception.message"),
		    "No su");
	/* error.type is one too many. */
	assert_int_equal(count_fields(only()->attributes, 9), 3);
	assert_int_equal(only()->dropped_attributes, 1);
	/* A status is no attribute. */
	assert_text(only()->status_message, "No such file or directory");
}

static void the_resource_has_no_limits(void **state)
{
	uint8_t fields[4096], *end = fields;

	(void)state;
	restart(&few);
	for (int i = 0; i < 20; i++) {
		char key[16];

		snprintf(key, sizeof(key), "r%d", i);
		end = encode_text(end, 1, key, "longer than the limit");
	}
	producer_put(&one, OTEL_RECORD_RESOURCE, 0, 0, NULL, 0, fields, (size_t)(end - fields));
	producer_start(&one, SPAN, "name", NULL);
	producer_end(&one, SPAN, NOW + 9, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_text(text_attribute(only()->resource->encoded, 1, "r19"), "longer than the limit");
}

/* ---- Values --------------------------------------------------------------------------------- */

/* One attribute with an encoded AnyValue goes in; what comes out of it. */
static struct bytes limited(const struct limits *limits, const void *any, size_t size)
{
	uint8_t body[512], *end;

	restart(limits);
	end = wire_put_header(body, 9, 3 + wire_bytes_size(2, size));
	end = wire_put_bytes(end, 1, "k", 1);
	end = wire_put_bytes(end, 2, any, size);
	producer_start(&one, SPAN, "name", NULL);
	producer_put(&one, OTEL_RECORD_ATTRIBUTES, OTEL_RECORD_COUNTED, SPAN, NULL, 0, body,
		     (size_t)(end - body));
	producer_end(&one, SPAN, NOW + 9, 1, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(only()->dropped_attributes, 0);
	return attribute(only()->attributes, 9, "k");
}

#define ONE "a"
#define TWO "\xc3\xa4"
#define THREE "\xe2\x82\xac"
#define FOUR "\xf0\x9f\x8d\xb2"

static const struct {
	const char *what;
	const char *in;
	const char *out;
} texts[] = {
	{"fewer", ONE ONE ONE, ONE ONE ONE},
	{"as many", ONE ONE ONE ONE ONE, ONE ONE ONE ONE ONE},
	{"one more", "abcdef", "abcde"},
	{"as many of four bytes each", FOUR FOUR FOUR FOUR FOUR, FOUR FOUR FOUR FOUR FOUR},
	{"one more, of four bytes", ONE ONE ONE ONE ONE FOUR, ONE ONE ONE ONE ONE},
	{"the limit is in a character of four bytes, were it of bytes", ONE TWO FOUR,
	 ONE TWO FOUR},
	{"the last that fits has four bytes", ONE TWO THREE ONE FOUR TWO, ONE TWO THREE ONE FOUR},
	{"empty", "", ""},
};

static void strings_are_cut_after_whole_characters(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		uint8_t any[128], *end;
		struct bytes value;

		end = wire_put_bytes(any, 1, texts[i].in, strlen(texts[i].in));
		value = field_at(limited(&few, any, (size_t)(end - any)), 1, 0).bytes;
		if (!bytes_are(value, texts[i].out))
			fprintf(stderr, "%s\n", texts[i].what);
		assert_text(value, texts[i].out);
		assert_true(utf8_valid(value.data, value.size));
		collected_free(&out);
	}
}

static void bytes_and_what_is_no_utf8_are_cut_after_bytes(void **state)
{
	uint8_t any[128], *end;

	(void)state;
	end = wire_put_bytes(any, 7, "\xf0\x9f\x8d\xb2\xf0\x9f\x8d", 7);
	assert_text(field_at(limited(&few, any, (size_t)(end - any)), 7, 0).bytes,
		    "\xf0\x9f\x8d\xb2\xf0");
	collected_free(&out);
	end = wire_put_bytes(any, 1, "\xf0\x9f\x8d\xb2\xf0\x9f\x8d", 7);
	assert_text(field_at(limited(&few, any, (size_t)(end - any)), 7, 0).bytes,
		    "\xf0\x9f\x8d\xb2\xf0");
}

static void elements_of_arrays_and_maps_are_cut_each(void **state)
{
	uint8_t any[256], array[128], element[32], *end, *at = array, *last;
	struct bytes value;

	(void)state;
	/* ["abcdefg", null, 7 bytes, 3, {"a long key": "abcdefg"}] and then as element "xyz" */
	last = wire_put_bytes(element, 1, "abcdefg", 7);
	at = wire_put_bytes(at, 1, element, (size_t)(last - element));
	at = wire_put_header(at, 1, 0);
	last = wire_put_bytes(element, 7, "1234567", 7);
	at = wire_put_bytes(at, 1, element, (size_t)(last - element));
	last = wire_put_uint(element, 3, 3);
	at = wire_put_bytes(at, 1, element, (size_t)(last - element));
	last = encode_text(element, 1, "a long key", "abcdefg");
	at = wire_put_header(at, 1, wire_bytes_size(6, (size_t)(last - element)));
	at = wire_put_bytes(at, 6, element, (size_t)(last - element));
	last = wire_put_bytes(element, 1, "xyz", 3);
	at = wire_put_bytes(at, 1, element, (size_t)(last - element));
	end = wire_put_bytes(any, 5, array, (size_t)(at - array));
	value = field_at(limited(&few, any, (size_t)(end - any)), 5, 0).bytes;
	assert_int_equal(count_fields(value, 1), 6);
	assert_text(field_at(field_at(value, 1, 0).bytes, 1, 0).bytes, "abcde");
	assert_int_equal(field_at(value, 1, 1).bytes.size, 0);
	assert_text(field_at(field_at(value, 1, 2).bytes, 7, 0).bytes, "12345");
	assert_int_equal(field_at(field_at(value, 1, 3).bytes, 3, 0).value, 3);
	assert_text(text_attribute(field_at(field_at(value, 1, 4).bytes, 6, 0).bytes, 1,
				   "a long key"),
		    "abcde");
	assert_text(field_at(field_at(value, 1, 5).bytes, 1, 0).bytes, "xyz");
}

static void numbers_are_never_cut(void **state)
{
	static const struct limits none = {.attributes = 1, .value_length = 0};
	uint8_t any[32], *end = wire_put_uint(any, 3, UINT64_MAX);

	(void)state;
	assert_true(field_at(limited(&none, any, (size_t)(end - any)), 3, 0).value == UINT64_MAX);
	collected_free(&out);
	end = wire_put_fixed64(any, 4, UINT64_C(0x400921fb54442d18));
	assert_true(field_at(limited(&none, any, (size_t)(end - any)), 4, 0).value ==
		    UINT64_C(0x400921fb54442d18));
	collected_free(&out);
	end = wire_put_bytes(any, 1, "text", 4);
	assert_int_equal(field_at(limited(&none, any, (size_t)(end - any)), 1, 0).bytes.size, 0);
}

static void values_of_events_and_links_are_cut_keys_and_names_are_not(void **state)
{
	uint8_t fields[128], *end = encode_text(fields, 3, "event's key", "event's value");

	(void)state;
	restart(&few);
	producer_start(&one, SPAN, "a long name", NULL);
	producer_event(&one, SPAN, OTEL_RECORD_COUNTED, NOW + 1, "event's name", fields,
		       (size_t)(end - fields));
	end = wire_put_bytes(fields, 1, "0123456789abcdef", 16);
	end = wire_put_bytes(end, 2, "01234567", 8);
	end = encode_text(end, 4, "link's key", "link's value");
	producer_put(&one, OTEL_RECORD_LINK, OTEL_RECORD_COUNTED, SPAN, NULL, 0, fields,
		     (size_t)(end - fields));
	producer_end(&one, SPAN, NOW + 9, 0, 1, 1, 0);
	producer_flush(&one, intake);
	assert_text(only()->name, "a long name");
	assert_text(field_at(field_at(only()->events, 11, 0).bytes, 2, 0).bytes, "event's name");
	assert_text(text_attribute(field_at(only()->events, 11, 0).bytes, 3, "event's key"),
		    "event");
	assert_text(text_attribute(field_at(only()->links, 13, 0).bytes, 4, "link's key"), "link'");
}

static void by_default_nothing_is_cut(void **state)
{
	static char text[500001];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	producer_start(&one, SPAN, "name", NULL);
	producer_text(&one, SPAN, OTEL_RECORD_COUNTED, 0, "k", text);
	producer_end(&one, SPAN, NOW + 9, 1, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(text_attribute(only()->attributes, 9, "k").size, 500000);
}

#define ENVIRONMENT(name) cmocka_unit_test_setup_teardown(name, clear_environment, clear_environment)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENVIRONMENT(the_environment_sets_the_limits_as_the_table_says),
		ENVIRONMENT(every_variable_sets_its_own_limit),
		TEST(the_129th_attribute_is_dropped_and_counted),
		TEST(a_value_that_replaces_another_is_no_drop),
		TEST(the_129th_event_and_link_are_dropped_and_counted),
		TEST(the_129th_attribute_of_an_event_and_of_a_link_is_dropped_and_counted),
		TEST(limits_that_are_set_hold_for_all_that_a_span_carries),
		TEST(limits_of_nothing_leave_a_span_with_nothing),
		TEST(larger_limits_let_more_in),
		TEST(an_errors_event_has_the_same_limits),
		TEST(the_resource_has_no_limits),
		TEST(strings_are_cut_after_whole_characters),
		TEST(bytes_and_what_is_no_utf8_are_cut_after_bytes),
		TEST(elements_of_arrays_and_maps_are_cut_each),
		TEST(numbers_are_never_cut),
		TEST(values_of_events_and_links_are_cut_keys_and_names_are_not),
		TEST(by_default_nothing_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
