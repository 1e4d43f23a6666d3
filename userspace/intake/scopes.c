/* SPDX-License-Identifier: Apache-2.0 */
#include "scopes.h"

#include <stdlib.h>
#include <string.h>

#include "attributes.h"
#include "hash.h"
#include "utf8.h"
#include "wire.h"

/* More of one process, or larger ones, are made up as it goes: they are not remembered. */
#define SCOPES_MAX 1024
#define SCOPE_MAX 4096

#define SCOPE_BYTES_MAX ((size_t)1 << 20) /* of attributes */

#define TAG ATTRIBUTES_TAG(3)

struct scopes_entry {
	uint64_t hash;
	struct scope *scope;
	uint32_t sizes[4]; /* of name, version, schema URL, attributes */
	size_t size;
	uint8_t raw[]; /* as the application wrote them */
};

static void sizes_of(const struct start *start, uint32_t sizes[4])
{
	sizes[0] = (uint32_t)start->scope_name.size;
	sizes[1] = (uint32_t)start->scope_version.size;
	sizes[2] = (uint32_t)start->schema_url.size;
	sizes[3] = (uint32_t)start->scope_attributes.size;
}

static bool is(const struct scopes_entry *it, const struct start *start, const uint32_t sizes[4])
{
	return it->size == start->scope.size && !memcmp(it->sizes, sizes, sizeof(it->sizes)) &&
	       (!it->size || !memcmp(it->raw, start->scope.data, it->size));
}

static size_t text_size(struct bytes text, bool *repaired)
{
	if (utf8_valid(text.data, text.size))
		return text.size;
	*repaired = true;
	return utf8_repaired_size(text.data, text.size);
}

static uint8_t *put_text(uint8_t *out, struct bytes text)
{
	return utf8_repair(out, text.data, text.size);
}

static void put_attributes(struct attributes *set, struct bytes fields, bool *repaired)
{
	static const struct attributes_limits limits = {.most = ATTRIBUTES_MAX,
							.most_bytes = SCOPE_BYTES_MAX};
	struct wire_reader reader = wire_reader(fields);
	struct wire_field field;
	const char *why;
	int found;

	while ((found = wire_next(&reader, &field)) > 0)
		if (field.number != 3 || field.type != WIRE_BYTES ||
		    attributes_put(set, TAG, field.bytes, 0, &limits, &why))
			*repaired = true;
	if (found < 0)
		*repaired = true;
}

static struct scope *make(const struct start *start, bool *repaired)
{
	size_t name = text_size(start->scope_name, repaired);
	size_t version = text_size(start->scope_version, repaired);
	size_t schema_url = text_size(start->schema_url, repaired);
	struct attributes set = {0};
	struct scope *scope;
	size_t size = 0;
	uint8_t *p;

	put_attributes(&set, start->scope_attributes, repaired);
	size += name ? wire_bytes_size(1, name) : 0;
	size += version ? wire_bytes_size(2, version) : 0;
	size += attributes_size(&set);
	size += set.dropped ? wire_uint_size(4, set.dropped) : 0;
	scope = scope_new(size + schema_url, &p);
	if (!scope)
		goto out;
	scope->encoded = (struct bytes){.data = p, .size = size};
	if (name) {
		p = wire_put_header(p, 1, name);
		scope->name = (struct bytes){.data = p, .size = name};
		p = put_text(p, start->scope_name);
	}
	if (version)
		p = put_text(wire_put_header(p, 2, version), start->scope_version);
	p = attributes_write(&set, p);
	if (set.dropped)
		p = wire_put_uint(p, 4, set.dropped);
	scope->schema_url = (struct bytes){.data = p, .size = schema_url};
	put_text(p, start->schema_url);
out:
	attributes_free(&set);
	return scope;
}

static void clear(struct scopes *scopes)
{
	for (size_t i = 0; i < scopes->room; i++) {
		if (!scopes->slots[i])
			continue;
		scope_unref(scopes->slots[i]->scope);
		free(scopes->slots[i]);
		scopes->slots[i] = NULL;
	}
	scopes->n = 0;
	scopes->memory = scopes->room * sizeof(struct scopes_entry *);
	scopes->last = NULL;
}

static void place(struct scopes_entry **slots, size_t room, struct scopes_entry *it)
{
	size_t i = it->hash & (room - 1);

	while (slots[i])
		i = (i + 1) & (room - 1);
	slots[i] = it;
}

static int make_room(struct scopes *scopes)
{
	size_t room = scopes->room ? 2 * scopes->room : 8;
	struct scopes_entry **slots;

	if (scopes->n >= SCOPES_MAX)
		clear(scopes);
	if (2 * (scopes->n + 1) <= scopes->room)
		return 0;
	slots = calloc(room, sizeof(struct scopes_entry *));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < scopes->room; i++)
		if (scopes->slots[i])
			place(slots, room, scopes->slots[i]);
	free(scopes->slots);
	scopes->slots = slots;
	scopes->memory += (room - scopes->room) * sizeof(struct scopes_entry *);
	scopes->room = room;
	return 0;
}

static void remember(struct scopes *scopes, const struct start *start, uint64_t hash,
		     const uint32_t sizes[4], struct scope *scope)
{
	struct scopes_entry *it;

	if (start->scope.size > SCOPE_MAX || make_room(scopes))
		return;
	it = malloc(sizeof(*it) + start->scope.size);
	if (!it)
		return;
	it->hash = hash;
	it->scope = scope_ref(scope);
	memcpy(it->sizes, sizes, sizeof(it->sizes));
	it->size = start->scope.size;
	if (it->size)
		memcpy(it->raw, start->scope.data, it->size);
	place(scopes->slots, scopes->room, it);
	scopes->n++;
	scopes->memory += sizeof(*it) + it->size + sizeof(*scope) + scope->encoded.size +
			  scope->schema_url.size;
	scopes->last = it;
}

struct scope *scopes_get(struct scopes *scopes, const struct start *start, bool *repaired)
{
	static uint64_t secret;
	struct scope *scope;
	uint32_t sizes[4];
	uint64_t hash;

	sizes_of(start, sizes);
	if (scopes->last && is(scopes->last, start, sizes))
		return scope_ref(scopes->last->scope);
	if (!secret)
		secret = hash_secret();
	hash = hash_bytes(secret, start->scope.data, start->scope.size);
	for (size_t i = hash & (scopes->room - 1); scopes->room && scopes->slots[i];
	     i = (i + 1) & (scopes->room - 1)) {
		if (scopes->slots[i]->hash == hash && is(scopes->slots[i], start, sizes)) {
			scopes->last = scopes->slots[i];
			return scope_ref(scopes->last->scope);
		}
	}
	scope = make(start, repaired);
	if (scope)
		remember(scopes, start, hash, sizes, scope);
	return scope;
}

void scopes_free(struct scopes *scopes)
{
	clear(scopes);
	free(scopes->slots);
	*scopes = (struct scopes){0};
}
