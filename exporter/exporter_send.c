/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches leave, one after the other, what is in the spool first. A try that fails is followed by
 * a pause that grows, as OTLP wants it; while a request is under way for long, what comes
 * meanwhile can go to the spool.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "exporter_state.h"

#define RETRY_MAX_MS 30000
#define SLICE_MS 100	   /* of a request that takes long */
#define READ_AGAIN_MS 1000 /* the spool, when there was no memory or no descriptor */

/* 80 to 120 % of @ms, so that many agents do not return in step. */
static uint64_t jitter(uint64_t ms, unsigned int *seed)
{
	return ms - ms / 5 + (uint64_t)rand_r(seed) % (2 * (ms / 5) + 1);
}

bool send_pending(const struct exporter *ex)
{
	return ex->queue.n || (ex->options.spool && spool_first(ex->options.spool));
}

/* ---- What is next ---------------------------------------------------------------------------- */

static bool read_entry(struct exporter *ex, struct spool_entry *entry)
{
	int err = spool_read(ex->options.spool, entry, &ex->request);

	if (!err) {
		ex->entry = entry;
		return true;
	}
	if (err == -ENOMEM || err == -EMFILE || err == -ENFILE)
		ex->retry_at_ms = later(now_ms(), READ_AGAIN_MS);
	else
		store_corrupt(ex, entry);
	return false;
}

/* False: nothing, after all. */
static bool take(struct exporter *ex)
{
	struct spool_entry *entry = ex->options.spool ? spool_first(ex->options.spool) : NULL;
	int err;

	if (ex->batch.n)
		return true; /* was tried before, and ->request is still its own */
	if (entry)
		return read_entry(ex, entry);
	err = batch_take(ex, &ex->batch);
	if (err == -ENODATA)
		return false;
	if (err) {
		batch_refused(ex, &ex->batch, err);
		return false;
	}
	ex->request = ex->batch.request;
	ex->sent = false;
	ex->batch_since_ms = now_ms();
	return true;
}

/* ---- The result ------------------------------------------------------------------------------ */

static void finish(struct exporter *ex, size_t n, int err, size_t rejected, const char *message)
{
	ex->failing = false;
	ex->retry_at_ms = 0;
	ex->pause_ms = ex->options.retry_initial_ms;
	health_delivered(&ex->health, err, err ? n : rejected, message, now_ms());
}

static void settle_entry(struct exporter *ex, size_t rejected)
{
	size_t slot = ex->options.slot, n = ex->entry->spans;
	struct tally tally;

	spool_remove(ex->options.spool, ex->entry, &tally);
	ex->entry = NULL;
	pthread_mutex_lock(&ex->lock);
	ex->counts.exported += n - rejected;
	ex->counts.rejected += rejected;
	tally_subtract(&tally, slot, ACCOUNT_SPOOLED);
	tally_deliver(&tally, slot, rejected);
	store_note(ex);
	pthread_mutex_unlock(&ex->lock);
	tally_drop(&tally);
	if (!spool_first(ex->options.spool))
		health_spool_empty(&ex->health);
}

static void give_up(struct exporter *ex)
{
	health_gave_up(&ex->health, ex->batch.n, now_ms());
	batch_settle(ex, &ex->batch, -EAGAIN, 0);
	ex->retry_at_ms = 0;
	ex->pause_ms = ex->options.retry_initial_ms;
}

static bool has_time(struct exporter *ex)
{
	bool has;

	pthread_mutex_lock(&ex->lock);
	report_overflow(ex);
	has = !ex->stopping || now_ms() < ex->deadline_ms;
	pthread_mutex_unlock(&ex->lock);
	return has;
}

static void note_under_way(struct exporter *ex, size_t n)
{
	pthread_mutex_lock(&ex->lock);
	trace_under_way(ex, n);
	pthread_mutex_unlock(&ex->lock);
}

