/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vectors of the record format, byte by byte, and what they mean: docs/record-format.md shows
 * the same. A test that fails here says that binaries which are out there are not understood any
 * more: the code is wrong then, never the vector. For machines with the low byte first, as all are
 * that we run on.
 */
#include "decode.h"
#include "fixture.h"

/* ---- Vectors -------------------------------------------------------------------------------- */

/* clang-format off */

static const uint8_t golden_start[] = {
	0x88, 0x00, 0x00, 0x00, /* size: 136 */
	0x01, /* kind: START */
	0x08, /* flags: COUNTED */
	0x01, 0x00, /* padding: 1 */
	0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, /* span id */
	0x00, 0xca, 0x9a, 0x3b, 0x00, 0x00, 0x00, 0x00, /* time: 1 s */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* unix_time: not given */
	0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c,
	0x0d, 0x0e, 0x0f, 0x10, /* trace id */
	0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, /* parent id */
	0x48, 0x00, /* fixed_size: 72 */
	0x03, /* trace_flags: sampled, random */
	0x02, /* kind: server */
	0x03, 0x00, 0x00, 0x00, /* flags: PARENT_REMOTE, HAS_SCOPE */
	0x05, 0x00, 0x00, 0x00, /* name_size: 5 */
	0x04, 0x00, 0x00, 0x00, /* scope_name_size: 4 */
	0x03, 0x00, 0x00, 0x00, /* scope_version_size: 3 */
	0x08, 0x00, 0x00, 0x00, /* schema_url_size: 8 */
	0x08, 0x00, 0x00, 0x00, /* scope_attributes_size: 8 */
	0x03, 0x00, 0x00, 0x00, /* tracestate_size: 3 */
	0x47, 0x45, 0x54, 0x20, 0x2f, /* "GET /" */
	0x73, 0x68, 0x6f, 0x70, /* "shop" */
	0x31, 0x2e, 0x32, /* "1.2" */
	0x68, 0x74, 0x74, 0x70, 0x3a, 0x2f, 0x2f, 0x73, /* "http://s" */
	0x1a, 0x06, 0x0a, 0x02, 0x61, 0x62, 0x12, 0x00, /* scope attribute: "ab", no value */
	0x6b, 0x3d, 0x76, /* "k=v" */
	0x4a, 0x0e, 0x0a, 0x06, 0x6d, 0x65, 0x74, 0x68, 0x6f, 0x64, 0x12, 0x04,
	0x0a, 0x02, 0x47, 0x4f, /* field 9 of Span: "method" = "GO" */
	0x00, /* padding */
};

static const uint8_t golden_attributes[] = {
	0x28, 0x00, 0x00, 0x00, /* size: 40 */
	0x02, /* kind: ATTRIBUTES */
	0x08, /* flags: COUNTED */
	0x06, 0x00, /* padding: 6 */
	0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, /* span id */
	0x4a, 0x07, 0x0a, 0x01, 0x6e, 0x12, 0x02, 0x18, 0x2a, /* field 9: "n" = 42 */
	0x4a, 0x07, 0x0a, 0x01, 0x62, 0x12, 0x02, 0x10, 0x01, /* field 9: "b" = true */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* padding */
};

static const uint8_t golden_event[] = {
	0x28, 0x00, 0x00, 0x00, /* size: 40 */
	0x03, /* kind: EVENT */
	0x09, /* flags: TIMED, COUNTED */
	0x01, 0x00, /* padding: 1 */
	0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, /* span id */
	0xf4, 0xcb, 0x9a, 0x3b, 0x00, 0x00, 0x00, 0x00, /* time: 500 ns after the start */
	0x12, 0x04, 0x73, 0x65, 0x6e, 0x74, /* name: "sent" */
	0x1a, 0x07, 0x0a, 0x01, 0x6e, 0x12, 0x02, 0x18, 0x07, /* attribute: "n" = 7 */
	0x00, /* padding */
};

