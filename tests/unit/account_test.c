/* SPDX-License-Identifier: Apache-2.0 */
#include "account.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "span_builder.h"
#include "tally.h"

static void counts_of_one_exporter_are_not_anothers(void **state)
{
	struct account *account = account_new(7, "shop", 2);

	(void)state;
	assert_non_null(account);
	assert_int_equal(account->pid, 7);
	assert_string_equal(account->name, "shop");
	account_add(account, 0, ACCOUNT_EXPORTED, 3);
	account_add(account, 1, ACCOUNT_EXPORTED, 5);
	account_add(account, 1, ACCOUNT_SPOOLED, 2);
	account_add(account, 1, ACCOUNT_SPOOLED, (uint64_t)-2);
	assert_int_equal(account_read(account, 0, ACCOUNT_EXPORTED), 3);
	assert_int_equal(account_read(account, 1, ACCOUNT_EXPORTED), 5);
	assert_int_equal(account_read(account, 1, ACCOUNT_SPOOLED), 0);
	account_unref(account);
}

static void a_slot_that_is_not_there_is_left_alone(void **state)
{
	struct account *account = account_new(7, NULL, 1);

	(void)state;
	account_add(account, 1, ACCOUNT_EXPORTED, 3);
	account_add(NULL, 0, ACCOUNT_EXPORTED, 3);
	assert_int_equal(account_read(account, 1, ACCOUNT_EXPORTED), 0);
	account_unref(account);
	account_unref(NULL);
	assert_null(account_ref(NULL));
}

static void a_long_name_is_cut(void **state)
{
	struct account *account = account_new(7, "a-name-that-is-longer-than-31-characters", 0);

	(void)state;
	assert_string_equal(account->name, "a-name-that-is-longer-than-31-c");
	account_unref(account);
}

static void it_lives_as_long_as_the_resource_of_a_span(void **state)
{
	struct account *account = account_new(7, "shop", 1);
	struct piece nothing = {0};
	struct resource *resource = make_resource("shop", nothing);
	struct draft draft = {.resource = resource,
			      .scope = make_scope("shop", NULL, nothing),
			      .id = 1,
			      .name = "span"};
	struct span *span = make_span(&draft);

	(void)state;
	assert_null(span_account(span));
	resource->account = account_ref(account);
	assert_ptr_equal(span_account(span), account);
	assert_false(account_is_settled(account));
	resource_unref(resource);
	scope_unref(draft.scope);
	assert_false(account_is_settled(account));
	span_unref(span);
	assert_true(account_is_settled(account));
	account_unref(account);
}

static void a_batch_of_many_processes_has_a_share_for_each(void **state)
{
	enum { PROCESSES = 20, SPANS = 1000 };
	static struct tally_share shares[SPANS];
	static struct span *spans[SPANS];
	struct tally tally = {.shares = shares}, kept;
	struct resource *resources[PROCESSES + 1];
	struct account *accounts[PROCESSES];
	struct piece nothing = {0};
	struct scope *scope = make_scope("shop", NULL, nothing);
	size_t bytes = 0;

	(void)state;
	for (uint32_t i = 0; i <= PROCESSES; i++) {
		resources[i] = make_resource("shop", nothing);
		if (i < PROCESSES)
			resources[i]->account = accounts[i] = account_new(i, "shop", 1);
	}
	/* The last one has no account. */
	for (uint32_t i = 0; i < SPANS; i++) {
		struct draft draft = {.resource = resources[i % (PROCESSES + 1)],
				      .scope = scope,
				      .id = i + 1,
				      .name = "span"};

		spans[i] = make_span(&draft);
		bytes += span_memory(spans[i]);
	}
	tally_count(&tally, spans, SPANS);
	assert_int_equal(tally.n, PROCESSES);
	assert_int_equal(tally.bytes, bytes);
	tally_add(&tally, 0, ACCOUNT_SPOOLED);
	assert_int_equal(account_read(accounts[0], 0, ACCOUNT_SPOOLED), 48);
	assert_int_equal(tally_keep(&tally, &kept), 0);
	for (uint32_t i = 0; i < SPANS; i++)
		span_unref(spans[i]);
	for (uint32_t i = 0; i <= PROCESSES; i++) {
		if (i < PROCESSES)
			account_ref(accounts[i]);
		resource_unref(resources[i]);
	}
	tally_subtract(&kept, 0, ACCOUNT_SPOOLED);
	tally_deliver(&kept, 0, 50);
	tally_drop(&kept);
	for (uint32_t i = 0; i < PROCESSES; i++) {
		assert_true(account_is_settled(accounts[i]));
		assert_int_equal(account_read(accounts[i], 0, ACCOUNT_SPOOLED), 0);
		bytes = account_read(accounts[i], 0, ACCOUNT_REJECTED);
		/* One of them, and 2 spans of another. */
		assert_true(bytes == 0 || bytes == 2 || bytes == 3 || bytes == 47 || bytes == 48);
		assert_in_range(bytes + account_read(accounts[i], 0, ACCOUNT_EXPORTED), 47, 48);
		account_unref(accounts[i]);
	}
	scope_unref(scope);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_of_one_exporter_are_not_anothers),
		cmocka_unit_test(a_slot_that_is_not_there_is_left_alone),
		cmocka_unit_test(a_long_name_is_cut),
		cmocka_unit_test(a_batch_of_many_processes_has_a_share_for_each),
		cmocka_unit_test(it_lives_as_long_as_the_resource_of_a_span),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
