/* SPDX-License-Identifier: Apache-2.0 */
#include "health.h"

#include <inttypes.h>
#include <string.h>

#include "log.h"

/* Two states may alternate from batch to batch: then say it every now and then. */
#define WARNING_EVERY_MS 60000
#define OVERFLOW_EVERY_MS 10000

void health_init(struct health *health, const char *name)
{
	*health = (struct health){.name = name};
}

void health_unreachable(struct health *health, const char *message, uint64_t now_ms)
{
	if (health->unreachable)
		return;
	health->unreachable = true;
	health->unreachable_since_ms = now_ms;
	log_error("%s: %s; will keep trying", health->name,
		  *message ? message : "cannot deliver spans now");
}

void health_gave_up(struct health *health, size_t n, uint64_t now_ms)
{
	if (health->gave_up)
		return;
	health->gave_up = true;
	log_error("%s: still cannot deliver after %" PRIu64
		  " s: %zu spans are dropped, and all that "
		  "wait as long",
		  health->name, (now_ms - health->unreachable_since_ms + 500) / 1000, n);
}

void health_delivered(struct health *health, int err, size_t rejected, const char *message,
		      uint64_t now_ms)
{
	if (health->unreachable) {
		health->unreachable = false;
		health->gave_up = false;
		log_info("%s: delivers spans again, after %" PRIu64 " s", health->name,
			 (now_ms - health->unreachable_since_ms + 500) / 1000);
	}
	if (err) {
		if (!health->refused)
			log_error("%s: %s; spans are lost until that changes", health->name,
				  *message ? message : strerror(-err));
		health->refused = true;
		return;
	}
	if (health->refused && !rejected) {
		health->refused = false;
		log_info("%s: spans are accepted again", health->name);
	}
	if ((!rejected && !*message) || now_ms < health->next_warning_ms)
		return;
	health->next_warning_ms = now_ms + WARNING_EVERY_MS;
	if (rejected)
		log_error("%s: %zu spans were rejected: %s", health->name, rejected,
			  *message ? message : "the receiver does not say why");
	else
		log_info("%s: %s", health->name, message);
}

void health_overflow(struct health *health, bool overflow, uint64_t dropped, uint64_t now_ms)
{
	if (overflow == health->overflow || (overflow && now_ms < health->next_overflow_ms))
		return;
	health->overflow = overflow;
	if (overflow) {
		health->next_overflow_ms = now_ms + OVERFLOW_EVERY_MS;
		log_error("%s: the queue is full: new spans are dropped", health->name);
		return;
	}
	log_info("%s: the queue has room again; %" PRIu64 " spans were dropped", health->name,
		 dropped - health->dropped_before);
	health->dropped_before = dropped;
}
