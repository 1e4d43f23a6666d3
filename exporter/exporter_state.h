/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of an exporter share, and nobody else: exporter.c (the queue's other end and the
 * thread), and below it exporter_send.c (batches leave), exporter_store.c (batches go to the spool) and
 * exporter_batch.c, in this order.
 *
 * Spans stay in the queue, and in its account of bytes, until their fate is known; so whatever is
 * neither counted, nor in the spool, nor in the queue does not exist.
 */
#ifndef OTEL_BPF_EXPORTER_STATE_H
#define OTEL_BPF_EXPORTER_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "exporter.h"
#include "health.h"
#include "otlp_encode.h"
#include "queue.h"
#include "spool.h"

/* A batch leaves when it has this much, too: receivers refuse what is too large (20 MiB is the
 * Collector's limit, 4 MiB that of many others). */
#define BATCH_BYTES (2u << 20)
#define REQUEST_BYTES (64u << 20) /* the specification's default limit */
#define NEVER UINT64_MAX

enum sleep { AWAKE, UNTIL_TIMEOUT, UNTIL_SPAN };

/* The oldest spans of the queue, while they are in it. */
struct batch {
	struct span **spans; /* room for options.batch_spans */
	size_t n;	     /* 0: none */
	struct tally tally;
	struct otlp_encoder *encoder; /* NULL: the sink takes spans */
	struct bytes request;	      /* in the encoder; valid also when the spans have left */
};

struct exporter {
	struct sink *sink;
	struct exporter_options options;
	pthread_t thread;
	bool joined;

	/* The thread's. */
	struct health health;
	unsigned int seed;
	struct batch batch;	   /* that is being delivered, if it is in memory */
	struct spool_entry *entry; /* that is being sent, if it is in the spool */
	struct bytes request;	   /* of either */
	bool sent;		   /* the batch was, once, and the answer was lost */
	bool failing;		   /* the last try did not get through */
	uint64_t sending_since_ms; /* 0: nothing is under way */
	uint64_t batch_since_ms;   /* when the first try of it began */
	uint64_t
		waiting_since_ms; /* about when the oldest span in the queue came; 0: it is empty */
	uint64_t pause_ms;	  /* before the next try but one */
	uint64_t retry_at_ms;	  /* 0: as soon as there is something */
	bool tried_stopping;	  /* the last try was when the exporter was to stop */
	struct batch storing;	  /* that goes to the spool */
	uint64_t store_again_ms;  /* after it could not be written to */

	pthread_mutex_t lock; /* for all below */
	pthread_cond_t wake;  /* the thread: see sleep */
	pthread_cond_t idle;  /* exporter_stop(): the thread has ended */
	enum sleep sleep;
	bool stopping;
	bool ended;
	uint64_t deadline_ms; /* of stopping */
	struct queue queue;
	size_t kept; /* spans that the sink keeps */
	size_t sending; /* those of ->batch */
	bool overflow; /* spans were dropped, and the queue is still rather full */
	struct exporter_counts counts;
};

static inline uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline uint64_t later(uint64_t from, uint64_t ms)
{
	return ms > NEVER - from ? NEVER : from + ms;
}

/* ---- exporter_batch.c ---- */

/**
 * Memory for @most spans, and for their request if it is to be @encoded. Returns 0 or -ENOMEM;
 * batch_clear() in either case.
 */
int batch_init(struct batch *batch, size_t most, bool encoded);
void batch_clear(struct batch *batch);

/**
 * Makes a batch of the oldest spans in the queue. Returns 0; -ENODATA: there are none; or a
 * negative errno: they are in the batch, but cannot be encoded.
 */
int batch_take(struct exporter *ex, struct batch *batch);

/** Its fate is booked, with the lock held: takes its spans out of the queue. */
void batch_remove(struct exporter *ex, const struct batch *batch);

/**
 * For exporter_options.trace: @gone spans more are not our concern any more, @dropped of them lost. @batch: they
 * were that one; NULL: they never got into the queue. With the lock held.
 */
void trace_gone(struct exporter *ex, uint64_t gone, uint64_t dropped, const struct batch *batch);

/** The same: @n spans of ->batch may have arrived by now. */
void trace_under_way(struct exporter *ex, size_t n);

/** Afterwards, without the lock. */
void batch_free_spans(struct batch *batch);

/** Books what became of it, and frees its spans: @rejected of them were; @err -EAGAIN: given up. */
void batch_settle(struct exporter *ex, struct batch *batch, int err, size_t rejected);

/** The sink keeps them from now on: takes them out of the queue. Free them when it has. */
void batch_keep(struct exporter *ex, struct batch *batch);

/** For sink->settle(). */
void kept_settle(void *exporter, struct span *const *spans, size_t n, int err,
		 const char *message);

/** Spans that cannot be sent, to nobody: says so, and counts them as rejected. */
void batch_refused(struct exporter *ex, struct batch *batch, int err);

/** Says what changed about the overflow; called with the lock held, lets it go meanwhile. */
void report_overflow(struct exporter *ex);

/* ---- exporter_send.c ---- */

/** Whether there is something to be sent now or later. With the lock held. */
bool send_pending(const struct exporter *ex);

/** Tries to deliver the oldest batch, once. */
void send_try(struct exporter *ex);

/* ---- exporter_store.c ---- */

/** When what is in memory must go to the spool; 0: now; NEVER: not for now. With the lock held. */
uint64_t store_due(struct exporter *ex, uint64_t now);

/** Moves what is in memory to the spool, or some of it. */
void store(struct exporter *ex);

/** The entry could not be read: counts it, and removes it. */
void store_corrupt(struct exporter *ex, struct spool_entry *entry);

/** Notes in the counts how much is in the spool. With the lock held. */
void store_note(struct exporter *ex);

/** At the end: moves all that is in memory to the spool, if there is one and it works. */
void store_rest(struct exporter *ex);

#endif
