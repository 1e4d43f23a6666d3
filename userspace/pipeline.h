/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipeline: all exporters that the user asked for. Every finished span goes to each of them.
 *
 * Single-threaded but for the exporters behind it.
 */
#ifndef OTEL_BPF_PIPELINE_H
#define OTEL_BPF_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter.h"

#define PIPELINE_EXPORTERS_MAX SPAN_EXPORTERS_MAX

struct pipeline;

struct pipeline_options {
	const char
		*exporters;   /* "console[=FILE],otlp[=URL],otlp_file=FILE,none"; NULL: see below */
	const char *endpoint; /* base of the URL of "otlp" that names none; NULL: see below */
	const char *spool;    /* a directory for what "otlp" cannot deliver; NULL: none */
	uint64_t spool_bytes; /* at most so much in it; 0: 256 MiB */
};

/**
 * Makes the exporters. Those that are not given are from the environment (OTEL_TRACES_EXPORTER),
 * else OTLP if an endpoint is set, else the console; an endpoint that is not given is
 * OTEL_EXPORTER_OTLP_TRACES_ENDPOINT as it is, or OTEL_EXPORTER_OTLP_ENDPOINT with /v1/traces, or
 * http://localhost:4318/v1/traces. With several "otlp", the second has its spool in the
 * directory 2 in that of the first, and so on.
 * @traces: PIPELINE_EXPORTERS_MAX of them, which outlive it, or NULL; see exporter.h.
 * Returns 0, or a negative errno after saying why.
 */
int pipeline_new(const struct pipeline_options *options, struct exporter_trace *traces, struct pipeline **out);

/** How many exporters there are: so many slots the accounts of processes need. */
size_t pipeline_exporters(const struct pipeline *pipeline);

/** Of the exporter that has slot @slot < pipeline_exporters() in the accounts. */
const char *pipeline_exporter_name(const struct pipeline *pipeline, size_t slot);
void pipeline_exporter_counts(const struct pipeline *pipeline, size_t slot,
			      struct exporter_counts *out);

/** Why it lost spans; see exporter_why(). */
const char *pipeline_exporter_why(const struct pipeline *pipeline, size_t slot,
				  enum account_count what);

void pipeline_exporter_health(const struct pipeline *pipeline, size_t slot,
			      struct exporter_health *out);

void pipeline_submit(struct pipeline *pipeline, struct span *span);

/** Lets what waits leave within @timeout_ms, and says what did not and what is in the spool. */
void pipeline_stop(struct pipeline *pipeline, uint64_t timeout_ms);

/** NULL is allowed. */
void pipeline_free(struct pipeline *pipeline);

#endif
