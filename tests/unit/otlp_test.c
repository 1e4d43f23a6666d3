/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How batches are grouped. That the bytes are right is for others to say: see
 * tests/interop/encode_test.py.
 */
#include "otlp_encode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "group.h"
#include "span_builder.h"
#include "wire.h"

static struct span *new_span(struct resource *resource, struct scope *scope, uint32_t id)
{
	struct draft draft = {.resource = resource, .scope = scope, .id = id, .name = "span"};

	return make_span(&draft);
}

static void spans_of_equal_scopes_and_the_same_resource_share_a_group(void **state)
{
	struct piece nothing = {0};
	struct resource *resources[] = {make_resource("a", nothing), make_resource("a", nothing)};
	struct scope *scopes[] = {make_scope("x", "1", nothing), make_scope("x", "1", nothing),
				  make_scope("x", "2", nothing), make_scope(NULL, NULL, nothing)};
	struct grouping grouping = {0};
	struct span *spans[800];
	uint32_t seen = 0;

	(void)state;
	for (uint32_t i = 0; i < 800; i++)
		spans[i] = new_span(resources[i / 3 % 2], scopes[i % 4], i + 1);
	assert_int_equal(group_spans(&grouping, spans, 800), 0);
	assert_int_equal(grouping.n_resources, 2);
	assert_int_equal(grouping.n_scopes, 6);
	for (uint32_t s = 0; s < grouping.n_scopes; s++) {
		const struct group_scope *group = &grouping.scopes[s];
		uint32_t last = 0;

		for (uint32_t i = group->first_span; i != GROUP_NONE; i = grouping.next_span[i]) {
			assert_true(i >= last);
			last = i;
			seen++;
			assert_ptr_equal(grouping.resources[group->resource].resource,
					 spans[i]->resource);
			assert_int_equal(group->scope->encoded.size, spans[i]->scope->encoded.size);
			assert_memory_equal(group->scope->encoded.data,
					    spans[i]->scope->encoded.data,
					    group->scope->encoded.size);
		}
	}
	assert_int_equal(seen, 800);
	/* And again with the same memory. */
	assert_int_equal(group_spans(&grouping, spans, 1), 0);
	assert_int_equal(grouping.n_scopes, 1);
	assert_int_equal(group_spans(&grouping, spans, 0), 0);
	assert_int_equal(grouping.n_resources, 0);
	group_clear(&grouping);
	for (uint32_t i = 0; i < 800; i++)
		span_unref(spans[i]);
	for (int i = 0; i < 2; i++)
		resource_unref(resources[i]);
	for (int i = 0; i < 4; i++)
		scope_unref(scopes[i]);
}

static void a_request_that_is_too_large_is_refused_not_sent(void **state)
{
	struct piece nothing = {0};
	struct resource *resource = make_resource("a", nothing);
	struct scope *scope = make_scope("x", "1", nothing);
	struct span *spans[] = {new_span(resource, scope, 1), new_span(resource, scope, 2)};
	struct otlp_encoder *encoder = otlp_encoder_new();
	struct bytes out;
	size_t size;

	(void)state;
	assert_int_equal(otlp_encode(encoder, spans, 2, SIZE_MAX, &out), 0);
	size = out.size;
	assert_int_equal(otlp_encode(encoder, spans, 2, size - 1, &out), -EMSGSIZE);
	assert_int_equal(otlp_encode(encoder, spans, 2, size, &out), 0);
	assert_int_equal(out.size, size);
	assert_int_equal(otlp_encode(encoder, spans, 0, 0, &out), 0);
	assert_int_equal(out.size, 0);
	otlp_encoder_free(encoder);
	span_unref(spans[0]);
	span_unref(spans[1]);
	resource_unref(resource);
	scope_unref(scope);
}

/* Every field of every level must end where its parent does, or the sizes were not right. */
static size_t check_spans(struct bytes request)
{
	struct wire_reader levels[3] = {wire_reader(request)};
	struct wire_field field;
	size_t spans = 0, level = 0;
	int found;

	for (;;) {
		found = wire_next(&levels[level], &field);
		assert_true(found >= 0);
		if (!found && !level)
			return spans;
		if (!found)
			level--;
		else if (level == 0 && field.number == 1)
			levels[++level] = wire_reader(field.bytes);
		else if (level == 1 && field.number == 2)
			levels[++level] = wire_reader(field.bytes);
		else if (level == 2 && field.number == 2)
			spans++;
	}
}

static void sizes_are_right_around_every_length_of_a_varint(void **state)
{
	static const size_t lengths[] = {0,	100,   126,   127,   128,     129,    16382,
					 16383, 16384, 16385, 65535, 2097151, 2097152};
	struct piece nothing = {0};
	struct resource *resource = make_resource("a", nothing);
	struct scope *scope = make_scope("x", "1", nothing);
	struct otlp_encoder *encoder = otlp_encoder_new();
	struct bytes out;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		for (size_t less = 0; less < 80 && less <= lengths[i]; less++) {
			struct draft draft = {.resource = resource, .scope = scope, .id = 1};
			char *name = calloc(1, lengths[i] + 1);
			struct span *span;

			memset(name, 'n', lengths[i] - less);
			draft.name = name;
			draft.status_message = name;
			span = make_span(&draft);
			assert_int_equal(otlp_encode(encoder, &span, 1, SIZE_MAX, &out), 0);
			assert_int_equal(check_spans(out), 1);
			span_unref(span);
			free(name);
		}
	}
	otlp_encoder_free(encoder);
	resource_unref(resource);
	scope_unref(scope);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_of_equal_scopes_and_the_same_resource_share_a_group),
		cmocka_unit_test(a_request_that_is_too_large_is_refused_not_sent),
		cmocka_unit_test(sizes_are_right_around_every_length_of_a_varint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
