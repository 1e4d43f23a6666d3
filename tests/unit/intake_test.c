/* SPDX-License-Identifier: Apache-2.0 */
/* Flushes: what was seen, what is missing, what comes in pieces, and the books. */
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

static void span_of(struct producer *p, uint64_t id)
{
	producer_start(p, id, "a", NULL);
	producer_end(p, id, NOW + 1, 0, 0, 0, 0);
}

/* ---- Positions ------------------------------------------------------------------------------ */

static void the_same_bytes_twice_are_one_span(void **state)
{
	(void)state;
	span_of(&one, SPAN);
	producer_look(&one, intake);
	producer_look(&one, intake);
	producer_flush(&one, intake);
	only();
	assert_int_equal(counted().duplicates, 2);
	assert_int_equal(counted().books[BOOK_STARTED], 1);
	assert_int_equal(counted().gap_bytes, 0);
	assert_int_equal(counted().books[BOOK_NOT_HANDED_OVER], 0);
}

static void only_the_new_part_of_an_overlap_counts(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_look(&one, intake);
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_start(&one, SPAN + 1, "b", NULL);
	producer_flush(&one, intake);
	producer_end(&one, SPAN + 1, NOW + 1, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(out.n, 2);
	assert_int_equal(counted().books[BOOK_STARTED], 2);
	assert_int_equal(counted().records_rejected, 0);
}

static void a_hole_is_counted_in_bytes(void **state)
{
	size_t size;

	(void)state;
	span_of(&one, SPAN);
	producer_flush(&one, intake);
	span_of(&one, SPAN + 1);
	size = one.size;
	producer_empty(&one);
	span_of(&one, SPAN + 2);
	producer_flush(&one, intake);
	assert_int_equal(out.n, 2);
	assert_int_equal(counted().gap_bytes, size);
	assert_int_equal(counted().books[BOOK_NOT_HANDED_OVER], 1);
}

static void an_agent_that_comes_late_misses_nothing(void **state)
{
	(void)state;
	span_of(&one, SPAN);
	producer_empty(&one);
	span_of(&one, SPAN + 1);
	one.header.not_sampled = 50;
	producer_flush(&one, intake);
	one.header.not_sampled = 53;
	producer_flush(&one, intake);
	only();
	assert_int_equal(counted().gap_bytes, 0);
	assert_int_equal(counted().books[BOOK_STARTED], 1);
	assert_int_equal(counted().books[BOOK_NOT_SAMPLED], 3);
	assert_int_equal(counted().books[BOOK_NOT_HANDED_OVER], 0);
}

static void what_was_not_sampled_before_us_is_not_ours_also_if_nothing_was_recorded(void **state)
{
	(void)state;
	one.header.not_sampled = 50;
	producer_flush(&one, intake);
	assert_int_equal(counted().books[BOOK_NOT_SAMPLED], 0);
	one.header.not_sampled = 53;
	producer_flush(&one, intake);
	assert_int_equal(counted().books[BOOK_NOT_SAMPLED], 3);
}

static void of_a_process_known_from_birth_the_first_bytes_are_missed(void **state)
{
	struct event_fork fork = {.parent = app};
	size_t size;

	(void)state;
	one.process.pid--;
	producer_life(&one, intake, EVENT_FORK, &fork, sizeof(fork));
	span_of(&one, SPAN);
	size = one.size;
	producer_empty(&one);
	span_of(&one, SPAN + 1);
	producer_flush(&one, intake);
	only();
	assert_int_equal(counted().gap_bytes, size);
	assert_int_equal(counted().books[BOOK_NOT_HANDED_OVER], 1);
}

static void an_impossible_position_is_no_hole(void **state)
{
	(void)state;
	span_of(&one, SPAN);
	producer_flush(&one, intake);
	one.header.position = UINT64_C(1) << 62;
	assert_int_equal(producer_flush(&one, intake), -EBADMSG);
	assert_int_equal(counted().gap_bytes, 0);
	one.header.position = UINT64_MAX - 7;
	assert_int_equal(producer_flush(&one, intake), -EBADMSG);
	assert_int_equal(counted().records_rejected, 2);
}

/* ---- The books ------------------------------------------------------------------------------ */

static void spans_lost_in_the_ring_are_counted_once(void **state)
{
	(void)state;
	span_of(&one, SPAN);
	producer_flush(&one, intake);
	for (uint64_t i = 1; i <= 3; i++)
		span_of(&one, SPAN + i);
	producer_lose(&one, LOSS_RING_FULL);
	span_of(&one, SPAN + 4);
	producer_flush(&one, intake);
	assert_int_equal(out.n, 2);
	assert_int_equal(counted().books[BOOK_STARTED], 5);
	assert_int_equal(counted().books[BOOK_NOT_HANDED_OVER], 3);
	producer_tell(&one, intake);
	assert_int_equal(counted().books[BOOK_STARTED], 5);
	assert_int_equal(counted().books[BOOK_RING_FULL], 3);
	assert_int_equal(counted().books[BOOK_NOT_HANDED_OVER], 0);
}

static void the_last_spans_of_a_thread_are_lost_with_a_note_only(void **state)
{
	(void)state;
	span_of(&one, SPAN);
	producer_flush(&one, intake);
	span_of(&one, SPAN + 1);
	one.header.not_sampled = 7;
	producer_lose(&one, LOSS_UNREADABLE);
	producer_tell(&one, intake);
	assert_int_equal(counted().books[BOOK_STARTED], 2);
	assert_int_equal(counted().books[BOOK_UNREADABLE], 1);
	assert_int_equal(counted().books[BOOK_NOT_SAMPLED], 7);
	assert_true(counted().gap_bytes > 0);
}

static void what_was_seen_before_it_was_lost_is_no_loss(void **state)
{
	(void)state;
	span_of(&one, SPAN);
	producer_look(&one, intake);
	span_of(&one, SPAN + 1);
	producer_lose(&one, LOSS_RING_FULL);
	producer_tell(&one, intake);
	assert_int_equal(out.n, 1);
	assert_int_equal(counted().books[BOOK_STARTED], 2);
	assert_int_equal(counted().books[BOOK_RING_FULL], 1);
}

static void the_first_flush_of_an_old_process_can_be_lost(void **state)
{
	(void)state;
	span_of(&one, SPAN);
	producer_empty(&one);
	span_of(&one, SPAN + 1);
	producer_lose(&one, LOSS_RING_FULL);
	span_of(&one, SPAN + 2);
	producer_flush(&one, intake);
	producer_tell(&one, intake);
	assert_int_equal(counted().books[BOOK_STARTED], 2);
	assert_int_equal(counted().books[BOOK_RING_FULL], 1);
}

static void losses_of_no_known_stream_are_counted_once(void **state)
{
	const struct loss_key key = {.process = app};

	(void)state;
	span_of(&one, SPAN);
	producer_flush(&one, intake);
	span_of(&one, SPAN + 1);
	producer_lose(&one, LOSS_RING_FULL);
	intake_lost(intake, &key, &one.note);
	one.noted = false;
	assert_int_equal(counted().books[BOOK_STARTED], 2);
	span_of(&one, SPAN + 2);
	producer_flush(&one, intake);
	assert_int_equal(counted().books[BOOK_STARTED], 3);
	assert_int_equal(counted().books[BOOK_RING_FULL], 1);
	assert_int_equal(counted().books[BOOK_NOT_HANDED_OVER], 0);
}

static void what_the_application_dropped_is_counted(void **state)
{
	(void)state;
	producer_flush(&one, intake); /* as new buffers do */
	span_of(&one, SPAN);
	one.header.dropped_starts = 4;
	one.header.dropped = 9;
	producer_flush(&one, intake);
	producer_flush(&one, intake);
	assert_int_equal(counted().books[BOOK_STARTED], 5);
	assert_int_equal(counted().books[BOOK_APPLICATION], 4);
}

static void made_up_counts_are_not_believed(void **state)
{
	(void)state;
	span_of(&one, SPAN);
	one.header.dropped_starts = UINT64_MAX;
	one.header.not_sampled = UINT64_MAX / 2;
	producer_flush(&one, intake);
	assert_int_equal(counted().books[BOOK_STARTED], 1);
	assert_int_equal(counted().books[BOOK_NOT_SAMPLED], 0);
}

/* ---- Malformed ------------------------------------------------------------------------------ */

static void a_bad_header_rejects_the_flush(void **state)
{
	struct otel_buffer good;

	(void)state;
	span_of(&one, SPAN);
	good = one.header;
	one.header.magic++;
	assert_int_equal(producer_look(&one, intake), -EBADMSG);
	one.header = good;
	one.header.version = 2;
	assert_int_equal(producer_look(&one, intake), -EBADMSG);
	one.header = good;
	one.header.header_size = 8;
	assert_int_equal(producer_look(&one, intake), -EBADMSG);
	one.header = good;
	one.header.header_size = 65535;
	assert_int_equal(producer_look(&one, intake), -EBADMSG);
	one.header = good;
	one.header.buffer_id = 0;
	assert_int_equal(producer_look(&one, intake), -EBADMSG);
	assert_int_equal(counted().records_rejected, 5);
	one.header = good;
	assert_int_equal(producer_flush(&one, intake), 0);
	only();
}

static void a_larger_header_is_read_by_its_size(void **state)
{
	uint8_t body[sizeof(struct otel_buffer) + 64 + 4096];

	(void)state;
	span_of(&one, SPAN);
	one.header.header_size = sizeof(struct otel_buffer) + 64;
	one.header.committed = (uint32_t)one.size;
	memset(body, 0xee, sizeof(body));
	memcpy(body, &one.header, sizeof(one.header));
	memcpy(body + one.header.header_size, producer_records(&one), one.size);
	producer_life(&one, intake, EVENT_FLUSH, body, one.header.header_size + one.size);
	only();
}

static void a_broken_size_drops_the_rest_of_the_flush_only(void **state)
{
	size_t at;
	uint32_t sizes[] = {0, 8, 17, 0xfffffff8};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		span_of(&one, SPAN + i * 10);
		at = one.size;
		span_of(&one, SPAN + i * 10 + 1);
		span_of(&one, SPAN + i * 10 + 2);
		memcpy(producer_records(&one) + at, &sizes[i], 4);
		producer_flush(&one, intake);
		span_of(&one, SPAN + i * 10 + 3);
		producer_flush(&one, intake);
		assert_int_equal(out.n, 2 * (i + 1));
		assert_int_equal(counted().records_rejected, i + 1);
		assert_int_equal(counted().books[BOOK_MALFORMED], 2 * (i + 1));
		assert_int_equal(counted().books[BOOK_STARTED], 4 * (i + 1));
	}
	assert_int_equal(counted().books[BOOK_NOT_HANDED_OVER], 0);
}

