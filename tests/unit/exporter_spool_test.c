/* SPDX-License-Identifier: Apache-2.0 */
/* An exporter with a spool, against a receiver that comes and goes. */
#include "exporter.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"
#include "span_builder.h"
#include "spool.h"
#include "spool_file.h"
#include "wire.h"

#define MIB (1u << 20)
#define SPANS_MAX 100000

enum mode {
	TAKES,
	REFUSES,	  /* for now: surely nothing arrived */
	TAKES_IN_SILENCE, /* the spans are there, the answer is lost */
	HANGS,
	REJECTS, /* for good */
	REJECTS_ONE,
	TAKES_TWICE, /* the sink has sent it again by itself */
};

/* Takes requests, and remembers the ids of the spans in them. */
struct receiver {
	struct sink sink;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum mode mode;
	bool interrupted;
	atomic_bool hung; /* a request is under way and gets no answer */
	struct bytes request;

	atomic_size_t tries;
	uint32_t ids[SPANS_MAX]; /* in the order in which they came */
	size_t n;
};

static struct receiver *of(struct sink *sink)
{
	return (struct receiver *)sink;
}

/* For each span in a request (or a part of one, at @depth), its id. */
static void take_ids(struct receiver *receiver, struct bytes message, int depth)
{
	struct wire_reader reader = wire_reader(message);
	struct wire_field field;
	uint32_t id;
	int found;

	while ((found = wire_next(&reader, &field)) == 1) {
		if (depth < 3 && field.number == (depth ? 2 : 1) && field.type == WIRE_BYTES)
			take_ids(receiver, field.bytes, depth + 1);
		if (depth == 3 && field.number == 2) {
			assert_int_equal(field.bytes.size, 8);
			memcpy(&id, field.bytes.data + 4, 4);
			assert_true(receiver->n < SPANS_MAX);
			receiver->ids[receiver->n++] = be32toh(id);
		}
	}
	assert_int_equal(found, 0);
}

static void receiver_post(struct sink *sink, struct bytes request, size_t n)
{
	(void)n;
	of(sink)->request = request;
}

static int receiver_poll(struct sink *sink, uint64_t timeout_ms, struct delivery *out)
{
	struct receiver *receiver = of(sink);
	int result = 0;

	pthread_mutex_lock(&receiver->lock);
	receiver->hung = receiver->mode == HANGS;
	if (receiver->hung && !receiver->interrupted) {
		pthread_cond_broadcast(&receiver->changed);
		pthread_mutex_unlock(&receiver->lock);
		usleep((useconds_t)(timeout_ms < 5 ? timeout_ms : 5) * 1000);
		return -EINPROGRESS;
	}
	receiver->tries++;
	if (receiver->interrupted) {
		result = -EAGAIN;
		out->unanswered = true;
	} else if (receiver->mode == REFUSES) {
		result = -EAGAIN;
	} else if (receiver->mode == REJECTS) {
		result = -EPROTO;
	} else {
		take_ids(receiver, receiver->request, 0);
		out->rejected = receiver->mode == REJECTS_ONE;
		out->resends = receiver->mode == TAKES_TWICE;
		if (receiver->mode == TAKES_IN_SILENCE) {
			result = -EAGAIN;
			out->unanswered = true;
		}
	}
	pthread_cond_broadcast(&receiver->changed);
	pthread_mutex_unlock(&receiver->lock);
	return result;
}

static void receiver_interrupt(struct sink *sink)
{
	struct receiver *receiver = of(sink);

	pthread_mutex_lock(&receiver->lock);
	receiver->interrupted = true;
	pthread_mutex_unlock(&receiver->lock);
}

static void receiver_init(struct receiver *receiver, enum mode mode)
{
	memset(receiver, 0, sizeof(*receiver));
	receiver->sink = (struct sink){.name = "fake",
				       .post = receiver_post,
				       .poll = receiver_poll,
				       .interrupt = receiver_interrupt};
	receiver->mode = mode;
	pthread_mutex_init(&receiver->lock, NULL);
	pthread_cond_init(&receiver->changed, NULL);
}

