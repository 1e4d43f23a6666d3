/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to otel/trace.h: starting a span and making it current, and making a context current. The many are
 * spans that are not sampled: what they need is little, and is done in few instructions and fewer stores.
 */
#ifndef OTEL_ENTER_H
#define OTEL_ENTER_H

#include "start.h"

/* ---- What is to be thought of ------------------------------------------------------------------- */

OTEL_INLINE_ int otel_has_parent_(const otel_option *list)
{
	for (; list->type != OTEL_TYPE_END; list++)
		if (list->type == OTEL_TYPE_PARENT)
			return 1;
	return 0;
}

/*
 * Is nothing to be thought of but the sampling where a span starts, as somebody listens? Not with a parent that
 * was given, in a signal handler that interrupts an operation, or with probes for people attached.
 */
OTEL_INLINE_ int otel_is_quiet_(const struct otel_thread *thread, const otel_option *list)
{
	return otel_bpf_semaphores_v1 <= 0xffff && !(thread->nested | thread->changing) && thread->buffers[0] &&
	       !otel_has_parent_(list);
}

/* Is a child perhaps sampled whatever its parent is? */
OTEL_INLINE_ int otel_decides_anew_(void)
{
	return otel_bpf_controls_v1[OTEL_CONTROL_IGNORE_PARENT] &&
	       (otel_bpf_controls_v1[OTEL_CONTROL_ALL] || otel_has_rate_());
}

/*
 * Is nothing to be thought of, and what is current a span that was started here and is not sampled? Its children
 * are the many, and shall cost nothing but their ids. What came from elsewhere is of no buffer; and one that was
 * wiped, in a forked child or for the thread's successor, has no id, and there are no new keys yet.
 */
OTEL_INLINE_ int otel_is_light_(const struct otel_thread *thread, const otel_option *list)
{
	const otel_context *current = &thread->current.context;

	return otel_valid_(current) && !(current->trace_flags & 1) && !(current->tracestate | current->baggage) &&
	       thread->scopes < OTEL_SCOPES_KEPT - 1 && otel_is_quiet_(thread, list) && !otel_decides_anew_() &&
	       current->origin && current->origin == ((const struct otel_buffer *)thread->buffers[0])->buffer_id;
}

/* Is nothing to be thought of, and will the span not be sampled, or perhaps not, as a root? */
OTEL_INLINE_ int otel_is_plain_(const struct otel_thread *thread, const otel_option *list)
{
	const otel_context *current = &thread->current.context;

	if (otel_valid_(current) ? current->trace_flags & 1 : otel_bpf_controls_v1[OTEL_CONTROL_ALL])
		return 0; /* it will be */
	return !otel_has_texts_(current) && otel_is_quiet_(thread, list) &&
	       ((const struct otel_buffer *)thread->buffers[0])->capacity &&
	       !(otel_valid_(current) && otel_decides_anew_());
}

/* ---- Entering ----------------------------------------------------------------------------------- */

/*
 * Fills in the context of a span that is not sampled: from registers, as a copy of what was just written piece by
 * piece would have to wait for it.
 */
OTEL_INLINE_ void otel_unsampled_(otel_context *out, const struct otel_buffer *buffer, otel_u64 trace_id_1,
				  otel_u64 trace_id_2, otel_u64 span_id, unsigned trace_flags, unsigned state)
{
	__builtin_memcpy(out->trace_id, &trace_id_1, 8);
	__builtin_memcpy(out->trace_id + 8, &trace_id_2, 8);
	__builtin_memcpy(out->span_id, &span_id, 8);
	out->origin = buffer->buffer_id;
	out->trace_flags = (otel_u8)trace_flags;
	out->state = (otel_u8)state;
	__builtin_memset(out->reserved, 0, sizeof(out->reserved));
	out->tracestate = out->baggage = out->reserved64 = 0;
}

