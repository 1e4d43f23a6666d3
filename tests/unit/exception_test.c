/* SPDX-License-Identifier: Apache-2.0 */
/* Exceptions that leave a span: the kernel knows the type, the span's records that there was one.
 */
#include "fixture.h"

static const char *status_of(const struct span *span, char *text)
{
	snprintf(text, 256, "%.*s", (int)span->status_message.size,
		 (const char *)span->status_message.data);
	return text;
}

/* The value of a text attribute of the event @index; "": it has none; NULL: there is no such event.
 */
static const char *event_text(const struct span *span, unsigned index, const char *key, char *text)
{
	struct wire_reader events = wire_reader(span->events);
	struct wire_field event, field;

	do
		if (wire_next(&events, &event) <= 0)
			return NULL;
	while (index--);
	text[0] = '\0';
	for (struct wire_reader reader = wire_reader(event.bytes);
	     wire_next(&reader, &field) > 0;) {
		const char *at = (const char *)field.bytes.data + 2;
		size_t size = strlen(key);

		/* The key, then an AnyValue with a string, each behind its tag and size. */
		if (field.number == 3 && field.bytes.data[1] == size && !memcmp(at, key, size) &&
		    at[size + 2] == (1 << 3 | 2))
			snprintf(text, 256, "%.*s", at[size + 3], at + size + 4);
	}
	return text;
}

/* What trace.hpp writes when an exception leaves a span. */
static void escape(struct producer *p, uint64_t span, bool timed)
{
	uint8_t escaped[64], *end = escaped;

	end = wire_put_header(end, 3, wire_bytes_size(1, 17) + wire_bytes_size(2, 2));
	end = wire_put_bytes(end, 1, "exception.escaped", 17);
	end = wire_put_bytes(end, 2, "\x10\x01", 2); /* true */
	producer_event(p, span, OTEL_RECORD_COUNTED, NOW + 5, "exception", escaped,
		       (size_t)(end - escaped));
	producer_status(p, span, timed ? NOW + 6 : 0, SPAN_ERROR, OTEL_STATUS_BY_HELPER, "");
	p->header.reason = OTEL_FLUSH_UNWOUND;
	p->header.uncaught = 1;
}

static int thrown(struct producer *p, const char *text)
{
	struct event_exception it = {
		.buffer_id = p->header.buffer_id,
		.position = p->header.position,
		.type = 1,
		.name = 1,
		.size = (uint32_t)strlen(text),
	};

	memcpy(it.text, text, strlen(text));
	return producer_life(p, intake, EVENT_EXCEPTION, &it, sizeof(it));
}

static void end(struct producer *p, uint64_t span, uint32_t events)
{
	producer_end(p, span, NOW + 9, 0, events, 0, 0);
	producer_flush(p, intake);
}

static void assert_left_by(const struct span *span, const char *type)
{
	char text[256];

	assert_int_equal(span->status, SPAN_ERROR);
	assert_string_equal(status_of(span, text), type);
	assert_string_equal(event_text(span, 0, "exception.type", text), type);
	assert_null(event_text(span, 1, "", text));
}

static void the_type_comes_to_the_span_that_the_exception_leaves(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "outer", NULL);
	producer_start(&one, SPAN + 1, "inner", NULL);
	escape(&one, SPAN + 1, false);
	assert_int_equal(thrown(&one, "N4shop12no_such_dishE"), 0);
	producer_flush(&one, intake);
	end(&one, SPAN + 1, 1);
	assert_left_by(only(), "shop::no_such_dish");
	end(&one, SPAN, 0);
	assert_int_equal(out.n, 2);
	assert_int_equal(out.spans[1]->status, SPAN_UNSET);
	assert_int_equal(out.spans[1]->events.size, 0);
}

static void the_type_of_another_flush_is_not_taken(void **state)
{
	char text[256];

	(void)state;
	/* Its own flush did not come. */
	thrown(&one, "i");
	producer_start(&one, SPAN, "a", NULL);
	producer_empty(&one);
	producer_start(&one, SPAN + 1, "b", NULL);
	escape(&one, SPAN + 1, false);
	producer_flush(&one, intake);
	end(&one, SPAN + 1, 1);
	assert_string_equal(event_text(only(), 0, "exception.type", text), "");
	assert_string_equal(status_of(only(), text), "");
	/* Nor that of another buffer, nor of a flush that is none of an exception. */
	producer_start(&one, SPAN + 2, "c", NULL);
	escape(&one, SPAN + 2, false);
	thrown(&two, "i");
	producer_flush(&one, intake);
	end(&one, SPAN + 2, 1);
	producer_start(&one, SPAN + 3, "d", NULL);
	escape(&one, SPAN + 3, false);
	one.header.reason = OTEL_FLUSH_OLD;
	thrown(&one, "i");
	producer_flush(&one, intake);
	end(&one, SPAN + 3, 1);
	assert_int_equal(out.n, 3);
	for (int i = 1; i < 3; i++) {
		assert_string_equal(event_text(out.spans[i], 0, "exception.type", text), "");
		assert_string_equal(status_of(out.spans[i], text), "");
	}
}

