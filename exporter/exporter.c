/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue's two ends, and the thread that decides what is to be done.
 *
 * Submitting costs a lock and a store: the thread is only woken if it waits for a span, or if a
 * batch just became full. An idle exporter sleeps until the next span.
 */
#include "exporter.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "exporter_state.h"

static bool batch_is_full(const struct exporter *ex)
{
	return ex->queue.n >= ex->options.batch_spans || ex->queue.bytes >= BATCH_BYTES;
}

/* ---- Sleeping; all with the lock held -------------------------------------------------------- */

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

/* ---- The thread ------------------------------------------------------------------------------ */

/* When the next batch is to leave. */
static uint64_t send_due(const struct exporter *ex)
{
	if (ex->stopping && !ex->tried_stopping)
		return 0;
	if (ex->retry_at_ms)
		return ex->retry_at_ms;
	if (ex->stopping || batch_is_full(ex) || !ex->queue.n ||
	    (ex->options.spool && spool_first(ex->options.spool)))
		return 0;
	return later(ex->waiting_since_ms, ex->options.schedule_ms);
}

/* It has been asked since the end began, and does not take it; and all that is here can be kept for the next one. */
static bool need_not_wait(const struct exporter *ex)
{
	return ex->options.spool && ex->tried_stopping && ex->failing && !ex->health.spool_fails.on;
}

enum task { SEND, STORE, FLUSH, END };

/* Sleeps until there is something to do. @flush_at: if nothing else happens; NEVER: no need. */
static enum task await_task(struct exporter *ex, uint64_t flush_at)
{
	uint64_t now, send_at, store_at;

	for (;;) {
		report_overflow(ex);
		now = now_ms();
		if (ex->stopping && (now >= ex->deadline_ms || !send_pending(ex) || need_not_wait(ex)))
			return END;
		if (!send_pending(ex)) {
			if (flush_at != NEVER && now >= flush_at)
				return FLUSH;
			sleep_until(ex, UNTIL_SPAN, flush_at);
			continue;
		}
		if (ex->queue.n && !ex->waiting_since_ms)
			ex->waiting_since_ms = now;
		store_at = store_due(ex, now);
		if (now >= store_at)
			return STORE;
		send_at = send_due(ex);
		if (now >= send_at)
			return SEND;
		if (ex->stopping && send_at >= ex->deadline_ms)
			return END; /* in vain to wait for it */
		sleep_until(ex, ex->queue.n ? UNTIL_TIMEOUT : UNTIL_SPAN,
			    send_at < store_at ? send_at : store_at);
	}
}

/* Returns when to flush again. */
static uint64_t flush(struct exporter *ex)
{
	int again = ex->sink->flush ? ex->sink->flush(ex->sink, false) : 0;

	return again > 0 ? later(now_ms(), (uint64_t)again) : NEVER;
}

/* Nothing that is still in memory will leave. */
static void drop_rest(struct exporter *ex)
{
	struct batch *batch = &ex->batch;

	do {
		pthread_mutex_lock(&ex->lock);
		batch->n = queue_peek(&ex->queue, batch->spans, ex->options.batch_spans, SIZE_MAX);
		tally_count(&batch->tally, batch->spans, batch->n);
		batch_remove(ex, batch);
		ex->counts.undelivered += batch->n;
		tally_add(&batch->tally, ex->options.slot, ACCOUNT_UNDELIVERED);
		trace_gone(ex, batch->n, batch->n, batch);
		pthread_mutex_unlock(&ex->lock);
		batch_free_spans(batch);
	} while (ex->queue.n);
}

