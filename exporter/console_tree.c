/* SPDX-License-Identifier: Apache-2.0 */
#include "console_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void tree_clear(struct tree *tree)
{
	free(tree->nodes);
	free(tree->order);
	*tree = (struct tree){0};
}

static int by_start(const void *a, const void *b)
{
	const struct span *one = ((const struct tree_node *)a)->span;
	const struct span *two = ((const struct tree_node *)b)->span;

	if (one->start_unix_nano != two->start_unix_nano)
		return one->start_unix_nano < two->start_unix_nano ? -1 : 1;
	/* Of those that start together, the longer ones contain the others. */
	if (one->end_unix_nano != two->end_unix_nano)
		return one->end_unix_nano > two->end_unix_nano ? -1 : 1;
	return memcmp(one->span_id, two->span_id, sizeof(one->span_id));
}

static uint64_t word(const uint8_t id[8])
{
	uint64_t value;

	memcpy(&value, id, sizeof(value));
	return value;
}

static uint32_t slot_of(const uint8_t id[8], uint32_t mask)
{
	return (uint32_t)(word(id) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;
}

/* An index by span id; of spans with the same one, the first is found. */
static uint32_t *index_nodes(const struct tree *tree, uint32_t *mask)
{
	uint32_t capacity = 16, *slots;

	while (capacity / 2 < tree->n)
		capacity *= 2;
	slots = malloc(capacity * sizeof(*slots));
	if (!slots)
		return NULL;
	memset(slots, 0xff, capacity * sizeof(*slots));
	*mask = capacity - 1;
	for (uint32_t i = 0; i < tree->n; i++) {
		uint32_t at = slot_of(tree->nodes[i].span->span_id, *mask);

		while (slots[at] != TREE_NONE)
			at = (at + 1) & *mask;
		slots[at] = i;
	}
	return slots;
}

static uint32_t find_parent(const struct tree *tree, const uint32_t *slots, uint32_t mask,
			    const struct span *child)
{
	uint64_t id = word(child->parent_id);
	uint32_t at = slot_of(child->parent_id, mask);

	if (!id)
		return TREE_NONE;
	for (; slots[at] != TREE_NONE; at = (at + 1) & mask) {
		const struct span *span = tree->nodes[slots[at]].span;

		if (word(span->span_id) == id)
			return span == child ? TREE_NONE : slots[at];
	}
	return TREE_NONE;
}

static void add_child(struct tree *tree, uint32_t parent, uint32_t child)
{
	struct tree_node *node = &tree->nodes[parent];

	tree->nodes[child].parent = parent;
	if (node->first_child == TREE_NONE)
		node->first_child = child;
	else
		tree->nodes[node->last_child].next = child;
	node->last_child = child;
}

/* The node that is read after @i, within the tree below @top. */
static uint32_t next_node(const struct tree *tree, uint32_t i, uint32_t top)
{
	if (tree->nodes[i].first_child != TREE_NONE)
		return tree->nodes[i].first_child;
	while (i != top && tree->nodes[i].next == TREE_NONE)
		i = tree->nodes[i].parent;
	return i == top ? TREE_NONE : tree->nodes[i].next;
}

static uint32_t read_from(struct tree *tree, uint32_t top, bool *seen, uint32_t done)
{
	for (uint32_t i = top; i != TREE_NONE; i = next_node(tree, i, top)) {
		struct tree_node *node = &tree->nodes[i];

		seen[i] = true;
		tree->order[done++] = i;
		if (i == top)
			continue;
		node->depth = tree->nodes[node->parent].depth + 1;
		node->lines = tree->nodes[node->parent].lines;
		if (node->next != TREE_NONE && node->depth < TREE_LINES)
			node->lines |= UINT64_C(1) << node->depth;
	}
	return done;
}

/* Takes a node away from its parent. */
static void cut_loose(struct tree *tree, uint32_t i)
{
	struct tree_node *parent = &tree->nodes[tree->nodes[i].parent];
	uint32_t *link = &parent->first_child, before = TREE_NONE;

	while (*link != i) {
		before = *link;
		link = &tree->nodes[before].next;
	}
	*link = tree->nodes[i].next;
	if (parent->last_child == i)
		parent->last_child = before;
	tree->nodes[i].next = TREE_NONE;
	tree->nodes[i].parent = TREE_NONE;
}

/* Climbs from @i, which nothing at the top leads to, into the circle that it hangs on. */
static uint32_t find_circle(const struct tree *tree, uint32_t i)
{
	const uint32_t been_here = TREE_NONE;

	while (tree->nodes[i].depth != been_here) {
		tree->nodes[i].depth = been_here;
		i = tree->nodes[i].parent;
	}
	return i;
}

static void put_in_order(struct tree *tree, bool *seen)
{
	uint32_t done = 0, i;

	for (i = 0; i < tree->n; i++) {
		if (tree->nodes[i].parent != TREE_NONE)
			continue;
		tree->nodes[i].orphan = word(tree->nodes[i].span->parent_id) != 0;
		done = read_from(tree, i, seen, done);
	}
	/* Whoever makes up ids can make spans that are their own ancestors. */
	for (i = 0; done < tree->n; i++) {
		if (seen[i])
			continue;
		uint32_t top = find_circle(tree, i);

		cut_loose(tree, top);
		tree->nodes[top].depth = 0;
		tree->nodes[top].orphan = true;
		done = read_from(tree, top, seen, done);
	}
}

int tree_build(struct tree *tree, struct span *const *spans, size_t n)
{
	uint32_t *slots, mask;
	bool *seen = calloc(n + 1, sizeof(*seen));

	*tree = (struct tree){.n = (uint32_t)n, .start_unix_nano = UINT64_MAX};
	tree->nodes = malloc((n + 1) * sizeof(*tree->nodes));
	tree->order = malloc((n + 1) * sizeof(*tree->order));
	if (!seen || !tree->nodes || !tree->order)
		goto no_memory;
	for (uint32_t i = 0; i < n; i++) {
		tree->nodes[i] = (struct tree_node){
			.span = spans[i],
			.parent = TREE_NONE,
			.first_child = TREE_NONE,
			.last_child = TREE_NONE,
			.next = TREE_NONE,
		};
		if (spans[i]->start_unix_nano < tree->start_unix_nano)
			tree->start_unix_nano = spans[i]->start_unix_nano;
		if (spans[i]->end_unix_nano > tree->end_unix_nano)
			tree->end_unix_nano = spans[i]->end_unix_nano;
	}
	qsort(tree->nodes, n, sizeof(*tree->nodes), by_start);
	slots = index_nodes(tree, &mask);
	if (!slots)
		goto no_memory;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t parent = find_parent(tree, slots, mask, tree->nodes[i].span);

		if (parent != TREE_NONE)
			add_child(tree, parent, i);
	}
	free(slots);
	put_in_order(tree, seen);
	free(seen);
	return 0;

no_memory:
	free(seen);
	tree_clear(tree);
	return -ENOMEM;
}
