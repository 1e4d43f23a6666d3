/* SPDX-License-Identifier: Apache-2.0 */
/* The generator of ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "otel/trace.h"

#define IDS 100000

static otel_u64 at(struct otel_thread *thread, otel_u64 count)
{
	thread->random[0] = count;
	return otel_random_(thread);
}

/* Each of a product's factors could be made of the other's count: then half of all numbers would never come. */
static void counts_that_exchange_the_keys_give_different_numbers(void **state)
{
	struct otel_thread thread = {.random = {0, 0x243f6a8885a308d3, 0x13198a2e03707344, 0}};
	otel_u64 first = thread.random[1], second = thread.random[2];

	(void)state;
	for (otel_u64 count = 1; count < 1000; count++) {
		assert_int_not_equal(at(&thread, count), at(&thread, count ^ first ^ second));
		assert_int_not_equal(at(&thread, count), at(&thread, (count ^ first) - second));
		assert_int_not_equal(at(&thread, count), at(&thread, (count + second) ^ first));
	}
}

static int by_number(const void *a, const void *b)
{
	otel_u64 x = *(const otel_u64 *)a, y = *(const otel_u64 *)b;

	return x < y ? -1 : x > y;
}

/* Two threads that differ in one bit of one key, or begin a step apart, have nothing in common. */
static void neighbours_share_no_number(void **state)
{
	static otel_u64 ids[4 * IDS];
	struct otel_thread threads[] = {{.random = {5, 1, 2, 0}},
					{.random = {5, 1, 3, 0}},
					{.random = {5, 0, 2, 0}},
					{.random = {6, 1, 2, 0}}};

	(void)state;
	for (size_t i = 0; i < 4 * IDS; i++)
		ids[i] = otel_random_(&threads[i % 4]);
	qsort(ids, 4 * IDS, sizeof(*ids), by_number);
	for (size_t i = 1; i < 4 * IDS; i++)
		assert_int_not_equal(ids[i - 1], ids[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_that_exchange_the_keys_give_different_numbers),
		cmocka_unit_test(neighbours_share_no_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
