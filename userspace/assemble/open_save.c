/* SPDX-License-Identifier: Apache-2.0 */
#include "open_save.h"

#include "fields.h"
#include "utf8.h"
#include "wire.h"

/* A reminder for who gives it another field: what becomes of that over a restart is said here. */
_Static_assert(sizeof(struct open_span) == 560, "open_save() and open_load() have all fields");

/* ---- Attributes ----------------------------------------------------------------------------- */

void attributes_save(const struct attributes *set, struct pack *pack)
{
	uint64_t time;

	pack_u64(pack, set->n);
	pack_u64(pack, set->dropped);
	for (uint32_t i = 0; i < set->n; i++) {
		struct bytes body = attributes_at(set, i, &time);

		pack_u64(pack, time);
		pack_bytes(pack, body.data, body.size);
	}
}

void attributes_load(struct attributes *set, uint8_t tag, struct unpack *unpack)
{
	const struct attributes_limits all = {.most = UINT32_MAX, .most_bytes = OPEN_BYTES_MAX};
	uint64_t n = unpack_u64(unpack), dropped = unpack_u64(unpack);
	const char *why;

	for (uint64_t i = 0; i < n && !unpack->failed; i++) {
		uint64_t time = unpack_u64(unpack);
		struct bytes body = unpack_bytes(unpack);

		if (!unpack->failed && attributes_put(set, tag, body, time, &all, &why))
			unpack->failed = true;
	}
	set->dropped = (uint32_t)dropped;
}

/* ---- Scopes --------------------------------------------------------------------------------- */

static bool same(struct bytes a, struct bytes b)
{
	return a.size == b.size && (!a.size || !memcmp(a.data, b.data, a.size));
}

static struct bytes put(uint8_t **room, struct bytes from)
{
	struct bytes to = {.data = *room, .size = from.size};

	*room = wire_put_raw(*room, from.data, from.size);
	return to;
}

static void load_scope(struct open_span *span, struct unpack *unpack, struct scope **last)
{
	struct bytes encoded = unpack_bytes(unpack), schema_url = unpack_bytes(unpack),
		     name = unpack_bytes(unpack);
	struct scope *scope;
	uint8_t *room;

	if (unpack->failed)
		return;
	if (*last && same((*last)->encoded, encoded) && same((*last)->schema_url, schema_url) &&
	    same((*last)->name, name)) {
		span->scope = scope_ref(*last);
		return;
	}
	scope = scope_new(encoded.size + schema_url.size + name.size, &room);
	if (!scope) {
		unpack->failed = true;
		return;
	}
	scope->encoded = put(&room, encoded);
	scope->schema_url = put(&room, schema_url);
	scope->name = put(&room, name);
	span->scope = scope;
	scope_unref(*last);
	*last = scope_ref(scope);
}

/* ---- Checks: what is exported is never checked again ---------------------------------------- */

static bool texts_are_fine(const struct open_span *span)
{
	return utf8_valid(span->name.data, span->name.size) &&
	       utf8_valid(span->message.data, span->message.size) &&
	       !tracestate_check(blob_bytes(&span->tracestate)) && span->kind >= SPAN_INTERNAL &&
	       span->kind <= SPAN_CONSUMER && span->status <= SPAN_ERROR;
}

/* As add_event() writes them: the time is first. */
static bool events_are_fine(const struct open_span *span)
{
	struct wire_reader reader = wire_reader(blob_bytes(&span->events));
	bool last_found = span->last_event == SIZE_MAX;
	struct event_fields event;
	struct wire_field field;
	uint32_t n = 0;
	const char *why;
	int found;

	while ((found = wire_next(&reader, &field)) > 0) {
		if (field.number != 11 || field.type != WIRE_BYTES || field.bytes.size < 9 ||
		    field.bytes.data[0] != (1 << 3 | WIRE_FIXED64) ||
		    event_check(field.bytes, &event, &why))
			return false;
		last_found |= (size_t)(field.start - span->events.data) == span->last_event;
		n++;
	}
	return !found && n == span->n_events && last_found;
}

static bool links_are_fine(const struct open_span *span)
{
	struct wire_reader reader = wire_reader(blob_bytes(&span->links));
	struct link_fields link;
	struct wire_field field;
	uint32_t n = 0;
	const char *why;
	int found;

	while ((found = wire_next(&reader, &field)) > 0) {
		if (field.number != 13 || field.type != WIRE_BYTES ||
		    link_check(field.bytes, &link, &why))
			return false;
		n++;
	}
	return !found && n == span->n_links;
}

/* ---- Spans ---------------------------------------------------------------------------------- */

enum { STARTED = 1, ENDED = 2, SHARED = 4, DAMAGED = 8, MERGED = 16, LEFT_OUT = 32 };

