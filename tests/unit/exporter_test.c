/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "span_builder.h"

/* A sink that does as it is told, and remembers what happened. */
struct fake {
	struct sink sink;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int results[16]; /* of the first writes; then the last one again */
	size_t n_results;
	uint64_t retry_after_ms;
	useconds_t takes; /* a write */
	size_t rejects;	  /* of each batch that succeeds */
	bool hangs;	  /* in write(), until interrupted */
	int flush_again;  /* what flush() returns the first time */

	size_t writes, spans, flushes, last_flushes, largest;
	bool interrupted, freed;
	uint64_t written_at[16];
};

static struct fake *of(struct sink *sink)
{
	return (struct fake *)sink;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int fake_write(struct sink *sink, struct span *const *spans, size_t n, struct delivery *out)
{
	struct fake *fake = of(sink);
	int result;

	usleep(fake->takes);
	pthread_mutex_lock(&fake->lock);
	assert_non_null(spans[0]);
	assert_int_equal(out->rejected, 0);
	if (fake->writes < 16)
		fake->written_at[fake->writes] = now_ms();
	result = fake->results[fake->writes < fake->n_results ? fake->writes : fake->n_results - 1];
	fake->writes++;
	pthread_cond_broadcast(&fake->changed);
	while (fake->hangs && !fake->interrupted)
		pthread_cond_wait(&fake->changed, &fake->lock);
	if (fake->hangs)
		result = -EAGAIN;
	if (!result) {
		fake->spans += n;
		out->rejected = fake->rejects;
	}
	if (fake->largest < n)
		fake->largest = n;
	out->retry_after_ms = fake->retry_after_ms;
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
	return result;
}

static int fake_flush(struct sink *sink, bool last)
{
	struct fake *fake = of(sink);
	int again;

	pthread_mutex_lock(&fake->lock);
	fake->flushes++;
	fake->last_flushes += last;
	again = fake->flushes == 1 ? fake->flush_again : 0;
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
	return again;
}

static void fake_interrupt(struct sink *sink)
{
	struct fake *fake = of(sink);

	pthread_mutex_lock(&fake->lock);
	fake->interrupted = true;
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
}

static void fake_free(struct sink *sink)
{
	of(sink)->freed = true;
}

static void fake_init(struct fake *fake)
{
	*fake = (struct fake){
		.sink = {.name = "fake",
			 .write = fake_write,
			 .flush = fake_flush,
			 .interrupt = fake_interrupt,
			 .free = fake_free},
		.n_results = 1,
	};
	pthread_mutex_init(&fake->lock, NULL);
	pthread_cond_init(&fake->changed, NULL);
}

/* Waits until a count of the sink is at least so much. */
static void await(struct fake *fake, const size_t *count, size_t least)
{
	struct timespec at;
	int err = 0;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += 10;
	pthread_mutex_lock(&fake->lock);
	while (*count < least && !err)
		err = pthread_cond_timedwait(&fake->changed, &fake->lock, &at);
	if (*count < least)
		print_message("%zu of %zu after 10 s\n", *count, least);
	assert_true(*count >= least);
	pthread_mutex_unlock(&fake->lock);
}

static const struct exporter_options defaults = {
	.queue_bytes = 1 << 20,
	.batch_spans = 512,
	.schedule_ms = 20,
	.retry_initial_ms = 10,
	.retry_total_ms = 0,
};

static struct resource *resource;
static struct scope *scope;

static struct span *new_span(uint32_t id, size_t attribute_bytes)
{
	struct draft draft = {.resource = resource, .scope = scope, .id = id, .name = "span"};
	uint8_t *text = calloc(1, attribute_bytes + 1);

	memset(text, 'x', attribute_bytes);
	if (attribute_bytes)
		piece_attribute(&draft.attributes, 9, "text", value_string((const char *)text));
	free(text);
	return make_span(&draft);
}

static void submit(struct exporter *exporter, size_t n, size_t attribute_bytes)
{
	for (uint32_t i = 0; i < n; i++) {
		struct span *span = new_span(i + 1, attribute_bytes);

		exporter_submit(exporter, span);
		span_unref(span);
	}
}

static struct exporter *start(struct fake *fake, const struct exporter_options *options)
{
	struct exporter *exporter = exporter_new(&fake->sink, options);

