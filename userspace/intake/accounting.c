/* SPDX-License-Identifier: Apache-2.0 */
#include "accounting.h"

/* No span takes less room in a stream, and so many at most are started in one flush. */
#define SPAN_BYTES (sizeof(struct otel_record) + sizeof(struct otel_start))
#define FLUSH_SPANS (OTEL_FLUSH_MAX / SPAN_BYTES)

static const enum book book_of[LOSSES] = {
	[LOSS_RING_FULL] = BOOK_RING_FULL,
	[LOSS_UNREADABLE] = BOOK_UNREADABLE,
	[LOSS_REFUSED] = BOOK_MALFORMED,
	[LOSS_QUOTA] = BOOK_QUOTA,
};

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* From where on it is counted. */
static void begin(struct stream *stream, uint64_t position, uint64_t started_before)
{
	const struct process *process = stream->process;
	/* A buffer that is new since we know the process: nothing of it was before us. */
	bool whole = process->whole && stream->buffer_id > process->forgotten_buffer;

	stream->expected = whole ? 0 : position;
	stream->started = whole ? 0 : started_before;
	stream->since = stream->expected;
	stream->started_since = stream->started;
	stream->fresh = !whole;
}

bool accounting_meet(struct stream *stream, uint64_t position, uint64_t started_before)
{
	bool first = stream->expected == UINT64_MAX;

	if (first)
		begin(stream, position, started_before);
	return first;
}

void accounting_start(struct stream *stream)
{
	stream->started++;
	books_add(stream->process->books, BOOK_STARTED, 1);
}

void accounting_pass(struct stream *stream)
{
	stream->started++;
}

static void contradict(struct process *process, uint64_t by)
{
	books_add(process->books, BOOK_CONTRADICTED, least(by, UINT32_MAX));
}

/* In @gap bytes of the stream, @spans were lost, it says. */
static void lose(struct stream *stream, uint64_t gap, uint64_t spans)
{
	struct process *process = stream->process;
	uint64_t lost = least(spans, gap / SPAN_BYTES), known;

	contradict(process, spans - lost);
	known = least(lost, process->lost_unknown);
	process->lost_unknown -= known;
	lost -= known;
	stream->lost += lost;
	books_add(process->books, BOOK_STARTED, lost);
	books_add(process->books, BOOK_NOT_HANDED_OVER, lost);
}

void accounting_gap(struct stream *stream, uint64_t gap, uint64_t started)
{
	if (started < stream->started)
		return; /* accounting_check() tells */
	lose(stream, gap, started - stream->started);
	stream->started = started;
}

void accounting_skip(struct stream *stream, uint64_t size, uint64_t started)
{
	uint64_t before = stream->lost;

	accounting_gap(stream, size, started);
	books_subtract(stream->process->books, BOOK_NOT_HANDED_OVER, stream->lost - before);
	books_add(stream->process->books, BOOK_STOPPED, stream->lost - before);
	stream->lost = before;
}

void accounting_check(struct stream *stream, uint64_t started)
{
	if (started != stream->started)
		contradict(stream->process, started > stream->started ? started - stream->started
								      : stream->started - started);
	stream->started = started;
}

/* What a count that only grows has grown by; what no machine can have done is a lie. */
static uint64_t grown(uint64_t *count, uint64_t now)
{
	uint64_t by = now > *count ? now - *count : 0;

	if (by)
		*count = now;
	return by <= UINT32_MAX ? by : 0;
}

void accounting_counts(struct stream *stream, uint64_t not_sampled, uint64_t dropped_starts)
{
	struct books *books = stream->process->books;
	uint64_t dropped;

	/* What was before us is not ours to count. */
	if (stream->fresh) {
		stream->not_sampled = not_sampled;
		stream->dropped_starts = dropped_starts;
		stream->fresh = false;
	}
	books_add(books, BOOK_NOT_SAMPLED, grown(&stream->not_sampled, not_sampled));
	dropped = grown(&stream->dropped_starts, dropped_starts);
	books_add(books, BOOK_STARTED, dropped);
	books_add(books, BOOK_APPLICATION, dropped);
}

void accounting_note(struct stream *stream, const struct loss_note *note)
{
	struct books *books = stream->process->books;

	if (note->end > stream->expected && note->end - stream->expected <= STREAM_GAP_MAX) {
		accounting_gap(stream, note->end - stream->expected, note->started);
		stream->expected = note->end;
		stream->gaps++;
		process_gap(stream->process, stream->buffer_id);
	}
	/* The first flush that we have of a process which was there before us was not the first. */
	if (note->position < stream->since && note->started_before < stream->started_since) {
		lose(stream, stream->since - note->position, stream->started_since - note->started_before);
		stream->since = note->position;
		stream->started_since = note->started_before;
	}
	accounting_counts(stream, note->not_sampled, note->dropped_starts);
	for (int reason = 0; reason < LOSSES; reason++) {
		uint64_t spans = least(note->spans[reason], stream->lost);
		uint64_t torn = least(note->flushes[reason], stream->torn);

		torn = least(torn, books->counts[BOOK_NOT_HANDED_OVER]);
		stream->torn -= torn;
		books_subtract(books, BOOK_NOT_HANDED_OVER, torn);
		books_add(books, book_of[reason], torn);
		/* Without a stream, it was taken for that already. */
		spans = least(spans, books->counts[BOOK_NOT_HANDED_OVER]);
		stream->lost -= spans;
		books_subtract(books, BOOK_NOT_HANDED_OVER, spans);
		books_add(books, book_of[reason], spans);
	}
}

void accounting_unknown(struct process *process, const struct loss_note *note)
{
	struct books *books = process->books;

	for (int reason = 0; reason < LOSSES; reason++) {
		uint64_t spans = least(note->spans[reason], note->flushes[reason] * FLUSH_SPANS);
		uint64_t known = least(spans, books->counts[BOOK_NOT_HANDED_OVER]);

		/* How many spans there were is a claim; those it made in no buffer were none. */
		if (reason == LOSS_REFUSED)
			continue;
		books_subtract(books, BOOK_NOT_HANDED_OVER, known);
		books_add(books, BOOK_STARTED, spans - known);
		books_add(books, book_of[reason], spans);
		/* The headers that come will tell of them, too. */
		process->lost_unknown += spans - known;
	}
}
