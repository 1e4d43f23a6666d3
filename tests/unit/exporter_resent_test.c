/* SPDX-License-Identifier: Apache-2.0 */
/* What may have arrived is sent again, and counted; nothing else is, and nothing is lost. */
#include "spool_receiver.h"

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

static void what_the_sink_sends_again_is_counted(void **state)
{
	struct exporter *exporter = start(TAKES_TWICE);

	(void)state;
	submit(exporter, shop, 1, 70, 10);
	await(exporter, c.exported == 70);
	assert_int_equal(finish(exporter, 1000).resent, 70);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_batch_whose_answer_was_lost_is_sent_again_and_counted),
		TEST(without_a_spool_it_is_sent_again_and_counted_too),
		TEST(that_an_answer_was_lost_is_known_to_the_next_agent),
		TEST(a_batch_is_marked_as_sent_as_long_as_it_may_have_arrived),
		TEST(what_the_sink_sends_again_is_counted),
		TEST(what_hangs_at_the_end_is_kept_and_may_arrive_twice),
		TEST(nothing_is_lost_and_only_what_is_counted_is_sent_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
