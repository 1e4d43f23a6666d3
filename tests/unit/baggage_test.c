/* SPDX-License-Identifier: Apache-2.0 */
#include "contexts.h"

static char long_text[20000];

/* The baggage header that a context extracted from @header is sent with. */
static const char *through(const char *header)
{
	static char text[8300];
	static char line[20000];
	otel_context context;

	snprintf(line, sizeof(line), "baggage: %s", header);
	context = EXTRACT(line);
	snprintf(text, sizeof(text), "%s", sent(&context, "baggage"));
	otel_context_release(&context);
	return text;
}

/* "key0=value0,key1=value1,...", with another text for one of them */
static const char *numbered(unsigned count, unsigned which, const char *other)
{
	size_t size = 0;

	for (unsigned i = 0; i < count; i++)
		size += (size_t)(i == which ? sprintf(long_text + size, "%s%s", i ? "," : "", other) :
					      sprintf(long_text + size, "%skey%u=value%u", i ? "," : "", i, i));
	return long_text;
}

static const char *value(const otel_context *context, const char *key)
{
	static char text[4097];

	return otel_baggage_get(context, key, text, sizeof(text)) < 0 ? "-" : text;
}

/* Sets in place: the old context is given back. */
static void set(otel_context *context, const char *key, const char *text)
{
	otel_context next = otel_context_with_baggage(*context, key, text);

	otel_context_release(context);
	*context = next;
}

static int collect(void *data, const char *key, const char *text, const char *metadata)
{
	sprintf((char *)data + strlen(data), "[%s|%s|%s]", key, text, metadata);
	return 0;
}

static int stop(void *data, const char *key, const char *text, const char *metadata)
{
	(void)text;
	(void)metadata;
	++*(int *)data;
	return !strcmp(key, "b") ? 7 : 0;
}

