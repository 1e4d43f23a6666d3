/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to otel/trace.h: the ends of spans, and what is current. With what it includes, all that calls do
 * when somebody listens. None of it runs otherwise, but for making a context current, which must propagate
 * with nobody attached, too.
 */
#ifndef OTEL_OPERATIONS_H
#define OTEL_OPERATIONS_H

#include "write_span.h"

/* Notes in @context that its span was handed out, if @state says so: in both of two threads that do. */
OTEL_INLINE_ void otel_share_(otel_context *context, unsigned state)
{
	if (state & OTEL_CONTEXT_SHARED && !(otel_state_(context) & OTEL_CONTEXT_SHARED))
		__atomic_fetch_or(&context->state, OTEL_CONTEXT_SHARED, __ATOMIC_RELAXED);
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
	otel_context *current = &thread->current.context;
	int is_current = current->origin == span->context.origin &&
			 !__builtin_memcmp(current->span_id, span->context.span_id, 8);
	struct otel_writer_ w;
	otel_u64 now = 0;

	if (!otel_begin_(&w, thread))
		return;
	if (is_current) /* its context may have been taken from what is current */
		otel_share_(&span->context, current->state);
	if (otel_ours_(&w, span)) {
		struct otel_end end;
		int counted = !(otel_state_(&span->context) & OTEL_CONTEXT_BORROWED);

		now = otel_now_();
		end.time = now;
		end.unix_time = unix_time;
		end.attributes = counted ? span->attributes : 0;
		end.events = counted ? span->events : 0;
		end.links = counted ? span->links : 0;
		end.flags = otel_state_(&span->context) & OTEL_CONTEXT_SHARED ? OTEL_END_SHARED : 0;
		otel_record_open_(&w, OTEL_RECORD_END, 0, span->context.span_id, now);
		otel_put_(&w, &end, sizeof(end));
		otel_record_commit_(&w);
		otel_check_age_(&w, now);
		if (detached && thread->detached && span->context.origin == w.buffer->buffer_id)
			thread->detached--;
	}
	if (__builtin_expect(otel_attached_(OTEL_SEMAPHORE_SPAN_END), 0) &&
	    otel_state_(&span->context) & OTEL_CONTEXT_PROBED) {
		if (!now)
			now = otel_now_();
		otel_bpf_span_end_v1(span->name, otel_number_(span->context.span_id),
				     now - span->start_time, span->status);
	}
	__atomic_store_n(&span->context.state, OTEL_CONTEXT_VALID | OTEL_CONTEXT_ENDED, __ATOMIC_RELAXED);
	if (is_current)
		current->state &= (otel_u8) ~(OTEL_CONTEXT_RECORDING | OTEL_CONTEXT_PROBED);
	otel_finish_(&w);
	if (!thread->nested)
		otel_flush_outermost_(thread, now);
}

OTEL_WARM_ void otel_end_(otel_span *span, otel_u64 unix_time)
{
	struct otel_thread *thread = otel_thread_();
	int owns = otel_state_(&span->context) & OTEL_CONTEXT_OWNS;

	if (thread && otel_state_(&span->context) & (OTEL_CONTEXT_RECORDING | OTEL_CONTEXT_PROBED))
		otel_end_here_(thread, span, 1, unix_time);
	if (__builtin_expect(owns, 0))
		otel_let_go_(&span->context);
}

/* ---- Scopes ------------------------------------------------------------------------------------- */

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
		 (otel_bpf_controls_v1[OTEL_CONTROL_ALL] || otel_has_rate_())) &&
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

