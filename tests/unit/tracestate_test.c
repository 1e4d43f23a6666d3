/* SPDX-License-Identifier: Apache-2.0 */
#include "contexts.h"

/* 'z' repeated, and other long texts. */
static const char *repeated(char c, unsigned count)
{
	static char texts[16][1200];
	static unsigned next;
	char *text = texts[next++ % 16];

	memset(text, c, count);
	text[count] = 0;
	return text;
}

static const char *joined(const char *a, const char *b)
{
	static char texts[16][4000];
	static unsigned next;
	char *text = texts[next++ % 16];

	snprintf(text, sizeof(texts[0]), "%s%s", a, b);
	return text;
}

/* "bar01=01,bar02=02,..." */
static const char *numbered(unsigned from, unsigned to)
{
	static char texts[16][4000];
	static unsigned next;
	char *text = texts[next++ % 16];
	size_t size = 0;

	text[0] = 0;
	for (unsigned i = from; i <= to; i++)
		size += (size_t)sprintf(text + size, "%sbar%02u=%02u", i == from ? "" : ",", i, i);
	return text;
}

static otel_tracestate parse(const char *header)
{
	return otel_tracestate_from_header(&header, 1);
}

static const char *value(const otel_tracestate *state, const char *key)
{
	static char text[257];

	return otel_tracestate_get(state, key, text, sizeof(text)) < 0 ? "-" : text;
}

static void assert_equal(const otel_tracestate *a, const otel_tracestate *b)
{
	assert_memory_equal(a, b, sizeof(*a));
}

static void an_empty_one_has_no_members_and_no_header(void **unused)
{
	otel_tracestate state = otel_tracestate_empty();
	otel_tracestate_member member;
	size_t at = 0;

	(void)unused;
	assert_int_equal(otel_tracestate_count(&state), 0);
	assert_string_equal(otel_tracestate_header(&state), "");
	assert_int_equal(otel_tracestate_next(&state, &at, &member), 0);
	assert_int_equal(otel_tracestate_get(&state, "a", NULL, 0), -ENOENT);
	assert_int_equal(otel_tracestate_get(&state, NULL, NULL, 0), -ENOENT);
}

static void pairs_become_members_in_their_order(void **unused)
{
	static const char *const pairs[] = {"1a-2f@foo", "bar1", "foo-_*/bar", "bar4"};
	otel_tracestate state = otel_tracestate_from_pairs(pairs, 2);

	(void)unused;
	assert_int_equal(otel_tracestate_count(&state), 2);
	assert_string_equal(value(&state, "foo-_*/bar"), "bar4");
	assert_string_equal(otel_tracestate_header(&state), "1a-2f@foo=bar1,foo-_*/bar=bar4");
	assert_string_equal(value(&state, "random"), "-");
}

static void malformed_pairs_are_left_out_and_the_first_of_a_key_counts(void **unused)
{
	static const char *const pairs[] = {"A", "1", "a", "1", "a", "2", NULL, "x", "b", NULL, "c", "3 ", "d", "4"};
	const char *many[66];
	char keys[33][8];
	otel_tracestate state = otel_tracestate_from_pairs(pairs, 7);

	(void)unused;
	assert_string_equal(otel_tracestate_header(&state), "a=1,d=4");
	for (unsigned i = 0; i < 33; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%u", i);
		many[2 * i] = keys[i];
		many[2 * i + 1] = "v";
	}
	state = otel_tracestate_from_pairs(many, 32);
	assert_int_equal(otel_tracestate_count(&state), 32);
	state = otel_tracestate_from_pairs(many, 33);
	assert_int_equal(state.size, 0);
}

