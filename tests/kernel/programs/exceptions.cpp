/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exceptions NAME: exceptions that leave spans, each scene in another way; exceptions_test.py says
 * what their types must be.
 */
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <otel/trace.hpp>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <type_traits>

namespace shop
{
struct no_such_dish : std::runtime_error {
	using std::runtime_error::runtime_error;
};
template <typename type>
struct refused {
	type what;
};
} // namespace shop

/* In a library of its own, so that nothing else is near the name of its type. */
struct far_away {
};
extern "C" void throw_far_away();
extern "C" const char *far_away_name();

#ifdef FAR_AWAY
void throw_far_away()
{
	throw far_away();
}

const char *far_away_name()
{
	return typeid(far_away).name();
}
#else

static const otel::tracer tracer("exceptions", "1");

template <typename callable>
static void swallowing(callable &&f)
{
	try {
		f();
	} catch (...) {
	}
}

/* ---- Kinds and ways ---- */

template <typename thrown>
static void in_all_ways(const std::string &kind, const thrown &it)
{
	swallowing([&] { otel::with_span(tracer, kind + " callable", [&] { throw it; }); });
	swallowing([&] {
		otel::scoped_span span(tracer, kind + " scope");
		throw it;
	});
	swallowing([&] {
		otel::scoped_span outer(tracer, kind + " outer");
		otel::span middle(tracer, kind + " middle");
		otel::scoped_span inner(tracer, kind + " inner");
		throw it;
	});
	swallowing([&] {
		otel::scoped_span span(tracer, kind + " rethrown");
		try {
			throw it;
		} catch (const thrown &) {
			throw;
		}
	});
}

static void kinds()
{
	in_all_ways("class", shop::no_such_dish("soup"));
	in_all_ways("number", 42);
	in_all_ways("template", shop::refused<const char *>{"soup"});
}

/* ---- More than one at a time ---- */

struct failing {
	~failing()
	{
		swallowing([] {
			otel::scoped_span span(tracer, "in a destructor");
			throw shop::refused<int>{1};
		});
	}
};

struct failing_deeper {
	~failing_deeper()
	{
		swallowing([] {
			otel::scoped_span span(tracer, "one level down");
			failing again;
			throw 1.5;
		});
	}
};

static void at_once()
{
	swallowing([] {
		otel::scoped_span span(tracer, "around");
		failing it;
		throw std::logic_error("first");
	});
	swallowing([] {
		otel::scoped_span span(tracer, "around two");
		failing_deeper it;
		otel::scoped_span inside(tracer, "inside of two");
		throw std::logic_error("first");
	});
	/* What was caught before does not matter. */
	swallowing([] {
		otel::scoped_span span(tracer, "last");
		for (int i = 0; i < 20; i++) {
			swallowing([] { throw 1; });
			swallowing([] { throw 1.5; });
		}
		throw std::bad_alloc();
	});
	/* A handler that takes a base, which is not where the object begins. */
	struct first {
		int member = 1;
	};
	struct second {
		int member = 2;
	};
	struct both : first, second {
	};
	swallowing([] {
		otel::scoped_span span(tracer, "after a base");
		try {
			throw both();
		} catch (const second &) {
		}
		throw shop::no_such_dish("soup");
	});
}

/* ---- Threads ---- */

static void threads()
{
	otel::span moved(tracer, "elsewhere");
	std::thread([&moved] {
		swallowing([&moved] {
			otel::span mine(std::move(moved));
			throw shop::no_such_dish("soup");
		});
	}).join();

	std::thread two[2];
	for (int i = 0; i < 2; i++)
		two[i] = std::thread([i] {
			for (int n = 0; n < 200; n++)
				swallowing([i] {
					otel::scoped_span span(tracer, i ? "a double" : "an int");
					if (i)
						throw 1.5;
					throw 1;
				});
		});
	for (std::thread &it : two)
		it.join();
}

/* ---- What is not seen ---- */

static void unseen()
{
	std::exception_ptr kept;

	try {
		throw shop::no_such_dish("soup");
	} catch (...) {
		kept = std::current_exception();
	}
	/* libstdc++ has no probe here: nothing is said rather than something wrong. */
	swallowing([&] {
		otel::scoped_span span(tracer, "thrown again later");
		std::rethrow_exception(kept);
	});
	struct throws_again {
		std::exception_ptr &it;
		~throws_again()
		{
			swallowing([this] {
				otel::scoped_span span(tracer, "again in a destructor");
				std::rethrow_exception(it);
			});
		}
	};
	swallowing([&] {
		otel::scoped_span span(tracer, "around that");
		throws_again it{kept};
		throw 1;
	});
	swallowing([] {
		otel::scoped_span span(tracer, "no event", {otel::record_exception(false)});
		span.event("exception", {{"exception.message", "another one"}});
		throw 1;
	});
	swallowing([] {
		otel::scoped_span span(tracer, "no status", {otel::set_status_on_exception(false)});
		throw 1;
	});
	swallowing([] {
		otel::scoped_span span(
			tracer, "nothing",
			{otel::record_exception(false), otel::set_status_on_exception(false)});
		throw 1;
	});
}

/* ---- Memory that is not there when the kernel looks ---- */

struct forgetful {
	~forgetful()
	{
		const std::uintptr_t page = 4096;
		const char *name = far_away_name();

		/* It comes back from the file when somebody reads it. */
		madvise(reinterpret_cast<void *>(reinterpret_cast<std::uintptr_t>(name) &
						 ~(page - 1)),
			page, MADV_DONTNEED);
	}
};

static void not_resident()
{
	swallowing([] {
		otel::scoped_span span(tracer, "not resident");
		forgetful it;
		throw_far_away();
	});
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*play)();
	} scenes[] = {{"kinds", kinds},
		      {"at_once", at_once},
		      {"threads", threads},
		      {"unseen", unseen},
		      {"not_resident", not_resident}};

	for (const auto &scene : scenes)
		if (argc == 2 && !std::strcmp(scene.name, argv[1])) {
			scene.play();
			return 0;
		}
	std::fprintf(stderr, "there is no such scene\n");
	return 2;
}
#endif
