/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <stdio.h>
#include <string.h>

static void begin(const struct metric_writer *writer, const char *name, enum metric_kind kind,
		  const char *unit, const char *description)
{
	const struct metric metric = {name, unit, description, kind};

	writer->metric(writer->self, &metric);
}

static void point(const struct metric_writer *writer, uint64_t value, const char *key,
		  const char *text)
{
	const struct metric_label label = {key, text};

	writer->point(writer->self, value, &label, key != NULL);
}

/* A metric of one point without labels. */
static void only(const struct metric_writer *writer, const char *name, enum metric_kind kind,
		 const char *unit, const char *description, uint64_t value)
{
	begin(writer, name, kind, unit, description);
	point(writer, value, NULL, NULL);
}

static void tell_spans(const struct overview *overview, const struct metric_writer *writer)
{
	const uint64_t *books = overview->counts.books;

	begin(writer, "otel.sdk.span.started", METRIC_COUNTER, "{span}",
	      "Spans that processes have started");
	point(writer, books[BOOK_STARTED], "otel.span.sampling_result", "RECORD_AND_SAMPLE");
	point(writer, books[BOOK_NOT_SAMPLED], "otel.span.sampling_result", "DROP");
	begin(writer, "otel.sdk.span.live", METRIC_UPDOWN, "{span}",
	      "Spans that have not ended, yet");
	point(writer, books[BOOK_OPEN], "otel.span.sampling_result", "RECORD_AND_SAMPLE");
	begin(writer, "otelbpf.span.lost", METRIC_COUNTER, "{span}",
	      "Spans lost before they reached the exporters, by reason");
	for (int i = BOOK_REASONS_BEGIN; i < BOOK_REASONS_END; i++) {
		if (i == BOOK_TRACER_OFF)
			continue;
		point(writer, i == BOOK_NOT_HANDED_OVER ? overview->not_handed_over : books[i],
		      "otelbpf.reason", books_reason((enum book)i)->name);
	}
	only(writer, "otelbpf.span.tracer_off", METRIC_COUNTER, "{span}",
	     "Spans of tracers that are switched off", books[BOOK_TRACER_OFF]);
	only(writer, "otelbpf.span.finished", METRIC_COUNTER, "{span}",
	     "Spans handed to the exporters", books[BOOK_EXPORTING]);
	only(writer, "otelbpf.span.incomplete", METRIC_COUNTER, "{span}",
	     "Of those, spans with pieces missing", books[BOOK_INCOMPLETE]);
	only(writer, "otelbpf.span.cut_short", METRIC_COUNTER, "{span}",
	     "Of those, spans that ended with their process, and are whole otherwise",
	     books[BOOK_CUT_SHORT]);
	only(writer, "otelbpf.span.contradicted", METRIC_COUNTER, "{span}",
	     "By how many spans processes' own counts deny what they handed over",
	     books[BOOK_CONTRADICTED]);
}

/* ---- Exporters ------------------------------------------------------------------------------ */

/* What one exporter is called: its queue is a batching processor to OpenTelemetry. */
struct component {
	char processor[48];
	char exporter[64];
	const char *type;
	struct exporter_counts counts;
};

static void look_at(const struct pipeline *pipeline, size_t slot, struct component *out)
{
	const char *name = pipeline_exporter_name(pipeline, slot);

	pipeline_exporter_counts(pipeline, slot, &out->counts);
	out->type = !strcmp(name, "otlp")      ? "otlp_http_span_exporter"
		    : !strcmp(name, "console") ? "otelbpf_console_span_exporter"
					       : "otelbpf_otlp_file_span_exporter";
	snprintf(out->processor, sizeof(out->processor), "batching_span_processor/%zu", slot);
	snprintf(out->exporter, sizeof(out->exporter), "%.40s/%zu", out->type, slot);
}

static void component_point(const struct metric_writer *writer, uint64_t value, const char *name,
			    const char *type, const char *error)
{
	const struct metric_label labels[] = {
		{"otel.component.name", name},
		{"otel.component.type", type},
		{"error.type", error},
	};

	writer->point(writer->self, value, labels, error ? 3 : 2);
}

static void processor_point(const struct metric_writer *writer, uint64_t value,
			    const struct component *of, const char *error)
{
	component_point(writer, value, of->processor, "batching_span_processor", error);
}

static void exporter_point(const struct metric_writer *writer, uint64_t value,
			   const struct component *of, const char *error)
{
	component_point(writer, value, of->exporter, of->type, error);
}

static uint64_t in_queue(const struct exporter_counts *counts)
{
	return counts->waiting - counts->sending;
}

