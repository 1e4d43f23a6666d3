/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otel/trace.hpp: OpenTelemetry tracing for C++17, over otel/trace.h: the same spans, costs and rules.
 *
 *     static const otel::tracer kitchen("kitchen", "1.0.0");
 *
 *     dish cook(const recipe &r)
 *     {
 *             otel::scoped_span span(kitchen, "cook", {{"recipe", r.name}, {"minutes", r.minutes}});
 *
 *             span.event("heated", {{"steps", r.steps}});
 *             return oven.bake(r);
 *     }
 *
 *   otel::tracer                       who makes the spans
 *   otel::scoped_span                  a span that is current until it is destroyed, and ends then
 *   otel::span                         a span that is not current; ends when it is destroyed; may be moved
 *   otel::with_span(tracer, name, f)   calls f within a span, and records what it throws
 *   otel::scope                        makes a context, or a span, current until it is destroyed
 *   otel::current()                    the span that is current
 *   otel::context                      what to hand to another thread, or to keep; may be copied
 *   otel::attributes                   attributes that are put together at run time
 *   otel::set_resource                 what the program says of itself
 *
 * An attribute is {"key", value}: of bool, any integral or floating-point type, any text (const char *,
 * std::string, std::string_view), otel::bytes, or an array, container or braced list of those that is
 * contiguous. Texts need not end in NUL. What stands beside attributes: otel::kind, otel::parent(),
 * otel::root(), otel::link(), otel::at(), otel::record_exception(), otel::set_status_on_exception(), and
 * all that otel/trace.h has, as otel_stack(). Attributes and options refer to what they were made of:
 * use them in the expression that makes them, or otel::attributes, which keeps copies.
 *
 * A destructor that runs because an exception leaves the block knows that, but not which one it is: the
 * span's status becomes Error, unless one was set, with an event "exception", whose type the agent learns
 * from libstdc++'s probes. with_span() knows the message, too.
 *
 * Nothing here throws, but for what with_span() passes on, and otel::attributes. But for those nothing
 * allocates while nobody listens; and while somebody does, only the name of an exception's type does.
 */
#ifndef OTEL_TRACE_HPP
#define OTEL_TRACE_HPP

#if __cplusplus < 201703L
#error "otel/trace.hpp needs C++17: -std=c++17; otel/trace.h does with C++11"
#else

#include <climits>
#include <exception>
#include <type_traits>
#include <utility>

#include "context.hpp"
#include "exception.hpp"
#include "operations.hpp"
#include "options.hpp"
#include "trace.h"
#include "tracer.hpp"

namespace otel
{

/* ---- Spans -------------------------------------------------------------------------------------- */

/**
 * A span that is not made current. Ends when it is destroyed, unless it has ended. May be moved.
 *
 *     job.span = otel::span(kitchen, "order", {otel::kind::consumer, {"id", id}});
 */
class span : public detail::operations<span>
{
public:
	/** One that nothing can be written to. */
	OTEL_MEMBER_ span() noexcept
	{
		it_.raw.context.state = 0;
	}
	[[nodiscard]] OTEL_MEMBER_ span(const otel_tracer &tracer, text name, option_list list = {}) noexcept
	{
		if (otel_on_())
			detail::listening(list, [&](const option *it, std::size_t count) OTEL_INLINED_ {
				detail::start(&it_, &tracer, name, it, count);
			});
		else
			detail::enter_off(nullptr, &it_.raw, list);
	}
	OTEL_MEMBER_ span(span &&other) noexcept
	{
		take(other);
	}
	OTEL_MEMBER_ span &operator=(span &&other) noexcept
	{
		if (this != &other) {
			finish();
			take(other);
		}
		return *this;
	}
	span(const span &) = delete;
	span &operator=(const span &) = delete;
	OTEL_MEMBER_ ~span()
	{
		finish();
	}

	OTEL_MEMBER_ otel_span *raw_span() noexcept
	{
		return &it_.raw;
	}
	OTEL_MEMBER_ unsigned without() const noexcept
	{
		return it_.without;
	}

private:
	OTEL_MEMBER_ void take(span &other) noexcept
	{
		if (!other.it_.raw.context.state) {
			it_.raw.context.state = 0;
			return;
		}
		it_ = other.it_;
		other.it_.raw.context.state = 0;
		if (otel_active_(&it_.raw))
			it_.uncaught = std::uncaught_exceptions();
	}
	OTEL_MEMBER_ void finish() noexcept
	{
#ifndef OTEL_BPF_DISABLE
		if (__builtin_expect(it_.raw.context.state & (OTEL_CONTEXT_RECORDING | OTEL_CONTEXT_PROBED |
							      OTEL_CONTEXT_OWNS), 0))
			detail::end(&it_);
#endif
	}

	detail::owned it_;
};

/**
 * A span that is current until it is destroyed, and ends then, unless it has ended.
 *
 *     otel::scoped_span span(kitchen, "POST /order", {otel::kind::server, {"http.route", "/order"}});
 */
class scoped_span : public detail::operations<scoped_span>
{
public:
	[[nodiscard]] OTEL_MEMBER_ scoped_span(const otel_tracer &tracer, text name, option_list list = {}) noexcept
	{
		scope_.thread = nullptr;
		if (otel_on_())
			detail::listening(list, [&](const option *it, std::size_t count) OTEL_INLINED_ {
				detail::enter(&scope_, &it_, &tracer, name, it, count);
			});
		else
			detail::enter_off(&scope_, &it_.raw, list);
	}
	scoped_span(const scoped_span &) = delete;
	scoped_span &operator=(const scoped_span &) = delete;
	OTEL_MEMBER_ ~scoped_span()
	{
		if (__builtin_expect(scope_.thread != nullptr, 0))
			detail::leave(&scope_, &it_);
	}

