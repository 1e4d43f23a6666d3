/* SPDX-License-Identifier: Apache-2.0 */
#include "queue.h"

#include <stdlib.h>

static struct span *at(const struct queue *queue, size_t i)
{
	return queue->spans[(queue->head + i) & (queue->capacity - 1)];
}

static bool grow(struct queue *queue)
{
	size_t capacity = queue->capacity ? 2 * queue->capacity : 1024;
	struct span **spans = malloc(capacity * sizeof(*spans));

	if (!spans)
		return false;
	for (size_t i = 0; i < queue->n; i++)
		spans[i] = at(queue, i);
	free(queue->spans);
	queue->spans = spans;
	queue->capacity = capacity;
	queue->head = 0;
	return true;
}

static bool has_room(const struct queue *queue, const struct account *account, size_t bytes)
{
	size_t left = queue->most_bytes - queue->bytes;

	if (bytes > left)
		return false;
	/* Below half of it no process can have more than what is free. */
	if (!account || queue->bytes <= queue->most_bytes / 2)
		return true;
	return account_read(account, queue->slot, ACCOUNT_WAITING_BYTES) <= left;
}

bool queue_put(struct queue *queue, struct span *span)
{
	struct account *account = span_account(span);
	size_t bytes = span_memory(span);

	if (!has_room(queue, account, bytes) || (queue->n == queue->capacity && !grow(queue)))
		return false;
	queue->spans[(queue->head + queue->n) & (queue->capacity - 1)] = span_ref(span);
	queue->n++;
	queue->bytes += bytes;
	account_add(account, queue->slot, ACCOUNT_WAITING_BYTES, bytes);
	return true;
}

size_t queue_peek(const struct queue *queue, struct span **out, size_t most, size_t bytes)
{
	size_t n = 0, sum = 0;

	while (n < queue->n && n < most && sum < bytes) {
		out[n] = at(queue, n);
		sum += span_memory(out[n++]);
	}
	return n;
}

void queue_remove(struct queue *queue, size_t n, const struct tally *tally)
{
	queue->head = (queue->head + n) & (queue->capacity - 1);
	queue->n -= n;
	queue->bytes -= tally->bytes;
	tally_release_bytes(tally, queue->slot);
}

void queue_clear(struct queue *queue)
{
	free(queue->spans);
	queue->spans = NULL;
	queue->capacity = 0;
}
