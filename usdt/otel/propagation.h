/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otel/propagation.h: contexts that go from process to process, as W3C has them: traceparent,
 * tracestate, baggage. OpenTelemetry: TextMapPropagator, inject and extract.
 *
 *     int handle(struct request *rq)
 *     {
 *             otel_context remote = otel_extract(get_header, rq);
 *             OTEL_SPAN(span, &shop, "GET /", otel_kind(OTEL_SERVER), otel_parent(remote));
 *
 *             otel_inject(set_header, rq->downstream);
 *             ...
 *             otel_context_release(&remote);
 *             return 0;
 *     }
 *
 * What was extracted goes out again also when nobody listens and no span is made: then as it came.
 *
 * Which of the headers are read and written says the environment's OTEL_PROPAGATORS, at the first use:
 * tracecontext, baggage, or both, as by default; none.
 *
 * NULL in place of a getter, of lines or of an environment is one that has nothing, in place of a setter or of
 * a text one that takes nothing.
 *
 * Whatever a request brings, it breaks nothing: what is malformed is as if it had not been there. A
 * context without a valid traceparent has no ids (otel_is_valid() is false, a span below it is a root),
 * but may have baggage.
 *
 *   otel_extract, otel_inject, otel_inject_context      through functions that know your headers
 *   otel_extract_lines                                  from an array of "Name: value"
 *   otel_inject_lines, otel_inject_text                 as an array of lines, as text for HTTP/1
 *   otel_extract_environment, otel_inject_environment   from the parent process, to a child process
 *
 * Who owns a context that was extracted: see otel_context_release().
 */
#ifndef OTEL_PROPAGATION_H
#define OTEL_PROPAGATION_H

#include <stddef.h>

#include "baggage.h"
#include "trace.h"
#include "tracestate.h"
#ifndef OTEL_BPF_DISABLE
#include "propagators.h"
#endif

#define OTEL_TRACEPARENT_SIZE_ 55u

/**
 * Returns value number @index, from 0, of the headers called @name (lower-case letters; upper and lower
 * case are the same in HTTP); NULL: there are no more. It ends in NUL and stays as it is until
 * otel_extract() returns. One that ignores @index has one header of each name.
 */
typedef const char *(*otel_getter)(void *carrier, const char *name, unsigned index);

/** Sets the header @name, which is in lower-case letters, to @value, which it copies. */
typedef void (*otel_setter)(void *carrier, const char *name, const char *value);

/* ---- traceparent -------------------------------------------------------------------------------- */

OTEL_API_ int otel_from_hex_(const char *text, unsigned size, otel_u8 *out)
{
	otel_u8 any = 0;

	for (unsigned i = 0; i < size; i++) {
		int high = otel_hex_(text[2 * i]), low = otel_hex_(text[2 * i + 1]);

		/* Lower-case digits only. */
		if (high < 0 || low < 0 || (text[2 * i] >= 'A' && text[2 * i] <= 'F') ||
		    (text[2 * i + 1] >= 'A' && text[2 * i + 1] <= 'F'))
			return -1;
		out[i] = (otel_u8)(high << 4 | low);
		any |= out[i];
	}
	return any != 0;
}

/* Reads a traceparent into @out; false: it is malformed. */
OTEL_API_ int otel_traceparent_read_(const char *text, otel_context *out)
{
	const char *end = text + __builtin_strlen(text);
	otel_u8 version, flags;

	otel_trim_(&text, &end);
	if ((size_t)(end - text) < OTEL_TRACEPARENT_SIZE_ || text[2] != '-' || text[35] != '-' ||
	    text[52] != '-')
		return 0;
	if (otel_from_hex_(text, 1, &version) < 0 || version == 0xff ||
	    otel_from_hex_(text + 3, 16, out->trace_id) <= 0 ||
	    otel_from_hex_(text + 36, 8, out->span_id) <= 0 || otel_from_hex_(text + 53, 1, &flags) < 0)
		return 0;
	/* Later versions may have more, behind a dash. */
	if (text + OTEL_TRACEPARENT_SIZE_ < end && (!version || text[OTEL_TRACEPARENT_SIZE_] != '-'))
		return 0;
	out->trace_flags = flags & 3;
	return 1;
}

