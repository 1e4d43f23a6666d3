/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otel/trace.h: OpenTelemetry tracing for C and C++, out of process.
 *
 * Include it, write spans, link nothing. While nobody listens a span costs a load and a branch per
 * call; when the otel-bpf agent attaches, what the calls say is recorded, and the kernel hands it
 * over. The application never blocks, sends, or starts a thread.
 *
 *     static otel_tracer kitchen = OTEL_TRACER("kitchen", "1.0.0");
 *
 *     int cook(const char *dish, int minutes)
 *     {
 *             OTEL_SPAN(span, &kitchen, "cook", otel_str("dish", dish));
 *             int err = heat(minutes);
 *
 *             otel_event(span, "heated", otel_int("minutes", minutes));
 *             return otel_fail(span, err);
 *     }
 *
 *   OTEL_TRACER(name, version)         who makes the spans
 *   OTEL_SPAN(span, tracer, name, ...) a span that is current until the block ends, and ends with it
 *   otel_start(tracer, name, ...)      a span that is not current: end it with otel_end()
 *   OTEL_USE(context)                  makes a context current until the block ends
 *   OTEL_USE_SPAN(span)                makes a span of otel_start() current until then, and ends it
 *   otel_attach(context), otel_detach(&token)   make a context current from one function to another
 *   otel_current()                     the span that is current
 *   otel_context_of(span)              what to hand to another thread, or to keep
 *   otel_set, otel_event, otel_set_status, otel_fail, otel_exception, otel_add_links, otel_set_name,
 *   otel_end, otel_end_at              writing and ending
 *   otel_trace_id, otel_span_id, otel_is_valid, otel_is_sampled, otel_is_remote    what is in a context
 *   otel_set_resource                  what the program says of itself
 *   otel_is_recording, otel_enabled    to keep expensive arguments behind
 *
 * What takes "..." takes attributes (otel_str, otel_strn, otel_int, otel_bool, otel_double, otel_bytes,
 * and the arrays otel_strs, otel_ints, otel_bools, otel_doubles), a start also otel_kind, otel_parent,
 * otel_root, otel_link and otel_time, an event otel_time. `span` is an otel_span, not a pointer: the macros take its address.
 *
 * Rules that hold for all of them:
 * - Thread-safe, and safe in signal handlers, but for one otel_span that two threads write to at the
 *   same time: give the second its context instead.
 * - errno stays as it is. Arguments are evaluated exactly once, whether or not anybody listens; put
 *   what is expensive to compute behind otel_is_recording().
 * - Strings are copied; NULL is an empty string; they should be UTF-8 (the agent repairs others).
 * - In C, OTEL_SPAN and OTEL_USE stand before the first goto that leaves their block, and no goto or
 *   case label jumps over them (clang refuses, gcc runs the cleanup on garbage).
 * - With OTEL_BPF_DISABLE defined nothing remains of all calls; files with and without link together.
 */
#ifndef OTEL_TRACE_H
#define OTEL_TRACE_H

#include "options.h"
#ifdef OTEL_BPF_DISABLE
#include "disabled.h"
#else
#include "operations.h"
#endif

/* 1 while an agent or a probe for people is attached to this image. */
OTEL_INLINE_ int otel_on_(void)
{
	return __builtin_expect(otel_bpf_semaphores_v1 != 0, 0) != 0;
}

OTEL_INLINE_ otel_span *otel_active_(otel_span *span)
{
#ifdef OTEL_BPF_DISABLE
	(void)span;
	return (otel_span *)0;
#else
	return __builtin_expect(otel_state_(&span->context) & (OTEL_CONTEXT_RECORDING | OTEL_CONTEXT_PROBED), 0) ?
		       span :
		       (otel_span *)0;
#endif
}

