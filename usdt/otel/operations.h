/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to otel/trace.h: what the calls do when somebody listens. None of it runs otherwise, but
 * for making a context current, which must propagate with nobody attached, too.
 *
 * Each is out of line: a call site is a test and a call.
 */
#ifndef OTEL_OPERATIONS_H
#define OTEL_OPERATIONS_H

#include "members.h"
#include "store.h"
#include "write.h"

OTEL_INLINE_ int otel_valid_(const otel_context *context)
{
	return (context->state & OTEL_CONTEXT_VALID) != 0;
}

OTEL_INLINE_ otel_u64 otel_number_(const otel_u8 *id)
{
	otel_u64 number;

	__builtin_memcpy(&number, id, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	number = __builtin_bswap64(number);
#endif
	return number;
}

/* ---- Attributes --------------------------------------------------------------------------------- */

OTEL_INLINE_ int otel_is_attribute_(const otel_option *option)
{
	return option->type < OTEL_TYPE_KIND;
}

OTEL_INLINE_ otel_u64 otel_text_size_(const char *text, otel_u64 size)
{
	if (!text)
		return 0;
	return size == OTEL_UNKNOWN_SIZE_ ? __builtin_strlen(text) : size;
}

/* Element @index of an array: the size of its AnyValue, and, with @w, the AnyValue itself. */
OTEL_COLD_ otel_u64 otel_element_(struct otel_writer_ *w, const otel_option *option, otel_u64 index)
{
	const struct otel_elements_ *elements;
	otel_option element;
	otel_u8 scalar[2];
	otel_u64 size;

	element.size = OTEL_UNKNOWN_SIZE_;
	switch (option->type) {
	case OTEL_TYPE_STRINGS:
		element.type = OTEL_TYPE_STRING;
		element.value.pointer = ((const char *const *)option->value.pointer)[index];
		break;
	case OTEL_TYPE_BOOLS:
		element.type = OTEL_TYPE_BOOL;
		element.value.integer = ((const otel_u8 *)option->value.pointer)[index] != 0;
		break;
	case OTEL_TYPE_INTS:
		element.type = OTEL_TYPE_INT;
		element.value.integer = (otel_u64)((const long long *)option->value.pointer)[index];
		break;
	case OTEL_TYPE_DOUBLES:
		element.type = OTEL_TYPE_DOUBLE;
		element.value.number = ((const double *)option->value.pointer)[index];
		break;
	default:
		elements = (const struct otel_elements_ *)option->value.pointer;
		elements->read(elements->data, index, &element);
	}
	switch (element.type) {
	case OTEL_TYPE_STRING:
		size = otel_text_size_((const char *)element.value.pointer, element.size);
		if (w) {
			otel_put_head_(w, 1, size);
			otel_put_(w, element.value.pointer, size);
		}
		return otel_field_size_(size);
	case OTEL_TYPE_BOOL:
		scalar[0] = 2 << 3;
		scalar[1] = (otel_u8)element.value.integer;
		if (w)
			otel_put_(w, scalar, 2);
		return 2;
	case OTEL_TYPE_INT:
		scalar[0] = 3 << 3;
		if (w) {
			otel_put_(w, scalar, 1);
			otel_put_varint_(w, element.value.integer);
		}
		return 1 + otel_varint_size_(element.value.integer);
	default:
		scalar[0] = 4 << 3 | 1;
		if (w) {
			otel_put_(w, scalar, 1);
			otel_put_(w, &element.value.number, 8);
		}
		return 9;
	}
}

/* The size of the ArrayValue's body, and, with @w, the body: fields 1, an AnyValue each. */
OTEL_COLD_ otel_u64 otel_put_elements_(struct otel_writer_ *w, const otel_option *option)
{
	otel_u64 size = 0, element;

	for (otel_u64 i = 0; i < option->size; i++) {
		element = otel_element_((struct otel_writer_ *)0, option, i);
		size += otel_field_size_(element);
		if (w) {
			otel_put_head_(w, 1, element);
			otel_element_(w, option, i);
		}
	}
	return size;
}

OTEL_INLINE_ void otel_put_text_(struct otel_writer_ *w, otel_u8 number, const char *text, otel_u64 size)
{
	otel_put_head_(w, number, size);
	otel_put_(w, text, size);
}

/* Puts the attributes in @list as fields @number of the message around them; returns how many. */
OTEL_WARM_ otel_u32 otel_put_attributes_(struct otel_writer_ *w, const otel_option *list, otel_u8 number)
{
	otel_u32 count = 0;

	for (; list->type != OTEL_TYPE_END; list++) {
		otel_u64 key_size, text_size = 0, value_size, size;
		otel_u8 scalar[11], text_number = 0; /* the AnyValue's field, if it has a length */

		if (!otel_is_attribute_(list))
			continue;
		key_size = otel_text_size_(list->key, list->key_size);
		/* The AnyValue, but for a string's text. */
		switch (list->type) {
		case OTEL_TYPE_STRING:
			text_number = 1;
			text_size = otel_text_size_((const char *)list->value.pointer, list->size);
			value_size = otel_field_size_(text_size);
			break;
		case OTEL_TYPE_BYTES:
			text_number = 7;
			text_size = list->size;
			value_size = otel_field_size_(text_size);
			break;
		case OTEL_TYPE_STRINGS:
		case OTEL_TYPE_BOOLS:
		case OTEL_TYPE_INTS:
		case OTEL_TYPE_DOUBLES:
		case OTEL_TYPE_ELEMENTS:
			text_number = 5;
			text_size = otel_put_elements_((struct otel_writer_ *)0, list);
			value_size = otel_field_size_(text_size);
			break;
		case OTEL_TYPE_BOOL:
			scalar[0] = 2 << 3;
			scalar[1] = (otel_u8)list->value.integer;
			value_size = 2;
			break;
		case OTEL_TYPE_INT: {
			otel_u64 rest = list->value.integer;

			scalar[0] = 3 << 3;
			for (value_size = 1; rest >= 0x80; rest >>= 7)
				scalar[value_size++] = (otel_u8)(rest | 0x80);
			scalar[value_size++] = (otel_u8)rest;
			break;
		}
		default:
			scalar[0] = 4 << 3 | 1;
			__builtin_memcpy(scalar + 1, &list->value.number, 8);
			value_size = 9;
		}
		size = otel_field_size_(key_size) + otel_field_size_(value_size);
		if (__builtin_expect(size < 0x80 && (otel_u64)(w->end - w->at) >= size + 2 &&
					     text_number != 5, 1)) {
			otel_u8 *at = w->at;

			at[0] = (otel_u8)(number << 3 | 2);
			at[1] = (otel_u8)size;
			at[2] = 1 << 3 | 2;
			at[3] = (otel_u8)key_size;
			otel_copy_(at + 4, (const otel_u8 *)list->key, key_size);
			at += 4 + key_size;
			at[0] = 2 << 3 | 2;
			at[1] = (otel_u8)value_size;
			at += 2;
			if (text_number) {
				at[0] = (otel_u8)(text_number << 3 | 2);
				at[1] = (otel_u8)text_size;
				otel_copy_(at + 2, (const otel_u8 *)list->value.pointer, text_size);
			} else {
				otel_copy_(at, scalar, value_size);
			}
			w->at = at + value_size;
		} else {
			otel_put_head_(w, number, size);
			otel_put_text_(w, 1, list->key, key_size);
			otel_put_head_(w, 2, value_size);
			if (text_number == 5) {
				otel_put_head_(w, 5, text_size);
				otel_put_elements_(w, list);
			} else if (text_number) {
				otel_put_text_(w, text_number, (const char *)list->value.pointer, text_size);
			} else {
				otel_put_(w, scalar, value_size);
			}
		}
		count++;
	}
	return count;
}

/* What these fields come to, as otel_put_attributes_() writes them. */
OTEL_COLD_ otel_u64 otel_attributes_size_(const otel_option *list)
{
	otel_u64 size = 0, value;

	for (; list->type != OTEL_TYPE_END; list++) {
		if (!otel_is_attribute_(list))
			continue;
		switch (list->type) {
		case OTEL_TYPE_STRING:
			value = otel_field_size_(
				otel_text_size_((const char *)list->value.pointer, list->size));
			break;
		case OTEL_TYPE_BYTES:
			value = otel_field_size_(list->size);
			break;
		case OTEL_TYPE_BOOL:
			value = 2;
			break;
		case OTEL_TYPE_INT:
			value = 1 + otel_varint_size_(list->value.integer);
			break;
		case OTEL_TYPE_DOUBLE:
			value = 9;
			break;
		default:
			value = otel_field_size_(otel_put_elements_((struct otel_writer_ *)0, list));
		}
		size += otel_field_size_(otel_field_size_(otel_text_size_(list->key, list->key_size)) +
					 otel_field_size_(value));
	}
	return size;
}

/* For the probes for people, where a text ends in NUL: copies its beginning. Returns @copy. */
OTEL_COLD_ const char *otel_probe_text_(char copy[256], const char *text, otel_u64 size)
{
	size = otel_text_size_(text, size);
	if (size > 255)
		size = 255;
	otel_copy_((otel_u8 *)copy, (const otel_u8 *)text, size);
	copy[size] = 0;
	return copy;
}

OTEL_COLD_ void otel_probe_attributes_(const otel_span *span, const otel_option *list)
{
	for (; list->type != OTEL_TYPE_END; list++) {
		otel_u64 value = list->value.integer;
		char key[256], text[256];

		if (!otel_is_attribute_(list))
			continue;
		if (list->type == OTEL_TYPE_STRING)
			value = (otel_u64)otel_probe_text_(text, (const char *)list->value.pointer,
							   list->size);
		otel_bpf_span_attribute_v1(otel_number_(span->context.span_id),
					   otel_probe_text_(key, list->key, list->key_size),
					   (int)list->type, value);
	}
}

/* ---- Records ------------------------------------------------------------------------------------ */

/*
 * May @span be written to from here? A forked child holds spans that are its parent's: it hands
 * their context on, but what it does to them is nobody's business.
 */
OTEL_INLINE_ int otel_ours_(const struct otel_writer_ *w, const otel_span *span)
{
	const struct otel_anchor *anchor;

	if (!(span->context.state & OTEL_CONTEXT_RECORDING))
		return 0;
	if (__builtin_expect(span->context.origin == w->buffer->buffer_id, 1))
		return 1;
	anchor = (const struct otel_anchor *)w->buffer->anchor;
	return span->context.origin > *(const otel_u64 *)anchor->generation;
}

OTEL_INLINE_ unsigned otel_flags_(const struct otel_writer_ *w, const otel_span *span)
{
	unsigned flags = span->context.state & OTEL_CONTEXT_BORROWED ? 0 : OTEL_RECORD_COUNTED;

	return span->context.origin == w->buffer->buffer_id ? flags : flags | OTEL_RECORD_TIMED;
}

OTEL_INLINE_ void otel_put_time_(struct otel_writer_ *w, otel_u64 now)
{
	otel_put_(w, &now, sizeof(now));
}

/* Hands records over that would get too old. Called by operations that have read the clock. */
OTEL_INLINE_ void otel_check_age_(struct otel_writer_ *w, otel_u64 now)
{
	struct otel_thread *thread = w->thread;

	if (otel_in_signal_(w) || !w->buffer->committed)
		return;
	if (!thread->oldest)
		thread->oldest = now;
	else if (__builtin_expect(now - thread->oldest > OTEL_COLLECT_NS_, 0))
		otel_flush_(thread, w->buffer, OTEL_FLUSH_OLD, now);
}

/* ---- Texts of contexts: trace state and baggage --------------------------------------------------- */

/* With any of these in its state the handles in a context mean something. */
#define OTEL_CONTEXT_TEXTS_ (OTEL_CONTEXT_VALID | OTEL_CONTEXT_BORROWED | OTEL_CONTEXT_OWNS)

OTEL_INLINE_ int otel_has_texts_(const otel_context *context)
{
	return (context->state & OTEL_CONTEXT_TEXTS_) && (context->tracestate | context->baggage);
}

/* Makes @context, a copy of another one, hold references of its own. */
OTEL_COLD_ void otel_hold_(otel_context *context)
{
	int texts = otel_has_texts_(context);

	context->tracestate = texts ? otel_text_ref_(context->tracestate) : 0;
	context->baggage = texts ? otel_text_ref_(context->baggage) : 0;
	context->state &= (otel_u8)~OTEL_CONTEXT_OWNS;
	if (context->tracestate | context->baggage)
		context->state |= OTEL_CONTEXT_OWNS;
}

OTEL_COLD_ void otel_let_go_(otel_context *context)
{
	otel_text_unref_(context->tracestate);
	otel_text_unref_(context->baggage);
	context->tracestate = context->baggage = 0;
	context->state &= (otel_u8)~OTEL_CONTEXT_OWNS;
}

/* ---- Sampling ----------------------------------------------------------------------------------- */

/*
 * How many of 65536 roots are sampled, by the rate bits. Four of them at a time: each u16 that is not 0
 * becomes one bit, and the multiplication gathers these, the first on top.
 */
OTEL_INLINE_ otel_u32 otel_rate_(void)
{
	const volatile otel_u16 *controls = otel_bpf_controls_v1 + OTEL_CONTROL_RATE_1;
	otel_u64 low = 0x7fff7fff7fff7fffull, four;
	otel_u32 rate = 0;

	__asm__ volatile("" : "+r"(controls)); /* the kernel writes there: read it anew */
	for (unsigned i = 0; i < 16; i += 4) {
		__builtin_memcpy(&four, (const otel_u16 *)controls + i, sizeof(four));
		four = ((((four & low) + low) | four) & ~low) >> 15;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		four = four * (1ull << 51 | 1ull << 34 | 1ull << 17 | 1) >> 48 & 15;
#else
#error "otel_rate_() gathers bits of little-endian words"
#endif
		rate = rate << 4 | (otel_u32)four;
	}
	return rate;
}

/*
 * OpenTelemetry: ProbabilitySampler over the trace id's random bits, the lowest 56, or what @tracestate
 * has in their place: sampled if they are not below the threshold, which is the span's trace state then.
 * Any subset of control bits is a valid answer, so that the operator may change them one by one.
 */
OTEL_COLD_ int otel_sampled_root_(const otel_u8 *trace_id, otel_u64 tracestate, otel_u64 *threshold)
{
	otel_u32 rate = otel_rate_(), random = (otel_u32)(trace_id[9] << 8 | trace_id[10]);

	if (__builtin_expect(tracestate != 0, 0)) {
		char text[OTEL_TEXT_SMALL_];
		otel_u32 size = otel_text_copy_(tracestate, text, sizeof(text));

		random = otel_ot_randomness_(text, size, random);
	}
	if (random < 0x10000u - rate)
		return 0;
	*threshold = otel_threshold_handle_(0x10000u - rate);
	return 1;
}

/*
 * What a span takes over from @parent, which has texts. @context->tracestate is the threshold that it was
 * sampled with, if it was decided here, else 0.
 */
OTEL_COLD_ void otel_inherit_(otel_context *context, const otel_context *parent, int sampled)
{
	char scratch[OTEL_THRESHOLD_ROOM_], text[OTEL_TEXT_SMALL_], changed[OTEL_MEMBERS_SIZE_ + 1];
	otel_u64 threshold = context->tracestate;
	otel_u32 size;

	context->baggage = otel_text_ref_(parent->baggage);
	if (!otel_valid_(parent) || !parent->tracestate)
		return;
	if (sampled && !threshold) {
		context->tracestate = otel_text_ref_(parent->tracestate);
		return;
	}
	/* The threshold of the parent is not that of this span, but the other members stay. */
	if (otel_is_threshold_(parent->tracestate))
		return;
	size = otel_text_copy_(parent->tracestate, text, sizeof(text));
	if (threshold)
		size = otel_ot_rewrite_(text, size, scratch + 3, otel_threshold_text_(threshold, scratch) - 3,
					changed);
	else
		size = otel_ot_rewrite_(text, size, scratch, 0, changed);
	if (!threshold && !__builtin_strcmp(text, changed))
		context->tracestate = otel_text_ref_(parent->tracestate);
	else
		context->tracestate = otel_text_new_(changed, size);
}

/* ---- Links --------------------------------------------------------------------------------------- */

/* One LINK record for each link in @list. @now: when, if the record must say so, else 0. */
OTEL_COLD_ void otel_record_links_(struct otel_writer_ *w, otel_span *span, const otel_option *list,
				   unsigned flags, otel_u64 now)
{
	for (; list->type != OTEL_TYPE_END; list++) {
		const otel_context *context = (const otel_context *)list->value.pointer;
		otel_u32 link_flags = 0x100;
		otel_u8 tag = 6 << 3 | 5;
		static const otel_u8 none[16] = {0};
		int valid;

		if (list->type != OTEL_TYPE_LINK)
			continue;
		valid = otel_valid_(context);
		if (valid)
			link_flags |= context->trace_flags | (context->state & OTEL_CONTEXT_REMOTE ? 0x200u : 0);
		otel_record_open_(w, OTEL_RECORD_LINK, flags, span->context.span_id, now);
		if (flags & OTEL_RECORD_TIMED)
			otel_put_(w, &now, sizeof(now));
		otel_put_text_(w, 1, (const char *)(valid ? context->trace_id : none), 16);
		otel_put_text_(w, 2, (const char *)(valid ? context->span_id : none), 8);
		if (__builtin_expect(valid && context->tracestate, 0)) {
			char text[OTEL_TEXT_SMALL_];

			otel_put_text_(w, 3, text, otel_text_copy_(context->tracestate, text, sizeof(text)));
		}
		otel_put_attributes_(w, (const otel_option *)(const void *)list->key, 4);
		otel_put_(w, &tag, 1);
		otel_put_(w, &link_flags, sizeof(link_flags));
		otel_record_commit_(w);
		if (flags & OTEL_RECORD_COUNTED)
			span->links++;
	}
}

/* ---- Starting ----------------------------------------------------------------------------------- */

OTEL_INLINE_ const otel_option *otel_find_(const otel_option *list, enum otel_type type)
{
	const otel_option *found = (const otel_option *)0;

	for (; list->type != OTEL_TYPE_END; list++)
		if (list->type == (otel_u32)type)
			found = list;
	return found;
}

OTEL_INLINE_ void otel_record_start_(struct otel_writer_ *w, otel_span *span,
				     const otel_context *parent, const otel_tracer *tracer,
				     const char *name, otel_u64 name_size, enum otel_kind kind,
				     otel_u64 unix_time, const otel_option *list)
{
	char scratch[OTEL_THRESHOLD_ROOM_];
	const char *tracestate = scratch;
	otel_u32 tracestate_size;
	struct otel_start *start;

	otel_record_open_(w, OTEL_RECORD_START, OTEL_RECORD_COUNTED, span->context.span_id,
			  span->start_time);
	/* Before the record: a look from outside must never see the span and not its count. */
	w->buffer->started++;
	start = (struct otel_start *)(void *)w->at;
	w->at += sizeof(*start);
	start->time = span->start_time;
	start->unix_time = unix_time;
	__builtin_memcpy(start->trace_id, span->context.trace_id, 16);
	start->flags = 0;
	if (parent) {
		__builtin_memcpy(start->parent_id, parent->span_id, 8);
		if (parent->state & OTEL_CONTEXT_REMOTE)
			start->flags = OTEL_START_PARENT_REMOTE;
	} else {
		__builtin_memset(start->parent_id, 0, 8);
	}
	start->fixed_size = sizeof(*start);
	start->trace_flags = span->context.trace_flags;
	start->kind = (otel_u8)(kind + 1);
	start->name_size = (otel_u32)name_size;
	start->scope_attributes_size = 0;
	tracestate_size = 0;
	if (__builtin_expect(span->context.tracestate != 0, 0))
		tracestate_size = otel_text_at_(span->context.tracestate, scratch, &tracestate);
	start->tracestate_size = tracestate_size;
	if (tracer) {
		start->flags |= OTEL_START_HAS_SCOPE;
		start->scope_name_size = tracer->name_size;
		start->scope_version_size = tracer->version_size;
		start->schema_url_size = tracer->schema_url_size;
		if (__builtin_expect(tracer->attributes != (const otel_option *)0, 0))
			start->scope_attributes_size = (otel_u32)otel_attributes_size_(tracer->attributes);
	} else {
		start->scope_name_size = start->scope_version_size = start->schema_url_size = 0;
	}
	otel_put_(w, name, name_size);
	if (tracer) {
		otel_put_(w, tracer->name, tracer->name_size);
		otel_put_(w, tracer->version, tracer->version_size);
		otel_put_(w, tracer->schema_url, tracer->schema_url_size);
		if (__builtin_expect(tracer->attributes != (const otel_option *)0, 0))
			otel_put_attributes_(w, tracer->attributes, 3);
	}
	if (__builtin_expect(tracestate_size != 0, 0))
		otel_put_(w, tracestate, tracestate_size);
	span->attributes = otel_put_attributes_(w, list, 9);
	otel_record_commit_(w);
}

OTEL_COLD_ void otel_probe_start_(otel_span *span, otel_u64 parent_id, const char *name, otel_u64 name_size,
				  enum otel_kind kind, const otel_option *list)
{
	char text[256];
	unsigned i;

	if (!span->start_time)
		span->start_time = otel_now_();
	otel_probe_text_(text, name, name_size);
	for (i = 0; text[i] && i < sizeof(span->name) - 1; i++)
		span->name[i] = text[i];
	span->name[i] = 0;
	otel_bpf_span_start_v1(text, otel_number_(span->context.span_id), parent_id,
			       span->context.trace_id, (int)kind);
	if (otel_attached_(OTEL_SEMAPHORE_SPAN_WRITE))
		otel_probe_attributes_(span, list);
}

/*
 * Starts a span. @thread is the calling one's; @trace_id: of a root that is sampled, or NULL. False:
 * nobody listens any more, or there is no memory: the span is empty.
 */
OTEL_INLINE_ int otel_start_here_(struct otel_thread *thread, otel_span *span,
				  const otel_tracer *tracer, const char *name,
				  otel_u32 name_size, const otel_option *list,
				  const otel_u8 *trace_id)
{
	int flush = otel_attached_(OTEL_SEMAPHORE_FLUSH), sampled = flush;
	const otel_option *option = otel_find_(list, OTEL_TYPE_PARENT);
	enum otel_kind kind = OTEL_INTERNAL;
	struct otel_writer_ w;
	otel_context parent;
	otel_u64 id, threshold = 0;

	span->context.state = 0;
	if (!otel_begin_(&w, thread)) {
		if (flush && thread->buffers[0])
			((struct otel_buffer *)thread->buffers[0])->dropped_starts++;
		return 0;
	}
	if (option && option->value.pointer)
		parent = *(const otel_context *)option->value.pointer;
	else if (__builtin_expect(thread->changing && otel_in_signal_(&w), 0))
		parent.state = 0;
	else
		parent = thread->current.context;
	if (option && !option->value.pointer && parent.state) /* a root was asked for: with the baggage */
		parent.state = OTEL_CONTEXT_OWNS;
	option = otel_find_(list, OTEL_TYPE_KIND);
	if (option && option->value.integer <= OTEL_CONSUMER)
		kind = (enum otel_kind)option->value.integer;
	option = otel_find_(list, OTEL_TYPE_TIME);

	if (otel_valid_(&parent)) {
		__builtin_memcpy(span->context.trace_id, parent.trace_id, 16);
		span->context.trace_flags = parent.trace_flags & 3;
		if (otel_bpf_controls_v1[OTEL_CONTROL_IGNORE_PARENT])
			sampled = sampled && (otel_bpf_controls_v1[OTEL_CONTROL_ALL] ||
					      otel_sampled_root_(parent.trace_id, parent.tracestate, &threshold));
		else
			sampled = sampled && (parent.trace_flags & 1);
	} else if (trace_id) {
		__builtin_memcpy(span->context.trace_id, trace_id, 16);
		span->context.trace_flags = 2;
		sampled = sampled && otel_sampled_root_(trace_id, 0, &threshold);
	} else {
		id = otel_id_(&w);
		__builtin_memcpy(span->context.trace_id, &id, 8);
		id = otel_id_(&w);
		__builtin_memcpy(span->context.trace_id + 8, &id, 8);
		span->context.trace_flags = 2; /* random */
		sampled = sampled && (otel_bpf_controls_v1[OTEL_CONTROL_ALL] ||
				      otel_sampled_root_(span->context.trace_id, 0, &threshold));
	}
	id = otel_id_(&w);
	__builtin_memcpy(span->context.span_id, &id, 8);
	span->context.origin = w.buffer->buffer_id;
	span->context.trace_flags = (otel_u8)((span->context.trace_flags & ~1) | sampled);
	__builtin_memset(span->context.reserved, 0, sizeof(span->context.reserved));
	span->context.tracestate = threshold;
	span->context.baggage = 0;
	if (__builtin_expect(otel_has_texts_(&parent), 0))
		otel_inherit_(&span->context, &parent, sampled);
	span->context.reserved64 = 0;
	span->attributes = span->events = span->links = 0;
	span->status = OTEL_UNSET;
	span->start_time = 0;
	span->name[0] = 0;
	if (sampled) {
		span->start_time = otel_now_();
		otel_record_start_(&w, span, otel_valid_(&parent) ? &parent : (otel_context *)0, tracer,
				   name, otel_text_size_(name, name_size), kind,
				   option ? option->value.integer : 0, list);
		if (__builtin_expect(otel_find_(list, OTEL_TYPE_LINK) != (const otel_option *)0, 0))
			otel_record_links_(&w, span, list, OTEL_RECORD_COUNTED, 0);
		otel_check_age_(&w, span->start_time);
		span->context.state = OTEL_CONTEXT_VALID | OTEL_CONTEXT_RECORDING;
	} else {
		w.buffer->not_sampled += (otel_u64)flush;
		span->context.state = OTEL_CONTEXT_VALID;
	}
	if (__builtin_expect((otel_bpf_semaphores_v1 & ~0xffffull) != 0, 0)) {
		span->context.state |= OTEL_CONTEXT_PROBED;
		otel_probe_start_(span, otel_valid_(&parent) ? otel_number_(parent.span_id) : 0, name,
				  name_size, kind, list);
	}
	otel_finish_(&w);
	return 1;
}

OTEL_WARM_ void otel_start_detached_(otel_span *span, const otel_tracer *tracer, const char *name,
				     otel_u32 name_size, const otel_option *list)
{
	struct otel_thread *thread = otel_thread_();

	span->context.state = 0;
	if (!thread || !otel_start_here_(thread, span, tracer, name, name_size, list, (const otel_u8 *)0))
		return;
	if (span->context.state & OTEL_CONTEXT_RECORDING)
		thread->detached++;
	if (__builtin_expect((span->context.tracestate | span->context.baggage) != 0, 0))
		span->context.state |= OTEL_CONTEXT_OWNS;
}

/* ---- Writing ------------------------------------------------------------------------------------ */

OTEL_WARM_ void otel_set_(otel_span *span, const otel_option *list)
{
	struct otel_thread *thread = otel_thread_();
	struct otel_writer_ w;
	otel_u32 count;

	if (!thread || !otel_begin_(&w, thread))
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
	struct otel_thread *thread = otel_thread_();
	struct otel_writer_ w;

	if (!thread || !otel_begin_(&w, thread))
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
		otel_put_text_(&w, 2, name, otel_text_size_(name, name_size));
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
	struct otel_thread *thread = otel_thread_();
	struct otel_writer_ w;

	if (code <= OTEL_UNSET || code > OTEL_ERROR || !thread || !otel_begin_(&w, thread))
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
				  otel_text_size_(description[i].text, description[i].size));
		otel_record_commit_(&w);
	}
	if (!(span->context.state & OTEL_CONTEXT_BORROWED) && span->status != OTEL_OK &&
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
	struct otel_thread *thread = otel_thread_();
	struct otel_writer_ w;

	if (!thread || !otel_begin_(&w, thread))
		return;
	if (otel_ours_(&w, span)) {
		unsigned flags = otel_flags_(&w, span);
		otel_u64 now = flags & OTEL_RECORD_TIMED ? otel_now_() : 0;

		otel_record_open_(&w, OTEL_RECORD_NAME, flags, span->context.span_id, now);
		if (now)
			otel_put_time_(&w, now);
		otel_put_(&w, name, otel_text_size_(name, size));
		otel_record_commit_(&w);
	}
	otel_finish_(&w);
}