/* Fills in @span, but for its id. */
OTEL_INLINE_ void otel_unsampled_(otel_span *span, struct otel_thread *thread, const otel_u8 *trace_id,
				  otel_u8 trace_flags)
{
	struct otel_buffer *buffer = (struct otel_buffer *)thread->buffers[0];

	__builtin_memset(&span->context, 0, sizeof(span->context));
	__builtin_memcpy(span->context.trace_id, trace_id, 16);
	span->context.origin = buffer->buffer_id;
	span->context.trace_flags = trace_flags;
	span->context.state = OTEL_CONTEXT_VALID;
	buffer->not_sampled++;
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

/* A root that is perhaps not sampled, and nothing else to be thought of; or a child, too deep to be kept. */
OTEL_WARM_ void otel_enter_plain_(struct otel_scope *scope, otel_span *span, const otel_tracer *tracer,
				  const char *name, otel_u32 name_size, const otel_option *list)
{
	struct otel_thread *thread = otel_bpf_thread_v1;
	const otel_context *current = &thread->current.context;
	otel_u8 drawn[24]; /* a trace id and a span id */

	otel_draw_(thread, drawn, sizeof(drawn));
	if (otel_valid_(current)) {
		otel_unsampled_(span, thread, current->trace_id, current->trace_flags & 2);
	} else {
		if (otel_has_rate_() && (otel_u32)(drawn[9] << 8 | drawn[10]) >= 0x10000u - otel_rate_()) {
			otel_enter_sampled_(scope, span, tracer, name, name_size, list, drawn);
			return;
		}
		otel_unsampled_(span, thread, drawn, 2);
	}
	__builtin_memcpy(span->context.span_id, drawn + 16, 8);
	scope->span = (otel_span *)0;
	otel_push_scope_(scope, thread, &span->context);
}

/*
 * Starts @span and makes it current until @scope is left. The many, children of what is not sampled, are seen
 * to here, so that they save no registers that only the others need.
 */
OTEL_WARM_ void otel_enter_(struct otel_scope *scope, otel_span *span, const otel_tracer *tracer,
			    const char *name, otel_u32 name_size, const otel_option *list)
{
	struct otel_thread *thread = otel_bpf_thread_v1;
	struct otel_kept_scope *kept;
	otel_context *current;
	otel_u32 depth;

	if (__builtin_expect(otel_is_off_(tracer), 0)) {
		otel_pass_(scope, span, list);
		return;
	}
	if (__builtin_expect(thread != (struct otel_thread *)0, 1))
		otel_settle_(thread, OTEL_STACK_OF_CALLER_());
	if (__builtin_expect(!thread || !otel_is_plain_(thread, list), 0)) {
		otel_enter_sampled_(scope, span, tracer, name, name_size, list, (const otel_u8 *)0);
		return;
	}
	current = &thread->current.context;
	depth = thread->scopes;
	if (!otel_valid_(current) || depth >= OTEL_SCOPES_KEPT) {
		otel_enter_plain_(scope, span, tracer, name, name_size, list);
		return;
	}
	otel_unsampled_(span, thread, current->trace_id, current->trace_flags & 2);
	otel_draw_(thread, span->context.span_id, 8);
	/* All but the id is the parent's, and one store needs no guard. */
	scope->span = (otel_span *)0;
	scope->thread = thread;
	scope->depth = depth;
	scope->flags = OTEL_SCOPE_LIGHT;
	thread->scopes = depth + 1;
	OTEL_ORDER_();
	kept = &otel_scopes_(thread)->kept[depth];
	kept->previous = *current;
	__builtin_memcpy(current->span_id, span->context.span_id, 8);
	OTEL_ORDER_();
	otel_owner_set_(kept, otel_owner_(otel_scopes_(thread), scope));
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

/* All but those that otel_leave_() knows. */
OTEL_WARM_ void otel_leave_any_(struct otel_scope *scope)
{
	struct otel_thread *thread = scope->thread;
	int here = thread == otel_bpf_thread_v1, inside;

	/* A coroutine may go on in another thread: what is current there is none of ours. */
	inside = here && otel_is_inside_(thread, scope->depth, (otel_u64)scope);
	/* Its context may have been taken from what was current. */
	if (scope->span)
		otel_share_(&scope->span->context,
			    __builtin_expect(inside && thread->scopes == scope->depth + 1, 1) ?
				    thread->current.context.state :
				    (unsigned)otel_was_shared_(thread, scope, inside));
	if (inside)
		otel_drop_(thread, scope->depth, otel_before_(thread, scope->depth, &scope->previous));
	else if (!here)
		otel_left_elsewhere_(scope);
	/* A span that is not sampled, inside of another or with nothing to hand over. */
	if (!scope->span && here &&
	    (thread->scopes || !thread->buffers[0] ||
	     !((const struct otel_buffer *)thread->buffers[0])->committed))
		return;
	if (__builtin_expect(scope->flags & OTEL_SCOPE_ENDS, 0)) {
		otel_end_(scope->span, 0);
		return;
	}
	/* A current span has its references until here, also if it was ended before. */
	if (scope->span &&
	    __builtin_expect((scope->span->context.tracestate | scope->span->context.baggage) != 0, 0))
		otel_let_go_(&scope->span->context);
	thread = otel_thread_();
	if (!thread)
		return;
	if (scope->span && otel_state_(&scope->span->context) & (OTEL_CONTEXT_RECORDING | OTEL_CONTEXT_PROBED))
		otel_end_here_(thread, scope->span, 0, 0);
	else if (!thread->nested)
		otel_flush_outermost_(thread, 0);
}

/* The innermost scope, of a span that is not sampled, changed only the id of what is current. */
OTEL_WARM_ void otel_leave_(struct otel_scope *scope)
{
	struct otel_thread *thread = scope->thread;

	if (scope->flags & OTEL_SCOPE_LIGHT && thread == otel_bpf_thread_v1 &&
	    thread->scopes == scope->depth + 1 && otel_is_inside_(thread, scope->depth, (otel_u64)scope)) {
		struct otel_kept_scope *kept = &otel_scopes_(thread)->kept[scope->depth];

		__builtin_memcpy(thread->current.context.span_id, kept->previous.span_id, 8);
		otel_owner_set_(kept, 0);
		OTEL_ORDER_();
		thread->scopes = scope->depth;
		return;
	}
	otel_leave_any_(scope);
}

/* ---- Tokens ------------------------------------------------------------------------------------- */

OTEL_COLD_ void otel_attach_(otel_token *token, const otel_context *context)
{
	struct otel_thread *thread = otel_thread_();

	__builtin_memset(token, 0, sizeof(*token));
	if (!thread)
		return;
	otel_settle_(thread, OTEL_STACK_OF_CALLER_());
	token->thread = thread;
	token->ticket = ++otel_scopes_(thread)->tickets << 3 | 2;
	token->depth = otel_push_(thread, context, token->ticket, &token->previous);
}

OTEL_COLD_ int otel_detach_(otel_token *token)
{
	struct otel_thread *thread = token->thread;
	int in_order;

	if (!thread)
		return token->ticket ? -EINVAL : 0;
	if (thread != otel_bpf_thread_v1)
		return -EINVAL;
	token->thread = (struct otel_thread *)0;
	otel_settle_(thread, OTEL_STACK_OF_CALLER_());
	if (!otel_is_inside_(thread, token->depth, token->ticket))
		return -EINVAL;
	in_order = thread->scopes == token->depth + 1;
	otel_drop_(thread, token->depth, otel_before_(thread, token->depth, &token->previous));
	if (!thread->nested)
		otel_flush_outermost_(thread, 0);
	return in_order ? 0 : -EINVAL;
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
	if (!parent)
		span->context.state = OTEL_CONTEXT_ENDED; /* its context is none, not the current one */
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
	/* Nobody writes to it. In a signal handler what is current may be half of it. */
	if (!thread || thread->changing)
		return &nothing;
	otel_settle_(thread, OTEL_STACK_OF_CALLER_());
	return &thread->current;
}

/* The context of @span, or, if it is empty because nobody listens, the current one. */
OTEL_WARM_ void otel_get_context_(otel_span *span, otel_context *out)
{
	if (!(otel_state_(&span->context) & (OTEL_CONTEXT_VALID | OTEL_CONTEXT_ENDED))) {
		*out = otel_current_()->context;
	} else {
		if (otel_state_(&span->context) & OTEL_CONTEXT_RECORDING)
			otel_share_(&span->context, OTEL_CONTEXT_SHARED);
		/* All around its state, which others may just be changing. */
		__builtin_memcpy(out, &span->context, __builtin_offsetof(otel_context, state));
		out->state = (otel_u8)otel_state_(&span->context);
		__builtin_memcpy(out->reserved, span->context.reserved,
				 sizeof(*out) - __builtin_offsetof(otel_context, reserved));
	}
	if (__builtin_expect(otel_has_texts_(out), 0))
		otel_hold_(out);
	else
		out->state &= (otel_u8)~OTEL_CONTEXT_OWNS;
	out->state &= (otel_u8) ~(OTEL_CONTEXT_BORROWED | OTEL_CONTEXT_SHARED);
}

#endif