static const uint8_t golden_link[] = {
	0x38, 0x00, 0x00, 0x00, /* size: 56 */
	0x04, /* kind: LINK */
	0x08, /* flags: COUNTED */
	0x07, 0x00, /* padding: 7 */
	0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, /* span id */
	0x0a, 0x10, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a,
	0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, /* trace_id */
	0x12, 0x08, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, /* span_id */
	0x35, 0x01, 0x01, 0x00, 0x00, /* flags: sampled, has_is_remote */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* padding */
};

static const uint8_t golden_status[] = {
	0x20, 0x00, 0x00, 0x00, /* size: 32 */
	0x05, /* kind: STATUS */
	0x08, /* flags: COUNTED */
	0x02, 0x00, /* padding: 2 */
	0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, /* span id */
	0x02, /* code: error */
	0x00, /* by: hand */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* reserved */
	0x62, 0x72, 0x6f, 0x6b, 0x65, 0x6e, /* "broken" */
	0x00, 0x00, /* padding */
};

static const uint8_t golden_name[] = {
	0x28, 0x00, 0x00, 0x00, /* size: 40 */
	0x06, /* kind: NAME */
	0x09, /* flags: TIMED, COUNTED */
	0x07, 0x00, /* padding: 7 */
	0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, /* span id */
	0x58, 0xcc, 0x9a, 0x3b, 0x00, 0x00, 0x00, 0x00, /* time */
	0x47, 0x45, 0x54, 0x20, 0x2f, 0x7b, 0x69, 0x64, 0x7d, /* "GET /{id}" */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* padding */
};

static const uint8_t golden_error[] = {
	0x20, 0x00, 0x00, 0x00, /* size: 32 */
	0x08, /* kind: ERROR */
	0x08, /* flags: COUNTED */
	0x00, 0x00, /* padding: 0 */
	0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, /* span id */
	0xbc, 0xcc, 0x9a, 0x3b, 0x00, 0x00, 0x00, 0x00, /* time */
	0x02, 0x00, 0x00, 0x00, /* error: ENOENT */
	0x00, 0x00, 0x00, 0x00, /* reserved */
};

static const uint8_t golden_end[] = {
	0x30, 0x00, 0x00, 0x00, /* size: 48 */
	0x07, /* kind: END */
	0x00, /* flags: none */
	0x00, 0x00, /* padding: 0 */
	0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, /* span id */
	0xd0, 0xd1, 0x9a, 0x3b, 0x00, 0x00, 0x00, 0x00, /* time: 2000 ns after the start */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* unix_time: not given */
	0x03, 0x00, 0x00, 0x00, /* attributes: 3 */
	0x02, 0x00, 0x00, 0x00, /* events: 2, the ERROR is one */
	0x01, 0x00, 0x00, 0x00, /* links: 1 */
	0x00, 0x00, 0x00, 0x00, /* flags: none */
};

static const uint8_t golden_resource[] = {
	0x20, 0x00, 0x00, 0x00, /* size: 32 */
	0x09, /* kind: RESOURCE */
	0x00, /* flags: none */
	0x04, 0x00, /* padding: 4 */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* no span */
	0x0a, 0x0a, 0x0a, 0x01, 0x72, 0x12,
	0x05, 0x0a, 0x03, 0x64, 0x65, 0x76, /* field 1 of Resource: "r" = "dev" */
	0x00, 0x00, 0x00, 0x00, /* padding */
};

static const uint8_t golden_stack[] = {
	0x20, 0x00, 0x00, 0x00, /* size: 32 */
	0x0a, /* kind: STACK */
	0x00, /* flags: none */
	0x00, 0x00, /* padding: 0 */
	0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, /* span id */
	0x36, 0x11, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, /* innermost */
	0x80, 0x11, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, /* its caller */
};

