/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the intake with whole sequences of events. The input is a program of a byte code: each
 * step takes a byte that says what to do, and what it needs from the bytes that follow, so that
 * mutations reach deep: valid headers around garbage, positions that nearly fit, pieces, several
 * threads and processes. What comes out must be valid OTLP, and every span accounted for.
 *
 *     clang -fsanitize=fuzzer,address,undefined ... intake_fuzz.c; ./intake_fuzz corpus
 */
#include <stdbool.h>
#include <stdio.h>

#include "attributes.h"
#include "fields.h"
#include "hash.h"
#include "utf8.h"
#include "../unit/producer.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BUFFERS = 4 };

static uint64_t take_u64(struct input *in)
{
	uint64_t value = 0;
	size_t n = (size_t)(in->end - in->p) < 8 ? (size_t)(in->end - in->p) : 8;

	memcpy(&value, in->p, n);
	in->p += n;
	return value;
}

static struct bytes take_bytes(struct input *in, size_t size)
{
	size_t n = (size_t)(in->end - in->p) < size ? (size_t)(in->end - in->p) : size;
	struct bytes bytes = {.data = in->p, .size = n};

	in->p += n;
	return bytes;
}

/* ---- What comes out ------------------------------------------------------------------------- */

static void check_text(struct bytes text)
{
	CHECK(utf8_valid(text.data, text.size));
}

/* Fields @number of a message are clean attributes with keys of their own. */
static void check_attributes(struct bytes message, uint32_t number, size_t most)
{
	struct wire_reader reader = wire_reader(message);
	struct bytes keys[256], key;
	struct wire_field field;
	const char *why;
	size_t n = 0;

	while (wire_next(&reader, &field) > 0) {
		if (field.number != number)
			continue;
		CHECK(field.type == WIRE_BYTES);
		CHECK(key_value_check(field.bytes, &key, &why) == 0);
		CHECK(key.size && n < most);
		for (size_t i = 0; i < n; i++)
			CHECK(keys[i].size != key.size || memcmp(keys[i].data, key.data, key.size));
		keys[n++] = key;
	}
	CHECK(reader.p == reader.end);
}

struct fuzz {
	struct intake *intake;
	struct producer *buffers[BUFFERS];
	uint64_t now;
	size_t finished;
	bool tampered; /* with a checkpoint, which only the agent writes: no crash, but not valid either */
};

/* A byte of all, so that the sanitizer sees what is not there. */
static void touch(struct bytes bytes)
{
	static volatile uint64_t sum;

	sum += hash_bytes(1, bytes.data, bytes.size);
}

static void check_span(void *self, struct span *span)
{
	struct fuzz *fuzz = self;
	struct wire_reader reader;
	struct wire_field field;
	struct event_fields event;
	struct link_fields link;
	const char *why;

	fuzz->finished++;
	touch(span->attributes);
	touch(span->events);
	touch(span->links);
	touch(span->scope->encoded);
	touch(span->resource->encoded);
	if (fuzz->tampered)
		return;
	check_text(span->name);
	check_text(span->status_message);
	check_text(span->scope->name);
	check_text(span->scope->schema_url);
	CHECK(!tracestate_check(span->tracestate));
	CHECK(span->kind >= SPAN_INTERNAL && span->kind <= SPAN_CONSUMER);
	CHECK(span->status <= SPAN_ERROR);
	CHECK(span->status == SPAN_ERROR || !span->status_message.size);
	/* Two more are the agent's marks. */
	check_attributes(span->attributes, 9, ATTRIBUTES_MAX + 2);
	check_attributes(span->scope->encoded, 3, ATTRIBUTES_MAX);
	check_attributes(span->resource->encoded, 1, 256);
	reader = wire_reader(span->events);
	while (wire_next(&reader, &field) > 0) {
		CHECK(field.number == 11 && field.type == WIRE_BYTES);
		CHECK(!event_check(field.bytes, &event, &why));
		CHECK(field.bytes.data[0] == 0x09);
		check_text(event.name);
		check_attributes(field.bytes, 3, ATTRIBUTES_MAX);
	}
	CHECK(reader.p == reader.end);
	reader = wire_reader(span->links);
	while (wire_next(&reader, &field) > 0) {
		CHECK(field.number == 13 && field.type == WIRE_BYTES);
		CHECK(!link_check(field.bytes, &link, &why));
		check_attributes(field.bytes, 4, ATTRIBUTES_MAX);
	}
	CHECK(reader.p == reader.end);
}