static void becomes(struct receiver *receiver, enum mode mode)
{
	pthread_mutex_lock(&receiver->lock);
	receiver->mode = mode;
	pthread_mutex_unlock(&receiver->lock);
}

/* ---- Around a test --------------------------------------------------------------------------- */

static char folder[64], path[80];
static struct scope *scope;
static struct resource *shop, *kitchen;
static struct account *shops, *kitchens;
static struct receiver receiver;

static const struct exporter_options defaults = {
	.queue_bytes = 8 * MIB,
	.batch_spans = 100,
	.schedule_ms = 5,
	.retry_initial_ms = 20,
	.spool_after_ms = 50,
};

static struct exporter *start_with(enum mode mode, uint64_t budget,
				   const struct exporter_options *more)
{
	struct exporter_options options = *more;
	struct exporter *exporter;

	receiver_init(&receiver, mode);
	assert_int_equal(spool_open(path, budget, &options.spool), 0);
	exporter = exporter_new(&receiver.sink, &options);
	assert_non_null(exporter);
	assert_string_equal(exporter_spool(exporter), path);
	return exporter;
}

static struct exporter *start(enum mode mode)
{
	return start_with(mode, 64 * MIB, &defaults);
}

static void submit(struct exporter *exporter, struct resource *resource, uint32_t from, uint32_t to,
		   size_t attribute_bytes)
{
	char *text = calloc(1, attribute_bytes + 1);

	memset(text, 'x', attribute_bytes);
	for (uint32_t id = from; id <= to; id++) {
		struct draft draft = {
			.resource = resource, .scope = scope, .id = id, .name = "span"};
		struct span *span;
		uint32_t number;

		if (attribute_bytes)
			piece_attribute(&draft.attributes, 9, "text", value_string(text));
		span = make_span(&draft);
		memset(span->span_id, 0, 4);
		number = htobe32(id);
		memcpy(span->span_id + 4, &number, 4);
		exporter_submit(exporter, span);
		span_unref(span);
	}
	free(text);
}

static struct exporter_counts counts_of(struct exporter *exporter)
{
	struct exporter_counts c;

	exporter_counts(exporter, &c);
	if (c.submitted + c.found != c.exported + c.queue_full + c.rejected + c.undelivered +
					     c.spool_dropped + c.spool_corrupt + c.spooled +
					     c.waiting)
		print_message("submitted %lu found %lu exported %lu full %lu rejected %lu "
			      "undelivered %lu dropped %lu corrupt %lu spooled %lu waiting %lu\n",
			      c.submitted, c.found, c.exported, c.queue_full, c.rejected,
			      c.undelivered, c.spool_dropped, c.spool_corrupt, c.spooled,
			      c.waiting);
	assert_int_equal(c.submitted + c.found, c.exported + c.queue_full + c.rejected +
							c.undelivered + c.spool_dropped +
							c.spool_corrupt + c.spooled + c.waiting);
	return c;
}

