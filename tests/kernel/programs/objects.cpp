/* SPDX-License-Identifier: Apache-2.0 */
/*
 * objects NAME: one use of trace.hpp each; cpp_test.py says what must come of it.
 */
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <otel/stack.h>
#include <otel/trace.hpp>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <vector>

extern "C" void in_c(void (*callback)(void));

namespace shop
{
struct no_such_dish : std::runtime_error {
	using std::runtime_error::runtime_error;
};
}

static const otel::tracer tracer("objects", "1.2.3");
static const otel::tracer nameless(nullptr);
static otel_tracer from_c = OTEL_TRACER("from C", "");

static constexpr otel_option of_the_scope[] = {OTEL_ATTRIBUTE_STR("flavour", "vegan"), OTEL_ATTRIBUTE_INT("seats", 4),
					       OTEL_ATTRIBUTE_LAST};
static constexpr otel::tracer described("described", "1", "", of_the_scope);

/* ---- Values ---- */

enum color { red = 7 };

struct named {
	operator std::string_view() const
	{
		return "named";
	}
};

static void values()
{
	const std::string text = "a string";
	const std::string_view whole = "GET /order";
	const std::string_view verb = whole.substr(0, 3);
	const std::vector<std::string> strings = {"a", "", "c"};
	const std::vector<bool> bits = {true, false, true};
	const std::vector<std::string_view> views = {verb, whole.substr(4)};
	const std::array<float, 2> floats = {{1.5f, -2.5f}};
	const char *const names[] = {"x", nullptr, "z"};
	const unsigned char raw[] = {1, 0, 255};
	const std::vector<std::byte> more = {std::byte(9), std::byte(0)};
	char buffer[64] = "up to its NUL";
	otel::scoped_span span(tracer, verb,
			       {{"literal", "text"},
				{"string", text},
				{"view", verb},
				{"buffer", buffer},
				{"null", static_cast<const char *>(nullptr)},
				{"empty", std::string_view()},
				{"own", named()},
				{"temporary", std::string("gone soon")},
				{verb, "the key is a view"},
				{text, "the key is a string"},
				{"bool", true},
				{"int", 42},
				{"negative", -1},
				{"unsigned", 4000000000u},
				{"size_t", sizeof(long)},
				{"smallest", -9223372036854775807LL - 1},
				{"largest unsigned", ~0ull},
				{"char", 'c'},
				{"enum", red},
				{"double", 99.99},
				{"float", 0.5f},
				{"long double", 0.25L},
				{"strings", strings},
				{"bits", bits},
				{"views", views},
				{"floats", floats},
				{"names", names},
				{"raw", raw},
				{"more", more},
				{"bytes", otel::bytes{"\0\1", 2}}});

	span.set("ints", {1, 2, 3});
	span.set({{"bools", {true, false}}, {"texts", {"a", "b"}}, {"one", {"alone"}}, {"doubles", {1.0, 0.5}}});
	span.set("shorts", std::vector<short>{-1, 1});
	span.set("no strings", std::vector<std::string>());
	span.set("otel.h", 1);
	span.set({otel_str("otel.h", "of C"), {"otel.hpp", "of C++"}});
}

static void big()
{
	const std::vector<std::string> many(3000, std::string(20, 'm'));
	const std::string megabyte(1 << 20, 'b');
	otel::scoped_span span(nameless, "big", {{"megabyte", megabyte}, {"many", many}});

	for (int i = 0; i < 300; i++)
		span.set("number " + std::to_string(i % 10), i);
}

/* ---- Objects ---- */

static otel::span made(const char *name)
{
	return otel::span(tracer, name, {otel::kind::client});
}