OTEL_COLD_ void otel_add_links_(otel_span *span, const otel_option *list)
{
	struct otel_thread *thread = otel_thread_();
	struct otel_writer_ w;

	if (!thread || !otel_begin_(&w, thread))
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
	if (otel_attached_(OTEL_SEMAPHORE_FLUSH))
		otel_record_commit_(&w);
	otel_finish_(&w);
}

OTEL_COLD_ void otel_error_(otel_span *span, int error)
{
	struct otel_thread *thread = otel_thread_();
	struct otel_writer_ w;

	if (!thread || !otel_begin_(&w, thread))
		return;
	if (otel_ours_(&w, span)) {
		struct otel_error payload = {otel_now_(), error < 0 ? -error : error, 0};

		otel_record_open_(&w, OTEL_RECORD_ERROR, otel_flags_(&w, span) & ~(unsigned)OTEL_RECORD_TIMED,
				  span->context.span_id, payload.time);
		otel_put_(&w, &payload, sizeof(payload));
		otel_record_commit_(&w);
		if (!(span->context.state & OTEL_CONTEXT_BORROWED))
			span->events++;
		otel_check_age_(&w, payload.time);
	}
	if (!(span->context.state & OTEL_CONTEXT_BORROWED) && span->status == OTEL_UNSET)
		span->status = OTEL_ERROR;
	if (__builtin_expect(otel_attached_(OTEL_SEMAPHORE_SPAN_WRITE), 0)) {
		otel_bpf_span_event_v1(otel_number_(span->context.span_id), "exception");
		otel_bpf_span_status_v1(otel_number_(span->context.span_id), OTEL_ERROR, "");
	}
	otel_finish_(&w);
}

