/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otel/baggage.h: names and values that travel with a request. OpenTelemetry: Baggage; W3C: baggage.
 *
 *     otel_context current = otel_context_of(otel_current());
 *     otel_context with = otel_context_with_baggage(current, "user.tier", "gold");
 *     {
 *             OTEL_USE(with);
 *             ... what is injected here carries it, and spans that start here hand it on ...
 *     }
 *     otel_context_release(&with);
 *     otel_context_release(&current);
 *
 * Baggage goes to everybody that requests are sent to: nothing secret belongs here. It is no attribute
 * of spans by itself.
 *
 * Keys and values are UTF-8 of any kind, percent-encoded on the way. At most 180 members of 4096 bytes
 * each, 8192 bytes in all, as encoded.
 */
#ifndef OTEL_BAGGAGE_H
#define OTEL_BAGGAGE_H

#include <errno.h>
#include <stddef.h>

#include "tracestate.h"

#define OTEL_BAGGAGE_MEMBERS_ 180u
#define OTEL_BAGGAGE_MEMBER_SIZE_ 4096u
#define OTEL_BAGGAGE_SIZE_ 8192u

/* One member as it is encoded, without blanks around its parts. */
struct otel_baggage_part_ {
	const char *key, *value, *metadata;
	size_t key_size, value_size, metadata_size;
};

/* A baggage that is being put together. */
struct otel_baggage_text_ {
	otel_u32 size;
	otel_u32 count;
	char text[OTEL_BAGGAGE_SIZE_ + 1];
};

/* ---- Characters --------------------------------------------------------------------------------- */

OTEL_INLINE_ int otel_is_unreserved_(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.' || c == '_' || c == '~';
}

OTEL_API_ int otel_is_token_(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!text[i] || (!otel_is_unreserved_(text[i]) && !__builtin_strchr("!#$%&'*+^`|", text[i])))
			return 0;
	return size != 0;
}

OTEL_API_ int otel_is_baggage_value_(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] < 0x21 || text[i] > 0x7e || text[i] == '"' || text[i] == ',' ||
		    text[i] == ';' || text[i] == '\\')
			return 0;
	return 1;
}

