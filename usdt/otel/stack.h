/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otel/stack.h: the stack trace of an exception, taken where it is recorded.
 *
 *     otel_exception(span, "ParseError", text, otel_stack());
 *
 * Costs a walk up the stack, a microsecond or a few; the addresses become names in the agent. Uses the
 * unwinder that comes with the compiler (libgcc), and so is a header of its own.
 */
#ifndef OTEL_STACK_H
#define OTEL_STACK_H

#include "trace.h"

#ifndef OTEL_BPF_DISABLE
#include <unwind.h>

#define OTEL_STACK_MAX_ 128

struct otel_stack_ {
	unsigned count;
	otel_u64 addresses[OTEL_STACK_MAX_];
};

static __attribute__((unused)) _Unwind_Reason_Code
otel_stack_frame_(struct _Unwind_Context *context, void *data)
{
	struct otel_stack_ *stack = (struct otel_stack_ *)data;

	if (stack->count == OTEL_STACK_MAX_)
		return _URC_END_OF_STACK;
	stack->addresses[stack->count++] = (otel_u64)_Unwind_GetIP(context);
	return _URC_NO_REASON;
}

static __attribute__((noinline, unused)) void
otel_record_stack_(struct otel_writer_ *w, otel_span *span, unsigned flags, otel_u64 now)
{
	struct otel_stack_ stack;

	stack.count = 0;
	_Unwind_Backtrace(otel_stack_frame_, &stack);
	otel_record_open_(w, OTEL_RECORD_STACK, flags & OTEL_RECORD_TIMED, span->context.span_id, now);
	if (flags & OTEL_RECORD_TIMED)
		otel_put_(w, &now, sizeof(now));
	otel_put_(w, stack.addresses, stack.count * sizeof(*stack.addresses));
	otel_record_commit_(w);
}
#endif

/** An option of otel_exception() and otel_event(): takes the stack trace here. */
OTEL_INLINE_ otel_option otel_stack(void)
{
	otel_option option = otel_option_((const char *)0, OTEL_TYPE_STACK);

#ifdef OTEL_BPF_DISABLE
	option.value.function = (void (*)(void))0;
#else
	option.value.function = (void (*)(void))otel_record_stack_;
#endif
	return option;
}

#endif
