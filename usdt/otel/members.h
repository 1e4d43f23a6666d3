/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to otel/trace.h: the list of members that a W3C tracestate header is: read, changed, written.
 * Members point into the text they were read from.
 *
 * The grammar is that of Trace Context Level 2: a key begins with a lower-case letter or a digit and goes
 * on with these and _-*@/, 256 characters at most; a value is 1 to 256 printable ASCII characters but
 * for comma and equals sign, and does not end in a space.
 */
#ifndef OTEL_MEMBERS_H
#define OTEL_MEMBERS_H

#include "types.h"

#define OTEL_MEMBERS_MAX_ 32u
#define OTEL_MEMBERS_SIZE_ 1000u /* of the text that is written; W3C asks for 512 at least */
#define OTEL_MEMBER_LONG_ 128u	 /* longer ones go first when there is no room for all */

struct otel_member_ {
	const char *key; /* then '=' and the value, if they stand in one text */
	const char *value;
	otel_u32 key_size;
	otel_u32 value_size;
};

struct otel_members_ {
	struct otel_member_ list[OTEL_MEMBERS_MAX_ + 1];
	otel_u32 count;
	otel_u32 seen; /* with those that were there twice */
};

OTEL_INLINE_ int otel_is_blank_(char c)
{
	return c == ' ' || c == '\t';
}

static __attribute__((unused)) int otel_member_key_ok_(const char *key, unsigned long size)
{
	if (!size || size > 256)
		return 0;
	for (unsigned long i = 0; i < size; i++) {
		char c = key[i];

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			continue;
		if (!i || (c != '_' && c != '-' && c != '*' && c != '/' && c != '@'))
			return 0;
	}
	return 1;
}

static __attribute__((unused)) int otel_member_value_ok_(const char *value, unsigned long size)
{
	if (!size || size > 256 || value[size - 1] == ' ')
		return 0;
	for (unsigned long i = 0; i < size; i++)
		if (value[i] < 0x20 || value[i] > 0x7e || value[i] == ',' || value[i] == '=')
			return 0;
	return 1;
}

/* Where the member with this key is, or -1. */
static __attribute__((unused)) int otel_members_find_(const struct otel_members_ *members,
						      const char *key, unsigned long size)
{
	for (otel_u32 i = 0; i < members->count; i++)
		if (members->list[i].key_size == size &&
		    !__builtin_memcmp(members->list[i].key, key, size))
			return (int)i;
	return -1;
}

/* Puts one at the end, if its key is a new one; the list has room for one more than may be sent. */
static __attribute__((unused)) void otel_members_append_(struct otel_members_ *members,
							 const struct otel_member_ *member)
{
	members->seen++;
	if (members->count <= OTEL_MEMBERS_MAX_ &&
	    otel_members_find_(members, member->key, member->key_size) < 0)
		members->list[members->count++] = *member;
}

static __attribute__((unused)) void otel_members_remove_(struct otel_members_ *members, otel_u32 index)
{
	members->count--;
	for (; index < members->count; index++)
		members->list[index] = members->list[index + 1];
}

/* Puts one in front of all others. */
static __attribute__((unused)) void otel_members_prepend_(struct otel_members_ *members,
							  const struct otel_member_ *member)
{
	if (members->count > OTEL_MEMBERS_MAX_)
		members->count--;
	for (otel_u32 i = members->count; i; i--)
		members->list[i] = members->list[i - 1];
	members->list[0] = *member;
	members->count++;
}

/*
 * Appends the members in @text. False: one is malformed, or there are too many, and the whole list is
 * worth nothing.
 */
static __attribute__((unused)) int otel_members_read_(struct otel_members_ *members, const char *text,
						      unsigned long size)
{
	const char *end = text + size;

	while (text < end) {
		const char *comma = (const char *)__builtin_memchr(text, ',', (unsigned long)(end - text));
		const char *stop = comma ? comma : end, *next = comma ? comma + 1 : end, *equals;
		struct otel_member_ member;

		while (text < stop && otel_is_blank_(*text))
			text++;
		while (text < stop && otel_is_blank_(stop[-1]))
			stop--;
		if (text == stop) {
			text = next;
			continue;
		}
		equals = (const char *)__builtin_memchr(text, '=', (unsigned long)(stop - text));
		if (!equals || !otel_member_key_ok_(text, (unsigned long)(equals - text)) ||
		    !otel_member_value_ok_(equals + 1, (unsigned long)(stop - equals - 1)))
			return 0;
		member.key = text;
		member.key_size = (otel_u32)(equals - text);
		member.value = equals + 1;
		member.value_size = (otel_u32)(stop - equals - 1);
		otel_members_append_(members, &member);
		if (members->seen > OTEL_MEMBERS_MAX_)
			return 0;
		text = next;
	}
	return 1;
}

/*
 * Writes the list as a header's value, with NUL, into OTEL_MEMBERS_SIZE_ + 1 bytes; returns its size.
 * Of what has no room the long members go first, from the right, then the others from there. The
 * first @kept ones stay.
 */
