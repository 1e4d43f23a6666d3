/* SPDX-License-Identifier: Apache-2.0 */
#include "group.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void group_clear(struct grouping *grouping)
{
	free(grouping->resources);
	free(grouping->scopes);
	free(grouping->next_span);
	free(grouping->resource_slots);
	free(grouping->scope_slots);
	*grouping = (struct grouping){0};
}

static int reserve(struct grouping *g, size_t n)
{
	uint32_t capacity = 512;
	size_t slots;

	if (n <= g->capacity)
		return 0;
	if (n > INT32_MAX / 2)
		return -EFBIG;
	while (capacity < n)
		capacity *= 2;
	slots = 2 * (size_t)capacity;
	group_clear(g);
	g->resources = malloc(capacity * sizeof(*g->resources));
	g->scopes = malloc(capacity * sizeof(*g->scopes));
	g->next_span = malloc(capacity * sizeof(*g->next_span));
	g->resource_slots = malloc(slots * sizeof(*g->resource_slots));
	g->scope_slots = malloc(slots * sizeof(*g->scope_slots));
	if (!g->resources || !g->scopes || !g->next_span || !g->resource_slots || !g->scope_slots) {
		group_clear(g);
		return -ENOMEM;
	}
	g->capacity = capacity;
	return 0;
}

static uint32_t hash_number(uint64_t number)
{
	return (uint32_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

/* FNV-1a over words: scopes are some dozen bytes. */
static uint64_t hash_bytes(uint64_t hash, struct bytes bytes)
{
	const uint8_t *p = bytes.data;
	size_t left = bytes.size;
	uint64_t word;

	for (; left >= sizeof(word); p += sizeof(word), left -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	for (; left; p++, left--)
		hash = (hash ^ *p) * UINT64_C(0x100000001b3);
	return hash ^ bytes.size;
}

static bool same_bytes(struct bytes a, struct bytes b)
{
	return a.size == b.size && (a.data == b.data || !a.size || !memcmp(a.data, b.data, a.size));
}

static bool same_scope(const struct scope *a, const struct scope *b)
{
	return a == b ||
	       (same_bytes(a->encoded, b->encoded) && same_bytes(a->schema_url, b->schema_url));
}

static uint32_t find_resource(struct grouping *g, const struct resource *resource)
{
	uint32_t at = hash_number((uintptr_t)resource) & g->mask, found;

	for (; (found = g->resource_slots[at]) != GROUP_NONE; at = (at + 1) & g->mask) {
		if (g->resources[found].resource == resource)
			return found;
	}
	found = g->n_resources++;
	g->resource_slots[at] = found;
	g->resources[found] = (struct group_resource){
		.resource = resource,
		.first_scope = GROUP_NONE,
		.last_scope = GROUP_NONE,
	};
	return found;
}

static uint32_t find_scope(struct grouping *g, uint32_t resource, const struct scope *scope)
{
	uint32_t hash = hash_number(
		hash_bytes(hash_bytes(resource + 1, scope->encoded), scope->schema_url));
	uint32_t at = hash & g->mask, found;
	struct group_resource *parent = &g->resources[resource];

	for (; (found = g->scope_slots[at]) != GROUP_NONE; at = (at + 1) & g->mask) {
		const struct group_scope *it = &g->scopes[found];

		if (it->hash == hash && it->resource == resource && same_scope(it->scope, scope))
			return found;
	}
	found = g->n_scopes++;
	g->scope_slots[at] = found;
	g->scopes[found] = (struct group_scope){
		.scope = scope,
		.resource = resource,
		.next = GROUP_NONE,
		.first_span = GROUP_NONE,
		.last_span = GROUP_NONE,
		.hash = hash,
	};
	if (parent->first_scope == GROUP_NONE)
		parent->first_scope = found;
	else
		g->scopes[parent->last_scope].next = found;
	parent->last_scope = found;
	return found;
}

int group_spans(struct grouping *g, struct span *const *spans, size_t n)
{
	uint32_t resource = GROUP_NONE, scope = GROUP_NONE, slots = 16;
	int err = reserve(g, n);

	if (err)
		return err;
	while (slots < 2 * n)
		slots *= 2;
	memset(g->resource_slots, 0xff, slots * sizeof(*g->resource_slots));
	memset(g->scope_slots, 0xff, slots * sizeof(*g->scope_slots));
	g->mask = slots - 1;
	g->n_resources = 0;
	g->n_scopes = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct span *span = spans[i];

		/* Spans of one thread come in runs: nothing to look up for most of them. */
		if (resource == GROUP_NONE || g->resources[resource].resource != span->resource) {
			resource = find_resource(g, span->resource);
			scope = GROUP_NONE;
		}
		if (scope == GROUP_NONE || g->scopes[scope].scope != span->scope)
			scope = find_scope(g, resource, span->scope);
		if (g->scopes[scope].first_span == GROUP_NONE)
			g->scopes[scope].first_span = i;
		else
			g->next_span[g->scopes[scope].last_span] = i;
		g->scopes[scope].last_span = i;
		g->next_span[i] = GROUP_NONE;
	}
	return 0;
}