OTEL_API_ void otel_traceparent_write_(const otel_context *context, char out[OTEL_TRACEPARENT_SIZE_ + 1])
{
	const otel_u8 version = 0, flags = context->trace_flags & 3;

	otel_format_(&version, 1, out);
	otel_format_(context->trace_id, 16, out + 3);
	otel_format_(context->span_id, 8, out + 36);
	otel_format_(&flags, 1, out + 53);
	out[2] = out[35] = out[52] = '-';
}

/* ---- Extract ------------------------------------------------------------------------------------ */

#ifndef OTEL_BPF_DISABLE
/* How often a getter is asked: one that always has another must not keep us for ever. */
#define OTEL_HEADERS_MAX_ 256u

/* The header after number @index - 1, which is @before. The same text in the same place: the index is ignored. */
OTEL_API_ const char *otel_next_header_(otel_getter get, void *carrier, const char *name, unsigned index,
					const char *before)
{
	const char *header = index < OTEL_HEADERS_MAX_ ? get(carrier, name, index) : (const char *)0;

	return header == before ? (const char *)0 : header;
}

OTEL_API_ otel_u64 otel_extract_tracestate_(otel_getter get, void *carrier)
{
	char text[OTEL_MEMBERS_SIZE_ + 1];
	struct otel_members_ members;
	const char *header = get(carrier, "tracestate", 0);

	members.count = members.seen = 0;
	for (unsigned i = 1; header; i++) {
		if (!otel_members_read_(&members, header, __builtin_strlen(header)))
			return 0;
		header = otel_next_header_(get, carrier, "tracestate", i, header);
	}
	return members.count ? otel_text_new_(text, otel_members_write_(&members, 0, text)) : 0;
}

OTEL_API_ otel_u64 otel_extract_baggage_(otel_getter get, void *carrier, const char *header)
{
	struct otel_baggage_text_ baggage;

	baggage.size = baggage.count = 0;
	for (unsigned i = 1; header; i++) {
		otel_baggage_read_(&baggage, header);
		header = otel_next_header_(get, carrier, "baggage", i, header);
	}
	return otel_text_new_(baggage.text, baggage.size);
}
#endif

/**
 * Reads the context that a request came with. Give it to otel_parent() or OTEL_USE(), and when that is
 * done, to otel_context_release(). OpenTelemetry: Extract.
 */
OTEL_API_ otel_context otel_extract(otel_getter get, void *carrier)
{
	otel_context context;

	__builtin_memset(&context, 0, sizeof(context));
#ifdef OTEL_BPF_DISABLE
	(void)get;
	(void)carrier;
#else
	if (get) {
		const unsigned formats = otel_propagators_();
		const char *header = formats & OTEL_PROPAGATE_TRACECONTEXT_ ? get(carrier, "traceparent", 0) :
									      (const char *)0;

		/* Two of them: none can be trusted. */
		if (header && !otel_next_header_(get, carrier, "traceparent", 1, header) &&
		    otel_traceparent_read_(header, &context)) {
			context.state = OTEL_CONTEXT_VALID | OTEL_CONTEXT_REMOTE;
			context.tracestate = otel_extract_tracestate_(get, carrier);
		}
		header = formats & OTEL_PROPAGATE_BAGGAGE_ ? get(carrier, "baggage", 0) : (const char *)0;
		if (header)
			context.baggage = otel_extract_baggage_(get, carrier, header);
		if (context.tracestate | context.baggage)
			context.state |= OTEL_CONTEXT_OWNS;
	}
#endif
	return context;
}

/* ---- Inject ------------------------------------------------------------------------------------- */

/** Sets the headers that hand @context on; none if it is empty. */
OTEL_API_ void otel_inject_context(const otel_context *context, otel_setter set, void *carrier)
{
#ifdef OTEL_BPF_DISABLE
	(void)context;
	(void)set;
	(void)carrier;
#else
	const unsigned formats = otel_propagators_();
	char text[OTEL_TEXT_SMALL_];

	if (!context || !set)
		return;
	if (otel_valid_(context) && formats & OTEL_PROPAGATE_TRACECONTEXT_) {
		otel_traceparent_write_(context, text);
		set(carrier, "traceparent", text);
		if (context->tracestate && otel_text_copy_(context->tracestate, text, sizeof(text)))
			set(carrier, "tracestate", text);
	}
	if (otel_has_texts_(context) && context->baggage && formats & OTEL_PROPAGATE_BAGGAGE_) {
		struct otel_baggage_text_ baggage;

		if (otel_text_copy_(context->baggage, baggage.text, sizeof(baggage.text)))
			set(carrier, "baggage", baggage.text);
	}
#endif
}

