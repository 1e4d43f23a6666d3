/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to otel/trace.h: what writing to a span does when somebody listens. Each is out of line: a
 * call site is a test and a call.
 */
#ifndef OTEL_WRITE_SPAN_H
#define OTEL_WRITE_SPAN_H

#include "start.h"

/* ---- Writing ------------------------------------------------------------------------------------ */

/* Says once of a span that it was written to after its end. Another's handle would not know when that is. */
OTEL_COLD_ void otel_record_late_(struct otel_writer_ *w, otel_span *span)
{
	if (span->context.origin == w->buffer->buffer_id && otel_attached_(OTEL_SEMAPHORE_FLUSH)) {
		otel_record_open_(w, OTEL_RECORD_LATE, 0, span->context.span_id, 0);
		otel_record_commit_(w);
	}
	__atomic_store_n(&span->context.state, OTEL_CONTEXT_VALID, __ATOMIC_RELAXED);
}

/* Begins to write to @span; otel_finish_() must follow. False: nothing can be written. */
OTEL_INLINE_ int otel_begin_span_(struct otel_writer_ *w, otel_span *span)
{
	struct otel_thread *thread = otel_thread_();

	if (!thread || !otel_begin_(w, thread))
		return 0;
	if (__builtin_expect(otel_state_(&span->context) & OTEL_CONTEXT_ENDED, 0)) {
		otel_record_late_(w, span);
		otel_finish_(w);
		return 0;
	}
	return 1;
}

OTEL_WARM_ void otel_set_(otel_span *span, const otel_option *list)
{
	struct otel_writer_ w;
	otel_u32 count;

	if (!otel_begin_span_(&w, span))
		return;
	if (otel_ours_(&w, span)) {
		unsigned flags = otel_flags_(&w, span);
		otel_u64 now = flags & OTEL_RECORD_TIMED ? otel_now_() : 0;

		otel_record_open_(&w, OTEL_RECORD_ATTRIBUTES, flags, span->context.span_id, now);
		if (now)
			otel_put_time_(&w, now);
		count = otel_put_attributes_(&w, list, 9);
		otel_record_commit_(&w);
		if (flags & OTEL_RECORD_COUNTED)
			span->attributes += count;
	}
	if (__builtin_expect(otel_attached_(OTEL_SEMAPHORE_SPAN_WRITE), 0))
		otel_probe_attributes_(span, list);
	otel_finish_(&w);
}

/* Of otel/stack.h, which only who includes it pays for. */
typedef void (*otel_record_stack_fn_)(struct otel_writer_ *, otel_span *, unsigned flags, otel_u64 now);

OTEL_COLD_ void otel_probe_event_(const otel_span *span, const char *name, otel_u64 name_size)
{
	char text[256];

	otel_bpf_span_event_v1(otel_number_(span->context.span_id), otel_probe_text_(text, name, name_size));
}

OTEL_WARM_ void otel_event_(otel_span *span, const char *name, otel_u32 name_size,
			    const otel_option *list)
{
	struct otel_writer_ w;

	if (!otel_begin_span_(&w, span))
		return;
	if (otel_ours_(&w, span)) {
		otel_u64 now = otel_now_();
		unsigned flags = otel_flags_(&w, span);
		const otel_option *given = otel_find_(list, OTEL_TYPE_TIME), *stack;

		otel_record_open_(&w, OTEL_RECORD_EVENT, flags | OTEL_RECORD_TIMED, span->context.span_id, now);
		otel_put_time_(&w, now);
		if (__builtin_expect(given && given->value.integer, 0)) {
			otel_u8 tag = 1 << 3 | 1;

			otel_put_(&w, &tag, 1);
			otel_put_(&w, &given->value.integer, 8);
		}
		otel_put_text_(&w, 2, name, otel_name_size_(name, name_size));
		otel_put_attributes_(&w, list, 3);
		otel_record_commit_(&w);
		if (flags & OTEL_RECORD_COUNTED)
			span->events++;
		stack = otel_find_(list, OTEL_TYPE_STACK);
		if (__builtin_expect(stack != (const otel_option *)0, 0))
			((otel_record_stack_fn_)stack->value.function)(&w, span, flags, now);
		otel_check_age_(&w, now);
	}
	if (__builtin_expect(otel_attached_(OTEL_SEMAPHORE_SPAN_WRITE), 0))
		otel_probe_event_(span, name, name_size);
	otel_finish_(&w);
}

struct otel_text_ {
	const char *text;
	otel_u64 size; /* or OTEL_UNKNOWN_SIZE_ */
};

OTEL_COLD_ void otel_probe_status_(const otel_span *span, enum otel_code code,
				   const struct otel_text_ *description, unsigned parts)
{
	char text[256], part[256];
	unsigned size = 0;

	for (unsigned i = 0; i < parts; i++) {
		otel_probe_text_(part, description[i].text, description[i].size);
		for (unsigned j = 0; part[j] && size < sizeof(text) - 1; j++)
			text[size++] = part[j];
	}
	text[size] = 0;
	otel_bpf_span_status_v1(otel_number_(span->context.span_id), (int)code, text);
}