/* ---- Ending ------------------------------------------------------------------------------------- */

/* Hands over what @thread holds if it is not inside of anything. */
OTEL_INLINE_ void otel_flush_outermost_(struct otel_thread *thread, otel_u64 now)
{
	if (!thread->scopes && !thread->detached)
		otel_flush_all_(thread, OTEL_FLUSH_OUTERMOST, now);
	else if (otel_bpf_controls_v1[OTEL_CONTROL_LIVE])
		otel_flush_all_(thread, OTEL_FLUSH_LIVE, now);
}

OTEL_INLINE_ void otel_end_here_(struct otel_thread *thread, otel_span *span, int detached,
				 otel_u64 unix_time)
{
	struct otel_writer_ w;
	otel_u64 now = 0;

	if (!otel_begin_(&w, thread))
		return;
	if (otel_ours_(&w, span)) {
		struct otel_end end;
		int counted = !(span->context.state & OTEL_CONTEXT_BORROWED);

		now = otel_now_();
		end.time = now;
		end.unix_time = unix_time;
		end.attributes = counted ? span->attributes : 0;
		end.events = counted ? span->events : 0;
		end.links = counted ? span->links : 0;
		end.flags = span->context.state & OTEL_CONTEXT_SHARED ? OTEL_END_SHARED : 0;
		otel_record_open_(&w, OTEL_RECORD_END, 0, span->context.span_id, now);
		otel_put_(&w, &end, sizeof(end));
		otel_record_commit_(&w);
		otel_check_age_(&w, now);
		if (detached && thread->detached && span->context.origin == w.buffer->buffer_id)
			thread->detached--;
	}
	if (__builtin_expect(otel_attached_(OTEL_SEMAPHORE_SPAN_END), 0) &&
	    span->context.state & OTEL_CONTEXT_PROBED) {
		if (!now)
			now = otel_now_();
		otel_bpf_span_end_v1(span->name, otel_number_(span->context.span_id),
				     now - span->start_time, span->status);
	}
	span->context.state = OTEL_CONTEXT_VALID | OTEL_CONTEXT_ENDED;
	if (thread->current.context.origin == span->context.origin &&
	    !__builtin_memcmp(thread->current.context.span_id, span->context.span_id, 8))
		thread->current.context.state &=
			(otel_u8) ~(OTEL_CONTEXT_RECORDING | OTEL_CONTEXT_PROBED);
	otel_finish_(&w);
	if (!thread->nested)
		otel_flush_outermost_(thread, now);
}