static void headers_are_read_by_the_grammar_of_level_2(void **unused)
{
	static char all_values[128];
	struct {
		const char *header, *expected; /* NULL: as the header */
	} cases[] = {
		{"1a-2f@foo=bar1,1a-_*/2b@foo=bar2,foo=bar3,foo-_*/bar=bar4", NULL},
		{"", ""},
		{" \t ", ""},
		{",,  ,", ""},
		{"foo=1,", "foo=1"},
		{",foo=1, ,bar=2,\t", "foo=1,bar=2"},
		/* Blanks around members do not belong to them; those that a value begins with do. */
		{"foo=1 \t , \t bar=2, \t baz=3", "foo=1,bar=2,baz=3"},
		{"foo=1\t \t,\t \tbar=2,\t \tbaz=3", "foo=1,bar=2,baz=3"},
		{"\t foo=1 \t", "foo=1"},
		{"foo=  1 ", "foo=  1"},
		{"foo=a  b", NULL},
		/* Keys. */
		{"0a=1", NULL},
		{"foo@=1,bar=2", NULL},
		{"foo@@bar=1,bar=2", NULL},
		{"foo@bar@baz=1,bar=2", NULL},
		{"@foo=1,bar=2", ""},
		{"_foo=1", ""},
		{"foo =1", ""},
		{"FOO=1", ""},
		{"fOo=1", ""},
		{"foo.bar=1", ""},
		{"=1", ""},
		{"f\xc3\xa4=1", ""},
		{joined(repeated('z', 256), "=1"), NULL},
		{joined(repeated('z', 257), "=1"), ""},
		{joined(repeated('t', 241), "@vvvvvvvvvvvvvv=1"), NULL},
		{joined(repeated('t', 242), "@v=1"), NULL},
		{"t@vvvvvvvvvvvvvvv=1", NULL},
		{"abcdefghijklmnopqrstuvwxyz0123456789_-*/@a-z0-9_-*/=1", NULL},
		/* Values. */
		{joined("foo=", repeated('v', 256)), NULL},
		{joined("foo=", repeated('v', 257)), ""},
		{"foo=bar=baz", ""},
		{"foo=,bar=3", ""},
		{"foo= ,bar=3", ""},
		{"foo,bar=3", ""},
		{"foo=a\tb", ""},
		{"foo=\x7f", ""},
		{"foo=\xc3\xa4", ""},
		{"foo=a\r\n", ""},
		{joined("foo=", all_values), NULL},
		/* The first of a key counts. */
		{"foo=1,foo=1", "foo=1"},
		{"foo=1,bar=3,foo=2", "foo=1,bar=3"},
		/* 32 members. */
		{numbered(1, 32), NULL},
		{numbered(1, 33), ""},
		{joined(numbered(1, 32), ",,, ,"), numbered(1, 32)},
		{joined(numbered(1, 32), ",bar01=1"), ""},
	};
	char c = 0x20;

	(void)unused;
	for (unsigned i = 0; c < 0x7f; c++)
		if (c != ',' && c != '=')
			all_values[i++] = c;
	cases[sizeof(cases) / sizeof(*cases) - 7].header = joined("foo=", all_values);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		otel_tracestate state = parse(cases[i].header);
		const char *expected = cases[i].expected ? cases[i].expected : cases[i].header;

		if (strcmp(state.text, expected))
			fprintf(stderr, "\"%s\": \"%s\"\n", cases[i].header, state.text);
		assert_string_equal(state.text, expected);
		assert_int_equal(state.size, strlen(state.text));
	}
}

static void several_headers_are_one_list(void **unused)
{
	static const char *const three[] = {"foo=1,bar=2", "rojo=1,congo=2", "baz=3"};
	static const char *const empty[] = {"", "foo=1", "", NULL};
	static const char *const twice[] = {"foo=1", "foo=2"};
	static const char *const bad[] = {"foo=1", "FOO=2"};
	const char *const many[] = {numbered(1, 10), numbered(11, 20), numbered(21, 30), numbered(31, 32)};
	const char *const too_many[] = {numbered(1, 10), numbered(11, 20), numbered(21, 30), numbered(31, 33)};
	otel_tracestate state = otel_tracestate_from_header(three, 3);

	(void)unused;
	assert_string_equal(state.text, "foo=1,bar=2,rojo=1,congo=2,baz=3");
	state = otel_tracestate_from_header(empty, 4);
	assert_string_equal(state.text, "foo=1");
	state = otel_tracestate_from_header(twice, 2);
	assert_string_equal(state.text, "foo=1");
	state = otel_tracestate_from_header(bad, 2);
	assert_string_equal(state.text, "");
	state = otel_tracestate_from_header(many, 4);
	assert_int_equal(otel_tracestate_count(&state), 32);
	assert_string_equal(value(&state, "bar01"), "01");
	state = otel_tracestate_from_header(too_many, 4);
	assert_int_equal(otel_tracestate_count(&state), 0);
	state = otel_tracestate_from_header(NULL, 0);
	assert_int_equal(state.size, 0);
}

