/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The books against a model: whatever is lost, seen twice, looked at or dropped, in whatever order,
 * each span is counted once as started and once by its fate.
 */
#include "fixture.h"
#include "remember.h"

#define BUFFERS 3
#define STEPS 60
#define ROUNDS 20000

/* What happened to the spans of one buffer. */
struct model {
	struct producer *producer;
	unsigned pending; /* started in what it holds */
	unsigned looked;  /* of those, seen from outside */
};

struct expected {
	uint64_t arrived; /* and whole */
	uint64_t malformed;
	uint64_t lost[LOSSES];
	uint64_t skipped; /* the kernel did not run the probe */
	uint64_t dropped;
	uint64_t not_sampled;
};

static uint64_t seed;

static unsigned any(unsigned below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned)(seed >> 33) % below;
}

static void begin_span(struct model *model, struct expected *expected)
{
	static uint64_t id = SPAN;
	struct producer *p = model->producer;
	char name[300];

	if (any(12) == 0) {
		/* A START that makes no sense: known to be a span, and that it is lost. */
		producer_put(p, OTEL_RECORD_START, 0, id++, NULL, 0, name,
			     sizeof(struct otel_start) + 8);
		p->header.started++;
		expected->malformed++;
		return;
	}
	memset(name, 'n', sizeof(name));
	name[any(sizeof(name))] = '\0';
	name[sizeof(name) - 1] = '\0';
	producer_start(p, id, name, NULL);
	if (any(3))
		producer_end(p, id, NOW + 1, 0, 0, 0, 0);
	id++;
	model->pending++;
}

static unsigned take(struct model *model)
{
	unsigned n = model->pending - model->looked;

	model->pending = model->looked = 0;
	return n;
}

static void step(struct model *model, struct expected *expected, bool looks)
{
	struct producer *p = model->producer;
	enum loss reason = any(3) ? LOSS_RING_FULL : LOSS_UNREADABLE;

	switch (any(looks ? 12 : 10)) {
	case 0:
	case 1:
		producer_flush(p, intake);
		expected->arrived += take(model);
		break;
	case 2:
		producer_lose(p, reason);
		expected->lost[reason] += take(model);
		break;
	case 3:
		producer_empty(p);
		expected->skipped += take(model);
		break;
	case 4:
		producer_tell(p, intake);
		break;
	case 5:
		p->header.dropped_starts++;
		expected->dropped++;
		break;
	case 6:
		p->header.not_sampled++;
		expected->not_sampled++;
		break;
	case 10:
	case 11:
		producer_look(p, intake);
		expected->arrived += model->pending - model->looked;
		model->looked = model->pending;
		break;
	default:
		begin_span(model, expected);
	}
}

/* The malformed are told from the rest only if they arrive: here they always do. */
static void deliver_malformed(struct model *model, struct expected *expected, uint64_t before)
{
	if (expected->malformed == before)
		return;
	producer_flush(model->producer, intake);
	expected->arrived += take(model);
}

/* What agents that were killed have left: in their books, and in their hands. */
static void add_killed(const struct intake *killed, uint64_t *sum)
{
	struct intake_counts counts;

	intake_counts(killed, &counts);
	sum[BOOK_EXPORTING] += books_in_hand(counts.books);
	for (int i = 0; i < BOOKS; i++)
		sum[i] += i == BOOK_OPEN ? 0 : counts.books[i];
}

