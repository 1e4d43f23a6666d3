/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of otel/trace.hpp: values, and the attributes and options that a list is made of.
 */
#ifndef OTEL_OPTIONS_HPP
#define OTEL_OPTIONS_HPP

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <string_view>
#include <type_traits>

#include "trace.h"

/*
 * Always inlined: files with and without OTEL_BPF_DISABLE that are linked together must not share an
 * out-of-line copy.
 */
#define OTEL_INLINED_ __attribute__((always_inline))
#define OTEL_MEMBER_ inline OTEL_INLINED_
#define OTEL_OUTLINE_ static __attribute__((noinline, unused))
#define OTEL_UNLIKELY_ static __attribute__((noinline, cold, unused))

namespace otel
{

/* OpenTelemetry: SpanKind. An option of a span's start as it is. */
enum class kind { internal = OTEL_INTERNAL, server, client, producer, consumer };

/* OpenTelemetry: StatusCode. */
enum class code { unset = OTEL_UNSET, ok, error };

using time_point = std::chrono::system_clock::time_point;

/* ---- Values ------------------------------------------------------------------------------------- */

/**
 * A text that need not end in NUL: implicitly of whatever holds one. NULL is an empty text. The length
 * of a const char * is taken when somebody listens.
 */
class text
{
public:
	OTEL_MEMBER_ text() noexcept : data_(nullptr), size_(0)
	{
	}
	OTEL_MEMBER_ text(const char *it) noexcept : data_(it), size_(otel_size_(it))
	{
	}
	template <typename it_type,
		  std::enable_if_t<std::is_convertible_v<const it_type &, std::string_view> &&
					   !std::is_convertible_v<const it_type &, const char *>,
				   int> = 0>
	OTEL_MEMBER_ text(const it_type &it) noexcept
	{
		std::string_view view = it;

		data_ = view.data();
		size_ = view.size() < OTEL_UNKNOWN_SIZE_ ? static_cast<otel_u32>(view.size()) :
							   OTEL_UNKNOWN_SIZE_ - 1;
	}

	OTEL_MEMBER_ const char *data() const noexcept
	{
		return data_;
	}
	/* Or OTEL_UNKNOWN_SIZE_. */
	OTEL_MEMBER_ otel_u32 size() const noexcept
	{
		return size_;
	}

private:
	const char *data_;
	otel_u32 size_;
};

/** Bytes, as the value of an attribute. Arrays and containers of std::byte and unsigned char are bytes, too. */
struct bytes {
	const void *data;
	std::size_t size;
};

namespace detail
{

template <typename type> constexpr bool is_text = std::is_convertible_v<const type &, text>;

template <typename type>
constexpr bool is_scalar = std::is_arithmetic_v<type> || is_text<type> ||
			   (std::is_enum_v<type> && std::is_convertible_v<type, long long>);

template <typename type>
constexpr bool is_byte = std::is_same_v<type, std::byte> || std::is_same_v<type, unsigned char>;

/* What std::data() gives of it, without const. */
template <typename type>
using element = std::remove_cv_t<
	std::remove_pointer_t<decltype(std::data(std::declval<const type &>()))>>;

template <typename type, typename = void> constexpr bool is_array = false;
template <typename type>
constexpr bool is_array<type, std::void_t<element<type>, decltype(std::size(std::declval<const type &>()))>> =
	is_scalar<element<type>> || is_byte<element<type>>;

/* std::vector<bool>, std::bitset: there is no array behind it. */
template <typename type, typename = void> constexpr bool is_bits = false;
template <typename type>
constexpr bool is_bits<type, std::enable_if_t<std::is_same_v<
				     std::remove_cv_t<decltype(std::declval<const type &>()[std::size_t()])>, bool>,
			     std::void_t<decltype(std::declval<const type &>().size())>>> = true;

template <typename type>
constexpr bool is_value = is_scalar<type> || std::is_same_v<type, bytes> || is_array<type> || is_bits<type>;

template <typename type> OTEL_MEMBER_ void put_scalar(otel_option *out, const type &value) noexcept
{
	if constexpr (std::is_same_v<type, bool>) {
		out->type = OTEL_TYPE_BOOL;
		out->value.integer = value;
	} else if constexpr (std::is_floating_point_v<type>) {
		out->type = OTEL_TYPE_DOUBLE;
		out->value.number = static_cast<double>(value);
	} else if constexpr (is_text<type>) {
		text it(value);

		out->type = OTEL_TYPE_STRING;
		out->value.pointer = it.data();
		out->size = it.size();
	} else {
		out->type = OTEL_TYPE_INT;
		out->value.integer = static_cast<otel_u64>(static_cast<long long>(value));
	}
}

template <typename type> void read_array(const void *data, otel_u64 index, otel_option *out) noexcept
{
	put_scalar(out, static_cast<const type *>(data)[index]);
}

template <typename type> void read_bits(const void *data, otel_u64 index, otel_option *out) noexcept
{
	put_scalar<bool>(out, (*static_cast<const type *>(data))[static_cast<std::size_t>(index)]);
}

using reader = void (*)(const void *, otel_u64, otel_option *);

OTEL_MEMBER_ otel_u64 nanoseconds(time_point at) noexcept
{
	return static_cast<otel_u64>(
		std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count());
}

} // namespace detail

/* ---- Options --------------------------------------------------------------------- */

class attributes;

/** An attribute, or what else a call takes in the same list. */
class option
{
public:
	/** An attribute. */
	template <typename type> OTEL_MEMBER_ option(text key, const type &value) noexcept : option(key)
	{
		static_assert(detail::is_value<type>, "an attribute is a bool, a number, a text, otel::bytes, or an "
						      "array or contiguous container of one of these");
		if constexpr (detail::is_scalar<type>)
			detail::put_scalar(&raw_, value);
		else if constexpr (std::is_same_v<type, bytes>)
			put_bytes(value.data, value.size);
		else if constexpr (detail::is_array<type>)
			put_array(std::data(value), std::size(value));
		else if constexpr (detail::is_bits<type>) {
			put_elements(&value, value.size());
			set_reader(detail::read_bits<type>);
		}
	}
	/** An array as a braced list: {"key", {1, 2, 3}}. */
	template <typename type, std::enable_if_t<detail::is_scalar<type> || detail::is_byte<type>, int> = 0>
	OTEL_MEMBER_ option(text key, std::initializer_list<type> values) noexcept : option(key)
	{
		put_array(values.begin(), values.size());
	}
	OTEL_MEMBER_ option(otel::kind it) noexcept : raw_(otel_kind(static_cast<enum otel_kind>(it)))
	{
	}
	/** Those that are in there. */
	OTEL_MEMBER_ option(const attributes &it) noexcept;
	/** What otel/trace.h makes: otel_stack(), otel_str(), ... */
	OTEL_MEMBER_ option(const otel_option &it) noexcept : raw_(it)
	{
	}