OTEL_WARM_ void otel_end_(otel_span *span, otel_u64 unix_time)
{
	struct otel_thread *thread = otel_thread_();
	int owns = span->context.state & OTEL_CONTEXT_OWNS;

	if (thread && span->context.state & (OTEL_CONTEXT_RECORDING | OTEL_CONTEXT_PROBED))
		otel_end_here_(thread, span, 1, unix_time);
	if (__builtin_expect(owns, 0))
		otel_let_go_(&span->context);
}

/* ---- Scopes ------------------------------------------------------------------------------------- */

OTEL_INLINE_ void otel_push_(struct otel_scope *scope, struct otel_thread *thread,
			     const otel_context *context)
{
	scope->thread = thread;
	scope->depth = thread->scopes;
	scope->light = 0;
	thread->changing++;
	OTEL_ORDER_();
	scope->previous = thread->current.context;
	thread->current.context = *context;
	thread->current.context.state =
		(otel_u8)((context->state | OTEL_CONTEXT_BORROWED) & ~OTEL_CONTEXT_OWNS);
	if (__builtin_expect(!(context->state & OTEL_CONTEXT_TEXTS_), 0))
		thread->current.context.tracestate = thread->current.context.baggage = 0;
	thread->scopes++;
	OTEL_ORDER_();
	thread->changing--;
}

