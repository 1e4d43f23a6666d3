/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How an open span becomes a finished one: what comes from other threads is put in its place, and all is
 * copied.
 */
#include <stdlib.h>
#include <string.h>

#include "open_state.h"
#include "wire.h"

/* What may wait for the end, and what a span keeps of its memory for the next one. */
#define LATE_BYTES_MAX 65536
#define LATE_MAX 1024
#define KEEP 4096

#define SCOPE_ORDINARY 1024 /* bytes */

struct late {
	uint64_t time;
	uint32_t size;
	uint8_t kind;
	uint8_t flags;
};

int open_defer(struct open_span *span, const struct operation *operation)
{
	struct late late = {
		.time = operation->time,
		.size = (uint32_t)operation->payload.size,
		.kind = operation->kind,
		.flags = operation->flags,
	};

	if (span->n_late >= LATE_MAX ||
	    (span->n_late && span->late.size + operation->payload.size > LATE_BYTES_MAX))
		return -ENOSPC;
	if (blob_reserve(&span->late, sizeof(late) + operation->payload.size))
		return -ENOMEM;
	(void)blob_append(&span->late, &late, sizeof(late));
	(void)blob_append(&span->late, operation->payload.data, operation->payload.size);
	span->n_late++;
	return 0;
}

bool open_late_is_fine(const struct open_span *span)
{
	size_t at = 0;
	uint32_t n = 0;

	while (at < span->late.size) {
		struct late late;

		if (span->late.size - at < sizeof(late))
			return false;
		memcpy(&late, span->late.data + at, sizeof(late));
		at += sizeof(late);
		if (late.size > span->late.size - at)
			return false;
		at += late.size;
		n++;
	}
	return n == span->n_late;
}

static int by_time(const void *a, const void *b)
{
	const struct operation *left = a, *right = b;

	if (left->time != right->time)
		return left->time < right->time ? -1 : 1;
	/* As they came: they lie behind each other in memory. */
	return left->payload.data < right->payload.data ? -1 : 1;
}

uint32_t open_merge(struct open_span *span, struct attributes *scratch, struct verdict *verdict)
{
	struct operation *operations;
	size_t at = 0;
	uint32_t orphans = 0;

	if (!span->n_late)
		return 0;
	span->merged = true;
	operations = malloc(span->n_late * sizeof(*operations));
	for (uint32_t i = 0; operations && i < span->n_late; i++) {
		struct late late;

		memcpy(&late, span->late.data + at, sizeof(late));
		at += sizeof(late);
		operations[i] = (struct operation){
			.kind = late.kind,
			.flags = late.flags,
			.time = late.time,
			.payload = {.data = span->late.data + at, .size = late.size},
		};
		at += late.size;
	}
	if (operations)
		qsort(operations, span->n_late, sizeof(*operations), by_time);
	for (uint32_t i = 0; operations && i < span->n_late; i++) {
		if (span->ended && operations[i].time > span->end)
			orphans++;
		else
			open_apply(span, &operations[i], scratch, verdict);
	}
	free(operations);
	/* What the span's own thread may still say of an event would be of one before these. */
	span->last_event = SIZE_MAX;
	span->n_late = 0;
	blob_reset(&span->late, KEEP);
	return orphans;
}

/* ---- The end -------------------------------------------------------------------------------- */

bool open_complete(const struct open_span *span)
{
	return span->carried.attributes >= span->promised.attributes &&
	       span->carried.events >= span->promised.events &&
	       span->carried.links >= span->promised.links;
}

static uint64_t missing(uint64_t promised, uint64_t carried)
{
	return promised > carried ? promised - carried : 0;
}

void open_count_missing(struct open_span *span)
{
	const struct carried *promised = &span->promised, *carried = &span->carried;

	span->dropped_attributes += missing(promised->attributes, carried->attributes);
	span->dropped_events += missing(promised->events, carried->events);
	span->dropped_links += missing(promised->links, carried->links);
}

static int by_event_time(const void *a, const void *b)
{
	const struct wire_field *left = a, *right = b;

	if (left->value != right->value)
		return left->value < right->value ? -1 : 1;
	return left->start < right->start ? -1 : 1;
}

