/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <unistd.h>

#include "contexts.h"

static void assert_is(const otel_context *context, const char *traceparent)
{
	assert_string_equal(sent(context, "traceparent"), traceparent);
}

static otel_context extract_one(const char *traceparent)
{
	char line[256];

	snprintf(line, sizeof(line), "traceparent: %s", traceparent);
	return EXTRACT(line, "tracestate: foo=1");
}

static void a_context_of_given_ids_is_as_they_are(void **state)
{
	static const otel_u8 none[16] = {0}, trace_id[16] = {[15] = 0x0a}, span_id[8] = {[7] = 0x0b};
	otel_context made = otel_context_make(trace_id, span_id, 0xff, 1), no_trace, no_span;
	char text[33];

	(void)state;
	assert_true(otel_is_valid(&made) && otel_is_remote(&made));
	assert_true(otel_is_sampled(&made) && otel_is_random(&made));
	assert_int_equal(made.trace_flags, 3);
	assert_string_equal(otel_trace_id(&made, text), "0000000000000000000000000000000a");
	assert_string_equal(otel_span_id(&made, text), "000000000000000b");
	made = otel_context_make(trace_id, span_id, 1, 0);
	assert_true(otel_is_sampled(&made) && !otel_is_random(&made) && !otel_is_remote(&made));
	no_trace = otel_context_make(none, span_id, 3, 1);
	no_span = otel_context_make(trace_id, none, 3, 1);
	for (const otel_context *it = &no_trace; it; it = it == &no_trace ? &no_span : NULL) {
		assert_false(otel_is_valid(it) || otel_is_remote(it));
		assert_false(otel_is_sampled(it) || otel_is_random(it));
		assert_string_equal(otel_trace_id(it, text), "00000000000000000000000000000000");
		assert_string_equal(otel_span_id(it, text), "0000000000000000");
	}
}

static void roots_are_random_and_children_as_their_parents(void **state)
{
	static const otel_u8 trace_id[16] = {1}, span_id[8] = {2};

	(void)state;
	attach(1);
	{
		OTEL_SPAN(root, &tracer, "root", otel_root());
		assert_true(otel_is_random(&root.context));
	}
	for (unsigned flags = 0; flags < 4; flags++) {
		otel_context parent = otel_context_make(trace_id, span_id, flags, 1);
		OTEL_SPAN(child, &tracer, "child", otel_parent(parent));
		assert_int_equal(otel_is_random(&child.context), flags >> 1);
		assert_int_equal(otel_is_sampled(&child.context), flags & 1);
		assert_false(otel_is_remote(&child.context));
	}
	attach(0);
}

static void a_request_without_headers_has_no_context(void **state)
{
	struct headers headers = {.count = 0};
	otel_context context = otel_extract(get_header, &headers);

	(void)state;
	assert_false(otel_is_valid(&context));
	assert_is(&context, "-");
	otel_context_release(&context);
}

static void what_came_with_a_request_is_its_context(void **state)
{
	otel_context context = EXTRACT("Host: example.org", "traceparent: " NOT_SAMPLED,
				       "tracestate: foo=1,bar=2,baz=3");
	char trace_id[33], span_id[17];

	(void)state;
	assert_true(otel_is_valid(&context));
	assert_true(otel_is_remote(&context));
	assert_false(otel_is_sampled(&context));
	assert_string_equal(otel_trace_id(&context, trace_id), TRACE_ID);
	assert_string_equal(otel_span_id(&context, span_id), SPAN_ID);
	assert_int_equal(context.origin, 0);
	assert_is(&context, NOT_SAMPLED);
	assert_string_equal(sent(&context, "tracestate"), "foo=1,bar=2,baz=3");
	otel_context_release(&context);
}

