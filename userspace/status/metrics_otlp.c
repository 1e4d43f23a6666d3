/* SPDX-License-Identifier: Apache-2.0 */
/* Field numbers are those of opentelemetry-proto: metrics/v1/metrics.proto. */
#include <unistd.h>

#include "attributes.h"
#include "detect.h"
#include "metrics.h"
#include "wire.h"

enum { RESOURCE_METRICS = 1, RESOURCE = 1, SCOPE_METRICS = 2, SCOPE = 1, METRICS = 2 };
enum { NAME = 1, DESCRIPTION = 2, UNIT = 3, GAUGE = 5, SUM = 7, POINTS = 1 };
enum { TEMPORALITY = 2, MONOTONIC = 3, CUMULATIVE = 2 };
enum { POINT_START = 2, POINT_TIME = 3, POINT_INT = 6, POINT_ATTRIBUTES = 7 };

struct writer {
	struct text metrics; /* fields METRICS of what is done */
	struct text points;  /* of the current metric */
	struct text scratch;
	struct metric metric;
	uint64_t start;
	uint64_t time;
};

static void put_bytes(struct text *out, uint32_t number, const void *data, size_t size)
{
	uint8_t head[16];

	text_put(out, head, (size_t)(wire_put_header(head, number, size) - head));
	text_put(out, data, size);
}

static void put_string(struct text *out, uint32_t number, const char *string)
{
	put_bytes(out, number, string, strlen(string));
}

static void put_uint(struct text *out, uint32_t number, uint64_t value)
{
	uint8_t field[16];

	text_put(out, field, (size_t)(wire_put_uint(field, number, value) - field));
}

static void put_fixed64(struct text *out, uint32_t number, uint64_t value)
{
	uint8_t field[16];

	text_put(out, field, (size_t)(wire_put_fixed64(field, number, value) - field));
}

/* KeyValue{1: key, 2: AnyValue{1: string}} */
static void put_attribute(struct text *out, uint32_t number, const struct metric_label *label)
{
	size_t any = wire_bytes_size(1, strlen(label->value));
	uint8_t head[16];

	text_put(out, head,
		 (size_t)(wire_put_header(head, number,
					  wire_bytes_size(1, strlen(label->key)) +
						  wire_bytes_size(2, any)) -
			  head));
	put_string(out, 1, label->key);
	text_put(out, head, (size_t)(wire_put_header(head, 2, any) - head));
	put_string(out, 1, label->value);
}

static void put_point(void *self, uint64_t value, const struct metric_label *labels, size_t n)
{
	struct writer *writer = self;
	struct text *point = &writer->scratch;

	text_clear(point);
	if (writer->metric.kind != METRIC_GAUGE)
		put_fixed64(point, POINT_START, writer->start);
	put_fixed64(point, POINT_TIME, writer->time);
	put_fixed64(point, POINT_INT, value);
	for (size_t i = 0; i < n; i++)
		put_attribute(point, POINT_ATTRIBUTES, &labels[i]);
	put_bytes(&writer->points, POINTS, point->data, point->size);
}

static void end_metric(struct writer *writer)
{
	struct text *metric = &writer->scratch;
	bool gauge = writer->metric.kind == METRIC_GAUGE;

	if (!writer->metric.name)
		return;
	if (!gauge) {
		put_uint(&writer->points, TEMPORALITY, CUMULATIVE);
		if (writer->metric.kind == METRIC_COUNTER)
			put_uint(&writer->points, MONOTONIC, 1);
	}
	text_clear(metric);
	put_string(metric, NAME, writer->metric.name);
	put_string(metric, DESCRIPTION, writer->metric.description);
	put_string(metric, UNIT, writer->metric.unit);
	put_bytes(metric, gauge ? GAUGE : SUM, writer->points.data, writer->points.size);
	put_bytes(&writer->metrics, METRICS, metric->data, metric->size);
	text_clear(&writer->points);
}

static void put_metric(void *self, const struct metric *metric)
{
	struct writer *writer = self;

	end_metric(writer);
	writer->metric = *metric;
}

static void put_resource(struct text *out)
{
	const uint8_t tag = ATTRIBUTES_TAG(1);
	struct attributes set = {0};
	size_t size;
	uint8_t *fields;

	attributes_put_text(&set, tag, "service.name", "otel-bpf", strlen("otel-bpf"), 0);
	attributes_put_text(&set, tag, "service.version", OTEL_BPF_VERSION,
			    strlen(OTEL_BPF_VERSION), 0);
	attributes_put_int(&set, tag, "process.pid", getpid(), 0);
	detect_host(&set);
	size = attributes_size(&set);
	fields = malloc(size + 1);
	if (fields) {
		attributes_write(&set, fields);
		put_bytes(out, RESOURCE, fields, size);
	}
	out->failed = out->failed || !fields;
	free(fields);
	attributes_free(&set);
}

void metrics_otlp(const struct overview *overview, uint64_t start_unix_nano, uint64_t unix_nano,
		  struct text *out)
{
	struct writer writer = {.start = start_unix_nano, .time = unix_nano};
	const struct metric_writer how = {put_metric, put_point, &writer};
	struct text scope = {0}, resource = {0};

	metrics_tell(overview, &how);
	end_metric(&writer);
	text_clear(&writer.scratch);
	put_string(&writer.scratch, NAME, "otel-bpf");
	put_string(&writer.scratch, 2, OTEL_BPF_VERSION);
	put_bytes(&scope, SCOPE, writer.scratch.data, writer.scratch.size);
	text_put(&scope, writer.metrics.data, writer.metrics.size);
	put_resource(&resource);
	put_bytes(&resource, SCOPE_METRICS, scope.data, scope.size);
	put_bytes(out, RESOURCE_METRICS, resource.data, resource.size);
	out->failed = out->failed || resource.failed || scope.failed || writer.metrics.failed ||
		      writer.points.failed || writer.scratch.failed;
	text_free(&resource);
	text_free(&scope);
	text_free(&writer.metrics);
	text_free(&writer.points);
	text_free(&writer.scratch);
}