/* 128 characters are not long yet. */
static void of_too_long_a_list_long_members_go_first_then_from_the_right(void **unused)
{
	char header[4000], expected[4000];
	otel_tracestate state;

	(void)unused;
	/* 2 long ones, 8 of 100: the right long one is enough. */
	snprintf(header, sizeof(header), "a=%s,b1=%s", repeated('l', 127), repeated('v', 97));
	for (unsigned i = 2; i <= 7; i++)
		sprintf(header + strlen(header), ",b%u=%s", i, repeated('v', 97));
	strcpy(expected, header);
	sprintf(header + strlen(header), ",c=%s,b8=%s", repeated('l', 200), repeated('v', 97));
	sprintf(expected + strlen(expected), ",b8=%s", repeated('v', 97));
	state = parse(header);
	assert_string_equal(state.text, expected);

	/* No long ones: from the right. a has 128 characters, so it is none. */
	snprintf(header, sizeof(header), "a=%s", repeated('l', 126));
	for (unsigned i = 1; i <= 9; i++)
		sprintf(header + strlen(header), ",b%u=%s", i, repeated('v', 97));
	snprintf(expected, sizeof(expected), "%.*s", 128 + 8 * 101, header);
	state = parse(header);
	assert_string_equal(state.text, expected);

	/* Exactly as long as it may be. */
	snprintf(header, sizeof(header), "a=%s,b=%s,c=%s,d=%s", repeated('v', 256), repeated('v', 256),
		 repeated('v', 256), repeated('v', 1000 - 3 * 259 - 2));
	state = parse(header);
	assert_int_equal(state.size, 1000);
	assert_string_equal(state.text, header);
	strcat(header, "v");
	state = parse(header);
	assert_string_equal(value(&state, "d"), "-");
}

static void add_puts_a_new_member_in_front(void **unused)
{
	otel_tracestate state = otel_tracestate_empty(), next;

	(void)unused;
	next = otel_tracestate_add(&state, "1a-2f@foo", "bar4");
	assert_int_equal(otel_tracestate_count(&next), 1);
	assert_string_equal(value(&next, "1a-2f@foo"), "bar4");
	assert_int_equal(state.size, 0);
	next = otel_tracestate_add(&next, "b", "2");
	assert_string_equal(next.text, "b=2,1a-2f@foo=bar4");
}

static void what_is_not_allowed_returns_an_equal_one(void **unused)
{
	otel_tracestate empty = otel_tracestate_empty(), a = parse("a=1,b=2"), full = parse(numbered(1, 32)), next;

	(void)unused;
	next = otel_tracestate_add(&empty, "%%%nsasa", "val");
	assert_equal(&next, &empty);
	next = otel_tracestate_add(&empty, "key", "====val====");
	assert_equal(&next, &empty);
	next = otel_tracestate_add(&a, "b", "3");
	assert_equal(&next, &a);
	next = otel_tracestate_update(&a, "a", "2=/");
	assert_equal(&next, &a);
	next = otel_tracestate_update(&a, "a", ",,2,,f");
	assert_equal(&next, &a);
	next = otel_tracestate_update(&a, "a", "");
	assert_equal(&next, &a);
	next = otel_tracestate_update(&a, NULL, "x");
	assert_equal(&next, &a);
	next = otel_tracestate_update(&a, "a", NULL);
	assert_equal(&next, &a);
	next = otel_tracestate_delete(&a, "c");
	assert_equal(&next, &a);
	next = otel_tracestate_delete(&a, NULL);
	assert_equal(&next, &a);
	next = otel_tracestate_add(&full, "new", "1");
	assert_equal(&next, &full);
	next = otel_tracestate_update(&full, "new", "1");
	assert_equal(&next, &full);
	next = otel_tracestate_update(&full, "bar32", "1");
	assert_int_equal(otel_tracestate_count(&next), 32);
	assert_memory_equal(next.text, "bar32=1,bar01=01,", 17);
}

