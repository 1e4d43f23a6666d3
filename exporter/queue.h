/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans that wait for an exporter, within a limit of memory that processes share fairly.
 *
 * A span is let in while its process has no more in the queue than is free: the fuller the queue,
 * the less one process may have in it. So one that floods fills half of it and loses its own
 * spans from then on, two that flood a third each, and there is always room for those with little.
 */
#ifndef OTEL_BPF_QUEUE_H
#define OTEL_BPF_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "span.h"
#include "tally.h"

struct queue {
	size_t most_bytes; /* set these two, the rest is zero */
	size_t slot;	   /* of the exporter in the accounts */

	struct span **spans; /* a ring; capacity is a power of two */
	size_t capacity;
	size_t head;
	size_t n;
	size_t bytes;
	uint32_t looks;
};

/** Adds a span, taking a reference. False: there is no room for it, or no memory. */
bool queue_put(struct queue *queue, struct span *span);

/**
 * Copies the oldest spans to @out, which has room for @most; they stay in the queue. No more than are @bytes
 * together, but at least one: what is too large for others is alone. Returns how many.
 */
size_t queue_peek(struct queue *queue, struct span **out, size_t most, size_t bytes);

/** Takes the @n oldest, counted in @tally, out; the references are the caller's. */
void queue_remove(struct queue *queue, size_t n, const struct tally *tally);

/** Frees its memory; it must be empty. */
void queue_clear(struct queue *queue);

#endif
