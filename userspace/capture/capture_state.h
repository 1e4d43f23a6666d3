/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of capture share, and nobody else: capture.c, and below it capture_load.c (what
 * the kernel takes), capture_ring.c, capture_losses.c, and capture_followed.c.
 */
#ifndef OTEL_BPF_CAPTURE_STATE_H
#define OTEL_BPF_CAPTURE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/capture.skel.h"
#include "capture.h"

/*
 * What BPF says it lost, between taking that out of its map and telling it: pinned, if anything is. The kernel
 * writes it there when it takes it out, so it is always in one place or the other.
 */
struct taken_losses {
	struct loss_key keys[LOSS_NOTES_MAX]; /* .process.pid 0: it has been told */
	struct loss_note notes[LOSS_NOTES_MAX];
};

struct losses {
	struct taken_losses *taken;
	size_t n;     /* of them, at most */
	uint64_t end; /* what the ring held when they were noted */
};

struct capture {
	struct capture_bpf *bpf;
	struct ring_buffer *ring;
	const uint64_t *consumed; /* the ring's own positions, as the kernel keeps them */
	const uint64_t *written;
	struct ring_user *users;
	capture_event_fn event;
	void *self;
	size_t events; /* of this read */
	uint64_t read_until;
	bool read_stopped; /* before the ring's end */
	bool multi;
	bool left;	/* losses are the next agent's */
	bool took_over; /* what an agent before us has pinned */
	int program;	/* of the probes, or the one that is pinned */
	unsigned empty_looks;
	struct pin *pin; /* NULL: none */
	struct attachments *attachments;
	struct probe **exceptions;
	size_t exceptions_count;
	uint32_t swept; /* the process that capture_sweep() has looked at last */
	struct losses losses;
};

/* ---- capture_load.c ---- */

/** Loads the programs that fit this kernel. Returns 0 or a negative errno; -ESTALE: what is pinned
 * is not ours. */
int capture_load(struct capture *capture, size_t ring_bytes);

/** Attaches what runs on tracepoints, and the probes; all that is pinned by then. Returns 0 or a
 * negative errno. */
int capture_start(struct capture *capture);

/** One error that names what is missing for loading, and how to get it. */
void capture_explain(int err);

/* ---- capture_ring.c ---- */

/** Maps the ring. Returns 0 or a negative errno; capture_ring_close() in either case. */
int capture_ring_open(struct capture *capture);
void capture_ring_close(struct capture *capture);

/* ---- capture_losses.c ---- */

/** After the ring. Finds what an agent before us has taken and not told. Returns 0 or a negative errno. */
int capture_losses_open(struct capture *capture);
void capture_losses_close(struct capture *capture);

#endif
