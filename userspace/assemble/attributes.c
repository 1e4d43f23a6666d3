/* SPDX-License-Identifier: Apache-2.0 */
#include "attributes.h"

#include "fields.h"
#include "hash.h"
#include "wire.h"

struct attribute {
	uint64_t time;
	uint32_t hash;
	uint32_t offset; /* in the fields: of the tag */
	uint32_t size;	 /* of all of it */
	uint32_t key;	 /* where the key is, from the tag */
	uint32_t key_size;
};

/* Holes are closed when they are more than what is left, and worth it. */
#define HOLES_MIN 4096

/* One that has come once too often gets no more than a comparison of these. */
static uint32_t key_hash(struct bytes key)
{
	return (uint32_t)hash_bytes(0, key.data, key.size);
}

static struct attribute *find(const struct attributes *set, struct bytes key, uint32_t hash)
{
	for (uint32_t i = 0; i < set->n; i++) {
		struct attribute *it = &set->entries[i];

		if (it->hash == hash && it->key_size == key.size &&
		    !memcmp(set->fields.data + it->offset + it->key, key.data, key.size))
			return it;
	}
	return NULL;
}

static void close_holes(struct attributes *set)
{
	struct blob packed = {0};

	if (set->holes < HOLES_MIN || set->holes < set->fields.size / 2)
		return;
	/* Not now, then: the limit on the bytes holds all the same. */
	if (blob_reserve(&packed, set->fields.size - set->holes))
		return;
	for (uint32_t i = 0; i < set->n; i++) {
		struct attribute *it = &set->entries[i];
		uint32_t offset = (uint32_t)packed.size;

		(void)blob_append(&packed, set->fields.data + it->offset, it->size);
		it->offset = offset;
	}
	free(set->fields.data);
	set->fields = packed;
	set->holes = 0;
}

static struct attribute *add_entry(struct attributes *set)
{
	uint32_t room = set->room ? 2 * set->room : 8;
	struct attribute *entries;

	if (set->n == set->room) {
		entries = realloc(set->entries, room * sizeof(*entries));
		if (!entries)
			return NULL;
		set->entries = entries;
		set->room = room;
	}
	return &set->entries[set->n];
}

/* Stores a body that is fine, whose key is @key. */
static int store(struct attributes *set, uint8_t tag, struct bytes body, struct bytes key,
		 uint64_t time, const struct attributes_limits *limits)
{
	uint32_t hash = key_hash(key);
	struct attribute *it = find(set, key, hash);
	size_t size = wire_bytes_size(tag >> 3, body.size), used = set->fields.size - set->holes;
	uint8_t *start, *p;

	if (it && time < it->time)
		return 0;
	if (it)
		used -= it->size;
	else if (set->n >= limits->most)
		return -ENOSPC;
	if (size > limits->most_bytes || used > limits->most_bytes - size)
		return -ENOSPC;
	if (blob_reserve(&set->fields, size))
		return -ENOMEM;
	if (it) {
		set->holes += it->size;
	} else {
		it = add_entry(set);
		if (!it)
			return -ENOMEM;
		set->n++;
	}
	start = set->fields.data + set->fields.size;
	*start = tag;
	p = wire_put_varint(start + 1, body.size);
	*it = (struct attribute){
		.time = time,
		.hash = hash,
		.offset = (uint32_t)set->fields.size,
		.size = (uint32_t)size,
		.key = (uint32_t)((size_t)(p - start) + (size_t)(key.data - body.data)),
		.key_size = (uint32_t)key.size,
	};
	wire_put_raw(p, body.data, body.size);
	set->fields.size += size;
	close_holes(set);
	return 0;
}

static int store_rewritten(struct attributes *set, uint8_t tag, struct bytes body, uint64_t time,
			   const struct attributes_limits *limits)
{
	size_t most = limits->cut ? limits->value_length : SIZE_MAX;
	uint8_t *copy;
	int err;

	if (body.size > limits->most_bytes)
		return -ENOSPC;
	copy = malloc(key_value_repair_room(body.size));
	if (!copy)
		return -ENOMEM;
	body = (struct bytes){
		.data = copy,
		.size = (size_t)(key_value_cut(copy, body, most) - copy),
	};
	err = store(set, tag, body, key_value_key(body), time, limits);
	free(copy);
	return err;
}

int attributes_put(struct attributes *set, uint8_t tag, struct bytes body, uint64_t time,
		   const struct attributes_limits *limits, const char **why)
{
	struct bytes key;
	int err = key_value_check(body, &key, why);

	if (err >= 0 && !key.size) {
		*why = "attribute without a key";
		err = -EINVAL;
	} else if (err > 0) {
		err = store_rewritten(set, tag, body, time, limits);
		err = err ? err : 1;
	} else if (!err && limits->cut && body.size > limits->value_length) {
		err = store_rewritten(set, tag, body, time, limits);
	} else if (!err) {
		err = store(set, tag, body, key, time, limits);
	}
	if (err < 0 && set->dropped < UINT32_MAX)
		set->dropped++;
	return err;
}