/* What a program writes to: also after its end, which is told of. */
OTEL_INLINE_ otel_span *otel_to_write_(otel_span *span)
{
#ifdef OTEL_BPF_DISABLE
	(void)span;
	return (otel_span *)0;
#else
	return __builtin_expect(otel_state_(&span->context) & (OTEL_CONTEXT_RECORDING | OTEL_CONTEXT_PROBED |
									     OTEL_CONTEXT_ENDED), 0) ?
		       span :
		       (otel_span *)0;
#endif
}

/* Takes what nobody wants: the arguments have been evaluated, the rest is optimised away. */
OTEL_INLINE_ void otel_ignore_(const otel_option *list)
{
	(void)list;
}

#define OTEL_JOIN2_(a, b) a##b
#define OTEL_JOIN_(a, b) OTEL_JOIN2_(a, b)

/* ---- Spans -------------------------------------------------------------------------------------- */

/* In C++ a tracer may be an otel::tracer, too: otel/tracer.hpp has the other function of this name. */
#ifdef __cplusplus
OTEL_INLINE_ const otel_tracer *otel_tracer_of_(const otel_tracer *tracer)
{
	return tracer;
}
#define OTEL_TRACER_(...) otel_tracer_of_(OTEL_FIRST_(__VA_ARGS__, 0))
#else
#define OTEL_TRACER_(...) OTEL_FIRST_(__VA_ARGS__, 0)
#endif

/* Nobody listens: a parent that was given is handed on, nothing else happens. */
OTEL_INLINE_ void otel_enter_off_(struct otel_scope *scope, otel_span *span, const otel_tracer *tracer,
				  const char *name, const otel_option *list)
{
	const otel_option *parent = otel_find_parent_(list);

	(void)tracer;
	(void)name;
	span->context.state = 0;
	if (parent)
		otel_hand_on_(scope, span, (const otel_context *)parent->value.pointer);
}

OTEL_INLINE_ void otel_enter_on_(struct otel_scope *scope, otel_span *span, const otel_tracer *tracer,
				 const char *name, const otel_option *list)
{
	otel_enter_(scope, span, tracer, name, otel_size_(name), list);
}

OTEL_INLINE_ void otel_left_(struct otel_scope *scope)
{
	if (__builtin_expect(scope->thread != (struct otel_thread *)0, 0))
		otel_leave_(scope);
}

/**
 * Declares @variable, an otel_span that is current from here to the end of the block, and ends there.
 *
 *     OTEL_SPAN(span, &kitchen, "POST /order", otel_kind(OTEL_SERVER), otel_str("http.route", "/order"));
 *
 * Its parent is the current span, unless otel_parent() says another. OpenTelemetry: Tracer, Span
 * Creation; "start as current".
 */
#define OTEL_SPAN(variable, ...)                                                                   \
	otel_span variable;                                                                        \
	__attribute__((cleanup(otel_left_))) struct otel_scope OTEL_JOIN_(variable, _otel_scope_); \
	OTEL_JOIN_(variable, _otel_scope_).thread = (struct otel_thread *)0;                       \
	(otel_on_() ? otel_enter_on_(&OTEL_JOIN_(variable, _otel_scope_), &variable,                  \
				  OTEL_TRACER_(__VA_ARGS__), OTEL_SECOND_(__VA_ARGS__, 0),         \
				  OTEL_LIST_(OTEL_REST2_(__VA_ARGS__, otel_last()))) :            \
		      otel_enter_off_(&OTEL_JOIN_(variable, _otel_scope_), &variable,              \
				      OTEL_TRACER_(__VA_ARGS__), OTEL_SECOND_(__VA_ARGS__, 0),     \
				      OTEL_LIST_(OTEL_REST2_(__VA_ARGS__, otel_last()))))

/**
 * Starts a span that is not made current: it may be stored, moved to another thread, and must be
 * ended with otel_end(). Returns it. The arguments are those of OTEL_SPAN().
 *
 *     rq->span = otel_start(&kitchen, "order", otel_kind(OTEL_CONSUMER));
 */
