/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct processes all;

static int begin(void **state)
{
	(void)state;
	return processes_init(&all);
}

static int finish(void **state)
{
	(void)state;
	processes_free(&all);
	return 0;
}

static void a_process_is_found_by_pid_start_and_execs(void **state)
{
	struct process_id id = {.pid = 7, .execs = 1, .start_time = 100}, other = id;
	struct process *process = process_add(&all, &id);

	(void)state;
	assert_ptr_equal(process_find(&all, &id), process);
	other.execs++;
	assert_null(process_find(&all, &other));
	assert_ptr_equal(process_find_replaced(&all, &other), process);
	other = id;
	other.start_time++;
	assert_null(process_find(&all, &other));
	assert_ptr_equal(process_find_replaced(&all, &other), process);
	/* What is late does not replace what is newer. */
	other.start_time = 99;
	assert_null(process_find_replaced(&all, &other));
	other = id;
	other.pid++;
	assert_null(process_find_replaced(&all, &other));
}

static void a_process_that_ended_is_still_found_but_not_counted(void **state)
{
	struct process_id id = {.pid = 7, .execs = 1, .start_time = 100};
	struct process *process = process_add(&all, &id);

	(void)state;
	assert_int_equal(all.n_living, 1);
	process_end(&all, process, 5);
	process_end(&all, process, 6);
	assert_int_equal(all.n_living, 0);
	assert_ptr_equal(process_find(&all, &id), process);
	process_remove(&all, process);
	assert_null(process_find(&all, &id));
	assert_int_equal(all.n, 0);
}

static void streams_belong_to_their_process(void **state)
{
	struct process_id id = {.pid = 7}, other = {.pid = 8};
	struct process *a = process_add(&all, &id), *b = process_add(&all, &other);
	struct stream *stream = process_stream(&all, a, 1);

	(void)state;
	assert_ptr_equal(process_stream(&all, a, 1), stream);
	assert_ptr_not_equal(process_stream(&all, a, 2), stream);
	assert_ptr_not_equal(process_stream(&all, b, 1), stream);
	process_remove(&all, a);
	assert_int_equal(all.n_streams, 1);
}

static void the_stream_that_is_silent_the_longest_makes_room(void **state)
{
	struct process_id id = {.pid = 7};
	struct process *process = process_add(&all, &id);

	(void)state;
	process_stream(&all, process, 1)->expected = 111;
	process_stream(&all, process, 2)->expected = 222;
	for (uint64_t i = 3; i <= STREAMS_OF_PROCESS_MAX; i++)
		process_stream(&all, process, i);
	process_stream(&all, process, 1);
	process_stream(&all, process, STREAMS_OF_PROCESS_MAX + 1);
	assert_int_equal(process->n_streams, STREAMS_OF_PROCESS_MAX);
	assert_int_equal(process_stream(&all, process, 1)->expected, 111);
	assert_true(process_stream(&all, process, 2)->expected == UINT64_MAX);
}

static void who_has_the_most_streams_makes_room_for_others(void **state)
{
	struct process_id id = {.pid = 1};
	struct process *modest = process_add(&all, &id), *other = NULL;

	(void)state;
	for (uint64_t i = 1; i <= 10; i++)
		process_stream(&all, modest, i)->expected = i;
	for (size_t n = 10; n < STREAMS_MAX + 100; n++) {
		if (!other || other->n_streams == STREAMS_OF_PROCESS_MAX) {
			id.pid++;
			other = process_add(&all, &id);
		}
		process_stream(&all, other, n + 1);
	}
	assert_int_equal(all.n_streams, STREAMS_MAX);
	assert_int_equal(modest->n_streams, 10);
	for (uint64_t i = 1; i <= 10; i++)
		assert_int_equal(process_stream(&all, modest, i)->expected, i);
	/* As long as there is room for what they have, few are as good as many. */
	process_stream(&all, modest, 11)->expected = 11;
	assert_int_equal(modest->n_streams, 11);
	assert_int_equal(all.n_streams, STREAMS_MAX);
}

static void a_name_that_people_read_is_printable(void **state)
{
	struct process_id id = {.pid = 7};
	struct process *process = process_add(&all, &id);
	char text[8];

	(void)state;
	process_name(process, text, sizeof(text));
	assert_string_equal(text, "?");
	process->facts.executable = strdup("/bin/a\x1b[31m-too-long");
	process_name(process, text, sizeof(text));
	assert_string_equal(text, "a?[31m-");
}

static void who_said_the_most_is_forgotten_when_all_say_too_much(void **state)
{
	const struct process_id modest = {.pid = 1, .start_time = 1},
				loud = {.pid = 2, .start_time = 1};
	static const char said[] = "OTEL_SERVICE_NAME=modest";
	struct process *one, *two;

	(void)state;
	one = process_add(&all, &modest);
	two = process_add(&all, &loud);
	assert_int_equal(blob_reserve(&two->environment, WORDS_MAX), 0);
	process_weigh(&all, two);
	assert_int_equal(blob_append(&one->environment, said, sizeof(said)), 0);
	process_weigh(&all, one);
	assert_int_equal(one->environment.size, sizeof(said));
	assert_int_equal(two->words, 0);
	assert_true(all.words < 4096);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_process_is_found_by_pid_start_and_execs),
		TEST(a_process_that_ended_is_still_found_but_not_counted),
		TEST(streams_belong_to_their_process),
		TEST(the_stream_that_is_silent_the_longest_makes_room),
		TEST(who_has_the_most_streams_makes_room_for_others),
		TEST(a_name_that_people_read_is_printable),
		TEST(who_said_the_most_is_forgotten_when_all_say_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
