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

#define SPOOL_BYTES (256u << 20)

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
	if (!strcmp(element, "none")) {
		if (!value)
			return 0;
		log_error("exporter none takes no value: \"%s\"", value);
		return -EINVAL;
	}
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
	return spool_open(path, options->spool_bytes ? options->spool_bytes : SPOOL_BYTES, out);
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
		log_info("%s: found %" PRIu64 " span%s of a run before in %s", sink->name,
			 spool_found(spool), spool_found(spool) == 1 ? "" : "s", spool_path(spool));
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
	if (!err && options->spool && !*options->spool) {
		log_error("--spool needs a directory");
		err = -EINVAL;
	}
	if (!err && options->spool_bytes && !options->spool) {
		log_error("--spool-size is for --spool, and there is none");
		err = -EINVAL;
	}
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

const char *pipeline_exporter_why(const struct pipeline *pipeline, size_t slot,
				  enum account_count what)
{
	return exporter_why(pipeline->exporters[slot], what);
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

static void say_lost(const struct exporter *exporter, uint64_t spans, uint64_t of,
		     enum account_count what)
{
	if (spans)
		log_error("%s: %" PRIu64 " of %" PRIu64 " span%s not delivered: %s",
			  exporter_name(exporter), spans, of, of == 1 ? " was" : "s were",
			  exporter_why(exporter, what));
}

void pipeline_stop(struct pipeline *pipeline, uint64_t timeout_ms)
{
	for (size_t i = 0; i < pipeline->count; i++)
		exporter_begin_stop(pipeline->exporters[i], timeout_ms);
	for (size_t i = 0; i < pipeline->count; i++) {
		struct exporter *exporter = pipeline->exporters[i];
		struct exporter_counts counts;
		uint64_t all;

		exporter_stop(exporter, timeout_ms);
		exporter_counts(exporter, &counts);
		all = counts.submitted + counts.found;
		say_lost(exporter, counts.undelivered, all, ACCOUNT_UNDELIVERED);
		say_lost(exporter, counts.rejected, all, ACCOUNT_REJECTED);
		say_lost(exporter, counts.queue_full, all, ACCOUNT_QUEUE_FULL);
		say_lost(exporter, counts.spool_dropped, all, ACCOUNT_SPOOL_DROPPED);
		say_lost(exporter, counts.spool_corrupt, all, ACCOUNT_SPOOL_CORRUPT);
		if (counts.spooled)
			log_info("%s: %" PRIu64 " span%s kept in %s for the next run",
				 exporter_name(exporter), counts.spooled,
				 counts.spooled == 1 ? " is" : "s are", exporter_spool(exporter));
	}
}

void pipeline_free(struct pipeline *pipeline)
{
	for (size_t i = 0; pipeline && i < pipeline->count; i++)
		exporter_free(pipeline->exporters[i]);
	free(pipeline);
}
