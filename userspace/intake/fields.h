/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks protobuf fields that applications wrote, before they touch a request that others' spans
 * are in, too. What is only bad text is repaired:
 *
 *   a string value that is no UTF-8        becomes a bytes value
 *   bad bytes in the key of an attribute   become U+FFFD each
 *   values nested deeper than FIELD_DEPTH  become empty values
 *
 * Everything takes time linear in the size, and stack for FIELD_DEPTH levels.
 */
#ifndef OTEL_BPF_FIELDS_H
#define OTEL_BPF_FIELDS_H

#include <errno.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include "span.h"

/*
 * Most of protobuf's parsers refuse messages that are nested more than 100 deep, and receivers then all that was
 * sent together. An attribute of an event is the sixth below the request, and a map in a map three more.
 */
#define FIELD_DEPTH 32
_Static_assert(6 + 3 * (FIELD_DEPTH - 1) <= 100, "as deep as others read");

/**
 * Checks the body of a KeyValue. Returns 0: fine as it is; 1: fine after key_value_repair();
 * -EBADMSG, and *@why in words. *@key is what it has, unrepaired.
 */
int key_value_check(struct bytes body, struct bytes *key, const char **why);

/** Room that key_value_repair() needs for a body of @size bytes. */
static inline size_t key_value_repair_room(size_t size)
{
	return 3 * size + 16;
}

/**
 * Only for what key_value_check() did not refuse. Cuts values, too: strings after @most characters,
 * bytes after @most of them, each element of an array or map by itself; SIZE_MAX: nothing is cut.
 * Returns the byte behind what it wrote.
 */
uint8_t *key_value_cut(uint8_t *out, struct bytes body, size_t most);

static inline uint8_t *key_value_repair(uint8_t *out, struct bytes body)
{
	return key_value_cut(out, body, SIZE_MAX);
}

/** The key and its place in what was repaired or was fine. */
struct bytes key_value_key(struct bytes body);

/** A tracestate that is worth passing on: printable ASCII of a size that W3C lets others keep. */
int tracestate_check(struct bytes tracestate);

/* The body of a Span.Event or Span.Link, its attributes still in place. */
struct event_fields {
	uint64_t time; /* time_unix_nano; 0: none */
	struct bytes name;
	uint64_t dropped;
	size_t attributes; /* fields 3, not looked into yet */
};

struct link_fields {
	struct bytes trace_id;
	struct bytes span_id;
	struct bytes tracestate;
	uint64_t dropped;
	uint32_t flags;
	size_t attributes; /* fields 4, not looked into yet */
	bool nowhere;	   /* an id is all zeros */
};

/** Both return 0 or -EBADMSG, and *@why in words. */
int event_check(struct bytes body, struct event_fields *out, const char **why);
int link_check(struct bytes body, struct link_fields *out, const char **why);

#endif
