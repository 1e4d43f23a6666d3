/* SPDX-License-Identifier: Apache-2.0 */
/* coroutines NAME: spans of C++20 coroutines that go on in other threads; see coroutines_test.py. */
#include <coroutine>
#include <cstdio>
#include <cstring>
#include <exception>
#include <otel/trace.hpp>
#include <thread>

static const otel::tracer tracer("coroutines", "1");

/* One that begins at once and frees itself. */
struct task {
	struct promise_type {
		task get_return_object()
		{
			return {};
		}
		std::suspend_never initial_suspend() noexcept
		{
			return {};
		}
		std::suspend_never final_suspend() noexcept
		{
			return {};
		}
		void return_void()
		{
		}
		void unhandled_exception()
		{
			std::terminate();
		}
	};
};

/* co_await: goes on when somebody resumes @where. */
struct suspended {
	std::coroutine_handle<> *where;

	bool await_ready() const noexcept
	{
		return false;
	}
	void await_suspend(std::coroutine_handle<> it) const noexcept
	{
		*where = it;
	}
	void await_resume() const noexcept
	{
	}
};

static void elsewhere(std::coroutine_handle<> it)
{
	std::thread([it] { it.resume(); }).join();
}

static void print(const char *when)
{
	const bool valid = otel::current().context().is_valid();

	std::printf("%s: current %d, %u scopes\n", when, valid, otel_bpf_thread_v1 ? otel_bpf_thread_v1->scopes : 0);
}

/* As it should be done: a span is kept, and made current between two suspensions. */
static task orders(int n, std::coroutine_handle<> *where)
{
	otel::span span(tracer, "order", {{"n", n}});

	for (int step = 0; step < 3; step++) {
		{
			otel::scope here(span);
			otel::scoped_span inner(tracer, "step", {{"n", n}, {"step", step}});
			otel::current().event("worked");
		}
		co_await suspended{where};
	}
	span.set("done", true);
}

static void keeping()
{
	std::coroutine_handle<> first, second;
	otel::scoped_span around(tracer, "around");

	orders(1, &first);
	orders(2, &second);
	for (int i = 0; i < 3; i++) {
		elsewhere(first);
		if (i % 2)
			second.resume();
		else
			elsewhere(second);
	}
	otel::scoped_span after(tracer, "after");
}

/* As it should not: the scope is left in another thread, or while others are current. */
static task holding_scope(std::coroutine_handle<> *where)
{
	otel::scoped_span span(tracer, "held");

	co_await suspended{where};
	span.event("goes on");
	{
		otel::scoped_span inner(tracer, "inner", {otel::parent(span.context())});
	}
}

static void holding()
{
	for (int i = 0; i < 3; i++) {
		std::coroutine_handle<> it;

		holding_scope(&it);
		std::thread([it] {
			it.resume();
			print("there");
			otel::scoped_span there(tracer, "there");
		}).join();
		print("here");
		otel::scoped_span root(tracer, "here");
	}
	{
		std::coroutine_handle<> it;
		{
			otel::scoped_span around(tracer, "tick");
			holding_scope(&it);
		}
		otel::scoped_span root(tracer, "after the tick");
		it.resume();
		otel::current().event("current");
	}
	print("end");
}

int main(int argc, char **argv)
{
	if (argc == 2 && !std::strcmp(argv[1], "keeping"))
		keeping();
	else if (argc == 2 && !std::strcmp(argv[1], "holding"))
		holding();
	else
		return 2;
	return 0;
}
