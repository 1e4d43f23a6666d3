/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>

#include "fixture.h"

static void a_span_is_finished_at_its_end(void **state)
{
	uint8_t attributes[256], *end = encode_text(attributes, 9, "http.route", "/order");
	struct start_options options = {
		.time = NOW,
		.scope = "kitchen",
		.tracestate = "a=1,b=2",
		.attributes = attributes,
		.attributes_size = (size_t)(end - attributes),
		.kind = SPAN_SERVER,
		.parent = 7,
		.flags = OTEL_START_PARENT_REMOTE,
		.record_flags = OTEL_RECORD_COUNTED,
	};
	const struct span *span;
	uint64_t id = SPAN;

	(void)state;
	producer_start(&one, SPAN, "POST /order", &options);
	producer_text(&one, SPAN, OTEL_RECORD_COUNTED, 0, "user", "me");
	producer_event(&one, SPAN, OTEL_RECORD_COUNTED, NOW + 500, "enqueued", NULL, 0);
	producer_end(&one, SPAN, NOW + 1000, 2, 1, 0, 0);
	assert_int_equal(producer_flush(&one, intake), 0);
	span = only();
	assert_text(span->name, "POST /order");
	assert_text(span->tracestate, "a=1,b=2");
	assert_text(span->scope->name, "kitchen");
	assert_memory_equal(span->scope->encoded.data, "\x0a\x07kitchen", 9);
	assert_memory_equal(span->span_id, &id, 8);
	assert_int_equal(span->parent_id[0], 7);
	assert_int_equal(span->trace_id[15], 16);
	assert_int_equal(span->flags, 0x303);
	assert_int_equal(span->kind, SPAN_SERVER);
	assert_int_equal(span->end_unix_nano - span->start_unix_nano, 1000);
	assert_int_equal(count_fields(span->attributes, 9), 2);
	assert_text(text_attribute(span->attributes, 9, "http.route"), "/order");
	assert_text(text_attribute(span->attributes, 9, "user"), "me");
	assert_int_equal(count_fields(span->events, 11), 1);
	assert_int_equal(field_at(field_at(span->events, 11, 0).bytes, 1, 0).value -
				 span->start_unix_nano,
			 500);
	assert_int_equal(counted().books[BOOK_INCOMPLETE], 0);
	assert_int_equal(counted().books[BOOK_NOT_HANDED_OVER], 0);
}

static void a_kind_that_there_is_not_is_internal(void **state)
{
	static const uint8_t kinds[] = {SPAN_CONSUMER + 1, 255};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds); i++) {
		struct start_options options = {.kind = kinds[i]};

		producer_start(&one, SPAN + i, "a", &options);
		producer_end(&one, SPAN + i, NOW + 1, 0, 0, 0, 0);
		producer_flush(&one, intake);
		assert_int_equal(out.n, i + 1);
		assert_int_equal(out.spans[i]->kind, SPAN_INTERNAL);
	}
}

static void a_span_over_several_flushes_is_one_span(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	producer_text(&one, SPAN, OTEL_RECORD_COUNTED, 0, "k", "v");
	producer_flush(&one, intake);
	assert_int_equal(counted().books[BOOK_OPEN], 1);
	producer_end(&one, SPAN, NOW + 1, 1, 0, 0, 0);
	producer_flush(&one, intake);
	assert_text(text_attribute(only()->attributes, 9, "k"), "v");
}

static void a_span_ended_twice_is_exported_once(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_end(&one, SPAN, NOW + 2, 0, 0, 0, 0);
	producer_flush(&one, intake);
	intake_tick(intake, NOW + 20 * SECOND);
	assert_int_equal(only()->end_unix_nano - only()->start_unix_nano, 1);
	assert_int_equal(counted().records_orphaned, 1);
}

static void an_end_may_come_seconds_before_the_start_of_another_thread(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_end(&two, SPAN, NOW + 1, 0, 0, 0, OTEL_END_SHARED);
	producer_flush(&two, intake);
	intake_tick(intake, NOW + 5 * SECOND);
	producer_flush(&one, intake);
	intake_tick(intake, NOW + 8 * SECOND);
	assert_int_equal(only()->end_unix_nano - only()->start_unix_nano, 1);
	assert_int_equal(counted().records_orphaned, 0);
}

