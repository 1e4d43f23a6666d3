/* SPDX-License-Identifier: Apache-2.0 */
/* Spans of tracers that are switched off: counted, not exported, and nobody's parents. */
#include "fixture.h"
#include "left_out.h"

static void start(struct producer *p, uint64_t id, uint64_t parent, const char *scope,
		  uint32_t flags)
{
	const struct start_options options = {.parent = parent, .scope = scope, .flags = flags};

	producer_start(p, id, scope, &options);
}

static void end(struct producer *p, uint64_t id)
{
	producer_end(p, id, NOW + 9, 0, 0, 0, 0);
}

static uint64_t parent_of(uint64_t id)
{
	uint64_t parent = UINT64_MAX;

	for (size_t i = 0; i < out.n; i++)
		if (!memcmp(out.spans[i]->span_id, &id, 8))
			memcpy(&parent, out.spans[i]->parent_id, 8);
	return parent;
}

static void they_are_counted_and_not_exported(void **state)
{
	(void)state;
	out.off = "noisy";
	start(&one, 1, 0, "noisy", 0);
	end(&one, 1);
	start(&one, 2, 0, "quiet", 0);
	end(&one, 2);
	producer_flush(&one, intake);
	assert_int_equal(out.n, 1);
	assert_int_equal(counted().books[BOOK_TRACER_OFF], 1);
	assert_int_equal(counted().books[BOOK_EXPORTING], 1);
	assert_int_equal(counted().books[BOOK_STARTED], 2);
}

static void children_become_those_of_the_nearest_ancestor_that_is_exported(void **state)
{
	(void)state;
	out.off = "noisy";
	start(&one, 1, 0, "a", 0);
	start(&one, 2, 1, "noisy", 0);
	start(&one, 3, 2, "noisy", 0);
	start(&one, 4, 3, "b", 0);
	start(&one, 5, 4, "c", 0);
	end(&one, 5);
	end(&one, 4);
	end(&one, 3);
	end(&one, 2);
	end(&one, 1);
	/* Its parent has ended long before. */
	start(&one, 6, 3, "late", 0);
	end(&one, 6);
	producer_flush(&one, intake);
	assert_int_equal(out.n, 4);
	assert_int_equal(parent_of(5), 4);
	assert_int_equal(parent_of(4), 1);
	assert_int_equal(parent_of(1), 0);
	assert_int_equal(parent_of(6), 1);
}

static void the_child_of_a_root_becomes_a_root_and_of_a_remote_one_remote(void **state)
{
	(void)state;
	out.off = "noisy";
	start(&one, 1, 0, "noisy", 0);
	start(&one, 2, 1, "a", 0);
	end(&one, 2);
	start(&one, 3, 99, "noisy", OTEL_START_PARENT_REMOTE);
	start(&one, 4, 3, "b", 0);
	end(&one, 4);
	end(&one, 3);
	end(&one, 1);
	producer_flush(&one, intake);
	assert_int_equal(out.n, 2);
	assert_int_equal(parent_of(2), 0);
	assert_int_equal(out.spans[0]->flags & 0x300, 0x100);
	assert_int_equal(parent_of(4), 99);
	assert_int_equal(out.spans[1]->flags & 0x300, 0x300);
}

static void other_processes_and_other_spans_keep_their_parents(void **state)
{
	(void)state;
	out.off = "noisy";
	start(&one, 1, 7, "noisy", 0);
	end(&one, 1);
	producer_flush(&one, intake);
	two.process.pid--;
	start(&two, 2, 1, "a", 0);
	end(&two, 2);
	producer_flush(&two, intake);
	assert_int_equal(parent_of(2), 1);
}

static void what_is_open_when_its_tracer_is_switched_stays_what_it_was(void **state)
{
	(void)state;
	start(&one, 1, 0, "noisy", 0);
	producer_flush(&one, intake);
	out.off = "noisy";
	start(&one, 2, 1, "noisy", 0);
	producer_flush(&one, intake);
	out.off = NULL;
	start(&one, 3, 2, "noisy", 0);
	end(&one, 3);
	end(&one, 2);
	end(&one, 1);
	producer_flush(&one, intake);
	assert_int_equal(out.n, 2);
	assert_int_equal(parent_of(3), 1);
	assert_int_equal(parent_of(1), 0);
}

static void spans_that_are_their_own_ancestors_end_the_search(void **state)
{
	(void)state;
	out.off = "noisy";
	start(&one, 1, 2, "noisy", 0);
	start(&one, 2, 1, "noisy", 0);
	start(&one, 3, 1, "a", 0);
	start(&one, 4, 4, "noisy", 0);
	start(&one, 5, 4, "a", 0);
	for (uint64_t id = 5; id; id--)
		end(&one, id);
	producer_flush(&one, intake);
	assert_int_equal(out.n, 2);
}

static void the_last_ones_are_remembered_in_bounded_memory(void **state)
{
	struct left_out *left_out = left_out_new();
	struct parent parent = {{1}, 0x100}, found;

	(void)state;
	assert_non_null(left_out);
	for (uint64_t id = 1; id <= 4 * LEFT_OUT_MAX; id++)
		left_out_add(left_out, 1, id, &parent);
	for (uint64_t id = 4 * LEFT_OUT_MAX; id > 4 * LEFT_OUT_MAX - 100; id--)
		assert_true(left_out_find(left_out, 1, id, &found));
	assert_false(left_out_find(left_out, 3, 4 * LEFT_OUT_MAX, &found));
	left_out_free(left_out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(they_are_counted_and_not_exported),
		TEST(children_become_those_of_the_nearest_ancestor_that_is_exported),
		TEST(the_child_of_a_root_becomes_a_root_and_of_a_remote_one_remote),
		TEST(other_processes_and_other_spans_keep_their_parents),
		TEST(what_is_open_when_its_tracer_is_switched_stays_what_it_was),
		TEST(spans_that_are_their_own_ancestors_end_the_search),
		cmocka_unit_test(the_last_ones_are_remembered_in_bounded_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