	assert_non_null(exporter);
	assert_string_equal(exporter_name(exporter), "fake");
	return exporter;
}

static struct exporter_counts finish(struct exporter *exporter, struct fake *fake, uint64_t ms)
{
	struct exporter_counts counts;

	exporter_stop(exporter, ms);
	exporter_counts(exporter, &counts);
	if (counts.submitted !=
	    counts.exported + counts.queue_full + counts.rejected + counts.undelivered)
		print_message("submitted %lu exported %lu full %lu rejected %lu undelivered %lu\n",
			      counts.submitted, counts.exported, counts.queue_full, counts.rejected,
			      counts.undelivered);
	assert_int_equal(counts.submitted, counts.exported + counts.queue_full + counts.rejected +
						   counts.undelivered);
	assert_int_equal(fake->last_flushes, 1);
	exporter_free(exporter);
	assert_true(fake->freed);
	pthread_mutex_destroy(&fake->lock);
	pthread_cond_destroy(&fake->changed);
	return counts;
}

static void spans_leave_after_the_schedule_though_the_batch_is_not_full(void **state)
{
	struct exporter *exporter;
	struct fake fake;
	uint64_t began;

	(void)state;
	fake_init(&fake);
	exporter = start(&fake, &defaults);
	began = now_ms();
	submit(exporter, 3, 0);
	await(&fake, &fake.spans, 3);
	assert_true(now_ms() - began >= 19);
	assert_int_equal(fake.writes, 1);
	await(&fake, &fake.flushes, 1);
	assert_int_equal(finish(exporter, &fake, 1000).exported, 3);
}

static void a_full_batch_leaves_at_once(void **state)
{
	struct exporter_options options = defaults;
	struct exporter *exporter;
	struct fake fake;

	(void)state;
	fake_init(&fake);
	options.schedule_ms = 3600 * 1000;
	options.batch_spans = 100;
	exporter = start(&fake, &options);
	submit(exporter, 250, 0);
	await(&fake, &fake.spans, 200);
	assert_int_equal(fake.spans, 200);
	assert_int_equal(fake.largest, 100);
	/* The rest leaves when it stops. */
	assert_int_equal(finish(exporter, &fake, 1000).exported, 250);
}

static void large_spans_leave_in_small_batches(void **state)
{
	struct exporter_options options = defaults;
	struct exporter *exporter;
	struct fake fake;

	(void)state;
	fake_init(&fake);
	options.queue_bytes = 64 << 20;
	exporter = start(&fake, &options);
	submit(exporter, 20, 1 << 20);
	assert_int_equal(finish(exporter, &fake, 5000).exported, 20);
	assert_true(fake.largest <= 2);
}

/* Else all of them would be refused with it, as too large. */
static void a_span_that_is_too_large_for_others_leaves_alone(void **state)
{
	struct exporter_options options = defaults;
	struct exporter *exporter;
	struct fake fake;

	(void)state;
	fake_init(&fake);
	options.queue_bytes = 64 << 20;
	options.schedule_ms = 3600 * 1000;
	exporter = start(&fake, &options);
	submit(exporter, 10, 900);
	submit(exporter, 1, 3 << 20);
	submit(exporter, 10, 900);
	assert_int_equal(finish(exporter, &fake, 5000).exported, 21);
	assert_int_equal(fake.writes, 3);
	assert_int_equal(fake.largest, 10);
}

/* @text_bytes: of each one's text. */
static struct exporter_counts submit_by_resources(struct fake *fake, size_t resources, size_t spans, size_t text_bytes)
{
	struct exporter_options options = defaults;
	struct resource *before = resource;
	uint8_t *text = calloc(1, text_bytes + 1);
	struct exporter_counts counts;
	struct exporter *exporter;

