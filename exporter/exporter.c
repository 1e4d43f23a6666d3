/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread per exporter takes batches off the queue and gives them to the sink. Spans stay in
 * the queue, and in its account of bytes, until their fate is known; so whatever is neither
 * counted nor in the queue does not exist.
 *
 * Submitting costs a lock and a store: the thread is only woken if it sleeps without a timeout, or
 * if a batch just became full. An idle exporter sleeps until the next span.
 */
#include "exporter.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "health.h"
#include "log.h"

/* A batch leaves when it has this much, too: receivers refuse what is too large (20 MiB is the
 * Collector's limit, 4 MiB that of many others). */
#define BATCH_BYTES (2u << 20)
#define RETRY_MAX_MS 30000
#define NEVER UINT64_MAX

enum sleep { AWAKE, UNTIL_TIMEOUT, UNTIL_SPAN };

struct exporter {
	struct sink *sink;
	struct exporter_options options;
	struct health health; /* this and the batch are the thread's */
	struct span **batch;  /* room for options.batch_spans */
	size_t batch_bytes;
	pthread_t thread;
	bool joined;

	pthread_mutex_t lock; /* for all below */
	pthread_cond_t wake;  /* the thread: see sleep */
	pthread_cond_t idle;  /* exporter_stop(): the thread has ended */
	enum sleep sleep;
	bool stopping;
	bool ended;
	uint64_t deadline_ms; /* of stopping */
	struct span **queue;  /* a ring; capacity is a power of two */
	size_t capacity;
	size_t head;
	size_t waiting;
	size_t bytes;
	bool overflow; /* spans were dropped, and the queue is still rather full */
	struct exporter_counts counts;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t later(uint64_t from, uint64_t ms)
{
	return ms > NEVER - from ? NEVER : from + ms;
}

/* What a span costs while it waits; what it shares with others is not counted. */
static size_t span_bytes(const struct span *span)
{
	return sizeof(*span) + sizeof(span) + span->name.size + span->tracestate.size +
	       span->status_message.size + span->attributes.size + span->events.size +
	       span->links.size;
}

/* ---- The queue; all with the lock held ------------------------------------------------------- */

static bool grow_queue(struct exporter *ex)
{
	size_t capacity = ex->capacity ? 2 * ex->capacity : 1024;
	struct span **queue = malloc(capacity * sizeof(*queue));

	if (!queue)
		return false;
	for (size_t i = 0; i < ex->waiting; i++)
		queue[i] = ex->queue[(ex->head + i) & (ex->capacity - 1)];
	free(ex->queue);
	ex->queue = queue;
	ex->capacity = capacity;
	ex->head = 0;
	return true;
}

/* Sleeps until woken or @until. */
static void sleep_until(struct exporter *ex, enum sleep sleep, uint64_t until)
{
	struct timespec at = {
		.tv_sec = (time_t)(until / 1000),
		.tv_nsec = (long)(until % 1000) * 1000000,
	};

	ex->sleep = sleep;
	if (until == NEVER)
		pthread_cond_wait(&ex->wake, &ex->lock);
	else
		pthread_cond_timedwait(&ex->wake, &ex->lock, &at);
	ex->sleep = AWAKE;
}

static void wake(struct exporter *ex)
{
	if (ex->sleep == AWAKE)
		return;
	ex->sleep = AWAKE;
	pthread_cond_signal(&ex->wake);
}

static bool batch_is_full(const struct exporter *ex)
{
	return ex->waiting >= ex->options.batch_spans || ex->bytes >= BATCH_BYTES;
}

/* Copies the oldest spans into ->batch; they stay in the queue. Returns how many. */
static size_t copy_batch(struct exporter *ex)
{
	size_t n = ex->waiting < ex->options.batch_spans ? ex->waiting : ex->options.batch_spans;

	for (size_t i = 0; i < n; i++)
		ex->batch[i] = ex->queue[(ex->head + i) & (ex->capacity - 1)];
	return n;
}

/* Takes the @n oldest spans, of @bytes, out of the queue; the references are the caller's. */
static void remove_spans(struct exporter *ex, size_t n, size_t bytes)
{
	ex->head = (ex->head + n) & (ex->capacity - 1);
	ex->waiting -= n;
	ex->bytes -= bytes;
	if (ex->overflow && ex->bytes <= ex->options.queue_bytes / 2)
		ex->overflow = false;
}

/* ---- The thread ------------------------------------------------------------------------------ */

static bool must_give_up(const struct exporter *ex)
{
	return ex->stopping && now_ms() >= ex->deadline_ms;
}

/* Says what changed about the overflow; lets the lock go meanwhile. */
static void report_overflow(struct exporter *ex)
{
	uint64_t dropped = ex->counts.queue_full;
	bool overflow = ex->overflow;

	if (overflow == ex->health.overflow.said)
		return;
	pthread_mutex_unlock(&ex->lock);
	health_overflow(&ex->health, overflow, dropped, now_ms());
	pthread_mutex_lock(&ex->lock);
}

/* 80 to 120 % of @ms, so that many agents do not return in step. */
static uint64_t jitter(uint64_t ms, unsigned int *seed)
{
	return ms - ms / 5 + (uint64_t)rand_r(seed) % (2 * (ms / 5) + 1);
}

/*
 * Sleeps for a retry. If the exporter is to stop, and was not yet (@stopping) when the last try
 * began, the next one is at once. Returns false if there is no time left.
 */
static bool pause_before_retry(struct exporter *ex, bool stopping, uint64_t until)
{
	bool go_on;

	pthread_mutex_lock(&ex->lock);
	if (stopping && ex->deadline_ms < until)
		until = ex->deadline_ms;
	for (;;) {
		report_overflow(ex);
		if (ex->stopping != stopping || now_ms() >= until)
			break;
		sleep_until(ex, UNTIL_TIMEOUT, until);
	}
	go_on = !must_give_up(ex);
	pthread_mutex_unlock(&ex->lock);
	return go_on;
}

/* Returns whether there is time left; *@stopping, if wanted: whether that is limited. */
static bool has_time(struct exporter *ex, bool *stopping)
{
	bool has;

	pthread_mutex_lock(&ex->lock);
	report_overflow(ex);
	if (stopping)
		*stopping = ex->stopping;
	has = !must_give_up(ex);
	pthread_mutex_unlock(&ex->lock);
	return has;
}

/* Writes ->batch until its fate is known. Returns as sink->write() does. */
static int deliver(struct exporter *ex, size_t n, struct delivery *delivery)
{
	uint64_t began = now_ms(), pause = ex->options.retry_initial_ms, wait;
	unsigned int seed = (unsigned int)(began ^ (uintptr_t)ex);
	bool stopping;
	int err;

	has_time(ex, &stopping);
	for (;;) {
		*delivery = (struct delivery){0};
		err = ex->sink->write(ex->sink, ex->batch, n, delivery);
		if (err != -EAGAIN || !has_time(ex, NULL))
			return err;
		health_unreachable(&ex->health, delivery->message, now_ms());
		wait = jitter(pause, &seed);
		if (wait < delivery->retry_after_ms)
			wait = delivery->retry_after_ms;
		pause += pause / 2 + 1;
		if (pause > RETRY_MAX_MS)
			pause = RETRY_MAX_MS;
		if (ex->options.retry_total_ms &&
		    later(now_ms(), wait) > later(began, ex->options.retry_total_ms)) {
			health_gave_up(&ex->health, n, now_ms());
			return -EAGAIN;
		}
		if (!pause_before_retry(ex, stopping, later(now_ms(), wait)))
			return -EAGAIN;
		has_time(ex, &stopping);
	}
}

static void settle(struct exporter *ex, size_t n, int err, const struct delivery *delivery)
{
	size_t rejected = err == -EAGAIN ? 0 : n;

	if (!err)
		rejected = delivery->rejected < n ? delivery->rejected : n;
	pthread_mutex_lock(&ex->lock);
	remove_spans(ex, n, ex->batch_bytes);
	if (err == -EAGAIN)
		ex->counts.undelivered += n;
	else
		ex->counts.exported += n - rejected;
	ex->counts.rejected += rejected;
	pthread_mutex_unlock(&ex->lock);
	for (size_t i = 0; i < n; i++)
		span_unref(ex->batch[i]);
	if (err != -EAGAIN)
		health_delivered(&ex->health, err, rejected, delivery->message, now_ms());
}

/* At the deadline: nothing that is still there will leave. */
static void drop_all(struct exporter *ex)
{
	size_t n, bytes;

	do {
		bytes = 0;
		pthread_mutex_lock(&ex->lock);
		n = copy_batch(ex);
		for (size_t i = 0; i < n; i++)
			bytes += span_bytes(ex->batch[i]);
		remove_spans(ex, n, bytes);
		ex->counts.undelivered += n;
		pthread_mutex_unlock(&ex->lock);
		for (size_t i = 0; i < n; i++)
			span_unref(ex->batch[i]);
	} while (n);
}

enum task { DELIVER, FLUSH, END };

/* Sleeps until there is something to do. @flush_at: if nothing else happens; NEVER: no need. */
static enum task await_task(struct exporter *ex, uint64_t flush_at)
{
	uint64_t leaves = NEVER;

