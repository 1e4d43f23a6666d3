/* SPDX-License-Identifier: Apache-2.0 */
/* OpenTelemetry: Prometheus and OpenMetrics compatibility, for how names and units become others.
 */
#include "metrics.h"

struct writer {
	struct text *out;
	char name[128];
};

static char plain(char c)
{
	return c == '.' || c == '-' ? '_' : c;
}

/* Units in braces say what is counted, and are left out. */
static void make_name(struct writer *writer, const struct metric *metric)
{
	const char *suffixes[] = {
		!strcmp(metric->unit, "By") ? "_bytes" : "",
		metric->kind == METRIC_COUNTER ? "_total" : "",
	};
	size_t size = 0;

	for (const char *p = metric->name; *p && size < sizeof(writer->name) - 16; p++)
		writer->name[size++] = plain(*p);
	for (size_t i = 0; i < 2; i++)
		for (const char *p = suffixes[i]; *p; p++)
			writer->name[size++] = *p;
	writer->name[size] = '\0';
}

static void put_metric(void *self, const struct metric *metric)
{
	struct writer *writer = self;
	struct text *out = writer->out;

	make_name(writer, metric);
	text_put_literal(out, "# HELP ");
	text_put_string(out, writer->name);
	text_put_char(out, ' ');
	text_put_string(out, metric->description);
	text_put_literal(out, "\n# TYPE ");
	text_put_string(out, writer->name);
	text_put_string(out, metric->kind == METRIC_COUNTER ? " counter\n" : " gauge\n");
}

static void put_point(void *self, uint64_t value, const struct metric_label *labels, size_t n)
{
	struct writer *writer = self;
	struct text *out = writer->out;

	text_put_string(out, writer->name);
	for (size_t i = 0; i < n; i++) {
		text_put_char(out, i ? ',' : '{');
		for (const char *p = labels[i].key; *p; p++)
			text_put_char(out, plain(*p));
		/* The values are our own words: there is nothing to escape in them. */
		text_put_literal(out, "=\"");
		text_put_string(out, labels[i].value);
		text_put_char(out, '"');
	}
	if (n)
		text_put_char(out, '}');
	text_put_char(out, ' ');
	text_put_uint(out, value);
	text_put_char(out, '\n');
}

void metrics_prometheus(const struct overview *overview, struct text *out)
{
	struct writer writer = {.out = out};
	const struct metric_writer how = {put_metric, put_point, &writer};

	metrics_tell(overview, &how);
}
