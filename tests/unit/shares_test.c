/* SPDX-License-Identifier: Apache-2.0 */
/* Who may keep how much for how long: spans that nobody ends, and whose loss it is. */
#include "fixture.h"

#include "assemble.h"

static void who_holds_the_most_makes_room(void **state)
{
	(void)state;
	/* Neither has more than half of all. */
	two.process.pid--;
	for (uint64_t i = 0; i < 20; i++)
		producer_start(&two, SPAN + i, "modest", NULL);
	producer_flush(&two, intake);
	for (uint64_t i = 0; i < 45; i++)
		producer_start(&one, SPAN + i, "a", NULL);
	producer_flush(&one, intake);
	one.process.pid++;
	for (uint64_t i = 0; i < 45; i++)
		producer_start(&one, SPAN + i, "b", NULL);
	one.header.buffer_id = 3;
	one.header.position = one.header.started = one.header.started_before = 0;
	producer_flush(&one, intake);
	assert_int_equal(counted().books[BOOK_TABLE_FULL], 10);
	for (uint64_t i = 0; i < 20; i++)
		producer_end(&two, SPAN + i, NOW + 1, 0, 0, 0, 0);
	producer_flush(&two, intake);
	assert_int_equal(out.n, 20);
	assert_text(out.spans[0]->name, "modest");
}

/* A START of which not all comes, on a buffer of its own. */
static void put_unfinished(struct producer *p, uint64_t buffer_id, size_t size)
{
	static const uint8_t piece[12000];
	uint8_t flags = OTEL_RECORD_MORE;

	p->header.buffer_id = buffer_id;
	p->header.position = p->header.started = p->header.started_before = 0;
	for (size_t at = 0; at < size; at += sizeof(piece)) {
		producer_put(p, OTEL_RECORD_START, flags, SPAN + buffer_id, NULL, 0, piece,
			     sizeof(piece));
		flags |= OTEL_RECORD_CONTINUED;
		producer_flush(p, intake);
	}
}