	for (;;) {
		report_overflow(ex);
		if (ex->stopping)
			return ex->waiting && !must_give_up(ex) ? DELIVER : END;
		if (!ex->waiting) {
			if (flush_at != NEVER && now_ms() >= flush_at)
				return FLUSH;
			sleep_until(ex, UNTIL_SPAN, flush_at);
			continue;
		}
		if (leaves == NEVER)
			leaves = later(now_ms(), ex->options.schedule_ms);
		if (batch_is_full(ex) || now_ms() >= leaves)
			return DELIVER;
		sleep_until(ex, UNTIL_TIMEOUT, leaves);
	}
}

/* Shortens the batch of @n spans to what shall leave in one piece. */
static size_t limit_batch(struct exporter *ex, size_t n)
{
	size_t i = 0;

	ex->batch_bytes = 0;
	while (i < n && ex->batch_bytes < BATCH_BYTES)
		ex->batch_bytes += span_bytes(ex->batch[i++]);
	return i;
}

/* Returns when to flush again. */
static uint64_t flush(struct exporter *ex)
{
	int again = ex->sink->flush ? ex->sink->flush(ex->sink, false) : 0;

	return again > 0 ? later(now_ms(), (uint64_t)again) : NEVER;
}

static void *run(void *argument)
{
	struct exporter *ex = argument;
	struct delivery delivery;
	uint64_t flush_at = NEVER;
	enum task task;
	size_t n;
	int err;

	for (;;) {
		pthread_mutex_lock(&ex->lock);
		task = await_task(ex, flush_at);
		n = task == DELIVER ? copy_batch(ex) : 0;
		pthread_mutex_unlock(&ex->lock);
		if (task == END)
			break;
		if (task == FLUSH) {
			flush_at = flush(ex);
			continue;
		}
		n = limit_batch(ex, n);
		err = deliver(ex, n, &delivery);
		settle(ex, n, err, &delivery);
		flush_at = 0; /* as soon as the queue is empty */
	}
	drop_all(ex);
	if (ex->sink->flush)
		ex->sink->flush(ex->sink, true);
	pthread_mutex_lock(&ex->lock);
	report_overflow(ex);
	ex->ended = true;
	pthread_cond_signal(&ex->idle);
	pthread_mutex_unlock(&ex->lock);
	return NULL;
}

/* ---- For others ------------------------------------------------------------------------------ */

static int start_thread(struct exporter *ex)
{
	sigset_t all, before;
	char name[16];
	int err;

	/* Signals are for the agent's main thread; and a closed pipe shall be EPIPE. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&ex->thread, NULL, run, ex);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return err;
	snprintf(name, sizeof(name), "%s", ex->sink->name);
	pthread_setname_np(ex->thread, name);
	return 0;
}

struct exporter *exporter_new(struct sink *sink, const struct exporter_options *options)
{
	struct exporter *ex = calloc(1, sizeof(*ex));
	pthread_condattr_t monotonic;
	int err = ENOMEM;

	if (!ex)
		return NULL;
	ex->sink = sink;
	ex->options = *options;
	if (!ex->options.batch_spans)
		ex->options.batch_spans = 512;
	health_init(&ex->health, sink->name);
	ex->batch = malloc(ex->options.batch_spans * sizeof(struct span *));
	if (!ex->batch)
		goto free_exporter;
	pthread_mutex_init(&ex->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&ex->wake, &monotonic);
	pthread_cond_init(&ex->idle, &monotonic);
	pthread_condattr_destroy(&monotonic);
	err = start_thread(ex);
	if (err)
		goto destroy_lock;
	return ex;

destroy_lock:
	pthread_cond_destroy(&ex->idle);
	pthread_cond_destroy(&ex->wake);
	pthread_mutex_destroy(&ex->lock);
	free(ex->batch);
free_exporter:
	free(ex);
	errno = err;
	return NULL;
}

void exporter_submit(struct exporter *ex, struct span *span)
{
	size_t bytes = span_bytes(span);
	bool was_full;

	pthread_mutex_lock(&ex->lock);
	ex->counts.submitted++;
	if (ex->stopping) {
		ex->counts.undelivered++;
		goto unlock;
	}
	if (ex->bytes + bytes > ex->options.queue_bytes ||
	    (ex->waiting == ex->capacity && !grow_queue(ex))) {
		ex->counts.queue_full++;
		if (!ex->overflow) {
			ex->overflow = true;
			wake(ex); /* to say so */
		}
		goto unlock;
	}
	was_full = batch_is_full(ex);
	ex->queue[(ex->head + ex->waiting) & (ex->capacity - 1)] = span_ref(span);
	ex->waiting++;
	ex->bytes += bytes;
	if (ex->sleep == UNTIL_SPAN ||
	    (ex->sleep == UNTIL_TIMEOUT && !was_full && batch_is_full(ex)))
		wake(ex);
