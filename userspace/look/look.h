/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at the buffers of followed processes from outside: no record older than a second exists
 * only in an application's memory, also not that of a thread that has gone quiet. Only reads, never
 * stops or writes to a process; what it finds there is hostile until checked. Nothing here waits: a
 * process whose memory does not come in time, or takes long to read, is left alone for a while.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_LOOK_H
#define OTEL_BPF_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../bpf/event.h"

struct look;

/** Receives what was found, as an EVENT_FLUSH. */
typedef void (*look_fn)(void *self, const void *event, size_t size);

/**
 * Forks: to be called before there are threads, or descriptors that a process which hangs should
 * not hold. @written says how far the ring has been written: what a thread has handed over must be
 * known before what it still holds, or it would be taken for old. Returns NULL and sets errno. Free
 * with look_free().
 */
struct look *look_new(look_fn found, uint64_t (*written)(void *self), void *self);
void look_free(struct look *look);

/** A descriptor for epoll: readable when look_turn() has something to do. */
int look_fd(const struct look *look);

/** Keeps track of processes: to be given every event of the ring. */
void look_event(struct look *look, const struct event *event);

/** An image of @pid keeps the address of its anchor at @address. */
void look_image(struct look *look, uint32_t pid, uint64_t address);

enum {
	LOOK_COUNTS = 1, /* also at buffers that hold nothing now, which tell what they counted */
	LOOK_ALL = 2,	 /* also at all processes that take long: else these take turns */
};

/** Begins to look at them, @how. @now: CLOCK_MONOTONIC. False: a look is under way. */
bool look_start(struct look *look, uint64_t now, unsigned how);

/**
 * Goes on with it, and hands over what was found before the ring had been written as far as it has
 * been read now, @consumed. True: something waits for that.
 */
bool look_turn(struct look *look, uint64_t consumed, uint64_t now);

/**
 * How many looks at a process there were that came to nothing: its memory did not come, or there was
 * no room to remember who it is. What it held then is lost if it is never handed over.
 */
uint64_t look_failed(const struct look *look);

/** Is there anything that the last look has yet to read, or to hand over? */
bool look_under_way(const struct look *look);

#endif