static const uint8_t golden_late[] = {
	0x10, 0x00, 0x00, 0x00, /* size: 16 */
	0x0b, /* kind: LATE */
	0x00, /* flags: none */
	0x00, 0x00, /* padding: 0 */
	0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, /* span id */
};

static const uint8_t golden_first_piece[] = {
	0x18, 0x00, 0x00, 0x00, /* size: 24 */
	0x06, /* kind: NAME */
	0x02, /* flags: MORE */
	0x04, 0x00, /* padding: 4 */
	0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, /* span id */
	0x47, 0x45, 0x54, 0x20, /* first piece */
	0x00, 0x00, 0x00, 0x00, /* padding */
};

static const uint8_t golden_last_piece[] = {
	0x18, 0x00, 0x00, 0x00, /* size: 24 */
	0x06, /* kind: NAME */
	0x04, /* flags: CONTINUED */
	0x04, 0x00, /* padding: 4 */
	0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, /* span id */
	0x2f, 0x61, 0x6c, 0x6c, /* last piece */
	0x00, 0x00, 0x00, 0x00, /* padding */
};

static const uint8_t golden_unknown[] = {
	0x18, 0x00, 0x00, 0x00, /* size: 24 */
	0xc8, /* kind: one that nobody knows yet */
	0x00, /* flags: none */
	0x00, 0x00, /* padding: 0 */
	0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, /* span id */
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* whatever */
};

static const uint8_t golden_buffer[] = {
	0x4f, 0x54, 0x54, 0x42, /* magic */
	0x01, 0x00, /* version: 1 */
	0x80, 0x00, /* header_size: 128 */
	0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* buffer_id: 7 */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* position: 0 */
	0xa8, 0x01, 0x00, 0x00, /* committed: 424 */
	0x80, 0x3f, 0x00, 0x00, /* capacity: 16256 */
	0x00, 0x10, 0x00, 0x00, 0x00, 0x7f, 0x00, 0x00, /* anchor */
	0xb8, 0xd5, 0x9a, 0x3b, 0x00, 0x00, 0x00, 0x00, /* clock_time */
	0x01, 0x00, 0x00, 0x00, /* clock_id: CLOCK_MONOTONIC */
	0x01, 0x00, 0x00, 0x00, /* reason: OUTERMOST */
	0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* started: 1 */
	0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* not_sampled: 5 */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* dropped: 0 */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* dropped_starts: 0 */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* started_before: 0 */
	0x2a, 0x00, 0x00, 0x00, /* thread_id: 42 */
	0x00, 0x00, 0x00, 0x00, /* uncaught */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* reserved */
};

static const uint8_t golden_anchor_head[] = {
	0x4f, 0x54, 0x54, 0x41, /* magic */
	0x01, 0x00, /* version: 1 */
	0x01, 0x00, /* language: C++ */
	0x84, 0x02, 0x00, 0x00, /* size: with the environment */
	0x00, 0x00, 0x00, 0x00, /* reserved */
	0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* next_buffer_id */
	0x00, 0x20, 0x00, 0x00, 0x00, 0x7f, 0x00, 0x00, /* generation */
};

static const uint8_t golden_anchor_tail[] = {
	0x14, 0x00, 0x00, 0x00, /* environment_size: 20 */
	0x00, 0x00, 0x00, 0x00, /* environment_dropped: 0 */
	0x4f, 0x54, 0x45, 0x4c, 0x5f, 0x53, 0x45, 0x52, 0x56, 0x49, 0x43, 0x45,
	0x5f, 0x4e, 0x41, 0x4d, 0x45, 0x3d, 0x78, 0x00, /* "OTEL_SERVICE_NAME=x" */
};

/* clang-format on */

#define VECTOR(name) bytes_at(golden_##name, sizeof(golden_##name))

static struct bytes bytes_at(const void *data, size_t size)
{
	return (struct bytes){.data = data, .size = size};
}

static const uint8_t span_id[8] = {0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8};