/** Sets the headers that hand the current context on. OpenTelemetry: Inject. */
OTEL_INLINE_ void otel_inject(otel_setter set, void *carrier)
{
	otel_inject_context(&otel_current_()->context, set, carrier);
}

/* ---- Lines -------------------------------------------------------------------------------------- */

struct otel_lines_ {
	const char *const *lines;
	size_t count;
};

/* The value in "Name: value", or NULL if the name is another. */
OTEL_API_ const char *otel_line_value_(const char *line, const char *name)
{
	for (; *name; line++, name++)
		if ((*line >= 'A' && *line <= 'Z' ? *line + ('a' - 'A') : *line) != *name)
			return (const char *)0;
	if (*line++ != ':')
		return (const char *)0;
	while (otel_is_blank_(*line))
		line++;
	return line;
}

OTEL_API_ const char *otel_get_line_(void *carrier, const char *name, unsigned index)
{
	const struct otel_lines_ *lines = (const struct otel_lines_ *)carrier;

	for (size_t i = 0; lines->lines && i < lines->count; i++) {
		const char *value = lines->lines[i] ? otel_line_value_(lines->lines[i], name) :
						      (const char *)0;

		if (value && !index--)
			return value;
	}
	return (const char *)0;
}

/** Extracts from @count lines "Name: value", without the end of the line. */
OTEL_INLINE_ otel_context otel_extract_lines(const char *const *lines, size_t count)
{
	struct otel_lines_ carrier;

	carrier.lines = lines;
	carrier.count = count;
	return otel_extract(otel_get_line_, &carrier);
}

/* What otel_inject_lines(), otel_inject_text() and otel_inject_environment() write to. */
struct otel_line_writer_ {
	char **lines;	 /* where each begins; NULL: nobody asks */
	size_t room;	 /* lines that there is room for */
	size_t count;	 /* lines */
	char *text;	 /* where they are written */
	size_t size;	 /* bytes of it */
	size_t used;	 /* bytes that all of them need */
	const char *equals; /* between name and value */
	const char *end;    /* behind a line; then a NUL, if there are lines */
	int upper_case;
};

OTEL_API_ void otel_set_line_(void *carrier, const char *name, const char *value)
{
	struct otel_line_writer_ *writer = (struct otel_line_writer_ *)carrier;
	const char *parts[4] = {name, writer->equals, value, writer->end};
	size_t needed = writer->lines ? 1 : 0;
	int fits;
	char *to;

	for (unsigned i = 0; i < 4; i++)
		needed += __builtin_strlen(parts[i]);
	fits = writer->used <= writer->size && needed <= writer->size - writer->used &&
	       (!writer->lines || writer->count < writer->room);
	if (fits) {
		to = writer->text + writer->used;
		if (writer->lines)
			writer->lines[writer->count] = to;
		for (unsigned i = 0; i < 4; i++) {
			for (const char *from = parts[i]; *from; from++) {
				char c = *from;

				if (!i && writer->upper_case && c >= 'a' && c <= 'z')
					c = (char)(c - ('a' - 'A'));
				*to++ = c;
			}
		}
		if (writer->lines)
			*to = 0;
	}
	writer->used += needed;
	writer->count++;
}

/**
 * Writes the current context's headers as lines "name: value" into @text, of @size bytes, and where each begins
 * into @lines, which has room for @room: 3 are the most, 9300 bytes are always enough. Returns how many
 * there are; what has no room is left out and counted.
 */
OTEL_API_ size_t otel_inject_lines(char **lines, size_t room, char *text, size_t size)
{
	struct otel_line_writer_ writer = {lines, room, 0, text, text ? size : 0, 0, ": ", "", 0};

	otel_inject(otel_set_line_, &writer);
	return writer.count;
}

