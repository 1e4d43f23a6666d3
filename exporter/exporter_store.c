/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches go to the spool when they cannot be delivered, so that memory stays bounded and an agent
 * that is killed loses little: the batch that has failed at once; what comes behind it, and behind
 * what is in the spool already, when it is old enough or much; and all of it, when the
 * receiver answers but is too slow.
 */
#include <errno.h>

#include "exporter_state.h"

#define STORE_BYTES (8u << 20)
#define STORE_AGAIN_MS 1000 /* after an error */
#define STORE_BATCHES 16    /* at a time */
#define SHARES_MAX 65536    /* of processes, in batches on disk */

uint64_t store_due(struct exporter *ex, uint64_t now)
{
	const struct spool *spool = ex->options.spool;
	size_t much = ex->queue.most_bytes / 8;
	uint64_t behind = NEVER, due; /* since when something is in the way of what waits */

	if (!spool || !ex->queue.n)
		return NEVER;
	if (!ex->waiting_since_ms)
		ex->waiting_since_ms = now;
	if (ex->failing || spool_first(spool))
		behind = 0;
	else if (ex->sending_since_ms)
		behind = later(ex->sending_since_ms, ex->options.spool_after_ms);
	due = later(ex->waiting_since_ms, ex->options.spool_after_ms);
	if (due < behind)
		due = behind;
	if (ex->queue.bytes >= much || (ex->queue.bytes >= STORE_BYTES && behind <= now) ||
	    (ex->batch.n && ex->failing && !ex->sending_since_ms))
		due = 0;
	return due > ex->store_again_ms ? due : ex->store_again_ms;
}

void store_note(struct exporter *ex)
{
	struct spool_counts counts;

	spool_counts(ex->options.spool, &counts);
	ex->counts.spooled = counts.spans;
	ex->counts.spool_batches = counts.batches;
	ex->counts.spool_bytes = counts.bytes;
}

/* It is in the spool no more, and was not delivered. */
static void lose(struct exporter *ex, struct spool_entry *entry, enum account_count why,
		 uint64_t *count)
{
	size_t n = entry->spans;
	struct tally tally;

	spool_remove(ex->options.spool, entry, &tally);
	pthread_mutex_lock(&ex->lock);
	*count += n;
	tally_subtract(&tally, ex->options.slot, ACCOUNT_SPOOLED);
	tally_add(&tally, ex->options.slot, why);
	store_note(ex);
	pthread_mutex_unlock(&ex->lock);
	tally_drop(&tally);
}

void store_corrupt(struct exporter *ex, struct spool_entry *entry)
{
	health_spool_corrupt(&ex->health, entry->spans, now_ms());
	lose(ex, entry, ACCOUNT_SPOOL_CORRUPT, &ex->counts.spool_corrupt);
}

/* Drops the oldest until there is room, but not what is under way. */
static int make_room(struct exporter *ex, size_t size)
{
	struct spool *spool = ex->options.spool;
	struct spool_entry *entry;

	if (!spool_ever_has_room(spool, size))
		return -EFBIG;
	while (!spool_has_room(spool, size)) {
		entry = spool_first(spool);
		if (entry == ex->entry && entry)
			entry = spool_next(spool, entry);
		if (!entry)
			return -EFBIG;
		lose(ex, entry, ACCOUNT_SPOOL_DROPPED, &ex->counts.spool_dropped);
		health_spool_full(&ex->health, now_ms());
	}
	return 0;
}

/*
 * What is known of processes must not grow as long as others start: from some number on, their
 * accounts have the spans as spooled for good.
 */
static int keep_tally(struct exporter *ex, const struct tally *tally, struct tally *out)
{
	struct spool_counts counts;

	spool_counts(ex->options.spool, &counts);
	*out = (struct tally){0};
	return counts.shares + tally->n > SHARES_MAX ? 0 : tally_keep(tally, out);
}

static int append(struct exporter *ex, const struct batch *batch, bool sent,
		  struct spool_entry **entry)
{
	struct tally tally;
	int err = make_room(ex, batch->request.size);

	if (!err)
		err = keep_tally(ex, &batch->tally, &tally);
	if (err)
		return err;
	err = spool_append(ex->options.spool, batch->request, (uint32_t)batch->n, sent, &tally,
			   entry);
	if (err)
		tally_drop(&tally);
	return err;
}

/* Returns 0, or a negative errno after saying so: it stays in memory. */
static int store_batch(struct exporter *ex, struct batch *batch, bool sent,
		       struct spool_entry **entry)
{
	int err = append(ex, batch, sent, entry);

	health_spool_written(&ex->health, err, now_ms());
	if (err) {
		ex->store_again_ms = later(now_ms(), STORE_AGAIN_MS);
		return err;
	}
	pthread_mutex_lock(&ex->lock);
	batch_remove(ex, batch);
	tally_add(&batch->tally, ex->options.slot, ACCOUNT_SPOOLED);
	trace_gone(ex, batch->n, 0, batch);
	store_note(ex);
	pthread_mutex_unlock(&ex->lock);
	batch_free_spans(batch);
	return 0;
}

/* What is being delivered comes before all others, also if it is under way. */
static int store_current(struct exporter *ex)
{
	bool under_way = ex->sending_since_ms;
	struct spool_entry *entry;
	int err;

	if (!ex->batch.n)
		return 0;
	err = store_batch(ex, &ex->batch, ex->sent || under_way, &entry);
	if (!err && under_way)
		ex->entry = entry;
	return err;
}

/* Returns -ENODATA when the queue is empty. */
static int store_next(struct exporter *ex)
{
	struct spool_entry *entry;
	int err = batch_take(ex, &ex->storing);

	if (err == -ENODATA)
		return err;
	if (err == -EMSGSIZE) {
		batch_refused(ex, &ex->storing, err);
		return 0;
	}
	if (err) {
		ex->store_again_ms = later(now_ms(), STORE_AGAIN_MS);
		ex->storing.n = 0;
		return err;
	}
	err = store_batch(ex, &ex->storing, false, &entry);
	ex->storing.n = 0;
	return err;
}

void store(struct exporter *ex)
{
	if (store_current(ex))
		return;
	for (int i = 0; i < STORE_BATCHES && !store_next(ex); i++)
		;
}

void store_rest(struct exporter *ex)
{
	if (!ex->options.spool || store_current(ex))
		return;
	while (!store_next(ex))
		;
}