static void a_malformed_record_leaves_the_others_alone(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_put(&one, OTEL_RECORD_ATTRIBUTES, 0, SPAN, NULL, 0, "\x4a\x7f", 2);
	producer_put(&one, OTEL_RECORD_ATTRIBUTES, 0, SPAN, NULL, 0, "\x4d\0\0\0\0", 5);
	producer_put(&one, OTEL_RECORD_EVENT, OTEL_RECORD_TIMED, SPAN, NULL, 0, "123", 3);
	producer_put(&one, OTEL_RECORD_STATUS, 0, SPAN, NULL, 0, "1", 1);
	producer_put(&one, OTEL_RECORD_LINK, 0, SPAN, NULL, 0, "\x0a\x01x", 3);
	producer_put(&one, OTEL_RECORD_ERROR, 0, SPAN, NULL, 0, "", 0);
	producer_put(&one, OTEL_RECORD_NAME, 0, 0, NULL, 0, "no span", 7);
	producer_put(&one, OTEL_RECORD_END, 0, SPAN, NULL, 0, "", 0);
	producer_put(&one, OTEL_RECORD_START, 0, SPAN + 1, NULL, 0, "", 0);
	one.header.started++;
	producer_text(&one, SPAN, 0, 0, "k", "v");
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_text(text_attribute(only()->attributes, 9, "k"), "v");
	assert_int_equal(counted().records_rejected, 9);
	assert_int_equal(counted().books[BOOK_MALFORMED], 1);
	assert_int_equal(counted().books[BOOK_NOT_HANDED_OVER], 0);
}

