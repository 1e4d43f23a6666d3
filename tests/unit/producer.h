/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes what an application and the kernel would: records into buffers, buffers into events. For
 * tests of the agent's side; written from the documentation of the format, not with trace.h.
 */
#ifndef TESTS_PRODUCER_H
#define TESTS_PRODUCER_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../bpf/event.h"
#include "../../exporter/wire.h"
#include "intake.h"

#define SECOND UINT64_C(1000000000)
#define NOW (1000 * SECOND)

/* Beyond what any kernel gives out: nothing is found in /proc. */
static const struct process_id app = {.pid = 0x7ffffff0, .execs = 3, .start_time = 5};

struct producer {
	uint8_t event[sizeof(struct event) + (1 << 20)];
	struct otel_buffer header;
	size_t size; /* of the records */
	struct process_id process;
	uint64_t event_time;
	struct loss_note note; /* what the kernel side has lost and not told, yet */
	bool noted;
};

static inline void producer_init(struct producer *p, uint64_t buffer_id)
{
	p->size = 0;
	p->process = app;
	p->noted = false;
	p->event_time = NOW;
	p->header = (struct otel_buffer){
		.magic = OTEL_BUFFER_MAGIC,
		.version = OTEL_FORMAT_VERSION,
		.header_size = sizeof(struct otel_buffer),
		.buffer_id = buffer_id,
		.clock_id = 1,
		.clock_time = NOW,
	};
}

static inline uint8_t *producer_records(struct producer *p)
{
	return p->event + sizeof(struct event) + sizeof(struct otel_buffer);
}

/* Appends a record; a payload in two parts. */
static inline void producer_put(struct producer *p, uint8_t kind, uint8_t flags, uint64_t span,
				const void *head, size_t head_size, const void *payload,
				size_t size)
{
	size_t used = sizeof(struct otel_record) + head_size + size;
	struct otel_record record = {
		.size = (uint32_t)((used + 7) & ~(size_t)7),
		.kind = kind,
		.flags = flags,
		.padding = (uint16_t)(((used + 7) & ~(size_t)7) - used),
	};
	uint8_t *at = producer_records(p) + p->size;

	assert(p->size + record.size <= (1 << 20) - sizeof(struct otel_buffer));
	memcpy(record.span_id, &span, sizeof(span));
	memset(at, 0, record.size);
	memcpy(at, &record, sizeof(record));
	at += sizeof(record);
	if (head_size)
		memcpy(at, head, head_size);
	if (size)
		memcpy(at + head_size, payload, size);
	p->size += record.size;
}

struct start_options {
	uint64_t time;
	uint64_t unix_time;
	uint64_t parent;
	const char *scope;
	const char *tracestate;
	const void *attributes;
	size_t attributes_size;
	uint8_t kind;
	uint32_t flags;
	uint8_t record_flags;
};

static inline void producer_start(struct producer *p, uint64_t span, const char *name,
				  const struct start_options *options)
{
	static const struct start_options none;
	const struct start_options *o = options ? options : &none;
	size_t name_size = strlen(name), scope = o->scope ? strlen(o->scope) : 0;
	size_t tracestate = o->tracestate ? strlen(o->tracestate) : 0, size = 0;
	uint8_t *strings = malloc(name_size + scope + tracestate + o->attributes_size + 1);
	struct otel_start start = {
		.time = o->time ? o->time : NOW,
		.unix_time = o->unix_time,
		.trace_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
		.fixed_size = sizeof(start),
		.trace_flags = 3,
		.kind = o->kind ? o->kind : SPAN_INTERNAL,
		.flags = o->flags | (scope ? OTEL_START_HAS_SCOPE : 0),
		.name_size = (uint32_t)name_size,
		.scope_name_size = (uint32_t)scope,
		.tracestate_size = (uint32_t)tracestate,
	};

	assert(strings);
	memcpy(start.parent_id, &o->parent, 8);
	memcpy(strings, name, name_size);
	size += name_size;
	if (scope)
		memcpy(strings + size, o->scope, scope);
	size += scope;
	if (tracestate)
		memcpy(strings + size, o->tracestate, tracestate);
	size += tracestate;
	if (o->attributes_size)
		memcpy(strings + size, o->attributes, o->attributes_size);
	size += o->attributes_size;
	producer_put(p, OTEL_RECORD_START, o->record_flags, span, &start, sizeof(start), strings,
		     size);
	free(strings);
	p->header.started++;
}

static inline void producer_end(struct producer *p, uint64_t span, uint64_t time,
				uint32_t attributes, uint32_t events, uint32_t links,
				uint32_t flags)
{
	struct otel_end end = {
		.time = time,
		.attributes = attributes,
		.events = events,
		.links = links,
		.flags = flags,
	};

	producer_put(p, OTEL_RECORD_END, 0, span, &end, sizeof(end), NULL, 0);
}

/* Encodes one field @number: KeyValue{key, string value}. Returns the byte behind. */
static inline uint8_t *encode_text(uint8_t *out, uint32_t number, const char *key,
				   const char *value)
{
	size_t any = wire_bytes_size(1, strlen(value));

	out = wire_put_header(out, number,
			      wire_bytes_size(1, strlen(key)) + wire_bytes_size(2, any));
	out = wire_put_bytes(out, 1, key, strlen(key));
	out = wire_put_header(out, 2, any);
	return wire_put_bytes(out, 1, value, strlen(value));
}