static void round_of(bool whole, bool looks, bool kills)
{
	static struct producer producers[BUFFERS];
	uint64_t killed[BOOKS] = {0};
	struct model models[BUFFERS] = {0};
	struct expected expected = {0};
	struct event_fork fork = {.parent = {.pid = 1}};
	const uint64_t *books;
	struct intake_counts counts;
	uint64_t malformed, lost;

	for (int i = 0; i < BUFFERS; i++) {
		models[i].producer = &producers[i];
		producer_init(&producers[i], (uint64_t)i + 1);
	}
	if (whole) {
		producer_life(&producers[0], intake, EVENT_FORK, &fork, sizeof(fork));
	} else {
		/* Of before us, and not ours. */
		for (int i = 0; i < BUFFERS; i++) {
			begin_span(&models[i], &expected);
			producers[i].header.not_sampled = any(9);
			producers[i].header.dropped_starts = any(9);
			producer_empty(&producers[i]);
			take(&models[i]);
			producer_flush(&producers[i], intake);
		}
		expected = (struct expected){0};
	}
	for (int i = 0; i < STEPS; i++) {
		struct model *model = &models[any(BUFFERS)];

		malformed = expected.malformed;
		step(model, &expected, looks);
		deliver_malformed(model, &expected, malformed);
		if (kills && !any(10)) {
			add_killed(intake, killed);
			intake = remember_kill(intake, &out, 1000, NOW);
			assert_non_null(intake);
		}
	}
	/* The end: what they hold is read, or is not. */
	for (int i = 0; i < BUFFERS; i++) {
		if (any(2)) {
			producer_flush(&producers[i], intake);
			expected.arrived += take(&models[i]);
		} else {
			producer_lose(&producers[i], LOSS_RING_FULL);
			expected.lost[LOSS_RING_FULL] += take(&models[i]);
		}
		producer_tell(&producers[i], intake);
	}
	producer_life(&producers[0], intake, EVENT_EXIT, &(struct event_exit){0},
		      sizeof(struct event_exit));
	intake_tick(intake, NOW + 2 * SECOND);
	intake_counts(intake, &counts);
	assert_int_equal(books_difference(counts.books), 0);
	for (int i = 0; i < BOOKS; i++)
		counts.books[i] += killed[i];
	books = counts.books;
	lost = expected.lost[LOSS_RING_FULL] + expected.lost[LOSS_UNREADABLE] + expected.skipped;
	assert_int_equal(books_difference(books), 0);
	assert_int_equal(books[BOOK_EXPORTING], expected.arrived);
	assert_int_equal(books[BOOK_MALFORMED], expected.malformed);
	assert_int_equal(books[BOOK_APPLICATION], expected.dropped);
	assert_int_equal(books[BOOK_NOT_SAMPLED], expected.not_sampled);
	assert_int_equal(
		books[BOOK_RING_FULL] + books[BOOK_UNREADABLE] + books[BOOK_NOT_HANDED_OVER], lost);
	assert_int_equal(books[BOOK_CONTRADICTED], 0);
	assert_int_equal(books[BOOK_OPEN], 0);
	if (looks || kills)
		return;
	/* Which of several reasons it was that hit what a look, or an agent before, had left is not known;
	 * without, it is. */
	assert_int_equal(books[BOOK_RING_FULL], expected.lost[LOSS_RING_FULL]);
	assert_int_equal(books[BOOK_UNREADABLE], expected.lost[LOSS_UNREADABLE]);
	assert_int_equal(books[BOOK_NOT_HANDED_OVER], expected.skipped);
}

static void whatever_happens_each_span_is_counted_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		seed = i;
		round_of(i & 1, i & 2, i & 4);
		/* For the next round anew; a failure is repeated with its seed. */
		intake_free(intake);
		collected_free(&out);
		intake = remember_new(&out, 1000);
		assert_non_null(intake);
	}
}

/* ---- Claims --------------------------------------------------------------------------------- */

static const struct books *books_of(uint32_t pid)
{
	const struct list *all = &intake_ledger(intake)->living;

	for (const struct list *link = all->next; link != all; link = link->next) {
		const struct books *books = list_entry(link, struct books, order);

		if (books->id.pid == pid)
			return books;
	}
	return NULL;
}

