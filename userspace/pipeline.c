/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "log.h"
#include "spool.h"

struct pipeline {
	size_t count;
	size_t spools;
	struct exporter_trace *traces; /* NULL: none */
	struct exporter *exporters[PIPELINE_EXPORTERS_MAX];
};

static int new_otlp(const char *url, const char *endpoint, struct sink **out)
{
	char built[ENDPOINT_MAX];
	int err = 0;

	endpoint_tell_ignored();
	if (!url)
		err = endpoint_url(endpoint, ENDPOINT_TRACES, built);
	return err ? err : sink_otlp_http_new(url ? url : built, out);
}

/* One element of the list. *@out stays NULL for "none". */
static int new_sink(char *element, const char *endpoint, struct sink **out)
{
	char *value = strchr(element, '=');

	if (value)
		*value++ = 0;
	if (!strcmp(element, "console"))
		return sink_console_new(value, out);
	if (!strcmp(element, "otlp"))
		return new_otlp(value, endpoint, out);
	if (!strcmp(element, "otlp_file")) {
		if (value && *value)
			return sink_otlp_file_new(value, out);
		log_error("exporter otlp_file needs a file: otlp_file=spans.jsonl (or - for "
			  "standard output)");
		return -EINVAL;
	}
	if (!strcmp(element, "none"))
		return 0;
	log_error("there is no exporter \"%s\"; there are console[=FILE], otlp[=URL], "
		  "otlp_file=FILE, none",
		  element);
	return -EINVAL;
}

/* For the next exporter that can have one. */
static int open_spool(struct pipeline *pipeline, const struct pipeline_options *options,
		      struct spool **out)
{
	char path[4096];
	int n;

	if (pipeline->spools)
		n = snprintf(path, sizeof(path), "%s/%zu", options->spool, pipeline->spools + 1);
	else
		n = snprintf(path, sizeof(path), "%s", options->spool);
	if ((size_t)n >= sizeof(path)) {
		log_error("--spool %.60s...: too long", options->spool);
		return -ENAMETOOLONG;
	}
	pipeline->spools++;
	return spool_open(path, options->spool_bytes, out);
}

static int start(struct pipeline *pipeline, struct sink *sink, struct spool *spool)
{
	const struct exporter_options options = {
		.slot = pipeline->count,
		.queue_bytes = 256u << 20,
		.batch_spans = 4096,
		.schedule_ms = 200,
		.retry_initial_ms = 1000,
		.spool = spool,
		.spool_after_ms = 1000,
		.trace = pipeline->traces ? &pipeline->traces[pipeline->count] : NULL,
	};
	struct exporter *exporter = exporter_new(sink, &options);
	int err;

	if (!exporter) {
		err = -errno;
		log_error("cannot start exporter %s: %s", sink->name, strerror(-err));
		return err;
	}
	pipeline->exporters[pipeline->count++] = exporter;
	if (spool && spool_found(spool))
		log_info("%s: found %" PRIu64 " spans of a run before in %s", sink->name,
			 spool_found(spool), spool_path(spool));
	return 0;
}

static int add(struct pipeline *pipeline, char *element, const struct pipeline_options *options)
{
	struct spool *spool = NULL;
	struct sink *sink = NULL;
	int err = new_sink(element, options->endpoint, &sink);

	if (err || !sink)
		return err;
	if (pipeline->count == PIPELINE_EXPORTERS_MAX) {
		log_error("more than %d exporters", PIPELINE_EXPORTERS_MAX);
		err = -E2BIG;
	}
	if (!err && options->spool && sink->post)
		err = open_spool(pipeline, options, &spool);
	if (!err)
		err = start(pipeline, sink, spool);
	if (err) {
		spool_close(spool);
		sink->free(sink);
	}
	return err;
}

static const char *default_list(const char *endpoint)
{
	const char *list = endpoint_environment("OTEL_TRACES_EXPORTER");

	if (list)
		return list;
	if (endpoint || endpoint_environment("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") ||
	    endpoint_environment("OTEL_EXPORTER_OTLP_ENDPOINT"))
		return "otlp";
	return "console";
}

int pipeline_new(const struct pipeline_options *options, struct exporter_trace *traces, struct pipeline **out)
{
	struct pipeline *pipeline = calloc(1, sizeof(*pipeline));
	const char *list = options->exporters;
	char *copy = strdup(list ? list : default_list(options->endpoint)), *rest = copy, *element;
	int err = pipeline && copy ? 0 : -ENOMEM;

	if (pipeline)
		pipeline->traces = traces;
	while (!err && (element = strsep(&rest, ",")))
		err = add(pipeline, element + strspn(element, " "), options);
	free(copy);
	if (!err && options->spool && !pipeline->spools) {
		log_error("--spool is for the exporter otlp, and there is none");
		err = -EINVAL;
	}
	if (err) {
		pipeline_free(pipeline);
		return err;
	}
	*out = pipeline;
	return 0;
}

size_t pipeline_exporters(const struct pipeline *pipeline)
{
	return pipeline->count;
}

const char *pipeline_exporter_name(const struct pipeline *pipeline, size_t slot)
{
	return exporter_name(pipeline->exporters[slot]);
}

void pipeline_exporter_counts(const struct pipeline *pipeline, size_t slot,
			      struct exporter_counts *out)
{
	exporter_counts(pipeline->exporters[slot], out);
}

void pipeline_exporter_health(const struct pipeline *pipeline, size_t slot,
			      struct exporter_health *out)
{
	exporter_health(pipeline->exporters[slot], out);
}

void pipeline_submit(struct pipeline *pipeline, struct span *span)
{
	for (size_t i = 0; i < pipeline->count; i++)
		exporter_submit(pipeline->exporters[i], span);
}

static void say_lost(const char *name, uint64_t spans, uint64_t of, const char *why)
{
	if (spans)
		log_error("%s: %" PRIu64 " of %" PRIu64 " spans were not delivered: %s", name,
			  spans, of, why);
}

void pipeline_stop(struct pipeline *pipeline, uint64_t timeout_ms)
{
	for (size_t i = 0; i < pipeline->count; i++) {
		struct exporter *exporter = pipeline->exporters[i];
		const char *name = exporter_name(exporter);
		struct exporter_counts counts;
		uint64_t all;

		exporter_stop(exporter, timeout_ms);
		exporter_counts(exporter, &counts);
		all = counts.submitted + counts.found;
		say_lost(name, counts.undelivered, all, "the receiver could not be reached");
		say_lost(name, counts.rejected, all, "the receiver refused them");
		say_lost(name, counts.queue_full, all, "the queue was full");
		say_lost(name, counts.spool_dropped, all,
			 "they were the oldest in a spool that was full (see --spool-size)");
		say_lost(name, counts.spool_corrupt, all,
			 "they could not be read back from the spool");
		if (counts.spooled)
			log_info("%s: %" PRIu64 " spans are kept in %s for the next run", name,
				 counts.spooled, exporter_spool(exporter));
	}
}

void pipeline_free(struct pipeline *pipeline)
{
	for (size_t i = 0; pipeline && i < pipeline->count; i++)
		exporter_free(pipeline->exporters[i]);
	free(pipeline);
}
