/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the books of streams and processes stand on: how far each stream has come and been counted. It is
 * kept where it outlives the agent (restart/custody.h): if this one is killed, the next goes on from there.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_KEPT_H
#define OTEL_BPF_KEPT_H

#include <stdint.h>

#include "../../bpf/event.h"

struct process;
struct processes;
struct stream;

enum kept_flag {
	KEPT_PROCESS = 1, /* it is of a process itself, not of a stream */
	KEPT_WHOLE = 2,	  /* the others: fields of struct process and struct stream */
	KEPT_ENDED = 4,
	KEPT_SEEN = 8,
	KEPT_FRESH = 16,
};

/* Of one stream, or of one process; the fields are those of struct stream and struct process. */
struct kept {
	struct process_id process; /* .pid 0: this is nothing */
	uint32_t flags;
	uint32_t reserved;
	union {
		struct {
			uint64_t buffer_id;
			uint64_t expected;
			uint64_t started;
			uint64_t since;
			uint64_t started_since;
			uint64_t not_sampled;
			uint64_t dropped_starts;
		} of_stream;
		struct {
			uint64_t lost_unknown;
			uint64_t forgotten_buffer;
		} of_process;
	};
};

/* Who keeps it. */
struct keeper {
	/*
	 * From when the event, the look or the note that is being taken is done with. *@slot is the keeper's,
	 * and 0 at first.
	 */
	void (*keep)(void *self, uint32_t *slot, const struct kept *kept);
	/* At once. NULL: it is not needed any more. */
	void (*put)(void *self, uint32_t *slot, const struct kept *kept);
	void *self;
};

/** Something came of @stream, or is known to be missing. What is kept of its process is kept, too. */
void keep_stream(const struct processes *processes, struct stream *stream);

/** It is known what it is. */
void keep_process(const struct processes *processes, struct process *process);

/** The same, whatever becomes of the event that tells it. */
void put_process(const struct processes *processes, struct process *process);

/** They are forgotten. */
void forget_stream(const struct processes *processes, struct stream *stream);
void forget_process(const struct processes *processes, struct process *process);

/** Goes on from what was kept, of what is new here. */
void restore_stream(struct stream *stream, const struct kept *kept);
void restore_process(struct process *process, const struct kept *kept);

#endif