	memset(text, 'x', text_bytes);
	fake_init(fake);
	fake->hangs = true;
	options.queue_bytes = 4 << 20;
	options.schedule_ms = 3600 * 1000; /* a batch leaves when it is full */
	exporter = start(fake, &options);
	for (size_t i = 0; i < resources; i++) {
		struct piece attributes = {0};

		piece_attribute(&attributes, 1, "text", value_string((const char *)text));
		resource = make_resource("large", attributes);
		submit(exporter, spans, 0);
		resource_unref(resource);
	}
	resource = before;
	free(text);
	exporter_counts(exporter, &counts);
	await(fake, &fake->writes, 1);
	finish(exporter, fake, 50);
	return counts;
}

static void what_spans_share_counts_once_in_the_queue(void **state)
{
	struct fake fake;

	(void)state;
	assert_int_equal(submit_by_resources(&fake, 2, 2000, 100000).queue_full, 0);
}

static void what_each_span_has_for_itself_counts_in_the_queue_and_in_the_batch(void **state)
{
	struct exporter_counts counts;
	struct fake fake;

	(void)state;
	counts = submit_by_resources(&fake, 100, 1, 100000);
	assert_in_range(counts.submitted - counts.queue_full, 35, 42);
	assert_in_range(fake.largest, 15, 21);
}

static void what_does_not_fit_into_the_queue_is_dropped_and_counted(void **state)
{
	struct exporter_options options = defaults;
	struct exporter_counts counts;
	struct exporter *exporter;
	struct fake fake;

	(void)state;
	fake_init(&fake);
	fake.hangs = true;
	options.queue_bytes = 10000;
	exporter = start(&fake, &options);
	submit(exporter, 100, 900);
	exporter_counts(exporter, &counts);
	assert_int_equal(counts.submitted, 100);
	assert_true(counts.queue_full >= 90 && counts.queue_full < 95);
	await(&fake, &fake.writes, 1);
	counts = finish(exporter, &fake, 50);
	assert_int_equal(counts.undelivered, 100 - counts.queue_full);
	assert_true(fake.interrupted);
}

static struct account *account_of(struct resource *of)
{
	of->account = account_new(1, "test", 1);
	return of->account;
}

static void a_process_that_floods_loses_its_own_spans_and_its_neighbour_none(void **state)
{
	struct piece nothing = {0};
	struct resource *modest = make_resource("modest", nothing), *before = resource;
	struct account *floods, *neighbours = account_of(modest);
	struct resource *flooding = make_resource("flooding", nothing);
	struct exporter_options options = defaults;
	struct exporter_counts counts;
	struct exporter *exporter;
	uint64_t kept;
	struct fake fake;

	(void)state;
	floods = account_of(flooding);
	fake_init(&fake);
	fake.hangs = true;
	options.queue_bytes = 1000000;
	exporter = start(&fake, &options);
	for (int i = 0; i < 20; i++) {
		resource = flooding;
		submit(exporter, 500, 900);
		resource = modest;
		submit(exporter, 5, 900);
	}
	resource = before;
	exporter_counts(exporter, &counts);
	assert_int_equal(account_read(neighbours, 0, ACCOUNT_SUBMITTED), 100);
	assert_int_equal(account_read(neighbours, 0, ACCOUNT_QUEUE_FULL), 0);
	assert_int_equal(account_read(floods, 0, ACCOUNT_SUBMITTED), 10000);
	assert_int_equal(account_read(floods, 0, ACCOUNT_QUEUE_FULL), counts.queue_full);
	kept = account_read(floods, 0, ACCOUNT_WAITING_BYTES);
	/* Half of it, or of what the neighbour has left. */
	assert_in_range(kept, 430000, 501200);
	counts = finish(exporter, &fake, 50);
	assert_int_equal(account_read(floods, 0, ACCOUNT_UNDELIVERED) +
				 account_read(neighbours, 0, ACCOUNT_UNDELIVERED),
			 counts.undelivered);
	assert_int_equal(account_read(floods, 0, ACCOUNT_WAITING_BYTES), 0);
	resource_unref(flooding);
	resource_unref(modest);
}

static void a_batch_is_tried_again_with_growing_pauses_until_it_is_out(void **state)
{
	struct exporter_counts counts;
	struct exporter *exporter;
	struct fake fake;

	(void)state;
	fake_init(&fake);
	for (int i = 0; i < 5; i++)
		fake.results[i] = -EAGAIN;
	fake.n_results = 6;
	exporter = start(&fake, &defaults);
	submit(exporter, 7, 0);
	await(&fake, &fake.spans, 7);
	assert_int_equal(fake.writes, 6);
	/* 10, 16, 25, 38, 58 ms, each -20 to +20 % and what the scheduler adds */
	assert_true(fake.written_at[1] - fake.written_at[0] >= 7);
	assert_true(fake.written_at[5] - fake.written_at[4] >= 45);
	counts = finish(exporter, &fake, 1000);
	assert_int_equal(counts.exported, 7);
}

static void the_receivers_wish_for_a_pause_is_respected(void **state)
{
	struct exporter *exporter;
	struct fake fake;

	(void)state;
	fake_init(&fake);
	fake.results[0] = -EAGAIN;
	fake.n_results = 2;
	fake.retry_after_ms = 150;
	exporter = start(&fake, &defaults);
	submit(exporter, 1, 0);
	await(&fake, &fake.spans, 1);
	assert_true(fake.written_at[1] - fake.written_at[0] >= 149);
	finish(exporter, &fake, 1000);
}

static void a_batch_is_given_up_after_the_time_for_retries(void **state)
{
	struct exporter_options options = defaults;
	struct exporter_counts counts;
	struct exporter *exporter;
	struct fake fake;

	(void)state;
	fake_init(&fake);
	fake.results[0] = -EAGAIN;
	options.retry_total_ms = 600; /* long enough for a second try on a busy machine */
	exporter = start(&fake, &options);
	submit(exporter, 4, 0);
	for (counts.undelivered = 0; !counts.undelivered;) {
		usleep(1000);
		exporter_counts(exporter, &counts);
	}
	assert_int_equal(counts.undelivered, 4);
	assert_true(fake.writes >= 2);
	assert_int_equal(finish(exporter, &fake, 1000).undelivered, 4);
}

static void what_the_receiver_refuses_is_not_tried_again(void **state)
{
	struct exporter_counts counts;
	struct exporter *exporter;
	struct fake fake;

	(void)state;
	fake_init(&fake);
	fake.results[0] = -EPROTO;
	exporter = start(&fake, &defaults);
	submit(exporter, 5, 0);
	await(&fake, &fake.writes, 1);
	counts = finish(exporter, &fake, 1000);
	assert_int_equal(fake.writes, 1);
	assert_int_equal(counts.rejected, 5);
}

static void spans_that_were_rejected_one_by_one_are_counted(void **state)
{
	struct exporter_counts counts;
	struct exporter *exporter;
	struct fake fake;

	(void)state;
	fake_init(&fake);
	fake.rejects = 2;
	exporter = start(&fake, &defaults);
	submit(exporter, 5, 0);
	counts = finish(exporter, &fake, 1000);
	assert_int_equal(counts.rejected, 2);
	assert_int_equal(counts.exported, 3);
}

static void stopping_ends_a_long_pause_and_tries_once_more(void **state)
{
	struct exporter_options options = defaults;
	struct exporter *exporter;
	struct fake fake;
	uint64_t began;

	(void)state;
	fake_init(&fake);
	fake.results[0] = -EAGAIN;
	fake.n_results = 2;
	options.retry_initial_ms = 20000;
	exporter = start(&fake, &options);
	submit(exporter, 5, 0);
	await(&fake, &fake.writes, 1);
	began = now_ms();
	assert_int_equal(finish(exporter, &fake, 5000).exported, 5);
	assert_true(now_ms() - began < 2000);
}

static void stopping_does_not_wait_for_a_try_that_would_come_too_late(void **state)
{
	struct exporter_options options = defaults;
	struct exporter *exporter;
	struct fake fake;
	uint64_t began;

	(void)state;
	fake_init(&fake);
	fake.results[0] = -EAGAIN;
	options.retry_initial_ms = 20000;
	exporter = start(&fake, &options);
	submit(exporter, 5, 0);
	await(&fake, &fake.writes, 1);
	began = now_ms();
	assert_int_equal(finish(exporter, &fake, 10000).undelivered, 5);
	assert_int_equal(fake.writes, 2);
	assert_true(now_ms() - began < 5000);
}

static void stopping_during_a_try_that_fails_tries_once_more(void **state)
{
	struct exporter_options options = defaults;
	struct exporter *exporter;
	struct fake fake;
	uint64_t began;

	(void)state;
	fake_init(&fake);
	fake.results[0] = -EAGAIN;
	fake.n_results = 2;
	fake.takes = 100000;
	options.retry_initial_ms = 20000;
	options.schedule_ms = 0;
	exporter = start(&fake, &options);
	submit(exporter, 5, 0);
	usleep(30000);
	began = now_ms();
	assert_int_equal(finish(exporter, &fake, 5000).exported, 5);
	assert_true(now_ms() - began < 2000);
}

static void stopping_takes_no_longer_than_its_deadline(void **state)
{
	struct exporter_counts counts;
	struct exporter *exporter;
	struct fake fake;
	uint64_t began;

	(void)state;
	fake_init(&fake);
	fake.results[0] = -EAGAIN;
	exporter = start(&fake, &defaults);
	submit(exporter, 2000, 0);
	await(&fake, &fake.writes, 1);
	began = now_ms();
	counts = finish(exporter, &fake, 100);
	assert_true(now_ms() - began < 1000);
	assert_int_equal(counts.undelivered, counts.submitted - counts.queue_full);
}

static void a_sink_that_hangs_is_interrupted_at_the_deadline(void **state)
{
	struct exporter *exporter;
	struct fake fake;
	uint64_t began;

	(void)state;
	fake_init(&fake);
	fake.hangs = true;
	exporter = start(&fake, &defaults);
	submit(exporter, 3, 0);
	await(&fake, &fake.writes, 1);
	began = now_ms();
	assert_int_equal(finish(exporter, &fake, 50).undelivered, 3);
	assert_true(now_ms() - began >= 49 && now_ms() - began < 1000);
}

static void what_is_gone_and_what_is_under_way_can_be_seen_from_outside(void **state)
{
	struct exporter_options options = defaults;
	struct exporter_trace trace = {0};
	struct exporter *exporter;
	struct fake fake;

	(void)state;
	options.trace = &trace;
	fake_init(&fake);
	fake.hangs = true;
	exporter = start(&fake, &options);
	submit(exporter, 3, 0);
	await(&fake, &fake.writes, 1);
	assert_int_equal(trace.state, 3);
	submit(exporter, 2, 0);
	assert_int_equal(trace.state, 3);
	finish(exporter, &fake, 50);
	assert_int_equal(trace.state, 5 * (EXPORTER_TRACE_UNDER_WAY + 1));
	assert_int_equal(trace.dropped, 5);

	trace = (struct exporter_trace){0};
	fake_init(&fake);
	fake.rejects = 1;
	options.queue_bytes = 3000;
	exporter = start(&fake, &options);
	submit(exporter, 1, 0);
	await(&fake, &fake.spans, 1);
	submit(exporter, 1, 100000);
	finish(exporter, &fake, 1000);
	assert_int_equal(trace.state, 2 * (EXPORTER_TRACE_UNDER_WAY + 1));
	assert_int_equal(trace.dropped, 2);
}

static void a_sink_may_ask_to_be_flushed_again(void **state)
{
	struct exporter *exporter;
	struct fake fake;

	(void)state;
	fake_init(&fake);
	fake.flush_again = 30;
	exporter = start(&fake, &defaults);
	submit(exporter, 1, 0);
	await(&fake, &fake.flushes, 2);
	finish(exporter, &fake, 1000);
	assert_int_equal(fake.flushes, 3);
}

static uint64_t switches_of(pid_t thread)
{
	char path[64], line[128];
	unsigned long n = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)thread);
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1)
			break;
	}
	fclose(file);
	return n;
}