	/* What the other constructors below, and the calls, need. */
	OTEL_MEMBER_ const otel_option &raw() const noexcept
	{
		return raw_;
	}
	OTEL_MEMBER_ detail::reader read() const noexcept
	{
		return read_;
	}

private:
	friend class attributes;

	OTEL_MEMBER_ explicit option(text key) noexcept
	{
		raw_.key = key.data();
		raw_.key_size = key.size();
		raw_.size = 0;
	}
	OTEL_MEMBER_ void put_bytes(const void *data, std::size_t size) noexcept
	{
		raw_.type = OTEL_TYPE_BYTES;
		raw_.value.pointer = data;
		raw_.size = data ? size : 0;
	}
	OTEL_MEMBER_ void put_elements(const void *data, std::size_t size) noexcept
	{
		raw_.type = OTEL_TYPE_ELEMENTS;
		raw_.value.pointer = data;
		raw_.size = size;
	}
	OTEL_MEMBER_ void set_reader([[maybe_unused]] detail::reader it) noexcept
	{
#ifndef OTEL_BPF_DISABLE
		read_ = it;
#endif
	}
	template <typename type> OTEL_MEMBER_ void put_array(const type *data, std::size_t size) noexcept
	{
		if constexpr (detail::is_byte<type>) {
			put_bytes(data, size);
		} else {
			put_elements(data, size);
			set_reader(detail::read_array<type>);
		}
	}

	otel_option raw_;
	detail::reader read_ = nullptr; /* of OTEL_TYPE_ELEMENTS */
};

using options = std::initializer_list<option>;

/** When the span started or the event happened, instead of now. The epoch itself is now. */
OTEL_MEMBER_ option at(time_point when) noexcept
{
	return otel_time(detail::nanoseconds(when));
}

/** The span that is being started is a root, whatever is current. */
OTEL_MEMBER_ option root() noexcept
{
	return otel_root();
}

/** With false, an exception that leaves the span is not recorded as an event. */
OTEL_MEMBER_ option record_exception(bool whether) noexcept
{
	otel_option it = otel_option_(nullptr, OTEL_TYPE_RECORD_EXCEPTION);

	it.value.integer = whether;
	return it;
}

/** With false, an exception that leaves the span does not set its status. */
OTEL_MEMBER_ option set_status_on_exception(bool whether) noexcept
{
	otel_option it = otel_option_(nullptr, OTEL_TYPE_SET_STATUS);

	it.value.integer = whether;
	return it;
}

} // namespace otel

#endif
