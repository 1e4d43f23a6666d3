/* SPDX-License-Identifier: Apache-2.0 */
#include "kept.h"

#include "process.h"

static struct kept of_stream(const struct stream *stream)
{
	return (struct kept){
		.process = stream->process->id,
		.flags = stream->fresh ? KEPT_FRESH : 0,
		.of_stream = {
			.buffer_id = stream->buffer_id,
			.expected = stream->expected,
			.started = stream->started,
			.since = stream->since,
			.started_since = stream->started_since,
			.not_sampled = stream->not_sampled,
			.dropped_starts = stream->dropped_starts,
		},
	};
}

static struct kept of_process(const struct process *process)
{
	return (struct kept){
		.process = process->id,
		.flags = KEPT_PROCESS | (process->whole ? KEPT_WHOLE : 0) | (process->ended ? KEPT_ENDED : 0) |
			 (process->facts.seen ? KEPT_SEEN : 0),
		.of_process = {
			.lost_unknown = process->lost_unknown,
			.forgotten_buffer = process->forgotten_buffer,
		},
	};
}

void keep_process(const struct processes *processes, struct process *process)
{
	const struct kept kept = of_process(process);

	if (processes->keeper.keep)
		processes->keeper.keep(processes->keeper.self, &process->slot, &kept);
	process->kept_unknown = process->lost_unknown;
}

void keep_stream(const struct processes *processes, struct stream *stream)
{
	const struct kept kept = of_stream(stream);

	if (processes->keeper.keep)
		processes->keeper.keep(processes->keeper.self, &stream->slot, &kept);
	if (!stream->process->slot || stream->process->lost_unknown != stream->process->kept_unknown)
		keep_process(processes, stream->process);
}

static void put(const struct processes *processes, uint32_t *slot, const struct kept *kept)
{
	if (processes->keeper.put && (*slot || kept))
		processes->keeper.put(processes->keeper.self, slot, kept);
}

void put_process(const struct processes *processes, struct process *process)
{
	const struct kept kept = of_process(process);

	put(processes, &process->slot, &kept);
}

void forget_stream(const struct processes *processes, struct stream *stream)
{
	put(processes, &stream->slot, NULL);
}

void forget_process(const struct processes *processes, struct process *process)
{
	put(processes, &process->slot, NULL);
}

void restore_stream(struct stream *stream, const struct kept *kept)
{
	stream->expected = kept->of_stream.expected;
	stream->started = kept->of_stream.started;
	stream->since = kept->of_stream.since;
	stream->started_since = kept->of_stream.started_since;
	stream->not_sampled = kept->of_stream.not_sampled;
	stream->dropped_starts = kept->of_stream.dropped_starts;
	stream->fresh = kept->flags & KEPT_FRESH;
	/* Of a value that comes in pieces, those before are gone. */
	stream->skipping = true;
}

void restore_process(struct process *process, const struct kept *kept)
{
	process->whole = kept->flags & KEPT_WHOLE;
	/* Who has seen it once may believe that it is gone. */
	process->facts.seen |= (kept->flags & KEPT_SEEN) != 0;
	process->lost_unknown = process->kept_unknown = kept->of_process.lost_unknown;
	process->forgotten_buffer = kept->of_process.forgotten_buffer;
}