static void update_moves_to_the_front_and_adds_what_is_missing(void **unused)
{
	otel_tracestate state = parse("1a-2f@foo=bar1,1a-_*/2b@foo=bar2,foo=bar3,foo-_*/bar=bar4"), next;

	(void)unused;
	next = otel_tracestate_update(&state, "foo", "bar33");
	assert_string_equal(next.text, "foo=bar33,1a-2f@foo=bar1,1a-_*/2b@foo=bar2,foo-_*/bar=bar4");
	next = otel_tracestate_update(&next, "new", "1");
	assert_memory_equal(next.text, "new=1,foo=bar33,", 16);
	assert_string_equal(value(&state, "foo"), "bar3");
}

static void delete_keeps_the_order_of_the_others(void **unused)
{
	otel_tracestate state = parse("a=1,b=2,c=3"), next = otel_tracestate_delete(&state, "b");

	(void)unused;
	assert_string_equal(next.text, "a=1,c=3");
	next = otel_tracestate_delete(&next, "a");
	next = otel_tracestate_delete(&next, "c");
	assert_int_equal(next.size, 0);
	assert_string_equal(state.text, "a=1,b=2,c=3");
}

static void a_new_member_stays_when_others_must_go_for_it(void **unused)
{
	char header[4000] = "a=1";
	otel_tracestate state, next;

	(void)unused;
	for (unsigned i = 1; i <= 9; i++)
		sprintf(header + strlen(header), ",b%u=%s", i, repeated('v', 97));
	state = parse(header);
	assert_int_equal(otel_tracestate_count(&state), 10);
	next = otel_tracestate_add(&state, "long", repeated('n', 256));
	assert_int_equal(strlen(value(&next, "long")), 256);
	assert_true(next.size <= 1000);
	assert_string_equal(value(&next, "a"), "1");
	assert_string_equal(value(&next, "b9"), "-");
}

static void members_can_be_walked_through(void **unused)
{
	otel_tracestate state = parse("a=1,b=22,c= 333");
	otel_tracestate_member member;
	char seen[64] = "";

	(void)unused;
	for (size_t at = 0; otel_tracestate_next(&state, &at, &member);)
		sprintf(seen + strlen(seen), "[%.*s|%.*s]", (int)member.key_size, member.key,
			(int)member.value_size, member.value);
	assert_string_equal(seen, "[a|1][b|22][c| 333]");
}

static void a_value_that_has_no_room_is_cut(void **unused)
{
	otel_tracestate state = parse("a=12345");
	char text[4] = "xxx";

	(void)unused;
	assert_int_equal(otel_tracestate_get(&state, "a", text, sizeof(text)), 5);
	assert_string_equal(text, "123");
	assert_int_equal(otel_tracestate_get(&state, "a", text, 1), 5);
	assert_string_equal(text, "");
	assert_int_equal(otel_tracestate_get(&state, "a", NULL, 0), 5);
}

static void what_was_written_reads_as_the_same(void **unused)
{
	const char *headers[] = {"a=1", "foo=  x,b=2", numbered(1, 32), joined("a=", repeated('v', 256))};

	(void)unused;
	for (unsigned i = 0; i < 4; i++) {
		otel_tracestate state = parse(headers[i]), again = parse(state.text);

		assert_equal(&state, &again);
	}
}

/* ---- Of contexts ---- */

