/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes the encoded pieces of a span apart again, for those exporters that show what is in them.
 *
 * Whatever is not as it should be reads as empty: the bytes were checked when the span was made.
 */
#ifndef OTEL_BPF_OTLP_READ_H
#define OTEL_BPF_OTLP_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "span.h"
#include "wire.h"

/* Values within values: the limit of protobuf's own decoders is 100 messages, 2 for each level. */
#define OTLP_DEPTH 48

/* Fields with attributes. */
enum {
	OTLP_RESOURCE_ATTRIBUTES = 1,
	OTLP_SCOPE_ATTRIBUTES = 3,
	OTLP_SPAN_ATTRIBUTES = 9,
	OTLP_EVENT_ATTRIBUTES = 3,
	OTLP_LINK_ATTRIBUTES = 4,
	OTLP_SPAN_EVENTS = 11,
	OTLP_SPAN_LINKS = 13,
};

enum otlp_type {
	OTLP_EMPTY = 0, /* from here on the numbers of AnyValue's fields */
	OTLP_STRING,
	OTLP_BOOL,
	OTLP_INT,
	OTLP_DOUBLE,
	OTLP_ARRAY,
	OTLP_MAP,
	OTLP_BYTES,
};

struct otlp_value {
	enum otlp_type type;
	union {
		bool boolean;
		int64_t integer;
		double real;
		struct bytes bytes; /* string, bytes; body of ArrayValue or KeyValueList */
	};
};

struct otlp_attribute {
	struct bytes key;
	struct otlp_value value;
};

struct otlp_event {
	uint64_t time_unix_nano;
	struct bytes name;
	struct bytes attributes; /* the event's body: fields OTLP_EVENT_ATTRIBUTES are in it */
	uint32_t dropped_attributes;
};

struct otlp_link {
	struct bytes trace_id; /* 16 bytes, or empty */
	struct bytes span_id;  /* 8 bytes, or empty */
	struct bytes tracestate;
	struct bytes attributes; /* the link's body: fields OTLP_LINK_ATTRIBUTES are in it */
	uint32_t dropped_attributes;
	uint32_t flags;
};

struct otlp_scope {
	struct bytes name;
	struct bytes version;
	struct bytes attributes; /* the scope's body: fields OTLP_SCOPE_ATTRIBUTES are in it */
	uint32_t dropped_attributes;
};

/**
 * The next bytes field @number, whatever else lies between; its body. Returns false at the end.
 */
bool otlp_next(struct wire_reader *reader, uint32_t number, struct bytes *body);

/** The next attribute among fields @number. */
bool otlp_next_attribute(struct wire_reader *reader, uint32_t number, struct otlp_attribute *out);

/** The next element of an OTLP_ARRAY. */
bool otlp_next_value(struct wire_reader *reader, struct otlp_value *out);

/** Bodies of messages. */
void otlp_read_value(struct bytes body, struct otlp_value *out);
void otlp_read_event(struct bytes body, struct otlp_event *out);
void otlp_read_link(struct bytes body, struct otlp_link *out);
void otlp_read_scope(struct bytes body, struct otlp_scope *out);

/** Resource's dropped_attributes_count. */
uint32_t otlp_resource_dropped(struct bytes body);

#endif
