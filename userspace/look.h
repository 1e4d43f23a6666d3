/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at the buffers of followed processes from outside: no record older than a second exists only
 * in an application's memory, also not that of a thread that has gone quiet. Only reads, never stops
 * or writes to a process; what it finds there is hostile until checked.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_LOOK_H
#define OTEL_BPF_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/event.h"

struct look;

/** Receives what was found, as an EVENT_FLUSH. */
typedef void (*look_fn)(void *self, const void *event, size_t size);

/**
 * @catch_up reads all that is in the ring: what a thread has handed over must be known before what it
 * still holds, or it would be taken for old. False: that would take too long, and what was found is not
 * taken. Returns NULL and sets errno (ENOMEM). Free with look_free().
 */
struct look *look_new(look_fn found, bool (*catch_up)(void *self), void *self);
void look_free(struct look *look);

/** Keeps track of processes: to be given every event of the ring, also while catching up. */
void look_event(struct look *look, const struct event *event);

/** An image of @pid keeps the address of its anchor at @address. */
void look_image(struct look *look, uint32_t pid, uint64_t address);

/** Looks at all of them. @now: CLOCK_MONOTONIC in nanoseconds. */
void look_at_all(struct look *look, uint64_t now);

#endif