/* One ATTRIBUTES record with one attribute. @time: 0 if it is not TIMED. */
static inline void producer_text(struct producer *p, uint64_t span, uint8_t flags, uint64_t time,
				 const char *key, const char *value)
{
	uint8_t *field = malloc(strlen(key) + strlen(value) + 64), *end;

	assert(field);
	end = encode_text(field, 9, key, value);
	producer_put(p, OTEL_RECORD_ATTRIBUTES, flags | (time ? OTEL_RECORD_TIMED : 0), span, &time,
		     time ? 8 : 0, field, (size_t)(end - field));
	free(field);
}

static inline void producer_event(struct producer *p, uint64_t span, uint8_t flags, uint64_t time,
				  const char *name, const void *rest, size_t rest_size)
{
	uint8_t *body = malloc(strlen(name) + rest_size + 32), *end;

	assert(body);
	end = wire_put_bytes(body, 2, name, strlen(name));
	end = wire_put_raw(end, rest, rest_size);
	producer_put(p, OTEL_RECORD_EVENT, flags | OTEL_RECORD_TIMED, span, &time, 8, body,
		     (size_t)(end - body));
	free(body);
}

static inline void producer_status(struct producer *p, uint64_t span, uint64_t time, uint8_t code,
				   uint8_t by, const char *description)
{
	struct otel_status status = {.code = code, .by = by};
	uint8_t head[16];

	memcpy(head, &time, 8);
	memcpy(head + 8, &status, 8);
	producer_put(p, OTEL_RECORD_STATUS, time ? OTEL_RECORD_TIMED : 0, span,
		     time ? head : head + 8, time ? 16 : 8, description, strlen(description));
}

static inline void producer_name(struct producer *p, uint64_t span, uint64_t time, const char *name)
{
	producer_put(p, OTEL_RECORD_NAME, time ? OTEL_RECORD_TIMED : 0, span, &time, time ? 8 : 0,
		     name, strlen(name));
}

static inline void producer_error(struct producer *p, uint64_t span, uint64_t time, int error)
{
	struct otel_error it = {.time = time, .error = error};

	producer_put(p, OTEL_RECORD_ERROR, OTEL_RECORD_COUNTED, span, &it, sizeof(it), NULL, 0);
}

/* Any other event of a process. */
static inline int producer_life(struct producer *p, struct intake *intake, uint32_t kind,
				const void *body, size_t size)
{
	uint8_t data[sizeof(struct event) + 16384];
	struct event event = {
		.kind = kind,
		.size = (uint32_t)size,
		.process = p->process,
		.time = p->event_time,
	};

	assert(size <= 16384);
	memcpy(data, &event, sizeof(event));
	if (size)
		memcpy(data + sizeof(event), body, size);
	return intake_event(intake, data, sizeof(event) + size);
}

/* Hands the buffer over as it is, without emptying it: a look from outside. */
static inline int producer_look(struct producer *p, struct intake *intake)
{
	struct event event = {
		.kind = EVENT_FLUSH,
		.size = (uint32_t)(sizeof(p->header) + p->size),
		.process = p->process,
		.time = p->event_time,
	};
	uint8_t *exact = malloc(sizeof(event) + event.size);
	int err;

	assert(exact);
	p->header.committed = (uint32_t)p->size;
	memcpy(p->event, &event, sizeof(event));
	memcpy(p->event + sizeof(event), &p->header, sizeof(p->header));
	/* As large as it is, not more: the address sanitizer sees any byte read too many. */
	memcpy(exact, p->event, sizeof(event) + event.size);
	err = intake_event(intake, exact, sizeof(event) + event.size);
	free(exact);
	return err;
}

/* Empties it, whoever has read it. */
static inline void producer_empty(struct producer *p)
{
	p->header.position += p->size;
	p->header.started_before = p->header.started;
	p->size = 0;
}

/* The kernel side cannot take a flush, and notes it. */
static inline void producer_lose(struct producer *p, enum loss reason)
{
	struct loss_note *note = &p->note;

	if (!p->noted)
		*note = (struct loss_note){
			.position = p->header.position,
			.started_before = p->header.started_before,
		};
	p->noted = true;
	note->flushes[reason]++;
	note->spans[reason] += p->header.started - p->header.started_before;
	note->bytes[reason] += p->size;
	note->end = p->header.position + p->size;
	note->started = p->header.started;
	note->not_sampled = p->header.not_sampled;
	note->dropped_starts = p->header.dropped_starts;
	producer_empty(p);
}

/* And tells. */
static inline void producer_tell(struct producer *p, struct intake *intake)
{
	const struct loss_key key = {.process = p->process, .buffer_id = p->header.buffer_id};

	if (p->noted)
		intake_lost(intake, &key, &p->note);
	p->noted = false;
}

static inline int producer_flush(struct producer *p, struct intake *intake)
{
	int err = producer_look(p, intake);

	producer_empty(p);
	return err;
}

#endif