/* Out of line: the way of spans that are not sampled shall not save the registers that this one needs. */
OTEL_WARM_ void otel_enter_sampled_(struct otel_scope *scope, otel_span *span, const otel_tracer *tracer,
				    const char *name, otel_u32 name_size, const otel_option *list,
				    const otel_u8 *trace_id)
{
	struct otel_thread *thread = otel_thread_();

	if (!thread || !otel_start_here_(thread, span, tracer, name, name_size, list, trace_id))
		return;
	scope->span = span;
	otel_push_scope_(scope, thread, &span->context);
}

OTEL_COLD_ void otel_hand_on_(struct otel_scope *scope, otel_span *span, const otel_context *parent);

/* The tracer is switched off: as with nobody listening, the parent stands for the span. */
OTEL_COLD_ void otel_pass_(struct otel_scope *scope, otel_span *span, const otel_option *list)
{
	const otel_option *parent = otel_find_(list, OTEL_TYPE_PARENT);

	span->context.state = 0;
	if (parent)
		otel_hand_on_(scope, span, (const otel_context *)parent->value.pointer);
}

/* A child of what is current: see otel_is_light_(). */
OTEL_INLINE_ void otel_enter_light_(struct otel_scope *scope, otel_span *span, struct otel_thread *thread)
{
	struct otel_buffer *buffer = (struct otel_buffer *)thread->buffers[0];
	otel_context *current = &thread->current.context;
	otel_u64 depth = thread->scopes, trace_id[2], id = otel_random_id_(thread);
	struct otel_kept_scope *kept = &otel_scopes_(thread)->kept[depth];

	otel_count_(&buffer->not_sampled);
	__builtin_memcpy(trace_id, current->trace_id, 16);
	otel_unsampled_(&span->context, buffer, trace_id[0], trace_id[1], id, current->trace_flags & 2,
			OTEL_CONTEXT_VALID);
	scope->thread = thread;
	scope->depth = (otel_u32)depth;
	scope->flags = OTEL_SCOPE_LIGHT;
	/* A handler that comes in between has the same place, and writes the same there. */
	__builtin_memcpy(kept->previous.span_id, current->span_id, 8);
	OTEL_ORDER_();
	thread->scopes = (otel_u32)depth + 1;
	OTEL_ORDER_();
	otel_owner_set_(kept, otel_owner_(otel_scopes_(thread), scope) | OTEL_OWNER_LIGHT);
	OTEL_ORDER_();
	/* All but the id is the parent's, and one store needs no guard. */
	__builtin_memcpy(current->span_id, &id, 8);
}

/* A root that perhaps is not sampled; or a child of what came from elsewhere, or too deep to be a light one. */
OTEL_WARM_ void otel_enter_plain_(struct otel_scope *scope, otel_span *span, const otel_tracer *tracer,
				  const char *name, otel_u32 name_size, const otel_option *list)
{
	struct otel_thread *thread = otel_bpf_thread_v1;
	struct otel_buffer *buffer = (struct otel_buffer *)thread->buffers[0];
	otel_context *current = &thread->current.context;
	otel_u64 trace_id[2], id = otel_random_id_(thread);
	unsigned trace_flags = 2; /* random */

	if (otel_valid_(current)) {
		__builtin_memcpy(trace_id, current->trace_id, 16);
		trace_flags &= current->trace_flags;
	} else {
		trace_id[0] = otel_random_id_(thread);
		trace_id[1] = otel_random_id_(thread);
		if (otel_has_rate_() && otel_randomness_(trace_id[1]) >= 0x10000u - otel_rate_()) {
			otel_u64 drawn[2] = {trace_id[0], trace_id[1]}; /* the others stay in registers */

			otel_enter_sampled_(scope, span, tracer, name, name_size, list, (const otel_u8 *)drawn);
			return;
		}
	}
	otel_count_(&buffer->not_sampled);
	otel_unsampled_(&span->context, buffer, trace_id[0], trace_id[1], id, trace_flags, OTEL_CONTEXT_VALID);
	scope->thread = thread;
	scope->span = (otel_span *)0;
	scope->depth = otel_push_(thread, &scope->previous);
	scope->flags = scope->depth < OTEL_SCOPES_KEPT ? OTEL_SCOPE_PLAIN : 0;
	otel_unsampled_(current, buffer, trace_id[0], trace_id[1], id, trace_flags,
			OTEL_CONTEXT_VALID | OTEL_CONTEXT_BORROWED);
	otel_pushed_(thread, scope->depth, otel_owner_(otel_scopes_(thread), scope));
}