/* The status, by hand or by a helper; the description comes in @parts, one after the other. */
OTEL_INLINE_ void otel_status_(otel_span *span, enum otel_code code, enum otel_status_by by,
			       const struct otel_text_ *description, unsigned parts)
{
	struct otel_writer_ w;

	if (code <= OTEL_UNSET || code > OTEL_ERROR || !otel_begin_span_(&w, span))
		return;
	if (otel_ours_(&w, span)) {
		unsigned flags = otel_flags_(&w, span);
		struct otel_status status = {(otel_u8)code, (otel_u8)by, {0, 0, 0, 0, 0, 0}};
		otel_u64 now = flags & OTEL_RECORD_TIMED ? otel_now_() : 0;

		otel_record_open_(&w, OTEL_RECORD_STATUS, flags, span->context.span_id, now);
		if (now)
			otel_put_time_(&w, now);
		otel_put_(&w, &status, sizeof(status));
		for (unsigned i = 0; i < parts; i++)
			otel_put_(&w, description[i].text,
				  otel_name_size_(description[i].text, description[i].size));
		otel_record_commit_(&w);
	}
	if (!(otel_state_(&span->context) & OTEL_CONTEXT_BORROWED) && span->status != OTEL_OK &&
	    (by == OTEL_STATUS_BY_HAND || span->status == OTEL_UNSET))
		span->status = (otel_u8)code;
	if (__builtin_expect(otel_attached_(OTEL_SEMAPHORE_SPAN_WRITE), 0))
		otel_probe_status_(span, code, description, parts);
	otel_finish_(&w);
}

OTEL_WARM_ void otel_set_status_(otel_span *span, enum otel_code code, const char *description)
{
	struct otel_text_ text = {description, OTEL_UNKNOWN_SIZE_};

	otel_status_(span, code, OTEL_STATUS_BY_HAND, &text, 1);
}

OTEL_COLD_ void otel_set_name_(otel_span *span, const char *name, otel_u32 size)
{
	struct otel_writer_ w;

	if (!otel_begin_span_(&w, span))
		return;
	if (otel_ours_(&w, span)) {
		unsigned flags = otel_flags_(&w, span);
		otel_u64 now = flags & OTEL_RECORD_TIMED ? otel_now_() : 0;

		otel_record_open_(&w, OTEL_RECORD_NAME, flags, span->context.span_id, now);
		if (now)
			otel_put_time_(&w, now);
		otel_put_(&w, name, otel_name_size_(name, size));
		otel_record_commit_(&w);
	}
	otel_finish_(&w);
}

OTEL_COLD_ void otel_add_links_(otel_span *span, const otel_option *list)
{
	struct otel_writer_ w;

	if (!otel_begin_span_(&w, span))
		return;
	if (otel_ours_(&w, span)) {
		unsigned flags = otel_flags_(&w, span);

		otel_record_links_(&w, span, list, flags, flags & OTEL_RECORD_TIMED ? otel_now_() : 0);
	}
	otel_finish_(&w);
}

/*
 * What the program says of itself: kept in the anchor, so that agents that come later know it, and said
 * to the one that is there.
 */
OTEL_COLD_ void otel_set_resource_(const otel_option *list)
{
	struct otel_thread *thread = otel_thread_();
	static const otel_u8 no_span[8] = {0};
	struct otel_anchor *anchor;
	struct otel_writer_ w;

	if (!thread || !otel_begin_(&w, thread))
		return;
	otel_record_open_(&w, OTEL_RECORD_RESOURCE, 0, no_span, 0);
	otel_put_attributes_(&w, list, 1);
	anchor = (struct otel_anchor *)w.buffer->anchor;
	/* Behind the environment, if all of it is still in this record. */
	if ((char *)(w.record + 1) == (char *)(w.buffer + 1) + w.buffer->committed + sizeof(*w.record) &&
	    !(w.record->flags & OTEL_RECORD_CONTINUED)) {
		otel_u64 size = (otel_u64)(w.at - (otel_u8 *)(w.record + 1));
		char *end = (char *)anchor + anchor->size;

		if (size <= OTEL_ANCHOR_SIZE - anchor->size) {
			__builtin_memcpy(end, w.record + 1, size);
			anchor->resource_size += (otel_u32)size;
			__atomic_store_n(&anchor->size, anchor->size + (otel_u32)size, __ATOMIC_RELEASE);
		}
	}
	if (otel_attached_(OTEL_SEMAPHORE_FLUSH)) {
		otel_record_commit_(&w);
		/* At once: spans of other threads may go out before this one hands anything over. */
		otel_flush_(thread, w.buffer, OTEL_FLUSH_LIVE, 0);
	}
	otel_finish_(&w);
}

OTEL_COLD_ void otel_error_(otel_span *span, int error)
{
	struct otel_writer_ w;

	if (!otel_begin_span_(&w, span))
		return;
	if (otel_ours_(&w, span)) {
		/* The least int has no positive one. */
		struct otel_error payload = {otel_now_(), error < 0 ? -(error + (error < -2147483647)) : error, 0};

		otel_record_open_(&w, OTEL_RECORD_ERROR, otel_flags_(&w, span) & ~(unsigned)OTEL_RECORD_TIMED,
				  span->context.span_id, payload.time);
		otel_put_(&w, &payload, sizeof(payload));
		otel_record_commit_(&w);
		if (!(otel_state_(&span->context) & OTEL_CONTEXT_BORROWED))
			span->events++;
		otel_check_age_(&w, payload.time);
	}
	if (!(otel_state_(&span->context) & OTEL_CONTEXT_BORROWED) && span->status == OTEL_UNSET)
		span->status = OTEL_ERROR;
	if (__builtin_expect(otel_attached_(OTEL_SEMAPHORE_SPAN_WRITE), 0)) {
		otel_bpf_span_event_v1(otel_number_(span->context.span_id), "exception");
		otel_bpf_span_status_v1(otel_number_(span->context.span_id), OTEL_ERROR, "");
	}
	otel_finish_(&w);
}

#endif
