/* SPDX-License-Identifier: Apache-2.0 */
/* Where OTLP goes, by OpenTelemetry's environment variables. */
#ifndef OTEL_BPF_ENDPOINT_H
#define OTEL_BPF_ENDPOINT_H

#define ENDPOINT_MAX 2048

enum endpoint_signal { ENDPOINT_TRACES, ENDPOINT_METRICS };

/**
 * Writes the URL of a signal to @url: of the base @base; or, if that is NULL,
 * OTEL_EXPORTER_OTLP_<SIGNAL>_ENDPOINT as it is, or of the base OTEL_EXPORTER_OTLP_ENDPOINT, or of
 * http://localhost:4318. Returns 0, or a negative errno after saying why.
 */
int endpoint_url(const char *base, enum endpoint_signal signal, char url[ENDPOINT_MAX]);

/** Tells of variables of the OTLP exporter that are set, and that have no effect here. */
void endpoint_tell_ignored(void);

/** A variable that is set and not empty, else NULL (OpenTelemetry: Configuration, common rules). */
const char *endpoint_environment(const char *name);

#endif