static void moving()
{
	otel::scoped_span around(tracer, "around", {otel::kind::server});
	otel::span nothing;
	{
		otel::span first = made("first");
		otel::span second = std::move(first);

		first.set("lost", true);
		second.set("kept", true);
		nothing = std::move(second);
		second.end();
	}
	nothing.set("still", true);
	nothing = made("second"); /* ends the first one */
	std::vector<otel::span> several;
	for (int i = 0; i < 5; i++) {
		several.emplace_back(tracer, "several", otel::options{{"i", i}});
		several.back().set("in", "a vector");
	}
	several.erase(several.begin() + 1);
	nothing = otel::span();
	nothing.set("nobody", "sees this");
	auto held = std::make_unique<otel::span>(tracer, "held");
	std::thread([&] {
		held->event("elsewhere");
		held.reset();
	}).join();
	{
		otel::span moved(tracer, "moved while an exception passes");
		struct mover {
			otel::span &from;
			~mover()
			{
				otel::span taken = std::move(from); /* ends here, and no exception leaves it */
			}
		};
		try {
			mover it{moved};
			throw 1;
		} catch (int) {
		}
	}
	otel::scoped_span child(tracer, "child");
	child.name("renamed");
	child.end();
	child.name("too late");
	std::printf("%d %d\n", child.is_recording(), around.is_recording());
}

static void contexts()
{
	otel::context kept, empty;
	std::function<void()> job;
	{
		otel::scoped_span first(tracer, "first");
		otel::context context = first.context();

		kept = context;
		job = [context] {
			otel::scope here(context);
			otel::scoped_span span(tracer, "in a job");

			otel::current().set("written by", "current");
			std::printf("%d\n", span.context().trace_id().c_str() == std::string(context.trace_id()));
		};
	}
	otel::scoped_span second(tracer, "second",
				 {otel::link(kept, {{"why", "a link"}, {"list", {1, 2}}}), otel::link(empty)});
	second.add_link(kept, {{"later", true}});
	std::thread(job).join();
	otel::scoped_span root(tracer, "root", {otel::root()});
	otel::scoped_span below(tracer, "below the first", {otel::parent(kept)});
	otel::span detached(tracer, "detached");
	otel::scope in(detached);
	otel::scoped_span inner(tracer, "below the detached");
	std::printf("%d %d %d %d\n", kept.is_random(), empty.is_random(), kept.is_remote(),
		    otel::context(otel_context_make(reinterpret_cast<const otel_u8 *>("0123456789abcdef"),
						    reinterpret_cast<const otel_u8 *>("01234567"), 1, 1))
			    .is_remote());
	std::printf("%d %d %d %zu %zu\n", kept.is_valid(), empty.is_valid(), kept.is_sampled(),
		    std::strlen(kept.trace_id().c_str()), std::strlen(empty.span_id().c_str()));
}

static void times()
{
	using namespace std::chrono;
	const otel::time_point start(milliseconds(1700000000123));
	otel::scoped_span span(tracer, "times", {otel::at(start)});

	span.event("event", {otel::at(start + seconds(1)), {"n", 1}});
	span.end(start + hours(1));
}

static void status()
{
	const std::string_view text("out of flour, and more");
	otel::span error(tracer, "error"), ok(tracer, "ok"), failed(tracer, "failed");

	error.status(otel::code::error, text.substr(0, 12));
	ok.status(otel::code::error, "no");
	ok.status(otel::code::ok, "not kept");
	ok.status(otel::code::error, "too late");
	std::printf("%d\n", failed.fail(-2));
}

/* ---- Exceptions ---- */

template <typename callable> static void swallowing(callable f)
{
	try {
		f();
		std::printf("nothing was thrown\n");
	} catch (const std::exception &it) {
		std::printf("%s\n", it.what());
	} catch (int it) {
		std::printf("%d\n", it);
	}
}

