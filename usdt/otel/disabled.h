/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of otel/trace.h: what stands in for otel/operations.h with OTEL_BPF_DISABLE. Nothing is ever
 * attached, nothing is current.
 */
#ifndef OTEL_DISABLED_H
#define OTEL_DISABLED_H

#include "options.h"

enum { otel_bpf_semaphores_v1 = 0 };

OTEL_INLINE_ int otel_attached_(enum otel_semaphore semaphore)
{
	(void)semaphore;
	return 0;
}

OTEL_INLINE_ void otel_enter_(struct otel_scope *scope, otel_span *span, const otel_tracer *tracer,
			      const char *name, otel_u32 name_size, const otel_option *list)
{
	(void)scope;
	(void)span;
	(void)tracer;
	(void)name;
	(void)name_size;
	(void)list;
}

OTEL_INLINE_ void otel_use_(struct otel_scope *scope, const otel_context *context)
{
	scope->thread = (struct otel_thread *)0;
	(void)context;
}

OTEL_INLINE_ void otel_use_span_(struct otel_scope *scope, otel_span *span)
{
	scope->thread = (struct otel_thread *)0;
	(void)span;
}

OTEL_INLINE_ void otel_attach_(otel_token *token, const otel_context *context)
{
	__builtin_memset(token, 0, sizeof(*token));
	(void)context;
}

OTEL_INLINE_ int otel_detach_(otel_token *token)
{
	(void)token;
	return 0;
}

OTEL_INLINE_ void otel_leave_(struct otel_scope *scope)
{
	(void)scope;
}

OTEL_INLINE_ const otel_option *otel_find_parent_(const otel_option *list)
{
	(void)list;
	return (const otel_option *)0;
}

OTEL_INLINE_ void otel_hand_on_(struct otel_scope *scope, otel_span *span, const otel_context *parent)
{
	(void)scope;
	(void)span;
	(void)parent;
}

OTEL_INLINE_ void otel_start_detached_(otel_span *span, const otel_tracer *tracer, const char *name,
				       otel_u32 name_size, const otel_option *list)
{
	(void)span;
	(void)tracer;
	(void)name;
	(void)name_size;
	(void)list;
}

OTEL_INLINE_ void otel_set_(otel_span *span, const otel_option *list)
{
	(void)span;
	(void)list;
}

OTEL_INLINE_ void otel_event_(otel_span *span, const char *name, otel_u32 name_size,
			      const otel_option *list)
{
	(void)span;
	(void)name;
	(void)name_size;
	(void)list;
}

OTEL_INLINE_ void otel_set_status_(otel_span *span, enum otel_code code, const char *description)
{
	(void)span;
	(void)code;
	(void)description;
}

OTEL_INLINE_ void otel_error_(otel_span *span, int error)
{
	(void)span;
	(void)error;
}

OTEL_INLINE_ void otel_end_(otel_span *span, otel_u64 unix_time)
{
	(void)span;
	(void)unix_time;
}

OTEL_INLINE_ void otel_set_name_(otel_span *span, const char *name, otel_u32 size)
{
	(void)span;
	(void)name;
	(void)size;
}

OTEL_INLINE_ void otel_add_links_(otel_span *span, const otel_option *list)
{
	(void)span;
	(void)list;
}

OTEL_INLINE_ void otel_set_resource_(const otel_option *list)
{
	(void)list;
}

OTEL_INLINE_ otel_span *otel_current_(void)
{
	static otel_span nothing; /* and nobody writes to it */

	return &nothing;
}

OTEL_INLINE_ void otel_let_go_(otel_context *context)
{
	(void)context;
}

OTEL_INLINE_ void otel_get_context_(otel_span *span, otel_context *out)
{
	(void)span;
	__builtin_memset(out, 0, sizeof(*out));
}

#endif