/* Decodes the record in a vector, of which it must be all. */
static struct record record_in(struct bytes vector, uint8_t kind, uint8_t flags)
{
	struct record record;
	const char *why;

	assert_int_equal(decode_record(&vector, &record, &why), 0);
	assert_int_equal(vector.size, 0);
	assert_int_equal(record.header.kind, kind);
	assert_int_equal(record.header.flags, flags);
	if (kind != OTEL_RECORD_RESOURCE)
		assert_memory_equal(&record.span_id, span_id, 8);
	else
		assert_true(record.span_id == 0);
	return record;
}

/* ---- Records -------------------------------------------------------------------------------- */

static void start_means_what_the_page_says(void **state)
{
	struct record record = record_in(VECTOR(start), OTEL_RECORD_START, OTEL_RECORD_COUNTED);
	struct start start;
	const char *why;

	(void)state;
	assert_int_equal(decode_start(record.payload, &start, &why), 0);
	assert_true(start.fixed.time == SECOND);
	assert_true(start.fixed.unix_time == 0);
	assert_int_equal(start.fixed.trace_id[0], 1);
	assert_int_equal(start.fixed.trace_id[15], 16);
	assert_int_equal(start.fixed.parent_id[0], 0xb1);
	assert_int_equal(start.fixed.fixed_size, 72);
	assert_int_equal(start.fixed.trace_flags, 3);
	assert_int_equal(start.fixed.kind, SPAN_SERVER);
	assert_int_equal(start.fixed.flags, OTEL_START_PARENT_REMOTE | OTEL_START_HAS_SCOPE);
	assert_text(start.name, "GET /");
	assert_text(start.scope_name, "shop");
	assert_text(start.scope_version, "1.2");
	assert_text(start.schema_url, "http://s");
	assert_int_equal(attribute(start.scope_attributes, 3, "ab").size, 0);
	assert_int_equal(count_fields(start.scope_attributes, 3), 1);
	assert_text(start.tracestate, "k=v");
	assert_text(text_attribute(start.attributes, 9, "method"), "GO");
}

static void attributes_mean_what_the_page_says(void **state)
{
	struct record record =
		record_in(VECTOR(attributes), OTEL_RECORD_ATTRIBUTES, OTEL_RECORD_COUNTED);

	(void)state;
	assert_int_equal(record.payload.size, 18);
	assert_true(field_at(attribute(record.payload, 9, "n"), 3, 0).value == 42);
	assert_true(field_at(attribute(record.payload, 9, "b"), 2, 0).value == 1);
}

static void event_means_what_the_page_says(void **state)
{
	struct record record = record_in(VECTOR(event), OTEL_RECORD_EVENT,
					 OTEL_RECORD_TIMED | OTEL_RECORD_COUNTED);
	const char *why;
	uint64_t time;

	(void)state;
	assert_int_equal(decode_time(&record.payload, &time, &why), 0);
	assert_true(time == SECOND + 500);
	assert_text(field_at(record.payload, 2, 0).bytes, "sent");
	assert_true(field_at(attribute(record.payload, 3, "n"), 3, 0).value == 7);
}

static void link_means_what_the_page_says(void **state)
{
	struct record record = record_in(VECTOR(link), OTEL_RECORD_LINK, OTEL_RECORD_COUNTED);

	(void)state;
	assert_int_equal(field_at(record.payload, 1, 0).bytes.data[15], 0x30);
	assert_int_equal(field_at(record.payload, 2, 0).bytes.data[7], 0x38);
	assert_true(field_at(record.payload, 6, 0).value == 0x101);
}

static void status_means_what_the_page_says(void **state)
{
	struct record record = record_in(VECTOR(status), OTEL_RECORD_STATUS, OTEL_RECORD_COUNTED);
	struct status status;
	const char *why;

	(void)state;
	assert_int_equal(decode_status(record.payload, &status, &why), 0);
	assert_int_equal(status.code, SPAN_ERROR);
	assert_int_equal(status.by, OTEL_STATUS_BY_HAND);
	assert_text(status.description, "broken");
}