/*
 * Is a span that starts here a child of one that is not sampled, or a root that perhaps is not, and
 * nothing else to be thought of? These are the many, and they shall cost nothing but their ids.
 */
OTEL_INLINE_ int otel_is_plain_(const struct otel_thread *thread, const otel_option *list)
{
	const otel_context *current = &thread->current.context;
	const struct otel_buffer *buffer = (const struct otel_buffer *)thread->buffers[0];

	if (otel_valid_(current) ? current->trace_flags & 1 : otel_bpf_controls_v1[OTEL_CONTROL_ALL])
		return 0; /* it will be */
	return !((current->state & OTEL_CONTEXT_TEXTS_) && (current->tracestate | current->baggage)) &&
	       !(thread->nested | thread->changing) && buffer && buffer->capacity &&
	       !(otel_bpf_semaphores_v1 & ~0xffffull) && otel_attached_(OTEL_SEMAPHORE_FLUSH) &&
	       !(otel_bpf_controls_v1[OTEL_CONTROL_IGNORE_PARENT] && otel_valid_(current) &&
		 (otel_bpf_controls_v1[OTEL_CONTROL_ALL] || otel_rate_())) &&
	       !otel_find_(list, OTEL_TYPE_PARENT);
}

/* Random bytes; the generator must not be interrupted in a step by a signal handler that uses it. */
OTEL_INLINE_ void otel_draw_(struct otel_thread *thread, otel_u8 *out, unsigned size)
{
	otel_u64 number;

	thread->nested = 1;
	OTEL_ORDER_();
	for (unsigned i = 0; i < size; i += 8) {
		do {
			number = otel_random_(thread);
		} while (__builtin_expect(!number, 0));
		__builtin_memcpy(out + i, &number, 8);
	}
	OTEL_ORDER_();
	thread->nested = 0;
}

