/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of otel/trace.hpp: attributes that are put together at run time, and what calls take: a braced list, or those.
 */
#ifndef OTEL_ATTRIBUTES_HPP
#define OTEL_ATTRIBUTES_HPP

#include <cstring>
#include <initializer_list>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "options.hpp"

namespace otel
{

namespace detail
{

#ifndef OTEL_BPF_DISABLE
OTEL_MEMBER_ std::size_t length(const void *text, otel_u64 size) noexcept
{
	if (!text)
		return 0;
	return size == OTEL_UNKNOWN_SIZE_ ? std::strlen(static_cast<const char *>(text)) :
					    static_cast<std::size_t>(size);
}

OTEL_MEMBER_ const char *copy(char **at, const void *text, std::size_t size) noexcept
{
	char *begin = *at;

	if (size)
		std::memcpy(begin, text, size);
	*at += size;
	return begin;
}

OTEL_OUTLINE_ void read_kept(const void *data, otel_u64 index, otel_option *out) noexcept
{
	*out = static_cast<const otel_option *>(data)[index];
}

/* Makes @it refer to a copy of all that it refers to, which is returned. @read: of its elements, or NULL. */
OTEL_OUTLINE_ std::unique_ptr<char[]> keep(otel_option *it, reader *read)
{
	const bool is_text = it->type == OTEL_TYPE_STRING || it->type == OTEL_TYPE_BYTES;
	const std::size_t key_size = length(it->key, it->key_size);
	const std::size_t text_size = is_text ? length(it->value.pointer, it->size) : 0;
	const std::size_t count = *read ? static_cast<std::size_t>(it->size) : 0;
	std::size_t size = count * sizeof(otel_option) + key_size + text_size;
	otel_option element = otel_last();

	for (std::size_t i = 0; i < count; i++) {
		(*read)(it->value.pointer, i, &element);
		if (element.type == OTEL_TYPE_STRING)
			size += length(element.value.pointer, element.size);
	}
	std::unique_ptr<char[]> memory(new char[size]);
	auto *elements = static_cast<otel_option *>(static_cast<void *>(memory.get()));
	char *at = memory.get() + count * sizeof(otel_option);

	for (std::size_t i = 0; i < count; i++) {
		(*read)(it->value.pointer, i, &element);
		if (element.type == OTEL_TYPE_STRING) {
			element.size = length(element.value.pointer, element.size);
			element.value.pointer = copy(&at, element.value.pointer, static_cast<std::size_t>(element.size));
		}
		new (elements + i) otel_option(element);
	}
	it->key = copy(&at, it->key, key_size);
	it->key_size = static_cast<otel_u32>(key_size);
	if (is_text) {
		it->value.pointer = copy(&at, it->value.pointer, text_size);
		it->size = text_size;
	} else if (*read) {
		it->value.pointer = elements;
		*read = read_kept;
	}
	return memory;
}
#endif

} // namespace detail

/**
 * Attributes that are put together at run time, as many as it turns out. Keeps copies of keys and values. Stands
 * for a braced list, or in one:
 *
 *     otel::attributes headers;
 *
 *     for (const auto &[name, value] : request.headers)
 *             headers.set("http.request.header." + name, value);
 *     span.event("received", headers);
 *     otel::scoped_span call(shop, "call", {otel::kind::client, headers});
 *
 * Unlike all else here it allocates also while nobody listens, and throws std::bad_alloc.
 */
class attributes
{
public:
	OTEL_MEMBER_ attributes() noexcept
	{
	}
	OTEL_MEMBER_ attributes(const attributes &other)
	{
		for (const option &it : other.list_)
			keep(it);
	}
	OTEL_MEMBER_ attributes(attributes &&other) noexcept
		: list_(std::move(other.list_)), memory_(std::move(other.memory_))
	{
		other.clear();
	}
	OTEL_MEMBER_ attributes &operator=(attributes other) noexcept
	{
		list_.swap(other.list_);
		memory_.swap(other.memory_);
		return *this;
	}
	OTEL_MEMBER_ ~attributes()
	{
	}

	/** Adds one; the last value of a key counts. */
	template <typename type> OTEL_MEMBER_ void set(text key, const type &value)
	{
		keep(option(key, value));
	}
	/** The same for an array as a braced list: set("key", {1, 2, 3}). */
	template <typename type> OTEL_MEMBER_ void set(text key, std::initializer_list<type> values)
	{
		keep(option(key, values));
	}
	OTEL_MEMBER_ void clear() noexcept
	{
		list_.clear();
		memory_.clear();
	}

	/* For what they are given to. */
	OTEL_MEMBER_ const option *data() const noexcept
	{
		return list_.data();
	}
	OTEL_MEMBER_ std::size_t size() const noexcept
	{
		return list_.size();
	}

private:
	OTEL_MEMBER_ void keep([[maybe_unused]] option it)
	{
#ifndef OTEL_BPF_DISABLE
		memory_.push_back(detail::keep(&it.raw_, &it.read_));
		list_.push_back(it);
#endif
	}

	std::vector<option> list_;
	std::vector<std::unique_ptr<char[]>> memory_; /* what they refer to */
};

OTEL_MEMBER_ option::option(const attributes &it) noexcept : raw_(otel_option_(nullptr, OTEL_TYPE_COUNTED_LIST))
{
	raw_.key = static_cast<const char *>(static_cast<const void *>(it.data()));
	raw_.size = it.size();
}

/** What calls take: a braced list of attributes and options, or otel::attributes. */
class option_list
{
public:
	OTEL_MEMBER_ option_list() noexcept : data_(nullptr), size_(0)
	{
	}
	OTEL_MEMBER_ option_list(options it) noexcept : data_(nullptr), size_(it.size())
	{
		data_ = it.begin();
	}
	OTEL_MEMBER_ option_list(const attributes &it) noexcept : data_(it.data()), size_(it.size())
	{
	}

	OTEL_MEMBER_ const option *begin() const noexcept
	{
		return data_;
	}
	OTEL_MEMBER_ const option *end() const noexcept
	{
		return data_ + size_;
	}
	OTEL_MEMBER_ std::size_t size() const noexcept
	{
		return size_;
	}

private:
	const option *data_;
	std::size_t size_;
};

} // namespace otel

#endif
