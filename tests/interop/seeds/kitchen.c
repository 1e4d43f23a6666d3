/* SPDX-License-Identifier: Apache-2.0 */
/* The examples of the first document, as somebody would write them in C. Its oracle is kitchen.py. */
#include <errno.h>
#include <otel/trace.h>
#include <stdio.h>

static otel_tracer tracer = OTEL_TRACER("kitchen", "");

static int queue_length = 3;

static void bake_cake(void)
{
	/* The current span is the one around this call. */
	otel_set(otel_current(), otel_str("oven", "left"));
}

int main(void)
{
	/* The resource: of the process, not of a provider. */
	otel_set_resource(otel_str("service.name", "service123"), otel_str("service.version", "1.2.3"),
			  otel_str("hostname", "stove-1"));

	/* Nothing is current: the operations do nothing. */
	otel_set(otel_current(), otel_bool("lost", 1));

	OTEL_SPAN(meal, &tracer, "meal");
	{
		/* Started below the current span, without becoming it. */
		otel_context context = otel_context_of(meal);
		otel_span cake = otel_start(&tracer, "bake-cake", otel_parent(context));

		bake_cake(); /* writes to "meal" */
		otel_end(cake);
		otel_context_release(&context);
	}
	{
		/* The same, and current meanwhile. */
		OTEL_SPAN(cake, &tracer, "bake-cake");
		bake_cake();
		(void)cake;
	}
	{
		otel_span call = otel_start(&tracer, "request", otel_str("http.method", "GET"),
					    otel_str("http.flavor", "1.1"), otel_str("http.url", "http://shop/list?page=2"),
					    otel_str("net.peer.ip", "192.0.2.5"), otel_int("http.status_code", 200),
					    otel_str("http.status_text", "OK"));

		otel_set(call, otel_int("list.page_number", 2));
		otel_set(call, otel_int("example.list.page_number", 2));
		otel_end(call);
	}
	{
		OTEL_SPAN(order, &tracer, "enqueue");
		otel_event(otel_current(), "enqueued item", otel_int("queue.length", queue_length));
		(void)order;
	}
	{
		OTEL_SPAN(burnt, &tracer, "burn");
		otel_exception(otel_current(), "BurntError", "too dark");
		otel_set_status(otel_current(), OTEL_ERROR, "error happened");
		(void)burnt;
	}
	return 0;
}