static void callables()
{
	int place = 0;
	int &reference = otel::with_span(tracer, "reference", [&]() -> int & { return place; });
	auto pointer = otel::with_span(tracer, "moved", [] { return std::make_unique<int>(3); });
	std::size_t size = otel::with_span(tracer, std::string("with options"), {{"n", 1}, otel::kind::producer},
					   [](otel::scoped_span &span) {
						   span.set("inside", true);
						   otel::current().set("current", true);
						   return std::string("abc").size();
					   });

	reference = 5;
	std::printf("%d %d %zu\n", place, *pointer, size);
	swallowing([] { otel::with_span(tracer, "std", [] { throw shop::no_such_dish("no soup"); }); });
	swallowing([] { otel::with_span(tracer, "int", [] { throw 5; }); });
	swallowing([] {
		otel::with_span(tracer, "outer", [] {
			otel::with_span(tracer, "inner", [] { throw std::logic_error("through both"); });
		});
	});
	swallowing([] {
		otel::with_span(tracer, "by hand", [](otel::scoped_span &span) {
			span.status(otel::code::error, "I know better");
			throw std::runtime_error("boom");
		});
	});
	swallowing([] {
		otel::with_span(tracer, "ok", [](otel::scoped_span &span) {
			span.status(otel::code::ok);
			throw std::runtime_error("boom");
		});
	});
	swallowing([] {
		otel::with_span(tracer, "no event", {otel::record_exception(false)}, [] { throw 1; });
	});
	swallowing([] {
		otel::with_span(tracer, "no status", {otel::set_status_on_exception(false)}, [] { throw 1; });
	});
	otel::span detached(tracer, "detached");
	swallowing([&] {
		otel::with_span(detached, [] {
			otel::current().event("in it");
			throw std::runtime_error("boom");
		});
	});
	detached.set("goes", "on");
	otel::scoped_span caught(tracer, "caught");
	try {
		throw shop::no_such_dish(std::string(100000, 'x'));
	} catch (const std::exception &it) {
		caught.exception(it, {{"exception.message", "short"}, {"extra", 1}});
	}
}

struct cleaning {
	~cleaning()
	{
		otel::scoped_span span(tracer, "cleaning up");
		span.set("well", true);
	}
};

static void unwinding()
{
	swallowing([] {
		otel::scoped_span span(tracer, "current");
		otel::span detached(tracer, "not current");
		cleaning up;

		throw std::runtime_error("boom");
	});
	swallowing([] {
		otel::scoped_span span(tracer, "nothing", {otel::record_exception(false),
							   otel::set_status_on_exception(false)});
		throw std::runtime_error("boom");
	});
	swallowing([] {
		otel::scoped_span span(tracer, "by hand");
		span.status(otel::code::error, "mine");
		throw std::runtime_error("boom");
	});
	try {
		throw 1;
	} catch (int) {
		otel::scoped_span span(tracer, "in a handler");
	}
	otel::scoped_span after(tracer, "after");
}

static void c_frames()
{
	otel::scoped_span around(tracer, "around");
	swallowing([] { in_c([] { throw std::runtime_error("through C"); }); });
	{
		otel::scoped_span inner(tracer, "inner");
		swallowing([] { in_c([] { throw std::runtime_error("through C"); }); });
	}
	otel::scoped_span after(tracer, "after");
}

static void thread_exit()
{
	std::thread([] { otel::with_span(tracer, "pthread_exit", [] { pthread_exit(nullptr); }); }).join();
	std::thread([] {
		otel::scoped_span span(tracer, "pthread_exit below an object");
		pthread_exit(nullptr);
	}).join();
}

static void cancelled()
{
	pthread_t thread;

	pthread_create(&thread, nullptr, [](void *data) -> void * {
		otel::with_span(tracer, "called", [] {
			otel::scoped_span span(tracer, "an object");
			for (;;)
				pause();
		});
		return data;
	}, nullptr);
	pthread_cancel(thread);
	pthread_join(thread, nullptr);
}

/* ---- Nobody listens ---- */

static bool counting;
static int allocations;

static void static_scope()
{
	otel::scoped_span span(described, "span");
}

