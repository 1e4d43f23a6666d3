/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otel/tracestate.h: what vendors hand along with a trace. OpenTelemetry: TraceState; W3C: tracestate.
 *
 * A trace state is a value of 1 KiB that is never changed: what changes one returns another, and if
 * the change is not allowed, an equal one.
 *
 *     otel_tracestate state = otel_tracestate_of(&context);
 *     otel_context changed;
 *
 *     state = otel_tracestate_update(&state, "shop", "basket:7");
 *     changed = otel_context_with_tracestate(context, &state);
 *     ... what is started with otel_parent(changed) hands it along ...
 *     otel_context_release(&changed);
 *
 * Keys and values are what Trace Context Level 2 allows: see otel/members.h. There are at most 32
 * members, the one that was changed last in front. Of a list longer than 1000 bytes whole members are
 * left out: first those of more than 128 characters, then others, both from the right.
 * A trace state that is NULL is an empty one, and a context that is NULL has none.
 */
#ifndef OTEL_TRACESTATE_H
#define OTEL_TRACESTATE_H

#include <errno.h>
#include <stddef.h>

#include "members.h"
#include "trace.h"

#define OTEL_API_ static __attribute__((noinline, unused))

typedef struct otel_tracestate {
	otel_u32 size;	 /* of the text */
	char text[1020]; /* as in the header; ends in NUL, what follows is zero, too */
} otel_tracestate;

OTEL_STATIC_ASSERT(sizeof(otel_tracestate) == 1024, "ABI");

/* One member; the texts are parts of the trace state and do not end in NUL. */
typedef struct otel_tracestate_member {
	const char *key;
	const char *value;
	size_t key_size;
	size_t value_size;
} otel_tracestate_member;

/** The empty one. OpenTelemetry: TraceState, get_default. */
OTEL_INLINE_ otel_tracestate otel_tracestate_empty(void)
{
	otel_tracestate state;

	__builtin_memset(&state, 0, sizeof(state));
	return state;
}

OTEL_API_ otel_tracestate otel_tracestate_write_(struct otel_members_ *members, otel_u32 kept)
{
	otel_tracestate state = otel_tracestate_empty();

	state.size = otel_members_write_(members, kept, state.text);
	return state;
}

OTEL_INLINE_ otel_tracestate otel_tracestate_same_(const otel_tracestate *state)
{
	return state ? *state : otel_tracestate_empty();
}

OTEL_INLINE_ void otel_tracestate_read_(const otel_tracestate *state, struct otel_members_ *members)
{
	members->count = members->seen = 0;
	if (state && !otel_members_read_(members, state->text, state->size))
		members->count = 0;
}

/**
 * Reads the values of the @count tracestate headers of a request, in their order. One malformed member,
 * or more than 32, and the result is empty. A key that is there twice has the value of its first.
 */
OTEL_API_ otel_tracestate otel_tracestate_from_header(const char *const *headers, size_t count)
{
	struct otel_members_ members;

	members.count = members.seen = 0;
	for (size_t i = 0; headers && i < count; i++)
		if (headers[i] && !otel_members_read_(&members, headers[i], __builtin_strlen(headers[i])))
			return otel_tracestate_empty();
	return otel_tracestate_write_(&members, 0);
}

/**
 * Makes one of @count pairs: @pairs is key, value, key, value, and so on. Malformed pairs are left out,
 * the first of a key counts, and of more than 32 nothing is left.
 */
OTEL_API_ otel_tracestate otel_tracestate_from_pairs(const char *const *pairs, size_t count)
{
	struct otel_members_ members;

	members.count = members.seen = 0;
	for (size_t i = 0; pairs && i < count; i++) {
		struct otel_member_ member;
		size_t key_size, value_size;

		if (!pairs[2 * i] || !pairs[2 * i + 1])
			continue;
		key_size = __builtin_strlen(pairs[2 * i]);
		value_size = __builtin_strlen(pairs[2 * i + 1]);
		if (!otel_member_key_ok_(pairs[2 * i], key_size) ||
		    !otel_member_value_ok_(pairs[2 * i + 1], value_size))
			continue;
		member.key = pairs[2 * i];
		member.key_size = (otel_u32)key_size;
		member.value = pairs[2 * i + 1];
		member.value_size = (otel_u32)value_size;
		otel_members_append_(&members, &member);
		if (members.count > OTEL_MEMBERS_MAX_)
			return otel_tracestate_empty();
	}
	return otel_tracestate_write_(&members, 0);
}

/** As in the header's value: ends in NUL, is empty if there is nothing to send. */
OTEL_INLINE_ const char *otel_tracestate_header(const otel_tracestate *state)
{
	return state ? state->text : "";
}

/**
 * The next member: *@position is 0 for the first one, and moved on. Returns 0 at the end.
 *
 *     for (size_t at = 0; otel_tracestate_next(&state, &at, &member);)
 *             printf("%.*s\n", (int)member.key_size, member.key);
 */
