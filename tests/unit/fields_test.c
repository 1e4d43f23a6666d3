/* SPDX-License-Identifier: Apache-2.0 */
#include "fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "attributes.h"
#include "utf8.h"
#include "wire.h"

static struct bytes of(const void *data, size_t size)
{
	return (struct bytes){.data = data, .size = size};
}

/* Checks a copy on the heap, exactly as large: the address sanitizer sees any byte read too many.
 */
static int check(const void *data, size_t size, const char **why)
{
	uint8_t *copy = malloc(size ? size : 1);
	struct bytes key;
	int result;

	assert_non_null(copy);
	memcpy(copy, data, size);
	*why = NULL;
	result = key_value_check(of(copy, size), &key, why);
	free(copy);
	return result;
}

#define KEY "\x0a\x01k"

/* KeyValue bodies as literal bytes: 0 clean, 1 to be repaired, -1 malformed. */
static const struct {
	const char *what;
	const char *body;
	size_t size;
	int result;
} table[] = {
#define BODY(text) text, sizeof(text) - 1
	{"a string", BODY(KEY "\x12\x03\x0a\x01v"), 0},
	{"an empty string", BODY(KEY "\x12\x02\x0a\x00"), 0},
	{"a bool", BODY(KEY "\x12\x02\x10\x01"), 0},
	{"a negative int", BODY(KEY "\x12\x0b\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 0},
	{"a double", BODY(KEY "\x12\x09\x21\0\0\0\0\0\0\0\0"), 0},
	{"bytes", BODY(KEY "\x12\x03\x3a\x01\xff"), 0},
	{"an array with a broken element", BODY(KEY "\x12\x07\x2a\x05\x0a\x01\x0a\x0a\x00"), -1},
	{"an array with a null and a bool", BODY(KEY "\x12\x08\x2a\x06\x0a\x00\x0a\x02\x10\x01"),
	 0},
	{"an empty array", BODY(KEY "\x12\x02\x2a\x00"), 0},
	{"a map", BODY(KEY "\x12\x09\x32\x07\x0a\x05\x0a\x01x\x12\x00"), 0},
	{"no value", BODY(KEY), 0},
	{"an empty value", BODY(KEY "\x12\x00"), 0},
	{"the value first", BODY("\x12\x02\x10\x01" KEY), 0},
	{"nothing", BODY(""), 0},
	{"a string that is no UTF-8", BODY(KEY "\x12\x03\x0a\x01\xff"), 1},
	{"a key that is no UTF-8", BODY("\x0a\x01\xff\x12\x00"), 1},
	{"two keys", BODY(KEY KEY), -1},
	{"two values", BODY(KEY "\x12\x00\x12\x00"), -1},
	{"two kinds in a value", BODY(KEY "\x12\x04\x10\x01\x18\x01"), -1},
	{"an unknown field", BODY(KEY "\x1a\x00"), -1},
	{"a key of another wire type", BODY("\x08\x01"), -1},
	{"a value of another wire type", BODY(KEY "\x10\x01"), -1},
	{"a string of another wire type", BODY(KEY "\x12\x02\x08\x01"), -1},
	{"a bool of another wire type", BODY(KEY "\x12\x03\x12\x01v"), -1},
	{"a double of another wire type", BODY(KEY "\x12\x02\x20\x01"), -1},
	{"an unknown kind of value", BODY(KEY "\x12\x02\x40\x01"), -1},
	{"a length beyond the end", BODY(KEY "\x12\x03\x0a\x05v"), -1},
	{"a cut tag", BODY(KEY "\x80"), -1},
	{"a group", BODY(KEY "\x13\x14"), -1},
	{"an element of another number", BODY(KEY "\x12\x04\x2a\x02\x12\x00"), -1},
	{"an element of another wire type", BODY(KEY "\x12\x04\x2a\x02\x08\x00"), -1},
	{"field number zero", BODY(KEY "\x02\x00"), -1},
#undef BODY
};

static void attributes_are_taken_as_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *why;
		int result = check(table[i].body, table[i].size, &why);

		result = result < 0 ? -1 : result;
		if (result != table[i].result)
			fprintf(stderr, "%s: %d, %s\n", table[i].what, result, why);
		assert_int_equal(result, table[i].result);
		assert_true((result < 0) == (why != NULL));
	}
}

/* Repairs @body into exactly the room that is promised to be enough. */
static struct bytes repaired(struct bytes body)
{
	size_t room = key_value_repair_room(body.size);
	uint8_t *copy = malloc(room);
	struct bytes result = {.data = copy}, key;
	const char *why;

