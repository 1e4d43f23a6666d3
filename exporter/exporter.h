/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exporters: where finished spans leave.
 *
 * A sink knows one way out (OTLP over HTTP, a file, a terminal) and may take its time.
 * An exporter is a sink with a bounded queue and a thread of its own in front of it, so that one
 * that hangs never holds up the agent or another exporter. It batches, retries what is worth it,
 * keeps on disk what cannot be delivered, and counts every span's fate.
 */
#ifndef OTEL_BPF_EXPORTER_H
#define OTEL_BPF_EXPORTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "health.h"
#include "span.h"

/* What became of a batch, beside the return value. */
struct delivery {
	size_t rejected;	 /* spans that the receiver took the request without */
	uint64_t retry_after_ms; /* the receiver's wish before the next try; 0: none */
	bool unanswered;	 /* with -EAGAIN: the request may have arrived all the same */
	size_t resends;		 /* how often the sink itself has sent the request again */
	char message[256];	 /* what to tell the user; empty: nothing */
};

/*
 * One way out. Its functions are called from one thread only, never concurrently, but for
 * interrupt(). A sink takes spans, by write(), or encoded requests, by post() and poll().
 */
struct sink {
	const char *name; /* "otlp", "otlp_file", "console": for messages and counts */
	/**
	 * Writes @n spans. Returns 0: they are out (less delivery->rejected); -EAGAIN: worth
	 * another try; any other negative errno: not. @out is zeroed by the caller.
	 */
	int (*write)(struct sink *sink, struct span *const *spans, size_t n, struct delivery *out);
	/** Begins to send an ExportTraceServiceRequest of @n spans, which must stay where it is. */
	void (*post)(struct sink *sink, struct bytes request, size_t n);
	/**
	 * Goes on with it. Returns -EINPROGRESS if it has no result after @timeout_ms, else it is
	 * over, with what write() returns.
	 */
	int (*poll)(struct sink *sink, uint64_t timeout_ms, struct delivery *out);
	/**
	 * Optional: the queue is empty for now (write buffered data out), or, if @last, for good.
	 * Returns 0, or a negative errno, or after how many milliseconds it wants to be called
	 * again if nothing else happens.
	 */
	int (*flush)(struct sink *sink, bool last);
	/** Optional: called from another thread to end a blocking write, or a request, soon. */
	void (*interrupt)(struct sink *sink);
	void (*free)(struct sink *sink);
	/*
	 * For a sink that keeps spans beyond write(), which then returns 0: it sets `keeps`, and says of each
	 * span once, within write() or flush(), what became of it: 0: it is out; -ECANCELED: interrupted;
	 * any other negative errno: it is lost, @message says why. The exporter sets the other two.
	 */
	bool keeps;
	void (*settle)(void *exporter, struct span *const *spans, size_t n, int err,
		       const char *message);
	void *exporter;
};

struct spool;

/*
 * What others can see of an exporter whose process was killed, in memory that outlives it: spans that were
 * submitted and are not its concern any more (exported, dropped, in the spool), shifted left, and
 * those under way to a receiver, of which nobody knows whether they have arrived.
 */
#define EXPORTER_TRACE_UNDER_WAY UINT64_C(0xffff)

struct exporter_trace {
	_Atomic uint64_t state;
	_Atomic uint64_t dropped; /* of those gone: refused, not delivered, or no room */
};

struct exporter_options {
	size_t slot;	      /* in the accounts of processes */
	size_t queue_bytes;   /* spans waiting may hold this much memory; then new ones drop */
	size_t batch_spans;   /* most spans per write */
	uint64_t schedule_ms; /* a batch that is not full leaves after this */
	uint64_t
		retry_initial_ms; /* first pause after -EAGAIN; grows by half, +-20 %, up to 30 s */
	uint64_t retry_total_ms;  /* give a batch up after this; 0: only at the end */
	/*
	 * Where batches go that cannot be delivered now; NULL: they wait in memory. For sinks that
	 * take requests. The exporter owns it.
	 */
	struct spool *spool;
	uint64_t spool_after_ms; /* when others are in the way: what waits in memory so long */
	struct exporter_trace *trace; /* NULL: nobody asks */
};

/*
 * Every span that was submitted, or found in the spool, is in exactly one of those from exported
 * to waiting.
 */
struct exporter_counts {
	uint64_t submitted;
	uint64_t found; /* in the spool, at the start */

	uint64_t exported;
	uint64_t queue_full;  /* dropped: no room, or none for more of this process */
	uint64_t rejected;    /* dropped: the receiver said no to these spans, or to the batch */
	uint64_t undelivered; /* dropped: no receiver until the retries or the deadline were over */
	uint64_t spool_dropped; /* dropped: the oldest in a spool that was full */
	uint64_t spool_corrupt; /* dropped: could not be read back */
	uint64_t spooled;	/* in the spool now */
	uint64_t waiting;	/* in memory now, also the sink's */
	uint64_t sending;	/* of those: handed to the sink, and again until they get through */

	uint64_t resent;	/* sent once more, since the answer was lost */
	uint64_t spool_batches; /* in the spool now */
	uint64_t spool_bytes;	/* on disk */
};

struct exporter;

/**
 * Starts an exporter on @sink, which it then owns and frees. Returns NULL and sets errno (ENOMEM,
 * EAGAIN) on failure; the sink and the spool are then still the caller's.
 */
struct exporter *exporter_new(struct sink *sink, const struct exporter_options *options);

/** Queues one span, taking a reference of its own. Never blocks. */
void exporter_submit(struct exporter *exporter, struct span *span);

/** The sink's name. */
const char *exporter_name(const struct exporter *exporter);

/** The directory that its spool is in; NULL: it has none. */
const char *exporter_spool(const struct exporter *exporter);

/** Why spans count as @what, which is one of the losses: the end of "they were lost: ...". */
const char *exporter_why(const struct exporter *exporter, enum account_count what);

/** What happened so far. Thread-safe. */
void exporter_counts(struct exporter *exporter, struct exporter_counts *out);

/** Whether it gets rid of spans, and what kept it from that the last time. Thread-safe. */
void exporter_health(struct exporter *exporter, struct exporter_health *out);

/** From now on what waits has @timeout_ms to leave; exporter_stop(), which must follow, waits for that. */
void exporter_begin_stop(struct exporter *exporter, uint64_t timeout_ms);

/**
 * Lets what waits leave within @timeout_ms, unless that has begun already, then stops the thread; what is left
 * goes to the spool, or is dropped and counted.
 */
void exporter_stop(struct exporter *exporter, uint64_t timeout_ms);

/** Frees it, stopping it at once if it was not stopped. NULL is allowed. */
void exporter_free(struct exporter *exporter);

/* ---- The sinks. All return 0 and set *@out, or a negative errno after saying why by log_error().
 */

/** OTLP over HTTP, protobuf, to @url as it is (https works, too). */
int sink_otlp_http_new(const char *url, struct sink **out);

/** OTLP as JSON, one ExportTraceServiceRequest a line, appended to @path; "-" is standard output.
 */
int sink_otlp_file_new(const char *path, struct sink **out);

/**
 * A waterfall for people: one tree of spans per trace, printed when its local root has ended.
 * @path: NULL is standard error, "-" standard output. Colours and the width of the terminal if it
 * is one, else no escape sequence and 80 columns.
 */
int sink_console_new(const char *path, struct sink **out);

#endif