OTEL_API_ int otel_tracestate_next(const otel_tracestate *state, size_t *position,
				   otel_tracestate_member *out)
{
	const char *at, *end, *equals;

	if (!state || *position >= state->size || state->size >= sizeof(state->text))
		return 0;
	at = state->text + *position;
	end = (const char *)__builtin_memchr(at, ',', state->size - *position);
	if (!end)
		end = state->text + state->size;
	equals = (const char *)__builtin_memchr(at, '=', (size_t)(end - at));
	if (!equals)
		return 0;
	out->key = at;
	out->key_size = (size_t)(equals - at);
	out->value = equals + 1;
	out->value_size = (size_t)(end - equals - 1);
	*position = (size_t)(end - state->text) + 1;
	return 1;
}

/** How many members there are. */
OTEL_API_ size_t otel_tracestate_count(const otel_tracestate *state)
{
	otel_tracestate_member member;
	size_t count = 0;

	for (size_t at = 0; otel_tracestate_next(state, &at, &member);)
		count++;
	return count;
}

/**
 * Copies the value of @key to @value, cut at @room with its NUL. Returns its length, which is 256 at
 * most, or -ENOENT.
 */
OTEL_API_ int otel_tracestate_get(const otel_tracestate *state, const char *key, char *value, size_t room)
{
	size_t size = key ? __builtin_strlen(key) : 0;
	otel_tracestate_member member;

	if (!value)
		room = 0;
	if (room)
		value[0] = 0;
	for (size_t at = 0; key && otel_tracestate_next(state, &at, &member);) {
		size_t part = member.value_size;

		if (member.key_size != size || __builtin_memcmp(member.key, key, size))
			continue;
		if (room) {
			if (part > room - 1)
				part = room - 1;
			__builtin_memcpy(value, member.value, part);
			value[part] = 0;
		}
		return (int)member.value_size;
	}
	return -ENOENT;
}

OTEL_API_ otel_tracestate otel_tracestate_put_(const otel_tracestate *state, const char *key,
					       const char *value, int replace)
{
	size_t key_size = key ? __builtin_strlen(key) : 0, value_size = value ? __builtin_strlen(value) : 0;
	struct otel_members_ members;
	struct otel_member_ member;
	int at;

	if (!otel_member_key_ok_(key, key_size) || !otel_member_value_ok_(value, value_size))
		return otel_tracestate_same_(state);
	otel_tracestate_read_(state, &members);
	at = otel_members_find_(&members, key, key_size);
	if (at >= 0 ? !replace : members.count >= OTEL_MEMBERS_MAX_)
		return otel_tracestate_same_(state);
	if (at >= 0)
		otel_members_remove_(&members, (otel_u32)at);
	member.key = key;
	member.key_size = (otel_u32)key_size;
	member.value = value;
	member.value_size = (otel_u32)value_size;
	otel_members_prepend_(&members, &member);
	return otel_tracestate_write_(&members, 1);
}

/** With a new member in front. Rejected: a malformed key or value, a key that is there, 32 members. */
OTEL_INLINE_ otel_tracestate otel_tracestate_add(const otel_tracestate *state, const char *key,
						 const char *value)
{
	return otel_tracestate_put_(state, key, value, 0);
}

/**
 * With another value of a key, which moves to the front; added if it is not there. Rejected: a malformed
 * key or value, a new key when there are 32 members.
 */
OTEL_INLINE_ otel_tracestate otel_tracestate_update(const otel_tracestate *state, const char *key,
						    const char *value)
{
	return otel_tracestate_put_(state, key, value, 1);
}

/** Without a key; the others keep their order. */
OTEL_API_ otel_tracestate otel_tracestate_delete(const otel_tracestate *state, const char *key)
{
	struct otel_members_ members;
	int at;

	otel_tracestate_read_(state, &members);
	at = key ? otel_members_find_(&members, key, __builtin_strlen(key)) : -1;
	if (at < 0)
		return otel_tracestate_same_(state);
	otel_members_remove_(&members, (otel_u32)at);
	return otel_tracestate_write_(&members, 0);
}

/* ---- Of contexts -------------------------------------------------------------------------------- */

/** The trace state of @context; empty if it has none. OpenTelemetry: SpanContext, TraceState. */
OTEL_API_ otel_tracestate otel_tracestate_of(const otel_context *context)
{
	otel_tracestate state = otel_tracestate_empty();

#ifdef OTEL_BPF_DISABLE
	(void)context;
#else
	if (context && otel_valid_(context))
		state.size = otel_text_copy_(context->tracestate, state.text, OTEL_MEMBERS_SIZE_ + 1);
#endif
	return state;
}

/**
 * A context that is @context with another trace state; both need an otel_context_release(). Without
 * ids there is no trace state.
 */
OTEL_API_ otel_context otel_context_with_tracestate(otel_context context, const otel_tracestate *state)
{
#ifdef OTEL_BPF_DISABLE
	(void)state;
#else
	otel_u64 old = 0;

	context.state &= (otel_u8) ~(OTEL_CONTEXT_BORROWED | OTEL_CONTEXT_SHARED);
	otel_hold_(&context);
	if (otel_valid_(&context)) {
		old = context.tracestate;
		context.tracestate =
			state && state->size <= OTEL_MEMBERS_SIZE_ ? otel_text_new_(state->text, state->size) : 0;
		context.state &= (otel_u8)~OTEL_CONTEXT_OWNS;
		if (context.tracestate | context.baggage)
			context.state |= OTEL_CONTEXT_OWNS;
	}
	otel_text_unref_(old);
#endif
	return context;
}

#endif
