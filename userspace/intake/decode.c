/* SPDX-License-Identifier: Apache-2.0 */
#include "decode.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static int bad(const char **why, const char *what)
{
	*why = what;
	return -EBADMSG;
}

static struct bytes take(struct bytes *from, size_t size)
{
	struct bytes taken = {.data = from->data, .size = size};

	from->data += size;
	from->size -= size;
	return taken;
}

static size_t at_most(size_t size, size_t most)
{
	return size < most ? size : most;
}

/* The fixed part of a payload, which later writers may have made longer. */
static int fixed(struct bytes payload, void *out, size_t size, const char **why)
{
	if (payload.size < size)
		return bad(why, "too short");
	memcpy(out, payload.data, size);
	return 0;
}

int decode_flush(struct bytes data, struct flush *out, const char **why)
{
	struct otel_buffer *header = &out->header;

	if (fixed(data, header, sizeof(*header), why))
		return -EBADMSG;
	if (header->magic != OTEL_BUFFER_MAGIC)
		return bad(why, "no buffer");
	if (header->version != OTEL_FORMAT_VERSION)
		return bad(why, "unknown version of the format");
	if (header->header_size < sizeof(*header) || header->header_size > data.size)
		return bad(why, "bad header size");
	if (!header->buffer_id)
		return bad(why, "no buffer id");
	take(&data, header->header_size);
	if (data.size > header->committed)
		data.size = header->committed;
	if (header->position > UINT64_MAX / 2)
		return bad(why, "impossible position");
	out->records = data;
	return 0;
}

int decode_record(struct bytes *rest, struct record *out, const char **why)
{
	struct otel_record *header = &out->header;

	*why = "bad size";
	if (rest->size < sizeof(*header))
		return -EPROTO;
	memcpy(header, rest->data, sizeof(*header));
	if (header->size < sizeof(*header) || header->size % 8 || header->size > rest->size)
		return -EPROTO;
	memcpy(&out->span_id, header->span_id, sizeof(out->span_id));
	out->payload = take(rest, header->size);
	take(&out->payload, sizeof(*header));
	if (header->padding > 7 || header->padding > out->payload.size)
		return bad(why, "bad padding");
	out->payload.size -= header->padding;
	if (!out->span_id && header->kind != OTEL_RECORD_RESOURCE &&
	    header->kind <= OTEL_RECORD_LATE)
		return bad(why, "no span id");
	return 0;
}

int decode_time(struct bytes *payload, uint64_t *time, const char **why)
{
	if (fixed(*payload, time, sizeof(*time), why))
		return -EBADMSG;
	take(payload, sizeof(*time));
	return 0;
}

static bool all_zero(const otel_u8 *bytes, size_t size)
{
	otel_u8 any = 0;

	for (size_t i = 0; i < size; i++)
		any |= bytes[i];
	return !any;
}

int decode_start(struct bytes payload, struct start *out, const char **why)
{
	const struct otel_start *it = &out->fixed;
	uint64_t scope, strings;

	if (fixed(payload, &out->fixed, sizeof(out->fixed), why))
		return -EBADMSG;
	if (it->fixed_size < sizeof(*it) || it->fixed_size > payload.size)
		return bad(why, "bad fixed size");
	take(&payload, it->fixed_size);
	scope = (uint64_t)it->scope_name_size + it->scope_version_size + it->schema_url_size +
		it->scope_attributes_size;
	strings = it->name_size + scope + it->tracestate_size;
	if (strings > payload.size)
		return bad(why, "strings longer than the record");
	if (all_zero(it->trace_id, sizeof(it->trace_id)))
		return bad(why, "no trace id");
	out->name = take(&payload, it->name_size);
	out->scope = (struct bytes){.data = payload.data, .size = (size_t)scope};
	out->scope_name = take(&payload, it->scope_name_size);
	out->scope_version = take(&payload, it->scope_version_size);
	out->schema_url = take(&payload, it->schema_url_size);
	out->scope_attributes = take(&payload, it->scope_attributes_size);
	out->tracestate = take(&payload, it->tracestate_size);
	out->attributes = payload;
	return 0;
}

int decode_status(struct bytes payload, struct status *out, const char **why)
{
	struct otel_status it;

	if (fixed(payload, &it, sizeof(it), why))
		return -EBADMSG;
	if (it.code > SPAN_ERROR || it.by > OTEL_STATUS_BY_HELPER)
		return bad(why, "unknown code");
	take(&payload, sizeof(it));
	*out = (struct status){.code = it.code, .by = it.by, .description = payload};
	return 0;
}

int decode_end(struct bytes payload, struct otel_end *out, const char **why)
{
	return fixed(payload, out, sizeof(*out), why);
}

int decode_error(struct bytes payload, struct otel_error *out, const char **why)
{
	return fixed(payload, out, sizeof(*out), why);
}

int decode_anchor(struct bytes data, struct anchor *out, const char **why)
{
	const size_t fixed_size = offsetof(struct otel_anchor, environment);
	struct otel_anchor it;

	memset(&it, 0, fixed_size);
	if (fixed(data, &it, fixed_size, why))
		return -EBADMSG;
	if (it.magic != OTEL_ANCHOR_MAGIC)
		return bad(why, "no anchor");
	if (it.version != OTEL_FORMAT_VERSION)
		return bad(why, "unknown version of the format");
	take(&data, fixed_size);
	out->environment = take(&data, at_most(it.environment_size, data.size));
	out->resource = take(&data, at_most(it.resource_size, data.size));
	out->language = it.language == OTEL_LANGUAGE_CPP ? OTEL_LANGUAGE_CPP : OTEL_LANGUAGE_C;
	return 0;
}

const char *record_name(uint8_t kind)
{
	static const char *const names[] = {
		[OTEL_RECORD_START] = "START",	     [OTEL_RECORD_ATTRIBUTES] = "ATTRIBUTES",
		[OTEL_RECORD_EVENT] = "EVENT",	     [OTEL_RECORD_LINK] = "LINK",
		[OTEL_RECORD_STATUS] = "STATUS",     [OTEL_RECORD_NAME] = "NAME",
		[OTEL_RECORD_END] = "END",	     [OTEL_RECORD_ERROR] = "ERROR",
		[OTEL_RECORD_RESOURCE] = "RESOURCE", [OTEL_RECORD_STACK] = "STACK",
		[OTEL_RECORD_LATE] = "LATE",
	};

	return kind && kind <= OTEL_RECORD_LATE ? names[kind] : "unknown";
}