static void a_malformed_traceparent_is_none_and_takes_the_tracestate_with_it(void **state)
{
	static const char *const cases[] = {
		"",
		"invalid",
		"00-00000000000000000000000000000000-" SPAN_ID "-01",
		"00-" TRACE_ID "-0000000000000000-01",
		TRACEPARENT "-residue",
		TRACEPARENT ".",
		TRACEPARENT "-",
		TRACEPARENT "\r\n",
		"00-" TRACE_ID "-" SPAN_ID "-001",
		"00-" TRACE_ID "-" SPAN_ID "-1",
		"00-" TRACE_ID "-" SPAN_ID "-",
		"00-" TRACE_ID "-" SPAN_ID,
		"00-" TRACE_ID "-" SPAN_ID "-.0",
		"00-" TRACE_ID "-" SPAN_ID "-0.",
		"00-" TRACE_ID "-" SPAN_ID "-0A",
		"00-" TRACE_ID "-.234567890123456-01",
		"00-" TRACE_ID "-123456789012345.-01",
		"00-" TRACE_ID "-12345678901234567-01",
		"00-" TRACE_ID "-123456789012345-01",
		"00-.2345678901234567890123456789012-" SPAN_ID "-01",
		"00-1234567890123456789012345678901.-" SPAN_ID "-01",
		"00-1234567890123456789012345678901A-" SPAN_ID "-01",
		"00-123456789012345678901234567890123-" SPAN_ID "-01",
		"00-1234567890123456789012345678901-" SPAN_ID "-01",
		"00_" TRACE_ID "_" SPAN_ID "_01",
		"ff-" TRACE_ID "-" SPAN_ID "-01",
		"FF-" TRACE_ID "-" SPAN_ID "-01",
		"cC-" TRACE_ID "-" SPAN_ID "-01",
		".0-" TRACE_ID "-" SPAN_ID "-01",
		"0.-" TRACE_ID "-" SPAN_ID "-01",
		"000-" TRACE_ID "-" SPAN_ID "-01",
		"0000-" TRACE_ID "-" SPAN_ID "-01",
		"0-" TRACE_ID "-" SPAN_ID "-01",
		"cc-" TRACE_ID "-" SPAN_ID "-01.what-the-future-will-be-like",
		"cc-" TRACE_ID "-" SPAN_ID "-011",
		"00-" TRACE_ID " -" SPAN_ID "-01",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		otel_context context = extract_one(cases[i]);

		if (otel_is_valid(&context))
			fprintf(stderr, "%s\n", cases[i]);
		assert_false(otel_is_valid(&context));
		assert_string_equal(sent(&context, "tracestate"), "-");
		otel_context_release(&context);
	}
}

