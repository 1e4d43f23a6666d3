/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to otel/trace.h: what starting a span does when somebody listens.
 */
#ifndef OTEL_START_H
#define OTEL_START_H

#include "scopes.h"

/* ---- Records ------------------------------------------------------------------------------------ */

/*
 * May @span be written to from here? A forked child holds spans that are its parent's: it hands
 * their context on, but what it does to them is nobody's business.
 */
OTEL_INLINE_ int otel_ours_(const struct otel_writer_ *w, const otel_span *span)
{
	const struct otel_anchor *anchor;

	if (!(otel_state_(&span->context) & OTEL_CONTEXT_RECORDING))
		return 0;
	if (__builtin_expect(span->context.origin == w->buffer->buffer_id, 1))
		return 1;
	anchor = (const struct otel_anchor *)w->buffer->anchor;
	return span->context.origin > *(const otel_u64 *)anchor->generation;
}

OTEL_INLINE_ unsigned otel_flags_(const struct otel_writer_ *w, const otel_span *span)
{
	unsigned flags = otel_state_(&span->context) & OTEL_CONTEXT_BORROWED ? 0 : OTEL_RECORD_COUNTED;

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

/* ---- Links --------------------------------------------------------------------------------------- */

OTEL_INLINE_ int otel_has_attributes_(const otel_option *list)
{
	struct otel_outer_ outer;

	outer.depth = 0;
	return otel_attribute_(list, &outer) != (const otel_option *)0;
}

/*
 * One LINK record for each link in @list, but for those that lead nowhere and say nothing. @now: when, if the
 * record must say so, else 0.
 */
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
		if (!valid && !otel_has_attributes_((const otel_option *)(const void *)list->key))
			continue;
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

#define OTEL_LOOK_(n)                                                                              \
	if (list[n].type == OTEL_TYPE_END)                                                         \
		return found;                                                                      \
	if (list[n].type == OTEL_TYPE_PARENT)                                                      \
	found = &list[n]

/*
 * The parent among the options of a start while nobody listens, as otel_find_() has it. Of a list as programs
 * write them it is known when it is compiled, and nothing of the list remains; for a loop compilers build it.
 */
OTEL_INLINE_ const otel_option *otel_find_parent_(const otel_option *list)
{
	const otel_option *found = (const otel_option *)0;

	OTEL_LOOK_(0);
	OTEL_LOOK_(1);
	OTEL_LOOK_(2);
	OTEL_LOOK_(3);
	OTEL_LOOK_(4);
	OTEL_LOOK_(5);
	OTEL_LOOK_(6);
	OTEL_LOOK_(7);
	OTEL_LOOK_(8);
	OTEL_LOOK_(9);
	OTEL_LOOK_(10);
	OTEL_LOOK_(11);
	for (list += 12; list->type != OTEL_TYPE_END; list++)
		if (list->type == OTEL_TYPE_PARENT)
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
			otel_count_(&((struct otel_buffer *)thread->buffers[0])->dropped_starts);
		return 0;
	}
	if (option && option->value.pointer)
		parent = *(const otel_context *)option->value.pointer;
	else if (__builtin_expect(thread->changing, 0)) /* by what we interrupt, in a signal handler */
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
				   name, otel_name_size_(name, name_size), kind,
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

#endif
