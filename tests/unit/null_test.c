/* SPDX-License-Identifier: Apache-2.0 */
#include "contexts.h"

#include <errno.h>

static const char *const *no_texts;
static char *const *no_environment;

static void of_a_context_that_is_null_nothing_is_true(void **unused)
{
	const otel_context *none = NULL;
	otel_span span = otel_span_of(none);
	otel_tracestate state = otel_tracestate_of(none);
	char text[33];

	(void)unused;
	attach(1);
	{
		OTEL_SPAN(root, &tracer, "root", otel_parent(span.context));
		assert_true(otel_is_valid(&root.context));
	}
	assert_false(otel_is_valid(none) || otel_is_sampled(none) || otel_is_random(none) || otel_is_remote(none));
	assert_string_equal(otel_trace_id(none, text), "00000000000000000000000000000000");
	assert_string_equal(otel_span_id(none, text), "0000000000000000");
	assert_false(otel_is_recording(span) || otel_is_valid(&span.context));
	assert_int_equal(otel_tracestate_count(&state), 0);
}

static void a_context_that_is_made_of_null_is_not_valid(void **unused)
{
	static const unsigned char id[16] = {1}, *const none = NULL;
	otel_context contexts[] = {otel_context_make(none, id, 1, 0), otel_context_make(id, none, 1, 0)};

	(void)unused;
	assert_false(otel_is_valid(&contexts[0]) || otel_is_valid(&contexts[1]));
}

static void a_trace_state_that_is_null_is_an_empty_one(void **unused)
{
	const otel_tracestate *none = NULL;
	otel_tracestate state = otel_tracestate_add(none, "a", "1"), same;
	otel_tracestate_member member;
	static const unsigned char id[16] = {1};
	otel_context context = otel_context_make(id, id, 1, 0), with;
	size_t position = 0;
	char text[8];

	(void)unused;
	assert_string_equal(otel_tracestate_header(&state), "a=1");
	state = otel_tracestate_update(none, "b", "2");
	assert_string_equal(otel_tracestate_header(&state), "b=2");
	same = otel_tracestate_add(none, "not a key", "1");
	assert_string_equal(otel_tracestate_header(&same), "");
	same = otel_tracestate_delete(none, "a");
	assert_string_equal(otel_tracestate_header(&same), "");
	assert_string_equal(otel_tracestate_header(none), "");
	assert_int_equal(otel_tracestate_count(none), 0);
	assert_int_equal(otel_tracestate_next(none, &position, &member), 0);
	assert_int_equal(otel_tracestate_get(none, "a", text, sizeof(text)), -ENOENT);
	assert_int_equal(otel_tracestate_get(&state, "b", NULL, 8), 1);
	same = otel_tracestate_from_header(no_texts, 2);
	assert_int_equal(otel_tracestate_count(&same), 0);
	same = otel_tracestate_from_pairs(no_texts, 2);
	assert_int_equal(otel_tracestate_count(&same), 0);
	with = otel_context_with_tracestate(context, &state);
	context = otel_context_with_tracestate(with, none);
	assert_string_equal(sent(&context, "tracestate"), "-");
	otel_context_release(&with);
	otel_context_release(&context);
}

static void a_carrier_that_is_null_has_nothing_and_takes_nothing(void **unused)
{
	static const unsigned char id[16] = {1};
	otel_context made = otel_context_make(id, id, 1, 0), context = otel_extract(NULL, NULL);
	char *lines[3] = {NULL}, *entry = NULL, **envp = NULL;
	size_t needed;

	(void)unused;
	assert_false(otel_is_valid(&context));
	context = otel_extract_lines(no_texts, 2);
	assert_false(otel_is_valid(&context));
	context = otel_extract_variables(no_environment);
	assert_false(otel_is_valid(&context));
	otel_inject_context(NULL, set_header, NULL);
	otel_inject_context(&made, NULL, NULL);
	{
		OTEL_USE(made);
		otel_inject(NULL, NULL);
		assert_int_equal(otel_inject_lines(lines, 3, NULL, 9300), 1);
		assert_null(lines[0]);
		needed = strlen("traceparent: \r\n") + 55;
		assert_int_equal(otel_inject_text(NULL, 9300), needed);
		assert_true(otel_inject_environment(&entry, envp, 0) > sizeof(char *));
		assert_true(otel_inject_environment(no_environment, envp, 9300) > sizeof(char *));
	}
}

static void baggage_is_neither_shown_to_nobody_nor_copied_to_nowhere(void **unused)
{
	otel_context none = {0}, with = otel_context_with_baggage(none, "key", "value");

	(void)unused;
	assert_int_equal(otel_baggage_each(&with, NULL, NULL), 0);
	assert_int_equal(otel_baggage_get(&with, "key", NULL, 8), 5);
	otel_context_release(&with);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(of_a_context_that_is_null_nothing_is_true),
		TEST(a_context_that_is_made_of_null_is_not_valid),
		TEST(a_trace_state_that_is_null_is_an_empty_one),
		TEST(a_carrier_that_is_null_has_nothing_and_takes_nothing),
		TEST(baggage_is_neither_shown_to_nobody_nor_copied_to_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
