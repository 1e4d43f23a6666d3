/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct bytes bytes_of(const char *text, size_t size)
{
	return (struct bytes){.data = (const uint8_t *)text, .size = size};
}

#define BYTES(text) bytes_of(text, sizeof(text) - 1)

/* A copy on the heap, exactly as large: the address sanitizer sees any byte read too many. */
static int read_all(struct bytes bytes, struct wire_field *last)
{
	uint8_t *copy = malloc(bytes.size ? bytes.size : 1);
	struct wire_reader reader;
	struct wire_field field;
	int found, fields = 0;

	assert_non_null(copy);
	if (bytes.size)
		memcpy(copy, bytes.data, bytes.size);
	reader = wire_reader((struct bytes){.data = copy, .size = bytes.size});
	while ((found = wire_next(&reader, &field)) == 1) {
		fields++;
		assert_true(field.start >= copy && field.start < reader.p);
		assert_true(reader.p <= reader.end);
		if (last)
			*last = field;
	}
	free(copy);
	return found < 0 ? found : fields;
}

static void varint_sizes_are_what_the_writer_writes(void **state)
{
	uint8_t buffer[16];

	(void)state;
	for (int bit = 0; bit < 64; bit++) {
		for (int delta = -1; delta <= 1; delta++) {
			uint64_t value = (UINT64_C(1) << bit) + (uint64_t)delta, back;
			uint8_t *end = wire_put_varint(buffer, value);
			const uint8_t *p = buffer;

			assert_int_equal(end - buffer, wire_varint_size(value));
			assert_int_equal(wire_varint(&p, end, 10, &back), 0);
			assert_ptr_equal(p, end);
			assert_true(back == value);
		}
	}
	assert_int_equal(wire_varint_size(0), 1);
	assert_int_equal(wire_varint_size(UINT64_MAX), 10);
}

static void fields_are_written_as_the_specification_shows_them(void **state)
{
	uint8_t buffer[64], *p = buffer;

	(void)state;
	/* The first two are the examples of protobuf.dev/programming-guides/encoding. */
	p = wire_put_uint(p, 1, 150);
	p = wire_put_bytes(p, 2, "testing", 7);
	p = wire_put_fixed32(p, 16, 0x01020304);
	p = wire_put_fixed64(p, 7, UINT64_C(0x0102030405060708));
	assert_int_equal(p - buffer, 3 + 9 + 6 + 9);
	assert_memory_equal(buffer,
			    "\x08\x96\x01\x12\x07testing\x85\x01\x04\x03\x02\x01"
			    "\x39\x08\x07\x06\x05\x04\x03\x02\x01",
			    27);
	assert_int_equal(wire_uint_size(1, 150), 3);
	assert_int_equal(wire_bytes_size(2, 7), 9);
	assert_int_equal(wire_bytes_size(16, 128), 132);
}

static void every_kind_of_field_is_read_back(void **state)
{
	uint8_t buffer[64], *end = buffer;
	struct wire_reader reader;
	struct wire_field field;

	(void)state;
	end = wire_put_uint(end, 1, UINT64_MAX);
	end = wire_put_fixed64(end, 7, 42);
	end = wire_put_bytes(end, 5, "name", 4);
	end = wire_put_fixed32(end, 16, 0x301);
	end = wire_put_bytes(end, (1u << 29) - 1, NULL, 0);
	reader = (struct wire_reader){.p = buffer, .end = end};

	assert_int_equal(wire_next(&reader, &field), 1);
	assert_int_equal(field.number, 1);
	assert_int_equal(field.type, WIRE_VARINT);
	assert_true(field.value == UINT64_MAX);
	assert_ptr_equal(field.start, buffer);
	assert_int_equal(wire_next(&reader, &field), 1);
	assert_int_equal(field.type, WIRE_FIXED64);
	assert_int_equal(field.value, 42);
	assert_int_equal(wire_next(&reader, &field), 1);
	assert_int_equal(field.number, 5);
	assert_int_equal(field.bytes.size, 4);
	assert_memory_equal(field.bytes.data, "name", 4);
	assert_int_equal(wire_next(&reader, &field), 1);
	assert_int_equal(field.number, 16);
	assert_int_equal(field.value, 0x301);
	assert_int_equal(wire_next(&reader, &field), 1);
	assert_int_equal(field.number, (1u << 29) - 1);
	assert_int_equal(field.bytes.size, 0);
	assert_int_equal(wire_next(&reader, &field), 0);
}