static bool is_on(void *self, struct bytes name)
{
	(void)self;
	return !name.size || !(name.data[0] & 1);
}

/* Some text for a stack trace. */
static void describe(void *self, const struct process_id *process, uint64_t at,
		     struct bytes addresses, struct blob *text)
{
	(void)self;
	(void)process;
	(void)at;
	CHECK(addresses.size && addresses.size % 8 == 0);
	(void)blob_append(text, addresses.data, addresses.size);
}

/* ---- What goes in --------------------------------------------------------------------------- */

static struct producer *pick(struct fuzz *fuzz, struct input *in)
{
	struct producer *p = fuzz->buffers[take_u8(in) % BUFFERS];

	p->event_time = fuzz->now;
	p->header.clock_time = fuzz->now;
	return p;
}

static void put_record(struct fuzz *fuzz, struct input *in)
{
	struct producer *p = pick(fuzz, in);
	uint8_t kind = take_u8(in), flags = take_u8(in), span = take_u8(in);
	struct bytes payload = take_bytes(in, take_u8(in));
	uint8_t head[sizeof(struct otel_start)];
	size_t head_size = 0;

	if (p->size > 65536)
		return;
	/* Something whole before what is mutated: hardly any input would get so far by itself. */
	if (kind & 0x80) {
		struct start_options options = {
			.time = fuzz->now,
			.parent = take_u8(in),
			.attributes = payload.data,
			.attributes_size = payload.size,
			.record_flags = flags & (uint8_t)~OTEL_RECORD_CONTINUED,
		};

		producer_start(p, 1 + span % 16, "name", &options);
		return;
	}
	if (kind & 0x40) {
		uint64_t time = fuzz->now + take_u8(in);

		memcpy(head, &time, 8);
		head_size = 8;
		flags |= OTEL_RECORD_TIMED;
	}
	producer_put(p, kind & 0x0f, flags, span % 17, head, head_size, payload.data, payload.size);
}

static void put_end(struct fuzz *fuzz, struct input *in)
{
	struct producer *p = pick(fuzz, in);
	uint8_t span = take_u8(in), counts = take_u8(in);

	if (p->size < 65536)
		producer_end(p, 1 + span % 16, fuzz->now + counts, counts & 3, counts >> 2 & 3,
			     counts >> 4 & 3, counts >> 6 & 1);
}

static void flush(struct fuzz *fuzz, struct input *in)
{
	struct producer *p = pick(fuzz, in);
	uint8_t how = take_u8(in);

	if (how & 1)
		p->header.position += take_u8(in) * 8u;
	if (how & 2)
		p->header.position -= take_u8(in) * 8u;
	if (how & 4)
		producer_look(p, fuzz->intake);
	if (how & 8) {
		producer_empty(p);
		return;
	}
	if (how & 16) {
		p->header.started += take_u8(in);
		p->header.dropped_starts += take_u8(in);
	}
	producer_flush(p, fuzz->intake);
}

/* A body that is all made up, of any kind. */
static void raw(struct fuzz *fuzz, struct input *in)
{
	struct producer *p = pick(fuzz, in);
	uint32_t kind = take_u8(in) % 10;
	struct bytes body = take_bytes(in, take_u8(in) * 8u);

	producer_life(p, fuzz->intake, kind, body.data, body.size);
}

/* Bytes of the records or of the header are overwritten. */
static void damage(struct fuzz *fuzz, struct input *in)
{
	struct producer *p = pick(fuzz, in);
	size_t at = take_u8(in) | (size_t)take_u8(in) << 8;
	struct bytes with = take_bytes(in, 1 + take_u8(in) % 16);

	if (at & 0x8000) {
		at = (at & 0x7fff) % (sizeof(p->header) - 16);
		memcpy((uint8_t *)&p->header + at, with.data, with.size);
	} else if (p->size > 16 && with.size) {
		memcpy(producer_records(p) + at % (p->size - 16), with.data, with.size);
	}
}