	assert_non_null(copy);
	result.size = (size_t)(key_value_repair(copy, body) - copy);
	assert_true(result.size <= room);
	assert_int_equal(key_value_check(result, &key, &why), 0);
	return result;
}

static struct bytes inner(struct bytes message, uint32_t number)
{
	struct wire_reader reader = wire_reader(message);
	struct wire_field field;

	while (wire_next(&reader, &field) > 0)
		if (field.number == number)
			return field.bytes;
	return (struct bytes){0};
}

static void bad_text_in_a_string_becomes_bytes(void **state)
{
	struct bytes result = repaired(of(KEY "\x12\x04\x0a\x02v\xff", 9));

	(void)state;
	assert_memory_equal(inner(inner(result, 2), 7).data, "v\xff", 2);
	assert_int_equal(inner(inner(result, 2), 1).size, 0);
	free((void *)result.data);
}

static void bad_text_deep_inside_is_repaired_there(void **state)
{
	/* k: [ { "x\xff": "v\xfe" } ] */
	static const char body[] =
		KEY "\x12\x11\x2a\x0f\x0a\x0d\x32\x0b\x0a\x09\x0a\x02x\xff\x12\x03"
		    "\x0a\x01\xfe";
	struct bytes result = repaired(of(body, sizeof(body) - 1)), map;
	const char *why;

	(void)state;
	assert_int_equal(check(body, sizeof(body) - 1, &why), 1);
	map = inner(inner(inner(inner(result, 2), 5), 1), 6);
	assert_memory_equal(inner(inner(map, 1), 1).data, "x\xef\xbf\xbd", 4);
	assert_memory_equal(inner(inner(inner(map, 1), 2), 7).data, "\xfe", 1);
	free((void *)result.data);
}

/* k: [[[...]]] with @depth values inside each other, the innermost a bool. */
static struct bytes nest(unsigned int depth)
{
	size_t room = 16 + depth * 12, size = 2;
	uint8_t *data = malloc(room), *p = data + room - 2;

	assert_non_null(data);
	memcpy(p, "\x10\x01", 2);
	for (unsigned int i = 1; i < depth; i++) {
		uint8_t head[12], *end = wire_put_header(head, 5, wire_bytes_size(1, size));

		end = wire_put_header(end, 1, size);
		p -= end - head;
		memcpy(p, head, (size_t)(end - head));
		size += (size_t)(end - head);
	}
	p = wire_put_bytes(data, 1, "k", 1);
	p = wire_put_header(p, 2, size);
	memmove(p, data + room - size, size);
	return of(data, (size_t)(p - data) + size);
}

static unsigned int depth_of(struct bytes body)
{
	struct bytes value = inner(body, 2);
	unsigned int depth = 0;

	while (value.size) {
		depth++;
		value = inner(inner(value, 5), 1);
	}
	return depth;
}

static void values_deeper_than_the_limit_become_empty(void **state)
{
	struct bytes body = nest(FIELD_DEPTH), result;
	const char *why;

	(void)state;
	assert_int_equal(check(body.data, body.size, &why), 0);
	assert_int_equal(depth_of(body), FIELD_DEPTH);
	free((void *)body.data);
	body = nest(FIELD_DEPTH + 1);
	assert_int_equal(check(body.data, body.size, &why), 1);
	result = repaired(body);
	assert_int_equal(depth_of(result), FIELD_DEPTH);
	free((void *)body.data);
	free((void *)result.data);
}

static void a_value_nested_a_hundred_thousand_deep_takes_neither_long_nor_the_stack(void **state)
{
	struct bytes body = nest(100000), result;
	const char *why;

	(void)state;
	assert_int_equal(check(body.data, body.size, &why), 1);
	result = repaired(body);
	assert_int_equal(depth_of(result), FIELD_DEPTH);
	free((void *)body.data);
	free((void *)result.data);
}

static void events_and_links_are_checked(void **state)
{
	struct event_fields event;
	struct link_fields link;
	const char *why;
	static const char full[] = "\x0a\x10"
				   "0123456789abcdef"
				   "\x12\x08"
				   "01234567"
				   "\x1a\x03"
				   "a=1"
				   "\x22\x00"
				   "\x28\x07"
				   "\x35\x01\xff\xff\xff";

	(void)state;
	assert_int_equal(
		event_check(of("\x09\1\0\0\0\0\0\0\0\x12\x01n\x1a\x00\x20\x05", 16), &event, &why),
		0);
	assert_int_equal(event.time, 1);
	assert_int_equal(event.name.size, 1);
	assert_int_equal(event.attributes, 1);
	assert_int_equal(event.dropped, 5);
	assert_int_equal(event_check(of("\x08\x01", 2), &event, &why), -EBADMSG);
	assert_int_equal(event_check(of("\x2a\x00", 2), &event, &why), -EBADMSG);
	assert_int_equal(link_check(of(full, sizeof(full) - 1), &link, &why), 0);
	assert_int_equal(link.flags, 0x301);
	assert_int_equal(link.dropped, 7);
	assert_int_equal(link.tracestate.size, 3);
	assert_false(link.nowhere);
	assert_int_equal(link_check(of(full, 18), &link, &why), -EBADMSG);
	assert_int_equal(link_check(of("\x0a\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x12\x08"
				       "01234567",
				       28),
				    &link, &why),
			 0);
	assert_true(link.nowhere);
}

