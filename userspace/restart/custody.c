/* SPDX-License-Identifier: Apache-2.0 */
#include "custody.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "log.h"

struct custody {
	struct journal *journal;
	struct journal_past past;
	struct journal_entry entry;
	struct intake *intake;
	struct pipeline *pipeline;
	struct span **spans; /* finished, and not handed to the exporters yet */
	size_t n;
	size_t room;
};

int custody_new(const struct pin *pin, uint64_t consumed, struct custody **out)
{
	struct custody *custody = calloc(1, sizeof(*custody));
	int err;

	if (!custody)
		return -ENOMEM;
	err = journal_open(pin, consumed, &custody->journal, &custody->past);
	if (err) {
		free(custody);
		return err;
	}
	*out = custody;
	return 0;
}

void custody_free(struct custody *custody)
{
	if (!custody)
		return;
	for (size_t i = 0; i < custody->n; i++)
		span_unref(custody->spans[i]);
	free(custody->spans);
	journal_close(custody->journal);
	free(custody);
}

struct exporter_trace *custody_exporters(struct custody *custody)
{
	return journal_exporters(custody->journal);
}

/* ---- The agent before ----------------------------------------------------------------------- */

static void when(uint64_t unix_nano, char text[32])
{
	time_t seconds = (time_t)(unix_nano / 1000000000u);
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", &tm))
		text[0] = '\0';
}

static void say_exporter(const struct journal_past *past, size_t i, uint64_t open)
{
	const char *name = past->exporters[i].name;
	uint64_t waiting = past->exporters[i].waiting, dropped = past->exporters[i].dropped;
	char time[32];

	when(past->time, time);
	if (open + waiting)
		log_error("%s: %" PRIu64
			  " spans were lost with the agent that was killed at %s: %" PRIu64
			  " were open, %" PRIu64 " waited to be exported",
			  name, open + waiting, time, open, waiting);
	if (past->exporters[i].under_way)
		log_error("%s: %" PRIu64
			  " more were on their way then: nobody knows whether they arrived",
			  name, past->exporters[i].under_way);
	if (dropped)
		log_error("%s: %" PRIu64 " spans were dropped by the agent that was killed at %s",
			  name, dropped, time);
}

/* @restored: spans that were open, and still are. */
static void say_past(const struct journal_past *past, uint64_t restored)
{
	uint64_t open = past->open > restored ? past->open - restored : 0;
	char time[32];

	if (!past->known)
		return;
	when(past->time, time);
	if (past->in_order) {
		if (open)
			log_error(
				"%" PRIu64
				" spans were lost that were open when the agent before ended at %s",
				open, time);
		return;
	}
	for (size_t i = 0; i < past->n; i++)
		say_exporter(past, i, open);
	if (!past->n && open)
		log_error("%" PRIu64
			  " spans were lost with the agent that was killed at %s: they were open",
			  open, time);
	if (past->lost)
		log_error("the agent that was killed at %s had counted %" PRIu64
			  " spans as lost before",
			  time, past->lost);
}

static void on_known(void *self, const struct journal_look *look)
{
	struct custody *custody = self;

	intake_known(custody->intake, &look->process, look->buffer_id, look->end, look->started);
}

void custody_begin(struct custody *custody, struct intake *intake, bool resumed,
		   struct pipeline *pipeline)
{
	uint64_t open = books_in_hand(intake_ledger(intake)->sums);

	custody->intake = intake;
	custody->pipeline = pipeline;
	say_past(&custody->past, open);
	/* A checkpoint has all streams, these among them. */
	if (!resumed)
		journal_looks(custody->journal, on_known, custody);
	journal_begin(custody->journal, open);
	for (size_t slot = 0; slot < pipeline_exporters(pipeline); slot++)
		journal_name(custody->journal, slot, pipeline_exporter_name(pipeline, slot));
	custody_done(custody);
}

/* ---- While it runs -------------------------------------------------------------------------- */

void custody_span(struct custody *custody, struct span *span)
{
	if (custody->n == custody->room) {
		size_t room = custody->room ? 2 * custody->room : 256;
		struct span **grown = realloc(custody->spans, room * sizeof(*grown));

		if (!grown) { /* what may be counted twice if we are killed now is better than lost
			       */
			custody->entry.handed++;
			pipeline_submit(custody->pipeline, span);
			return;
		}
		custody->spans = grown;
		custody->room = room;
	}
	custody->spans[custody->n++] = span_ref(span);
	custody->entry.handed++;
}

static void release(struct custody *custody)
{
	for (size_t i = 0; i < custody->n; i++) {
		pipeline_submit(custody->pipeline, custody->spans[i]);
		span_unref(custody->spans[i]);
	}
	custody->n = 0;
}

static void write_entry(struct custody *custody, uint64_t event, const struct journal_look *look)
{
	const uint64_t *sums = intake_ledger(custody->intake)->sums;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	custody->entry.time = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	custody->entry.event = event;
	custody->entry.open = books_in_hand(sums);
	custody->entry.lost = books_lost(sums);
	journal_write(custody->journal, &custody->entry, look);
}

void custody_event(struct custody *custody)
{
	release(custody);
}

void custody_event_done(struct custody *custody, uint64_t position)
{
	write_entry(custody, position, NULL);
}

void custody_look_done(struct custody *custody, const struct event *event)
{
	struct journal_look look = {.process = event->process};
	struct otel_buffer header;

	if (event->kind == EVENT_FLUSH && event->size >= sizeof(header)) {
		memcpy(&header, event + 1, sizeof(header));
		look.buffer_id = header.buffer_id;
		look.end = header.position + header.committed;
		look.started = header.started;
	}
	write_entry(custody, UINT64_MAX, look.buffer_id ? &look : NULL);
	release(custody);
}

void custody_done(struct custody *custody)
{
	write_entry(custody, UINT64_MAX, NULL);
	release(custody);
}

void custody_end(struct custody *custody)
{
	custody_done(custody);
	journal_end(custody->journal);
}
