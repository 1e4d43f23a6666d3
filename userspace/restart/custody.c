/* SPDX-License-Identifier: Apache-2.0 */
#include "custody.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "log.h"
#include "positions.h"

struct custody {
	struct journal *journal;
	struct journal_past past;
	struct journal_entry entry;
	struct positions *positions;
	struct journal_change changes[JOURNAL_CHANGES];
	size_t n_changes;
	bool begun;
	bool written;	/* in the journal: they are to take place, once their event cannot come again */
	bool told_room; /* that there was no memory for more positions */
	struct intake *intake;
	struct pipeline *pipeline;
	struct span **spans; /* finished, and not handed to the exporters yet */
	size_t n;
	size_t n_written; /* of those, in the journal */
	size_t room;
};

int custody_new(const struct pin *pin, uint64_t consumed, struct custody **out)
{
	struct custody *custody = calloc(1, sizeof(*custody));
	int err;

	if (!custody)
		return -ENOMEM;
	err = journal_open(pin, consumed, &custody->journal, &custody->past);
	if (!err)
		err = positions_open(pin, &custody->positions);
	if (err) {
		custody_free(custody);
		return err;
	}
	for (size_t i = 0; i < custody->past.n_changes; i++)
		positions_write(custody->positions, custody->past.changes[i].slot, &custody->past.changes[i].kept);
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
	positions_close(custody->positions);
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
	if (past->tracer_off)
		log_error("the agent that was killed at %s had left %" PRIu64
			  " spans out: their tracer is switched off",
			  time, past->tracer_off);
}

static bool on_known(void *self, uint32_t slot, const struct kept *kept)
{
	struct custody *custody = self;

	return intake_restore(custody->intake, kept, slot, clock_now());
}

void custody_begin(struct custody *custody, struct intake *intake, struct pipeline *pipeline)
{
	uint64_t open = books_in_hand(intake_ledger(intake)->sums);

	custody->intake = intake;
	custody->pipeline = pipeline;
	say_past(&custody->past, open);
	positions_load(custody->positions, on_known, custody);
	custody->begun = true;
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

/* What the journal has written down takes place. */
static void settle(struct custody *custody)
{
	if (!custody->written)
		return;
	for (size_t i = 0; i < custody->n_changes; i++)
		positions_write(custody->positions, custody->changes[i].slot, &custody->changes[i].kept);
	journal_changed(custody->journal);
	custody->n_changes = 0;
	custody->written = false;
}

static bool take_slot(struct custody *custody, uint32_t *slot)
{
	/* What was kept before is known again, but not yet in which slots. */
	if (!custody->begun)
		return false;
	if (!*slot)
		*slot = positions_take(custody->positions);
	if (!*slot && !custody->told_room) {
		log_error("no memory for how far each stream was read: if this agent is killed, the next one may "
			  "count wrongly");
		custody->told_room = true;
	}
	return *slot;
}

static struct journal_change *find_change(struct custody *custody, uint32_t slot)
{
	for (size_t i = 0; i < custody->n_changes; i++)
		if (custody->changes[i].slot == slot)
			return &custody->changes[i];
	return NULL;
}

static void on_keep(void *self, uint32_t *slot, const struct kept *kept)
{
	struct custody *custody = self;
	struct journal_change *change;

	settle(custody);
	if (!take_slot(custody, slot))
		return;
	change = find_change(custody, *slot);
	if (!change && custody->n_changes < JOURNAL_CHANGES)
		change = &custody->changes[custody->n_changes++];
	if (change)
		*change = (struct journal_change){*slot, *kept};
	else
		positions_write(custody->positions, *slot, kept);
}

static void on_put(void *self, uint32_t *slot, const struct kept *kept)
{
	struct custody *custody = self;
	struct journal_change *change;

	settle(custody);
	if (kept && !take_slot(custody, slot))
		return;
	change = find_change(custody, *slot);
	if (change)
		*change = custody->changes[--custody->n_changes];
	positions_write(custody->positions, *slot, kept);
	if (kept)
		return;
	if (custody->begun)
		positions_give_back(custody->positions, *slot);
	*slot = 0;
}

struct keeper custody_keeper(struct custody *custody)
{
	return (struct keeper){on_keep, on_put, custody};
}

static void release(struct custody *custody)
{
	for (size_t i = 0; i < custody->n; i++) {
		pipeline_submit(custody->pipeline, custody->spans[i]);
		span_unref(custody->spans[i]);
	}
	custody->n = custody->n_written = 0;
}

static void write_entry(struct custody *custody, uint64_t event)
{
	const uint64_t *sums = intake_ledger(custody->intake)->sums;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	custody->entry.time = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	custody->entry.event = event;
	custody->entry.open = books_in_hand(sums);
	custody->entry.lost = books_lost(sums);
	custody->entry.tracer_off = sums[BOOK_TRACER_OFF];
	journal_write(custody->journal, &custody->entry, custody->changes, custody->n_changes);
	custody->written = true;
	custody->n_written = custody->n;
}

void custody_event(struct custody *custody)
{
	settle(custody);
	/* Of what else was done since: this event may come again, and that does not. */
	if (custody->n_changes || custody->n != custody->n_written)
		custody_done(custody);
	release(custody);
}

void custody_event_done(struct custody *custody, uint64_t position)
{
	write_entry(custody, position);
}

void custody_done(struct custody *custody)
{
	settle(custody);
	write_entry(custody, UINT64_MAX);
	settle(custody);
	release(custody);
}

void custody_end(struct custody *custody)
{
	custody_done(custody);
	journal_end(custody->journal);
}