/* Not in the order in which they were entered. */
static void in_any_order()
{
	auto a = std::make_unique<otel::scoped_span>(tracer, "a");
	auto b = std::make_unique<otel::scoped_span>(tracer, "b");

	a.reset();
	{
		otel::scoped_span span(tracer, "a has gone");
		otel::scoped_span inner(tracer, "inner");
		b->set("written", true);
		b.reset();
		otel::scoped_span last(tracer, "last");
	}
	std::printf("recording %d\n", otel::current().is_recording());
	{
		otel::scoped_span span(tracer, "nothing is current");
	}

	otel::span c(tracer, "c"), d(tracer, "d");
	std::optional<otel::scope> first(std::in_place, c), second(std::in_place, d);
	{
		otel::scoped_span span(tracer, "in d");
	}
	first.reset();
	second.reset();
	std::printf("recording %d\n", otel::current().is_recording());
	{
		otel::scoped_span span(tracer, "nothing is current");
	}
	first.emplace(c);
	second.emplace(d);
	second.reset();
	{
		otel::scoped_span span(tracer, "in c");
	}
	first.reset();
	{
		otel::scoped_span span(tracer, "nothing is current");
	}
}

/* The macros of C, with a tracer of C++. */
static void with_macros()
{
	OTEL_SPAN(span, &tracer, "macro");
	otel_span detached = otel_start(&tracer, "started", otel_kind(OTEL_CLIENT));

	otel_end(detached);
	std::printf("enabled %d\n", otel_enabled(&tracer) == tracer.enabled());
}

__attribute__((noinline)) void records(otel::scoped_span &span)
{
	span.exception("CustomError", "made up", {otel_stack()});
	span.exception(std::runtime_error("thrown"), {otel_stack()});
	span.event("event", {otel_stack()});
	OTEL_SPAN(of_c, &tracer, "of C");
	otel_exception(of_c, "CustomError", "made up", otel_stack());
}

static void stacks()
{
	otel::scoped_span span(tracer, "stacks");

	records(span);
}

static void no_allocations()
{
	const std::string text(100, 't');
	const std::vector<std::string> strings(3, text);

	counting = true;
	for (int i = 0; i < 3; i++) {
		otel::scoped_span span(tracer, text, {{"strings", strings}, otel::kind::server});
		otel::span detached(from_c, "detached", {otel::parent(span.context())});

		span.set({{"text", text}, {"list", {1, 2, 3}}});
		span.event(text, {{"strings", strings}});
		span.status(otel::code::error, text);
		otel::scope in(detached);
		otel::with_span(tracer, text, [](otel::scoped_span &it) { it.set("i", 1); });
	}
	counting = false;
	std::printf("%d allocations\n", allocations);
}

void *operator new(std::size_t size)
{
	void *it = std::malloc(size);

	allocations += counting;
	if (!it)
		throw std::bad_alloc();
	return it;
}

void operator delete(void *it) noexcept
{
	std::free(it);
}

void operator delete(void *it, std::size_t) noexcept
{
	std::free(it);
}

static const struct {
	const char *name;
	void (*play)();
} scenes[] = {
	{"values", values},	    {"big", big},	    {"moving", moving},	    {"contexts", contexts},
	{"times", times},	    {"status", status},	    {"callables", callables}, {"unwinding", unwinding},
	{"c_frames", c_frames}, {"thread_exit", thread_exit}, {"cancelled", cancelled}, {"no_allocations", no_allocations},
	{"in_any_order", in_any_order}, {"static_scope", static_scope},
	{"with_macros", with_macros}, {"stacks", stacks},
};

int main(int argc, char **argv)
{
	for (const auto &scene : scenes)
		if (argc == 2 && !std::strcmp(scene.name, argv[1])) {
			scene.play();
			return 0;
		}
	std::fprintf(stderr, "there is no such scene\n");
	return 2;
}