unlock:
	pthread_mutex_unlock(&ex->lock);
}

const char *exporter_name(const struct exporter *ex)
{
	return ex->sink->name;
}

void exporter_counts(struct exporter *ex, struct exporter_counts *out)
{
	pthread_mutex_lock(&ex->lock);
	*out = ex->counts;
	pthread_mutex_unlock(&ex->lock);
}

void exporter_stop(struct exporter *ex, uint64_t timeout_ms)
{
	struct timespec at;
	bool late;

	if (ex->joined)
		return;
	pthread_mutex_lock(&ex->lock);
	ex->stopping = true;
	ex->deadline_ms = later(now_ms(), timeout_ms);
	at.tv_sec = (time_t)(ex->deadline_ms / 1000);
	at.tv_nsec = (long)(ex->deadline_ms % 1000) * 1000000;
	wake(ex);
	while (!ex->ended && now_ms() < ex->deadline_ms) {
		if (ex->deadline_ms == NEVER)
			pthread_cond_wait(&ex->idle, &ex->lock);
		else
			pthread_cond_timedwait(&ex->idle, &ex->lock, &at);
	}
	late = !ex->ended;
	pthread_mutex_unlock(&ex->lock);
	if (late && ex->sink->interrupt)
		ex->sink->interrupt(ex->sink);
	pthread_join(ex->thread, NULL);
	ex->joined = true;
}

void exporter_free(struct exporter *ex)
{
	if (!ex)
		return;
	exporter_stop(ex, 0);
	if (ex->sink->free)
		ex->sink->free(ex->sink);
	pthread_cond_destroy(&ex->idle);
	pthread_cond_destroy(&ex->wake);
	pthread_mutex_destroy(&ex->lock);
	free(ex->queue);
	free(ex->batch);
	free(ex);
}
