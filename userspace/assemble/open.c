/* SPDX-License-Identifier: Apache-2.0 */
#include "open.h"

#include <stdio.h>
#include <string.h>

#include "fields.h"
#include "open_state.h"
#include "utf8.h"
#include "wire.h"

#define ATTRIBUTE_TAG ATTRIBUTES_TAG(9)
#define EVENT_ATTRIBUTE_TAG ATTRIBUTES_TAG(3)
#define LINK_ATTRIBUTE_TAG ATTRIBUTES_TAG(4)

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
	dropped = open_at_most_u32(open_at_most_u32(dropped) + (uint64_t)set->dropped);
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
		time = open_to_unix(span, operation->time);
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
	dropped = open_at_most_u32(open_at_most_u32(link.dropped) + (uint64_t)scratch->dropped);
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
	put_exception(span, symbol, message, open_to_unix(span, operation->time), scratch, verdict);
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

/* ---- What the agent says itself -------------------------------------------------------------- */

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
