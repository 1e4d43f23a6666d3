/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of otel/trace.hpp: what a span hands on, and the options that take it.
 */
#ifndef OTEL_CONTEXT_HPP
#define OTEL_CONTEXT_HPP

#include <cstddef>
#include <string_view>
#include <utility>

#include "attributes.hpp"

namespace otel
{

/** Hexadecimal digits of an id. */
template <std::size_t digits> class hex
{
public:
	OTEL_MEMBER_ const char *c_str() const noexcept
	{
		return text_;
	}
	OTEL_MEMBER_ operator std::string_view() const noexcept
	{
		return std::string_view(text_, digits);
	}
	OTEL_MEMBER_ char *out() noexcept
	{
		return text_;
	}

private:
	char text_[digits + 1];
};

/**
 * A context: what a span hands on. Outlives the span; may be copied, stored, used in another thread;
 * gives back what it holds. OpenTelemetry: SpanContext, and Context with it.
 */
class context
{
public:
	/** One that is not valid. */
	OTEL_MEMBER_ context() noexcept : raw_()
	{
	}
	/** Takes over one of otel/trace.h, of otel_context_of() or otel_extract(): do not release it. */
	OTEL_MEMBER_ explicit context(const otel_context &taken) noexcept : raw_(taken)
	{
	}
	OTEL_MEMBER_ context(const context &other) noexcept : raw_(other.raw_)
	{
		keep();
	}
	OTEL_MEMBER_ context(context &&other) noexcept : raw_(other.raw_)
	{
		other.raw_ = otel_context();
	}
	OTEL_MEMBER_ context &operator=(context other) noexcept
	{
		std::swap(raw_, other.raw_);
		return *this;
	}
	OTEL_MEMBER_ ~context()
	{
		otel_context_release(&raw_);
	}

	OTEL_MEMBER_ bool is_valid() const noexcept
	{
		return otel_is_valid(&raw_);
	}
	OTEL_MEMBER_ bool is_sampled() const noexcept
	{
		return otel_is_sampled(&raw_);
	}
	/** Has the trace id at least 56 random bits? */
	OTEL_MEMBER_ bool is_random() const noexcept
	{
		return otel_is_random(&raw_);
	}
	OTEL_MEMBER_ bool is_remote() const noexcept
	{
		return otel_is_remote(&raw_);
	}
	/** 32 lower-case hexadecimal digits; zeros if not valid. */
	OTEL_MEMBER_ hex<32> trace_id() const noexcept
	{
		hex<32> id;

		otel_trace_id(&raw_, id.out());
		return id;
	}
	/** 16 lower-case hexadecimal digits; zeros if not valid. */
	OTEL_MEMBER_ hex<16> span_id() const noexcept
	{
		hex<16> id;

		otel_span_id(&raw_, id.out());
		return id;
	}
	/** As otel/trace.h has it. */
	OTEL_MEMBER_ operator const otel_context &() const noexcept
	{
		return raw_;
	}

private:
	OTEL_MEMBER_ void keep() noexcept
	{
#ifndef OTEL_BPF_DISABLE
		if (__builtin_expect(raw_.state & OTEL_CONTEXT_OWNS, 0))
			otel_hold_(&raw_);
#endif
	}

	otel_context raw_;
};

/** The parent of the span that is being started, instead of the current one; not valid: it is a root. */
OTEL_MEMBER_ option parent(const otel_context &it) noexcept
{
	return otel_parent_(&it);
}

/** A link of the span that is being started. OpenTelemetry: Link. */
OTEL_MEMBER_ option link(const otel_context &to, option_list attributes = {}) noexcept
{
	otel_option it = otel_option_(nullptr, OTEL_TYPE_COUNTED_LINK);

	it.value.pointer = &to;
	it.key = static_cast<const char *>(static_cast<const void *>(attributes.begin()));
	it.size = attributes.size();
	return it;
}

} // namespace otel

#endif