static void headers_are_read_by_the_grammar(void **state)
{
	static const struct {
		const char *header, *expected; /* NULL: as it came */
	} cases[] = {
		{"key1=val1,key2=val2", NULL},
		{"", "-"},
		{" ", "-"},
		{",, ,", "-"},
		{"key1 =   val1,  key2 =val2   ", "key1=val1,key2=val2"},
		{"\tkey1\t=\tval1\t,\tkey2=val2", "key1=val1,key2=val2"},
		{"key1=val1,key2=val2;prop=1;prop2;prop3=2", NULL},
		{"key1 = val1 ; prop = 1 ; prop2 , key2=", "key1=val1;prop=1;prop2,key2="},
		{"key1=val1,key2=val2%3Aval3,key3=val4%40%23%24val5", NULL},
		{"key1=,key2=val2", NULL},
		{"key1=a=b=c", NULL},
		{"key1=a;p=x=y", NULL},
		/* One malformed member is left out alone. */
		{"key1=val1,key2=val2,a,val3", "key1=val1,key2=val2"},
		{"header1", "-"},
		{" = ", "-"},
		{"=x,a=1", "a=1"},
		{"a b=1,c=2", "c=2"},
		{"a=1 2,c=2", "c=2"},
		{"a=\"1\",c=2", "c=2"},
		{"a=1\\,c=2", "c=2"},
		{"a(=1,c=2", "c=2"},
		{"a=1;,c=2", "c=2"},
		{"a=1;=2,c=2", "c=2"},
		{"a=1;p=x y,c=2", "c=2"},
		{"key1=val1,key2=test\xc3\xa9", "key1=val1"},
		{"a=\x7f,b=\x01,c=2", "c=2"},
		{"!#$%&'*+-.^_`|~0aA=1", NULL},
		/* The last of a key counts. */
		{"a=1,b=2,a=3", "b=2,a=3"},
		{"a=1,a=2", "a=2"},
		{"aa=1,a=2,aa=3,a=4", "aa=3,a=4"},
		{"a=1,a=2;", "a=1"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *expected = cases[i].expected ? cases[i].expected : cases[i].header;
		const char *seen = through(cases[i].header);

		if (strcmp(seen, expected))
			fprintf(stderr, "\"%s\": \"%s\"\n", cases[i].header, seen);
		assert_string_equal(seen, expected);
	}
}

static void several_headers_are_one_list(void **state)
{
	otel_context context = EXTRACT("Baggage: a=1", "baggage: ", "BAGGAGE: b=2,a=3");

	(void)state;
	assert_string_equal(sent(&context, "baggage"), "b=2,a=3");
	assert_int_equal(otel_baggage_count(&context), 2);
	otel_context_release(&context);
}

static void values_are_percent_encoded_on_the_way(void **state)
{
	static const struct {
		const char *header, *key, *value;
	} read[] = {
		{"key2=val2%3Aval3,key3=val4%40%23%24val5", "key2", "val2:val3"},
		{"key2=val2%3Aval3,key3=val4%40%23%24val5", "key3", "val4@#$val5"},
		{"key2=val2;prop=1;prop2", "key2", "val2"},
		{"keykey=value%5Evalue", "keykey", "value^value"},
		{"key%23key=value%23value", "key#key", "value#value"},
		{"a=%e2%82%AC", "a", "\xe2\x82\xac"},
		{"a=1%2", "a", "1%2"},
		{"a=%", "a", "%"},
		{"a=%zz%4", "a", "%zz%4"},
		{"a=a+b", "a", "a+b"},
		/* What is no UTF-8, or ends a string in C. */
		{"a=%ff", "a", "\xef\xbf\xbd"},
		{"a=x%c3", "a", "x\xef\xbf\xbd"},
		{"a=%ed%a0%80y", "a", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdy"},
		{"a=%c0%80", "a", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"a=%f4%90%80%80", "a", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"a=%F0%9F%98%80", "a", "\xf0\x9f\x98\x80"},
		{"a=%00b", "a", "\xef\xbf\xbd" "b"},
	};
	static const struct {
		const char *key, *value, *header;
	} written[] = {
		{"key", "val ue", "key=val%20ue"},
		{"key2", "val3=4", "key2=val3%3D4"},
		{"key1", "val1,val2", "key1=val1%2Cval2"},
		{"key/key", "value/value", "key%2Fkey=value%2Fvalue"},
		{"key key", "value value", "key%20key=value%20value"},
		{"a", "", "a="},
		{"a", NULL, "a="},
		{"a%", "100%", "a%25=100%25"},
		{"\xc3\xa4", "+\xe2\x82\xac;\"\\", "%C3%A4=%2B%E2%82%AC%3B%22%5C"},
		{"user!id|x", "a_b-c.d~e", "user!id|x=a_b-c.d~e"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(read) / sizeof(*read); i++) {
		char line[256];
		otel_context context;

		snprintf(line, sizeof(line), "baggage: %s", read[i].header);
		context = EXTRACT(line);
		if (strcmp(value(&context, read[i].key), read[i].value))
			fprintf(stderr, "%s\n", read[i].header);
		assert_string_equal(value(&context, read[i].key), read[i].value);
		otel_context_release(&context);
	}
	for (unsigned i = 0; i < sizeof(written) / sizeof(*written); i++) {
		otel_context context = {.state = 0};

		set(&context, written[i].key, written[i].value);
		assert_string_equal(sent(&context, "baggage"), written[i].header);
		assert_string_equal(value(&context, written[i].key), written[i].value ? written[i].value : "");
		otel_context_release(&context);
	}
}

static void a_member_can_be_set_changed_and_removed(void **state)
{
	otel_context context = {.state = 0}, other;

	(void)state;
	assert_int_equal(otel_baggage_count(&context), 0);
	assert_string_equal(value(&context, "test"), "-");
	set(&context, "test", "value");
	assert_string_equal(value(&context, "test"), "value");
	set(&context, "test2", "value2");
	assert_int_equal(otel_baggage_count(&context), 2);
	other = otel_context_with_baggage(context, "test", "other");
	assert_string_equal(value(&other, "test"), "other");
	assert_string_equal(value(&context, "test"), "value");
	otel_context_release(&other);
	other = otel_context_without_baggage(context, "test");
	assert_string_equal(value(&other, "test"), "-");
	assert_string_equal(value(&other, "test2"), "value2");
	otel_context_release(&other);
	other = otel_context_without_baggage(context, "none");
	assert_int_equal(otel_baggage_count(&other), 2);
	otel_context_release(&other);
	other = otel_context_without_baggage(context, NULL);
	assert_int_equal(otel_baggage_count(&other), 0);
	assert_string_equal(sent(&other, "baggage"), "-");
	otel_context_release(&other);
	assert_int_equal(otel_baggage_count(&context), 2);
	otel_context_release(&context);
	assert_int_equal(otel_baggage_count(&context), 0);
}

static void a_key_is_found_however_it_was_encoded(void **state)
{
	otel_context context = EXTRACT("baggage: a%2fb=1,c=2,a%2Fb=2");

	(void)state;
	set(&context, "a/b", "3");
	assert_string_equal(sent(&context, "baggage"), "c=2,a%2Fb=3");
	otel_context_release(&context);
}

static void what_is_malformed_or_has_no_room_changes_nothing(void **state)
{
	otel_context context = EXTRACT("baggage: a=1");

	(void)state;
	set(&context, "", "x");
	set(&context, NULL, "x");
	memset(long_text, 's', 4095);
	long_text[4095] = 0;
	set(&context, "b", long_text); /* 4097 bytes */
	memset(long_text, ' ', 2000);
	long_text[2000] = 0;
	set(&context, "b", long_text);
	set(&context, long_text, "b");
	assert_string_equal(sent(&context, "baggage"), "a=1");
	otel_context_release(&context);
}

static void a_member_may_have_4096_bytes_and_all_of_them_8192(void **state)
{
	otel_context context = {.state = 0};

	(void)state;
	memset(long_text, 's', 4094);
	long_text[4094] = 0;
	set(&context, "a", long_text);
	assert_int_equal(strlen(sent(&context, "baggage")), 4096);
	assert_int_equal(strlen(value(&context, "a")), 4094);
	long_text[4093] = 0;
	set(&context, "b", long_text);
	assert_int_equal(strlen(sent(&context, "baggage")), 8192);
	set(&context, "c", "");
	assert_int_equal(otel_baggage_count(&context), 2);
	set(&context, "b", "x");
	set(&context, "c", "");
	assert_int_equal(otel_baggage_count(&context), 3);
	otel_context_release(&context);
}

static void a_member_that_is_too_long_is_left_out_alone(void **state)
{
	static char header[20100];

	(void)state;
	memset(long_text, 's', 4097);
	long_text[4097] = 0;
	snprintf(header, sizeof(header), "key1=value1,key2=%s,key3=value3", long_text);
	assert_string_equal(through(header), "key1=value1,key3=value3");
	memset(long_text, 's', 8193);
	long_text[8193] = 0;
	snprintf(header, sizeof(header), "key1=%s", long_text);
	assert_string_equal(through(header), "-");
}

static void of_too_many_members_the_first_180_stay(void **state)
{
	char other[5000] = "key2=value";
	otel_context context = {.state = 0};
	const char *seen = through(numbered(181, 999, ""));

	(void)state;
	assert_non_null(strstr(seen, ",key179=value179"));
	assert_null(strstr(seen, "key180="));
	memset(other + 10, 's', 4097);
	seen = through(numbered(181, 2, other));
	assert_non_null(strstr(seen, ",key180=value180"));
	assert_null(strstr(seen, "key2="));
	seen = through(numbered(181, 2, "key2xvalue2"));
	assert_non_null(strstr(seen, ",key180=value180"));
	for (unsigned i = 0; i < 190; i++) {
		char key[16];

		snprintf(key, sizeof(key), "key%u", i);
		set(&context, key, "val");
	}
	assert_int_equal(otel_baggage_count(&context), 180);
	assert_string_equal(value(&context, "key180"), "-");
	set(&context, "key7", "other");
	assert_string_equal(value(&context, "key7"), "other");
	otel_context_release(&context);
}

static void of_too_long_a_list_the_first_members_stay(void **state)
{
	size_t size = 0;
	const char *seen;

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		size += (size_t)sprintf(long_text + size, "%sk%03u=", i ? "," : "", i);
		memset(long_text + size, 'v', 200);
		size += 200;
	}
	long_text[size] = 0;
	seen = through(long_text);
	assert_true(strlen(seen) <= 8192);
	assert_memory_equal(seen, long_text, strlen(seen));
	assert_int_equal(strlen(seen), 8192 / 206 * 206 - 1);
}

static void members_can_be_visited(void **state)
{
	otel_context context = EXTRACT("baggage: a=%201;p=1;q,b=,c=3");
	char seen[256] = "";
	int visited = 0;

	(void)state;
	assert_int_equal(otel_baggage_each(&context, collect, seen), 0);
	assert_string_equal(seen, "[a| 1|p=1;q][b||][c|3|]");
	assert_int_equal(otel_baggage_each(&context, stop, &visited), 7);
	assert_int_equal(visited, 2);
	otel_context_release(&context);
}

static void metadata_stands_behind_the_value(void **state)
{
	otel_context context = {.state = 0};
	otel_context next = otel_context_with_baggage_metadata(context, "a", "1", "ttl = 30 ; secret");

	(void)state;
	assert_string_equal(sent(&next, "baggage"), "a=1;ttl=30;secret");
	context = otel_context_with_baggage_metadata(next, "a", "2", "not ok,");
	assert_string_equal(sent(&context, "baggage"), "a=1;ttl=30;secret");
	otel_context_release(&context);
	otel_context_release(&next);
}

static void the_baggage_of_the_current_context_goes_with_it(void **state)
{
	otel_context none = {.state = 0}, context = otel_context_with_baggage(none, "test", "value");

	(void)state;
	assert_string_equal(value(NULL, "test"), "-");
	for (int attached = 0; attached < 2; attached++) {
		attach(attached);
		OTEL_USE(context);
		assert_string_equal(value(NULL, "test"), "value");
		{
			OTEL_SPAN(span, &tracer, "span");
			otel_context inner = otel_context_of(span), more;

			assert_int_equal(otel_is_valid(&inner), attached);
			assert_string_equal(value(NULL, "test"), "value");
			assert_string_equal(value(&inner, "test"), "value");
			more = otel_context_with_baggage(inner, "more", "1");
			{
				OTEL_USE(more);
				assert_string_equal(value(NULL, "more"), "1");
				assert_int_equal(otel_baggage_count(NULL), 2);
				assert_int_equal(otel_is_recording(otel_current()), attached);
			}
			assert_string_equal(value(NULL, "more"), "-");
			otel_context_release(&more);
			otel_context_release(&inner);
		}
	}
	assert_string_equal(value(NULL, "test"), "-");
	otel_context_release(&context);
}

static void a_handle_that_outlived_its_text_finds_nothing(void **state)
{
	otel_context context = EXTRACT("traceparent: " TRACEPARENT, "baggage: a=1", "tracestate: a=1");
	otel_context copy = context, other;

	(void)state;
	otel_context_release(&context);
	assert_string_equal(value(&copy, "a"), "-");
	other = EXTRACT("traceparent: " TRACEPARENT, "baggage: b=1", "tracestate: b=1");
	assert_string_equal(value(&copy, "a"), "-");
	assert_string_equal(sent(&copy, "tracestate"), "-");
	otel_context_release(&copy);
	assert_string_equal(value(&other, "b"), "1");
	otel_context_release(&other);
	otel_context_release(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(headers_are_read_by_the_grammar),
		TEST(several_headers_are_one_list),
		TEST(values_are_percent_encoded_on_the_way),
		TEST(a_member_can_be_set_changed_and_removed),
		TEST(a_key_is_found_however_it_was_encoded),
		TEST(what_is_malformed_or_has_no_room_changes_nothing),
		TEST(a_member_may_have_4096_bytes_and_all_of_them_8192),
		TEST(a_member_that_is_too_long_is_left_out_alone),
		TEST(of_too_many_members_the_first_180_stay),
		TEST(of_too_long_a_list_the_first_members_stay),
		TEST(members_can_be_visited),
		TEST(metadata_stands_behind_the_value),
		TEST(the_baggage_of_the_current_context_goes_with_it),
		TEST(a_handle_that_outlived_its_text_finds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