/* Events of several threads come thread by thread: put them into the order of time. */
static uint8_t *write_events(const struct open_span *span, uint8_t *out)
{
	struct wire_reader reader = wire_reader(blob_bytes(&span->events));
	struct wire_field *events = NULL;
	size_t n = 0;

	if (span->merged && span->n_events)
		events = malloc(span->n_events * sizeof(*events));
	if (!events)
		return wire_put_raw(out, span->events.data, span->events.size);
	while (n < span->n_events && wire_next(&reader, &events[n]) > 0) {
		uint64_t time;

		/* We wrote them: the time is behind the tag. */
		memcpy(&time, events[n].bytes.data + 1, sizeof(time));
		events[n++].value = le64toh(time);
	}
	qsort(events, n, sizeof(events[0]), by_event_time);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *end = events[i].bytes.data + events[i].bytes.size;

		out = wire_put_raw(out, events[i].start, (size_t)(end - events[i].start));
	}
	free(events);
	return out;
}

static struct bytes copy(uint8_t **room, const struct blob *from)
{
	struct bytes bytes = {.data = *room, .size = from->size};

	*room = wire_put_raw(*room, from->data, from->size);
	return bytes;
}

struct span *open_finish(const struct open_span *span, struct resource *resource)
{
	size_t attributes = attributes_size(&span->attributes);
	struct span *out;
	uint8_t *p;

	out = span_new(span->name.size + span->tracestate.size + span->message.size + attributes +
			       span->events.size + span->links.size,
		       &p);
	if (!out)
		return NULL;
	out->resource = resource_ref(resource);
	out->scope = scope_ref(span->scope);
	memcpy(out->trace_id, span->trace_id, sizeof(out->trace_id));
	memcpy(out->span_id, &span->id, sizeof(out->span_id));
	memcpy(out->parent_id, span->parent_id, sizeof(out->parent_id));
	out->start_unix_nano = span->start_unix ? span->start_unix : open_to_unix(span, span->start);
	out->end_unix_nano = span->end_unix ? span->end_unix : open_to_unix(span, span->end);
	/* What the application says itself, it may mean. */
	if (!span->start_unix && !span->end_unix && out->end_unix_nano < out->start_unix_nano)
		out->end_unix_nano = out->start_unix_nano;
	out->flags = span->flags;
	out->kind = span->kind;
	out->status = span->status;
	out->dropped_attributes = open_at_most_u32(open_at_most_u32(span->dropped_attributes) +
					      (uint64_t)span->attributes.dropped);
	out->dropped_events = open_at_most_u32(span->dropped_events);
	out->dropped_links = open_at_most_u32(span->dropped_links);
	out->name = copy(&p, &span->name);
	out->tracestate = copy(&p, &span->tracestate);
	out->status_message = copy(&p, &span->message);
	out->attributes = (struct bytes){.data = p, .size = attributes};
	p = attributes_write(&span->attributes, p);
	out->events = (struct bytes){.data = p, .size = span->events.size};
	p = write_events(span, p);
	out->links = copy(&p, &span->links);
	return out;
}

size_t open_memory(const struct open_span *span)
{
	size_t scope = span->scope ? scope_memory(span->scope) : 0;

	/* Those of ordinary size are shared. */
	scope = scope > SCOPE_ORDINARY ? scope : 0;
	return scope + span->name.room + span->tracestate.room + span->message.room + span->events.room +
	       span->links.room + span->late.room + attributes_memory(&span->attributes);
}

static void clear(struct open_span *span, size_t keep)
{
	struct open_span kept;

	blob_reset(&span->name, keep);
	blob_reset(&span->tracestate, keep);
	blob_reset(&span->message, keep);
	blob_reset(&span->events, keep);
	blob_reset(&span->links, keep);
	blob_reset(&span->late, keep);
	attributes_reset(&span->attributes, keep);
	scope_unref(span->scope);
	kept = *span;
	memset(span, 0, sizeof(*span));
	span->name = kept.name;
	span->tracestate = kept.tracestate;
	span->message = kept.message;
	span->events = kept.events;
	span->links = kept.links;
	span->late = kept.late;
	span->attributes = kept.attributes;
}

void open_reset(struct open_span *span)
{
	clear(span, KEEP);
}

void open_free(struct open_span *span)
{
	clear(span, 0);
	free(span);
}