static void made_up_counts_stay_in_the_books_of_who_makes_them_up(void **state)
{
	(void)state;
	two.process.pid--;
	producer_start(&one, SPAN, "honest", NULL);
	producer_flush(&one, intake);
	producer_start(&two, SPAN, "liar", NULL);
	producer_flush(&two, intake);
	two.header.started_before = 1000;
	producer_start(&two, SPAN + 1, "liar", NULL);
	producer_flush(&two, intake);
	two.header.position += 8800;
	two.header.started_before = UINT64_MAX / 2;
	producer_flush(&two, intake);
	assert_int_equal(books_of(one.process.pid)->counts[BOOK_STARTED], 1);
	assert_int_equal(books_of(one.process.pid)->counts[BOOK_CONTRADICTED], 0);
	assert_true(books_of(two.process.pid)->counts[BOOK_CONTRADICTED] > 0);
	/* No more than fits into what is missing. */
	assert_true(books_of(two.process.pid)->counts[BOOK_STARTED] <= 102);
	assert_int_equal(books_difference(counted().books), 0);
}

static void a_span_more_than_was_announced_is_a_contradiction(void **state)
{
	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	producer_start(&one, SPAN + 1, "b", NULL);
	one.header.started--;
	producer_flush(&one, intake);
	producer_flush(&one, intake);
	producer_start(&one, SPAN + 2, "c", NULL);
	producer_flush(&one, intake);
	assert_int_equal(counted().books[BOOK_STARTED], 3);
	assert_int_equal(counted().books[BOOK_CONTRADICTED], 1);
}

/* ---- Processes come and go ------------------------------------------------------------------ */

static void books_of_the_dead_are_in_the_sum(void **state)
{
	struct event_exit exit = {0};

	(void)state;
	for (int i = 0; i < 50; i++) {
		producer_init(&one, 1);
		one.process.pid = app.pid - (uint32_t)i;
		producer_start(&one, SPAN, "a", NULL);
		if (i % 10 == 0) {
			producer_empty(&one);
			producer_start(&one, SPAN, "b", NULL);
			one.header.position += 200;
		}
		producer_flush(&one, intake);
		producer_start(&one, SPAN + 1, "lost", NULL);
		if (i % 10 == 0)
			producer_lose(&one, LOSS_RING_FULL);
		producer_tell(&one, intake);
		producer_life(&one, intake, EVENT_EXIT, &exit, sizeof(exit));
	}
	/* They are forgotten one by one, those that lost something last. */
	collected_free(&out);
	intake_tick(intake, NOW + 10 * SECOND);
	intake_tick(intake, NOW + 10 * SECOND);
	assert_int_equal(intake_ledger(intake)->n_living, 0);
	assert_int_equal(intake_ledger(intake)->n_settling, 0);
	assert_int_equal(intake_ledger(intake)->n_lossy, 5);
	assert_int_equal(intake_ledger(intake)->n_forgotten, 45);
	assert_int_equal(counted().books[BOOK_STARTED], 55);
	assert_int_equal(counted().books[BOOK_EXPORTING], 50);
	assert_int_equal(counted().books[BOOK_RING_FULL], 5);
}

static void books_wait_for_the_exporters(void **state)
{
	struct event_exit exit = {0};

	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	producer_life(&one, intake, EVENT_EXIT, &exit, sizeof(exit));
	intake_tick(intake, NOW + 10 * SECOND);
	assert_int_equal(intake_ledger(intake)->n_settling, 1);
	collected_free(&out);
	intake_tick(intake, NOW + 10 * SECOND);
	assert_int_equal(intake_ledger(intake)->n_settling, 0);
	assert_int_equal(intake_ledger(intake)->n_forgotten, 1);
}

/* What an agent has no time for at its end. */
static void hurry_past(struct producer *p)
{
	struct event event = {
		.kind = EVENT_FLUSH,
		.size = (uint32_t)(sizeof(p->header) + p->size),
		.process = p->process,
		.time = p->event_time,
	};

	p->header.committed = (uint32_t)p->size;
	memcpy(p->event, &event, sizeof(event));
	memcpy(p->event + sizeof(event), &p->header, sizeof(p->header));
	assert_int_equal(intake_skip(intake, p->event, sizeof(event) + event.size), 0);
	producer_empty(p);
}

