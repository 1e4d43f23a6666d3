/* SPDX-License-Identifier: Apache-2.0 */
/* The third document, the API's reference, call by call in C++. Its oracle is reference.py. */
#include <cstdio>
#include <otel/propagation.h>
#include <otel/trace.hpp>
#include <stdexcept>
#include <string>
#include <vector>

static const otel::tracer tracer("reference", "0.5", "https://opentelemetry.io/schemas/1.21.0");

static otel::time_point nanoseconds(long long since_the_epoch)
{
	return otel::time_point(std::chrono::nanoseconds(since_the_epoch));
}

static void print(const otel_tracestate &state)
{
	std::printf("%zu [%s]\n", otel_tracestate_count(&state), otel_tracestate_header(&state));
}

static void attached_and_detached()
{
	otel::scoped_span parent(tracer, "parent");
	{
		otel::scoped_span child(tracer, "child");
	}
	otel::context context = parent.context();
	otel::span child(tracer, "detached child", {otel::parent(context)});

	child.event("work");
	child.end();
}

static void one_and_two()
{
	otel::scoped_span parent(tracer, "one");

	parent.event("parent's event");
	{
		otel::scoped_span child(tracer, "two");

		child.event("child's event");
		otel::current().set("current", "two");
	}
	otel::current().set("current", "one");
}

/* Ended by its block, but never current. */
static void not_current()
{
	otel::scoped_span around(tracer, "around");
	otel::span child(tracer, "one");

	child.event("child's event");
	otel::current().set("current", "around");
}

static void equivalent()
{
	otel::span span(tracer, "equivalent");
	{
		otel::scope here(span);

		otel::scoped_span below(tracer, "below");
	}
	span.end();
	span.end(nanoseconds(1)); /* only the first one counts */
	span.set("too", "late");
}

static void all_options()
{
	otel::scoped_span other(tracer, "other");
	otel::context context = other.context();
	otel::span span(tracer, "all options",
			{otel::root(),
			 otel::kind::producer,
			 {"string", "s"},
			 {"bool", true},
			 {"int", -7},
			 {"float", 1.5},
			 {"strings", {"a", "b"}},
			 {"bools", {true, false}},
			 {"ints", {1, 2}},
			 {"floats", {0.5, 2.0}},
			 otel::link(context),
			 otel::link(context, {{"n", 1}}),
			 otel::at(nanoseconds(123))});

	span.set({{"int", 8}, {"more", "of them"}});
	span.event("timed", {{"a", 1}, otel::at(nanoseconds(200))});
	span.event("untimed");
	span.name("renamed");
	span.end(nanoseconds(456));
}

static void kinds()
{
	for (otel::kind kind : {otel::kind::internal, otel::kind::server, otel::kind::client,
				otel::kind::producer, otel::kind::consumer})
		otel::span(tracer, "kind", {kind}).end();
}

static void statuses()
{
	const struct {
		const char *name;
		std::vector<std::pair<otel::code, const char *>> calls;
	} all[] = {
		{"unset", {}},
		{"ok", {{otel::code::ok, nullptr}}},
		{"error", {{otel::code::error, "no good"}}},
		{"error then error", {{otel::code::error, "one"}, {otel::code::error, "two"}}},
		{"error then ok", {{otel::code::error, "one"}, {otel::code::ok, nullptr}}},
		{"ok then error", {{otel::code::ok, nullptr}, {otel::code::error, "one"}}},
		{"error then unset", {{otel::code::error, "one"}, {otel::code::unset, nullptr}}},
		{"ok with text", {{otel::code::ok, "dropped"}}},
	};

	for (const auto &it : all) {
		otel::scoped_span span(tracer, it.name);

		for (const auto &call : it.calls)
			span.status(call.first, call.second);
	}
}

static void thrown(const char *name, otel::option a, otel::option b)
{
	try {
		otel::with_span(tracer, name, {a, b}, [] { throw std::invalid_argument("raised"); });
	} catch (const std::invalid_argument &) {
	}
}

