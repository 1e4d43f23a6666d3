/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that grow. All zero is an empty one. */
#ifndef OTEL_BPF_BLOB_H
#define OTEL_BPF_BLOB_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "span.h"

struct blob {
	uint8_t *data;
	size_t size;
	size_t room;
};

/** Makes room for @size more bytes behind what is there. Returns 0 or -ENOMEM. */
static inline int blob_reserve(struct blob *blob, size_t size)
{
	size_t room = blob->room ? blob->room : 64;
	uint8_t *data;

	if (size <= blob->room - blob->size)
		return 0;
	while (room - blob->size < size)
		room *= 2;
	data = realloc(blob->data, room);
	if (!data)
		return -ENOMEM;
	blob->data = data;
	blob->room = room;
	return 0;
}

static inline int blob_append(struct blob *blob, const void *data, size_t size)
{
	if (!size)
		return 0;
	if (blob_reserve(blob, size))
		return -ENOMEM;
	memcpy(blob->data + blob->size, data, size);
	blob->size += size;
	return 0;
}

static inline struct bytes blob_bytes(const struct blob *blob)
{
	return (struct bytes){.data = blob->data, .size = blob->size};
}

/** Empties it, and gives the memory back if it is more than @keep bytes. */
static inline void blob_reset(struct blob *blob, size_t keep)
{
	blob->size = 0;
	if (blob->room <= keep)
		return;
	free(blob->data);
	*blob = (struct blob){0};
}

static inline void blob_free(struct blob *blob)
{
	blob_reset(blob, 0);
}

#endif