static void of_two_ends_of_two_threads_the_first_in_time_counts(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_end(&one, SPAN, NOW + 20, 0, 0, 0, OTEL_END_SHARED);
	producer_flush(&one, intake);
	producer_end(&two, SPAN, NOW + 10, 0, 0, 0, OTEL_END_SHARED);
	producer_flush(&two, intake);
	assert_int_equal(out.n, 0);
	intake_tick(intake, NOW + 2 * SECOND);
	assert_int_equal(only()->end_unix_nano - only()->start_unix_nano, 10);
}

static void of_two_ends_of_two_threads_one_that_is_later_changes_nothing(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_end(&one, SPAN, NOW + 10, 0, 0, 0, OTEL_END_SHARED);
	producer_flush(&one, intake);
	producer_end(&two, SPAN, NOW + 20, 3, 0, 0, OTEL_END_SHARED);
	producer_flush(&two, intake);
	assert_int_equal(out.n, 0);
	intake_tick(intake, NOW + 2 * SECOND);
	assert_int_equal(only()->end_unix_nano - only()->start_unix_nano, 10);
	assert_int_equal(only()->dropped_attributes, 0);
	assert_int_equal(counted().records_orphaned, 1);
}

static void nothing_is_added_after_the_end(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_end(&one, SPAN, NOW + 10, 0, 0, 0, OTEL_END_SHARED);
	producer_text(&one, SPAN, 0, 0, "late", "same thread");
	producer_flush(&one, intake);
	producer_text(&two, SPAN, 0, NOW + 11, "later", "other thread");
	producer_text(&two, SPAN, 0, NOW + 9, "in time", "other thread");
	producer_flush(&two, intake);
	intake_tick(intake, NOW + 2 * SECOND);
	assert_int_equal(count_fields(only()->attributes, 9), 1);
	assert_text(text_attribute(only()->attributes, 9, "in time"), "other thread");
	assert_int_equal(counted().records_orphaned, 2);
}

static void what_came_before_the_end_but_was_made_after_it_is_left_out(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	producer_text(&two, SPAN, 0, NOW + 5, "k", "in time");
	producer_text(&two, SPAN, 0, NOW + 11, "k", "too late");
	producer_flush(&two, intake);
	producer_end(&one, SPAN, NOW + 10, 0, 0, 0, OTEL_END_SHARED);
	producer_flush(&one, intake);
	intake_tick(intake, NOW + 2 * SECOND);
	assert_text(text_attribute(only()->attributes, 9, "k"), "in time");
	assert_int_equal(counted().records_orphaned, 1);
}

static void another_threads_records_may_come_before_the_start(void **state)
{
	(void)state;
	producer_text(&two, SPAN, OTEL_RECORD_COUNTED, NOW + 2, "k", "v");
	producer_end(&two, SPAN, NOW + 3, 1, 0, 0, 0);
	producer_flush(&two, intake);
	assert_int_equal(counted().books[BOOK_OPEN], 0);
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	assert_text(text_attribute(only()->attributes, 9, "k"), "v");
	assert_int_equal(only()->end_unix_nano - only()->start_unix_nano, 3);
	assert_int_equal(counted().records_orphaned, 0);
}

static void a_moved_span_waits_until_its_counts_are_complete(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	producer_text(&one, SPAN, OTEL_RECORD_COUNTED, 0, "k", "v");
	producer_end(&two, SPAN, NOW + 3, 1, 0, 0, 0);
	producer_flush(&two, intake);
	assert_int_equal(out.n, 0);
	producer_flush(&one, intake);
	assert_text(text_attribute(only()->attributes, 9, "k"), "v");
	assert_int_equal(counted().books[BOOK_INCOMPLETE], 0);
}

static void a_span_of_which_a_record_made_no_sense_is_incomplete_and_no_other(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_start(&one, SPAN + 1, "b", NULL);
	producer_put(&one, OTEL_RECORD_STATUS, 0, SPAN, NULL, 0, "1", 1);
	producer_end(&one, SPAN + 1, NOW + 1, 0, 0, 0, 0);
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(out.n, 2);
	assert_false(is_true(out.spans[0]->attributes, "otelbpf.incomplete"));
	assert_true(is_true(out.spans[1]->attributes, "otelbpf.incomplete"));
}