static pid_t writer;

static int note_thread(struct sink *sink, struct span *const *spans, size_t n, struct delivery *out)
{
	writer = gettid();
	return fake_write(sink, spans, n, out);
}

static void an_idle_exporter_does_not_wake_up(void **state)
{
	struct exporter *exporter;
	struct fake fake;
	uint64_t before;

	(void)state;
	fake_init(&fake);
	fake.sink.write = note_thread;
	exporter = start(&fake, &defaults);
	submit(exporter, 1, 0);
	await(&fake, &fake.flushes, 1);
	usleep(50000);
	before = switches_of(writer);
	usleep(300000);
	assert_int_equal(switches_of(writer), before);
	finish(exporter, &fake, 1000);
}

static void *submit_many(void *exporter)
{
	submit(exporter, 20000, 10);
	return NULL;
}

static void the_books_balance_under_load_from_several_threads(void **state)
{
	struct exporter_options options = defaults;
	struct exporter_counts counts;
	struct exporter *exporter;
	pthread_t threads[4];
	struct fake fake;

	(void)state;
	fake_init(&fake);
	for (int i = 0; i < 16; i++)
		fake.results[i] = i % 3 == 1 ? -EAGAIN : i % 5 == 2 ? -EPROTO : 0;
	fake.n_results = 16;
	fake.rejects = 1;
	options.queue_bytes = 200000;
	options.retry_initial_ms = 1;
	exporter = start(&fake, &options);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, submit_many, exporter), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	counts = finish(exporter, &fake, 5000);
	assert_int_equal(counts.submitted, 80000);
	assert_true(counts.exported > 0);
	assert_int_equal(counts.undelivered, 0);
}