static void a_context_can_be_given_another_one(void **unused)
{
	otel_context remote = EXTRACT("traceparent: " TRACEPARENT, "tracestate: a=1", "baggage: k=v");
	otel_tracestate state = otel_tracestate_of(&remote), none = otel_tracestate_empty();
	otel_context changed, without, nothing = {.state = 0};

	(void)unused;
	assert_string_equal(state.text, "a=1");
	state = otel_tracestate_add(&state, "b", "2");
	changed = otel_context_with_tracestate(remote, &state);
	without = otel_context_with_tracestate(remote, &none);
	state = otel_tracestate_of(&changed);
	assert_string_equal(state.text, "b=2,a=1");
	assert_string_equal(sent(&remote, "tracestate"), "a=1");
	assert_string_equal(sent(&without, "tracestate"), "-");
	otel_context_release(&remote);
	assert_string_equal(sent(&changed, "tracestate"), "b=2,a=1");
	assert_string_equal(sent(&changed, "traceparent"), TRACEPARENT);
	assert_string_equal(sent(&changed, "baggage"), "k=v");
	assert_string_equal(sent(&without, "baggage"), "k=v");
	otel_context_release(&changed);
	otel_context_release(&without);
	changed = otel_context_with_tracestate(nothing, &state);
	assert_int_equal(changed.state, 0);
	state = otel_tracestate_of(&changed);
	assert_int_equal(state.size, 0);
}

/* What the START record of the span that is being recorded says. */
static const char *recorded(void)
{
	static char text[1008];
	const struct otel_buffer *buffer = (const struct otel_buffer *)otel_bpf_thread_v1->buffers[0];
	const char *at = (const char *)(buffer + 1), *end = at + buffer->committed;

	strcpy(text, "no record");
	for (; at < end; at += ((const struct otel_record *)(const void *)at)->size) {
		const struct otel_record *record = (const struct otel_record *)(const void *)at;
		const struct otel_start *start = (const struct otel_start *)(const void *)(record + 1);
		const char *strings = (const char *)start + start->fixed_size;

		if (record->kind != OTEL_RECORD_START)
			continue;
		strings += start->name_size + start->scope_name_size + start->scope_version_size +
			   start->schema_url_size + start->scope_attributes_size;
		snprintf(text, sizeof(text), "%.*s", (int)start->tracestate_size, strings);
	}
	return text;
}

static void spans_inherit_it_and_their_records_say_it(void **unused)
{
	otel_context remote = EXTRACT("traceparent: " TRACEPARENT, "tracestate: a=1,b=2", "baggage: k=v");

	(void)unused;
	attach(1);
	{
		OTEL_SPAN(outer, &tracer, "outer", otel_parent(remote));
		otel_span detached;
		otel_context of_inner;

		otel_context_release(&remote);
		assert_string_equal(recorded(), "a=1,b=2");
		{
			OTEL_SPAN(inner, &tracer, "inner", otel_int("a", 1));

			assert_string_equal(recorded(), "a=1,b=2");
			of_inner = otel_context_of(inner);
		}
		assert_string_equal(sent(&of_inner, "tracestate"), "a=1,b=2");
		detached = otel_start(&tracer, "detached", otel_parent(of_inner));
		otel_context_release(&of_inner);
		assert_string_equal(sent(&detached.context, "tracestate"), "a=1,b=2");
		assert_string_equal(sent(&detached.context, "baggage"), "k=v");
		otel_end(detached);
		assert_string_equal(sent(&detached.context, "tracestate"), "-");
		assert_string_not_equal(sent(&detached.context, "traceparent"), "-");
		/* A current span that was ended hands it on until its block ends. */
		otel_end(outer);
		assert_string_equal(sent(&otel_current().context, "tracestate"), "a=1,b=2");
		assert_int_equal(references(), 2);
	}
	assert_int_equal(references(), 0);
}

static void links_say_the_one_of_the_context_that_they_lead_to(void **unused)
{
	otel_context remote = EXTRACT("traceparent: " TRACEPARENT, "tracestate: a=1,b=2");
	const struct otel_buffer *buffer;

	(void)unused;
	attach(1);
	{
		OTEL_SPAN(span, &tracer, "span", otel_link(remote));

		(void)span;
		buffer = (const struct otel_buffer *)otel_bpf_thread_v1->buffers[0];
		assert_non_null(memmem(buffer + 1, buffer->committed, "\x1a\x07" "a=1,b=2", 9));
	}
	otel_context_release(&remote);
}