static void a_look_just_before_the_flush_takes_nothing_away(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	escape(&one, SPAN, false);
	producer_look(&one, intake);
	thrown(&one, "i");
	producer_flush(&one, intake);
	end(&one, SPAN, 1);
	assert_left_by(only(), "int");
}

static void a_span_of_another_thread_gets_it_in_the_order_of_time(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	escape(&two, SPAN, true);
	thrown(&two, "St9bad_alloc");
	producer_flush(&two, intake);
	producer_end(&two, SPAN, NOW + 9, 0, 1, 0, OTEL_END_SHARED);
	producer_flush(&two, intake);
	intake_tick(intake, NOW + 10 * SECOND);
	assert_left_by(only(), "std::bad_alloc");
}

static void what_the_application_says_itself_stays(void **state)
{
	char text[256];
	uint8_t type[64], *behind = encode_text(type, 3, "exception.type", "mine");

	(void)state;
	behind = wire_put_header(behind, 3, wire_bytes_size(1, 17) + wire_bytes_size(2, 2));
	behind = wire_put_bytes(behind, 1, "exception.escaped", 17);
	behind = wire_put_bytes(behind, 2, "\x10\x01", 2);
	producer_start(&one, SPAN, "a", NULL);
	producer_event(&one, SPAN, OTEL_RECORD_COUNTED, NOW + 5, "exception", type,
		       (size_t)(behind - type));
	producer_status(&one, SPAN, 0, SPAN_ERROR, OTEL_STATUS_BY_HAND, "");
	one.header.reason = OTEL_FLUSH_UNWOUND;
	thrown(&one, "i");
	producer_flush(&one, intake);
	end(&one, SPAN, 1);
	assert_string_equal(event_text(only(), 0, "exception.type", text), "mine");
	assert_string_equal(status_of(only(), text), "");
}

static void events_that_make_no_sense_change_nothing(void **state)
{
	struct event_exception it = {.buffer_id = 1, .size = UINT32_MAX, .name = 1, .type = 1};
	char text[256];

	(void)state;
	assert_int_equal(producer_life(&one, intake, EVENT_EXCEPTION, &it, sizeof(it) - 1),
			 -EBADMSG);
	producer_start(&one, SPAN, "a", NULL);
	escape(&one, SPAN, false);
	producer_life(&one, intake, EVENT_EXCEPTION, &it, sizeof(it));
	it.size = 0;
	it.name = 0;
	producer_life(&one, intake, EVENT_EXCEPTION, &it, sizeof(it));
	producer_flush(&one, intake);
	/* A flush of an exception without a record. */
	thrown(&one, "i");
	producer_flush(&one, intake);
	end(&one, SPAN, 1);
	assert_string_equal(event_text(only(), 0, "exception.type", text), "");
}

static int read_text(void *self, const struct process_id *process, uint64_t at, uint64_t address,
		     char *text, size_t room)
{
	(void)self;
	if (address != 0x1000 || at != NOW || process->pid != app.pid)
		return -ENOENT;
	snprintf(text, room, "*N4shop12no_such_dishE");
	return 0;
}

static void a_name_that_was_not_in_memory_is_asked_for(void **state)
{
	const struct intake_options options = {
		.max_open = 100,
		.sink = {.submit = collect_span, .self = &out},
		.texts = {.read = read_text},
	};
	struct event_exception it = {.buffer_id = 1, .type = 1, .name = 0x1000};

	(void)state;
	intake_free(intake);
	intake = intake_new(&options);
	assert_non_null(intake);
	producer_start(&one, SPAN, "a", NULL);
	escape(&one, SPAN, false);
	producer_life(&one, intake, EVENT_EXCEPTION, &it, sizeof(it));
	producer_flush(&one, intake);
	end(&one, SPAN, 1);
	assert_left_by(only(), "shop::no_such_dish");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_type_comes_to_the_span_that_the_exception_leaves),
		TEST(the_type_of_another_flush_is_not_taken),
		TEST(a_look_just_before_the_flush_takes_nothing_away),
		TEST(a_span_of_another_thread_gets_it_in_the_order_of_time),
		TEST(what_the_application_says_itself_stays),
		TEST(events_that_make_no_sense_change_nothing),
		TEST(a_name_that_was_not_in_memory_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