static void unknown_kinds_are_skipped(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_put(&one, 200, 0xf0, SPAN, NULL, 0, "whatever", 8);
	producer_put(&one, OTEL_RECORD_STACK, 0, SPAN, NULL, 0, "12345678", 8);
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_flush(&one, intake);
	only();
	assert_int_equal(counted().records_rejected, 0);
	assert_int_equal(counted().records_orphaned, 0);
}

static void an_event_that_makes_no_sense_changes_nothing(void **state)
{
	uint8_t tiny[4] = {0};

	(void)state;
	assert_int_equal(intake_event(intake, tiny, sizeof(tiny)), -EBADMSG);
	assert_int_equal(producer_life(&one, intake, 77, NULL, 0), -EBADMSG);
	assert_int_equal(producer_life(&one, intake, EVENT_EXIT, NULL, 0), -EBADMSG);
	assert_int_equal(producer_life(&one, intake, EVENT_FORK, tiny, 4), -EBADMSG);
	assert_int_equal(producer_life(&one, intake, EVENT_EXEC, tiny, 4), -EBADMSG);
}

/* ---- Pieces --------------------------------------------------------------------------------- */

enum { MORE = OTEL_RECORD_MORE, CONTINUED = OTEL_RECORD_CONTINUED };

/* A record of one attribute "k" with a long value, in pieces of @piece bytes and several flushes.
 */