static void name_means_what_the_page_says(void **state)
{
	struct record record =
		record_in(VECTOR(name), OTEL_RECORD_NAME, OTEL_RECORD_TIMED | OTEL_RECORD_COUNTED);
	const char *why;
	uint64_t time;

	(void)state;
	assert_int_equal(decode_time(&record.payload, &time, &why), 0);
	assert_true(time == SECOND + 600);
	assert_text(record.payload, "GET /{id}");
}

static void error_means_what_the_page_says(void **state)
{
	struct record record = record_in(VECTOR(error), OTEL_RECORD_ERROR, OTEL_RECORD_COUNTED);
	struct otel_error error;
	const char *why;

	(void)state;
	assert_int_equal(decode_error(record.payload, &error, &why), 0);
	assert_true(error.time == SECOND + 700);
	assert_int_equal(error.error, 2);
}

static void end_means_what_the_page_says(void **state)
{
	struct record record = record_in(VECTOR(end), OTEL_RECORD_END, 0);
	struct otel_end end;
	const char *why;

	(void)state;
	assert_int_equal(decode_end(record.payload, &end, &why), 0);
	assert_true(end.time == SECOND + 2000);
	assert_true(end.unix_time == 0);
	assert_int_equal(end.attributes, 3);
	assert_int_equal(end.events, 2);
	assert_int_equal(end.links, 1);
	assert_int_equal(end.flags, 0);
}

static void resource_stack_and_late_mean_what_the_page_says(void **state)
{
	struct record record = record_in(VECTOR(resource), OTEL_RECORD_RESOURCE, 0);
	uint64_t address;

	(void)state;
	assert_text(text_attribute(record.payload, 1, "r"), "dev");
	record = record_in(VECTOR(stack), OTEL_RECORD_STACK, 0);
	assert_int_equal(record.payload.size, 16);
	memcpy(&address, record.payload.data, 8);
	assert_true(address == 0x401136);
	assert_int_equal(record_in(VECTOR(late), OTEL_RECORD_LATE, 0).payload.size, 0);
}

static void what_nobody_knows_yet_is_skipped_by_its_size(void **state)
{
	(void)state;
	record_in(VECTOR(unknown), 200, 0);
}

/* ---- Buffer and anchor ---------------------------------------------------------------------- */

static void a_buffer_means_what_the_page_says(void **state)
{
	struct flush flush;
	const char *why;

	(void)state;
	assert_int_equal(decode_flush(VECTOR(buffer), &flush, &why), 0);
	assert_int_equal(flush.header.magic, OTEL_BUFFER_MAGIC);
	assert_int_equal(flush.header.version, 1);
	assert_int_equal(flush.header.header_size, 128);
	assert_true(flush.header.buffer_id == 7);
	assert_true(flush.header.position == 0);
	assert_int_equal(flush.header.capacity, 16256);
	assert_true(flush.header.anchor == 0x7f0000001000);
	assert_true(flush.header.clock_time == SECOND + 3000);
	assert_int_equal(flush.header.clock_id, 1);
	assert_int_equal(flush.header.reason, OTEL_FLUSH_OUTERMOST);
	assert_true(flush.header.started == 1);
	assert_true(flush.header.not_sampled == 5);
	assert_true(flush.header.dropped == 0);
	assert_true(flush.header.dropped_starts == 0);
	assert_true(flush.header.started_before == 0);
	assert_int_equal(flush.header.thread_id, 42);
}

