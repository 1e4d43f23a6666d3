/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to otel/trace.hpp: what all kinds of spans can do.
 */
#ifndef OTEL_OPERATIONS_HPP
#define OTEL_OPERATIONS_HPP

#include "context.hpp"
#include "exception.hpp"

namespace otel
{

namespace detail
{

/* Declares what all kinds of spans can do; @self has raw(). */
template <typename self> class operations
{
public:
	/** Is what is written recorded? False after the end. */
	OTEL_MEMBER_ bool is_recording() const noexcept
	{
		return otel_is_recording_at_(raw());
	}

	/** Sets an attribute; the last value of a key counts. */
	template <typename type> OTEL_MEMBER_ void set(text key, const type &value) noexcept
	{
		set({option(key, value)});
	}
	/** The same for an array as a braced list: set("key", {1, 2, 3}). */
	template <typename type> OTEL_MEMBER_ void set(text key, std::initializer_list<type> values) noexcept
	{
		set({option(key, values)});
	}
	/** Sets attributes. */
	OTEL_MEMBER_ void set(option_list list) noexcept
	{
		if (otel_span *to = otel_to_write_(raw()))
			listening(list, [&](const option *it, std::size_t count) OTEL_INLINED_ {
				detail::set(to, it, count);
			});
	}

	/** Adds an event that happens now, or otel::at() some time. */
	OTEL_MEMBER_ void event(text name, option_list list = {}) noexcept
	{
		if (otel_span *to = otel_to_write_(raw()))
			listening(list, [&](const option *it, std::size_t count) OTEL_INLINED_ {
				detail::event(to, name, it, count);
			});
	}

	/** Sets the status; the description goes with code::error only. code::ok is final. */
	OTEL_MEMBER_ void status(otel::code it, text description = {}) noexcept
	{
		if (otel_span *to = otel_to_write_(raw()))
			detail::set_status(to, static_cast<enum otel_code>(it), description);
	}

	/** Gives the span another name. */
	OTEL_MEMBER_ void name(text it) noexcept
	{
		if (otel_span *to = otel_to_write_(raw()))
			otel_set_name_(to, it.data(), it.size());
	}

	/**
	 * Records an exception, with its type and what(), as an event. The status stays as it is. An
	 * attribute that is given counts, not the one that is made here.
	 */
	OTEL_MEMBER_ void exception(const std::exception &it, option_list list = {}) noexcept
	{
		if (otel_span *to = otel_to_write_(raw())) {
#ifdef __GXX_RTTI
			detail::record_thrown(to, &typeid(it), it.what(), list);
#else
			detail::record_thrown(to, nullptr, it.what(), list);
#endif
		}
	}

	/** The same of something that is no std::exception. */
	OTEL_MEMBER_ void exception(text type, text message, option_list list = {}) noexcept
	{
		if (otel_span *to = otel_to_write_(raw()))
			detail::record(to, &type, &message, list);
	}

	/** Records an error, an errno or a negative errno, as otel_fail() does. Returns it. */
	OTEL_MEMBER_ int fail(int error) noexcept
	{
		return otel_fail_at_(raw(), error);
	}

	/** Adds a link after the start. */
	OTEL_MEMBER_ void add_link(const otel_context &to, option_list attributes = {}) noexcept
	{
		if (otel_span *span = otel_to_write_(raw())) {
			option it = otel::link(to, attributes);

			add_links(span, &it, 1);
		}
	}

	/** What to hand to another thread, or to keep. Valid after the end, too. */
	OTEL_MEMBER_ otel::context context() const noexcept
	{
		return otel::context(otel_context_at_(raw()));
	}

	/** Ends the span now, or at a time of its own. Only the first end counts. */
	OTEL_MEMBER_ void end() noexcept
	{
		otel_end_at_(raw(), 0);
	}
	OTEL_MEMBER_ void end(time_point when) noexcept
	{
		otel_end_at_(raw(), nanoseconds(when));
	}

	/** As otel/trace.h has it: for its macros. */
	OTEL_MEMBER_ otel_span &c_span() noexcept
	{
		return *raw();
	}

protected:
	OTEL_MEMBER_ otel_span *raw() const noexcept
	{
		return const_cast<self *>(static_cast<const self *>(this))->raw_span();
	}
};

} // namespace detail

} // namespace otel

#endif