/* Of a START in three pieces. */
static void put_piece(struct producer *p, unsigned number)
{
	static const struct start_options first = {.record_flags = OTEL_RECORD_MORE};

	if (number == 0)
		producer_start(p, SPAN, "a name in ", &first);
	else
		producer_put(p, OTEL_RECORD_START, OTEL_RECORD_CONTINUED | (number == 1 ? OTEL_RECORD_MORE : 0), SPAN,
			     NULL, 0, "pieces", 6);
}

static void what_there_was_no_time_for_is_lost_for_that(void **state)
{
	(void)state;
	producer_start(&one, SPAN + 1, "taken", NULL);
	producer_flush(&one, intake);
	for (uint64_t i = 2; i < 5; i++)
		producer_start(&one, SPAN + i, "not taken", NULL);
	hurry_past(&one);
	put_piece(&two, 0);
	producer_flush(&two, intake);
	put_piece(&two, 1);
	hurry_past(&two);
	assert_int_equal(counted().books[BOOK_STARTED], 5);
	assert_int_equal(counted().books[BOOK_STOPPED], 4);
	assert_int_equal(counted().books[BOOK_OPEN], 1);
}

static void a_span_whose_beginning_lost_a_piece_is_lost_for_the_reason_of_that(void **state)
{
	(void)state;
	for (int told = 0; told < 2; told++) {
		put_piece(&one, 0);
		producer_flush(&one, intake);
		put_piece(&one, 1);
		producer_lose(&one, LOSS_QUOTA);
		/* The kernel's word may come before what is behind the hole, or later. */
		if (told)
			producer_tell(&one, intake);
		put_piece(&one, 2);
		producer_flush(&one, intake);
		assert_int_equal(counted().books[BOOK_NOT_HANDED_OVER], !told);
		producer_tell(&one, intake);
	}
	put_piece(&two, 0);
	producer_flush(&two, intake);
	put_piece(&two, 1);
	producer_empty(&two);
	put_piece(&two, 2);
	producer_flush(&two, intake);
	assert_int_equal(counted().books[BOOK_STARTED], 3);
	assert_int_equal(counted().books[BOOK_QUOTA], 2);
	assert_int_equal(counted().books[BOOK_NOT_HANDED_OVER], 1);
	assert_int_equal(counted().books[BOOK_MALFORMED], 0);
}

static void who_has_ended_is_kept_as_long_as_notes_of_what_it_lost_are_on_their_way(void **state)
{
	struct event_exit exit = {0};

	(void)state;
	producer_start(&one, SPAN, "a", NULL);
	producer_flush(&one, intake);
	producer_start(&one, SPAN + 1, "lost", NULL);
	producer_lose(&one, LOSS_RING_FULL);
	producer_life(&one, intake, EVENT_EXIT, &exit, sizeof(exit));
	intake_expect_losses(intake, true);
	intake_tick(intake, NOW + 10 * SECOND);
	producer_tell(&one, intake);
	assert_int_equal(counted().books[BOOK_STARTED], 2);
	assert_int_equal(counted().books[BOOK_RING_FULL], 1);
	assert_int_equal(intake_ledger(intake)->n_lossy, 0);
	intake_expect_losses(intake, false);
	collected_free(&out);
	intake_tick(intake, NOW + 10 * SECOND);
	assert_int_equal(intake_ledger(intake)->n_lossy, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_there_was_no_time_for_is_lost_for_that),
		TEST(a_span_whose_beginning_lost_a_piece_is_lost_for_the_reason_of_that),
		TEST(whatever_happens_each_span_is_counted_once),
		TEST(made_up_counts_stay_in_the_books_of_who_makes_them_up),
		TEST(a_span_more_than_was_announced_is_a_contradiction),
		TEST(books_of_the_dead_are_in_the_sum),
		TEST(books_wait_for_the_exporters),
		TEST(who_has_ended_is_kept_as_long_as_notes_of_what_it_lost_are_on_their_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