static void *run(void *argument)
{
	struct exporter *ex = argument;
	uint64_t flush_at = NEVER;
	enum task task;

	for (;;) {
		pthread_mutex_lock(&ex->lock);
		task = await_task(ex, flush_at);
		pthread_mutex_unlock(&ex->lock);
		if (task == END)
			break;
		if (task == FLUSH) {
			flush_at = flush(ex);
		} else if (task == STORE) {
			store(ex);
		} else {
			send_try(ex);
			flush_at = 0; /* as soon as the queue is empty */
		}
	}
	store_rest(ex);
	drop_rest(ex);
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

static void free_memory(struct exporter *ex)
{
	queue_clear(&ex->queue);
	batch_clear(&ex->storing);
	batch_clear(&ex->batch);
	free(ex);
}

/* What is in the spool is ours from now on. */
static void take_over_spool(struct exporter *ex)
{
	const struct spool *spool = ex->options.spool;

	if (!spool)
		return;
	ex->counts.found = spool_found(spool);
	ex->counts.spool_corrupt = spool_found_corrupt(spool);
	store_note(ex);
}

struct exporter *exporter_new(struct sink *sink, const struct exporter_options *options)
{
	struct exporter *ex = calloc(1, sizeof(*ex));
	pthread_condattr_t monotonic;
	int err = ENOMEM;

	if (!ex)
		goto no_memory;
	ex->sink = sink;
	sink->settle = kept_settle;
	sink->exporter = ex;
	ex->options = *options;
	if (!ex->options.batch_spans)
		ex->options.batch_spans = 512;
	ex->queue.most_bytes = options->queue_bytes;
	ex->queue.slot = options->slot;
	ex->pause_ms = options->retry_initial_ms;
	ex->seed = (unsigned int)(now_ms() ^ (uintptr_t)ex ^ (unsigned int)getpid());
	health_init(&ex->health, sink->name, options->spool ? spool_path(options->spool) : NULL);
	if (batch_init(&ex->batch, ex->options.batch_spans, !sink->write))
		goto free_exporter;
	if (options->spool && batch_init(&ex->storing, ex->options.batch_spans, true))
		goto free_exporter;
	take_over_spool(ex);
	pthread_mutex_init(&ex->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&ex->wake, &monotonic);
	pthread_cond_init(&ex->idle, &monotonic);
	pthread_condattr_destroy(&monotonic);
	err = start_thread(ex);
	if (!err)
		return ex;

	pthread_cond_destroy(&ex->idle);
	pthread_cond_destroy(&ex->wake);
	pthread_mutex_destroy(&ex->lock);
free_exporter:
	free_memory(ex);
no_memory:
	errno = err;
	return NULL;
}

void exporter_submit(struct exporter *ex, struct span *span)
{
	struct account *account = span_account(span);
	bool was_full;

	pthread_mutex_lock(&ex->lock);
	ex->counts.submitted++;
	account_add(account, ex->options.slot, ACCOUNT_SUBMITTED, 1);
	if (ex->stopping) {
		ex->counts.undelivered++;
		account_add(account, ex->options.slot, ACCOUNT_UNDELIVERED, 1);
		trace_gone(ex, 1, 1, NULL);
		goto unlock;
	}
	was_full = batch_is_full(ex);
	if (!queue_put(&ex->queue, span)) {
		ex->counts.queue_full++;
		account_add(account, ex->options.slot, ACCOUNT_QUEUE_FULL, 1);
		trace_gone(ex, 1, 1, NULL);
		if (!ex->overflow) {
			ex->overflow = true;
			wake(ex); /* to say so */
		}
		goto unlock;
	}
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

const char *exporter_spool(const struct exporter *ex)
{
	return ex->options.spool ? spool_path(ex->options.spool) : NULL;
}

const char *exporter_why(const struct exporter *ex, enum account_count what)
{
	switch (what) {
	case ACCOUNT_REJECTED:
		return ex->sink->write ? "they could not be written" : "the receiver refused them";
	case ACCOUNT_QUEUE_FULL:
		return "the queue was full";
	case ACCOUNT_SPOOL_DROPPED:
		return "they were the oldest in a spool that was full (see --spool-size)";
	case ACCOUNT_SPOOL_CORRUPT:
		return "they could not be read back from the spool";
	default:
		break;
	}
	if (ex->sink->write)
		return "whoever reads the output did not take them in time";
	return ex->options.spool ? "the receiver did not take them in time"
				 : "the receiver did not take them in time (with --spool, they "
				   "wait for the next run)";
}

void exporter_health(struct exporter *ex, struct exporter_health *out)
{
	health_known(&ex->health, now_ms(), out);
}

void exporter_counts(struct exporter *ex, struct exporter_counts *out)
{
	pthread_mutex_lock(&ex->lock);
	*out = ex->counts;
	out->waiting = ex->queue.n + ex->kept;
	out->sending = ex->sending + ex->kept;
	pthread_mutex_unlock(&ex->lock);
}

void exporter_begin_stop(struct exporter *ex, uint64_t timeout_ms)
{
	pthread_mutex_lock(&ex->lock);
	if (!ex->stopping) {
		ex->stopping = true;
		ex->deadline_ms = later(now_ms(), timeout_ms);
		wake(ex);
	}
	pthread_mutex_unlock(&ex->lock);
}

void exporter_stop(struct exporter *ex, uint64_t timeout_ms)
{
	struct timespec at;
	bool late;

	if (ex->joined)
		return;
	exporter_begin_stop(ex, timeout_ms);
	pthread_mutex_lock(&ex->lock);
	at.tv_sec = (time_t)(ex->deadline_ms / 1000);
	at.tv_nsec = (long)(ex->deadline_ms % 1000) * 1000000;
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
	spool_close(ex->options.spool);
	free_memory(ex);
}