OTEL_INLINE_ void otel_enter_unsampled_(struct otel_scope *scope, otel_span *span,
					struct otel_thread *thread, const otel_u8 *trace_id)
{
	struct otel_buffer *buffer = (struct otel_buffer *)thread->buffers[0];
	otel_context *current = &thread->current.context;
	int child = otel_valid_(current);
	otel_u8 flags = child ? current->trace_flags & 2 : 2;

	__builtin_memset(&span->context, 0, sizeof(span->context));
	__builtin_memcpy(span->context.trace_id, trace_id, 16);
	otel_draw_(thread, span->context.span_id, 8);
	span->context.origin = buffer->buffer_id;
	span->context.trace_flags = flags;
	span->context.state = OTEL_CONTEXT_VALID;
	buffer->not_sampled++;
	scope->span = (otel_span *)0;
	if (!child) {
		otel_push_(scope, thread, &span->context);
		return;
	}
	/* All but the id is the parent's, and one store needs no guard. */
	scope->thread = thread;
	scope->depth = thread->scopes++;
	scope->light = 1;
	scope->previous = *current;
	__builtin_memcpy(current->span_id, span->context.span_id, 8);
}

/* Starts @span and makes it current until @scope is left. */
OTEL_WARM_ void otel_enter_(struct otel_scope *scope, otel_span *span, const otel_tracer *tracer,
			    const char *name, otel_u32 name_size, const otel_option *list)
{
	struct otel_thread *thread = otel_thread_();
	otel_u8 drawn[16], *trace_id = (otel_u8 *)0;

	if (!thread)
		return;
	if (__builtin_expect(otel_is_plain_(thread, list), 1)) {
		if (!otel_valid_(&thread->current.context)) {
			otel_draw_(thread, drawn, 16);
			trace_id = drawn;
			if ((otel_u32)(drawn[9] << 8 | drawn[10]) >= 0x10000u - otel_rate_())
				goto sampled;
		} else {
			trace_id = thread->current.context.trace_id;
		}
		otel_enter_unsampled_(scope, span, thread, trace_id);
		return;
	}
sampled:
	if (!otel_start_here_(thread, span, tracer, name, name_size, list, trace_id))
		return;
	scope->span = span;
	otel_push_(scope, thread, &span->context);
}