static void an_anchor_means_what_the_page_says(void **state)
{
	uint8_t whole[644] = {0};
	struct anchor anchor;
	const char *why;

	(void)state;
	memcpy(whole, golden_anchor_head, sizeof(golden_anchor_head));
	memcpy(whole + sizeof(whole) - sizeof(golden_anchor_tail), golden_anchor_tail,
	       sizeof(golden_anchor_tail));
	assert_int_equal(decode_anchor(bytes_at(whole, sizeof(whole)), &anchor, &why), 0);
	assert_int_equal(anchor.language, OTEL_LANGUAGE_CPP);
	assert_int_equal(anchor.environment.size, 20);
	assert_string_equal((const char *)anchor.environment.data, "OTEL_SERVICE_NAME=x");
}

/* ---- All together --------------------------------------------------------------------------- */

static size_t append(uint8_t *to, size_t at, struct bytes vector)
{
	memcpy(to + at, vector.data, vector.size);
	return at + vector.size;
}

static void a_whole_flush_is_the_span_that_the_page_shows(void **state)
{
	const struct event_fork fork = {.parent = {.pid = 1}};
	uint8_t whole[1024];
	const struct span *span;
	struct bytes event;
	size_t size = 0;

	(void)state;
	producer_life(&one, intake, EVENT_FORK, &fork, sizeof(fork)); /* nothing was before us */
	size = append(whole, size, VECTOR(buffer));
	size = append(whole, size, VECTOR(start));
	size = append(whole, size, VECTOR(attributes));
	size = append(whole, size, VECTOR(event));
	size = append(whole, size, VECTOR(link));
	size = append(whole, size, VECTOR(status));
	size = append(whole, size, VECTOR(name));
	size = append(whole, size, VECTOR(error));
	size = append(whole, size, VECTOR(end));
	one.event_time = SECOND + 3500;
	assert_int_equal(producer_life(&one, intake, EVENT_FLUSH, whole, size), 0);
	span = only();
	assert_text(span->name, "GET /{id}");
	assert_int_equal(span->kind, SPAN_SERVER);
	assert_int_equal(span->flags, 0x303);
	assert_memory_equal(span->span_id, span_id, 8);
	assert_int_equal(span->end_unix_nano - span->start_unix_nano, 2000);
	assert_int_equal(span->status, SPAN_ERROR);
	assert_text(span->status_message, "broken");
	assert_text(span->tracestate, "k=v");
	/* Three of its own, and what the ERROR says. */
	assert_int_equal(count_fields(span->attributes, 9), 4);
	assert_text(text_attribute(span->attributes, 9, "error.type"), "ENOENT");
	assert_int_equal(count_fields(span->events, 11), 2);
	event = field_at(span->events, 11, 1).bytes;
	assert_text(text_attribute(event, 3, "exception.type"), "ENOENT");
	assert_int_equal(count_fields(span->links, 13), 1);
	assert_memory_equal(span->scope->encoded.data,
			    "\x0a\x04shop\x12\x03"
			    "1.2\x1a\x06\x0a\x02"
			    "ab\x12\x00",
			    19);
	assert_text(span->scope->schema_url, "http://s");
	assert_int_equal(counted().books[BOOK_NOT_SAMPLED], 5);
	assert_int_equal(counted().books[BOOK_INCOMPLETE], 0);
	assert_int_equal(counted().records_rejected, 0);
	assert_int_equal(counted().books[BOOK_NOT_HANDED_OVER], 0);
}

static void pieces_are_the_value_that_the_page_shows(void **state)
{
	(void)state;
	producer_start(&one, 0, "a", NULL);
	memcpy(producer_records(&one) + 8, span_id, 8);
	memcpy(producer_records(&one) + one.size, golden_first_piece, sizeof(golden_first_piece));
	one.size += sizeof(golden_first_piece);
	memcpy(producer_records(&one) + one.size, golden_last_piece, sizeof(golden_last_piece));
	one.size += sizeof(golden_last_piece);
	producer_flush(&one, intake);
	intake_finish(intake);
	assert_text(only()->name, "GET /all");
}

/* ---- Layout --------------------------------------------------------------------------------- */

