/* SPDX-License-Identifier: Apache-2.0 */
#include "telemetry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "log.h"
#include "push.h"
#include "scrape.h"

#define SERVE_NS 400000000u

struct telemetry {
	struct scrape *scrape; /* NULL: nobody may ask */
	struct push *push;     /* NULL: nobody is told */
	uint64_t next_serve;
};

static int add(struct telemetry *telemetry, char *element, const char *endpoint, overview_fn look,
	       void *self)
{
	char *value = strchr(element, '='), url[ENDPOINT_MAX];
	bool otlp = !strncmp(element, "otlp", 4) && (!element[4] || element[4] == '=');
	int err = 0;

	if (otlp ? telemetry->push != NULL : telemetry->scrape != NULL) {
		log_error("--metrics: more than one %s", otlp ? "otlp" : "address to listen on");
		return -EINVAL;
	}
	if (!otlp)
		return scrape_new(element, look, self, &telemetry->scrape);
	if (!value)
		err = endpoint_url(endpoint, ENDPOINT_METRICS, url);
	return err ? err : push_new(value ? value + 1 : url, look, self, &telemetry->push);
}

int telemetry_new(const char *list, const char *endpoint, overview_fn look, void *self,
		  struct telemetry **out)
{
	struct telemetry *telemetry = calloc(1, sizeof(*telemetry));
	char *copy = strdup(list), *rest = copy, *element;
	int err = telemetry && copy ? 0 : -ENOMEM;

	while (!err && (element = strsep(&rest, ",")))
		err = add(telemetry, element + strspn(element, " "), endpoint, look, self);
	free(copy);
	if (err) {
		telemetry_free(telemetry);
		return err;
	}
	*out = telemetry;
	return 0;
}

void telemetry_free(struct telemetry *telemetry)
{
	if (!telemetry)
		return;
	scrape_free(telemetry->scrape);
	push_free(telemetry->push);
	free(telemetry);
}

int telemetry_fd(const struct telemetry *telemetry)
{
	return telemetry && telemetry->scrape ? scrape_fd(telemetry->scrape) : -1;
}

void telemetry_serve(void *self)
{
	struct telemetry *telemetry = self;

	scrape_serve(telemetry->scrape);
}

void telemetry_tick(struct telemetry *telemetry, uint64_t now)
{
	if (!telemetry)
		return;
	if (telemetry->scrape && now >= telemetry->next_serve) {
		scrape_serve(telemetry->scrape); /* who is slow is dropped */
		telemetry->next_serve = now + SERVE_NS;
	}
	if (telemetry->push)
		push_tick(telemetry->push, now);
}

void telemetry_finish(struct telemetry *telemetry, uint64_t timeout_ms)
{
	if (telemetry && telemetry->push)
		push_finish(telemetry->push, timeout_ms);
}
