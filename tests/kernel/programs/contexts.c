/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans below contexts that come from elsewhere, and spans that only stand for a context; spans_test.py says
 * what must come of it.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <otel/trace.h>

static otel_tracer tracer = OTEL_TRACER("contexts", "1");

static void from_elsewhere(int remote)
{
	static const unsigned char trace_id[16] = {0xab}, span_id[8] = {0xcd};
	otel_context parent = otel_context_make(trace_id, span_id, 1, remote);

	OTEL_SPAN(child, &tracer, remote ? "below a remote one" : "below a local one", otel_parent(parent));
	OTEL_SPAN(grandchild, &tracer, remote ? "below its child" : "below its local child");
	(void)child, (void)grandchild;
}

static void stands_for_one(void)
{
	OTEL_SPAN(span, &tracer, "span");
	otel_context context = otel_context_of(span);
	otel_span wrapped = otel_span_of(&context);
	otel_context back = otel_context_of(wrapped);

	otel_set(wrapped, otel_bool("written", true));
	otel_event(wrapped, "written");
	otel_set_name(wrapped, "written");
	otel_set_status(wrapped, OTEL_ERROR, "written");
	otel_add_links(wrapped, otel_link(context));
	otel_fail(wrapped, 1);
	otel_end(wrapped);
	printf("%d %d %d\n", otel_is_recording(wrapped), otel_is_recording(span),
	       memcmp(context.span_id, back.span_id, 8) || !otel_is_valid(&back));
	otel_set(span, otel_bool("goes on", true));
	OTEL_SPAN(child, &tracer, "child", otel_parent(back));
	(void)child;
	otel_context_release(&back);
	otel_context_release(&context);
	otel_context_release(NULL);
}

int main(void)
{
	from_elsewhere(1);
	from_elsewhere(0);
	stands_for_one();
	return 0;
}
