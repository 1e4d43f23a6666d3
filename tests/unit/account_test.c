/* SPDX-License-Identifier: Apache-2.0 */
#include "account.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "span_builder.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_of_one_exporter_are_not_anothers),
		cmocka_unit_test(a_slot_that_is_not_there_is_left_alone),
		cmocka_unit_test(a_long_name_is_cut),
		cmocka_unit_test(it_lives_as_long_as_the_resource_of_a_span),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
