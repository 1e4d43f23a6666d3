/* SPDX-License-Identifier: Apache-2.0 */
#include "positions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "process.h"

/* Each is pinned memory of its own, which is made when those before are full. */
#define CHUNK 4096u
#define CHUNK_BYTES (CHUNK * sizeof(struct kept))
#define CHUNKS_MAX ((STREAMS_MAX + PROCESSES_MAX) / CHUNK)

struct positions {
	const struct pin *pin;
	struct kept *chunks[CHUNKS_MAX];
	uint32_t n_chunks;
	uint32_t *free; /* slots, room for all */
	uint32_t n_free;
};

static struct kept *at(const struct positions *positions, uint32_t slot)
{
	return &positions->chunks[(slot - 1) / CHUNK][(slot - 1) % CHUNK];
}

/* Room for the slots of one chunk more. */
static bool free_room(struct positions *positions)
{
	uint32_t *free = realloc(positions->free, (positions->n_chunks + 1) * CHUNK * sizeof(*free));

	if (!free)
		return false;
	positions->free = free;
	return true;
}

static void name_of_next(const struct positions *positions, char name[PIN_NAME_MAX])
{
	snprintf(name, PIN_NAME_MAX, "positions-%u", positions->n_chunks);
}

static int open_next(struct positions *positions)
{
	char name[PIN_NAME_MAX];
	void *chunk;
	int err;

	if (positions->n_chunks == CHUNKS_MAX)
		return -ENOSPC;
	if (!free_room(positions))
		return -ENOMEM;
	name_of_next(positions, name);
	err = pin_memory(positions->pin, name, CHUNK_BYTES, &chunk);
	if (!err)
		positions->chunks[positions->n_chunks++] = chunk;
	return err;
}

int positions_open(const struct pin *pin, struct positions **out)
{
	struct positions *positions = calloc(1, sizeof(*positions));
	char name[PIN_NAME_MAX];
	int err;

	if (!positions)
		return -ENOMEM;
	positions->pin = pin;
	do {
		err = open_next(positions);
		name_of_next(positions, name);
	} while (!err && positions->n_chunks < CHUNKS_MAX && pin_has(pin, name));
	if (err) {
		positions_close(positions);
		return err;
	}
	*out = positions;
	return 0;
}

void positions_close(struct positions *positions)
{
	if (!positions)
		return;
	for (uint32_t i = 0; i < positions->n_chunks; i++)
		pin_memory_unmap(positions->chunks[i], CHUNK_BYTES);
	free(positions->free);
	free(positions);
}

void positions_load(struct positions *positions,
		    bool (*known)(void *self, uint32_t slot, const struct kept *kept), void *self)
{
	const uint32_t n = positions->n_chunks * CHUNK;

	for (uint32_t kind = KEPT_PROCESS + 1; kind-- > 0;)
		for (uint32_t slot = 1; slot <= n; slot++) {
			struct kept *kept = at(positions, slot);

			if (kept->process.pid && (kept->flags & KEPT_PROCESS) == kind &&
			    !known(self, slot, kept))
				kept->process.pid = 0;
		}
	for (uint32_t slot = n; slot; slot--)
		if (!at(positions, slot)->process.pid)
			positions->free[positions->n_free++] = slot;
}

uint32_t positions_take(struct positions *positions)
{
	if (!positions->n_free) {
		if (open_next(positions))
			return 0;
		for (uint32_t slot = positions->n_chunks * CHUNK; positions->n_free < CHUNK; slot--)
			positions->free[positions->n_free++] = slot;
	}
	return positions->free[--positions->n_free];
}

void positions_give_back(struct positions *positions, uint32_t slot)
{
	positions->free[positions->n_free++] = slot;
}

void positions_write(struct positions *positions, uint32_t slot, const struct kept *kept)
{
	struct kept *to = at(positions, slot), it = {0};

	if (kept)
		it = *kept;
	/* One that is free is so until all of it is here; others may be half old and half new. */
	it.process.pid = kept ? to->process.pid : 0;
	*to = it;
	__atomic_store_n(&to->process.pid, kept ? kept->process.pid : 0, __ATOMIC_RELEASE);
}
