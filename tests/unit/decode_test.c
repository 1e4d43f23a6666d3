/* SPDX-License-Identifier: Apache-2.0 */
/* What is malformed, and that nothing is read outside of it. */
#include "decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

/* A copy on the heap, exactly as large: the address sanitizer sees any byte read too many. */
static struct bytes copy_of(const void *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	assert_non_null(copy);
	memcpy(copy, data, size);
	return (struct bytes){.data = copy, .size = size};
}

/* { size in the header, padding, bytes there are, what comes of it } */
static const struct {
	uint32_t size;
	uint16_t padding;
	size_t room;
	int result;
} sizes[] = {
	{16, 0, 16, 0},
	{24, 0, 24, 0},
	{24, 7, 24, 0},
	{24, 8, 24, -EBADMSG},
	{16, 1, 16, -EBADMSG},
	{0, 0, 16, -EPROTO},
	{8, 0, 16, -EPROTO},
	{17, 0, 24, -EPROTO},
	{32, 0, 24, -EPROTO},
	{16, 0, 15, -EPROTO},
	{16, 0, 1, -EPROTO},
	{UINT32_MAX, 0, 64, -EPROTO},
	{0x80000000, 0, 64, -EPROTO},
};

static void sizes_of_records_are_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct otel_record header = {
			.size = sizes[i].size,
			.kind = OTEL_RECORD_NAME,
			.padding = sizes[i].padding,
			.span_id = {1},
		};
		uint8_t data[64] = {0};
		struct bytes all, rest;
		struct record record;
		const char *why = "";
		int result;

		memcpy(data, &header, sizeof(header));
		all = rest = copy_of(data, sizes[i].room);
		result = decode_record(&rest, &record, &why);
		if (result != sizes[i].result)
			fprintf(stderr, "row %zu: %d, %s\n", i, result, why);
		assert_int_equal(result, sizes[i].result);
		assert_int_equal(rest.size,
				 result == -EPROTO ? all.size : all.size - sizes[i].size);
		if (!result)
			assert_int_equal(record.payload.size,
					 sizes[i].size - 16 - sizes[i].padding);
		free((void *)all.data);
	}
}

static void only_resource_and_unknown_kinds_need_no_span(void **state)
{
	(void)state;
	for (unsigned int kind = 0; kind < 20; kind++) {
		struct otel_record header = {.size = 16, .kind = (otel_u8)kind};
		struct bytes all = copy_of(&header, sizeof(header)), rest = all;
		struct record record;
		const char *why;
		int want = kind == OTEL_RECORD_RESOURCE || kind > OTEL_RECORD_LATE ? 0 : -EBADMSG;

		assert_int_equal(decode_record(&rest, &record, &why), want);
		free((void *)all.data);
	}
}

static int try_start(const struct otel_start *start, size_t room)
{
	uint8_t data[256] = {0};
	struct start out;
	struct bytes payload;
	const char *why;
	int result;

	memcpy(data, start, sizeof(*start));
	payload = copy_of(data, room);
	result = decode_start(payload, &out, &why);
	/* All of it must be inside. */
	if (!result) {
		assert_ptr_equal(out.attributes.data + out.attributes.size,
				 payload.data + payload.size);
		assert_true(out.name.data >= payload.data);
	}
	free((void *)payload.data);
	return result;
}

