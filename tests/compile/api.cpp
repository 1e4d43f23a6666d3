/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every object and call of otel/trace.hpp once, as api.c has those of otel/trace.h; the same -D. What each
 * does is tests/kernel/cpp_test.py's business: here all compilers and linkers must agree on it.
 */
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <otel/trace.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#ifndef PART
#define PART hpp
#endif
#define TEXT2(name) #name
#define TEXT(name) TEXT2(name)

extern "C" __attribute__((visibility("default"))) int PART();
#ifdef OTHER
extern "C" int OTHER();
#endif

namespace
{

const otel::tracer tracer(TEXT(PART), "1.2.3");
constexpr const char *null = nullptr;

void values()
{
	const std::string text("a string");
	const std::vector<bool> bits = {true, false};
	const std::array<double, 2> doubles = {0.5, -1.25};
	const std::size_t large = std::size_t(1) << 40;
	otel::scoped_span span(tracer, text.substr(0, 1), {otel::kind::client, {"string", text}, {"int", 42},
							   {"view", std::string_view(text).substr(2)}});

	span.name("values");
	span.set("set", true);
	span.set("list", {1, 2, 3});
	span.set({{"null", null}, {"double", 0.25}, {"large", large}, {"char", 'a'}, {"bits", bits},
		  {"doubles", doubles}, {"texts", {"a", "b"}}, {"bytes", otel::bytes{"\xff", 2}}, {"nine", 9},
		  {"of C", -1}, otel_str("otel.h", "yes")});
	span.event("event");
	span.event(text, {{"n", 1}, otel::at(otel::time_point(std::chrono::seconds(1700000000)))});
	span.status(otel::code::error, std::string_view("not good").substr(4));
}

int objects()
{
	otel::span first(tracer, "first", {otel::kind::producer}), moved(std::move(first));
	const otel::context context = moved.context(), copy(context);
	int wrong = first.is_recording() || copy.is_remote();

	{
		otel::scope here(copy);
		otel::scoped_span below(tracer, "below", {otel::link(context, {{"index", 0}})});

		otel::current().set("by", "current");
		below.add_link(context);
		wrong += below.fail(-ENOENT) != -ENOENT;
	}
	moved.set("moved", moved.is_recording());
	moved.end();
	moved.set("late", true);
	otel::span timed(tracer, "timed", {otel::root(), otel::at(otel::time_point(std::chrono::seconds(1700000000)))});
	timed.end(otel::time_point(std::chrono::seconds(1700000001)));
	otel::scoped_span child(tracer, "child", {otel::parent(context)});
	return wrong;
}

int callables()
{
	int caught = 0;
	std::string got = otel::with_span(tracer, "returns", {{"a", 1}}, [](otel::scoped_span &span) {
		span.set("b", 2);
		return std::string("text");
	});

	try {
		otel::with_span(tracer, "throws", [] { throw std::runtime_error("boom"); });
	} catch (const std::runtime_error &) {
		caught++;
	}
	return got != "text" || caught != 1;
}

} // namespace

int PART()
{
	int wrong;

	errno = EDOM;
	otel::set_resource({{"made.by", "api.c"}, {"number", 3}});
	{
		otel::scoped_span span(tracer, "api", {otel::kind::server});

		values();
		wrong = objects();
		wrong += callables();
#ifdef OTHER
		wrong += OTHER();
#endif
		wrong += span.is_recording() != tracer.enabled();
	}
	if (wrong)
		std::fprintf(stderr, "%s: %d wrong\n", TEXT(PART), wrong);
	return wrong;
}

#ifndef WITHOUT_MAIN
int main()
{
	return PART() != 0;
}
#endif