static void live(struct fuzz *fuzz, struct input *in)
{
	struct producer *p = pick(fuzz, in);
	uint8_t how = take_u8(in);
	struct event_exit end = {.status = take_u8(in) | (how & 0x80 ? 0 : 3 << 8)};
	struct event_fork fork = {.parent = app};
	struct bytes strings;
	uint8_t exec[sizeof(struct event_exec) + 256] = {0};

	switch (how % 3) {
	case 0:
		producer_life(p, fuzz->intake, EVENT_EXIT, &end, sizeof(end));
		break;
	case 1:
		p->process.pid = app.pid - how % 8;
		producer_life(p, fuzz->intake, EVENT_FORK, &fork, sizeof(fork));
		break;
	case 2:
		p->process.execs++;
		exec[0] = take_u8(in);
		exec[4] = take_u8(in);
		strings = take_bytes(in, 255);
		wire_put_raw(exec + sizeof(struct event_exec), strings.data, strings.size);
		producer_life(p, fuzz->intake, EVENT_EXEC, exec,
			      sizeof(struct event_exec) + strings.size);
		break;
	}
}

static void lose(struct fuzz *fuzz, struct input *in)
{
	struct producer *p = pick(fuzz, in);
	struct loss_key key = {.process = p->process};

	producer_lose(p, (enum loss)(take_u8(in) % LOSSES));
	if (take_u8(in) % 4) {
		producer_tell(p, fuzz->intake);
		return;
	}
	p->note.spans[LOSS_RING_FULL] = take_u64(in);
	intake_lost(fuzz->intake, &key, &p->note);
	p->noted = false;
}

static struct intake *begin(struct fuzz *fuzz)
{
	const struct intake_options options = {
		.max_open = 20,
		.sink = {.submit = check_span, .self = fuzz},
		.tracers = {.on = is_on},
		.stack_names = {.describe = describe},
	};
	struct intake *intake = intake_new(&options);

	CHECK(intake);
	fuzz->finished = 0;
	return intake;
}

static void check_books(struct fuzz *fuzz)
{
	struct intake_counts counts;

	intake_counts(fuzz->intake, &counts);
	CHECK(counts.books[BOOK_EXPORTING] == fuzz->finished);
	CHECK(!books_difference(counts.books));
}

/* Another agent goes on, from a checkpoint that may have been written to; the checksum is right. */
static void restart(struct fuzz *fuzz, struct input *in)
{
	const size_t head = 24;
	struct blob state = {0};
	struct intake *next = begin(fuzz);
	uint8_t damages = take_u8(in);
	uint64_t open, checksum;
	int err;

	CHECK(!intake_save(fuzz->intake, &state));
	intake_free(fuzz->intake);
	fuzz->intake = next;
	if (damages >= 0x80) {
		fuzz->tampered = true;
		for (damages &= 7; damages; damages--) {
			size_t at = take_u8(in) | (size_t)take_u8(in) << 8;
			struct bytes with = take_bytes(in, 1 + take_u8(in) % 8);

			if (with.size)
				memcpy(state.data + head + at % (state.size - head - 7), with.data, with.size);
		}
		checksum = hash_bytes(1, state.data + head, state.size - head);
		memcpy(state.data + 16, &checksum, sizeof(checksum));
	}
	err = intake_load(next, blob_bytes(&state), fuzz->now, &open);
	CHECK(!err || fuzz->tampered);
	blob_free(&state);
	if (err) {
		intake_free(next);
		fuzz->intake = begin(fuzz);
	}
}

static void step(struct fuzz *fuzz, struct input *in)
{
	switch (take_u8(in) % 10) {
	case 0:
	case 1:
		put_record(fuzz, in);
		break;
	case 2:
		put_end(fuzz, in);
		break;
	case 3:
		flush(fuzz, in);
		break;
	case 4:
		raw(fuzz, in);
		break;
	case 5:
		damage(fuzz, in);
		break;
	case 6:
		live(fuzz, in);
		break;
	case 7:
		lose(fuzz, in);
		break;
	case 8:
		fuzz->now += take_u64(in) % (2 * SECOND);
		intake_tick(fuzz->intake, fuzz->now);
		break;
	case 9:
		restart(fuzz, in);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct producer buffers[BUFFERS]; /* large: not made anew for every input */
	struct input in = {.p = data, .end = data + size};
	struct fuzz fuzz = {.now = NOW};
	struct intake_counts counts;

	fuzz.intake = begin(&fuzz);
	for (int i = 0; i < BUFFERS; i++) {
		fuzz.buffers[i] = &buffers[i];
		producer_init(fuzz.buffers[i], (uint64_t)i + 1);
	}
	while (in.p < in.end)
		step(&fuzz, &in);
	intake_finish(fuzz.intake);
	intake_counts(fuzz.intake, &counts);
	CHECK(counts.books[BOOK_OPEN] == 0);
	check_books(&fuzz);
	intake_free(fuzz.intake);
	return 0;
}