static void tell_processors(const struct component *all, size_t n,
			    const struct metric_writer *writer)
{
	begin(writer, "otel.sdk.processor.span.processed", METRIC_COUNTER, "{span}",
	      "Spans that have left an exporter's queue, or did not get into it");
	for (size_t i = 0; i < n; i++) {
		const struct exporter_counts *counts = &all[i].counts;

		processor_point(writer, counts->submitted - counts->queue_full - in_queue(counts), &all[i],
				NULL);
		processor_point(writer, counts->queue_full, &all[i], "queue_full");
	}
	begin(writer, "otel.sdk.processor.span.queue.size", METRIC_UPDOWN, "{span}",
	      "Spans in an exporter's queue");
	for (size_t i = 0; i < n; i++)
		processor_point(writer, in_queue(&all[i].counts), &all[i], NULL);
}

static void tell_exporters(const struct component *all, size_t n,
			   const struct metric_writer *writer)
{
	begin(writer, "otel.sdk.exporter.span.exported", METRIC_COUNTER, "{span}",
	      "Spans that an exporter is done with");
	for (size_t i = 0; i < n; i++) {
		const struct exporter_counts *counts = &all[i].counts;

		exporter_point(writer, counts->exported, &all[i], NULL);
		exporter_point(writer, counts->rejected, &all[i], "rejected");
		exporter_point(writer, counts->undelivered, &all[i], "undelivered");
		exporter_point(writer, counts->spool_dropped, &all[i], "spool_dropped");
		exporter_point(writer, counts->spool_corrupt, &all[i], "spool_corrupt");
	}
	begin(writer, "otel.sdk.exporter.span.inflight", METRIC_UPDOWN, "{span}",
	      "Spans that an exporter has and is not done with, those on disk included");
	for (size_t i = 0; i < n; i++)
		exporter_point(writer, all[i].counts.sending + all[i].counts.spooled, &all[i], NULL);
	begin(writer, "otelbpf.exporter.span.spooled", METRIC_UPDOWN, "{span}",
	      "Spans that wait on disk");
	for (size_t i = 0; i < n; i++)
		exporter_point(writer, all[i].counts.spooled, &all[i], NULL);
	begin(writer, "otelbpf.exporter.spool.size", METRIC_UPDOWN, "By", "What they take there");
	for (size_t i = 0; i < n; i++)
		exporter_point(writer, all[i].counts.spool_bytes, &all[i], NULL);
	begin(writer, "otelbpf.exporter.span.resent", METRIC_COUNTER, "{span}",
	      "Spans that were sent once more since the answer was lost");
	for (size_t i = 0; i < n; i++)
		exporter_point(writer, all[i].counts.resent, &all[i], NULL);
}

/* ---- The rest ------------------------------------------------------------------------------- */

static void tell_agent(const struct overview *overview, const struct metric_writer *writer)
{
	const struct intake_counts *counts = &overview->counts;
	const struct capture_faults *faults = &overview->faults;

	only(writer, "otelbpf.process.followed", METRIC_UPDOWN, "{process}",
	     "Processes that are recorded", overview->processes);
	only(writer, "otelbpf.process.not_followed", METRIC_COUNTER, "{process}",
	     "Processes that are not, since there were too many at once", faults->not_followed);
	only(writer, "otelbpf.process.vanished", METRIC_COUNTER, "{process}",
	     "Processes whose end nobody saw", counts->vanished);
	only(writer, "otelbpf.image.attached", METRIC_UPDOWN, "{file}",
	     "Files that are attached to", overview->images);
	only(writer, "otelbpf.image.refused", METRIC_COUNTER, "{file}",
	     "Files that are not, for the file system that they are on; whenever one was loaded",
	     overview->files_refused);
	only(writer, "otelbpf.look.failed", METRIC_COUNTER, "{look}",
	     "Looks at what a process holds, whose memory did not come in time", overview->looks_failed);
	only(writer, "otelbpf.ring.size", METRIC_GAUGE, "By",
	     "Room for records on their way from the kernel", overview->ring_bytes);
	only(writer, "otelbpf.ring.used", METRIC_GAUGE, "By", "How much of it is taken",
	     overview->ring_used);
	only(writer, "otelbpf.probe.missed", METRIC_COUNTER, "{probe}",
	     "Runs of probes that the kernel skipped", faults->probes_missed);
	only(writer, "otelbpf.flush.refused", METRIC_COUNTER, "{flush}",
	     "Buffers that could not be read, or were none", counts->flushes_refused);
	only(writer, "otelbpf.record.malformed", METRIC_COUNTER, "{record}",
	     "Records that made no sense", counts->records_rejected);
	only(writer, "otelbpf.life.lost", METRIC_COUNTER, "{event}",
	     "Forks and execs that did not fit into the ring", faults->lives_lost);
}

void metrics_tell(const struct overview *overview, const struct metric_writer *writer)
{
	struct component all[PIPELINE_EXPORTERS_MAX];
	size_t n = pipeline_exporters(overview->pipeline);

	for (size_t slot = 0; slot < n; slot++)
		look_at(overview->pipeline, slot, &all[slot]);
	tell_spans(overview, writer);
	if (n) {
		tell_processors(all, n, writer);
		tell_exporters(all, n, writer);
	}
	tell_agent(overview, writer);
}
