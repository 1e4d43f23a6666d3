/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to otel/trace.h: what is current in a thread, and what was before.
 *
 * Scopes are left in the order in which they were entered, backwards, but for two cases. longjmp()
 * leaves none of those that it jumps over; they are found out at the next call, by what is on the
 * stack now. Scopes in objects of C++, and tokens, may be left in any order: to leave one is to
 * leave those inside of it, too, and when their turn comes they change nothing.
 *
 * So every scope has its place in struct otel_scopes, with its name on it. A signal handler that
 * comes in between takes the next place: `scopes` is raised before a place is filled, lowered after
 * it was emptied.
 */
#ifndef OTEL_SCOPES_H
#define OTEL_SCOPES_H

#include "sampling.h"

/* Is @address on the thread's own stack? Not if that is not known, and not on another that it runs
 * on. */
OTEL_INLINE_ int otel_on_stack_(const struct otel_scopes *scopes, otel_u64 address)
{
	return address - scopes->stack < scopes->stack_size;
}

OTEL_STATIC_ASSERT(__builtin_offsetof(struct otel_scope, thread) == 0, "what otel_peek_() reads");

/* What is beside the address; of a ticket it is a part of its number. */
#define OTEL_OWNER_BITS_ ((otel_u64)(OTEL_OWNER_ON_STACK | OTEL_OWNER_LIGHT))

/* Who may leave the scope that is kept here. Another thread may just be saying that it has left it.
 */
OTEL_INLINE_ otel_u64 otel_owner_of_(const struct otel_kept_scope *kept)
{
	return __atomic_load_n(&kept->owner, __ATOMIC_RELAXED);
}

OTEL_INLINE_ void otel_owner_set_(struct otel_kept_scope *kept, otel_u64 owner)
{
	__atomic_store_n(&kept->owner, owner, __ATOMIC_RELAXED);
}

/*
 * Was the scope jumped over? Surely if its place on the stack is one that is not in use, or is in
 * use for something else. Those in other memory than the thread's stack (objects, stacks of
 * coroutines) never count as jumped over. @stack: what is above it belongs to functions that go on.
 */
OTEL_INLINE_ int otel_jumped_over_(const struct otel_thread *thread,
				   const struct otel_scopes *scopes, otel_u32 depth, otel_u64 stack)
{
	otel_u64 owner = otel_owner_of_(&scopes->kept[depth]), scope = owner & ~OTEL_OWNER_BITS_;

	return (owner & OTEL_OWNER_ON_STACK) && (otel_peek_(scope) != (otel_u64)thread ||
						 (scope < stack && otel_on_stack_(scopes, stack)));
}

/* In few instructions: was the last of the scopes, of which there are some, all kept, surely not jumped over? */
OTEL_INLINE_ int otel_is_settled_(struct otel_thread *thread, otel_u64 stack)
{
	otel_u64 depth = thread->scopes, owner = otel_owner_of_(&otel_scopes_(thread)->kept[depth - 1]);

	return (owner & OTEL_OWNER_ON_STACK) && (owner & ~OTEL_OWNER_BITS_) >= stack &&
	       otel_peek_(owner & ~OTEL_OWNER_BITS_) == (otel_u64)thread;
}

OTEL_INLINE_ otel_u32 otel_kept_(const struct otel_thread *thread)
{
	return thread->scopes < OTEL_SCOPES_KEPT ? thread->scopes : OTEL_SCOPES_KEPT;
}

/*
 * What was current before the scope at @depth, a light one: all but the id is what it was at the next scope
 * inside that is not, or still is. The last place that is kept is never one of a light scope.
 */
OTEL_COLD_ void otel_before_light_(struct otel_thread *thread, otel_u32 depth, otel_context *out)
{
	const struct otel_kept_scope *kept = otel_scopes_(thread)->kept;
	otel_u32 full = depth + 1;

	while (full < otel_kept_(thread) &&
	       (!otel_owner_of_(&kept[full]) || otel_owner_of_(&kept[full]) & OTEL_OWNER_LIGHT))
		full++;
	*out = full < otel_kept_(thread) ? kept[full].previous : thread->current.context;
	__builtin_memcpy(out->span_id, kept[depth].previous.span_id, 8);
}

/*
 * Takes the scopes from @depth on out: what was current before them is so again. @previous: where that is if
 * it is too deep to be kept.
 */
OTEL_INLINE_ void otel_drop_(struct otel_thread *thread, otel_u32 depth, const otel_context *previous)
{
	struct otel_scopes *scopes = otel_scopes_(thread);
	otel_context before;

	if (__builtin_expect(depth < OTEL_SCOPES_KEPT, 1)) {
		previous = &scopes->kept[depth].previous;
		if (__builtin_expect((otel_owner_of_(&scopes->kept[depth]) & OTEL_OWNER_LIGHT) != 0, 0)) {
			otel_before_light_(thread, depth, &before);
			previous = &before;
		}
	}
	thread->changing++;
	OTEL_ORDER_();
	thread->current.context = *previous;
	for (otel_u32 i = depth; i < OTEL_SCOPES_KEPT; i++) {
		otel_owner_set_(&scopes->kept[i], 0);
		if (__builtin_expect(i + 1 >= thread->scopes, 1))
			break;
	}
	OTEL_ORDER_();
	thread->scopes = depth;
	OTEL_ORDER_();
	thread->changing--;
}