static void what_is_malformed_is_refused(void **state)
{
	static const struct {
		const char *what;
		const char *bytes;
		size_t size;
	} cases[] = {
#define CASE(what, bytes) {what, bytes, sizeof(bytes) - 1}
		CASE("field number 0", "\x00\x00"),
		CASE("field number 0 with a length", "\x02\x00"),
		CASE("a tag that ends early", "\x80"),
		CASE("a tag of more than 32 bits", "\x88\x80\x80\x80\x10\x00"),
		CASE("a tag of six bytes", "\x88\x80\x80\x80\x80\x00\x00"),
		CASE("a varint without bytes", "\x08"),
		CASE("a varint that ends early", "\x08\xff\xff"),
		CASE("a varint of eleven bytes",
		     "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
		CASE("a varint of 65 bits", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
		CASE("a fixed64 that ends early", "\x09"
						  "1234567"),
		CASE("a fixed32 that ends early", "\x0d"
						  "123"),
		CASE("a length without bytes", "\x0a"),
		CASE("a length past the end", "\x0a\x05"
					      "1234"),
		CASE("a length of six bytes", "\x0a\x81\x80\x80\x80\x80\x00"
					      "1"),
		CASE("a huge length", "\x0a\xff\xff\xff\xff\x0f"
				      "1"),
		CASE("the start of a group", "\x0b\x0c"),
		CASE("the end of a group", "\x0c"),
		CASE("wire type 6", "\x0e\x00"),
		CASE("wire type 7", "\x0f\x00"),
#undef CASE
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int result = read_all(bytes_of(cases[i].bytes, cases[i].size), NULL);

		if (result != -EBADMSG)
			print_message("accepted: %s\n", cases[i].what);
		assert_int_equal(result, -EBADMSG);
	}
}

static void what_is_long_winded_but_valid_is_read(void **state)
{
	struct wire_field field;

	(void)state;
	assert_int_equal(read_all(BYTES(""), NULL), 0);
	assert_int_equal(read_all(BYTES("\x88\x80\x80\x80\x00\x81\x00"), &field), 1);
	assert_int_equal(field.number, 1);
	assert_int_equal(field.value, 1);
	assert_int_equal(read_all(BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), &field),
			 1);
	assert_true(field.value == UINT64_MAX);
}

static void the_reader_stays_where_it_gave_up(void **state)
{
	const uint8_t bytes[] = {0x08, 0x01, 0x0a, 0x7f};
	struct wire_reader reader = {.p = bytes, .end = bytes + sizeof(bytes)};
	struct wire_field field;

	(void)state;
	assert_int_equal(wire_next(&reader, &field), 1);
	assert_int_equal(wire_next(&reader, &field), -EBADMSG);
	assert_ptr_equal(reader.p, bytes + 2);
	assert_int_equal(wire_next(&reader, &field), -EBADMSG);
}

static void random_bytes_never_lead_outside(void **state)
{
	uint32_t seed = 1;
	uint8_t bytes[24];

	(void)state;
	for (int round = 0; round < 200000; round++) {
		size_t size = (size_t)round % (sizeof(bytes) + 1);

		for (size_t i = 0; i < size; i++) {
			seed = seed * 1664525 + 1013904223;
			/* Small numbers are tags and lengths more often than not. */
			bytes[i] =
				seed >> 31 ? (uint8_t)(seed >> 16) : (uint8_t)(seed >> 24 & 0x1f);
		}
		read_all((struct bytes){.data = bytes, .size = size}, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(varint_sizes_are_what_the_writer_writes),
		cmocka_unit_test(fields_are_written_as_the_specification_shows_them),
		cmocka_unit_test(every_kind_of_field_is_read_back),
		cmocka_unit_test(what_is_malformed_is_refused),
		cmocka_unit_test(what_is_long_winded_but_valid_is_read),
		cmocka_unit_test(the_reader_stays_where_it_gave_up),
		cmocka_unit_test(random_bytes_never_lead_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
