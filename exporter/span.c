/* SPDX-License-Identifier: Apache-2.0 */
#include "span.h"

#include <stdlib.h>

#define DEFINE_NEW(type)                                                                           \
	struct type *type##_new(size_t size, uint8_t **room)                                       \
	{                                                                                          \
		struct type *it = malloc(sizeof(*it) + size);                                      \
                                                                                                   \
		if (!it)                                                                           \
			return NULL;                                                               \
		*it = (struct type){0};                                                            \
		atomic_init(&it->references, 1);                                                   \
		*room = (uint8_t *)(it + 1);                                                       \
		return it;                                                                         \
	}                                                                                          \
	struct type *type##_ref(struct type *it)                                                   \
	{                                                                                          \
		atomic_fetch_add_explicit(&it->references, 1, memory_order_relaxed);               \
		return it;                                                                         \
	}

DEFINE_NEW(span)
DEFINE_NEW(scope)
DEFINE_NEW(resource)

/* True for the last reference: what others did with the object happened before its end. */
static int last(atomic_uint *references)
{
	return atomic_fetch_sub_explicit(references, 1, memory_order_acq_rel) == 1;
}

void scope_unref(struct scope *scope)
{
	if (scope && last(&scope->references))
		free(scope);
}

void resource_unref(struct resource *resource)
{
	if (!resource || !last(&resource->references))
		return;
	account_unref(resource->account);
	free(resource);
}

void span_unref(struct span *span)
{
	if (!span || !last(&span->references))
		return;
	scope_unref(span->scope);
	resource_unref(span->resource);
	free(span);
}