#define otel_start(...) OTEL_START_(OTEL_JOIN_(otel_new_, __COUNTER__), __VA_ARGS__)
#define OTEL_START_(new_one, ...)                                                                  \
	__extension__({                                                                            \
		otel_span new_one;                                                                 \
		(otel_on_() ?                                                                      \
			 otel_start_on_(&new_one, OTEL_TRACER_(__VA_ARGS__),                 \
					      OTEL_SECOND_(__VA_ARGS__, 0),                        \
					      OTEL_LIST_(OTEL_REST2_(__VA_ARGS__, otel_last()))) : \
			 otel_start_off_(&new_one, OTEL_TRACER_(__VA_ARGS__),                      \
					 OTEL_SECOND_(__VA_ARGS__, 0),                             \
					 OTEL_LIST_(OTEL_REST2_(__VA_ARGS__, otel_last()))));     \
		new_one;                                                                           \
	})

OTEL_INLINE_ void otel_start_on_(otel_span *span, const otel_tracer *tracer, const char *name,
				 const otel_option *list)
{
	otel_start_detached_(span, tracer, name, otel_size_(name), list);
}

OTEL_INLINE_ void otel_start_off_(otel_span *span, const otel_tracer *tracer, const char *name,
				  const otel_option *list)
{
	const otel_option *parent = otel_find_parent_(list);

	(void)tracer;
	(void)name;
	/*
	 * Its state is all that counts. But the span is copied to where it was asked for, 16 bytes at a time: a
	 * load of 16 waits for a store of one byte of them, longer than all else takes.
	 */
	__builtin_memset((char *)&span->context + __builtin_offsetof(otel_context, trace_flags), 0, 16);
	if (parent)
		otel_hand_on_((struct otel_scope *)0, span, (const otel_context *)parent->value.pointer);
}

/**
 * Ends a span, now. Only the first end of a span counts, and what is written to it after that is
 * ignored. It stays current where it is. OpenTelemetry: Span, End.
 */
#define otel_end(span) otel_end_at_(&(span), 0)

/** The same with a time of its own, in nanoseconds since the epoch, taken as it is. */
#define otel_end_at(span, unix_nano) otel_end_at_(&(span), unix_nano)
OTEL_INLINE_ void otel_end_at_(otel_span *span, otel_u64 unix_nano)
{
	if (__builtin_expect(otel_state_(&span->context) & (OTEL_CONTEXT_RECORDING | OTEL_CONTEXT_PROBED |
						     OTEL_CONTEXT_OWNS), 0))
		otel_end_(span, unix_nano);
}

/** Is what is written to @span recorded? False after its end. OpenTelemetry: Span, IsRecording. */
#define otel_is_recording(span) otel_is_recording_at_(&(span))
OTEL_INLINE_ int otel_is_recording_at_(const otel_span *span)
{
	return (otel_state_(&span->context) & OTEL_CONTEXT_RECORDING) != 0;
}

/** Would a span of @tracer be recorded, were it sampled? OpenTelemetry: Tracer, Enabled. */
OTEL_INLINE_ int otel_enabled(const otel_tracer *tracer)
{
	return otel_on_() && otel_attached_(OTEL_SEMAPHORE_FLUSH) && !otel_is_off_(tracer);
}

/* ---- Writing ------------------------------------------------------------------------------------ */

/**
 * Sets attributes; the last value of a key counts. OpenTelemetry: Span, Set Attributes.
 *
 *     otel_set(span, otel_bool("paid", true), otel_double("amount", 99.99));
 */
#define otel_set(span, ...) OTEL_SET_(OTEL_JOIN_(otel_to_, __COUNTER__), span, __VA_ARGS__)
#define OTEL_SET_(to, span, ...)                                                                   \
	__extension__({                                                                            \
		otel_span *to = otel_to_write_(&(span));                                             \
		(to ? otel_set_(to, OTEL_LIST_(__VA_ARGS__, otel_last())) :                       \
		      otel_ignore_(OTEL_LIST_(__VA_ARGS__, otel_last())));                        \
	})