static void a_span_that_is_not_sampled_gives_it_back_as_well(void **unused)
{
	otel_context remote = EXTRACT("traceparent: " NOT_SAMPLED, "tracestate: a=1", "baggage: k=v");
	otel_span detached;

	(void)unused;
	attach(1);
	detached = otel_start(&tracer, "detached", otel_parent(remote));
	otel_context_release(&remote);
	assert_false(otel_is_recording(detached));
	assert_string_equal(sent(&detached.context, "tracestate"), "a=1");
	otel_end(detached);
	otel_end(detached);
}

static void roots_have_none_but_keep_the_baggage_of_the_context(void **unused)
{
	otel_context remote = EXTRACT("traceparent: " TRACEPARENT, "tracestate: a=1", "baggage: k=v");

	(void)unused;
	attach(1);
	{
		OTEL_USE(remote);
		OTEL_SPAN(root, &tracer, "root", otel_root());

		assert_string_equal(recorded(), "");
		assert_string_equal(sent(&root.context, "tracestate"), "-");
		assert_string_equal(sent(&root.context, "baggage"), "k=v");
		assert_memory_not_equal(root.context.trace_id, remote.trace_id, 16);
	}
	otel_context_release(&remote);
}

/* ---- Sampling ---- */

static void a_root_sampled_by_rate_says_its_threshold(void **unused)
{
	static const struct {
		unsigned rate;
		const char *expected;
	} cases[] = {{0x8000, "ot=th:8"},    {0x5555, "ot=th:aaab"}, {0x4000, "ot=th:c"},
		     {0x199a, "ot=th:e666"}, {0xffff, "ot=th:0001"}, {0xff00, "ot=th:01"},
		     {SAMPLE_ALL, ""}};

	(void)unused;
	attach(1);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int sampled = 0;

		sample(cases[i].rate);
		for (unsigned tries = 0; tries < 1000000 && !sampled; tries++) {
			OTEL_SPAN(span, &tracer, "root");

			sampled = otel_is_recording(span);
			if (!sampled) {
				assert_int_equal(span.context.tracestate, 0);
				continue;
			}
			assert_string_equal(recorded(), cases[i].expected);
			{
				OTEL_SPAN(child, &tracer, "child");
				otel_context context = otel_context_of(child);
				otel_tracestate state = otel_tracestate_of(&context);

				assert_string_equal(state.text, cases[i].expected);
				assert_string_equal(recorded(), cases[i].expected);
				otel_context_release(&context);
			}
		}
		assert_true(sampled);
	}
	assert_int_equal(references(), 0);
}

/* The trace id's 56 lowest bits are 0x34...: with a rate of one half it is not sampled. */
static void children_that_decide_themselves_say_their_threshold_and_keep_the_rest(void **unused)
{
	static const struct {
		const char *tracestate, *sampled, *expected;
		unsigned rate;
	} cases[] = {
		{"a=1,b=2", "0", "a=1,b=2", 0x8000},
		{"a=1,ot=th:c,b=2", "0", "a=1,b=2", 0x8000},
		{"a=1,ot=th:c;rv:00000000000001,b=2", "0", "ot=rv:00000000000001,a=1,b=2", 0x8000},
		{"a=1,b=2", "1", "ot=th:1,a=1,b=2", 0xf000},
		{"a=1,ot=th:c;xy:1,b=2", "1", "ot=th:1;xy:1,a=1,b=2", 0xf000},
		/* Randomness that is given counts instead of the trace id's. */
		{"ot=rv:80000000000000", "1", "ot=th:8;rv:80000000000000", 0x8000},
		{"ot=rv:7fffffffffffff", "0", "ot=rv:7fffffffffffff", 0x8000},
		{"ot=rv:8000000000000", "0", "ot=rv:8000000000000", 0x8000},
		{"ot=rv:8000000000000g", "0", "ot=rv:8000000000000g", 0x8000},
		{"", "1", "ot=th:1", 0xf000},
	};

	(void)unused;
	attach(1);
	otel_bpf_controls_v1[OTEL_CONTROL_IGNORE_PARENT] = 1;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char line[256];
		otel_context remote;

		snprintf(line, sizeof(line), "tracestate: %s", cases[i].tracestate);
		remote = EXTRACT("traceparent: 00-00000000000000000034567890123456-1234567890123456-01", line);
		sample(cases[i].rate);
		{
			OTEL_SPAN(span, &tracer, "child", otel_parent(remote));

			assert_int_equal(otel_is_recording(span), cases[i].sampled[0] == '1');
			assert_string_equal(sent(&span.context, "tracestate"), cases[i].expected);
			if (otel_is_recording(span))
				assert_string_equal(recorded(), cases[i].expected);
		}
		otel_context_release(&remote);
	}
}

