/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finished spans, as the assembler hands them to the exporters.
 *
 * Spans, scopes and resources are immutable once made and reference-counted, so that several
 * exporters, each in its own thread, can hold the same one. All functions are thread-safe.
 */
#ifndef OTEL_BPF_SPAN_H
#define OTEL_BPF_SPAN_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "account.h"

/* A piece of memory that somebody else owns. */
struct bytes {
	const uint8_t *data;
	size_t size;
};

/* How many exporters there can be. */
#define SPAN_EXPORTERS_MAX 16

/*
 * What spans share counts once in an exporter's queue, and once in a batch of it, however many have it there.
 * Of that exporter alone, with its lock held: see queue.c.
 */
struct span_share {
	uint32_t waiting; /* spans in the queue that have it */
	uint32_t seen;	  /* the last look at the queue that has found it */
};

/* Who made the spans: one per process and state of its resource. */
struct resource {
	atomic_uint references;
	struct span_share shares[SPAN_EXPORTERS_MAX];
	struct account *account;   /* of the process; holds a reference; may be NULL */
	struct bytes encoded;	   /* body of OTLP's Resource: fields 1 (attributes), valid */
	struct bytes schema_url;   /* of the resource; may be empty */
	struct bytes service_name; /* for people */
	uint32_t pid;		   /* the host's, for people */
};

/* Instrumentation scope: the tracer. Of one process, but for the empty one. */
struct scope {
	atomic_uint references;
	struct span_share shares[SPAN_EXPORTERS_MAX];
	struct bytes encoded; /* body of OTLP's InstrumentationScope, valid; empty: no scope */
	struct bytes schema_url;
	struct bytes name; /* for people */
};

/* OTLP's numbers, for kind and status. */
enum { SPAN_INTERNAL = 1, SPAN_SERVER, SPAN_CLIENT, SPAN_PRODUCER, SPAN_CONSUMER };
enum { SPAN_UNSET = 0, SPAN_OK = 1, SPAN_ERROR = 2 };

/*
 * A finished span. Every byte in it has been checked: names and keys are UTF-8, the encoded fields
 * are well-formed protobuf, so exporters copy and never verify.
 */
struct span {
	atomic_uint references;
	struct resource *resource; /* holds a reference */
	struct scope *scope;	   /* holds a reference */
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t parent_id[8]; /* all zero: a root */
	uint64_t start_unix_nano;
	uint64_t end_unix_nano;
	uint32_t flags; /* OTLP's Span.flags: W3C flags, 0x100 has_is_remote, 0x200 is_remote */
	uint8_t kind;
	uint8_t status;
	uint32_t dropped_attributes;
	uint32_t dropped_events;
	uint32_t dropped_links;
	struct bytes name;
	struct bytes tracestate;
	struct bytes status_message;
	struct bytes attributes; /* fields 9 of OTLP's Span, keys unique */
	struct bytes events;	 /* fields 11, each with its time */
	struct bytes links;	 /* fields 13 */
};

/**
 * Make one with a single reference and room for @size bytes behind it, which the bytes in it
 * point to: *@room is where that begins. All else is zero. NULL: ENOMEM.
 */
struct span *span_new(size_t size, uint8_t **room);
struct scope *scope_new(size_t size, uint8_t **room);
struct resource *resource_new(size_t size, uint8_t **room);

/*
 * Where the fate of a span is noted; may be NULL. Not the span's own reference, but its resource's:
 * counting references once more would cost each span as much as the rest of its accounting.
 */
static inline struct account *span_account(const struct span *span)
{
	return span->resource ? span->resource->account : NULL;
}

/** Bytes that a span takes while it is kept; what it shares with others is not in that. */
static inline size_t span_memory(const struct span *span)
{
	return sizeof(*span) + sizeof(span) + span->name.size + span->tracestate.size +
	       span->status_message.size + span->attributes.size + span->events.size +
	       span->links.size;
}

/** What spans share: bytes that it takes. The empty scope is nobody's. */
static inline size_t scope_memory(const struct scope *scope)
{
	size_t size = scope->encoded.size + scope->schema_url.size;

	return size ? sizeof(*scope) + size : 0;
}

static inline size_t resource_memory(const struct resource *resource)
{
	return sizeof(*resource) + resource->encoded.size + resource->service_name.size;
}

/** Take one more reference; returns its argument. */
struct span *span_ref(struct span *span);
struct scope *scope_ref(struct scope *scope);
struct resource *resource_ref(struct resource *resource);

/** Give one reference back, and with the last one the memory. NULL is allowed. */
void span_unref(struct span *span);
void scope_unref(struct scope *scope);
void resource_unref(struct resource *resource);

#endif
