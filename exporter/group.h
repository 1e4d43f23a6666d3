/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorts a batch of spans the way OTLP wants it: by resource, below that by scope.
 *
 * Spans keep their order within a scope, scopes and resources that of their first span. All is
 * kept in arrays that refer to each other by index; GROUP_NONE ends a list. The memory is used
 * again for the next batch. Resources are the same if they are the same object; scopes also if
 * they are equal.
 */
#ifndef OTEL_BPF_GROUP_H
#define OTEL_BPF_GROUP_H

#include <stddef.h>
#include <stdint.h>

#include "span.h"

#define GROUP_NONE UINT32_MAX

struct group_scope {
	const struct scope *scope;
	uint32_t resource;
	uint32_t next;	     /* scope of the same resource */
	uint32_t first_span; /* in the batch; the next one is grouping->next_span[this] */
	uint32_t last_span;
	uint32_t hash;
	size_t size; /* for the encoder: of the ScopeSpans' body */
};

struct group_resource {
	const struct resource *resource;
	uint32_t first_scope;
	uint32_t last_scope;
	size_t size; /* for the encoder: of the ResourceSpans' body */
};

struct grouping {
	struct group_resource *resources;
	struct group_scope *scopes;
	uint32_t *next_span;
	uint32_t n_resources;
	uint32_t n_scopes;

	uint32_t capacity; /* of the arrays, in spans */
	uint32_t mask;	   /* of the hash tables */
	uint32_t *resource_slots;
	uint32_t *scope_slots;
};

/**
 * Groups @spans; *@grouping must be zero the first time. Returns 0, or -ENOMEM, or -EFBIG for more
 * spans than fit into 31 bits.
 */
int group_spans(struct grouping *grouping, struct span *const *spans, size_t n);

/** Frees what is in *@grouping and makes it zero. */
void group_clear(struct grouping *grouping);

#endif
