/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers and texts one behind the other, for a later process of the same machine. Errors stay: a
 * writer that had no memory, or a reader that came to the end, can be asked once, at the end.
 */
#ifndef OTEL_BPF_PACK_H
#define OTEL_BPF_PACK_H

#include <stdbool.h>

#include "blob.h"

struct pack {
	struct blob blob;
	bool failed; /* no memory: something is missing */
};

static inline void pack_raw(struct pack *pack, const void *data, size_t size)
{
	if (blob_append(&pack->blob, data, size))
		pack->failed = true;
}

static inline void pack_u64(struct pack *pack, uint64_t value)
{
	pack_raw(pack, &value, sizeof(value));
}

static inline void pack_bytes(struct pack *pack, const void *data, size_t size)
{
	pack_u64(pack, size);
	pack_raw(pack, data, size);
}

static inline void pack_blob(struct pack *pack, const struct blob *blob)
{
	pack_bytes(pack, blob->data, blob->size);
}

/** NULL is another text than "". */
static inline void pack_text(struct pack *pack, const char *text)
{
	pack_bytes(pack, text, text ? strlen(text) + 1 : 0);
}

struct unpack {
	struct bytes rest;
	bool failed; /* there was not that much, or it made no sense */
};

static inline struct bytes unpack_raw(struct unpack *unpack, uint64_t size)
{
	struct bytes found = {.data = unpack->rest.data, .size = (size_t)size};

	if (unpack->failed || size > unpack->rest.size) {
		unpack->failed = true;
		return (struct bytes){0};
	}
	unpack->rest.data += size;
	unpack->rest.size -= (size_t)size;
	return found;
}

/** 0 if there is none. */
static inline uint64_t unpack_u64(struct unpack *unpack)
{
	uint64_t value = 0;
	struct bytes found = unpack_raw(unpack, sizeof(value));

	if (found.size)
		memcpy(&value, found.data, sizeof(value));
	return value;
}

static inline struct bytes unpack_bytes(struct unpack *unpack)
{
	return unpack_raw(unpack, unpack_u64(unpack));
}

static inline void unpack_blob(struct unpack *unpack, struct blob *blob)
{
	struct bytes found = unpack_bytes(unpack);

	if (blob_append(blob, found.data, found.size))
		unpack->failed = true;
}

/** A string of its own on the heap, or NULL. */
static inline char *unpack_text(struct unpack *unpack)
{
	struct bytes found = unpack_bytes(unpack);
	char *text;

	if (!found.size)
		return NULL;
	text = found.data[found.size - 1] ? NULL : strdup((const char *)found.data);
	if (!text)
		unpack->failed = true;
	return text;
}

#endif