/**
 * Writes the current context's headers as they stand in an HTTP/1 request: "name: value", CR, LF, each, then a
 * NUL. Returns the length without the NUL; if that is not below @size, there is not all of it: a header
 * that has no room is left out.
 */
OTEL_API_ size_t otel_inject_text(char *text, size_t size)
{
	struct otel_line_writer_ writer = {(char **)0, 0, 0, text, 0, 0, ": ", "\r\n", 0};

	if (text && size) {
		writer.size = size - 1;
		__builtin_memset(text, 0, size);
	}
	otel_inject(otel_set_line_, &writer);
	return writer.used;
}

/* ---- Environment -------------------------------------------------------------------------------- */

/* The value if @entry is "NAME=value" with @name in upper-case letters, else NULL. */
OTEL_API_ const char *otel_variable_value_(const char *entry, const char *name)
{
	for (; *name; entry++, name++)
		if (*entry != *name - ('a' - 'A'))
			return (const char *)0;
	return *entry == '=' ? entry + 1 : (const char *)0;
}

OTEL_API_ const char *otel_get_variable_(void *carrier, const char *name, unsigned index)
{
	char *const *entry = *(char *const **)carrier;

	for (; entry && *entry && !index; entry++) {
		const char *value = otel_variable_value_(*entry, name);

		if (value)
			return value;
	}
	return (const char *)0;
}

/** The same for an environment that is not this process's: an array that ends in NULL. */
OTEL_INLINE_ otel_context otel_extract_variables(char *const *environment)
{
	return otel_extract(otel_get_variable_, &environment);
}

/** Extracts what the parent process left in TRACEPARENT, TRACESTATE and BAGGAGE. */
OTEL_INLINE_ otel_context otel_extract_environment(void)
{
#ifdef OTEL_BPF_DISABLE
	return otel_extract_variables((char *const *)0);
#else
	return otel_extract_variables(otel_environment_);
#endif
}

/**
 * Makes the environment of a child process: @environment, which may be environ, with the current context in
 * TRACEPARENT, TRACESTATE and BAGGAGE. Without a current context these stay as they are. @envp has @size bytes
 * for the array and what is new; it refers to what is in @environment. Returns the bytes that are needed:
 * if they are more than @size, @envp must not be used.
 *
 *     char *envp[2048];
 *
 *     if (otel_inject_environment(environ, envp, sizeof(envp)) <= sizeof(envp))
 *             posix_spawn(&pid, path, NULL, NULL, argv, envp);
 */
OTEL_API_ size_t otel_inject_environment(char *const *environment, char **envp, size_t size)
{
	struct otel_line_writer_ writer = {(char **)0, 3, 0, (char *)0, 0, 0, "=", "", 1};
	char *added[3];
	size_t entries = 0, array, kept = 0;
	const char *drop[3] = {(const char *)0, (const char *)0, (const char *)0};

	while (environment && environment[entries])
		entries++;
	array = (entries + 4) * sizeof(char *);
	writer.lines = added;
	if (envp && size > array) {
		writer.text = (char *)envp + array;
		writer.size = size - array;
	}
#ifndef OTEL_BPF_DISABLE
	{
		const otel_context *current = &otel_current_()->context;
		const unsigned formats = otel_propagators_();

		if (otel_valid_(current) && formats & OTEL_PROPAGATE_TRACECONTEXT_) {
			drop[0] = "traceparent";
			drop[1] = "tracestate";
		}
		if (formats & OTEL_PROPAGATE_BAGGAGE_ &&
		    (otel_valid_(current) || (otel_has_texts_(current) && current->baggage)))
			drop[2] = "baggage";
		otel_inject_context(current, otel_set_line_, &writer);
	}
#endif
	if (!envp || array + writer.used > size)
		return array + writer.used;
	for (size_t i = 0; i < entries; i++) {
		int dropped = 0;

		for (unsigned j = 0; j < 3; j++)
			dropped |= drop[j] && otel_variable_value_(environment[i], drop[j]);
		if (!dropped)
			envp[kept++] = environment[i];
	}
	for (size_t i = 0; i < writer.count; i++)
		envp[kept++] = added[i];
	envp[kept] = (char *)0;
	return array + writer.used;
}

#endif