static void who_has_the_most_in_values_that_are_not_whole_loses_its_own(void **state)
{
	static const char name[] = "a name in two pieces";

	(void)state;
	two.process.pid--;
	producer_start(&two, SPAN, "modest", NULL);
	producer_put(&two, OTEL_RECORD_NAME, OTEL_RECORD_MORE, SPAN, NULL, 0, name, 10);
	producer_flush(&two, intake);
	/* Room for the next pieces counts, too. */
	for (uint64_t buffer = 10; buffer < 16; buffer++)
		put_unfinished(&one, buffer, (size_t)9 << 20);
	assert_true(counted().records_rejected >= 4);
	assert_int_equal(counted().books[BOOK_MALFORMED], counted().records_rejected);
	producer_put(&two, OTEL_RECORD_NAME, OTEL_RECORD_CONTINUED, SPAN, NULL, 0, name + 10,
		     sizeof(name) - 11);
	producer_end(&two, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_flush(&two, intake);
	assert_text(only()->name, name);
}

/* A span with a tracer's name of this many bytes, which no other has. */
static void put_with_scope(struct producer *p, uint64_t id, size_t size)
{
	char *name = malloc(size + 1);
	const struct start_options options = {.scope = name};

	memset(name, 'x', size);
	name[size] = '\0';
	name[0] = (char)('a' + id % 26);
	name[1] = (char)('a' + id / 26 % 26);
	name[2] = (char)('a' + id / 676);
	producer_start(p, id, "scoped", &options);
	producer_flush(p, intake);
	free(name);
}

static void what_open_spans_say_of_their_tracers_is_bounded(void **state)
{
	(void)state;
	intake_finish(intake);
	intake_free(intake);
	collected_free(&out);
	intake = collect_new(&out, 10000);
	producer_init(&two, 2);
	two.process.pid--;
	producer_start(&two, SPAN, "modest", NULL);
	producer_flush(&two, intake);
	for (uint64_t i = 1; i <= 600; i++)
		put_with_scope(&one, i, 1000000);
	assert_in_range(counted().books[BOOK_TABLE_FULL], 600 - ASSEMBLER_BYTES_MAX / 1000000, 400);
	producer_end(&two, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_flush(&two, intake);
	assert_text(only()->name, "modest");
}

static void a_span_that_was_forgotten_is_finished_as_incomplete(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "forgotten", NULL);
	producer_flush(&one, intake);
	intake_tick(intake, NOW + FORGOTTEN_NS - SECOND);
	assert_int_equal(out.n, 0);
	intake_tick(intake, NOW + FORGOTTEN_NS);
	assert_true(is_true(only()->attributes, "otelbpf.incomplete"));
	/* When it was heard of last, not when that was noticed. */
	assert_true(only()->end_unix_nano - only()->start_unix_nano < SECOND);
	assert_int_equal(counted().books[BOOK_INCOMPLETE], 1);
	/* What comes of it after all is nobody's. */
	producer_end(&one, SPAN, NOW + FORGOTTEN_NS, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(out.n, 1);
}

static void a_span_that_is_written_to_is_not_forgotten(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "long", NULL);
	producer_flush(&one, intake);
	one.event_time = NOW + FORGOTTEN_NS - SECOND;
	producer_event(&one, SPAN, OTEL_RECORD_TIMED, NOW + 1, "still here", NULL, 0);
	producer_flush(&one, intake);
	intake_tick(intake, NOW + FORGOTTEN_NS);
	assert_int_equal(out.n, 0);
}

static void a_span_without_an_end_is_incomplete_if_its_process_had_a_gap(void **state)
{
	const struct event_exit killed = {.status = 9};

	(void)state;
	producer_start(&one, SPAN, "open", NULL);
	producer_flush(&one, intake);
	/* Its end may have been in there. */
	two.header.position = 800;
	producer_start(&two, SPAN + 1, "after the gap", NULL);
	producer_flush(&two, intake);
	two.header.position += 800;
	producer_start(&two, SPAN + 2, "another", NULL);
	producer_flush(&two, intake);
	producer_life(&one, intake, EVENT_EXIT, &killed, sizeof(killed));
	assert_int_equal(out.n, 3);
	assert_true(is_true(out.spans[0]->attributes, "otelbpf.cut_short"));
	assert_true(is_true(out.spans[0]->attributes, "otelbpf.incomplete"));
	/* Nothing is missing since it was started. */
	assert_false(is_true(out.spans[2]->attributes, "otelbpf.incomplete"));
}

/* Others may have written to it: who kept its context. */
static void end_shared(struct producer *producer, uint64_t id)
{
	producer_start(producer, id, "shared", NULL);
	producer_end(producer, id, NOW + 1, 0, 0, 0, OTEL_END_SHARED);
	producer_flush(producer, intake);
}

static void lose_something(struct producer *producer)
{
	producer->header.position += 800;
	producer_put(producer, OTEL_RECORD_LATE, 0, SPAN + 99, NULL, 0, NULL, 0);
	producer_flush(producer, intake);
}

static void a_hole_behind_the_end_of_a_span_held_nothing_of_it(void **state)
{
	(void)state;
	end_shared(&one, SPAN);
	lose_something(&one);
	lose_something(&one);
	intake_tick(intake, NOW + 2 * SECOND);
	assert_false(is_true(only()->attributes, "otelbpf.incomplete"));
	assert_int_equal(counted().books[BOOK_INCOMPLETE], 0);
}

static void a_hole_in_what_another_thread_wrote_may_have_held_something_of_a_shared_span(void **state)
{
	(void)state;
	producer_start(&two, SPAN + 7, "of another thread", NULL);
	producer_flush(&two, intake);
	end_shared(&one, SPAN);
	lose_something(&two);
	lose_something(&one);
	end_shared(&one, SPAN + 1);
	lose_something(&one);
	intake_tick(intake, NOW + 2 * SECOND);
	assert_int_equal(out.n, 2);
	assert_true(is_true(out.spans[0]->attributes, "otelbpf.incomplete"));
	assert_false(is_true(out.spans[1]->attributes, "otelbpf.incomplete"));
}

static void a_hole_between_start_and_end_may_have_held_something_of_a_shared_span(void **state)
{
	(void)state;
	producer_start(&two, SPAN + 7, "of another thread", NULL);
	producer_flush(&two, intake);
	producer_start(&one, SPAN, "shared", NULL);
	producer_flush(&one, intake);
	lose_something(&two);
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, OTEL_END_SHARED);
	producer_flush(&one, intake);
	intake_tick(intake, NOW + 2 * SECOND);
	assert_true(is_true(only()->attributes, "otelbpf.incomplete"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_holds_the_most_makes_room),
		TEST(who_has_the_most_in_values_that_are_not_whole_loses_its_own),
		TEST(what_open_spans_say_of_their_tracers_is_bounded),
		TEST(a_span_that_was_forgotten_is_finished_as_incomplete),
		TEST(a_span_that_is_written_to_is_not_forgotten),
		TEST(a_span_without_an_end_is_incomplete_if_its_process_had_a_gap),
		TEST(a_hole_behind_the_end_of_a_span_held_nothing_of_it),
		TEST(a_hole_in_what_another_thread_wrote_may_have_held_something_of_a_shared_span),
		TEST(a_hole_between_start_and_end_may_have_held_something_of_a_shared_span),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