static void a_tracestate_is_printable_and_short(void **state)
{
	char text[1025];

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(tracestate_check(of(text, 1024)), 0);
	assert_int_equal(tracestate_check(of(text, 1025)), -EBADMSG);
	assert_int_equal(tracestate_check(of("a=\n", 3)), -EBADMSG);
	assert_int_equal(tracestate_check(of("a=\x7f", 3)), -EBADMSG);
	assert_int_equal(tracestate_check(of("a=\xc3\xa4", 4)), -EBADMSG);
}

/* ---- Sets ----------------------------------------------------------------------------------- */

static void a_key_that_is_written_again_and_again_takes_bounded_memory(void **state)
{
	const struct attributes_limits limits = {.most = ATTRIBUTES_MAX, .most_bytes = 1 << 20};
	struct attributes set = {0};
	uint8_t body[1100], *end;
	char text[1000];
	const char *why;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (int i = 0; i < 100000; i++) {
		end = wire_put_bytes(body, 1, i % 2 ? "a" : "b", 1);
		end = wire_put_header(end, 2, wire_bytes_size(1, sizeof(text)));
		end = wire_put_bytes(end, 1, text, sizeof(text));
		assert_int_equal(attributes_put(&set, ATTRIBUTES_TAG(9),
						of(body, (size_t)(end - body)), (uint64_t)i,
						&limits, &why),
				 0);
	}
	assert_int_equal(set.n, 2);
	assert_true(attributes_memory(&set) < 65536);
	assert_int_equal(attributes_get(&set, "a").size, 1009);
	attributes_free(&set);
}

static void what_is_older_does_not_replace_what_is_newer(void **state)
{
	struct attributes set = {0};
	uint8_t out[64];

	(void)state;
	assert_int_equal(attributes_put_int(&set, ATTRIBUTES_TAG(9), "k", 2, 20), 0);
	assert_int_equal(attributes_put_int(&set, ATTRIBUTES_TAG(9), "k", 1, 10), 0);
	assert_int_equal(attributes_put_bool(&set, ATTRIBUTES_TAG(9), "j", true, 0), 0);
	assert_int_equal(attributes_size(&set), 18);
	assert_int_equal(attributes_write(&set, out) - out, 18);
	assert_memory_equal(
		out, "\x4a\x07\x0a\x01k\x12\x02\x18\x02\x4a\x07\x0a\x01j\x12\x02\x10\x01", 18);
	attributes_free(&set);
}

static void keys_that_are_equal_after_repair_are_one(void **state)
{
	const struct attributes_limits limits = {.most = ATTRIBUTES_MAX, .most_bytes = 1 << 20};
	struct attributes set = {0};
	const char *why;

	(void)state;
	assert_int_equal(attributes_put(&set, ATTRIBUTES_TAG(9), of("\x0a\x01\xff\x12\x00", 5), 0,
					&limits, &why),
			 1);
	assert_int_equal(attributes_put(&set, ATTRIBUTES_TAG(9), of("\x0a\x01\xfe\x12\x00", 5), 0,
					&limits, &why),
			 1);
	assert_int_equal(set.n, 1);
	attributes_free(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attributes_are_taken_as_the_table_says),
		cmocka_unit_test(bad_text_in_a_string_becomes_bytes),
		cmocka_unit_test(bad_text_deep_inside_is_repaired_there),
		cmocka_unit_test(values_deeper_than_the_limit_become_empty),
		cmocka_unit_test(
			a_value_nested_a_hundred_thousand_deep_takes_neither_long_nor_the_stack),
		cmocka_unit_test(events_and_links_are_checked),
		cmocka_unit_test(a_tracestate_is_printable_and_short),
		cmocka_unit_test(a_key_that_is_written_again_and_again_takes_bounded_memory),
		cmocka_unit_test(what_is_older_does_not_replace_what_is_newer),
		cmocka_unit_test(keys_that_are_equal_after_repair_are_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
