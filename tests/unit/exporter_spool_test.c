/* SPDX-License-Identifier: Apache-2.0 */
/* What cannot be delivered waits on disk, against a receiver that comes and goes. */
#include "spool_receiver.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_cannot_be_delivered_waits_on_disk_and_leaves_in_order),
		TEST(while_the_receiver_answers_nothing_goes_to_disk),
		TEST(what_is_left_at_the_end_is_delivered_by_the_next_agent),
		TEST(at_the_end_nobody_waits_for_what_can_be_kept_on_disk),
		TEST(at_the_end_what_cannot_be_kept_on_disk_is_tried_as_long_as_there_is_time),
		TEST(a_full_spool_drops_the_oldest),
		TEST(what_is_under_way_is_not_dropped_from_a_full_spool),
		TEST(while_a_request_hangs_the_spans_behind_it_and_its_own_go_to_disk),
		TEST(a_receiver_that_is_too_slow_fills_the_disk_not_the_memory),
		TEST(behind_a_batch_that_failed_little_waits_in_memory),
		TEST(what_is_larger_than_the_spool_pushes_nothing_out),
		TEST(what_cannot_be_read_back_is_removed_and_counted),
		TEST(when_the_disk_cannot_be_written_spans_wait_in_memory),
		TEST(when_the_disk_cannot_be_written_at_the_end_the_loss_is_counted),
		TEST(what_the_receiver_refuses_for_good_does_not_stay_in_the_spool),
		TEST(every_process_has_its_own_account),
		TEST(what_is_known_of_processes_does_not_grow_with_the_spool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
