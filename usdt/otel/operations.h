/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to otel/trace.h: the ends of spans, and what is current. With what it includes, all that calls do
 * when somebody listens. None of it runs otherwise, but for making a context current, which must propagate
 * with nobody attached, too.
 */
#ifndef OTEL_OPERATIONS_H
#define OTEL_OPERATIONS_H

#include "enter.h"
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

/* Was @span started by this thread, also in a signal handler, where there was another buffer? @w: who asks. */
OTEL_INLINE_ int otel_is_of_thread_(const struct otel_writer_ *w, const otel_span *span)
{
	if (__builtin_expect(span->context.origin == w->buffer->buffer_id, 1))
		return 1;
	for (unsigned i = 0; i < OTEL_BUFFERS_ && w->thread->buffers[i]; i++)
		if (span->context.origin == ((const struct otel_buffer *)w->thread->buffers[i])->buffer_id)
			return 1;
	return 0;
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
		if (detached && thread->detached && otel_is_of_thread_(&w, span))
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

/* ---- Leaving ----------------------------------------------------------------------------------- */

/* All but those that otel_leave_() knows. */
OTEL_WARM_ void otel_leave_any_(struct otel_scope *scope)
{
	struct otel_thread *thread = scope->thread;
	int here = thread == otel_bpf_thread_v1, inside;

	if (scope->flags & OTEL_SCOPE_LIGHT)
		scope->span = (otel_span *)0;
	/* A coroutine may go on in another thread: what is current there is none of ours. */
	inside = here && otel_is_inside_(thread, scope->depth, (otel_u64)scope);
	/* Its context may have been taken from what was current. */
	if (scope->span)
		otel_share_(&scope->span->context,
			    __builtin_expect(inside && thread->scopes == scope->depth + 1, 1) ?
				    thread->current.context.state :
				    (unsigned)otel_was_shared_(thread, scope, inside));
	if (inside)
		otel_drop_(thread, scope->depth, &scope->previous);
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

/* The innermost scope of a span that is not sampled: these save no registers that only the others need. */
OTEL_WARM_ void otel_leave_(struct otel_scope *scope)
{
	struct otel_thread *thread = scope->thread;

	if (scope->flags & (OTEL_SCOPE_LIGHT | OTEL_SCOPE_PLAIN) && thread == otel_bpf_thread_v1 &&
	    thread->scopes == scope->depth + 1) {
		struct otel_kept_scope *kept = &otel_scopes_(thread)->kept[scope->depth];

		if ((otel_owner_of_(kept) & ~OTEL_OWNER_BITS_) == (otel_u64)scope) {
			if (scope->flags & OTEL_SCOPE_LIGHT) {
				__builtin_memcpy(thread->current.context.span_id, kept->previous.span_id, 8);
				otel_owner_set_(kept, 0);
				OTEL_ORDER_();
				thread->scopes = scope->depth;
				return;
			}
			if (scope->depth || !((const struct otel_buffer *)thread->buffers[0])->committed) {
				otel_drop_(thread, scope->depth, &kept->previous);
				return;
			}
		}
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
	token->ticket = ++otel_scopes_(thread)->tickets << 3 | OTEL_OWNER_TICKET;
	token->depth = otel_push_context_(thread, context, token->ticket, &token->previous);
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
	otel_drop_(thread, token->depth, &token->previous);
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
		span->context.state = OTEL_CONTEXT_BORROWED; /* its context is none, not the current one */
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
	if (!(otel_state_(&span->context) & (OTEL_CONTEXT_VALID | OTEL_CONTEXT_BORROWED))) {
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
