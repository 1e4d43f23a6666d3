/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What intake keeps of streams and processes (kept.h), in pinned memory: in slots, as many as are needed. Each
 * is written with a few stores.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_POSITIONS_H
#define OTEL_BPF_POSITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "kept.h"
#include "pin.h"

struct positions;

/** Opens what an agent before us has left, or begins anew. Returns 0 or a negative errno. */
int positions_open(const struct pin *pin, struct positions **out);

/** NULL is allowed. What is pinned stays. */
void positions_close(struct positions *positions);

/**
 * To be called once, before positions_take(): @known is told of all that is there, processes first. Slots of
 * which it returns false are free.
 */
void positions_load(struct positions *positions,
		    bool (*known)(void *self, uint32_t slot, const struct kept *kept), void *self);

/** A free slot; 0: there is no memory for more. It stays free until it is written. */
uint32_t positions_take(struct positions *positions);

/** NULL: it is free. */
void positions_write(struct positions *positions, uint32_t slot, const struct kept *kept);

/** It was taken, and is not needed. */
void positions_give_back(struct positions *positions, uint32_t slot);

#endif
