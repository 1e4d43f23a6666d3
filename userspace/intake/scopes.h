/* SPDX-License-Identifier: Apache-2.0 */
/* The scopes (tracers) of a process: equal ones are one object, so that exporters group by it. */
#ifndef OTEL_BPF_SCOPES_H
#define OTEL_BPF_SCOPES_H

#include "decode.h"
#include "span.h"

struct scopes_entry;

/* All zero is an empty one. */
struct scopes {
	struct scopes_entry **slots;
	size_t room; /* a power of two, or 0 */
	size_t n;
	size_t memory;
	struct scopes_entry *last;
};

/**
 * The scope that @start names, with a reference for the caller. NULL: no memory. *@repaired is
 * set if its text was no UTF-8 or its attributes were malformed.
 */
struct scope *scopes_get(struct scopes *scopes, const struct start *start, bool *repaired);
void scopes_free(struct scopes *scopes);

#endif