/**
 * Adds an event that happens now: (span, name, attributes...). OpenTelemetry: Span, Add Events.
 *
 *     otel_event(span, "enqueued", otel_int("queue.length", n));
 */
#define otel_event(span, ...) OTEL_EVENT_(OTEL_JOIN_(otel_to_, __COUNTER__), span, __VA_ARGS__)
#define OTEL_EVENT_(to, span, ...)                                                                 \
	__extension__({                                                                            \
		otel_span *to = otel_to_write_(&(span));                                             \
		(to ? otel_event_on_(to, OTEL_FIRST_(__VA_ARGS__, 0),                                 \
				  OTEL_LIST_(OTEL_REST1_(__VA_ARGS__, otel_last()))) :            \
		      otel_ignore_event_(OTEL_FIRST_(__VA_ARGS__, 0),                              \
					 OTEL_LIST_(OTEL_REST1_(__VA_ARGS__, otel_last()))));     \
	})

OTEL_INLINE_ void otel_event_on_(otel_span *span, const char *name, const otel_option *list)
{
	otel_event_(span, name, otel_size_(name), list);
}

OTEL_INLINE_ void otel_ignore_event_(const char *name, const otel_option *list)
{
	(void)name;
	(void)list;
}

/**
 * Records an exception that is no errno: (span, type, message, attributes...). The status stays as it is.
 * An attribute that is given by hand counts, not the one that is made here. OpenTelemetry: Span, Record
 * Exception.
 *
 *     otel_exception(span, "ParseError", text, otel_str("exception.stacktrace", trace));
 */
#define otel_exception(span, ...) OTEL_EXCEPTION_(span, __VA_ARGS__)
#define OTEL_EXCEPTION_(span, ...)                                                                 \
	otel_event(span, "exception", otel_str("exception.type", OTEL_FIRST_(__VA_ARGS__, 0)),     \
		   otel_str("exception.message", OTEL_SECOND_(__VA_ARGS__, 0)),                    \
		   OTEL_REST2_(__VA_ARGS__, otel_last()))

/** Adds links after the start: (span, otel_link(...), ...). OpenTelemetry: Span, Add Link. */
#define otel_add_links(span, ...) OTEL_ADD_LINKS_(OTEL_JOIN_(otel_to_, __COUNTER__), span, __VA_ARGS__)
#define OTEL_ADD_LINKS_(to, span, ...)                                                             \
	__extension__({                                                                            \
		otel_span *to = otel_to_write_(&(span));                                             \
		(to ? otel_add_links_(to, OTEL_LIST_(__VA_ARGS__, otel_last())) :                  \
		      otel_ignore_(OTEL_LIST_(__VA_ARGS__, otel_last())));                         \
	})

/** Gives the span another name. Sampling has been decided by the first. OpenTelemetry: UpdateName. */
#define otel_set_name(span, name) otel_set_name_at_(&(span), name)
OTEL_INLINE_ void otel_set_name_at_(otel_span *span, const char *name)
{
	if (otel_to_write_(span))
		otel_set_name_(span, name, otel_size_(name));
}

/**
 * Sets the status: OTEL_OK or OTEL_ERROR. @description goes with OTEL_ERROR only; NULL is none.
 * OTEL_OK is final, else the last call counts. OpenTelemetry: Span, Set Status.
 */
#define otel_set_status(span, code, description) otel_set_status_at_(&(span), code, description)
OTEL_INLINE_ void otel_set_status_at_(otel_span *span, enum otel_code code, const char *description)
{
	if (otel_to_write_(span))
		otel_set_status_(span, code, description);
}

/**
 * The one line of an error path: if @error, an errno or a negative errno, is not 0, it becomes an
 * exception event with its symbol and text, and the status Error, unless a status has been set.
 * Returns @error as it is.
 *
 *     return otel_fail(span, err);
 */
#define otel_fail(span, error) otel_fail_at_(&(span), error)
OTEL_INLINE_ int otel_fail_at_(otel_span *span, int error)
{
	if (error && otel_to_write_(span))
		otel_error_(span, error);
	return error;
}