/* All but the many. */
OTEL_WARM_ void otel_enter_any_(struct otel_scope *scope, otel_span *span, const otel_tracer *tracer,
				const char *name, otel_u32 name_size, const otel_option *list)
{
	struct otel_thread *thread = otel_bpf_thread_v1;

	if (thread)
		otel_settle_(thread, scope->stack);
	if (!thread || !otel_is_plain_(thread, list))
		otel_enter_sampled_(scope, span, tracer, name, name_size, list, (const otel_u8 *)0);
	else if (otel_is_light_(thread, list))
		otel_enter_light_(scope, span, thread);
	else
		otel_enter_plain_(scope, span, tracer, name, name_size, list);
}

/*
 * Starts @span and makes it current until @scope is left. The many, children of what is not sampled, are seen
 * to here, so that they save no registers that only the others need.
 */
OTEL_WARM_ void otel_enter_(struct otel_scope *scope, otel_span *span, const otel_tracer *tracer,
			    const char *name, otel_u32 name_size, const otel_option *list)
{
	struct otel_thread *thread = otel_bpf_thread_v1;
	otel_u64 stack = OTEL_STACK_OF_CALLER_();

	if (__builtin_expect(otel_is_off_(tracer), 0)) {
		otel_pass_(scope, span, list);
	} else if (__builtin_expect(thread != (struct otel_thread *)0, 1) && otel_is_light_(thread, list) &&
		   otel_is_settled_(thread, stack)) {
		otel_enter_light_(scope, span, thread);
	} else {
		scope->stack = stack;
		otel_enter_any_(scope, span, tracer, name, name_size, list);
	}
}

OTEL_WARM_ void otel_start_detached_(otel_span *span, const otel_tracer *tracer, const char *name,
				     otel_u32 name_size, const otel_option *list)
{
	struct otel_thread *thread;

	if (__builtin_expect(otel_is_off_(tracer), 0)) {
		otel_pass_((struct otel_scope *)0, span, list);
		return;
	}
	thread = otel_thread_();
	span->context.state = 0;
	if (!thread)
		return;
	otel_settle_(thread, OTEL_STACK_OF_CALLER_());
	if (!otel_start_here_(thread, span, tracer, name, name_size, list, (const otel_u8 *)0))
		return;
	if (span->context.state & OTEL_CONTEXT_RECORDING)
		thread->detached++;
	if (__builtin_expect((span->context.tracestate | span->context.baggage) != 0, 0))
		span->context.state |= OTEL_CONTEXT_OWNS;
}

/* Makes @context current until @scope is left. */
OTEL_WARM_ void otel_use_(struct otel_scope *scope, const otel_context *context)
{
	struct otel_thread *thread = otel_thread_();

	scope->thread = (struct otel_thread *)0;
	scope->span = (otel_span *)0;
	if (!thread)
		return;
	otel_settle_(thread, OTEL_STACK_OF_CALLER_());
	otel_push_scope_(scope, thread, context);
}

/* The same with a span of otel_start(), which ends then. */
OTEL_COLD_ void otel_use_span_(struct otel_scope *scope, otel_span *span)
{
	scope->thread = (struct otel_thread *)0;
	if (!otel_valid_(&span->context))
		return;
	otel_use_(scope, &span->context);
	scope->span = span;
	scope->flags = OTEL_SCOPE_ENDS;
}

#endif
