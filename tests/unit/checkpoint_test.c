/* SPDX-License-Identifier: Apache-2.0 */
/* What one agent has taken and not finished, another one goes on with, as if there had been one. */
#include <errno.h>

#include "hash.h"
#include "fixture.h"

/* The intake of another agent, that goes on where this one is. */
static void restart(void)
{
	const struct intake_options options = {
		.max_open = 100,
		.sink = {.submit = collect_span, .self = &out},
	};
	struct intake *next = intake_new(&options);
	struct blob state = {0};
	uint64_t open;

	assert_non_null(next);
	assert_int_equal(intake_save(intake, &state), 0);
	assert_int_equal(intake_load(next, blob_bytes(&state), NOW, &open), 0);
	blob_free(&state);
	assert_int_equal(books_difference(counted().books), 0);
	intake_free(intake);
	intake = next;
}

static void empty(void)
{
	intake_free(intake);
	collected_free(&out);
	intake = collect_new(&out, 100);
	producer_init(&one, 1);
	producer_init(&two, 2);
}

/* ---- One that has everything, cut everywhere ------------------------------------------------ */

static void put(struct producer *p, int step)
{
	static const char large[3000] = {[0 ... 2998] = 'x'};
	uint8_t fields[256], *end = encode_text(fields, 3, "key", "of the event");
	static const uint8_t link[] = "\x0a\x10"
				      "abcdefghijklmnop\x12\x08"
				      "01234567";
	struct start_options options = {
		.time = NOW + 1,
		.scope = "kitchen",
		.tracestate = "a=1,b=2",
		.kind = SPAN_SERVER,
		.parent = 7,
		.record_flags = OTEL_RECORD_COUNTED,
	};

	switch (step) {
	case 0:
		producer_start(p, SPAN, "POST /order", &options);
		break;
	case 1:
		producer_text(p, SPAN, OTEL_RECORD_COUNTED, 0, "user", "me");
		break;
	case 2:
		producer_event(p, SPAN, OTEL_RECORD_COUNTED, NOW + 5, "first", fields,
			       (size_t)(end - fields));
		break;
	case 3:
		producer_text(&two, SPAN, 0, NOW + 7, "other", "thread");
		producer_event(&two, SPAN, 0, NOW + 4, "of another thread", NULL, 0);
		producer_flush(&two, intake);
		break;
	case 4:
		producer_put(p, OTEL_RECORD_LINK, OTEL_RECORD_COUNTED, SPAN, NULL, 0, link,
			     sizeof(link) - 1);
		break;
	case 5:
		producer_put(p, OTEL_RECORD_NAME, OTEL_RECORD_MORE, SPAN, NULL, 0, large,
			     sizeof(large) - 1);
		break;
	case 6:
		producer_put(p, OTEL_RECORD_NAME, OTEL_RECORD_CONTINUED, SPAN, NULL, 0, "end", 3);
		break;
	case 7:
		producer_status(p, SPAN, 0, 2, 0, "burnt");
		break;
	case 8:
		producer_error(p, SPAN, NOW + 9, ENOENT);
		break;
	case 9:
		producer_text(p, SPAN, OTEL_RECORD_COUNTED, 0, "user", "again");
		break;
	case 10:
		producer_end(p, SPAN, NOW + 100, 2, 2, 1, OTEL_END_SHARED);
		break;
	case 11:
		producer_text(&two, SPAN, 0, NOW + 50, "late", "but in time");
		producer_flush(&two, intake);
		break;
	default:
		intake_tick(intake, NOW + 2 * SECOND);
		return;
	}
	producer_flush(p, intake);
}

#define STEPS 13

/* @cut: before which step the agent is restarted; -1: never; STEPS: before each. */
static struct span *made(int cut)
{
	struct span *span;

	empty();
	for (int step = 0; step < STEPS; step++) {
		if (step == cut || cut == STEPS)
			restart();
		put(&one, step);
	}
	span = span_ref(out.spans[0]);
	assert_int_equal(out.n, 1);
	assert_int_equal(counted().records_orphaned, 0);
	return span;
}

static void assert_same(struct bytes a, struct bytes b)
{
	assert_int_equal(a.size, b.size);
	if (a.size)
		assert_memory_equal(a.data, b.data, a.size);
}

static void a_span_is_the_same_wherever_the_agent_was_restarted(void **state)
{
	struct span *whole = made(-1);

	(void)state;
	assert_int_equal(count_fields(whole->events, 11), 3);
	assert_int_equal(count_fields(whole->links, 13), 1);
	assert_int_equal(whole->name.size, 3002);
	assert_text(text_attribute(whole->attributes, 9, "late"), "but in time");
	for (int cut = 0; cut <= STEPS; cut++) {
		struct span *span = made(cut);

		assert_same(span->name, whole->name);
		assert_same(span->tracestate, whole->tracestate);
		assert_same(span->status_message, whole->status_message);
		assert_same(span->attributes, whole->attributes);
		assert_int_equal(span->events.size, whole->events.size);
		assert_same(span->links, whole->links);
		assert_same(span->scope->encoded, whole->scope->encoded);
		assert_memory_equal(span->trace_id, whole->trace_id, 16);
		assert_memory_equal(span->parent_id, whole->parent_id, 8);
		assert_int_equal(span->end_unix_nano - span->start_unix_nano,
				 whole->end_unix_nano - whole->start_unix_nano);
		assert_int_equal(span->flags, whole->flags);
		assert_int_equal(span->kind, whole->kind);
		assert_int_equal(span->status, whole->status);
		assert_int_equal(span->dropped_attributes, 0);
		assert_int_equal(span->dropped_events, 0);
		assert_int_equal(span->dropped_links, 0);
		span_unref(span);
	}
	span_unref(whole);
}