static void blanks_and_later_versions_are_understood(void **state)
{
	static const struct {
		const char *traceparent, *sent;
	} cases[] = {
		{TRACEPARENT, TRACEPARENT},
		{" " TRACEPARENT, TRACEPARENT},
		{"\t" TRACEPARENT, TRACEPARENT},
		{TRACEPARENT " ", TRACEPARENT},
		{TRACEPARENT "\t", TRACEPARENT},
		{"\t " TRACEPARENT " \t", TRACEPARENT},
		{"cc-" TRACE_ID "-" SPAN_ID "-01", TRACEPARENT},
		{"cc-" TRACE_ID "-" SPAN_ID "-01-what-the-future-will-be-like", TRACEPARENT},
		{"01-" TRACE_ID "-" SPAN_ID "-01-", TRACEPARENT},
		/* Only the flags that we know go on. */
		{"00-" TRACE_ID "-" SPAN_ID "-02", "00-" TRACE_ID "-" SPAN_ID "-02"},
		{"00-" TRACE_ID "-" SPAN_ID "-03", "00-" TRACE_ID "-" SPAN_ID "-03"},
		{"00-" TRACE_ID "-" SPAN_ID "-ff", "00-" TRACE_ID "-" SPAN_ID "-03"},
		{"00-" TRACE_ID "-" SPAN_ID "-fc", NOT_SAMPLED},
		{"00-ABCDEF", NULL},
		{"00-abcdefabcdefabcdefabcdefabcdefab-abcdefabcdefabcd-00",
		 "00-abcdefabcdefabcdefabcdefabcdefab-abcdefabcdefabcd-00"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		otel_context context = extract_one(cases[i].traceparent);

		assert_is(&context, cases[i].sent ? cases[i].sent : "-");
		assert_true(context.trace_flags <= 3);
		assert_string_equal(sent(&context, "tracestate"), cases[i].sent ? "foo=1" : "-");
		otel_context_release(&context);
	}
}

static void two_traceparents_are_none(void **state)
{
	static const char twice[] = "traceparent: " TRACEPARENT;
	otel_context context = EXTRACT("traceparent: " TRACEPARENT, twice, "tracestate: a=1");

	(void)state;
	assert_int_equal(context.state, 0);
}

static void names_of_headers_have_no_case_but_must_be_right(void **state)
{
	static const struct {
		const char *line;
		int valid;
	} cases[] = {
		{"TraceParent: " TRACEPARENT, 1}, {"TrAcEpArEnT: " TRACEPARENT, 1},
		{"TRACEPARENT:" TRACEPARENT, 1},  {"traceparent:\t" TRACEPARENT, 1},
		{"trace-parent: " TRACEPARENT, 0}, {"trace.parent: " TRACEPARENT, 0},
		{"traceparent : " TRACEPARENT, 0}, {"traceparent", 0},
		{"traceparents: " TRACEPARENT, 0}, {"", 0},
		{"t", 0},
	};
	otel_context context;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		context = EXTRACT(NULL, cases[i].line, "TRACESTATE: a=1");
		assert_int_equal(otel_is_valid(&context), cases[i].valid);
		otel_context_release(&context);
	}
	context = EXTRACT("traceparent: " TRACEPARENT, "trace-state: a=1", "trace.state: b=1");
	assert_string_equal(sent(&context, "tracestate"), "-");
	otel_context_release(&context);
}

static void a_malformed_tracestate_leaves_the_traceparent(void **state)
{
	otel_context context = EXTRACT("traceparent: " TRACEPARENT, "tracestate: foo=1", "tracestate: FOO=1");

	(void)state;
	assert_is(&context, TRACEPARENT);
	assert_string_equal(sent(&context, "tracestate"), "-");
	otel_context_release(&context);
}

static void several_tracestates_are_one_list_and_empty_ones_do_no_harm(void **state)
{
	otel_context context = EXTRACT("tracestate: ", "traceparent: " TRACEPARENT, "tracestate: foo=1,bar=2",
				       "tracestate:", "tracestate: baz=3,");

	(void)state;
	assert_string_equal(sent(&context, "tracestate"), "foo=1,bar=2,baz=3");
	otel_context_release(&context);
}

static void a_tracestate_without_a_traceparent_is_none(void **state)
{
	otel_context context = EXTRACT("tracestate: foo=1");

	(void)state;
	assert_int_equal(context.state, 0);
}

static void baggage_comes_without_a_traceparent_as_well(void **state)
{
	otel_context context = EXTRACT("traceparent: invalid", "baggage: k=v");

	(void)state;
	assert_false(otel_is_valid(&context));
	assert_is(&context, "-");
	assert_string_equal(sent(&context, "baggage"), "k=v");
	for (int attached = 0; attached < 2; attached++) {
		struct headers headers = {.count = 0};

		attach(attached);
		OTEL_SPAN(span, &tracer, "span", otel_parent(context));
		otel_inject(set_header, &headers);
		assert_int_equal(headers.count, 1 + attached);
		assert_string_equal(get_header(&headers, "baggage", 0), "k=v");
		(void)span;
	}
	otel_context_release(&context);
	assert_string_equal(sent(&context, "baggage"), "-");
}

static void an_empty_context_sends_nothing(void **state)
{
	otel_context living = EXTRACT("traceparent: " TRACEPARENT, "tracestate: a=1", "baggage: k=v");
	struct headers headers = {.count = 0};
	otel_context garbage;

	(void)state;
	/* Without a state the rest may be anything, even what looks like something. */
	garbage = living;
	garbage.state = 0;
	otel_inject_context(&garbage, set_header, &headers);
	{
		OTEL_USE(garbage);
		otel_inject(set_header, &headers);
	}
	otel_inject(set_header, &headers);
	assert_int_equal(headers.count, 0);
	attach(1);
	{
		OTEL_SPAN(span, &tracer, "span", otel_parent(garbage));

		assert_string_equal(sent(&span.context, "baggage"), "-");
	}
	otel_context_release(&living);
}