	OTEL_MEMBER_ otel_span *raw_span() noexcept
	{
		return &it_.raw;
	}
	/* An exception that leaves has been dealt with. */
	OTEL_MEMBER_ void passed(const std::exception *it) noexcept
	{
		if (otel_active_(&it_.raw)) {
			detail::passed(&it_.raw, it, it_.without);
			it_.uncaught = INT_MAX;
		}
	}

private:
	detail::owned it_;
	otel_scope scope_;
};

/** The current span, by reference: see current(). */
class current_span : public detail::operations<current_span>
{
public:
	OTEL_MEMBER_ explicit current_span(otel_span *span) noexcept : span_(span)
	{
	}
	OTEL_MEMBER_ otel_span *raw_span() noexcept
	{
		return span_;
	}

private:
	otel_span *span_;
};

/**
 * The current span of this thread, to write to; one whose operations do nothing if there is none.
 * Valid until the current span changes.
 */
OTEL_MEMBER_ current_span current() noexcept
{
	return current_span(otel_current_());
}

/**
 * Makes a context, or the span, current until it is destroyed; the span is not ended.
 *
 *     otel::scope here(job.context);
 */
class scope
{
public:
	[[nodiscard]] OTEL_MEMBER_ explicit scope(const otel_context &it) noexcept
	{
		otel_use_(&scope_, &it);
	}
	[[nodiscard]] OTEL_MEMBER_ explicit scope(span &it) noexcept
	{
		scope_.thread = nullptr;
		if (otel_is_valid(&it.raw_span()->context))
			otel_use_(&scope_, &it.raw_span()->context);
	}
	scope(const scope &) = delete;
	scope &operator=(const scope &) = delete;
	OTEL_MEMBER_ ~scope()
	{
		if (__builtin_expect(scope_.thread != nullptr, 0))
			otel_leave_(&scope_);
	}

private:
	otel_scope scope_;
};

/** Sets attributes of the resource: of the whole process. Before the first span. */
OTEL_MEMBER_ void set_resource(option_list list) noexcept
{
	detail::set_resource(list.begin(), list.size());
}

/* ---- Callables ----------------------------------------------------------------------------------- */

namespace detail
{

template <typename span_type, typename callable>
OTEL_MEMBER_ decltype(auto) invoke(span_type &span, callable &&f)
{
	if constexpr (std::is_invocable_v<callable, span_type &>)
		return std::forward<callable>(f)(span);
	else
		return std::forward<callable>(f)();
}

/*
 * Calls f; @passed is called with what it throws, if it is a std::exception, else with NULL. What the end of
 * a thread throws is no object: sanitizers would mind the reference to it.
 */
template <typename span_type, typename callable, typename handler>
__attribute__((no_sanitize("undefined"))) static decltype(auto)
guarded(span_type &span, callable &&f, [[maybe_unused]] handler passed)
{
#if defined(__cpp_exceptions) && !defined(OTEL_BPF_DISABLE)
	try {
		return invoke(span, std::forward<callable>(f));
#ifdef __GLIBCXX__
	} catch (abi::__forced_unwind &) { /* the thread ends: that is no error */
		thread_ends = true;
		throw;
#endif
	} catch (const std::exception &it) {
		passed(&it);
		throw;
	} catch (...) {
		passed(nullptr);
		throw;
	}
#else
	return invoke(span, std::forward<callable>(f));
#endif
}

} // namespace detail

/**
 * Calls @f within a new span that is current meanwhile; returns what it returns. @f may take the span,
 * an otel::scoped_span &. What it throws is recorded as an event (exception.type, exception.message,
 * exception.escaped) and makes the status Error, "type: message", unless a status has been set; and is
 * passed on. OpenTelemetry: "start as current", with record_exception and set_status_on_exception.
 *
 *     int n = otel::with_span(shop, "count", {{"table", name}}, [&] { return db.count(name); });
 */
template <typename callable>
OTEL_MEMBER_ decltype(auto) with_span(const otel_tracer &tracer, text name, option_list list, callable &&f)
{
	scoped_span span(tracer, name, list);

	return detail::guarded(span, std::forward<callable>(f),
			       [&](const std::exception *it) { span.passed(it); });
}

template <typename callable>
OTEL_MEMBER_ decltype(auto) with_span(const otel_tracer &tracer, text name, callable &&f)
{
	return otel::with_span(tracer, name, option_list(), std::forward<callable>(f));
}

/** The same with a span that there is already, which is made current, but not ended. */
template <typename callable> OTEL_MEMBER_ decltype(auto) with_span(span &it, callable &&f)
{
	scope here(it);

	return detail::guarded(it, std::forward<callable>(f), [&](const std::exception *thrown) {
		if (otel_active_(it.raw_span()))
			detail::passed(it.raw_span(), thrown, it.without());
	});
}

} // namespace otel

#undef OTEL_LOWER_
#undef OTEL_OUTLINE_
#undef OTEL_UNLIKELY_
#undef OTEL_MEMBER_
#undef OTEL_INLINED_

#endif
#endif