/* Makes @context current until @scope is left. */
OTEL_WARM_ void otel_use_(struct otel_scope *scope, const otel_context *context)
{
	struct otel_thread *thread = otel_thread_();

	scope->thread = (struct otel_thread *)0;
	scope->span = (otel_span *)0;
	if (thread)
		otel_push_(scope, thread, context);
}

OTEL_WARM_ void otel_leave_(struct otel_scope *scope)
{
	struct otel_thread *thread = scope->thread;

	/* Unless inner scopes were jumped over: then more than the id is to be restored. */
	if (scope->light && thread == otel_bpf_thread_v1 && thread->scopes == scope->depth + 1) {
		__builtin_memcpy(thread->current.context.span_id, scope->previous.span_id, 8);
		thread->scopes = scope->depth;
		return;
	}
	/* A coroutine may go on in another thread: what is current there is none of ours. */
	if (thread == otel_bpf_thread_v1) {
		thread->changing++;
		OTEL_ORDER_();
		thread->current.context = scope->previous;
		thread->scopes = scope->depth;
		OTEL_ORDER_();
		thread->changing--;
	}
	/* A span that is not sampled, inside of another or with nothing to hand over. */
	if (!scope->span && thread == otel_bpf_thread_v1 &&
	    (thread->scopes || !thread->buffers[0] ||
	     !((const struct otel_buffer *)thread->buffers[0])->committed))
		return;
	/* A current span has its references until here, also if it was ended before. */
	if (scope->span &&
	    __builtin_expect((scope->span->context.tracestate | scope->span->context.baggage) != 0, 0))
		otel_let_go_(&scope->span->context);
	thread = otel_thread_();
	if (!thread)
		return;
	if (scope->span && scope->span->context.state & (OTEL_CONTEXT_RECORDING | OTEL_CONTEXT_PROBED))
		otel_end_here_(thread, scope->span, 0, 0);
	else if (!thread->nested)
		otel_flush_outermost_(thread, 0);
}

