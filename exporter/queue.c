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

/* What they share is in the queue as long as one of them is. */
static size_t share(struct span_share *share, size_t memory)
{
	return share->waiting++ ? 0 : memory;
}

static size_t unshare(struct span_share *share, size_t memory)
{
	return --share->waiting ? 0 : memory;
}

static size_t share_all(const struct queue *queue, const struct span *span)
{
	size_t bytes = 0;

	if (span->resource)
		bytes += share(&span->resource->shares[queue->slot], resource_memory(span->resource));
	if (span->scope)
		bytes += share(&span->scope->shares[queue->slot], scope_memory(span->scope));
	return bytes;
}

static size_t unshare_all(const struct queue *queue, const struct span *span)
{
	size_t bytes = 0;

	if (span->resource)
		bytes += unshare(&span->resource->shares[queue->slot], resource_memory(span->resource));
	if (span->scope)
		bytes += unshare(&span->scope->shares[queue->slot], scope_memory(span->scope));
	return bytes;
}

/* What it adds to those that this look at the queue has found. */
static size_t weigh(const struct queue *queue, const struct span *span)
{
	struct resource *resource = span->resource;
	struct scope *scope = span->scope;
	size_t bytes = span_memory(span);

	if (resource && resource->shares[queue->slot].seen != queue->looks) {
		resource->shares[queue->slot].seen = queue->looks;
		bytes += resource_memory(resource);
	}
	if (scope && scope->shares[queue->slot].seen != queue->looks) {
		scope->shares[queue->slot].seen = queue->looks;
		bytes += scope_memory(scope);
	}
	return bytes;
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
	size_t bytes = span_memory(span) + share_all(queue, span);

	if (!has_room(queue, account, bytes) || (queue->n == queue->capacity && !grow(queue))) {
		(void)unshare_all(queue, span);
		return false;
	}
	queue->spans[(queue->head + queue->n) & (queue->capacity - 1)] = span_ref(span);
	queue->n++;
	queue->bytes += bytes;
	account_add(account, queue->slot, ACCOUNT_WAITING_BYTES, bytes);
	return true;
}

size_t queue_peek(struct queue *queue, struct span **out, size_t most, size_t bytes)
{
	size_t n = 0, sum = 0;

	queue->looks++;
	while (n < queue->n && n < most) {
		struct span *span = at(queue, n);

		sum += weigh(queue, span);
		if (n && sum > bytes)
			break;
		out[n++] = span;
	}
	return n;
}

void queue_remove(struct queue *queue, size_t n, const struct tally *tally)
{
	for (size_t i = 0; i < n; i++) {
		const struct span *span = at(queue, i);
		size_t bytes = unshare_all(queue, span);

		if (!bytes)
			continue;
		queue->bytes -= bytes;
		account_add(span_account(span), queue->slot, ACCOUNT_WAITING_BYTES, -bytes);
	}
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