static void strings_of_a_start_stay_inside_of_it(void **state)
{
	const struct otel_start good = {.trace_id = {1}, .fixed_size = sizeof(good)};
	struct otel_start start = good;
	uint32_t *sizes_in[] = {
		&start.name_size,	&start.scope_name_size,	      &start.scope_version_size,
		&start.schema_url_size, &start.scope_attributes_size, &start.tracestate_size};

	(void)state;
	assert_int_equal(try_start(&start, sizeof(start)), 0);
	assert_int_equal(try_start(&start, sizeof(start) - 1), -EBADMSG);
	for (size_t i = 0; i < 6; i++) {
		*sizes_in[i] = 28;
		assert_int_equal(try_start(&start, 100), 0);
		assert_int_equal(try_start(&start, 99), -EBADMSG);
		*sizes_in[i] = UINT32_MAX;
		assert_int_equal(try_start(&start, 100), -EBADMSG);
		start = good;
	}
	for (size_t i = 0; i < 6; i++)
		*sizes_in[i] = 0x80000000;
	assert_int_equal(try_start(&start, 100), -EBADMSG);
	for (size_t i = 0; i < 6; i++)
		*sizes_in[i] = 4;
	assert_int_equal(try_start(&start, 96), 0);
	start = good;
	start.fixed_size = 80;
	assert_int_equal(try_start(&start, 80), 0);
	assert_int_equal(try_start(&start, 79), -EBADMSG);
	start.fixed_size = 64;
	assert_int_equal(try_start(&start, 100), -EBADMSG);
	start = good;
	start.trace_id[0] = 0;
	assert_int_equal(try_start(&start, 100), -EBADMSG);
}

static void short_payloads_are_malformed(void **state)
{
	uint8_t data[64] = {0};

	(void)state;
	for (size_t size = 0; size < sizeof(data); size++) {
		struct bytes payload = copy_of(data, size), timed = payload;
		struct status status;
		struct otel_end end;
		struct otel_error error;
		uint64_t time;
		const char *why;

		assert_int_equal(decode_status(payload, &status, &why), size < 8 ? -EBADMSG : 0);
		assert_int_equal(decode_end(payload, &end, &why), size < 32 ? -EBADMSG : 0);
		assert_int_equal(decode_error(payload, &error, &why), size < 16 ? -EBADMSG : 0);
		assert_int_equal(decode_time(&timed, &time, &why), size < 8 ? -EBADMSG : 0);
		free((void *)payload.data);
	}
}

static void a_flush_is_cut_to_what_is_there(void **state)
{
	struct otel_buffer header = {
		.magic = OTEL_BUFFER_MAGIC,
		.version = OTEL_FORMAT_VERSION,
		.header_size = sizeof(header),
		.buffer_id = 1,
	};
	uint8_t data[sizeof(header) + 64] = {0};
	struct bytes all;
	struct flush flush;
	const char *why;

	(void)state;
	for (uint32_t committed = 0; committed < 200; committed += 8) {
		header.committed = committed;
		memcpy(data, &header, sizeof(header));
		all = copy_of(data, sizeof(data));
		assert_int_equal(decode_flush(all, &flush, &why), 0);
		assert_int_equal(flush.records.size, committed < 64 ? committed : 64);
		free((void *)all.data);
	}
	for (size_t size = 0; size < sizeof(header); size++) {
		all = copy_of(data, size);
		assert_int_equal(decode_flush(all, &flush, &why), -EBADMSG);
		free((void *)all.data);
	}
}

static void an_anchors_environment_is_cut_to_what_is_there(void **state)
{
	struct otel_anchor it = {
		.magic = OTEL_ANCHOR_MAGIC,
		.version = OTEL_FORMAT_VERSION,
		.language = 99,
		.environment_size = UINT32_MAX,
	};
	struct bytes all = copy_of(&it, 624 + 10);
	struct anchor anchor;
	const char *why;

	(void)state;
	assert_int_equal(decode_anchor(all, &anchor, &why), 0);
	assert_int_equal(anchor.environment.size, 10);
	assert_int_equal(anchor.language, OTEL_LANGUAGE_C);
	all.size = 623;
	assert_int_equal(decode_anchor(all, &anchor, &why), -EBADMSG);
	free((void *)all.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_of_records_are_checked),
		cmocka_unit_test(only_resource_and_unknown_kinds_need_no_span),
		cmocka_unit_test(strings_of_a_start_stay_inside_of_it),
		cmocka_unit_test(short_payloads_are_malformed),
		cmocka_unit_test(a_flush_is_cut_to_what_is_there),
		cmocka_unit_test(an_anchors_environment_is_cut_to_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