static void spans_after_the_end_are_counted(void **state)
{
	struct exporter_counts counts;
	struct exporter *exporter;
	struct fake fake;

	(void)state;
	fake_init(&fake);
	exporter = start(&fake, &defaults);
	exporter_stop(exporter, 100);
	submit(exporter, 3, 0);
	counts = finish(exporter, &fake, 0);
	assert_int_equal(counts.undelivered, 3);
}

static int make_shared(void **state)
{
	struct piece nothing = {0};

	(void)state;
	resource = make_resource("test", nothing);
	scope = make_scope(NULL, NULL, nothing); /* of several processes */
	return 0;
}

static int free_shared(void **state)
{
	(void)state;
	/* Whoever still has a span would keep them alive. */
	assert_int_equal(resource->references, 1);
	assert_int_equal(scope->references, 1);
	resource_unref(resource);
	scope_unref(scope);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_leave_after_the_schedule_though_the_batch_is_not_full),
		cmocka_unit_test(a_full_batch_leaves_at_once),
		cmocka_unit_test(large_spans_leave_in_small_batches),
		cmocka_unit_test(a_span_that_is_too_large_for_others_leaves_alone),
		cmocka_unit_test(what_spans_share_counts_once_in_the_queue),
		cmocka_unit_test(what_each_span_has_for_itself_counts_in_the_queue_and_in_the_batch),
		cmocka_unit_test(what_does_not_fit_into_the_queue_is_dropped_and_counted),
		cmocka_unit_test(a_process_that_floods_loses_its_own_spans_and_its_neighbour_none),
		cmocka_unit_test(a_batch_is_tried_again_with_growing_pauses_until_it_is_out),
		cmocka_unit_test(the_receivers_wish_for_a_pause_is_respected),
		cmocka_unit_test(a_batch_is_given_up_after_the_time_for_retries),
		cmocka_unit_test(what_the_receiver_refuses_is_not_tried_again),
		cmocka_unit_test(spans_that_were_rejected_one_by_one_are_counted),
		cmocka_unit_test(stopping_ends_a_long_pause_and_tries_once_more),
		cmocka_unit_test(stopping_does_not_wait_for_a_try_that_would_come_too_late),
		cmocka_unit_test(stopping_during_a_try_that_fails_tries_once_more),
		cmocka_unit_test(stopping_takes_no_longer_than_its_deadline),
		cmocka_unit_test(a_sink_that_hangs_is_interrupted_at_the_deadline),
		cmocka_unit_test(what_is_gone_and_what_is_under_way_can_be_seen_from_outside),
		cmocka_unit_test(a_sink_may_ask_to_be_flushed_again),
		cmocka_unit_test(an_idle_exporter_does_not_wake_up),
		cmocka_unit_test(the_books_balance_under_load_from_several_threads),
		cmocka_unit_test(spans_after_the_end_are_counted),
	};

	return cmocka_run_group_tests(tests, make_shared, free_shared);
}
