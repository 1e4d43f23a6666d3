/* SPDX-License-Identifier: Apache-2.0 */
/* What buffers still hold of the time before this agent came is not its own. */
#include "fixture.h"

static const struct start_options later = {.time = NOW + 20};

/* An agent that came at this time. */
static void begin_at(uint64_t time)
{
	intake_finish(intake);
	intake_free(intake);
	collected_free(&out);
	collect_began = time;
	intake = collect_new(&out, 100);
	collect_began = 0;
}

static void spans_that_an_agent_before_has_recorded_are_not_exported_again(void **state)
{
	(void)state;
	begin_at(NOW + 10);
	producer_start(&one, SPAN, "still open", NULL);
	producer_start(&one, SPAN + 1, "whole", NULL);
	producer_end(&one, SPAN + 1, NOW + 1, 0, 0, 0, 0);
	producer_look(&one, intake);
	producer_start(&one, SPAN + 2, "ours", &later);
	producer_end(&one, SPAN + 2, NOW + 30, 0, 0, 0, 0);
	producer_text(&one, SPAN, OTEL_RECORD_COUNTED, 0, "key", "value");
	producer_end(&one, SPAN, NOW + 30, 1, 0, 0, 0);
	producer_flush(&one, intake);
	assert_text(only()->name, "ours");
	assert_int_equal(counted().spans_before, 2);
	assert_int_equal(counted().books[BOOK_STARTED], 1);
	assert_int_equal(counted().books[BOOK_CONTRADICTED], 0);
	assert_int_equal(counted().records_rejected, 0);
}

static void a_start_in_pieces_of_before_leaves_nothing(void **state)
{
	static const struct start_options pieces = {.record_flags = OTEL_RECORD_MORE};

	(void)state;
	begin_at(NOW + 10);
	producer_start(&one, SPAN, "a name in ", &pieces);
	producer_put(&one, OTEL_RECORD_START, OTEL_RECORD_MORE | OTEL_RECORD_CONTINUED, SPAN, NULL, 0, "three ", 6);
	producer_flush(&one, intake);
	producer_put(&one, OTEL_RECORD_START, OTEL_RECORD_CONTINUED, SPAN, NULL, 0, "pieces", 6);
	producer_start(&one, SPAN + 1, "ours", &later);
	producer_end(&one, SPAN + 1, NOW + 30, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_text(only()->name, "ours");
	assert_int_equal(counted().spans_before, 1);
	assert_int_equal(counted().books[BOOK_STARTED], 1);
	assert_int_equal(counted().records_rejected, 0);
}

static void with_another_clock_the_time_is_known_by_its_shift_or_not_at_all(void **state)
{
	static const struct start_options old = {.time = NOW - 500 * SECOND};
	static const struct start_options new = {.time = NOW - 500 * SECOND + 20};

	(void)state;
	begin_at(NOW + 10);
	one.header.clock_time = 0;
	producer_start(&one, SPAN, "nobody knows", &old);
	producer_end(&one, SPAN, old.time, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_text(only()->name, "nobody knows");
	one.header.clock_time = new.time;
	one.event_time = NOW + 20;
	producer_start(&one, SPAN + 1, "before", &old);
	producer_start(&one, SPAN + 2, "ours", &new);
	producer_end(&one, SPAN + 2, new.time, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(out.n, 2);
	assert_text(out.spans[1]->name, "ours");
	assert_int_equal(counted().spans_before, 1);
}

static void a_process_that_was_born_later_has_no_time_before(void **state)
{
	const struct event_fork fork = {.parent = app};

	(void)state;
	begin_at(NOW + 10);
	one.process.pid--;
	producer_life(&one, intake, EVENT_FORK, &fork, sizeof(fork));
	producer_start(&one, SPAN, "whatever it says", NULL);
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_flush(&one, intake);
	only();
	assert_int_equal(counted().spans_before, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(spans_that_an_agent_before_has_recorded_are_not_exported_again),
		TEST(a_start_in_pieces_of_before_leaves_nothing),
		TEST(with_another_clock_the_time_is_known_by_its_shift_or_not_at_all),
		TEST(a_process_that_was_born_later_has_no_time_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