#define AT(type, member, at)                                                                       \
	{                                                                                          \
#type "." #member, offsetof(struct type, member), at                               \
	}

static const struct {
	const char *what;
	size_t is;
	size_t must;
} layout[] = {
	AT(otel_record, size, 0),
	AT(otel_record, kind, 4),
	AT(otel_record, flags, 5),
	AT(otel_record, padding, 6),
	AT(otel_record, span_id, 8),
	AT(otel_start, time, 0),
	AT(otel_start, unix_time, 8),
	AT(otel_start, trace_id, 16),
	AT(otel_start, parent_id, 32),
	AT(otel_start, fixed_size, 40),
	AT(otel_start, trace_flags, 42),
	AT(otel_start, kind, 43),
	AT(otel_start, flags, 44),
	AT(otel_start, name_size, 48),
	AT(otel_start, scope_name_size, 52),
	AT(otel_start, scope_version_size, 56),
	AT(otel_start, schema_url_size, 60),
	AT(otel_start, scope_attributes_size, 64),
	AT(otel_start, tracestate_size, 68),
	AT(otel_status, code, 0),
	AT(otel_status, by, 1),
	AT(otel_status, reserved, 2),
	AT(otel_end, time, 0),
	AT(otel_end, unix_time, 8),
	AT(otel_end, attributes, 16),
	AT(otel_end, events, 20),
	AT(otel_end, links, 24),
	AT(otel_end, flags, 28),
	AT(otel_error, time, 0),
	AT(otel_error, error, 8),
	AT(otel_error, reserved, 12),
	AT(otel_buffer, magic, 0),
	AT(otel_buffer, version, 4),
	AT(otel_buffer, header_size, 6),
	AT(otel_buffer, buffer_id, 8),
	AT(otel_buffer, position, 16),
	AT(otel_buffer, committed, 24),
	AT(otel_buffer, capacity, 28),
	AT(otel_buffer, anchor, 32),
	AT(otel_buffer, clock_time, 40),
	AT(otel_buffer, clock_id, 48),
	AT(otel_buffer, reason, 52),
	AT(otel_buffer, started, 56),
	AT(otel_buffer, not_sampled, 64),
	AT(otel_buffer, dropped, 72),
	AT(otel_buffer, dropped_starts, 80),
	AT(otel_buffer, started_before, 88),
	AT(otel_buffer, thread_id, 96),
	AT(otel_buffer, uncaught, 100),
	AT(otel_buffer, reserved, 104),
	AT(otel_anchor, magic, 0),
	AT(otel_anchor, version, 4),
	AT(otel_anchor, language, 6),
	AT(otel_anchor, size, 8),
	AT(otel_anchor, next_buffer_id, 16),
	AT(otel_anchor, generation, 24),
	AT(otel_anchor, threads, 32),
	AT(otel_anchor, stores, 544),
	AT(otel_anchor, resource_size, 560),
	AT(otel_anchor, reserved, 568),
	AT(otel_anchor, environment_size, 616),
	AT(otel_anchor, environment_dropped, 620),
	AT(otel_anchor, environment, 624),
	AT(otel_store, free, 0),
	AT(otel_store, made, 8),
	AT(otel_store, slot_size, 12),
	AT(otel_store, chunks, 32),
	AT(otel_slot, state, 0),
	AT(otel_slot, next_free, 8),
	AT(otel_slot, size, 12),
	AT(otel_context, trace_id, 0),
	AT(otel_context, span_id, 16),
	AT(otel_context, origin, 24),
	AT(otel_context, trace_flags, 32),
	AT(otel_context, state, 33),
	AT(otel_context, tracestate, 40),
	AT(otel_context, baggage, 48),
	AT(otel_span, context, 0),
	AT(otel_span, start_time, 64),
	AT(otel_span, attributes, 72),
	AT(otel_span, events, 76),
	AT(otel_span, links, 80),
	AT(otel_span, status, 84),
	AT(otel_span, name, 96),
	AT(otel_thread, magic, 0),
	AT(otel_thread, version, 4),
	AT(otel_thread, next, 8),
	AT(otel_thread, owner, 16),
	AT(otel_thread, references, 24),
	AT(otel_thread, scopes, 28),
	AT(otel_thread, detached, 32),
	AT(otel_thread, nested, 36),
	AT(otel_thread, changing, 38),
	AT(otel_thread, buffers, 40),
	AT(otel_thread, oldest, 64),
	AT(otel_thread, random, 72),
	AT(otel_thread, current, 128),
	AT(otel_scopes, stack, 0),
	AT(otel_scopes, stack_size, 8),
	AT(otel_scopes, tickets, 16),
	AT(otel_scopes, nobody, 24),
	AT(otel_scopes, kept, 80),
	AT(otel_kept_scope, owner, 0),
	AT(otel_kept_scope, previous, 16),
	AT(otel_image_note, version, 0),
	AT(otel_image_note, size, 2),
	AT(otel_image_note, anchor, 4),
	AT(otel_image_note, flush_nop5, 8),
	AT(otel_image_note, flush_nop10, 12),
	AT(otel_image_note, flush_nop, 16),
	AT(otel_image_note, semaphores, 20),
	AT(otel_image_note, controls, 24),
	AT(otel_image_note, control_sites, 28),
	AT(otel_image_note, stapsdt_base, 32),
	AT(otel_image_note, tracer_sites, 36),
	AT(otel_image_note, enable_site, 40),
	AT(otel_tracer_switch, mark, 0),
	AT(otel_tracer_switch, off, 8),
};

