/* SPDX-License-Identifier: Apache-2.0 */
#include "push.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "endpoint.h"
#include "exporter.h"
#include "log.h"
#include "metrics.h"

#define INTERVAL_MS 60000

struct push {
	struct sink *sink;
	overview_fn look;
	void *self;
	struct text request;
	uint64_t interval_ns;
	uint64_t next; /* when the next request is due */
	uint64_t start_unix;
	bool under_way;
	bool failing;
};

static uint64_t unix_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t interval_ms(void)
{
	const char *text = endpoint_environment("OTEL_METRIC_EXPORT_INTERVAL");
	unsigned long value;
	char *end;

	if (!text)
		return INTERVAL_MS;
	value = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && value && value <= UINT32_MAX)
		return value;
	log_info("OTEL_METRIC_EXPORT_INTERVAL=%s is not a number of milliseconds: %d is taken",
		 text, INTERVAL_MS);
	return INTERVAL_MS;
}

int push_new(const char *url, overview_fn look, void *self, struct push **out)
{
	struct push *push = calloc(1, sizeof(*push));
	int err;

	if (!push)
		return -ENOMEM;
	err = sink_otlp_http_new(url, &push->sink);
	if (err) {
		free(push);
		return err;
	}
	push->look = look;
	push->self = self;
	push->interval_ns = interval_ms() * 1000000;
	push->next = clock_now() + push->interval_ns;
	push->start_unix = unix_now();
	*out = push;
	return 0;
}

void push_free(struct push *push)
{
	if (!push)
		return;
	push->sink->free(push->sink);
	text_free(&push->request);
	free(push);
}

static void begin(struct push *push)
{
	struct overview overview;

	push->look(push->self, &overview);
	text_clear(&push->request);
	metrics_otlp(&overview, push->start_unix, unix_now(), &push->request);
	if (push->request.failed)
		return;
	push->sink->post(push->sink,
			 (struct bytes){(const uint8_t *)push->request.data, push->request.size},
			 1);
	push->under_way = true;
}

/* Said when it begins, and when it ends. */
static void go_on(struct push *push, uint64_t timeout_ms)
{
	struct delivery delivery = {0};
	int err = push->sink->poll(push->sink, timeout_ms, &delivery);

	if (err == -EINPROGRESS)
		return;
	push->under_way = false;
	if (err && !push->failing)
		log_error("metrics: %s", *delivery.message ? delivery.message : strerror(-err));
	else if (!err && push->failing)
		log_info("metrics: are delivered again");
	push->failing = err != 0;
}

void push_tick(struct push *push, uint64_t now)
{
	if (push->under_way) {
		go_on(push, 0);
	} else if (now >= push->next) {
		push->next = now + push->interval_ns;
		begin(push);
	}
}

void push_finish(struct push *push, uint64_t timeout_ms)
{
	uint64_t deadline = clock_now() + timeout_ms * 1000000, now = clock_now();
	bool last = false;

	while (now < deadline && !(last && !push->under_way)) {
		if (!push->under_way) {
			begin(push);
			last = true;
		}
		if (push->under_way)
			go_on(push, (deadline - now) / 1000000);
		now = clock_now();
	}
}
