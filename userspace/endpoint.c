/* SPDX-License-Identifier: Apache-2.0 */
#include "endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static const struct {
	const char *variable;
	const char *path;
} signals[] = {
	[ENDPOINT_TRACES] = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "v1/traces"},
	[ENDPOINT_METRICS] = {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "v1/metrics"},
};

const char *endpoint_environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

void endpoint_tell_ignored(void)
{
	static const struct {
		const char *name;
		const char *harmless; /* what is done anyway; NULL: nothing is */
	} ignored[] = {
		{"OTEL_EXPORTER_OTLP_HEADERS", NULL},
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", NULL},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "none"},
		{"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", NULL},
		{"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", NULL},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", NULL},
		{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", NULL},
	};

	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++) {
		const char *value = endpoint_environment(ignored[i].name);

		if (value && (!ignored[i].harmless || strcmp(value, ignored[i].harmless) != 0))
			log_error("%s is ignored: otel-bpf sends http/protobuf, uncompressed, without "
				  "headers of yours, and checks certificates by the system's store",
				  ignored[i].name);
	}
}

/* OpenTelemetry: OTLP exporter, Endpoint URLs: a base gets the path of the signal. */
static int with_signal_path(const char *base, const char *path, char url[ENDPOINT_MAX])
{
	const char *host = strstr(base, "://");
	size_t n = strlen(base);

	if (host && (!host[3] || host[3] == '/')) {
		log_error("endpoint %s has no host; an endpoint is as in http://localhost:4318",
			  base);
		return -EINVAL;
	}
	if (snprintf(url, ENDPOINT_MAX, "%s%s%s", base, n && base[n - 1] == '/' ? "" : "/", path) >=
	    ENDPOINT_MAX) {
		log_error("endpoint too long: %.60s...", base);
		return -ENAMETOOLONG;
	}
	return 0;
}

int endpoint_url(const char *base, enum endpoint_signal signal, char url[ENDPOINT_MAX])
{
	const char *given = endpoint_environment(signals[signal].variable);

	if (!base && given) {
		if (snprintf(url, ENDPOINT_MAX, "%s", given) < ENDPOINT_MAX)
			return 0;
		log_error("endpoint too long: %.60s...", given);
		return -ENAMETOOLONG;
	}
	if (!base)
		base = endpoint_environment("OTEL_EXPORTER_OTLP_ENDPOINT");
	return with_signal_path(base ? base : "http://localhost:4318", signals[signal].path, url);
}