/* It did not get through: it goes on waiting, where it is. */
static void fail(struct exporter *ex, const struct delivery *delivery)
{
	bool from_spool = ex->entry;
	uint64_t now, wait;

	if (ex->entry)
		spool_mark(ex->options.spool, ex->entry, ex->sent);
	else
		note_under_way(ex, ex->sent ? ex->batch.n : 0);
	ex->entry = NULL;
	ex->failing = true;
	if (!has_time(ex))
		return;
	now = now_ms();
	health_unreachable(&ex->health, delivery->message, now);
	wait = jitter(ex->pause_ms, &ex->seed);
	if (wait < delivery->retry_after_ms)
		wait = delivery->retry_after_ms;
	ex->pause_ms += ex->pause_ms / 2 + 1;
	if (ex->pause_ms > RETRY_MAX_MS)
		ex->pause_ms = RETRY_MAX_MS;
	ex->retry_at_ms = later(now, wait);
	if (!from_spool && ex->options.retry_total_ms &&
	    ex->retry_at_ms > later(ex->batch_since_ms, ex->options.retry_total_ms))
		give_up(ex);
}

/* ---- A try ----------------------------------------------------------------------------------- */

/* While a request is under way. */
static void attend(struct exporter *ex)
{
	uint64_t now = now_ms();
	bool due;

	pthread_mutex_lock(&ex->lock);
	report_overflow(ex);
	due = store_due(ex, now) <= now;
	pthread_mutex_unlock(&ex->lock);
	if (due)
		store(ex);
}

static int transmit(struct exporter *ex, size_t n, struct delivery *delivery)
{
	int err;

	if (ex->sink->write)
		return ex->sink->write(ex->sink, ex->batch.spans, n, delivery);
	ex->sending_since_ms = now_ms();
	ex->sink->post(ex->sink, ex->request, n);
	while ((err = ex->sink->poll(ex->sink, SLICE_MS, delivery)) == -EINPROGRESS)
		attend(ex);
	ex->sending_since_ms = 0;
	return err;
}

static void count_resent(struct exporter *ex, size_t n)
{
	pthread_mutex_lock(&ex->lock);
	ex->counts.resent += n;
	pthread_mutex_unlock(&ex->lock);
}

/* To a sink that says itself what becomes of them. */
static void hand_over(struct exporter *ex)
{
	struct delivery delivery = {0};

	batch_keep(ex, &ex->batch);
	(void)ex->sink->write(ex->sink, ex->batch.spans, ex->batch.n, &delivery);
	batch_free_spans(&ex->batch);
}

void send_try(struct exporter *ex)
{
	struct delivery delivery = {0};
	size_t n, resends;
	int err;

	pthread_mutex_lock(&ex->lock);
	ex->tried_stopping = ex->stopping;
	pthread_mutex_unlock(&ex->lock);
	if (!take(ex))
		return;
	if (ex->sink->keeps) {
		hand_over(ex);
		return;
	}
	n = ex->entry ? ex->entry->spans : ex->batch.n;
	if (ex->entry) {
		ex->sent = ex->entry->sent;
		/* If we are killed now, nobody knows whether it has arrived. */
		spool_mark(ex->options.spool, ex->entry, true);
	} else {
		note_under_way(ex, n);
	}
	err = transmit(ex, n, &delivery);
	resends = delivery.resends + (ex->sent && (err != -EAGAIN || delivery.unanswered));
	if (resends)
		count_resent(ex, resends * n);
	if (err == -EAGAIN) {
		ex->sent |= delivery.unanswered || delivery.resends;
		fail(ex, &delivery);
		return;
	}
	if (err)
		delivery.rejected = n;
	if (delivery.rejected > n)
		delivery.rejected = n;
	if (ex->entry)
		settle_entry(ex, delivery.rejected);
	else
		batch_settle(ex, &ex->batch, err, delivery.rejected);
	finish(ex, n, err, delivery.rejected, delivery.message);
}