void open_save(const struct open_span *span, struct pack *pack)
{
	pack_u64(pack, (span->started ? STARTED : 0) | (span->ended ? ENDED : 0) |
			       (span->shared ? SHARED : 0) | (span->damaged ? DAMAGED : 0) |
			       (span->merged ? MERGED : 0) | (span->left_out ? LEFT_OUT : 0));
	pack_u64(pack, span->records);
	pack_u64(pack, span->buffer_id);
	pack_u64(pack, span->end_buffer_id);
	pack_u64(pack, span->process_gaps);
	pack_u64(pack, span->stream_gaps);
	pack_u64(pack, span->start);
	pack_u64(pack, span->end);
	pack_u64(pack, span->start_unix);
	pack_u64(pack, span->end_unix);
	pack_u64(pack, (uint64_t)span->offset);
	pack_u64(pack, (uint64_t)span->host_offset);
	pack_raw(pack, span->trace_id, sizeof(span->trace_id));
	pack_raw(pack, span->parent_id, sizeof(span->parent_id));
	pack_u64(pack, span->flags);
	pack_u64(pack, span->kind);
	pack_u64(pack, span->status);
	pack_u64(pack, span->status_by);
	pack_u64(pack, span->status_time);
	pack_u64(pack, span->name_time);
	pack_raw(pack, &span->carried, sizeof(span->carried));
	pack_raw(pack, &span->promised, sizeof(span->promised));
	pack_u64(pack, span->n_events);
	pack_u64(pack, span->n_links);
	pack_u64(pack, span->last_event);
	pack_u64(pack, span->last_event_time);
	pack_u64(pack, span->dropped_attributes);
	pack_u64(pack, span->dropped_events);
	pack_u64(pack, span->dropped_links);
	pack_blob(pack, &span->name);
	pack_blob(pack, &span->tracestate);
	pack_blob(pack, &span->message);
	attributes_save(&span->attributes, pack);
	pack_blob(pack, &span->events);
	pack_blob(pack, &span->links);
	pack_u64(pack, span->n_late);
	pack_blob(pack, &span->late);
	if (!span->started)
		return;
	pack_bytes(pack, span->scope->encoded.data, span->scope->encoded.size);
	pack_bytes(pack, span->scope->schema_url.data, span->scope->schema_url.size);
	pack_bytes(pack, span->scope->name.data, span->scope->name.size);
}

static void unpack_to(struct unpack *unpack, void *to, size_t size)
{
	struct bytes found = unpack_raw(unpack, size);

	if (found.size)
		memcpy(to, found.data, size);
}

void open_load(struct open_span *span, struct unpack *unpack, struct scope **scope)
{
	uint64_t bits = unpack_u64(unpack);

	span->started = bits & STARTED;
	span->ended = bits & ENDED;
	span->shared = bits & SHARED;
	span->damaged = bits & DAMAGED;
	span->merged = bits & MERGED;
	span->left_out = bits & LEFT_OUT;
	span->records = unpack_u64(unpack);
	span->buffer_id = unpack_u64(unpack);
	span->end_buffer_id = unpack_u64(unpack);
	span->process_gaps = unpack_u64(unpack);
	span->stream_gaps = unpack_u64(unpack);
	span->start = unpack_u64(unpack);
	span->end = unpack_u64(unpack);
	span->start_unix = unpack_u64(unpack);
	span->end_unix = unpack_u64(unpack);
	span->offset = (int64_t)unpack_u64(unpack);
	span->host_offset = (int64_t)unpack_u64(unpack);
	unpack_to(unpack, span->trace_id, sizeof(span->trace_id));
	unpack_to(unpack, span->parent_id, sizeof(span->parent_id));
	span->flags = (uint32_t)unpack_u64(unpack);
	span->kind = (uint8_t)unpack_u64(unpack);
	span->status = (uint8_t)unpack_u64(unpack);
	span->status_by = (uint8_t)unpack_u64(unpack);
	span->status_time = unpack_u64(unpack);
	span->name_time = unpack_u64(unpack);
	unpack_to(unpack, &span->carried, sizeof(span->carried));
	unpack_to(unpack, &span->promised, sizeof(span->promised));
	span->n_events = (uint32_t)unpack_u64(unpack);
	span->n_links = (uint32_t)unpack_u64(unpack);
	span->last_event = unpack_u64(unpack);
	span->last_event_time = unpack_u64(unpack);
	span->dropped_attributes = unpack_u64(unpack);
	span->dropped_events = unpack_u64(unpack);
	span->dropped_links = unpack_u64(unpack);
	unpack_blob(unpack, &span->name);
	unpack_blob(unpack, &span->tracestate);
	unpack_blob(unpack, &span->message);
	attributes_load(&span->attributes, ATTRIBUTES_TAG(9), unpack);
	unpack_blob(unpack, &span->events);
	unpack_blob(unpack, &span->links);
	span->n_late = (uint32_t)unpack_u64(unpack);
	unpack_blob(unpack, &span->late);
	if (span->started)
		load_scope(span, unpack, scope);
	/* Before its START, one has only what is late, and perhaps an END. */
	if (!span->started)
		span->kind = SPAN_INTERNAL;
	if (!texts_are_fine(span) || !events_are_fine(span) || !links_are_fine(span) ||
	    !open_late_is_fine(span))
		unpack->failed = true;
}
