/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoder: a flush into records, records into what is fixed in them. Every byte is taken for a
 * claim of the application; nothing here points outside of what was given, nor copies it.
 *
 * Functions return 0 or a negative errno and then say why in a few words for people.
 */
#ifndef OTEL_BPF_DECODE_H
#define OTEL_BPF_DECODE_H

#include <stdbool.h>

#include "otel/record.h"
#include "span.h"

struct flush {
	struct otel_buffer header;
	struct bytes records; /* `committed` bytes, or fewer if fewer were read */
};

/** -EBADMSG: not a buffer, or of a version that is not known here. */
int decode_flush(struct bytes data, struct flush *out, const char **why);

struct record {
	struct otel_record header;
	uint64_t span_id;     /* a name, not a number: as it is in memory */
	struct bytes payload; /* without padding */
};

/**
 * Takes the first record off *@rest. -EBADMSG: this one is malformed, *@rest is behind it.
 * -EPROTO: its size is, so nothing behind it can be found; *@rest is unchanged.
 */
int decode_record(struct bytes *rest, struct record *out, const char **why);

/** Takes the time off the payload of a record that is TIMED. */
int decode_time(struct bytes *payload, uint64_t *time, const char **why);

struct start {
	struct otel_start fixed;
	struct bytes name;
	struct bytes scope; /* the four next together, as they came */
	struct bytes scope_name;
	struct bytes scope_version;
	struct bytes schema_url;
	struct bytes scope_attributes;
	struct bytes tracestate;
	struct bytes attributes;
};

int decode_start(struct bytes payload, struct start *out, const char **why);

struct status {
	uint8_t code;
	uint8_t by;
	struct bytes description;
};

int decode_status(struct bytes payload, struct status *out, const char **why);
int decode_end(struct bytes payload, struct otel_end *out, const char **why);
int decode_error(struct bytes payload, struct otel_error *out, const char **why);

struct anchor {
	enum otel_language language;
	struct bytes environment; /* strings, each with its NUL but perhaps the last */
	struct bytes resource;	  /* fields of OTLP's Resource, as RESOURCE records have them */
};

int decode_anchor(struct bytes data, struct anchor *out, const char **why);

/** "START", or "unknown". */
const char *record_name(uint8_t kind);

#endif