/* ---- Streams and processes ------------------------------------------------------------------ */

static void what_was_seen_before_is_known_after_a_restart(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_look(&one, intake);
	assert_int_equal(out.n, 1);
	restart();
	producer_flush(&one, intake);
	assert_int_equal(out.n, 1);
	assert_int_equal(counted().books[BOOK_STARTED], 0);
	assert_int_equal(counted().duplicates, 1);
}

static void what_is_lost_between_two_agents_is_counted_by_the_second(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	restart();
	producer_start(&one, SPAN + 1, "lost", NULL);
	producer_empty(&one);
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(counted().books[BOOK_NOT_HANDED_OVER], 1);
	assert_true(is_true(only()->attributes, "otelbpf.incomplete"));
}

static void a_process_is_who_it_was(void **state)
{
	struct event_exit killed = {.status = 9};
	const struct span *first, *second;

	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_start(&one, SPAN + 1, "open", NULL);
	producer_flush(&one, intake);
	restart();
	producer_life(&one, intake, EVENT_EXIT, &killed, sizeof(killed));
	assert_int_equal(out.n, 2);
	first = out.spans[0];
	second = out.spans[1];
	assert_same(first->resource->encoded, second->resource->encoded);
	assert_true(is_true(second->attributes, "otelbpf.cut_short"));
}

static void a_start_in_pieces_is_in_the_books_of_both_agents(void **state)
{
	static const char half[] = "half of something";

	(void)state;
	producer_put(&one, OTEL_RECORD_START, OTEL_RECORD_MORE, SPAN, NULL, 0, half, sizeof(half));
	one.header.started++;
	producer_flush(&one, intake);
	restart();
	assert_int_equal(counted().books[BOOK_STARTED], 1);
}

/* ---- What cannot be taken ------------------------------------------------------------------- */

static int load(const struct blob *state, size_t size)
{
	struct collected unused;
	struct intake *next = collect_new(&unused, 100);
	uint8_t *exact = malloc(size + 1);
	uint64_t open;
	int err;

	memcpy(exact, state->data, size);
	err = intake_load(next, (struct bytes){exact, size}, NOW, &open);
	intake_free(next);
	free(exact);
	return err;
}

static void a_checkpoint_that_is_damaged_or_cut_off_is_refused(void **state)
{
	struct blob saved = {0};

	(void)state;
	for (int step = 0; step < 9; step++)
		put(&one, step);
	assert_int_equal(intake_save(intake, &saved), 0);
	assert_int_equal(load(&saved, saved.size), 0);
	for (size_t size = 0; size < saved.size; size++)
		assert_int_equal(load(&saved, size), -EBADMSG);
	for (size_t at = 0; at < saved.size; at++) {
		saved.data[at] ^= 1;
		assert_int_equal(load(&saved, saved.size),
				 at >= 4 && at < 8 ? -EPROTONOSUPPORT : -EBADMSG);
		saved.data[at] ^= 1;
	}
	blob_free(&saved);
}

/* With the right checksum: whatever it is, nothing is read that is not there. */
static void a_checkpoint_that_says_what_cannot_be_is_refused_or_harmless(void **state)
{
	struct blob saved = {0};
	uint64_t checksum;

	(void)state;
	for (int step = 0; step < 9; step++)
		put(&one, step);
	assert_int_equal(intake_save(intake, &saved), 0);
	for (size_t at = 24; at < saved.size; at++) {
		for (int bit = 0; bit < 8; bit += 7) {
			saved.data[at] ^= (uint8_t)(1 << bit);
			checksum = hash_bytes(1, saved.data + 24, saved.size - 24);
			memcpy(saved.data + 16, &checksum, sizeof(checksum));
			(void)load(&saved, saved.size);
			saved.data[at] ^= (uint8_t)(1 << bit);
		}
	}
	blob_free(&saved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_span_is_the_same_wherever_the_agent_was_restarted),
		TEST(what_was_seen_before_is_known_after_a_restart),
		TEST(what_is_lost_between_two_agents_is_counted_by_the_second),
		TEST(a_process_is_who_it_was),
		TEST(a_start_in_pieces_is_in_the_books_of_both_agents),
		TEST(a_checkpoint_that_is_damaged_or_cut_off_is_refused),
		TEST(a_checkpoint_that_says_what_cannot_be_is_refused_or_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