OTEL_COLD_ void otel_drop_jumped_over_(struct otel_thread *thread, otel_u64 stack)
{
	struct otel_scopes *scopes = otel_scopes_(thread);
	otel_u32 depth = otel_kept_(thread);

	if (thread->changing) /* by what we interrupt, in a signal handler: it goes on with that */
		return;
	while (depth && otel_jumped_over_(thread, scopes, depth - 1, stack))
		depth--;
	if (depth < otel_kept_(thread))
		otel_drop_(thread, depth, &scopes->kept[depth].previous);
}

/* Before what is current is looked at or changed. */
OTEL_INLINE_ void otel_settle_(struct otel_thread *thread, otel_u64 stack)
{
	const struct otel_scopes *scopes = otel_scopes_(thread);
	otel_u32 depth = otel_kept_(thread);

	if (depth && __builtin_expect(otel_jumped_over_(thread, scopes, depth - 1, stack), 0))
		otel_drop_jumped_over_(thread, stack);
}

/* The stack of the function that called the one this stands in, as near as can be said. */
#if defined(__x86_64__)
#define OTEL_STACK_OF_CALLER_() ((otel_u64)__builtin_dwarf_cfa())
#else
#define OTEL_STACK_OF_CALLER_() ((otel_u64)__builtin_frame_address(0))
#endif

OTEL_INLINE_ otel_u64 otel_owner_(const struct otel_scopes *scopes, const struct otel_scope *scope)
{
	return (otel_u64)scope + (otel_u64)otel_on_stack_(scopes, (otel_u64)scope);
}

/* Has the scope its place still? @owner: its address, or its ticket. */
OTEL_INLINE_ int otel_is_inside_(struct otel_thread *thread, otel_u32 depth, otel_u64 owner)
{
	return depth < thread->scopes &&
	       (depth >= OTEL_SCOPES_KEPT ||
		(otel_owner_of_(&otel_scopes_(thread)->kept[depth]) & ~OTEL_OWNER_BITS_) == owner);
}

/*
 * Keeps what is current, as something else is about to be, until the scope at the depth that is returned is left.
 * @previous: where to keep it if it is too deep.
 */
OTEL_INLINE_ otel_u32 otel_push_(struct otel_thread *thread, otel_context *previous)
{
	otel_u32 depth = thread->scopes;

	thread->scopes = depth + 1;
	thread->changing++;
	OTEL_ORDER_();
	if (__builtin_expect(depth < OTEL_SCOPES_KEPT, 1))
		previous = &otel_scopes_(thread)->kept[depth].previous;
	*previous = thread->current.context;
	return depth;
}

/* Something else is current now. */
OTEL_INLINE_ void otel_pushed_(struct otel_thread *thread, otel_u32 depth, otel_u64 owner)
{
	OTEL_ORDER_();
	if (__builtin_expect(depth < OTEL_SCOPES_KEPT, 1))
		otel_owner_set_(&otel_scopes_(thread)->kept[depth], owner);
	thread->changing--;
}

/* Makes @context current. */
OTEL_INLINE_ otel_u32 otel_push_context_(struct otel_thread *thread, const otel_context *context,
					 otel_u64 owner, otel_context *previous)
{
	otel_u32 depth = otel_push_(thread, previous);

	thread->current.context = *context;
	thread->current.context.state =
		(otel_u8)((context->state | OTEL_CONTEXT_BORROWED) & ~OTEL_CONTEXT_OWNS);
	if (__builtin_expect(!(context->state & OTEL_CONTEXT_TEXTS_), 0))
		thread->current.context.tracestate = thread->current.context.baggage = 0;
	otel_pushed_(thread, depth, owner);
	return depth;
}

OTEL_INLINE_ void otel_push_scope_(struct otel_scope *scope, struct otel_thread *thread,
				   const otel_context *context)
{
	scope->thread = thread;
	scope->flags = 0;
	scope->depth = otel_push_context_(thread, context, otel_owner_(otel_scopes_(thread), scope),
					  &scope->previous);
}

/*
 * A coroutine has gone on in another thread: to the one that it was entered in the scope counts as
 * jumped over. It finds that out by itself, as nothing else of its own may be touched here.
 */
OTEL_COLD_ void otel_left_elsewhere_(struct otel_scope *scope)
{
	struct otel_scopes *scopes = otel_scopes_(scope->thread);
	otel_u64 *owner, mine = (otel_u64)scope, bits;

	if (scope->depth >= OTEL_SCOPES_KEPT)
		return;
	owner = &scopes->kept[scope->depth].owner;
	bits = __atomic_load_n(owner, __ATOMIC_RELAXED) & OTEL_OWNER_BITS_;
	mine |= bits;
	__atomic_compare_exchange_n(owner, &mine, (otel_u64)&scopes->nobody | OTEL_OWNER_ON_STACK | bits, 0,
				    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/*
 * A copy of a span's context that was current was perhaps handed out: then others may write to the
 * span. This looks for the copy when it is not current any more; if it is gone, it counts as handed
 * out.
 */
OTEL_COLD_ int otel_was_shared_(struct otel_thread *thread, const struct otel_scope *scope,
				int inside)
{
	const struct otel_kept_scope *next;

	if (!inside || scope->depth + 1 >= OTEL_SCOPES_KEPT)
		return OTEL_CONTEXT_SHARED;
	next = &otel_scopes_(thread)->kept[scope->depth + 1];
	/* Light ones are inside of spans that nobody writes to. */
	return otel_owner_of_(next) & OTEL_OWNER_LIGHT ? 0 : next->previous.state & OTEL_CONTEXT_SHARED;
}

#endif