/* Waits until the condition on the counts @c is true. */
#define await(exporter, condition)                                                                 \
	do {                                                                                       \
		struct exporter_counts c = {0};                                                    \
		int tries_ = 0;                                                                    \
		do {                                                                               \
			usleep(2000);                                                              \
			c = counts_of(exporter);                                                   \
			(void)c;                                                                   \
		} while (!(condition) && ++tries_ < 5000);                                         \
		if (!(condition))                                                                  \
			print_message("after 10 s not: %s\n", #condition);                         \
		assert_true(condition);                                                            \
	} while (0)

static struct exporter_counts finish(struct exporter *exporter, uint64_t ms)
{
	struct exporter_counts counts;

	exporter_stop(exporter, ms);
	counts = counts_of(exporter);
	assert_int_equal(counts.waiting, 0);
	exporter_free(exporter);
	return counts;
}

/* What arrived is these, in order, each once. */
static void assert_received(uint32_t from, uint32_t to)
{
	assert_int_equal(receiver.n, to - from + 1);
	for (uint32_t i = 0; i < receiver.n; i++)
		assert_int_equal(receiver.ids[i], from + i);
}

static size_t files(void)
{
	struct spool *spool = NULL;
	struct spool_counts counts;

	assert_int_equal(spool_open(path, MIB, &spool), 0);
	spool_counts(spool, &counts);
	spool_close(spool);
	return counts.batches;
}

static uint64_t of_account(const struct account *account, enum account_count what)
{
	return account_read(account, 0, what);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void what_cannot_be_delivered_waits_on_disk_and_leaves_in_order(void **state)
{
	struct exporter *exporter = start(REFUSES);
	struct exporter_counts counts;

	(void)state;
	submit(exporter, shop, 1, 950, 10);
	await(exporter, c.spooled == 950);
	counts = counts_of(exporter);
	assert_int_equal(counts.waiting, 0);
	assert_true(counts.spool_batches >= 10 && counts.spool_bytes >= 10 * 4096);
	assert_int_equal(of_account(shops, ACCOUNT_SPOOLED), 950);
	assert_int_equal(of_account(shops, ACCOUNT_WAITING_BYTES), 0);
	submit(exporter, shop, 951, 1000, 10);
	becomes(&receiver, TAKES);
	await(exporter, c.exported == 1000);
	assert_received(1, 1000);
	counts = finish(exporter, 1000);
	assert_int_equal(counts.resent, 0);
	assert_int_equal(counts.spool_batches, 0);
	assert_int_equal(counts.spool_bytes, 0);
	assert_int_equal(files(), 0);
	assert_int_equal(of_account(shops, ACCOUNT_EXPORTED), 1000);
	assert_int_equal(of_account(shops, ACCOUNT_SPOOLED), 0);
	assert_true(account_is_settled(shops) == 0); /* its resource lives */
}

static void while_the_receiver_answers_nothing_goes_to_disk(void **state)
{
	struct exporter *exporter = start(TAKES);

	(void)state;
	submit(exporter, shop, 1, 2000, 10);
	await(exporter, c.exported == 2000 && !c.spooled && !c.spool_bytes);
	assert_received(1, 2000);
	finish(exporter, 1000);
	assert_int_equal(files(), 0);
}

static void what_is_left_at_the_end_is_delivered_by_the_next_agent(void **state)
{
	struct exporter *exporter = start(REFUSES);
	struct exporter_counts counts;

	(void)state;
	submit(exporter, shop, 1, 333, 10);
	counts = finish(exporter, 10);
	assert_int_equal(counts.spooled, 333);
	assert_int_equal(counts.undelivered, 0);
	exporter = start(TAKES);
	submit(exporter, shop, 334, 400, 10);
	await(exporter, c.exported == 400);
	assert_received(1, 400);
	counts = finish(exporter, 1000);
	assert_int_equal(counts.found, 333);
	assert_int_equal(counts.submitted, 67);
	assert_int_equal(counts.resent, 0);
	assert_int_equal(of_account(shops, ACCOUNT_EXPORTED), 67);
}

static void at_the_end_nobody_waits_for_what_can_be_kept_on_disk(void **state)
{
	struct exporter *exporter = start(REFUSES);
	struct timespec began, ended;
	struct exporter_counts counts;
	size_t tries;

	(void)state;
	submit(exporter, shop, 1, 100, 10);
	await(exporter, c.spooled == 100);
	submit(exporter, shop, 101, 250, 10);
	tries = receiver.tries;
	clock_gettime(CLOCK_MONOTONIC, &began);
	counts = finish(exporter, 20000);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	assert_int_equal(counts.spooled, 250);
	assert_true(ended.tv_sec - began.tv_sec < 10);
	/* It is asked once more. */
	assert_true(receiver.tries > tries);
}

static void at_the_end_what_cannot_be_kept_on_disk_is_tried_as_long_as_there_is_time(void **state)
{
	struct rlimit limit, none = {0};
	struct exporter *exporter;
	size_t tries;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	exporter = start(REFUSES);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	submit(exporter, shop, 1, 10, 10);
	await(exporter, receiver.tries);
	tries = receiver.tries;
	assert_int_equal(finish(exporter, 500).undelivered, 10);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_true(receiver.tries >= tries + 3);
}

static void a_full_spool_drops_the_oldest(void **state)
{
	struct exporter *exporter = start_with(REFUSES, 20 * 4096, &defaults);
	struct exporter_counts counts;

	(void)state;
	/* Batches of 100 take two blocks each. */
	submit(exporter, shop, 1, 100, 10);
	await(exporter, c.spooled == 100);
	submit(exporter, shop, 101, 2000, 10);
	await(exporter, !c.waiting);
	counts = counts_of(exporter);
	assert_true(counts.spool_bytes <= 20 * 4096);
	assert_true(counts.spooled <= 1000 && counts.spooled >= 500);
	assert_int_equal(counts.spool_dropped, 2000 - counts.spooled);
	assert_int_equal(of_account(shops, ACCOUNT_SPOOL_DROPPED), counts.spool_dropped);
	becomes(&receiver, TAKES);
	await(exporter, c.exported == counts.spooled);
	assert_received((uint32_t)counts.spool_dropped + 1, 2000);
	finish(exporter, 1000);
}

static void a_batch_whose_answer_was_lost_is_sent_again_and_counted(void **state)
{
	struct exporter *exporter = start(TAKES_IN_SILENCE);
	struct exporter_counts counts;

	(void)state;
	submit(exporter, shop, 1, 50, 10);
	await(exporter, c.spooled == 50);
	becomes(&receiver, TAKES);
	await(exporter, c.exported == 50);
	counts = finish(exporter, 1000);
	assert_true(counts.resent >= 50);
	assert_int_equal(receiver.n, 50 + counts.resent);
	/* The same spans. */
	for (size_t i = 0; i < receiver.n; i++)
		assert_int_equal(receiver.ids[i], 1 + i % 50);
}

static void without_a_spool_it_is_sent_again_and_counted_too(void **state)
{
	struct exporter_counts counts;
	struct exporter *exporter;

	(void)state;
	receiver_init(&receiver, TAKES_IN_SILENCE);
	exporter = exporter_new(&receiver.sink, &defaults);
	submit(exporter, shop, 1, 50, 10);
	await(exporter, receiver.tries && c.waiting == 50);
	becomes(&receiver, TAKES);
	await(exporter, c.exported == 50);
	counts = finish(exporter, 1000);
	assert_int_equal(receiver.n, 50 + counts.resent);
	assert_true(counts.resent >= 50);
}

static void that_an_answer_was_lost_is_known_to_the_next_agent(void **state)
{
	struct exporter *exporter = start(TAKES_IN_SILENCE);
	struct exporter_counts counts;
	size_t before;

	(void)state;
	submit(exporter, shop, 1, 10, 10);
	await(exporter, c.spooled == 10);
	becomes(&receiver, REFUSES);
	counts = finish(exporter, 10);
	before = receiver.n - counts.resent;
	assert_int_equal(before, 10);
	exporter = start(TAKES);
	await(exporter, c.exported == 10);
	counts = finish(exporter, 1000);
	assert_int_equal(counts.found, 10);
	assert_int_equal(counts.resent, 10);
}

/* What an agent would find out about this batch that takes over now. */
static bool is_marked_as_sent(uint64_t number)
{
	uint8_t byte = 0xff;
	char name[128];
	int fd;

	snprintf(name, sizeof(name), "%s/%016lx.otlp", path, (unsigned long)number);
	fd = open(name, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, SPOOL_SENT_OFFSET), 1);
	close(fd);
	assert_true(byte < 2);
	return byte;
}

static void a_batch_is_marked_as_sent_as_long_as_it_may_have_arrived(void **state)
{
	struct exporter *exporter = start(HANGS);

	(void)state;
	/* Under way when it goes to the spool; and behind it. */
	submit(exporter, shop, 1, 100, 10);
	await(exporter, receiver.hung && c.spooled == 100);
	submit(exporter, shop, 101, 200, 10);
	await(exporter, c.spooled == 200);
	assert_true(is_marked_as_sent(0));
	assert_false(is_marked_as_sent(1));
	/* Surely not there. */
	becomes(&receiver, REFUSES);
	await(exporter, receiver.tries > 0 && !receiver.hung);
	becomes(&receiver, HANGS);
	await(exporter, receiver.hung);
	assert_true(is_marked_as_sent(0));
	becomes(&receiver, REFUSES);
	await(exporter, !receiver.hung && !is_marked_as_sent(0));
	assert_int_equal(finish(exporter, 10).resent, 0);
}

static void what_is_under_way_is_not_dropped_from_a_full_spool(void **state)
{
	struct exporter *exporter = start_with(HANGS, 10 * 4096, &defaults);
	struct exporter_counts counts;

	(void)state;
	submit(exporter, shop, 1, 100, 10);
	await(exporter, receiver.hung && c.spooled == 100);
	submit(exporter, shop, 101, 2000, 10);
	await(exporter, !c.waiting);
	counts = counts_of(exporter);
	assert_true(counts.spool_dropped >= 1000 && counts.spool_bytes <= 10 * 4096);
	becomes(&receiver, TAKES);
	await(exporter, c.exported == counts.spooled);
	finish(exporter, 1000);
	assert_int_equal(receiver.n, 2000 - counts.spool_dropped);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(receiver.ids[i], 1 + i);
	assert_int_equal(receiver.ids[100], 101 + counts.spool_dropped);
}

static void what_the_sink_sends_again_is_counted(void **state)
{
	struct exporter *exporter = start(TAKES_TWICE);

	(void)state;
	submit(exporter, shop, 1, 70, 10);
	await(exporter, c.exported == 70);
	assert_int_equal(finish(exporter, 1000).resent, 70);
}

static void while_a_request_hangs_the_spans_behind_it_and_its_own_go_to_disk(void **state)
{
	struct exporter *exporter = start(HANGS);

	(void)state;
	submit(exporter, shop, 1, 150, 10);
	await(exporter, c.spooled == 150);
	submit(exporter, shop, 151, 200, 10);
	await(exporter, c.spooled == 200 && c.exported == 0);
	becomes(&receiver, TAKES);
	await(exporter, c.exported == 200);
	assert_received(1, 200);
	assert_int_equal(finish(exporter, 1000).resent, 0);
}

static void what_hangs_at_the_end_is_kept_and_may_arrive_twice(void **state)
{
	struct exporter *exporter = start(HANGS);
	struct exporter_counts counts;

	(void)state;
	submit(exporter, shop, 1, 150, 10);
	await(exporter, receiver.hung);
	counts = finish(exporter, 50);
	assert_int_equal(counts.spooled, 150);
	exporter = start(TAKES);
	await(exporter, c.exported == 150);
	assert_received(1, 150);
	counts = finish(exporter, 1000);
	/* The one that was under way, that is. */
	assert_in_range(counts.resent, 1, 100);
}

static void a_receiver_that_is_too_slow_fills_the_disk_not_the_memory(void **state)
{
	struct exporter_options options = defaults;
	struct exporter *exporter;

	(void)state;
	options.queue_bytes = 2 * MIB; /* an eighth of it is much: less may stay in memory */
	options.spool_after_ms = 3600 * 1000;
	exporter = start_with(HANGS, 64 * MIB, &options);
	submit(exporter, shop, 1, 400, 1000);
	await(exporter, c.spooled >= 400 - 2 * MIB / 8 / 1000);
	submit(exporter, shop, 401, 800, 1000);
	await(exporter, c.spooled >= 800 - 2 * MIB / 8 / 1000);
	becomes(&receiver, TAKES);
	await(exporter, c.exported == 800);
	assert_received(1, 800);
	finish(exporter, 1000);
}

static void behind_a_batch_that_failed_little_waits_in_memory(void **state)
{
	struct exporter_options options = defaults;
	struct exporter *exporter;

	(void)state;
	options.queue_bytes = 128 * MIB;
	options.spool_after_ms = 3600 * 1000;
	exporter = start_with(REFUSES, 64 * MIB, &options);
	submit(exporter, shop, 1, 100, 10);
	await(exporter, c.spooled == 100);
	submit(exporter, shop, 101, 200, 10);
	await(exporter, receiver.tries >= 3 && c.waiting == 100);
	/* This is much: 8 MiB. */
	submit(exporter, shop, 201, 9000, 1000);
	await(exporter, c.spooled > 1000);
	becomes(&receiver, TAKES);
	await(exporter, c.exported == 9000);
	assert_received(1, 9000);
	finish(exporter, 1000);
}

static void what_is_larger_than_the_spool_pushes_nothing_out(void **state)
{
	struct exporter *exporter = start_with(REFUSES, 10 * 4096, &defaults);
	struct exporter_counts counts;

	(void)state;
	submit(exporter, shop, 1, 100, 10);
	await(exporter, c.spooled == 100);
	submit(exporter, shop, 101, 101, 60000);
	counts = finish(exporter, 100);
	assert_int_equal(counts.spooled, 100);
	assert_int_equal(counts.undelivered, 1);
	assert_int_equal(counts.spool_dropped, 0);
}

static void what_cannot_be_read_back_is_removed_and_counted(void **state)
{
	struct exporter *exporter = start(REFUSES);
	struct exporter_counts counts;
	char name[128];
	int fd;

	(void)state;
	submit(exporter, shop, 1, 10, 10);
	await(exporter, c.spooled == 10);
	submit(exporter, kitchen, 11, 20, 10);
	await(exporter, c.spooled == 20);
	/* Not the first: that one is being tried, and may have been read. */
	snprintf(name, sizeof(name), "%s/%016x.otlp", path, 1);
	fd = open(name, O_WRONLY);
	assert_int_equal(pwrite(fd, "?", 1, 100), 1);
	close(fd);
	becomes(&receiver, TAKES);
	await(exporter, c.exported == 10);
	assert_received(1, 10);
	counts = finish(exporter, 1000);
	assert_int_equal(counts.spool_corrupt, 10);
	assert_int_equal(access(name, F_OK), -1);
	assert_int_equal(of_account(shops, ACCOUNT_EXPORTED), 10);
	assert_int_equal(of_account(kitchens, ACCOUNT_SPOOL_CORRUPT), 10);
}

static void when_the_disk_cannot_be_written_spans_wait_in_memory(void **state)
{
	struct rlimit limit, none = {0};
	struct exporter *exporter;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	exporter = start(REFUSES);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	submit(exporter, shop, 1, 250, 10);
	await(exporter, receiver.tries >= 3 && c.waiting == 250 && !c.spooled);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	await(exporter, c.spooled == 250);
	becomes(&receiver, TAKES);
	await(exporter, c.exported == 250);
	assert_received(1, 250);
	finish(exporter, 1000);
}

static void when_the_disk_cannot_be_written_at_the_end_the_loss_is_counted(void **state)
{
	struct rlimit limit, none = {0};
	struct exporter_counts counts;
	struct exporter *exporter;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	none.rlim_max = limit.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	exporter = start(REFUSES);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	submit(exporter, shop, 1, 250, 10);
	counts = finish(exporter, 10);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(counts.undelivered, 250);
	assert_int_equal(of_account(shops, ACCOUNT_UNDELIVERED), 250);
}

static void what_the_receiver_refuses_for_good_does_not_stay_in_the_spool(void **state)
{
	struct exporter *exporter = start(REFUSES);

	(void)state;
	submit(exporter, shop, 1, 10, 10);
	await(exporter, c.spooled == 10);
	submit(exporter, shop, 11, 30, 10);
	await(exporter, c.spooled == 30);
	becomes(&receiver, REJECTS_ONE);
	await(exporter, c.spooled == 0);
	assert_int_equal(counts_of(exporter).rejected, 2);
	assert_int_equal(of_account(shops, ACCOUNT_REJECTED), 2);
	becomes(&receiver, REJECTS);
	submit(exporter, shop, 31, 40, 10);
	await(exporter, c.rejected == 12);
	assert_int_equal(of_account(shops, ACCOUNT_REJECTED), 12);
	assert_int_equal(of_account(shops, ACCOUNT_EXPORTED), 28);
	finish(exporter, 1000);
}

static void every_process_has_its_own_account(void **state)
{
	struct exporter *exporter = start(REFUSES);

	(void)state;
	for (uint32_t id = 1; id <= 300; id += 3) {
		submit(exporter, shop, id, id, 10);
		submit(exporter, kitchen, id + 1, id + 2, 10);
	}
	await(exporter, c.spooled == 300);
	assert_int_equal(of_account(shops, ACCOUNT_SPOOLED), 100);
	assert_int_equal(of_account(kitchens, ACCOUNT_SPOOLED), 200);
	becomes(&receiver, TAKES);
	await(exporter, c.exported == 300);
	finish(exporter, 1000);
	for (int i = 0; i < 2; i++) {
		const struct account *account = i ? shops : kitchens;

		assert_int_equal(of_account(account, ACCOUNT_SUBMITTED), i ? 100 : 200);
		assert_int_equal(of_account(account, ACCOUNT_EXPORTED), i ? 100 : 200);
		assert_int_equal(of_account(account, ACCOUNT_SPOOLED), 0);
		assert_int_equal(of_account(account, ACCOUNT_WAITING_BYTES), 0);
	}
}

/* Accounts that somebody else still has. */
static size_t unsettled(struct account *const *accounts, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += !account_is_settled(accounts[i]);
	return count;
}

static void what_is_known_of_processes_does_not_grow_with_the_spool(void **state)
{
	enum { PROCESSES = 70000, KEPT = 65536 };
	static struct account *accounts[PROCESSES];
	struct exporter_options options = defaults;
	struct piece nothing = {0};
	struct exporter *exporter;
	size_t exported = 0, spooled = 0;

	(void)state;
	options.queue_bytes = 64 * MIB;
	options.batch_spans = 4096;
	exporter = start_with(REFUSES, 64 * MIB, &options);
	for (uint32_t i = 0; i < PROCESSES; i++) {
		struct resource *resource = make_resource("p", nothing);

		accounts[i] = account_new(i, "p", 1);
		resource->account = account_ref(accounts[i]);
		submit(exporter, resource, i, i, 0);
		resource_unref(resource);
	}
	await(exporter, c.spooled == PROCESSES);
	await(exporter, unsettled(accounts, PROCESSES) <= KEPT);
	becomes(&receiver, TAKES);
	await(exporter, c.exported == PROCESSES);
	finish(exporter, 1000);
	assert_int_equal(unsettled(accounts, PROCESSES), 0);
	for (uint32_t i = 0; i < PROCESSES; i++) {
		exported += of_account(accounts[i], ACCOUNT_EXPORTED);
		spooled += of_account(accounts[i], ACCOUNT_SPOOLED);
		account_unref(accounts[i]);
	}
	assert_in_range(exported, KEPT - 4096, KEPT);
	assert_int_equal(exported + spooled, PROCESSES);
}

static void *submit_many(void *exporter)
{
	for (uint32_t id = 1; id < 20000; id += 100) {
		submit(exporter, id % 200 == 1 ? shop : kitchen, id, id + 99, 10);
		usleep(2000);
	}
	return NULL;
}

/* 20,000 spans while the receiver does all that it can do, and the agent is restarted. */
static void nothing_is_lost_and_only_what_is_counted_is_sent_twice(void **state)
{
	static uint8_t seen[20001];
	struct exporter *exporter = start(TAKES);
	struct exporter_counts counts;
	uint64_t resent, twice = 0;
	unsigned int seed = 1;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, submit_many, exporter), 0);
	for (int i = 0; i < 40; i++) {
		becomes(&receiver, (enum mode)(rand_r(&seed) % 4));
		usleep(15000);
	}
	pthread_join(thread, NULL);
	becomes(&receiver, HANGS);
	counts = finish(exporter, 20);
	assert_int_equal(counts.submitted, 20000);
	assert_int_equal(counts.exported + counts.spooled, 20000);
	resent = counts.resent;
	memset(seen, 0, sizeof(seen));
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < receiver.n; i++) {
			twice += seen[receiver.ids[i]] > 0;
			seen[receiver.ids[i]] = 1;
		}
		if (round)
			break;
		exporter = start(TAKES);
		await(exporter, !c.spooled);
		counts = finish(exporter, 1000);
		assert_int_equal(counts.exported, counts.found);
		resent += counts.resent;
	}
	for (uint32_t id = 1; id <= 20000; id++)
		assert_true(seen[id]);
	print_message("%lu spans arrived twice, %lu were counted as resent\n", twice, resent);
	assert_true(twice <= resent);
}