static void what_never_came_is_counted_as_dropped(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	producer_text(&one, SPAN, OTEL_RECORD_COUNTED, 0, "k", "v");
	producer_empty(&one);
	producer_end(&one, SPAN, NOW + 3, 1, 2, 3, 0);
	producer_flush(&one, intake);
	assert_int_equal(out.n, 0);
	intake_tick(intake, NOW + 2 * SECOND);
	assert_true(is_true(only()->attributes, "otelbpf.incomplete"));
	assert_int_equal(only()->dropped_attributes, 1);
	assert_int_equal(only()->dropped_events, 2);
	assert_int_equal(only()->dropped_links, 3);
	assert_int_equal(counted().books[BOOK_INCOMPLETE], 1);
	assert_true(counted().gap_bytes > 0);
}

static void the_last_value_of_a_key_wins_whichever_thread_it_came_from(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_text(&one, SPAN, 0, 0, "k", "1");
	producer_text(&one, SPAN, 0, 0, "k", "2");
	producer_text(&one, SPAN, 0, 0, "j", "1");
	producer_flush(&one, intake);
	producer_text(&two, SPAN, 0, NOW + 4, "k", "4");
	producer_text(&two, SPAN, 0, NOW + 3, "k", "3");
	producer_flush(&two, intake);
	producer_end(&one, SPAN, NOW + 10, 0, 0, 0, OTEL_END_SHARED);
	producer_flush(&one, intake);
	intake_tick(intake, NOW + 2 * SECOND);
	assert_int_equal(count_fields(only()->attributes, 9), 2);
	assert_text(text_attribute(only()->attributes, 9, "k"), "4");
	assert_int_equal(only()->dropped_attributes, 0);
}