static void an_empty_tracestate_is_not_sent(void **state)
{
	otel_context context = EXTRACT("traceparent: " TRACEPARENT, "tracestate: ,");

	(void)state;
	assert_is(&context, TRACEPARENT);
	assert_string_equal(sent(&context, "tracestate"), "-");
	assert_int_equal(context.tracestate, 0);
	otel_context_release(&context);
}

static const char *always_another(void *carrier, const char *name, unsigned index)
{
	++*(unsigned *)carrier;
	if (!strcmp(name, "traceparent"))
		return index ? NULL : TRACEPARENT;
	return index % 2 ? "" : " ";
}

static void a_getter_that_always_has_another_does_not_keep_us(void **state)
{
	unsigned calls = 0;
	otel_context context = otel_extract(always_another, &calls);

	(void)state;
	assert_true(calls < 1000);
	otel_context_release(&context);
}

/* The first mistake that everybody makes. */
static const char *by_name_only(void *carrier, const char *name, unsigned index)
{
	(void)carrier;
	(void)index;
	if (!strcmp(name, "traceparent"))
		return TRACEPARENT;
	return strcmp(name, "tracestate") ? "k=v" : "a=1,b=2";
}

static void a_getter_that_ignores_the_index_gives_one_header_of_each_name(void **state)
{
	otel_context context = otel_extract(by_name_only, NULL);

	(void)state;
	assert_is(&context, TRACEPARENT);
	assert_string_equal(sent(&context, "tracestate"), "a=1,b=2");
	assert_string_equal(sent(&context, "baggage"), "k=v");
	otel_context_release(&context);
}

static void nobody_listens_and_all_goes_through_as_it_came(void **state)
{
	otel_context context = EXTRACT("traceparent: " TRACEPARENT, "tracestate: foo=1,bar= 2",
				       "baggage: k=v%20w;p=1;q,x=");
	struct headers headers = {.count = 0};

	(void)state;
	{
		OTEL_USE(context);
		OTEL_SPAN(span, &tracer, "span");
		otel_context inner = otel_context_of(span);
		otel_span detached = otel_start(&tracer, "detached", otel_parent(inner));

		otel_inject(set_header, &headers);
		assert_false(otel_is_recording(span));
		assert_is(&inner, TRACEPARENT);
		assert_string_equal(sent(&inner, "baggage"), "k=v%20w;p=1;q,x=");
		otel_context_release(&inner);
		assert_is(&detached.context, TRACEPARENT);
		assert_string_equal(sent(&detached.context, "tracestate"), "foo=1,bar= 2");
		otel_end(detached);
		assert_is(&detached.context, TRACEPARENT);
	}
	{
		OTEL_SPAN(span, &tracer, "span", otel_parent(context));

		otel_context_release(&context);
		otel_inject(set_header, &headers);
		assert_true(otel_is_remote(&span.context));
	}
	assert_int_equal(headers.count, 6);
	for (unsigned i = 0; i < 2; i++) {
		assert_string_equal(get_header(&headers, "traceparent", i), TRACEPARENT);
		assert_string_equal(get_header(&headers, "tracestate", i), "foo=1,bar= 2");
		assert_string_equal(get_header(&headers, "baggage", i), "k=v%20w;p=1;q,x=");
	}
}

