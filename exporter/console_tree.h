/* SPDX-License-Identifier: Apache-2.0 */
/* The spans of a trace as a tree, in the order in which it is read. */
#ifndef OTEL_BPF_CONSOLE_TREE_H
#define OTEL_BPF_CONSOLE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "span.h"

#define TREE_NONE UINT32_MAX
#define TREE_LINES 64

struct tree_node {
	const struct span *span;
	uint32_t parent; /* TREE_NONE: shown at the top */
	uint32_t first_child;
	uint32_t last_child;
	uint32_t next; /* sibling */
	uint32_t depth;
	uint64_t lines; /* bit i: the ancestor (or itself) at depth i has a next sibling */
	bool orphan;	/* at the top, but it has a parent, which is not here */
};

struct tree {
	struct tree_node *nodes; /* by start time */
	uint32_t *order;	 /* of reading: parents before children, those by start time */
	uint32_t n;
	uint64_t start_unix_nano; /* of the earliest */
	uint64_t end_unix_nano;	  /* of the latest */
};

/** Returns 0 or -ENOMEM. Free with tree_clear(). The spans must live as long. */
int tree_build(struct tree *tree, struct span *const *spans, size_t n);
void tree_clear(struct tree *tree);

#endif
