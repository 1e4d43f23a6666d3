/* SPDX-License-Identifier: Apache-2.0 */
#include "health.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

/* What ends and begins again before this is not worth another line. */
#define QUIET_MS 30000

void health_init(struct health *health, const char *name, const char *spool)
{
	*health = (struct health){.name = name, .spool = spool, .known.healthy = true};
	pthread_mutex_init(&health->lock, NULL);
}

void health_known(struct health *health, uint64_t now_ms, struct exporter_health *out)
{
	pthread_mutex_lock(&health->lock);
	*out = health->known;
	out->age_ms = *out->message ? now_ms - health->known_at_ms : 0;
	pthread_mutex_unlock(&health->lock);
}

static void note_error(struct health *health, const char *message, uint64_t now_ms)
{
	pthread_mutex_lock(&health->lock);
	health->known.healthy = false;
	snprintf(health->known.message, sizeof(health->known.message), "%s", message);
	health->known_at_ms = now_ms;
	pthread_mutex_unlock(&health->lock);
}

static void note_delivered(struct health *health)
{
	pthread_mutex_lock(&health->lock);
	health->known.healthy = true;
	pthread_mutex_unlock(&health->lock);
}

/* Returns true if this is to be said. */
static bool begins(struct health_state *state, uint64_t now_ms)
{
	if (!state->on)
		state->since_ms = now_ms;
	state->on = true;
	if (state->said || now_ms < state->quiet_until_ms)
		return false;
	state->said = true;
	state->quiet_until_ms = now_ms + QUIET_MS;
	return true;
}

/* Returns true if this is to be said: only after the beginning was. */
static bool ends(struct health_state *state)
{
	bool said = state->said;

	state->on = false;
	state->said = false;
	return said;
}

static uint64_t seconds_since(const struct health_state *state, uint64_t now_ms)
{
	return (now_ms - state->since_ms + 500) / 1000;
}

void health_unreachable(struct health *health, const char *message, uint64_t now_ms)
{
	note_error(health, *message ? message : "cannot deliver spans now", now_ms);
	if (begins(&health->unreachable, now_ms))
		log_error("%s: %s; will keep trying%s%s", health->name,
			  *message ? message : "cannot deliver spans now",
			  health->spool ? ", and keep spans in " : "",
			  health->spool ? health->spool : "");
}

void health_gave_up(struct health *health, size_t n, uint64_t now_ms)
{
	if (begins(&health->gave_up, now_ms))
		log_error("%s: still cannot deliver after %" PRIu64
			  " s: %zu spans are dropped, and all that wait as long",
			  health->name, seconds_since(&health->unreachable, now_ms), n);
}

static void accepted(struct health *health, size_t rejected, const char *message, uint64_t now_ms)
{
	if (rejected)
		note_error(health, *message ? message : "the receiver rejected spans", now_ms);
	else
		note_delivered(health);
	if (!rejected && ends(&health->refused))
		log_info("%s: spans are accepted again", health->name);
	if (!rejected && !*message) {
		ends(&health->partly); /* nobody needs to know */
		return;
	}
	if (!begins(&health->partly, now_ms))
		return;
	if (rejected)
		log_error("%s: %zu span%s rejected: %s", health->name, rejected,
			  rejected == 1 ? " was" : "s were",
			  *message ? message : "the receiver does not say why");
	else
		log_info("%s: %s", health->name, message);
}

void health_delivered(struct health *health, int err, size_t rejected, const char *message,
		      uint64_t now_ms)
{
	ends(&health->gave_up);
	if (ends(&health->unreachable))
		log_info("%s: delivers spans again, after %" PRIu64 " s", health->name,
			 seconds_since(&health->unreachable, now_ms));
	if (!err)
		accepted(health, rejected, message, now_ms);
	else
		health_refused(health, err, message, now_ms);
}

void health_refused(struct health *health, int err, const char *message, uint64_t now_ms)
{
	note_error(health, *message ? message : strerror(-err), now_ms);
	if (begins(&health->refused, now_ms))
		log_error("%s: %s; spans are lost until that changes", health->name,
			  *message ? message : strerror(-err));
}

void health_spool_written(struct health *health, int err, uint64_t now_ms)
{
	if (err && begins(&health->spool_fails, now_ms))
		log_error("%s: cannot write to the spool %s: %s; spans wait in memory",
			  health->name, health->spool, strerror(-err));
	else if (!err && ends(&health->spool_fails))
		log_info("%s: the spool %s can be written to again", health->name, health->spool);
}

void health_spool_full(struct health *health, uint64_t now_ms)
{
	if (begins(&health->spool_full, now_ms))
		log_error("%s: the spool %s is full: the oldest spans are dropped", health->name,
			  health->spool);
}

void health_spool_corrupt(struct health *health, size_t n, uint64_t now_ms)
{
	if (begins(&health->spool_corrupt, now_ms))
		log_error("%s: a file in the spool %s cannot be read back, and is removed, with "
			  "%zu span%s",
			  health->name, health->spool, n, n == 1 ? "" : "s");
}

void health_spool_empty(struct health *health)
{
	ends(&health->spool_full);
	ends(&health->spool_corrupt);
}

void health_overflow(struct health *health, bool overflow, uint64_t dropped, uint64_t now_ms)
{
	if (overflow) {
		if (begins(&health->overflow, now_ms))
			log_error("%s: the queue is full: new spans are dropped", health->name);
		return;
	}
	if (!ends(&health->overflow))
		return;
	log_info("%s: the queue has room again; %" PRIu64 " spans were dropped", health->name,
		 dropped - health->dropped_before);
	health->dropped_before = dropped;
}
