/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an exporter tells people about its destination: once when something begins, once when it
 * ends, however many batches it is about, and not again and again if it comes and goes.
 */
#ifndef OTEL_BPF_HEALTH_H
#define OTEL_BPF_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>

/* For others. */
struct exporter_health {
	bool healthy;	   /* the last batch got through, or none has been tried yet */
	uint64_t age_ms;   /* how long ago the last error was */
	char message[256]; /* the last error; empty: there was none */
};

struct health_state {
	bool on;
	bool said;
	uint64_t since_ms;
	uint64_t quiet_until_ms;
};

struct health {
	const char *name;
	const char *spool; /* its directory; NULL: there is none */
	struct health_state unreachable;
	struct health_state gave_up; /* since it is unreachable */
	struct health_state refused;
	struct health_state partly; /* refused */
	struct health_state overflow;
	struct health_state spool_fails;
	struct health_state spool_full;
	struct health_state spool_corrupt;
	uint64_t dropped_before; /* spans, when the overflow was said */
	pthread_mutex_t lock;	 /* for `known` */
	struct exporter_health known;
	uint64_t known_at_ms;
};

/** All but health_known() are for one thread only. */
void health_init(struct health *health, const char *name, const char *spool);

/** What others may know. Thread-safe. */
void health_known(struct health *health, uint64_t now_ms, struct exporter_health *out);

/** A batch did not get through, and will be tried again. */
void health_unreachable(struct health *health, const char *message, uint64_t now_ms);

/** A batch did not get through for so long that it is given up. */
void health_gave_up(struct health *health, size_t n, uint64_t now_ms);

/** A batch got an answer: @err and @rejected as in exporter.h. */
void health_delivered(struct health *health, int err, size_t rejected, const char *message,
		      uint64_t now_ms);

/** Spans cannot be sent at all, to nobody. @message may be empty. */
void health_refused(struct health *health, int err, const char *message, uint64_t now_ms);

/** A batch went to the spool, or could not be written: @err. */
void health_spool_written(struct health *health, int err, uint64_t now_ms);

/** A batch was dropped from the spool, to make room. */
void health_spool_full(struct health *health, uint64_t now_ms);

/** A batch of @n spans could not be read back from the spool. */
void health_spool_corrupt(struct health *health, size_t n, uint64_t now_ms);

/** The spool is empty. */
void health_spool_empty(struct health *health);

/** Whether the queue overflows, and how many spans were @dropped for that so far. */
void health_overflow(struct health *health, bool overflow, uint64_t dropped, uint64_t now_ms);

#endif
