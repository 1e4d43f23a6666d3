/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of attributes: encoded KeyValue fields, of which each key has one, the last. The fields
 * have a tag of one byte, as attributes have in a span, event, link, scope and resource.
 *
 * All zero is an empty set. It never grows beyond @most keys nor @most_bytes bytes, and takes
 * time of order @most to add to, however many are added.
 */
#ifndef OTEL_BPF_ATTRIBUTES_H
#define OTEL_BPF_ATTRIBUTES_H

#include <stdbool.h>

#include "blob.h"
#include "span.h"

/* Of a set that no setting limits. */
#define ATTRIBUTES_MAX 128

struct attribute; /* of struct attributes, private */

struct attributes {
	struct blob fields; /* with tags; has holes where something was replaced */
	struct attribute *entries;
	uint32_t n;
	uint32_t room;
	size_t holes; /* bytes */
	uint32_t dropped;
};

struct attributes_limits {
	uint32_t most;
	size_t most_bytes;
	bool cut; /* values that are longer than this: see key_value_cut() */
	size_t value_length;
};

/* Fields of this number, with its type and tag. */
#define ATTRIBUTES_TAG(number) ((uint8_t)((number) << 3 | 2))

/**
 * Adds the KeyValue in @body, or replaces what its key has unless that is later than @time.
 * Returns 0; 1: it was repaired; -EBADMSG: malformed, *@why says how; -EINVAL: empty key; -ENOSPC:
 * over the limits; -ENOMEM. All but the first two are counted as dropped.
 */
int attributes_put(struct attributes *set, uint8_t tag, struct bytes body, uint64_t time,
		   const struct attributes_limits *limits, const char **why);

/** The same for ones that the agent makes; no limits. Bad UTF-8 in @value makes it bytes. */
int attributes_put_text(struct attributes *set, uint8_t tag, const char *key, const char *value,
			size_t value_size, uint64_t time);
int attributes_put_bool(struct attributes *set, uint8_t tag, const char *key, bool value,
			uint64_t time);
int attributes_put_int(struct attributes *set, uint8_t tag, const char *key, int64_t value,
		       uint64_t time);

bool attributes_has(const struct attributes *set, const char *key);

/** The body of an attribute as it is stored; empty if there is none. */
struct bytes attributes_get(const struct attributes *set, const char *key);

/** The body of the @i-th, less than ->n, and when it was set. */
struct bytes attributes_at(const struct attributes *set, uint32_t i, uint64_t *time);

/** Size and content of all fields, without the holes. */
size_t attributes_size(const struct attributes *set);
uint8_t *attributes_write(const struct attributes *set, uint8_t *out);

/** Memory that it holds. */
size_t attributes_memory(const struct attributes *set);

/** Empties it, and gives memory back if it is more than @keep bytes. */
void attributes_reset(struct attributes *set, size_t keep);
void attributes_free(struct attributes *set);

#endif