static int make_shared(void **state)
{
	struct piece nothing = {0};

	(void)state;
	folder_make(folder);
	snprintf(path, sizeof(path), "%s/spool", folder);
	scope = make_scope(NULL, NULL, nothing); /* of several processes */
	shop = make_resource("shop", nothing);
	kitchen = make_resource("kitchen", nothing);
	shops = account_new(1, "shop", 1);
	kitchens = account_new(2, "kitchen", 1);
	shop->account = account_ref(shops);
	kitchen->account = account_ref(kitchens);
	return 0;
}

static int free_shared(void **state)
{
	(void)state;
	/* Whoever still has a span would keep them alive. */
	assert_int_equal(shop->references, 1);
	assert_int_equal(scope->references, 1);
	resource_unref(shop);
	resource_unref(kitchen);
	scope_unref(scope);
	assert_true(account_is_settled(shops));
	assert_true(account_is_settled(kitchens));
	account_unref(shops);
	account_unref(kitchens);
	folder_remove(folder);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_shared, free_shared)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_cannot_be_delivered_waits_on_disk_and_leaves_in_order),
		TEST(while_the_receiver_answers_nothing_goes_to_disk),
		TEST(what_is_left_at_the_end_is_delivered_by_the_next_agent),
		TEST(at_the_end_nobody_waits_for_what_can_be_kept_on_disk),
		TEST(at_the_end_what_cannot_be_kept_on_disk_is_tried_as_long_as_there_is_time),
		TEST(a_full_spool_drops_the_oldest),
		TEST(a_batch_whose_answer_was_lost_is_sent_again_and_counted),
		TEST(without_a_spool_it_is_sent_again_and_counted_too),
		TEST(that_an_answer_was_lost_is_known_to_the_next_agent),
		TEST(a_batch_is_marked_as_sent_as_long_as_it_may_have_arrived),
		TEST(what_is_under_way_is_not_dropped_from_a_full_spool),
		TEST(what_the_sink_sends_again_is_counted),
		TEST(while_a_request_hangs_the_spans_behind_it_and_its_own_go_to_disk),
		TEST(what_hangs_at_the_end_is_kept_and_may_arrive_twice),
		TEST(a_receiver_that_is_too_slow_fills_the_disk_not_the_memory),
		TEST(behind_a_batch_that_failed_little_waits_in_memory),
		TEST(what_is_larger_than_the_spool_pushes_nothing_out),
		TEST(what_cannot_be_read_back_is_removed_and_counted),
		TEST(when_the_disk_cannot_be_written_spans_wait_in_memory),
		TEST(when_the_disk_cannot_be_written_at_the_end_the_loss_is_counted),
		TEST(what_the_receiver_refuses_for_good_does_not_stay_in_the_spool),
		TEST(every_process_has_its_own_account),
		TEST(what_is_known_of_processes_does_not_grow_with_the_spool),
		TEST(nothing_is_lost_and_only_what_is_counted_is_sent_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
