/* SPDX-License-Identifier: Apache-2.0 */
#include "open.h"

#include <stdio.h>
#include <string.h>

#include "fields.h"
#include "utf8.h"
#include "wire.h"

#define ATTRIBUTE_TAG ATTRIBUTES_TAG(9)
#define EVENT_ATTRIBUTE_TAG ATTRIBUTES_TAG(3)
#define LINK_ATTRIBUTE_TAG ATTRIBUTES_TAG(4)

/* What may wait for the end, and what a span keeps of its memory for the next one. */
#define LATE_BYTES_MAX 65536
#define LATE_MAX 1024
#define KEEP 4096

static uint32_t at_most_u32(uint64_t value)
{
	return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static uint64_t to_unix(const struct open_span *span, uint64_t time)
{
	return time + (uint64_t)span->offset;
}

/* ---- Text ----------------------------------------------------------------------------------- */

static void put_text(struct blob *blob, struct bytes text, struct verdict *verdict)
{
	blob->size = 0;
	if (utf8_valid(text.data, text.size)) {
		(void)blob_append(blob, text.data, text.size);
		return;
	}
	verdict->repaired = true;
	if (blob_reserve(blob, utf8_repaired_size(text.data, text.size)))
		return;
	blob->size = (size_t)(utf8_repair(blob->data, text.data, text.size) - blob->data);
}

static void set_name(struct open_span *span, struct bytes name, uint64_t time,
		     struct verdict *verdict)
{
	if (time < span->name_time)
		return;
	span->name_time = time;
	put_text(&span->name, name, verdict);
}

/* ---- Status --------------------------------------------------------------------------------- */

/* Ok is final and wins over Error, of which the last counts; helpers only set what is unset. */
static void set_status(struct open_span *span, const struct status *status, uint64_t time,
		       struct verdict *verdict)
{
	if (status->code == SPAN_UNSET || span->status == SPAN_OK)
		return;
	if (status->code == SPAN_ERROR && span->status == SPAN_ERROR) {
		if (status->by > span->status_by)
			return;
		/* Of two by hand the last, of two by a helper the first. */
		if (status->by == span->status_by &&
		    (status->by == OTEL_STATUS_BY_HAND) != (time >= span->status_time))
			return;
	}
	if (status->code == SPAN_OK && status->by == OTEL_STATUS_BY_HELPER &&
	    span->status != SPAN_UNSET)
		return;
	span->status = status->code;
	span->status_by = status->by;
	span->status_time = time;
	span->message.size = 0;
	if (status->code == SPAN_ERROR)
		put_text(&span->message, status->description, verdict);
}

/* ---- Attributes ----------------------------------------------------------------------------- */

static struct attributes_limits limits_of(const struct open_span *span, uint32_t most)
{
	return (struct attributes_limits){
		.most = most,
		.most_bytes = OPEN_BYTES_MAX,
		.cut = span->limits->value_length != LIMITS_NONE,
		.value_length = span->limits->value_length,
	};
}

/* An attribute without a key, or too many of them, is an application's mistake, not a bad record.
 */
static void put_attribute(struct attributes *set, uint8_t tag, struct bytes body, uint64_t time,
			  const struct attributes_limits *limits, struct verdict *verdict)
{
	const char *why;
	int result = attributes_put(set, tag, body, time, limits, &why);

	if (result == -EBADMSG)
		verdict->why = why;
	else if (result == 1)
		verdict->repaired = true;
}

/* Fields 9 and nothing else. Returns how many there were. */
static uint64_t put_attributes(struct open_span *span, struct bytes fields, uint64_t time,
			       struct verdict *verdict)
{
	const struct attributes_limits limits = limits_of(span, span->limits->attributes);
	struct wire_reader reader = wire_reader(fields);
	struct wire_field field;
	uint64_t n = 0;
	int found;

	while ((found = wire_next(&reader, &field)) > 0) {
		if (field.number != 9) {
			verdict->why = "unknown field";
			continue;
		}
		n++;
		if (field.type != WIRE_BYTES) {
			verdict->why = "bad wire type";
			span->dropped_attributes++;
			continue;
		}
		put_attribute(&span->attributes, ATTRIBUTE_TAG, field.bytes, time, &limits,
			      verdict);
	}
	if (found < 0)
		verdict->why = "broken protobuf";
	return n;
}

/* Fields @number of a message into @set, at most @most, each key once. */
static void collect(const struct open_span *span, struct attributes *set, struct bytes body,
		    uint32_t number, uint32_t most, struct verdict *verdict)
{
	const struct attributes_limits limits = limits_of(span, most);
	struct wire_reader reader = wire_reader(body);
	struct wire_field field;

	attributes_reset(set, OPEN_BYTES_MAX / 32);
	while (wire_next(&reader, &field) > 0)
		if (field.number == number)
			put_attribute(set, ATTRIBUTES_TAG(number), field.bytes, 0, &limits,
				      verdict);
}

/* One of the agent's own that is subject to the limits. */
static void put_text_attribute(const struct open_span *span, struct attributes *set, uint8_t tag,
			       uint32_t most, const char *key, const char *text, size_t size)
{
	if (set->n >= most) {
		set->dropped += set->dropped < UINT32_MAX;
		return;
	}
	if (utf8_valid(text, size))
		size = utf8_prefix(text, size, span->limits->value_length);
	(void)attributes_put_text(set, tag, key, text, size, 0);
}

/* ---- Events and links ----------------------------------------------------------------------- */

/* Room for one more field of @size bytes; NULL: there is none, and it counts as dropped. */
static uint8_t *make_room(struct blob *fields, size_t size, uint32_t *n, uint32_t most,
			  uint64_t *dropped)
{
	if (*n >= most || size > OPEN_BYTES_MAX || fields->size > OPEN_BYTES_MAX - size ||
	    blob_reserve(fields, size)) {
		++*dropped;
		return NULL;
	}
	++*n;
	fields->size += size;
	return fields->data + fields->size - size;
}

/* @set: the attributes, collected; @dropped: what the application left out of them. */
static void add_event(struct open_span *span, uint64_t time, struct bytes name,
		      const struct attributes *set, uint64_t dropped, struct verdict *verdict)
{
	bool valid = utf8_valid(name.data, name.size);
	size_t name_size = valid ? name.size : utf8_repaired_size(name.data, name.size);
	size_t size = 9 + wire_bytes_size(2, name_size) + attributes_size(set);
	uint8_t *p;

	span->last_event = SIZE_MAX;
	dropped = at_most_u32(at_most_u32(dropped) + (uint64_t)set->dropped);
	if (dropped)
		size += wire_uint_size(4, dropped);
	p = make_room(&span->events, wire_bytes_size(11, size), &span->n_events,
		      span->limits->events, &span->dropped_events);
	if (!p)
		return;
	span->last_event = (size_t)(p - span->events.data);
	p = wire_put_header(p, 11, size);
	p = wire_put_fixed64(p, 1, time);
	p = wire_put_header(p, 2, name_size);
	p = valid ? wire_put_raw(p, name.data, name.size) : utf8_repair(p, name.data, name.size);
	p = attributes_write(set, p);
	if (dropped)
		wire_put_uint(p, 4, dropped);
	if (!valid)
		verdict->repaired = true;
}

static void put_event(struct open_span *span, const struct operation *operation,
		      struct attributes *scratch, struct verdict *verdict)
{
	struct event_fields event;
	uint64_t time;

	span->last_event = SIZE_MAX;
	span->last_event_time = operation->time;
	if (event_check(operation->payload, &event, &verdict->why)) {
		span->dropped_events++;
		return;
	}
	time = event.time;
	if (!time && !(operation->flags & OTEL_RECORD_TIMED)) {
		verdict->why = "event without a time";
		span->dropped_events++;
		return;
	}
	if (!time)
		time = to_unix(span, operation->time);
	attributes_reset(scratch, OPEN_BYTES_MAX / 32);
	if (event.attributes)
		collect(span, scratch, operation->payload, 3, span->limits->event_attributes,
			verdict);
	add_event(span, time, event.name, scratch, event.dropped, verdict);
}

/*
 * The last event is written again, with one more attribute; unless it has it, or has not @other. NULL: that
 * does not matter.
 */
static void amend_event(struct open_span *span, const char *key, struct bytes text, const char *other,
			struct attributes *scratch, struct verdict *verdict)
{
	struct attributes_limits all = {.most = UINT32_MAX, .most_bytes = OPEN_BYTES_MAX};
	struct event_fields event;
	struct wire_reader reader;
	struct wire_field field;
	struct blob copy = {0};
	const char *why;

	reader = wire_reader((struct bytes){
		.data = span->events.data + span->last_event,
		.size = span->events.size - span->last_event,
	});
	/* We wrote it. Not in place: it is written over. */
	if (wire_next(&reader, &field) <= 0 ||
	    blob_append(&copy, field.bytes.data, field.bytes.size))
		return;
	(void)event_check(blob_bytes(&copy), &event, &why);
	attributes_reset(scratch, OPEN_BYTES_MAX / 32);
	reader = wire_reader(blob_bytes(&copy));
	while (wire_next(&reader, &field) > 0)
		if (field.number == 3)
			put_attribute(scratch, EVENT_ATTRIBUTE_TAG, field.bytes, 0, &all, verdict);
	if (!attributes_has(scratch, key) && (!other || attributes_has(scratch, other))) {
		put_text_attribute(span, scratch, EVENT_ATTRIBUTE_TAG,
				   span->limits->event_attributes, key, (const char *)text.data,
				   text.size);
		span->events.size = span->last_event;
		span->n_events--;
		add_event(span, event.time, event.name, scratch, event.dropped, verdict);
	}
	blob_free(&copy);
}

/* The text of a stack trace. */
static void put_stack(struct open_span *span, const struct operation *operation,
		      struct attributes *scratch, struct verdict *verdict)
{
	if (span->last_event == SIZE_MAX || (operation->flags & OTEL_RECORD_TIMED &&
					     operation->time != span->last_event_time))
		return;
	amend_event(span, "exception.stacktrace", operation->payload, NULL, scratch, verdict);
	/* One for each event. */
	span->last_event = SIZE_MAX;
}

/* The type of an exception whose span could not know it: in its event, and as what the status says. */
static void put_exception_type(struct open_span *span, const struct operation *operation,
			       struct attributes *scratch, struct verdict *verdict)
{
	if (span->last_event != SIZE_MAX)
		amend_event(span, "exception.type", operation->payload, "exception.escaped", scratch,
			    verdict);
	if (span->status == SPAN_ERROR && span->status_by == OTEL_STATUS_BY_HELPER && !span->message.size)
		put_text(&span->message, operation->payload, verdict);
}

static void put_link(struct open_span *span, struct bytes body, struct attributes *scratch,
		     struct verdict *verdict)
{
	struct link_fields link;
	uint64_t dropped;
	size_t size;
	uint8_t *p;

	if (link_check(body, &link, &verdict->why)) {
		span->dropped_links++;
		return;
	}
	if (tracestate_check(link.tracestate)) {
		link.tracestate.size = 0;
		verdict->repaired = true;
	}
	attributes_reset(scratch, OPEN_BYTES_MAX / 32);
	if (link.attributes)
		collect(span, scratch, body, 4, span->limits->link_attributes, verdict);
	/* OpenTelemetry ignores a link that leads nowhere, unless something stays attached to it. */
	if (link.nowhere && !link.tracestate.size && !attributes_size(scratch))
		return;
	dropped = at_most_u32(at_most_u32(link.dropped) + (uint64_t)scratch->dropped);
	size = 18 + 10 + attributes_size(scratch);
	size += link.tracestate.size ? wire_bytes_size(3, link.tracestate.size) : 0;
	size += dropped ? wire_uint_size(5, dropped) : 0;
	size += link.flags ? 5 : 0;
	p = make_room(&span->links, wire_bytes_size(13, size), &span->n_links,
		      span->limits->links, &span->dropped_links);
	if (!p)
		return;
	p = wire_put_header(p, 13, size);
	p = wire_put_bytes(p, 1, link.trace_id.data, 16);
	p = wire_put_bytes(p, 2, link.span_id.data, 8);
	if (link.tracestate.size)
		p = wire_put_bytes(p, 3, link.tracestate.data, link.tracestate.size);
	p = attributes_write(scratch, p);
	if (dropped)
		p = wire_put_uint(p, 5, dropped);
	if (link.flags)
		wire_put_fixed32(p, 6, link.flags);
}

static void put_exception(struct open_span *span, const char *type, const char *message,
			  uint64_t unix_nano, struct attributes *scratch, struct verdict *verdict)
{
	const struct bytes name = {(const uint8_t *)"exception", 9};
	uint32_t most = span->limits->event_attributes;

	attributes_reset(scratch, OPEN_BYTES_MAX / 32);
	put_text_attribute(span, scratch, EVENT_ATTRIBUTE_TAG, most, "exception.type", type,
			   strlen(type));
	put_text_attribute(span, scratch, EVENT_ATTRIBUTE_TAG, most, "exception.message", message,
			   strlen(message));
	add_event(span, unix_nano, name, scratch, 0, verdict);
}

/* An exception event, the status Error, error.type: all in the C locale, whatever ours is. */
static void put_error(struct open_span *span, const struct operation *operation,
		      struct attributes *scratch, struct verdict *verdict)
{
	struct status status = {.code = SPAN_ERROR, .by = OTEL_STATUS_BY_HELPER};
	char number[32], text[48];
	const char *symbol, *message;
	struct otel_error error;

	if (decode_error(operation->payload, &error, &verdict->why)) {
		span->dropped_events++;
		return;
	}
	symbol = strerrorname_np(error.error);
	message = strerrordesc_np(error.error);
	if (!symbol || !message) {
		snprintf(number, sizeof(number), "errno %d", error.error);
		snprintf(text, sizeof(text), "Unknown error %d", error.error);
		symbol = number;
		message = text;
	}
	put_exception(span, symbol, message, to_unix(span, operation->time), scratch, verdict);
	status.description = (struct bytes){(const uint8_t *)message, strlen(message)};
	set_status(span, &status, operation->time, verdict);
	if (attributes_has(&span->attributes, "error.type"))
		return;
	/* At time 0: whatever the application sets itself wins, whenever it does. */
	put_text_attribute(span, &span->attributes, ATTRIBUTE_TAG, span->limits->attributes,
			   "error.type", symbol, strlen(symbol));
}

/* ---- Operations ----------------------------------------------------------------------------- */

void open_start(struct open_span *span, const struct start *start, struct verdict *verdict)
{
	const struct otel_start *it = &start->fixed;

	span->start = it->time;
	span->start_unix = it->unix_time;
	memcpy(span->trace_id, it->trace_id, sizeof(span->trace_id));
	memcpy(span->parent_id, it->parent_id, sizeof(span->parent_id));
	/* OTLP: has_is_remote is always said, is_remote if it is so. */
	span->flags = it->trace_flags | 0x100 | (it->flags & OTEL_START_PARENT_REMOTE ? 0x200 : 0);
	span->kind =
		it->kind >= SPAN_INTERNAL && it->kind <= SPAN_CONSUMER ? it->kind : SPAN_INTERNAL;
	set_name(span, start->name, it->time, verdict);
	if (tracestate_check(start->tracestate))
		verdict->repaired = true;
	else
		(void)blob_append(&span->tracestate, start->tracestate.data,
				  start->tracestate.size);
	verdict->carried.attributes = put_attributes(span, start->attributes, it->time, verdict);
}

void open_apply(struct open_span *span, const struct operation *operation,
		struct attributes *scratch, struct verdict *verdict)
{
	struct status status;

	switch (operation->kind) {
	case OTEL_RECORD_ATTRIBUTES:
		verdict->carried.attributes =
			put_attributes(span, operation->payload, operation->time, verdict);
		break;
	case OTEL_RECORD_EVENT:
		verdict->carried.events = 1;
		put_event(span, operation, scratch, verdict);
		break;
	case OTEL_RECORD_LINK:
		verdict->carried.links = 1;
		put_link(span, operation->payload, scratch, verdict);
		break;
	case OTEL_RECORD_STATUS:
		if (!decode_status(operation->payload, &status, &verdict->why))
			set_status(span, &status, operation->time, verdict);
		break;
	case OTEL_RECORD_NAME:
		set_name(span, operation->payload, operation->time, verdict);
		break;
	case OTEL_RECORD_ERROR:
		verdict->carried.events = 1;
		put_error(span, operation, scratch, verdict);
		/* No STACK is of this one. */
		span->last_event = SIZE_MAX;
		break;
	case OTEL_RECORD_STACK:
		put_stack(span, operation, scratch, verdict);
		break;
	case OPERATION_EXCEPTION:
		put_exception_type(span, operation, scratch, verdict);
		break;
	}
}

/* ---- What comes from other threads ---------------------------------------------------------- */

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

void open_fail(struct open_span *span, const char *type, const char *message, uint64_t unix_nano,
	       struct attributes *scratch)
{
	struct verdict verdict = {0};

	put_exception(span, type, message, unix_nano, scratch, &verdict);
	if (span->status != SPAN_UNSET)
		return;
	span->status = SPAN_ERROR;
	(void)blob_append(&span->message, message, strlen(message));
}

void open_mark(struct open_span *span, const char *attribute)
{
	(void)attributes_put_bool(&span->attributes, ATTRIBUTE_TAG, attribute, true, UINT64_MAX);
}

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
	out->start_unix_nano = span->start_unix ? span->start_unix : to_unix(span, span->start);
	out->end_unix_nano = span->end_unix ? span->end_unix : to_unix(span, span->end);
	/* What the application says itself, it may mean. */
	if (!span->start_unix && !span->end_unix && out->end_unix_nano < out->start_unix_nano)
		out->end_unix_nano = out->start_unix_nano;
	out->flags = span->flags;
	out->kind = span->kind;
	out->status = span->status;
	out->dropped_attributes = at_most_u32(at_most_u32(span->dropped_attributes) +
					      (uint64_t)span->attributes.dropped);
	out->dropped_events = at_most_u32(span->dropped_events);
	out->dropped_links = at_most_u32(span->dropped_links);
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
	return span->name.room + span->tracestate.room + span->message.room + span->events.room +
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