static __attribute__((unused)) otel_u32 otel_members_write_(struct otel_members_ *members, otel_u32 kept,
							    char *out)
{
	otel_u32 size = 0, total = 0;

	for (otel_u32 i = 0; i < members->count; i++)
		total += (i != 0) + members->list[i].key_size + 1 + members->list[i].value_size;
	for (int only_long = 1; only_long >= 0; only_long--)
		for (otel_u32 i = members->count;
		     i > kept && (total > OTEL_MEMBERS_SIZE_ || members->count > OTEL_MEMBERS_MAX_); i--) {
			otel_u32 one = members->list[i - 1].key_size + 1 + members->list[i - 1].value_size;

			if (only_long && (one <= OTEL_MEMBER_LONG_ || total <= OTEL_MEMBERS_SIZE_))
				continue;
			total -= one + (members->count > 1);
			otel_members_remove_(members, i - 1);
		}
	for (otel_u32 i = 0; i < members->count; i++) {
		const struct otel_member_ *member = &members->list[i];

		if (i)
			out[size++] = ',';
		__builtin_memcpy(out + size, member->key, member->key_size);
		size += member->key_size;
		out[size++] = '=';
		__builtin_memcpy(out + size, member->value, member->value_size);
		size += member->value_size;
	}
	out[size] = 0;
	return size;
}

/* ---- The member `ot`: what OpenTelemetry's samplers tell each other ------------------------------- */

/* The value of the sub-key @name, "th:" or "rv:", in the value of `ot`: its size, or 0. */
static __attribute__((unused)) otel_u32 otel_ot_find_(const struct otel_member_ *ot, const char *name,
						      const char **out)
{
	const char *at = ot->value, *end = at + ot->value_size;

	while (at < end) {
		const char *stop = (const char *)__builtin_memchr(at, ';', (unsigned long)(end - at));

		if (!stop)
			stop = end;
		if (stop - at > 3 && !__builtin_memcmp(at, name, 3)) {
			*out = at + 3;
			return (otel_u32)(stop - at) - 3;
		}
		at = stop + 1;
	}
	return 0;
}

/*
 * The 16 bits that decide whether a trace is sampled: the first of the explicit randomness in @text, a
 * tracestate of @size bytes, if there is one, else @otherwise.
 */
static __attribute__((unused)) otel_u32 otel_ot_randomness_(const char *text, otel_u32 size,
							    otel_u32 otherwise)
{
	struct otel_members_ members;
	const char *digits;
	otel_u32 value = 0;
	int at;

	members.count = members.seen = 0;
	if (!otel_members_read_(&members, text, size))
		return otherwise;
	at = otel_members_find_(&members, "ot", 2);
	if (at < 0 || otel_ot_find_(&members.list[at], "rv:", &digits) != 14)
		return otherwise;
	for (unsigned i = 0; i < 14; i++) {
		char c = digits[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return otherwise;
		if (i < 4)
			value = value << 4 | (otel_u32)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return value;
}

/*
 * Writes the tracestate @text with another sampling threshold, "th:" and digits in @threshold, or with
 * none if its size is 0. Returns the size of what is in @out then; @text as it is if it needs no change.
 */
static __attribute__((unused)) otel_u32 otel_ot_rewrite_(const char *text, otel_u32 size,
							 const char *threshold, otel_u32 threshold_size,
							 char out[OTEL_MEMBERS_SIZE_ + 1])
{
	char value[256];
	struct otel_members_ members;
	struct otel_member_ ot = {"ot", value, 2, 0};
	const char *digits;
	int at;

	members.count = members.seen = 0;
	at = otel_members_read_(&members, text, size) ? otel_members_find_(&members, "ot", 2) : -1;
	if (!threshold_size && (at < 0 || !otel_ot_find_(&members.list[at], "th:", &digits))) {
		if (size > OTEL_MEMBERS_SIZE_)
			size = 0;
		__builtin_memcpy(out, text, size);
		out[size] = 0;
		return size;
	}
	__builtin_memcpy(value, threshold, threshold_size);
	ot.value_size = threshold_size;
	if (at >= 0) {
		const char *from = members.list[at].value, *end = from + members.list[at].value_size;

		while (from < end) {
			const char *stop = (const char *)__builtin_memchr(from, ';', (unsigned long)(end - from));
			otel_u32 part;

			if (!stop)
				stop = end;
			part = (otel_u32)(stop - from);
			if (part && (part < 3 || __builtin_memcmp(from, "th:", 3))) {
				if (ot.value_size + 1 + part > sizeof(value)) {
					/* No room for both: what others said stays. */
					return otel_ot_rewrite_(text, size, threshold, 0, out);
				}
				if (ot.value_size)
					value[ot.value_size++] = ';';
				__builtin_memcpy(value + ot.value_size, from, part);
				ot.value_size += part;
			}
			from = stop + 1;
		}
		otel_members_remove_(&members, (otel_u32)at);
	}
	if (ot.value_size)
		otel_members_prepend_(&members, &ot);
	return otel_members_write_(&members, ot.value_size != 0, out);
}

#endif