static void somebody_listens_and_the_span_is_what_goes_on(void **state)
{
	otel_context context = EXTRACT("traceparent: 00-" TRACE_ID "-" SPAN_ID "-03", "tracestate: foo=1");

	(void)state;
	attach(1);
	{
		OTEL_SPAN(span, &tracer, "span", otel_parent(context));
		struct headers headers = {.count = 0};
		char span_id[17], expected[64];

		otel_inject(set_header, &headers);
		assert_string_not_equal(otel_span_id(&span.context, span_id), SPAN_ID);
		snprintf(expected, sizeof(expected), "00-" TRACE_ID "-%s-03", span_id);
		assert_string_equal(get_header(&headers, "traceparent", 0), expected);
		assert_string_equal(get_header(&headers, "tracestate", 0), "foo=1");
		assert_false(otel_is_remote(&span.context));
	}
	sample(0);
	{
		OTEL_SPAN(root, &tracer, "not sampled");

		assert_string_equal(sent(&root.context, "traceparent") + 53, "02");
	}
	otel_context_release(&context);
}

struct kept {
	otel_context context;
	struct headers headers;
};

static void *work(void *data)
{
	struct kept *kept = data;
	OTEL_USE(kept->context);

	otel_inject(set_header, &kept->headers);
	return NULL;
}

static void a_stored_context_outlives_its_span_and_its_thread(void **state)
{
	otel_context remote = EXTRACT("traceparent: " TRACEPARENT, "tracestate: foo=1", "baggage: k=v");
	struct kept kept = {.headers.count = 0};
	pthread_t thread;

	(void)state;
	attach(1);
	{
		OTEL_SPAN(span, &tracer, "span", otel_parent(remote));

		kept.context = otel_context_of(span);
		otel_context_release(&remote);
	}
	assert_int_equal(pthread_create(&thread, NULL, work, &kept), 0);
	pthread_join(thread, NULL);
	assert_string_equal(get_header(&kept.headers, "tracestate", 0), "foo=1");
	assert_string_equal(get_header(&kept.headers, "baggage", 0), "k=v");
	otel_context_release(&kept.context);
	assert_false(otel_is_valid(&kept.context));
}

static void *hammer(void *data)
{
	const otel_context *shared = data;
	char expected[32], header[64];
	uintptr_t bad = 0;

	snprintf(expected, sizeof(expected), "t=%lx", (unsigned long)pthread_self());
	snprintf(header, sizeof(header), "tracestate: %s", expected);
	for (unsigned i = 0; i < 2000; i++) {
		otel_context own = EXTRACT("traceparent: " TRACEPARENT, header, "baggage: a=1"), inner;
		otel_tracestate state;
		otel_span span = otel_start(&tracer, "span", otel_parent(i % 2 ? own : *shared));

		inner = otel_context_of(span);
		otel_end(span);
		otel_context_release(&own);
		state = otel_tracestate_of(&inner);
		bad += strcmp(state.text, i % 2 ? expected : "shared=1") != 0;
		otel_context_release(&inner);
		otel_context_release(&own);
	}
	return (void *)bad;
}

static void threads_share_a_context_and_have_their_own(void **state)
{
	otel_context shared = EXTRACT("traceparent: " TRACEPARENT, "tracestate: shared=1", "baggage: k=v");
	pthread_t threads[4];

	(void)state;
	for (int attached = 0; attached < 2; attached++) {
		attach(attached);
		for (unsigned i = 0; i < 4; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, hammer, &shared), 0);
		for (unsigned i = 0; i < 4; i++) {
			void *bad;

			pthread_join(threads[i], &bad);
			assert_null(bad);
		}
	}
	assert_int_equal(references(), 2);
	otel_context_release(&shared);
}

static void errno_stays_as_it_is(void **state)
{
	otel_context context;

	(void)state;
	errno = EDOM;
	context = EXTRACT("traceparent: " TRACEPARENT, "tracestate: foo=1", "baggage: k=v");
	(void)sent(&context, "baggage");
	otel_context_release(&context);
	assert_int_equal(errno, EDOM);
}

/* ---- Ready-made carriers ---- */