OTEL_INLINE_ int otel_hex_(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-encodes @text; keys keep what a token may have. Returns the size, which may be above @room. */
OTEL_API_ size_t otel_percent_encode_(const char *text, int is_key, char *out, size_t room)
{
	size_t size = 0;

	for (; *text; text++) {
		otel_u8 byte = (otel_u8)*text;
		char part[3] = {*text, 0, 0};
		unsigned count = 1;

		if (!otel_is_unreserved_(*text) && !(is_key && __builtin_strchr("!#$&'*^`|", *text))) {
			part[0] = '%';
			part[1] = "0123456789ABCDEF"[byte >> 4];
			part[2] = "0123456789ABCDEF"[byte & 15];
			count = 3;
		}
		for (unsigned i = 0; i < count; i++, size++)
			if (size < room)
				out[size] = part[i];
	}
	return size;
}

/* The length of the UTF-8 sequence that @text begins with; 0: none that is valid, or a NUL. */
OTEL_API_ unsigned otel_utf8_(const otel_u8 *text, size_t size)
{
	otel_u8 low = 0x80, high = 0xbf;
	unsigned length;

	if (text[0] < 0x80)
		return text[0] != 0;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	length = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	if (text[0] == 0xe0)
		low = 0xa0;
	if (text[0] == 0xed)
		high = 0x9f;
	if (text[0] == 0xf0)
		low = 0x90;
	if (text[0] == 0xf4)
		high = 0x8f;
	if (size < length || text[1] < low || text[1] > high)
		return 0;
	for (unsigned i = 2; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

/*
 * Decodes; what is no UTF-8 becomes U+FFFD, and so does a NUL, since the result ends in one. Returns the
 * length, which is never above @size; the result is cut at @room.
 */
OTEL_API_ size_t otel_percent_decode_(const char *text, size_t size, char *out, size_t room)
{
	otel_u8 bytes[OTEL_BAGGAGE_MEMBER_SIZE_];
	size_t count = 0, length = 0, end = 0;

	for (size_t i = 0; i < size && count < sizeof(bytes); i++) {
		int high = text[i] == '%' && i + 2 < size ? otel_hex_(text[i + 1]) : -1;
		int low = high >= 0 ? otel_hex_(text[i + 2]) : -1;

		if (low >= 0) {
			bytes[count++] = (otel_u8)(high << 4 | low);
			i += 2;
		} else {
			bytes[count++] = (otel_u8)text[i];
		}
	}
	for (size_t i = 0; i < count;) {
		unsigned part = otel_utf8_(bytes + i, count - i);
		const void *from = part ? (const void *)(bytes + i) : (const void *)"\xef\xbf\xbd";
		unsigned wide = part ? part : 3;

		if (end == length && length + wide < room) {
			__builtin_memcpy(out + length, from, wide);
			end += wide;
		}
		length += wide;
		i += part ? part : 1;
	}
	if (room)
		out[end] = 0;
	return length;
}

/* ---- Lists of members --------------------------------------------------------------------------- */

OTEL_INLINE_ void otel_trim_(const char **text, const char **end)
{
	while (*text < *end && otel_is_blank_(**text))
		++*text;
	while (*text < *end && otel_is_blank_((*end)[-1]))
		--*end;
}

/* The end of the part that @text begins with. */
OTEL_INLINE_ const char *otel_part_(const char *text, const char *end, char separator)
{
	const char *found =
		text < end ? (const char *)__builtin_memchr(text, separator, (size_t)(end - text)) :
			     (const char *)0;

	return found ? found : end;
}

/* Reads "key = value", or, with @key_only, "key" as well. */
OTEL_API_ int otel_baggage_pair_(const char *text, const char *end, int key_only,
				 struct otel_baggage_part_ *out)
{
	const char *key_end = otel_part_(text, end, '=');
	const char *value = key_end < end ? key_end + 1 : end, *value_end = end;

	if (key_end == end && !key_only)
		return 0;
	otel_trim_(&text, &key_end);
	otel_trim_(&value, &value_end);
	out->key = text;
	out->key_size = (size_t)(key_end - text);
	out->value = value;
	out->value_size = (size_t)(value_end - value);
	return otel_is_token_(out->key, out->key_size) &&
	       otel_is_baggage_value_(out->value, out->value_size);
}

OTEL_INLINE_ void otel_baggage_put_(struct otel_baggage_text_ *out, const char *text, size_t size)
{
	if (size > OTEL_BAGGAGE_SIZE_ - out->size || out->size > OTEL_BAGGAGE_SIZE_) {
		out->size = OTEL_BAGGAGE_SIZE_ + 1; /* too large, and stays so */
		return;
	}
	__builtin_memcpy(out->text + out->size, text, size);
	out->size += (otel_u32)size;
}

/* Appends properties: @text is what stands behind the first semicolon. False: malformed. */
OTEL_API_ int otel_baggage_properties_(struct otel_baggage_text_ *out, const char *text, const char *end)
{
	for (;;) {
		const char *stop = otel_part_(text, end, ';');
		struct otel_baggage_part_ property;

		if (!otel_baggage_pair_(text, stop, 1, &property))
			return 0;
		otel_baggage_put_(out, ";", 1);
		otel_baggage_put_(out, property.key, property.key_size);
		if (otel_part_(text, stop, '=') < stop) {
			otel_baggage_put_(out, "=", 1);
			otel_baggage_put_(out, property.value, property.value_size);
		}
		if (stop == end)
			return 1;
		text = stop + 1;
	}
}

/* The next member of an encoded text without blanks; false at its end. */
OTEL_API_ int otel_baggage_next_(const char **at, const char *end, struct otel_baggage_part_ *out)
{
	const char *stop = otel_part_(*at, end, ','), *text = *at, *properties, *equals;

	if (text == end)
		return 0;
	properties = otel_part_(text, stop, ';');
	equals = otel_part_(text, properties, '=');
	out->key = text;
	out->key_size = (size_t)(equals - text);
	out->value = equals < properties ? equals + 1 : properties;
	out->value_size = (size_t)(properties - out->value);
	out->metadata = properties < stop ? properties + 1 : stop;
	out->metadata_size = (size_t)(stop - out->metadata);
	*at = stop < end ? stop + 1 : end;
	return 1;
}

/* Takes the member with this encoded key out, if it is there and begins before @limit. */
OTEL_API_ void otel_baggage_drop_(struct otel_baggage_text_ *out, const char *key, size_t key_size,
				  size_t limit)
{
	const char *at = out->text, *end = out->text + out->size;
	struct otel_baggage_part_ part;

	while (otel_baggage_next_(&at, end, &part)) {
		size_t from = (size_t)(part.key - out->text), to = (size_t)(at - out->text);

		if (from >= limit)
			return;
		if (part.key_size != key_size || __builtin_memcmp(part.key, key, key_size))
			continue;
		if (to == out->size && from)
			from--; /* and the comma in front of it */
		__builtin_memmove(out->text + from, out->text + to, out->size - to);
		out->size -= (otel_u32)(to - from);
		out->count--;
		return;
	}
}

/*
 * Appends the members of a header. Malformed ones and those that are too long are left out one by one;
 * from where there are too many, or they get too long together, nothing is taken. The last of a key counts.
 */
OTEL_API_ void otel_baggage_read_(struct otel_baggage_text_ *out, const char *text)
{
	const char *end = text + __builtin_strlen(text);

	while (text < end) {
		const char *stop = otel_part_(text, end, ','), *next = stop < end ? stop + 1 : end;
		const char *properties = otel_part_(text, stop, ';');
		struct otel_baggage_part_ part;
		otel_u32 before;

		if (otel_baggage_pair_(text, properties, 0, &part)) {
			before = out->size;
			if (before)
				otel_baggage_put_(out, ",", 1);
			otel_baggage_put_(out, part.key, part.key_size);
			otel_baggage_put_(out, "=", 1);
			otel_baggage_put_(out, part.value, part.value_size);
			if ((properties < stop && !otel_baggage_properties_(out, properties + 1, stop)) ||
			    out->size - before - (before != 0) > OTEL_BAGGAGE_MEMBER_SIZE_) {
				out->size = before;
			} else if (out->size > OTEL_BAGGAGE_SIZE_ || out->count == OTEL_BAGGAGE_MEMBERS_) {
				out->size = before;
				return;
			} else {
				out->count++;
				otel_baggage_drop_(out, part.key, part.key_size, before);
			}
		}
		text = next;
	}
}

/* ---- Of contexts -------------------------------------------------------------------------------- */

/* The encoded baggage of @context, or of the current one if that is NULL. */
OTEL_API_ void otel_baggage_of_(const otel_context *context, struct otel_baggage_text_ *out)
{
	const char *at = out->text;
	struct otel_baggage_part_ part;

	out->size = out->count = 0;
#ifdef OTEL_BPF_DISABLE
	(void)context;
#else
	if (!context)
		context = &otel_current_()->context;
	if (otel_has_texts_(context) && context->baggage)
		out->size = otel_text_copy_(context->baggage, out->text, OTEL_BAGGAGE_SIZE_ + 1);
#endif
	while (otel_baggage_next_(&at, out->text + out->size, &part))
		out->count++;
}

/**
 * Calls @visit for each member of the baggage of @context, or of the current one if that is NULL, until
 * it returns something other than 0. @metadata is what the header has behind the value, as it is.
 * Returns what the last call returned. OpenTelemetry: Baggage, Get All Values.
 */
OTEL_API_ int otel_baggage_each(const otel_context *context,
				int (*visit)(void *data, const char *key, const char *value,
					     const char *metadata),
				void *data)
{
	struct otel_baggage_text_ baggage;
	struct otel_baggage_part_ part;
	const char *at = baggage.text;
	int result = 0;

	otel_baggage_of_(context, &baggage);
	baggage.text[baggage.size] = 0;
	while (visit && !result && otel_baggage_next_(&at, baggage.text + baggage.size, &part)) {
		char key[OTEL_BAGGAGE_MEMBER_SIZE_ + 1], value[OTEL_BAGGAGE_MEMBER_SIZE_ + 1];

		otel_percent_decode_(part.key, part.key_size, key, sizeof(key));
		otel_percent_decode_(part.value, part.value_size, value, sizeof(value));
		/* Behind it stands the comma or the end: nobody reads it again. */
		((char *)baggage.text)[part.metadata + part.metadata_size - baggage.text] = 0;
		result = visit(data, key, value, part.metadata);
	}
	return result;
}

/* The encoded key of the member whose decoded key is @key; false: there is none. */
OTEL_API_ int otel_baggage_find_(const struct otel_baggage_text_ *baggage, const char *key,
				 struct otel_baggage_part_ *out)
{
	const char *at = baggage->text;
	size_t size = __builtin_strlen(key);
	char decoded[OTEL_BAGGAGE_MEMBER_SIZE_ + 1];

	while (otel_baggage_next_(&at, baggage->text + baggage->size, out))
		if (otel_percent_decode_(out->key, out->key_size, decoded, sizeof(decoded)) == size &&
		    size < sizeof(decoded) && !__builtin_memcmp(decoded, key, size))
			return 1;
	return 0;
}

/* Takes all out whose decoded key is @key: there are several ways to encode one. Returns how many. */
OTEL_API_ unsigned otel_baggage_remove_(struct otel_baggage_text_ *baggage, const char *key)
{
	struct otel_baggage_part_ part;
	unsigned count = 0;

	for (; otel_baggage_find_(baggage, key, &part); count++)
		otel_baggage_drop_(baggage, part.key, part.key_size, baggage->size);
	return count;
}

/**
 * Copies the value of @key in the baggage of @context, or of the current one if that is NULL, to @value, cut
 * at @room with its NUL. Returns its length, or -ENOENT. OpenTelemetry: Baggage, Get Value.
 */
OTEL_API_ int otel_baggage_get(const otel_context *context, const char *key, char *value, size_t room)
{
	struct otel_baggage_text_ baggage;
	struct otel_baggage_part_ part;

	if (!value)
		room = 0;
	if (room)
		value[0] = 0;
	otel_baggage_of_(context, &baggage);
	if (!key || !otel_baggage_find_(&baggage, key, &part))
		return -ENOENT;
	return (int)otel_percent_decode_(part.value, part.value_size, value, room);
}

/** How many members the baggage of @context, or of the current one if that is NULL, has. */
OTEL_API_ size_t otel_baggage_count(const otel_context *context)
{
	struct otel_baggage_text_ baggage;

	otel_baggage_of_(context, &baggage);
	return baggage.count;
}

#ifndef OTEL_BPF_DISABLE
/* A copy of @context, with references of its own and other baggage; NULL: the same. */
OTEL_API_ otel_context otel_context_baggage_(otel_context context, const struct otel_baggage_text_ *baggage)
{
	otel_u64 old;

	context.state &= (otel_u8) ~(OTEL_CONTEXT_BORROWED | OTEL_CONTEXT_SHARED);
	otel_hold_(&context);
	if (!baggage)
		return context;
	old = context.baggage;
	context.baggage = otel_text_new_(baggage->text, baggage->size);
	otel_text_unref_(old);
	context.state &= (otel_u8)~OTEL_CONTEXT_OWNS;
	if (context.tracestate | context.baggage)
		context.state |= OTEL_CONTEXT_OWNS;
	return context;
}
#endif

/**
 * A context that is @context with a member of baggage more, or with another value of it; both need an
 * otel_context_release(). @metadata, which may be NULL, is properties as W3C has them: "ttl=30;secret". What
 * is malformed, or has no room, changes nothing. OpenTelemetry: Baggage, Set Value.
 */
OTEL_API_ otel_context otel_context_with_baggage_metadata(otel_context context, const char *key,
							  const char *value, const char *metadata)
{
#ifdef OTEL_BPF_DISABLE
	(void)key;
	(void)value;
	(void)metadata;
	return context;
#else
	struct otel_baggage_text_ baggage;
	char encoded[OTEL_BAGGAGE_MEMBER_SIZE_];
	size_t size;
	otel_u32 before;

	if (!key || !*key)
		return otel_context_baggage_(context, (const struct otel_baggage_text_ *)0);
	otel_baggage_of_(&context, &baggage);
	otel_baggage_remove_(&baggage, key);
	before = baggage.size;
	if (before)
		otel_baggage_put_(&baggage, ",", 1);
	size = otel_percent_encode_(key, 1, encoded, sizeof(encoded));
	if (size > sizeof(encoded))
		return otel_context_baggage_(context, (const struct otel_baggage_text_ *)0);
	otel_baggage_put_(&baggage, encoded, size);
	otel_baggage_put_(&baggage, "=", 1);
	size = otel_percent_encode_(value ? value : "", 0, encoded, sizeof(encoded));
	if (size > sizeof(encoded))
		return otel_context_baggage_(context, (const struct otel_baggage_text_ *)0);
	otel_baggage_put_(&baggage, encoded, size);
	if ((metadata && *metadata &&
	     !otel_baggage_properties_(&baggage, metadata, metadata + __builtin_strlen(metadata))) ||
	    baggage.size - before - (before != 0) > OTEL_BAGGAGE_MEMBER_SIZE_ ||
	    baggage.size > OTEL_BAGGAGE_SIZE_ || baggage.count == OTEL_BAGGAGE_MEMBERS_)
		return otel_context_baggage_(context, (const struct otel_baggage_text_ *)0);
	return otel_context_baggage_(context, &baggage);
#endif
}

/** The same without metadata. */
OTEL_INLINE_ otel_context otel_context_with_baggage(otel_context context, const char *key, const char *value)
{
	return otel_context_with_baggage_metadata(context, key, value, (const char *)0);
}

/**
 * A context that is @context without this member of baggage, or, if @key is NULL, without any; both need an
 * otel_context_release(). OpenTelemetry: Baggage, Remove Value, Clear.
 */
OTEL_API_ otel_context otel_context_without_baggage(otel_context context, const char *key)
{
#ifdef OTEL_BPF_DISABLE
	(void)key;
	return context;
#else
	struct otel_baggage_text_ baggage;

	otel_baggage_of_(&context, &baggage);
	if (!key)
		baggage.size = 0;
	else if (!otel_baggage_remove_(&baggage, key))
		return otel_context_baggage_(context, (const struct otel_baggage_text_ *)0);
	return otel_context_baggage_(context, &baggage);
#endif
}

#endif