/**
 * Sets attributes of the resource: of the whole process, over what its environment says. Before the
 * first span, best at the start of main(); kept for agents that come later. OpenTelemetry: Resource.
 *
 *     otel_set_resource(otel_str("service.name", "shop"), otel_str("service.version", "1.4.2"));
 */
#define otel_set_resource(...) otel_set_resource_(OTEL_LIST_(__VA_ARGS__, otel_last()))

/* ---- Context ------------------------------------------------------------------------------------ */

/**
 * The current span of this thread, to write to; one whose operations do nothing if there is none.
 * Valid until the current span changes. OpenTelemetry: Context Interaction.
 */
#define otel_current() (*otel_current_())

/**
 * The context of @span: a value that outlives it, to be stored or handed to another thread and made
 * current there with OTEL_USE(), or to be given to otel_parent(). Of a span that is not recorded
 * because nobody listens it is the parent's. OpenTelemetry: Span, Get Context.
 */
#define otel_context_of(span) otel_context_at_(&(span))
OTEL_INLINE_ otel_context otel_context_at_(otel_span *span)
{
	otel_context context;

	otel_get_context_(span, &context);
	return context;
}

/**
 * Gives back what @context holds, and makes it invalid. NULL holds nothing.
 *
 * Who owns what: a context that a function returns (otel_context_of(), otel_extract(), otel_context_with_...
 * and -without_...) holds references to its trace state and baggage, and needs one call of this, however
 * often it was copied. What takes a context (otel_parent(), otel_link(), OTEL_USE(), otel_attach(),
 * otel_inject_context()) borrows it, OTEL_USE() until its block ends, otel_attach() until otel_detach(). Spans hold references of their own: a current one until
 * its block ends, one of otel_start() until otel_end(), which leaves its context the ids only. A missing
 * call keeps about a kilobyte until the process ends; one too many is ignored, or takes trace state and
 * baggage away from other contexts of the same request; neither ever touches freed memory.
 */
OTEL_INLINE_ void otel_context_release(otel_context *context)
{
	if (!context)
		return;
	if (__builtin_expect(context->state & OTEL_CONTEXT_OWNS, 0))
		otel_let_go_(context);
	context->state = 0;
}

/**
 * A span that stands for @context: it cannot be written to, but hands the context on. Here and below, NULL is a
 * context that is not valid. OpenTelemetry: Wrapping a SpanContext in a Span, NonRecordingSpan.
 */
OTEL_INLINE_ otel_span otel_span_of(const otel_context *context)
{
	otel_span span;

	__builtin_memset(&span, 0, sizeof(span));
	if (context)
		span.context = *context;
	span.context.state &= OTEL_CONTEXT_VALID | OTEL_CONTEXT_REMOTE;
	return span;
}

/**
 * A context of ids that come from elsewhere, with the trace flags of W3C (1 sampled, 2 random); not valid
 * if one of the ids is all zero, or NULL. OpenTelemetry: SpanContext.
 */
OTEL_INLINE_ otel_context otel_context_make(const otel_u8 trace_id[16], const otel_u8 span_id[8],
					    unsigned trace_flags, int remote)
{
	static const otel_u8 none[16] = {0};
	otel_context context;

	__builtin_memset(&context, 0, sizeof(context));
	if (!trace_id || !span_id)
		return context;
	if (!__builtin_memcmp(trace_id, none, 16) || !__builtin_memcmp(span_id, none, 8))
		return context;
	__builtin_memcpy(context.trace_id, trace_id, 16);
	__builtin_memcpy(context.span_id, span_id, 8);
	context.trace_flags = (otel_u8)(trace_flags & 3);
	context.state = (otel_u8)(OTEL_CONTEXT_VALID | (remote ? OTEL_CONTEXT_REMOTE : 0));
	return context;
}