static void lines_are_written_as_they_are_read(void **state)
{
	otel_context context = EXTRACT("traceparent: " TRACEPARENT, "tracestate: foo=1", "baggage: k=v"), again;
	char *lines[3], text[9300];
	char expected[] = "traceparent: " TRACEPARENT "\r\ntracestate: foo=1\r\nbaggage: k=v\r\n";
	size_t size;

	(void)state;
	{
		OTEL_USE(context);

		assert_int_equal(otel_inject_lines(lines, 3, text, sizeof(text)), 3);
		assert_string_equal(lines[0], "traceparent: " TRACEPARENT);
		assert_string_equal(lines[1], "tracestate: foo=1");
		assert_string_equal(lines[2], "baggage: k=v");
		again = otel_extract_lines((const char *const *)lines, 3);
		assert_is(&again, TRACEPARENT);
		otel_context_release(&again);
		lines[1] = NULL;
		assert_int_equal(otel_inject_lines(lines, 1, text, sizeof(text)), 3);
		assert_null(lines[1]);
		assert_int_equal(otel_inject_lines(NULL, 0, NULL, 0), 3);

		assert_int_equal(otel_inject_text(text, sizeof(text)), sizeof(expected) - 1);
		assert_string_equal(text, expected);
		assert_int_equal(otel_inject_text(NULL, 0), sizeof(expected) - 1);
		/* On the heap, as large as it says: the sanitizer sees a byte too many. */
		for (size = 1; size <= sizeof(expected); size++) {
			char *heap = malloc(size);

			assert_int_equal(otel_inject_text(heap, size), sizeof(expected) - 1);
			assert_int_equal(strlen(heap), size < 71 ? 0 : size < 90 ? 70 : size < 104 ? 89 : 103);
			free(heap);
		}
	}
	otel_context_release(&context);
	assert_int_equal(otel_inject_text(text, sizeof(text)), 0);
	assert_string_equal(text, "");
}

static otel_context environment(char *traceparent, char *tracestate, char *baggage)
{
	char *list[] = {"PATH=/bin", traceparent, tracestate, baggage, NULL};

	return otel_extract_variables(list);
}

static void a_parent_process_hands_on_its_context_in_the_environment(void **state)
{
	otel_context context = environment("TRACEPARENT=" TRACEPARENT, "TRACESTATE=vendor1=value1,vendor2=value2",
					   "BAGGAGE=user_id=12345,session_id=abc-def");
	otel_tracestate tracestate = otel_tracestate_of(&context);
	char text[64];

	(void)state;
	assert_true(otel_is_remote(&context));
	assert_true(otel_is_sampled(&context));
	assert_is(&context, TRACEPARENT);
	otel_tracestate_get(&tracestate, "vendor2", text, sizeof(text));
	assert_string_equal(text, "value2");
	otel_baggage_get(&context, "session_id", text, sizeof(text));
	assert_string_equal(text, "abc-def");
	otel_context_release(&context);

	context = environment("TRACEPARENT=invalid-format", "TRACESTATE=a=1", "BAGGAGE=");
	assert_int_equal(context.state, 0);
	/* Names have a case here. */
	context = environment("traceparent=" TRACEPARENT, "TraceParent=" TRACEPARENT, "baggage=a=1");
	assert_int_equal(context.state, 0);
	context = environment("TRACEPARENTS=" TRACEPARENT, "XTRACEPARENT=" TRACEPARENT, "TRACEPARENT");
	assert_int_equal(context.state, 0);
	/* As for getenv(), the first one counts. */
	context = environment("TRACEPARENT=" TRACEPARENT, "TRACEPARENT=" NOT_SAMPLED, "A=");
	assert_is(&context, TRACEPARENT);
	otel_context_release(&context);

	assert_int_equal(setenv("TRACEPARENT", TRACEPARENT, 1), 0);
	context = otel_extract_environment();
	assert_is(&context, TRACEPARENT);
	otel_context_release(&context);
	assert_int_equal(unsetenv("TRACEPARENT"), 0);
	context = otel_extract_environment();
	assert_int_equal(context.state, 0);
	context = otel_extract_variables(NULL);
	assert_int_equal(context.state, 0);
}

static const char *entry(char **envp, const char *name)
{
	for (; *envp; envp++)
		if (!strncmp(*envp, name, strlen(name)) && (*envp)[strlen(name)] == '=')
			return *envp + strlen(name) + 1;
	return "-";
}