static void put_pieces(uint64_t span, size_t value_size, size_t piece)
{
	char *value = calloc(1, value_size + 1);
	uint8_t *field = malloc(value_size + 64), *end;
	size_t size, at;

	assert_non_null(value);
	assert_non_null(field);
	memset(value, 'v', value_size);
	end = encode_text(field, 9, "k", value);
	size = (size_t)(end - field);
	for (at = 0; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		uint8_t flags = (at ? CONTINUED : 0) | (at + n < size ? MORE : 0);

		producer_put(&one, OTEL_RECORD_ATTRIBUTES, flags | OTEL_RECORD_COUNTED, span, NULL,
			     0, field + at, n);
		if (one.size > 16000)
			producer_flush(&one, intake);
	}
	free(value);
	free(field);
}

static void a_value_in_pieces_is_put_together(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	put_pieces(SPAN, 1000000, 13001);
	producer_end(&one, SPAN, NOW + 1, 1, 0, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(text_attribute(only()->attributes, 9, "k").size, 1000000);
	assert_int_equal(counted().books[BOOK_INCOMPLETE], 0);
}

static void a_start_in_pieces_is_one_span(void **state)
{
	char name[5001];
	struct otel_record record;
	uint8_t whole[8192];
	size_t size;

	(void)state;
	memset(name, 'n', 5000);
	name[5000] = '\0';
	producer_start(&one, SPAN, name, NULL);
	memcpy(&record, producer_records(&one), sizeof(record));
	size = record.size - sizeof(record) - record.padding;
	memcpy(whole, producer_records(&one) + sizeof(record), size);
	one.size = 0;
	producer_put(&one, OTEL_RECORD_START, MORE, SPAN, NULL, 0, whole, 33);
	producer_flush(&one, intake);
	producer_put(&one, OTEL_RECORD_START, MORE | CONTINUED, SPAN, NULL, 0, whole + 33, 2000);
	producer_flush(&one, intake);
	producer_put(&one, OTEL_RECORD_START, CONTINUED, SPAN, NULL, 0, whole + 2033, size - 2033);
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_text(only()->name, name);
	assert_int_equal(counted().books[BOOK_STARTED], 1);
	assert_int_equal(counted().books[BOOK_NOT_HANDED_OVER], 0);
}

static void pieces_with_a_hole_are_dropped(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_put(&one, OTEL_RECORD_NAME, MORE, SPAN, NULL, 0, "b", 1);
	producer_flush(&one, intake);
	producer_put(&one, OTEL_RECORD_NAME, MORE | CONTINUED, SPAN, NULL, 0, "c", 1);
	producer_empty(&one);
	producer_put(&one, OTEL_RECORD_NAME, CONTINUED, SPAN, NULL, 0, "d", 1);
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_flush(&one, intake);
	intake_tick(intake, NOW + 2 * SECOND);
	assert_text(only()->name, "a");
	assert_true(is_true(only()->attributes, "otelbpf.incomplete"));
	assert_int_equal(counted().records_rejected, 0);
}

static void pieces_that_do_not_fit_are_dropped(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	/* Never continued. */
	producer_put(&one, OTEL_RECORD_NAME, MORE, SPAN, NULL, 0, "b", 1);
	/* Of another kind. */
	producer_put(&one, OTEL_RECORD_NAME, MORE, SPAN, NULL, 0, "b", 1);
	producer_put(&one, OTEL_RECORD_ATTRIBUTES, CONTINUED, SPAN, NULL, 0, "b", 1);
	/* Without a beginning, and the rest of that. */
	producer_put(&one, OTEL_RECORD_END, 0, SPAN + 9, NULL, 0, "", 0);
	producer_put(&one, OTEL_RECORD_NAME, CONTINUED | MORE, SPAN, NULL, 0, "c", 1);
	producer_put(&one, OTEL_RECORD_NAME, CONTINUED, SPAN, NULL, 0, "c", 1);
	producer_end(&one, SPAN, NOW + 1, 0, 0, 0, 0);
	producer_flush(&one, intake);
	assert_text(only()->name, "a");
	assert_int_equal(counted().records_rejected, 4);
}

static void a_start_that_is_never_whole_is_a_span_rejected(void **state)
{
	(void)state;
	producer_put(&one, OTEL_RECORD_START, MORE, SPAN, NULL, 0, "b", 1);
	one.header.started++;
	producer_flush(&one, intake);
	producer_put(&two, OTEL_RECORD_START, MORE, SPAN + 1, NULL, 0, "b", 1);
	producer_put(&two, OTEL_RECORD_NAME, 0, SPAN + 1, NULL, 0, "b", 1);
	two.header.started++;
	producer_flush(&two, intake);
	intake_finish(intake);
	assert_int_equal(out.n, 0);
	assert_int_equal(counted().books[BOOK_STARTED], 2);
	assert_int_equal(counted().books[BOOK_MALFORMED], 2);
}

static void a_value_that_is_too_large_is_dropped(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	put_pieces(SPAN, (size_t)17 << 20, 15000);
	producer_end(&one, SPAN, NOW + 1, 1, 0, 0, 0);
	producer_flush(&one, intake);
	intake_tick(intake, NOW + 2 * SECOND);
	assert_int_equal(text_attribute(only()->attributes, 9, "k").size, 0);
	assert_int_equal(only()->dropped_attributes, 1);
	assert_int_equal(counted().records_rejected, 1);
}

/* ---- Processes ------------------------------------------------------------------------------ */

static void an_exec_that_kills_ends_what_the_program_before_it_had_open(void **state)
{
	struct event_exit killed = {.status = SIGSEGV};

	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	one.process.execs++;
	producer_life(&one, intake, EVENT_EXIT, &killed, sizeof(killed));
	assert_text(only()->status_message, "process killed by SIGSEGV");
	assert_int_equal(intake_processes(intake), 0);
}

static void a_process_whose_end_nobody_saw_is_counted_and_its_spans_are_incomplete(void **state)
{
	struct process_id id = one.process;

	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	id.start_time++;
	assert_false(intake_vanished(intake, &id));
	id = one.process;
	id.execs = 0;
	assert_true(intake_vanished(intake, &id));
	assert_false(intake_vanished(intake, &id));
	assert_int_equal(counted().vanished, 1);
	assert_true(is_true(only()->attributes, "otelbpf.cut_short"));
	assert_true(is_true(only()->attributes, "otelbpf.incomplete"));
	assert_int_equal(only()->status, SPAN_UNSET);
}

static void an_exec_ends_what_the_program_before_it_had_open(void **state)
{
	static const uint8_t exec[sizeof(struct event_exec)];

	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	one.process.execs++;
	producer_life(&one, intake, EVENT_EXEC, exec, sizeof(exec));
	assert_true(is_true(only()->attributes, "otelbpf.cut_short"));
	assert_int_equal(only()->status, SPAN_UNSET);
	assert_int_equal(intake_processes(intake), 1);
}

static void a_pid_that_is_used_again_is_another_process(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	two.process.start_time++;
	producer_start(&two, SPAN, "b", NULL);
	producer_flush(&two, intake);
	assert_text(only()->name, "a");
	assert_int_equal(intake_processes(intake), 1);
	assert_int_equal(counted().books[BOOK_OPEN], 1);
}

static void what_was_read_of_a_dying_process_after_its_exit_counts(void **state)
{
	struct event_exit killed = {.status = 9};

	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	producer_look(&one, intake);
	producer_life(&one, intake, EVENT_EXIT, &killed, sizeof(killed));
	one.header.position = 0;
	one.size = 0;
	one.header.started = 0;
	producer_start(&one, SPAN, "a", NULL);
	span_of(&one, SPAN + 1);
	producer_start(&one, SPAN + 2, "c", NULL);
	producer_flush(&one, intake);
	assert_int_equal(out.n, 3);
	assert_int_equal(counted().books[BOOK_STARTED], 3);
	assert_text(out.spans[2]->status_message, "process killed by SIGKILL");
	assert_int_equal(intake_processes(intake), 0);
	intake_tick(intake, NOW + 10 * SECOND);
}

/* A child that is gone, of which no exit was told. */
static void a_process_whose_exit_was_lost_is_found_out(void **state)
{
	struct process_id id = {0};
	int pipes[2], status;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (!child) {
		char byte;

		close(pipes[1]);
		_exit(read(pipes[0], &byte, 1) < 0);
	}
	assert_true(child > 0);
	close(pipes[0]);
	id.pid = (uint32_t)child;
	id.start_time = start_time_of(child);
	one.process = id;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	intake_tick(intake, NOW + 31 * SECOND);
	assert_int_equal(intake_processes(intake), 1);
	close(pipes[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	intake_tick(intake, NOW + 62 * SECOND);
	assert_int_equal(intake_processes(intake), 0);
	assert_true(is_true(only()->attributes, "otelbpf.cut_short"));
	/* Those that /proc never knew may be in another namespace: nobody can tell. */
	span_of(&two, SPAN);
	producer_flush(&two, intake);
	intake_tick(intake, NOW + 100 * SECOND);
	assert_int_equal(intake_processes(intake), 1);
}

static void many_processes_that_come_and_go_leave_nothing(void **state)
{
	struct event_exit fine = {.status = 0};

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		one.process.start_time++;
		one.header.position = 0;
		one.header.started = 0;
		one.header.started_before = 0;
		span_of(&one, SPAN);
		producer_flush(&one, intake);
		producer_life(&one, intake, EVENT_EXIT, &fine, sizeof(fine));
	}
	assert_int_equal(intake_processes(intake), 0);
	assert_int_equal(counted().books[BOOK_EXPORTING], 20000);
}

static void many_processes_that_never_end_are_bounded(void **state)
{
	(void)state;
	one.process.pid = 0x70000000;
	for (uint32_t i = 0; i < 70000; i++) {
		one.process.pid++;
		one.header.position = 0;
		producer_flush(&one, intake);
	}
	assert_true(intake_processes(intake) <= 65536);
}

static void many_buffers_of_a_process_are_bounded(void **state)
{
	(void)state;
	for (uint64_t i = 1; i < 40000; i++) {
		one.header.buffer_id = i;
		one.header.position = 0;
		one.header.started = 0;
		one.header.started_before = 0;
		span_of(&one, SPAN + i);
		producer_flush(&one, intake);
	}
	assert_int_equal(counted().books[BOOK_EXPORTING], 39999);
	assert_int_equal(counted().books[BOOK_NOT_HANDED_OVER], 0);
}

/* ---- Time ----------------------------------------------------------------------------------- */

static void a_process_in_a_time_namespace_has_its_clock_corrected(void **state)
{
	struct start_options shifted = {.time = NOW + 500 * SECOND};

	(void)state;
	/* It sees a clock that is 500 s ahead, but for 1 us until the kernel saw the flush. */
	one.header.clock_time = NOW + 500 * SECOND;
	one.event_time = NOW + 1000;
	producer_start(&one, SPAN, "a", &shifted);
	producer_end(&one, SPAN, NOW + 500 * SECOND + 10, 0, 0, 0, 0);
	producer_flush(&one, intake);
	two.process.pid--;
	span_of(&two, SPAN);
	producer_flush(&two, intake);
	assert_int_equal(out.n, 2);
	assert_int_equal(out.spans[0]->end_unix_nano - out.spans[0]->start_unix_nano, 10);
	assert_true(out.spans[0]->start_unix_nano - out.spans[1]->start_unix_nano <= 2000);
}

static void what_is_flushed_late_is_not_taken_for_another_clock(void **state)
{
	(void)state;
	one.event_time = NOW + 9000000;
	span_of(&one, SPAN);
	producer_flush(&one, intake);
	two.process.pid--;
	span_of(&two, SPAN);
	producer_flush(&two, intake);
	assert_int_equal(out.n, 2);
	/* The offset may have been measured anew in between, but not by milliseconds. */
	assert_true(out.spans[0]->start_unix_nano - out.spans[1]->start_unix_nano + 1000000 <
		    2000000);
}

static void impossible_times_neither_break_nor_keep_anything(void **state)
{
	struct start_options future = {.time = UINT64_MAX};

	(void)state;
	producer_start(&one, SPAN, "a", &future);
	producer_end(&one, SPAN, UINT64_MAX - 5, 0, 0, 0, OTEL_END_SHARED);
	producer_start(&one, SPAN + 1, "b", NULL);
	producer_end(&one, SPAN + 1, 0, 0, 0, 0, OTEL_END_SHARED);
	producer_flush(&one, intake);
	producer_text(&two, SPAN + 1, 0, UINT64_MAX, "k", "v");
	producer_flush(&two, intake);
	assert_int_equal(out.n, 0);
	intake_tick(intake, NOW + 2 * SECOND);
	assert_int_equal(out.n, 2);
	assert_int_equal(counted().books[BOOK_OPEN], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_same_bytes_twice_are_one_span),
		TEST(only_the_new_part_of_an_overlap_counts),
		TEST(a_hole_is_counted_in_bytes),
		TEST(an_agent_that_comes_late_misses_nothing),
		TEST(what_was_not_sampled_before_us_is_not_ours_also_if_nothing_was_recorded),
		TEST(of_a_process_known_from_birth_the_first_bytes_are_missed),
		TEST(an_impossible_position_is_no_hole),
		TEST(spans_lost_in_the_ring_are_counted_once),
		TEST(the_last_spans_of_a_thread_are_lost_with_a_note_only),
		TEST(what_was_seen_before_it_was_lost_is_no_loss),
		TEST(the_first_flush_of_an_old_process_can_be_lost),
		TEST(losses_of_no_known_stream_are_counted_once),
		TEST(what_the_application_dropped_is_counted),
		TEST(made_up_counts_are_not_believed),
		TEST(a_bad_header_rejects_the_flush),
		TEST(a_larger_header_is_read_by_its_size),
		TEST(a_broken_size_drops_the_rest_of_the_flush_only),
		TEST(a_malformed_record_leaves_the_others_alone),
		TEST(unknown_kinds_are_skipped),
		TEST(an_event_that_makes_no_sense_changes_nothing),
		TEST(a_value_in_pieces_is_put_together),
		TEST(a_start_in_pieces_is_one_span),
		TEST(pieces_with_a_hole_are_dropped),
		TEST(pieces_that_do_not_fit_are_dropped),
		TEST(a_start_that_is_never_whole_is_a_span_rejected),
		TEST(a_value_that_is_too_large_is_dropped),
		TEST(an_exec_ends_what_the_program_before_it_had_open),
		TEST(an_exec_that_kills_ends_what_the_program_before_it_had_open),
		TEST(a_process_whose_end_nobody_saw_is_counted_and_its_spans_are_incomplete),
		TEST(a_pid_that_is_used_again_is_another_process),
		TEST(what_was_read_of_a_dying_process_after_its_exit_counts),
		TEST(a_process_whose_exit_was_lost_is_found_out),
		TEST(many_processes_that_come_and_go_leave_nothing),
		TEST(many_processes_that_never_end_are_bounded),
		TEST(many_buffers_of_a_process_are_bounded),
		TEST(a_process_in_a_time_namespace_has_its_clock_corrected),
		TEST(what_is_flushed_late_is_not_taken_for_another_clock),
		TEST(impossible_times_neither_break_nor_keep_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