static void limits_keep_the_first_and_count_the_rest(void **state)
{
	uint8_t link[64], *end;
	char key[16];

	(void)state;
	end = wire_put_bytes(link, 1, "abcdefghijklmnop", 16);
	end = wire_put_bytes(end, 2, "abcdefgh", 8);
	producer_start(&one, SPAN, "a", NULL);
	for (int i = 0; i < 130; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		producer_text(&one, SPAN, 0, 0, key, "1");
		producer_event(&one, SPAN, 0, NOW + 1, key, NULL, 0);
		producer_put(&one, OTEL_RECORD_LINK, 0, SPAN, NULL, 0, link, (size_t)(end - link));
	}
	/* Not a new key: no drop. */
	producer_text(&one, SPAN, 0, 0, "k0", "2");
	producer_end(&one, SPAN, NOW + 10, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(count_fields(only()->attributes, 9), 128);
	assert_int_equal(count_fields(only()->events, 11), 128);
	assert_int_equal(count_fields(only()->links, 13), 128);
	assert_int_equal(only()->dropped_attributes, 2);
	assert_int_equal(only()->dropped_events, 2);
	assert_int_equal(only()->dropped_links, 2);
	assert_text(text_attribute(only()->attributes, 9, "k0"), "2");
	assert_int_equal(attribute(only()->attributes, 9, "k128").size, 0);
}

static void a_link_that_leads_nowhere_and_says_nothing_is_ignored_not_counted(void **state)
{
	uint8_t link[64] = {0}, *end;

	(void)state;
	end = wire_put_bytes(link, 1, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	end = wire_put_bytes(end, 2, "\0\0\0\0\0\0\0\0", 8);
	producer_start(&one, SPAN, "a", NULL);
	producer_put(&one, OTEL_RECORD_LINK, 0, SPAN, NULL, 0, link, (size_t)(end - link));
	/* An attribute without a key is none. */
	producer_put(&one, OTEL_RECORD_LINK, 0, SPAN, NULL, 0, link,
		     (size_t)(wire_put_bytes(end, 4, "\x0a\x00", 2) - link));
	end = wire_put_bytes(end, 3, "a=1", 3);
	producer_put(&one, OTEL_RECORD_LINK, 0, SPAN, NULL, 0, link, (size_t)(end - link));
	producer_end(&one, SPAN, NOW + 10, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(count_fields(only()->links, 13), 1);
	assert_int_equal(only()->dropped_links, 0);
}

static void a_million_attributes_take_neither_long_nor_much(void **state)
{
	char key[16];

	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	for (int i = 0; i < 1000000; i++) {
		snprintf(key, sizeof(key), "k%d", i % 200);
		producer_text(&one, SPAN, 0, 0, key, "0123456789");
		if (one.size > 16000)
			producer_flush(&one, intake);
	}
	producer_end(&one, SPAN, NOW + 10, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(count_fields(only()->attributes, 9), 128);
	assert_int_equal(only()->dropped_attributes, 72 * 5000);
}

static void an_attribute_without_a_key_is_dropped(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_text(&one, SPAN, OTEL_RECORD_COUNTED, 0, "", "v");
	producer_end(&one, SPAN, NOW + 10, 1, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(only()->attributes.size, 0);
	assert_int_equal(only()->dropped_attributes, 1);
	assert_int_equal(counted().books[BOOK_INCOMPLETE], 0);
}

/* { code, by, description } in order, and what must come out. */
static const struct {
	const char *rule;
	struct {
		uint8_t code, by;
		const char *description;
	} calls[3];
	uint8_t status;
	const char *message;
} statuses[] = {
	{"unset is ignored", {{2, 0, "a"}, {0, 0, "b"}}, SPAN_ERROR, "a"},
	{"the last error wins", {{2, 0, "a"}, {2, 0, "b"}}, SPAN_ERROR, "b"},
	{"ok clears the description", {{2, 0, "a"}, {1, 0, "b"}}, SPAN_OK, ""},
	{"ok is final", {{1, 0, ""}, {2, 0, "b"}}, SPAN_OK, ""},
	{"a helper sets what is unset", {{2, 1, "a"}}, SPAN_ERROR, "a"},
	{"a helper leaves what is set", {{2, 0, "a"}, {2, 1, "b"}}, SPAN_ERROR, "a"},
	{"a helper leaves what a helper set", {{2, 1, "a"}, {2, 1, "b"}}, SPAN_ERROR, "a"},
	{"by hand beats a helper", {{2, 1, "a"}, {2, 0, "b"}}, SPAN_ERROR, "b"},
	{"only errors have descriptions", {{1, 0, "a"}}, SPAN_OK, ""},
};

static void the_status_follows_the_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		const struct span *span;

		producer_start(&one, SPAN + i, "a", NULL);
		for (size_t j = 0; j < 3 && statuses[i].calls[j].description; j++)
			producer_status(&one, SPAN + i, 0, statuses[i].calls[j].code,
					statuses[i].calls[j].by, statuses[i].calls[j].description);
		producer_end(&one, SPAN + i, NOW + 1, 0, 0, 0, 0);
		producer_flush(&one, intake);
		assert_int_equal(out.n, i + 1);
		span = out.spans[i];
		if (span->status != statuses[i].status)
			fprintf(stderr, "%s: %d\n", statuses[i].rule, span->status);
		assert_int_equal(span->status, statuses[i].status);
		assert_text(span->status_message, statuses[i].message);
	}
}

static void an_error_becomes_an_exception_and_a_status(void **state)
{
	struct bytes event;

	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_error(&one, SPAN, NOW + 1, ENOENT);
	producer_end(&one, SPAN, NOW + 2, 0, 1, 0, 0);
	producer_flush(&one, intake);
	event = field_at(only()->events, 11, 0).bytes;
	assert_text(field_at(event, 2, 0).bytes, "exception");
	assert_text(text_attribute(event, 3, "exception.type"), "ENOENT");
	assert_text(text_attribute(event, 3, "exception.message"), "No such file or directory");
	assert_int_equal(field_at(event, 1, 0).value - only()->start_unix_nano, 1);
	assert_text(text_attribute(only()->attributes, 9, "error.type"), "ENOENT");
	assert_int_equal(only()->status, SPAN_ERROR);
	assert_text(only()->status_message, "No such file or directory");
	assert_int_equal(counted().books[BOOK_INCOMPLETE], 0);
}

static void of_several_errors_each_is_an_event_and_the_first_is_the_spans(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_error(&one, SPAN, NOW + 1, ENOENT);
	producer_error(&one, SPAN, NOW + 2, EIO);
	producer_end(&one, SPAN, NOW + 3, 0, 2, 0, 0);
	producer_flush(&one, intake);
	assert_text(text_attribute(field_at(only()->events, 11, 1).bytes, 3, "exception.type"), "EIO");
	assert_text(text_attribute(only()->attributes, 9, "error.type"), "ENOENT");
	assert_text(only()->status_message, "No such file or directory");
}

static void an_error_without_a_name_has_its_number(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_text(&one, SPAN, 0, 0, "error.type", "mine");
	producer_error(&one, SPAN, NOW + 1, 7777);
	producer_end(&one, SPAN, NOW + 2, 0, 1, 0, 0);
	producer_flush(&one, intake);
	assert_text(text_attribute(field_at(only()->events, 11, 0).bytes, 3, "exception.type"),
		    "errno 7777");
	assert_text(text_attribute(only()->attributes, 9, "error.type"), "mine");
}

static void the_last_name_wins(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_name(&one, SPAN, 0, "b");
	producer_flush(&one, intake);
	producer_name(&two, SPAN, NOW + 5, "e");
	producer_name(&two, SPAN, NOW + 4, "d");
	producer_flush(&two, intake);
	producer_end(&one, SPAN, NOW + 9, 0, 0, 0, OTEL_END_SHARED);
	producer_flush(&one, intake);
	intake_tick(intake, NOW + 2 * SECOND);
	assert_text(only()->name, "e");
}

static void events_of_several_threads_are_in_the_order_of_time(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_event(&one, SPAN, 0, NOW + 1, "1", NULL, 0);
	producer_event(&one, SPAN, 0, NOW + 3, "3", NULL, 0);
	producer_flush(&one, intake);
	producer_event(&two, SPAN, 0, NOW + 2, "2", NULL, 0);
	producer_flush(&two, intake);
	producer_end(&one, SPAN, NOW + 9, 0, 0, 0, OTEL_END_SHARED);
	producer_flush(&one, intake);
	intake_tick(intake, NOW + 2 * SECOND);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
			field_at(field_at(only()->events, 11, i).bytes, 2, 0).bytes.data[0],
			'1' + i);
}

static void explicit_times_are_taken_as_given(void **state)
{
	struct start_options options = {.time = NOW, .unix_time = 1234};
	struct otel_end end = {.time = NOW + 5, .unix_time = 1000};

	(void)state;
	producer_start(&one, SPAN, "a", &options);
	producer_put(&one, OTEL_RECORD_END, 0, SPAN, &end, sizeof(end), NULL, 0);
	producer_flush(&one, intake);
	assert_int_equal(only()->start_unix_nano, 1234);
	assert_int_equal(only()->end_unix_nano, 1000);
}

static void an_end_before_the_start_is_the_start(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_end(&one, SPAN, NOW - 5, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(only()->start_unix_nano, only()->end_unix_nano);
}

static void a_killed_process_leaves_cut_spans_with_its_signal(void **state)
{
	struct event_exit killed = {.status = SIGKILL};

	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_start(&one, SPAN + 1, "b", NULL);
	producer_status(&one, SPAN + 1, 0, SPAN_OK, 0, "");
	producer_flush(&one, intake);
	one.event_time = NOW + 77;
	producer_life(&one, intake, EVENT_EXIT, &killed, sizeof(killed));
	assert_int_equal(out.n, 2);
	assert_true(is_true(out.spans[0]->attributes, "otelbpf.cut_short"));
	assert_int_equal(out.spans[0]->status, SPAN_ERROR);
	assert_text(out.spans[0]->status_message, "process killed by SIGKILL");
	assert_int_equal(out.spans[0]->end_unix_nano - out.spans[0]->start_unix_nano, 77);
	assert_int_equal(out.spans[1]->status, SPAN_OK);
	assert_int_equal(intake_processes(intake), 0);
	assert_int_equal(counted().books[BOOK_INCOMPLETE], 0);
	assert_int_equal(counted().books[BOOK_CUT_SHORT], 2);
}

static void a_victim_of_the_oom_killer_is_told_from_others(void **state)
{
	struct event_exit killed = {.status = SIGKILL, .out_of_memory = 1};

	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	producer_life(&one, intake, EVENT_EXIT, &killed, sizeof(killed));
	assert_text(only()->status_message, "process killed by SIGKILL: out of memory");
}

static void a_victim_that_ended_well_after_all_is_none(void **state)
{
	struct event_exit ended = {.out_of_memory = 1};

	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	producer_life(&one, intake, EVENT_EXIT, &ended, sizeof(ended));
	assert_int_equal(only()->status, SPAN_UNSET);
	assert_int_equal(only()->events.size, 0);
}

static void a_process_that_fails_leaves_cut_spans_with_its_status(void **state)
{
	struct event_exit failed = {.status = 3 << 8}, fine = {.status = 0};

	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	producer_life(&one, intake, EVENT_EXIT, &failed, sizeof(failed));
	assert_text(only()->status_message, "process exited with status 3 before the span ended");
	two.process.pid--;
	producer_start(&two, SPAN, "a", NULL);
	producer_flush(&two, intake);
	producer_life(&two, intake, EVENT_EXIT, &fine, sizeof(fine));
	assert_int_equal(out.n, 2);
	assert_int_equal(out.spans[1]->status, SPAN_UNSET);
	assert_true(is_true(out.spans[1]->attributes, "otelbpf.cut_short"));
}

static void the_oldest_open_span_makes_room_and_is_counted(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 101; i++)
		producer_start(&one, SPAN + i, "a", NULL);
	producer_flush(&one, intake);
	assert_int_equal(counted().books[BOOK_TABLE_FULL], 1);
	assert_int_equal(counted().books[BOOK_OPEN], 100);
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(out.n, 0);
}

static void one_process_cannot_push_out_the_spans_of_others(void **state)
{
	(void)state;
	two.process.pid--;
	producer_start(&two, SPAN, "kept", NULL);
	producer_flush(&two, intake);
	for (uint64_t i = 0; i < 1000; i++)
		producer_start(&one, SPAN + i, "a", NULL);
	producer_flush(&one, intake);
	producer_end(&two, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_flush(&two, intake);
	assert_text(only()->name, "kept");
}

static void ends_without_a_start_push_out_no_span(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "kept", NULL);
	for (uint64_t i = 1; i < 1000; i++)
		producer_end(&one, SPAN + i, NOW + 1, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(counted().books[BOOK_TABLE_FULL], 0);
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_text(only()->name, "kept");
}

static void a_span_that_has_ended_is_never_evicted_unfinished(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "ended", NULL);
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, OTEL_END_SHARED);
	for (uint64_t i = 1; i <= 100; i++)
		producer_start(&one, SPAN + i, "a", NULL);
	producer_flush(&one, intake);
	assert_text(only()->name, "ended");
	assert_int_equal(counted().books[BOOK_TABLE_FULL], 0);
	assert_int_equal(counted().books[BOOK_OPEN], 100);
}

static void a_span_id_used_twice_is_rejected_once(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_start(&one, SPAN, "b", NULL);
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_text(only()->name, "a");
	assert_int_equal(counted().books[BOOK_MALFORMED], 1);
}

static void a_forked_child_cannot_end_its_parents_span(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	two.process.pid--;
	producer_end(&two, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_flush(&two, intake);
	intake_tick(intake, NOW + 20 * SECOND);
	assert_int_equal(out.n, 0);
	assert_int_equal(counted().books[BOOK_OPEN], 1);
	assert_int_equal(counted().records_orphaned, 1);
}

static void children_do_not_start_before_their_parent(void **state)
{
	struct start_options child = {.time = NOW + 1, .parent = SPAN};

	(void)state;
	producer_start(&one, SPAN, "parent", NULL);
	producer_flush(&one, intake);
	one.event_time = NOW + 10 * SECOND; /* the offset is measured anew */
	producer_start(&one, SPAN + 1, "child", &child);
	producer_end(&one, SPAN + 1, NOW + 2, 0, 0, 0, 0);
	producer_end(&one, SPAN, NOW + 3, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(out.n, 2);
	assert_int_equal(out.spans[0]->start_unix_nano - out.spans[1]->start_unix_nano, 1);
}

static void equal_scopes_are_one_object(void **state)
{
	struct start_options kitchen = {.scope = "kitchen"}, cellar = {.scope = "cellar"};

	(void)state;
	for (uint64_t i = 0; i < 4; i++) {
		producer_start(&one, SPAN + i, "a", i % 2 ? &kitchen : &cellar);
		producer_end(&one, SPAN + i, NOW + 1, 0, 0, 0, 0);
	}
	producer_flush(&one, intake);
	assert_int_equal(out.n, 4);
	assert_ptr_equal(out.spans[0]->scope, out.spans[2]->scope);
	assert_ptr_equal(out.spans[1]->scope, out.spans[3]->scope);
	assert_ptr_not_equal(out.spans[0]->scope, out.spans[1]->scope);
	assert_ptr_equal(out.spans[0]->resource, out.spans[1]->resource);
}

static void bad_text_is_repaired(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a\xff", NULL);
	producer_text(&one, SPAN, 0, 0, "k\xfe", "v");
	producer_text(&one, SPAN, 0, 0, "v", "v\xfe");
	producer_event(&one, SPAN, 0, NOW, "e\xc0", NULL, 0);
	producer_status(&one, SPAN, 0, SPAN_ERROR, 0, "d\x80");
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_text(only()->name, "a\xef\xbf\xbd");
	assert_text(text_attribute(only()->attributes, 9, "k\xef\xbf\xbd"), "v");
	assert_text(field_at(attribute(only()->attributes, 9, "v"), 7, 0).bytes, "v\xfe");
	assert_text(field_at(field_at(only()->events, 11, 0).bytes, 2, 0).bytes, "e\xef\xbf\xbd");
	assert_text(only()->status_message, "d\xef\xbf\xbd");
	assert_int_equal(counted().records_repaired, 5);
	assert_int_equal(counted().records_rejected, 0);
}

static void attributes_of_an_event_are_unique_and_limited(void **state)
{
	static uint8_t attributes[8192];
	uint8_t *end = attributes;
	struct bytes event;
	char key[16];

	(void)state;
	for (int i = 0; i < 130; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		end = encode_text(end, 3, key, "1");
	}
	end = encode_text(end, 3, "k5", "2");
	producer_start(&one, SPAN, "a", NULL);
	producer_event(&one, SPAN, 0, NOW, "e", attributes, (size_t)(end - attributes));
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_flush(&one, intake);
	event = field_at(only()->events, 11, 0).bytes;
	assert_int_equal(count_fields(event, 3), 128);
	assert_int_equal(field_at(event, 4, 0).value, 2);
	assert_text(text_attribute(event, 3, "k5"), "2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_span_is_finished_at_its_end),
		TEST(a_kind_that_there_is_not_is_internal),
		TEST(a_span_over_several_flushes_is_one_span),
		TEST(a_span_ended_twice_is_exported_once),
		TEST(an_end_may_come_seconds_before_the_start_of_another_thread),
		TEST(of_two_ends_of_two_threads_the_first_in_time_counts),
		TEST(of_two_ends_of_two_threads_one_that_is_later_changes_nothing),
		TEST(nothing_is_added_after_the_end),
		TEST(what_came_before_the_end_but_was_made_after_it_is_left_out),
		TEST(another_threads_records_may_come_before_the_start),
		TEST(a_moved_span_waits_until_its_counts_are_complete),
		TEST(a_span_of_which_a_record_made_no_sense_is_incomplete_and_no_other),
		TEST(what_never_came_is_counted_as_dropped),
		TEST(the_last_value_of_a_key_wins_whichever_thread_it_came_from),
		TEST(limits_keep_the_first_and_count_the_rest),
		TEST(a_link_that_leads_nowhere_and_says_nothing_is_ignored_not_counted),
		TEST(a_million_attributes_take_neither_long_nor_much),
		TEST(an_attribute_without_a_key_is_dropped),
		TEST(the_status_follows_the_rules),
		TEST(an_error_becomes_an_exception_and_a_status),
		TEST(of_several_errors_each_is_an_event_and_the_first_is_the_spans),
		TEST(an_error_without_a_name_has_its_number),
		TEST(the_last_name_wins),
		TEST(events_of_several_threads_are_in_the_order_of_time),
		TEST(explicit_times_are_taken_as_given),
		TEST(an_end_before_the_start_is_the_start),
		TEST(a_killed_process_leaves_cut_spans_with_its_signal),
		TEST(a_victim_of_the_oom_killer_is_told_from_others),
		TEST(a_victim_that_ended_well_after_all_is_none),
		TEST(a_process_that_fails_leaves_cut_spans_with_its_status),
		TEST(the_oldest_open_span_makes_room_and_is_counted),
		TEST(one_process_cannot_push_out_the_spans_of_others),
		TEST(ends_without_a_start_push_out_no_span),
		TEST(a_span_that_has_ended_is_never_evicted_unfinished),
		TEST(a_span_id_used_twice_is_rejected_once),
		TEST(a_forked_child_cannot_end_its_parents_span),
		TEST(children_do_not_start_before_their_parent),
		TEST(equal_scopes_are_one_object),
		TEST(bad_text_is_repaired),
		TEST(attributes_of_an_event_are_unique_and_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
