/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capture: the BPF side of the agent. Loads the programs, attaches them to images, keeps the set of
 * followed processes, and reads the ring.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_CAPTURE_H
#define OTEL_BPF_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image.h"
#include "pin.h"
#include "sampling.h"
#include "tracers.h"
#include "../../bpf/event.h"

struct attached;
struct capture;

/* Called for each event in the ring, in order. */
typedef void (*capture_event_fn)(void *self, const void *event, size_t size);

/**
 * Loads everything, with a ring of @ring_bytes (a power of two, at least a page). With @pin, which must
 * outlive it, or NULL: takes over what is pinned there, with its ring, or pins all. On failure says what is
 * missing and what to do about it, and returns a negative errno.
 */
int capture_new(size_t ring_bytes, struct pin *pin, capture_event_fn event, void *self, struct capture **out);

/** Did it find what an agent before has pinned? */
bool capture_took_over(const struct capture *capture);

/** To be called before capture_free() if what is pinned shall go on. */
void capture_leave(struct capture *capture);

/** Frees, and detaches what is not pinned. NULL is allowed. */
void capture_free(struct capture *capture);

/**
 * Switches recording on in every process that has the image behind @fd mapped, now or later;
 * @path is for messages. Returns 0 and a handle, or a negative errno after saying why. @fd must
 * stay open until capture_release(), or until the capture is freed.
 */
int capture_attach(struct capture *capture, int fd, const char *path, const struct image *image,
		   struct attached **out);

/** Switches it off again, in this image only. */
void capture_release(struct capture *capture, struct attached *attached);

/**
 * Switches recording off everywhere. What processes hold already can still be looked at, and those
 * that are in the middle of it still hand over, until capture_detach().
 */
void capture_disable(struct capture *capture);
void capture_detach(struct capture *capture);

/* A probe of libstdc++: a place in a file, and what capture_exception() must know of it. */
struct exception_site {
	uint64_t offset;
	uint64_t semaphore; /* 0: none */
	uint64_t cookie;
};

/**
 * From now on it is known which C++ exceptions are in flight in followed processes that throw with
 * the code behind @fd, which has these probes. Returns a handle or a negative errno.
 */
int capture_attach_exceptions(struct capture *capture, int fd, const struct exception_site *sites,
			      size_t count);

/** No longer; @handle is what capture_attach_exceptions() returned. */
void capture_release_exceptions(struct capture *capture, int handle);

/**
 * Changes what share is sampled, in all that is attached and will be. New bits are set before old ones
 * are taken back, so that no process passes through everything or nothing. Returns 0, or the first
 * negative errno; what could not be changed stays as it was.
 */
int capture_sample(struct capture *capture, const struct sampling *sampling);

/**
 * Switches tracers off and on, by their names, where the kernel can, in running processes and in those to
 * come; asks @rules now, and when something is attached to. Returns 0 or a negative errno as
 * capture_sample() does.
 */
int capture_tracers(struct capture *capture, const struct tracer_rules *rules);

/** From now on records of process @pid and of those that it forks are taken. */
int capture_follow(struct capture *capture, uint32_t pid);

/**
 * An image of process @pid keeps the address of its anchor at @address. Only that of the first image counts, of
 * processes that ran before they were followed.
 */
void capture_image(struct capture *capture, uint32_t pid, uint64_t address);

/** And no more, if it turns out to have ended before. */
void capture_unfollow(struct capture *capture, uint32_t pid);

/**
 * Has the ring tell of every process that is followed, as EVENT_RUNS; those that have ended meanwhile are no longer
 * followed. Returns 0 or a negative errno.
 */
int capture_tell(struct capture *capture);

/** Is @pid followed and has not ended? */
bool capture_follows(struct capture *capture, uint32_t pid);

/** Writes up to @max pids of followed processes; returns how many there are at least. */
size_t capture_followed(struct capture *capture, uint32_t *pids, size_t max);

/**
 * Looks at some of the followed processes, at others the next time: @gone is called with @exit for
 * one whose end did not fit into the ring, and with NULL for the others, of which it has to find out
 * whether they ended unseen. What it returns true for is no longer followed.
 */
void capture_sweep(struct capture *capture,
		   bool (*gone)(void *self, const struct process_id *process,
				const struct event_exit *exit),
		   void *self);

/** A descriptor for epoll: readable when the ring should be looked at. */
int capture_fd(const struct capture *capture);

/**
 * Reads what is in the ring, but no longer than some milliseconds: there may be more all the time.
 * Returns the number of events.
 */
size_t capture_read(struct capture *capture);

/** How large the ring is. */
uint64_t capture_ring_bytes(const struct capture *capture);

/** How far the ring has been written, and read: bytes since it was made. */
uint64_t capture_written(const struct capture *capture);
uint64_t capture_consumed(const struct capture *capture);

/** To be called before waiting: how many milliseconds to wait at most before the next read. */
int capture_nap(struct capture *capture, bool busy);

/**
 * Has capture_losses() anything to tell? Asking costs nothing, while looking takes time in which kernels
 * before 6.16 that preempt it run no other programs on this processor, those that read the memory of the dying among
 * them. What is noted at this moment may be seen at the next call only.
 */
bool capture_noted_losses(const struct capture *capture);

/**
 * Calls @lost for every stream that BPF lost something of since the last call, once all that was in the
 * ring by then has been read. True: it has not, yet, or there may be more: call again once it has.
 */
bool capture_losses(struct capture *capture,
		    void (*lost)(void *self, const struct loss_key *key, const struct loss_note *note),
		    void *self);

/** What the kernel and the programs could not do, for the report at the end. */
struct capture_faults {
	uint64_t probes_missed;	 /* runs of programs that the kernel skipped */
	uint64_t not_followed;	 /* descendants that did not fit into the table */
	uint64_t losses_unknown; /* spans lost beyond what there is room to note */
	uint64_t lives_lost;	 /* forks and execs that did not fit into the ring */
	uint64_t forks_unseen;	 /* children that no program saw before they executed something or ended */
	uint64_t execs_unread;	 /* what the process held then was not read */
	uint64_t deaths_unread;	 /* threads whose buffers were not read at their end */
};
void capture_faults(struct capture *capture, struct capture_faults *out);

#endif