static void a_child_process_gets_the_current_context(void **state)
{
	char *old[] = {"PATH=/bin", "TRACEPARENT=old", "TRACESTATE=old=1", "BAGGAGE=old=1", "HOME=/", NULL};
	otel_context full = EXTRACT("traceparent: " TRACEPARENT, "tracestate: foo=1", "baggage: k=v");
	otel_context bare = EXTRACT("traceparent: " NOT_SAMPLED), only = EXTRACT("baggage: k=v");
	char *envp[64];
	size_t size, needed;

	(void)state;
	assert_true(otel_inject_environment(old, envp, sizeof(envp)) <= sizeof(envp));
	for (unsigned i = 0; i < 6; i++)
		assert_ptr_equal(envp[i], old[i]);
	assert_true(otel_inject_environment(NULL, envp, sizeof(envp)) <= sizeof(envp));
	assert_null(envp[0]);
	{
		OTEL_USE(full);

		needed = otel_inject_environment(old, NULL, 0);
		for (size = 0; size <= needed; size++) {
			char **heap = malloc(size ? size : 1);

			assert_int_equal(otel_inject_environment(old, heap, size), needed);
			if (size == needed) {
				assert_string_equal(entry(heap, "TRACEPARENT"), TRACEPARENT);
				assert_string_equal(entry(heap, "TRACESTATE"), "foo=1");
				assert_string_equal(entry(heap, "BAGGAGE"), "k=v");
				assert_string_equal(entry(heap, "HOME"), "/");
				assert_null(heap[5]);
			}
			free(heap);
		}
	}
	{
		OTEL_USE(bare);

		otel_inject_environment(old, envp, sizeof(envp));
		assert_string_equal(entry(envp, "TRACEPARENT"), NOT_SAMPLED);
		assert_string_equal(entry(envp, "TRACESTATE"), "-");
		assert_string_equal(entry(envp, "BAGGAGE"), "-");
		assert_null(envp[3]);
	}
	{
		OTEL_USE(only);

		otel_inject_environment(old, envp, sizeof(envp));
		assert_string_equal(entry(envp, "TRACEPARENT"), "old");
		assert_string_equal(entry(envp, "TRACESTATE"), "old=1");
		assert_string_equal(entry(envp, "BAGGAGE"), "k=v");
	}
	otel_context_release(&full);
	otel_context_release(&bare);
	otel_context_release(&only);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_context_of_given_ids_is_as_they_are),
		TEST(roots_are_random_and_children_as_their_parents),
		TEST(a_request_without_headers_has_no_context),
		TEST(what_came_with_a_request_is_its_context),
		TEST(a_malformed_traceparent_is_none_and_takes_the_tracestate_with_it),
		TEST(blanks_and_later_versions_are_understood),
		TEST(two_traceparents_are_none),
		TEST(names_of_headers_have_no_case_but_must_be_right),
		TEST(a_malformed_tracestate_leaves_the_traceparent),
		TEST(several_tracestates_are_one_list_and_empty_ones_do_no_harm),
		TEST(a_tracestate_without_a_traceparent_is_none),
		TEST(baggage_comes_without_a_traceparent_as_well),
		TEST(an_empty_context_sends_nothing),
		TEST(an_empty_tracestate_is_not_sent),
		TEST(a_getter_that_always_has_another_does_not_keep_us),
		TEST(a_getter_that_ignores_the_index_gives_one_header_of_each_name),
		TEST(nobody_listens_and_all_goes_through_as_it_came),
		TEST(somebody_listens_and_the_span_is_what_goes_on),
		TEST(a_stored_context_outlives_its_span_and_its_thread),
		TEST(threads_share_a_context_and_have_their_own),
		TEST(errno_stays_as_it_is),
		TEST(lines_are_written_as_they_are_read),
		TEST(a_parent_process_hands_on_its_context_in_the_environment),
		TEST(a_child_process_gets_the_current_context),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