static void exceptions()
{
	otel::scoped_span span(tracer, "recorded");

	span.exception(std::invalid_argument("recorded"), {{"more", 1}, otel::at(nanoseconds(300))});
	thrown("raised", otel::record_exception(true), otel::set_status_on_exception(true));
	thrown("no event", otel::record_exception(false), otel::set_status_on_exception(true));
	thrown("no status", otel::record_exception(true), otel::set_status_on_exception(false));
	thrown("neither", otel::record_exception(false), otel::set_status_on_exception(false));
	try {
		otel::with_span(tracer, "set before", [](otel::scoped_span &it) {
			it.status(otel::code::error, "by hand");
			throw std::invalid_argument("raised");
		});
	} catch (const std::invalid_argument &) {
	}
}

static void non_recording()
{
	const char *lines[] = {"traceparent: 00-000000000000000000000000deadbeef-00000000deadbef0-01",
			       "tracestate: vendor=1"};
	otel::context remote(otel_extract_lines(lines, 2));
	otel_tracestate state = otel_tracestate_of(&static_cast<const otel_context &>(remote));
	otel_span span = otel_span_of(&static_cast<const otel_context &>(remote));
	otel_context again;

	otel_set(span, otel_bool("lost", 1));
	otel_event(span, "lost");
	otel_end(span);
	again = otel_context_of(span);
	std::printf("%s %s %d %d %d\n", remote.trace_id().c_str(), remote.span_id().c_str(), remote.is_remote(),
		    remote.is_sampled(), remote.is_valid());
	std::printf("%d %d\n", otel_is_recording(span), otel_is_valid(&again));
	print(state);
	{
		otel::scoped_span child(tracer, "below a remote one", {otel::parent(again)});

		std::printf("%d\n", child.context().is_remote());
	}
	otel_context_release(&again);
	otel::span(tracer, "linked to a remote one", {otel::link(remote, {{"n", 1}})}).end();

	/* Nothing is current. */
	otel::context none = otel::current().context();
	std::printf("%s %s %d %d\n", none.trace_id().c_str(), none.span_id().c_str(), none.is_valid(),
		    otel::current().is_recording());
}

static void tracestates()
{
	const char *headers[] = {"a=1,b=2", "c=3"}, *illegal[] = {"a=1,b"}, *doubled[] = {"a=1,a=2"};
	const char *lists[] = {"foo=1,,bar=2 ", " "};
	otel_tracestate state = otel_tracestate_from_header(headers, 2), full = otel_tracestate_empty();
	char value[257];

	print(otel_tracestate_empty());
	print(state);
	print(otel_tracestate_from_header(lists, 2));
	print(otel_tracestate_from_header(illegal, 1));
	print(otel_tracestate_from_header(doubled, 1));
	print(otel_tracestate_add(&state, "d", "4"));
	print(otel_tracestate_add(&state, "a", "again"));
	print(otel_tracestate_add(&state, "Not a key", "1"));
	print(otel_tracestate_add(&state, "e", "not,a,value"));
	print(otel_tracestate_update(&state, "b", "new"));
	print(otel_tracestate_delete(&state, "b"));
	print(otel_tracestate_delete(&state, "z"));
	std::printf("%d %s\n", otel_tracestate_get(&state, "c", value, sizeof(value)), value);
	for (int i = 0; i < 40; i++)
		full = otel_tracestate_add(&full, ("key" + std::to_string(i)).c_str(), "v");
	std::printf("%zu\n", otel_tracestate_count(&full));
	full = otel_tracestate_update(&full, "one-too-many", "v");
	std::printf("%zu\n", otel_tracestate_count(&full));
}

int main()
{
	attached_and_detached();
	one_and_two();
	not_current();
	equivalent();
	all_options();
	kinds();
	statuses();
	exceptions();
	non_recording();
	tracestates();
}
