/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches of the oldest spans in the queue, and the end of each: its spans leave the queue as they are
 * booked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "exporter_state.h"

int batch_take(struct exporter *ex, struct batch *batch)
{
	pthread_mutex_lock(&ex->lock);
	batch->n = queue_peek(&ex->queue, batch->spans, ex->options.batch_spans, BATCH_BYTES);
	if (batch == &ex->batch)
		ex->sending = batch->n;
	pthread_mutex_unlock(&ex->lock);
	if (!batch->n)
		return -ENODATA;
	tally_count(&batch->tally, batch->spans, batch->n);
	if (!batch->encoder)
		return 0;
	return otlp_encode(batch->encoder, batch->spans, batch->n, REQUEST_BYTES, &batch->request);
}

void trace_gone(struct exporter *ex, uint64_t gone, uint64_t dropped, const struct batch *batch)
{
	struct exporter_trace *trace = ex->options.trace;
	uint64_t state;

	if (!trace)
		return;
	state = atomic_load_explicit(&trace->state, memory_order_relaxed);
	if (batch == &ex->batch)
		state &= ~EXPORTER_TRACE_UNDER_WAY;
	if (dropped)
		atomic_fetch_add_explicit(&trace->dropped, dropped, memory_order_relaxed);
	/* Both at once: at no moment one span is in both, or in none. */
	atomic_store_explicit(&trace->state, state + gone * (EXPORTER_TRACE_UNDER_WAY + 1),
			      memory_order_release);
}

void trace_under_way(struct exporter *ex, size_t n)
{
	struct exporter_trace *trace = ex->options.trace;
	uint64_t state;

	if (!trace)
		return;
	state = atomic_load_explicit(&trace->state, memory_order_relaxed);
	state = (state & ~EXPORTER_TRACE_UNDER_WAY) | (n & EXPORTER_TRACE_UNDER_WAY);
	atomic_store_explicit(&trace->state, state, memory_order_release);
}

void batch_remove(struct exporter *ex, const struct batch *batch)
{
	queue_remove(&ex->queue, batch->n, &batch->tally);
	if (batch == &ex->batch)
		ex->sending = 0;
	ex->waiting_since_ms = ex->queue.n ? now_ms() : 0;
	if (ex->overflow && ex->queue.bytes <= ex->options.queue_bytes / 4)
		ex->overflow = false;
}

void batch_free_spans(struct batch *batch)
{
	for (size_t i = 0; i < batch->n; i++)
		span_unref(batch->spans[i]);
	batch->n = 0;
}

int batch_init(struct batch *batch, size_t most, bool encoded)
{
	batch->spans = malloc(most * sizeof(struct span *));
	batch->tally.shares = malloc(most * sizeof(struct tally_share));
	batch->encoder = encoded ? otlp_encoder_new() : NULL;
	return batch->spans && batch->tally.shares && (batch->encoder || !encoded) ? 0 : -ENOMEM;
}

void batch_clear(struct batch *batch)
{
	otlp_encoder_free(batch->encoder);
	free(batch->tally.shares);
	free(batch->spans);
}

void batch_settle(struct exporter *ex, struct batch *batch, int err, size_t rejected)
{
	size_t slot = ex->options.slot;

	pthread_mutex_lock(&ex->lock);
	batch_remove(ex, batch);
	if (err == -EAGAIN) {
		ex->counts.undelivered += batch->n;
		tally_add(&batch->tally, slot, ACCOUNT_UNDELIVERED);
	} else {
		ex->counts.exported += batch->n - rejected;
		ex->counts.rejected += rejected;
		tally_deliver(&batch->tally, slot, rejected);
	}
	trace_gone(ex, batch->n, err == -EAGAIN ? batch->n : rejected, batch);
	pthread_mutex_unlock(&ex->lock);
	batch_free_spans(batch);
}

void batch_keep(struct exporter *ex, struct batch *batch)
{
	pthread_mutex_lock(&ex->lock);
	batch_remove(ex, batch);
	ex->kept += batch->n;
	pthread_mutex_unlock(&ex->lock);
}

static void book_kept(struct exporter *ex, struct span *const *spans, size_t n, int err)
{
	enum account_count what = err == -ECANCELED ? ACCOUNT_UNDELIVERED
				  : err		    ? ACCOUNT_REJECTED
						    : ACCOUNT_EXPORTED;
	/* That of a batch is of no use any more when its spans are kept. */
	struct tally *tally = &ex->batch.tally;

	tally_count(tally, spans, n);
	pthread_mutex_lock(&ex->lock);
	ex->kept -= n;
	ex->counts.exported += what == ACCOUNT_EXPORTED ? n : 0;
	ex->counts.rejected += what == ACCOUNT_REJECTED ? n : 0;
	ex->counts.undelivered += what == ACCOUNT_UNDELIVERED ? n : 0;
	tally_add(tally, ex->options.slot, what);
	trace_gone(ex, n, err ? n : 0, NULL);
	pthread_mutex_unlock(&ex->lock);
}

void kept_settle(void *exporter, struct span *const *spans, size_t n, int err,
		 const char *message)
{
	struct exporter *ex = exporter;

	for (size_t done = 0, piece; done < n; done += piece) {
		piece = n - done < ex->options.batch_spans ? n - done : ex->options.batch_spans;
		book_kept(ex, spans + done, piece, err);
	}
	if (err != -ECANCELED)
		health_delivered(&ex->health, err, err ? n : 0, message, now_ms());
}

void batch_refused(struct exporter *ex, struct batch *batch, int err)
{
	char message[64] = "";

	if (err == -EMSGSIZE)
		snprintf(message, sizeof(message), "%zu spans exceed the limit of %u MiB", batch->n,
			 REQUEST_BYTES >> 20);
	health_refused(&ex->health, err, message, now_ms());
	batch_settle(ex, batch, err, batch->n);
}

void report_overflow(struct exporter *ex)
{
	uint64_t dropped = ex->counts.queue_full;
	bool overflow = ex->overflow;

	if (overflow == ex->health.overflow.said)
		return;
	pthread_mutex_unlock(&ex->lock);
	health_overflow(&ex->health, overflow, dropped, now_ms());
	pthread_mutex_lock(&ex->lock);
}