/** Has @context a trace and span id? OpenTelemetry: SpanContext, IsValid. */
OTEL_INLINE_ int otel_is_valid(const otel_context *context)
{
	return context && (context->state & OTEL_CONTEXT_VALID);
}

/** Has the trace id at least 56 random bits? OpenTelemetry: TraceFlags, Random. */
OTEL_INLINE_ int otel_is_random(const otel_context *context)
{
	return context && (context->state & OTEL_CONTEXT_VALID) && (context->trace_flags & 2);
}

/** Was the trace sampled where @context comes from? OpenTelemetry: TraceFlags. */
OTEL_INLINE_ int otel_is_sampled(const otel_context *context)
{
	return context && (context->state & OTEL_CONTEXT_VALID) && (context->trace_flags & 1);
}

/** Did @context come from another process? False for children made here. OpenTelemetry: IsRemote. */
OTEL_INLINE_ int otel_is_remote(const otel_context *context)
{
	return context && (context->state & OTEL_CONTEXT_REMOTE);
}

OTEL_INLINE_ const char *otel_format_(const otel_u8 *id, unsigned size, char *out)
{
	for (unsigned i = 0; i < size; i++) {
		out[2 * i] = "0123456789abcdef"[id[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[id[i] & 15];
	}
	out[2 * size] = 0;
	return out;
}

/** The trace id as 32 lower-case hexadecimal digits in @out, which is returned; zeros if not valid. */
OTEL_INLINE_ const char *otel_trace_id(const otel_context *context, char out[33])
{
	static const otel_u8 none[16] = {0};

	return otel_format_(otel_is_valid(context) ? context->trace_id : none, 16, out);
}

/** The span id as 16 lower-case hexadecimal digits in @out, which is returned; zeros if not valid. */
OTEL_INLINE_ const char *otel_span_id(const otel_context *context, char out[17])
{
	static const otel_u8 none[8] = {0};

	return otel_format_(otel_is_valid(context) ? context->span_id : none, 8, out);
}

/**
 * Makes @context current until the end of the block; the span in it is not ended. What is written
 * to otel_current() then goes to that span, and spans that are started become its children.
 */
#define OTEL_USE(context) OTEL_USE_(OTEL_JOIN_(otel_scope_, __COUNTER__), context)
#define OTEL_USE_(scope, context)                                                                  \
	__attribute__((cleanup(otel_left_))) struct otel_scope scope;                              \
	otel_use_(&scope, &(context))

/**
 * Makes @span, one of otel_start(), current until the end of the block, and ends it then. It must stay
 * where it is as long. OpenTelemetry for Python: use_span() with end_on_exit.
 */
#define OTEL_USE_SPAN(span) OTEL_USE_SPAN_(OTEL_JOIN_(otel_scope_, __COUNTER__), span)
#define OTEL_USE_SPAN_(scope, span)                                                                \
	__attribute__((cleanup(otel_left_))) struct otel_scope scope;                              \
	otel_use_span_(&scope, &(span))

/**
 * Makes @context current until otel_detach(), which may stand in another function of the same thread: for
 * hooks that are called at the beginning and at the end of something. OpenTelemetry: Attach Context.
 *
 *     rq->token = otel_attach(rq->context);
 */
#define otel_attach(context) otel_attach_at_(otel_address_(context))
OTEL_INLINE_ __attribute__((warn_unused_result)) otel_token otel_attach_at_(const otel_context *context)
{
	otel_token token;

	otel_attach_(&token, context);
	return token;
}

/**
 * Makes current again what was so before otel_attach(). OpenTelemetry: Detach Context.
 *
 * Returns 0, or -EINVAL if the order is wrong, which does no harm: if what was made current after @token is
 * so still, it is detached with it; if @token was detached before, or belongs to another thread, nothing
 * changes. NULL is nothing to detach.
 */
OTEL_INLINE_ int otel_detach(otel_token *token)
{
	return token ? otel_detach_(token) : 0;
}

#undef OTEL_COLD_
#undef OTEL_WARM_

#endif