static void every_field_is_where_the_page_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(layout) / sizeof(layout[0]); i++) {
		if (layout[i].is != layout[i].must)
			fprintf(stderr, "%s is at %zu, not at %zu\n", layout[i].what, layout[i].is,
				layout[i].must);
		assert_int_equal(layout[i].is, layout[i].must);
	}
	assert_int_equal(sizeof(struct otel_record), 16);
	assert_int_equal(sizeof(struct otel_start), 72);
	assert_int_equal(sizeof(struct otel_status), 8);
	assert_int_equal(sizeof(struct otel_end), 32);
	assert_int_equal(sizeof(struct otel_error), 16);
	assert_int_equal(sizeof(struct otel_buffer), 128);
	assert_int_equal(sizeof(struct otel_anchor), 8192);
	assert_int_equal(sizeof(struct otel_store), 32 + 8 * 1024);
	assert_int_equal(sizeof(struct otel_slot), 16);
	assert_int_equal(sizeof(struct otel_context), 64);
	assert_int_equal(sizeof(struct otel_span), 128);
	assert_int_equal(sizeof(struct otel_thread), 256);
	assert_int_equal(sizeof(struct otel_scopes), 3840);
	assert_int_equal(sizeof(struct otel_kept_scope), 80);
	assert_int_equal(sizeof(struct otel_image_note), 48);
	assert_int_equal(sizeof(struct otel_tracer_switch), 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(start_means_what_the_page_says),
		TEST(attributes_mean_what_the_page_says),
		TEST(event_means_what_the_page_says),
		TEST(link_means_what_the_page_says),
		TEST(status_means_what_the_page_says),
		TEST(name_means_what_the_page_says),
		TEST(error_means_what_the_page_says),
		TEST(end_means_what_the_page_says),
		TEST(resource_stack_and_late_mean_what_the_page_says),
		TEST(what_nobody_knows_yet_is_skipped_by_its_size),
		TEST(a_buffer_means_what_the_page_says),
		TEST(an_anchor_means_what_the_page_says),
		TEST(a_whole_flush_is_the_span_that_the_page_shows),
		TEST(pieces_are_the_value_that_the_page_shows),
		TEST(every_field_is_where_the_page_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