static void children_follow_their_parent_in_the_threshold_as_well(void **unused)
{
	otel_context sampled = EXTRACT("traceparent: " TRACEPARENT, "tracestate: a=1,ot=th:8");
	otel_context not_sampled = EXTRACT("traceparent: " NOT_SAMPLED, "tracestate: a=1,ot=th:8");

	(void)unused;
	attach(1);
	sample(0x1000);
	{
		OTEL_SPAN(one, &tracer, "one", otel_parent(sampled));
		OTEL_SPAN(two, &tracer, "two", otel_parent(not_sampled));

		assert_string_equal(sent(&one.context, "tracestate"), "a=1,ot=th:8");
		assert_string_equal(sent(&two.context, "tracestate"), "a=1");
	}
	otel_context_release(&sampled);
	otel_context_release(&not_sampled);
}

static void a_threshold_has_room_in_a_full_list(void **unused)
{
	otel_context remote;
	char line[2000];

	(void)unused;
	attach(1);
	otel_bpf_controls_v1[OTEL_CONTROL_IGNORE_PARENT] = 1;
	sample(0xffff);
	snprintf(line, sizeof(line), "tracestate: %s", numbered(1, 32));
	remote = EXTRACT("traceparent: " TRACEPARENT, line);
	{
		OTEL_SPAN(span, &tracer, "child", otel_parent(remote));
		otel_tracestate state = otel_tracestate_of(&span.context);

		assert_int_equal(otel_tracestate_count(&state), 32);
		assert_string_equal(value(&state, "ot"), "th:0001");
		assert_string_equal(value(&state, "bar32"), "-");
	}
	otel_context_release(&remote);
	/* No room for it beside what others say in `ot`. */
	snprintf(line, sizeof(line), "tracestate: ot=th:c;xy:%s", repeated('x', 246));
	remote = EXTRACT("traceparent: " TRACEPARENT, line);
	{
		OTEL_SPAN(span, &tracer, "child", otel_parent(remote));

		assert_string_equal(sent(&span.context, "tracestate"), joined("ot=xy:", repeated('x', 246)));
	}
	otel_context_release(&remote);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_one_has_no_members_and_no_header),
		TEST(pairs_become_members_in_their_order),
		TEST(malformed_pairs_are_left_out_and_the_first_of_a_key_counts),
		TEST(headers_are_read_by_the_grammar_of_level_2),
		TEST(several_headers_are_one_list),
		TEST(of_too_long_a_list_long_members_go_first_then_from_the_right),
		TEST(add_puts_a_new_member_in_front),
		TEST(what_is_not_allowed_returns_an_equal_one),
		TEST(update_moves_to_the_front_and_adds_what_is_missing),
		TEST(delete_keeps_the_order_of_the_others),
		TEST(a_new_member_stays_when_others_must_go_for_it),
		TEST(members_can_be_walked_through),
		TEST(a_value_that_has_no_room_is_cut),
		TEST(what_was_written_reads_as_the_same),
		TEST(a_context_can_be_given_another_one),
		TEST(spans_inherit_it_and_their_records_say_it),
		TEST(links_say_the_one_of_the_context_that_they_lead_to),
		TEST(a_span_that_is_not_sampled_gives_it_back_as_well),
		TEST(roots_have_none_but_keep_the_baggage_of_the_context),
		TEST(a_root_sampled_by_rate_says_its_threshold),
		TEST(children_that_decide_themselves_say_their_threshold_and_keep_the_rest),
		TEST(children_follow_their_parent_in_the_threshold_as_well),
		TEST(a_threshold_has_room_in_a_full_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
