/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of otel/trace.hpp: who makes the spans.
 */
#ifndef OTEL_TRACER_HPP
#define OTEL_TRACER_HPP

#include <string_view>

#include "options.hpp"

namespace otel
{

/**
 * Who makes the spans: the library or component, not the service. Refers to the texts it is made of.
 *
 *     static const otel::tracer shop("shop", "1.4.2");
 */
class tracer
{
public:
	constexpr explicit tracer(std::string_view name, std::string_view version = {},
				  std::string_view schema_url = {}) noexcept
		: raw_{name.data(), version.data(), schema_url.data(), nullptr, size(name), size(version),
		       size(schema_url), OTEL_TRACER_SWITCH_}
	{
	}
	/** The same of texts that end in NUL; NULL is an empty one. */
	constexpr explicit tracer(const char *name, const char *version = nullptr,
				  const char *schema_url = nullptr) noexcept
		: tracer(view(name), view(version), view(schema_url))
	{
	}
	/** With attributes of the scope: an array that ends in otel_last(). */
	constexpr tracer(std::string_view name, std::string_view version, std::string_view schema_url,
			 const otel_option *attributes) noexcept
		: tracer(name, version, schema_url)
	{
		raw_.attributes = attributes;
	}
	/* Not what the kernel has written into it. */
	constexpr tracer(const tracer &other) noexcept : raw_(other.raw_)
	{
		raw_.state = OTEL_TRACER_SWITCH_;
	}
	tracer &operator=(const tracer &other) noexcept
	{
		otel_tracer_switch state = raw_.state;

		raw_ = other.raw_;
		raw_.state = state;
		return *this;
	}
	/** As otel/trace.h has it. */
	constexpr operator const otel_tracer &() const noexcept
	{
		return raw_;
	}

	/** Would a span be recorded, were it sampled? */
	OTEL_MEMBER_ bool enabled() const noexcept
	{
		return otel_enabled(&raw_);
	}

	/* Found by the macros of otel/trace.h: OTEL_SPAN(span, &shop, "pay"). */
	friend constexpr const otel_tracer *otel_tracer_of_(const tracer *it) noexcept
	{
		return it ? &it->raw_ : nullptr;
	}
	friend bool otel_enabled(const tracer *it) noexcept
	{
		return it && it->enabled();
	}

private:
	static constexpr std::string_view view(const char *it) noexcept
	{
		/* What gcc 12 makes of std::string_view(it) at file scope runs at start-up, perhaps too late. */
		return it ? std::string_view(it, __builtin_strlen(it)) : std::string_view();
	}
	static constexpr otel_u32 size(std::string_view text) noexcept
	{
		return static_cast<otel_u32>(text.size());
	}

	/* The kernel writes to it: in memory that is read-only it could not. */
	mutable otel_tracer raw_;
};

} // namespace otel

#endif