/*
 * Nobody listens, but @parent was given: the span that would have been stands for it, and with a
 * @scope it is made current, so that what comes from outside still goes out again.
 */
OTEL_COLD_ void otel_hand_on_(struct otel_scope *scope, otel_span *span, const otel_context *parent)
{
	__builtin_memset(span, 0, sizeof(*span));
	if (parent) /* NULL: of otel_root() */
		span->context = *parent;
	otel_hold_(&span->context);
	span->context.state &= OTEL_CONTEXT_VALID | OTEL_CONTEXT_REMOTE | OTEL_CONTEXT_OWNS;
	if (scope) {
		otel_use_(scope, &span->context);
		if (!scope->thread)
			otel_let_go_(&span->context);
		scope->span = span;
		span->context.state &= (otel_u8)~OTEL_CONTEXT_OWNS;
	}
}

/* What is current, as a span that can be written to. */
OTEL_WARM_ otel_span *otel_current_(void)
{
	static otel_span nothing;
	struct otel_thread *thread = otel_bpf_thread_v1;

	/* Another image may have made one current, but only if there is an anchor at all. */
	if (!thread && (otel_bpf_semaphores_v1 || otel_anchor_known_()))
		thread = otel_thread_make_();
	if (!thread) {
		nothing.context.state = 0;
		return &nothing;
	}
	return &thread->current;
}

/* The context of @span, or, if it is empty because nobody listens, the current one. */
OTEL_WARM_ void otel_get_context_(otel_span *span, otel_context *out)
{
	if (!otel_valid_(&span->context)) {
		*out = otel_current_()->context;
	} else {
		if (span->context.state & OTEL_CONTEXT_RECORDING)
			span->context.state |= OTEL_CONTEXT_SHARED;
		*out = span->context;
	}
	if (__builtin_expect(otel_has_texts_(out), 0))
		otel_hold_(out);
	else
		out->state &= (otel_u8)~OTEL_CONTEXT_OWNS;
	out->state &= (otel_u8) ~(OTEL_CONTEXT_BORROWED | OTEL_CONTEXT_SHARED);
}

#endif
