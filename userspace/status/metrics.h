/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's own metrics: totals, never by process, whose number has no bound. Their names are
 * those of OpenTelemetry's conventions for SDKs (otel.sdk.*) where there is one, else otelbpf.*;
 * docs/accounting.md lists them.
 */
#ifndef OTEL_BPF_METRICS_H
#define OTEL_BPF_METRICS_H

#include "overview.h"
#include "text.h"

enum metric_kind {
	METRIC_COUNTER, /* only grows */
	METRIC_UPDOWN,	/* can be added up */
	METRIC_GAUGE,
};

struct metric {
	const char *name; /* with dots */
	const char *unit; /* UCUM, as OpenTelemetry has it: "{span}", "By" */
	const char *description;
	enum metric_kind kind;
};

struct metric_label {
	const char *key;
	const char *value;
};

#define METRIC_LABELS_MAX 4

/* Whoever writes them down: a metric is followed by its points. */
struct metric_writer {
	void (*metric)(void *self, const struct metric *metric);
	void (*point)(void *self, uint64_t value, const struct metric_label *labels, size_t n);
	void *self;
};

void metrics_tell(const struct overview *overview, const struct metric_writer *writer);

/** In Prometheus' text format, version 0.0.4. */
void metrics_prometheus(const struct overview *overview, struct text *out);

/** As an ExportMetricsServiceRequest of OTLP, with all since @start_unix_nano. */
void metrics_otlp(const struct overview *overview, uint64_t start_unix_nano, uint64_t unix_nano,
		  struct text *out);

#endif