static const struct attributes_limits no_limits = {.most = UINT32_MAX, .most_bytes = UINT32_MAX};

/* @head and @text: the body of an AnyValue, encoded. */
static int put_encoded(struct attributes *set, uint8_t tag, const char *key, struct bytes head,
		       struct bytes text, uint64_t time)
{
	size_t key_size = strlen(key), any = head.size + text.size;
	size_t size = wire_bytes_size(1, key_size) + wire_bytes_size(2, any);
	uint8_t small[256], *body = small, *p;
	const char *why;
	int err;

	if (size > sizeof(small))
		body = malloc(size);
	if (!body)
		return -ENOMEM;
	p = wire_put_bytes(body, 1, key, key_size);
	p = wire_put_header(p, 2, any);
	p = wire_put_raw(p, head.data, head.size);
	p = wire_put_raw(p, text.data, text.size);
	err = attributes_put(set, tag, (struct bytes){.data = body, .size = (size_t)(p - body)},
			     time, &no_limits, &why);
	if (body != small)
		free(body);
	return err;
}

int attributes_put_text(struct attributes *set, uint8_t tag, const char *key, const char *value,
			size_t value_size, uint64_t time)
{
	struct bytes text = {.data = (const uint8_t *)value, .size = value_size};
	uint8_t head[16], *end = wire_put_header(head, 1, value_size);

	return put_encoded(set, tag, key,
			   (struct bytes){.data = head, .size = (size_t)(end - head)}, text, time);
}

static int put_number(struct attributes *set, uint8_t tag, const char *key, uint32_t number,
		      uint64_t value, uint64_t time)
{
	uint8_t head[16], *end = wire_put_uint(head, number, value);

	return put_encoded(set, tag, key,
			   (struct bytes){.data = head, .size = (size_t)(end - head)},
			   (struct bytes){0}, time);
}

int attributes_put_bool(struct attributes *set, uint8_t tag, const char *key, bool value,
			uint64_t time)
{
	return put_number(set, tag, key, 2, value, time);
}

int attributes_put_int(struct attributes *set, uint8_t tag, const char *key, int64_t value,
		       uint64_t time)
{
	return put_number(set, tag, key, 3, (uint64_t)value, time);
}

struct bytes attributes_get(const struct attributes *set, const char *key)
{
	struct bytes wanted = {.data = (const uint8_t *)key, .size = strlen(key)};
	const struct attribute *it = find(set, wanted, key_hash(wanted));
	const uint8_t *p;
	uint64_t size;

	if (!it)
		return (struct bytes){0};
	p = set->fields.data + it->offset + 1;
	if (wire_varint(&p, set->fields.data + it->offset + it->size, 5, &size))
		return (struct bytes){0};
	return (struct bytes){.data = p, .size = (size_t)size};
}

bool attributes_has(const struct attributes *set, const char *key)
{
	struct bytes wanted = {.data = (const uint8_t *)key, .size = strlen(key)};

	return find(set, wanted, key_hash(wanted));
}

struct bytes attributes_at(const struct attributes *set, uint32_t i, uint64_t *time)
{
	const struct attribute *it = &set->entries[i];
	struct wire_reader reader = wire_reader((struct bytes){set->fields.data + it->offset, it->size});
	struct wire_field field = {0};

	(void)wire_next(&reader, &field);
	*time = it->time;
	return field.bytes;
}

size_t attributes_size(const struct attributes *set)
{
	return set->fields.size - set->holes;
}

uint8_t *attributes_write(const struct attributes *set, uint8_t *out)
{
	if (!set->holes)
		return wire_put_raw(out, set->fields.data, set->fields.size);
	for (uint32_t i = 0; i < set->n; i++)
		out = wire_put_raw(out, set->fields.data + set->entries[i].offset,
				   set->entries[i].size);
	return out;
}

size_t attributes_memory(const struct attributes *set)
{
	return set->fields.room + set->room * sizeof(*set->entries);
}

void attributes_reset(struct attributes *set, size_t keep)
{
	blob_reset(&set->fields, keep);
	if (set->room * sizeof(*set->entries) > keep) {
		free(set->entries);
		set->entries = NULL;
		set->room = 0;
	}
	set->n = 0;
	set->holes = 0;
	set->dropped = 0;
}

void attributes_free(struct attributes *set)
{
	attributes_reset(set, 0);
}
