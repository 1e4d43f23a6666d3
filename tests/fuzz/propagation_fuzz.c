/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what requests bring: the input is lines "Name: value". Whatever they are, what goes out again is
 * valid, and reads as what it was written from; changes that are refused change nothing; and no
 * reference is left.
 *
 *     clang -fsanitize=fuzzer,address,undefined -Iusdt propagation_fuzz.c; ./propagation_fuzz corpus
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <otel/propagation.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINES = 64 };

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static otel_tracer tracer = OTEL_TRACER("fuzz", "");

static bool same(const otel_tracestate *a, const otel_tracestate *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* What stays behind must be nothing: counts references to texts. */
static unsigned references(void)
{
	const struct otel_anchor *anchor = (const struct otel_anchor *)otel_bpf_anchor_v1;
	unsigned sum = 0;

	for (unsigned which = 0; anchor && which < 2; which++) {
		const struct otel_store *store = (const struct otel_store *)anchor->stores[which];

		for (unsigned i = 0; store && i < store->made; i++)
			sum += (unsigned)otel_slot_(store, i)->state;
	}
	return sum;
}

static void check_tracestate(const otel_tracestate *state)
{
	const char *header = otel_tracestate_header(state);
	otel_tracestate again = otel_tracestate_from_header(&header, 1);
	otel_tracestate_member member;
	size_t count = 0, length = 0;

	CHECK(state->size == strlen(header) && state->size <= 1000);
	CHECK(same(state, &again));
	for (size_t at = 0; otel_tracestate_next(state, &at, &member); count++) {
		char key[257], value[257], found[257];
		otel_tracestate changed;

		CHECK(member.key_size && member.key_size <= 256);
		CHECK(member.value_size && member.value_size <= 256);
		snprintf(key, sizeof(key), "%.*s", (int)member.key_size, member.key);
		snprintf(value, sizeof(value), "%.*s", (int)member.value_size, member.value);
		CHECK(otel_tracestate_get(state, key, found, sizeof(found)) == (int)member.value_size);
		CHECK(!strcmp(found, value));
		changed = otel_tracestate_add(state, key, "x");
		CHECK(same(&changed, state));
		changed = otel_tracestate_update(state, key, value);
		CHECK(otel_tracestate_count(&changed) == otel_tracestate_count(state));
		changed = otel_tracestate_delete(state, key);
		CHECK(otel_tracestate_get(&changed, key, NULL, 0) == -ENOENT);
		CHECK(otel_tracestate_count(&changed) + 1 == otel_tracestate_count(state));
		length += (count != 0) + member.key_size + 1 + member.value_size;
	}
	CHECK(count == otel_tracestate_count(state) && count <= 32 && length == state->size);
}

/* What @context is sent with is what is read again. */
static void check_round(const otel_context *context)
{
	static char text[9400], again[9400];
	char *lines[3];
	size_t count;
	otel_context other;

	OTEL_USE(*context);
	count = otel_inject_lines(lines, 3, text, sizeof(text));
	CHECK(count <= 3);
	other = otel_extract_lines((const char *const *)lines, count);
	CHECK(otel_is_valid(&other) == otel_is_valid(context));
	{
		char *other_lines[3];

		OTEL_USE(other);
		CHECK(otel_inject_lines(other_lines, 3, again, sizeof(again)) == count);
		for (size_t i = 0; i < count; i++)
			CHECK(!strcmp(lines[i], other_lines[i]));
	}
	otel_context_release(&other);
}

static int visit(void *data, const char *key, const char *value, const char *metadata)
{
	const otel_context *context = data;
	otel_context without;
	char found[4097];

	CHECK(*key && strlen(value) <= 4096 && strlen(metadata) <= 4096);
	CHECK(otel_baggage_get(context, key, found, sizeof(found)) >= 0);
	without = otel_context_without_baggage(*context, key);
	CHECK(otel_baggage_count(&without) < otel_baggage_count(context));
	CHECK(otel_baggage_get(&without, key, NULL, 0) == -ENOENT);
	otel_context_release(&without);
	return 0;
}

static void check_baggage(const otel_context *context, const char *key, const char *value)
{
	otel_context with;
	int before = otel_baggage_get(context, key, NULL, 0), after;

	CHECK(!otel_baggage_each(context, visit, (void *)context));
	with = otel_context_with_baggage(*context, key, value);
	after = otel_baggage_get(&with, key, NULL, 0);
	CHECK(after >= 0 || before < 0);
	CHECK(otel_baggage_count(&with) <= otel_baggage_count(context) + 1);
	check_round(&with);
	otel_context_release(&with);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *lines[LINES];
	size_t count = 0;
	char *text = malloc(size + 1);
	otel_context context;
	otel_tracestate state;
	unsigned control = size ? data[0] : 0;

	CHECK(text);
	memcpy(text, data, size);
	text[size] = 0;
	for (char *at = text; at && count < LINES; count++) {
		char *end = strchr(at, '\n');

		lines[count] = at;
		if (end)
			*end++ = 0;
		at = end;
	}
	/* An agent or none, and all the ways to decide. */
	otel_bpf_semaphores_v1 = (control & 1); /* the first of them is otel:flush */
	otel_bpf_controls_v1[OTEL_CONTROL_ALL] = control >> 1 & 1;
	otel_bpf_controls_v1[OTEL_CONTROL_IGNORE_PARENT] = control >> 2 & 1;
	for (unsigned i = 0; i < 16; i++)
		otel_bpf_controls_v1[OTEL_CONTROL_RATE_1 + i] = control >> (3 + i % 5) & 1;

	state = otel_tracestate_from_header(lines, count);
	check_tracestate(&state);
	state = otel_tracestate_from_pairs(lines, count / 2);
	check_tracestate(&state);

	context = otel_extract_lines(lines, count);
	state = otel_tracestate_of(&context);
	check_tracestate(&state);
	check_baggage(&context, lines[0], lines[count - 1]);
	check_round(&context);
	{
		OTEL_SPAN(span, &tracer, "span", otel_parent(context));
		otel_context inner = otel_context_of(span);
		otel_span detached = otel_start(&tracer, "detached", otel_parent(inner));

		state = otel_tracestate_of(&inner);
		check_tracestate(&state);
		check_round(&inner);
		otel_context_release(&inner);
		otel_end(detached);
	}
	otel_context_release(&context);
	CHECK(!references());
	free(text);
	return 0;
}
