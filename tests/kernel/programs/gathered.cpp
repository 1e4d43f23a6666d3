/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes that are put together at run time, of texts that are gone when they are used; cpp_test.py says
 * what must come of it.
 */
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <otel/trace.hpp>

static const otel::tracer tracer("gathered", "1");

static otel::attributes headers()
{
	const std::map<std::string, std::string> got = {{"accept", "*/*"}, {"host", "example.org, a name that is long"}};
	otel::attributes gathered;

	for (const auto &[name, value] : got)
		gathered.set("http.request.header." + name, value);
	return gathered;
}

static otel::attributes all_types()
{
	const unsigned char raw[] = {1, 0, 255};
	otel::attributes gathered;

	{
		std::vector<std::string> texts = {"a text that is too long to be kept in a string itself", "", "b"};
		std::vector<int> numbers = {1, -2};
		std::vector<bool> bits = {true, false};

		gathered.set("texts", texts);
		gathered.set("numbers", numbers);
		gathered.set("bits", bits);
		gathered.set(std::string("list"), {1.5, 2.5});
		gathered.set("words", {"x", "y"});
		texts.assign(3, "overwritten");
		numbers.assign(2, 9);
	}
	gathered.set("bytes", raw);
	gathered.set("bytes too", otel::bytes{raw, 2});
	gathered.set("number", 42);
	gathered.set("flag", true);
	gathered.set("double", 0.25);
	gathered.set("null", static_cast<const char *>(nullptr));
	gathered.set("twice", 1);
	gathered.set("twice", 2);
	return gathered;
}

int main()
{
	otel::set_resource(headers());
	otel::attributes one = headers(), all = all_types(), copy, moved;

	copy = one;
	one.set("only", "in one");
	moved = std::move(all);
	all.set("after", "moving");
	{
		otel::scoped_span span(tracer, "started with", moved);
		const otel::context context = span.context();

		span.event("of a copy", copy);
		span.exception("CustomError", std::string("made up"), copy);
		span.add_link(context, copy);
		otel::span beside(tracer, "beside others", {otel::kind::client, one, {"more", 1}, otel::link(context, one)});
		beside.set(all);
		beside.set({all, {"last", true}});
		otel::with_span(tracer, "called", copy, [] {});
		otel::span(tracer, "root", {otel::root(), otel::attributes()}).end();
	}
	one.clear();
	otel::scoped_span empty(tracer, "empty", one);
	return 0;
}
