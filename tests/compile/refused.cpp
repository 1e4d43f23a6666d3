/* SPDX-License-Identifier: Apache-2.0 */
/* As refused.c, for what only otel/trace.hpp has. */
#include <list>

#include <otel/trace.hpp>

namespace
{
const otel::tracer tracer("refused");
}

int main()
{
	const std::list<int> list = {1, 2};
	int number = 1;
	void *pointer = &number;
	otel::scoped_span span(tracer, "span", {{"n", number}});
	const otel::context context = span.context();

	(void)list, (void)pointer;
#ifndef LINE
	otel::scope here(context);
#elif LINE == 1 /* an attribute is a bool, a number, a text */
	span.set("k", list);
#elif LINE == 2 /* an attribute is a bool, a number, a text */
	span.event("e", {{"k", pointer}});
#elif LINE == 3 /* nodiscard */
	otel::scoped_span(tracer, "gone at once");
#elif LINE == 4 /* nodiscard */
	otel::span(tracer, "gone at once");
#elif LINE == 5 /* nodiscard */
	otel::scope{context};
#elif LINE == 6 /* no match|no viable */
	span.set({"k", 1});
#endif
	return 0;
}
