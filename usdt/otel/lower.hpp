/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to otel/trace.hpp: lists of options become those of otel/trace.h, in the branch that is taken when
 * somebody listens; and the calls that take them, out of line.
 */
#ifndef OTEL_LOWER_HPP
#define OTEL_LOWER_HPP

#include <exception>
#include <utility>

#include "attributes.hpp"

namespace otel
{

namespace detail
{

/* Calls visitor.few() with the indexes of the list as constants, or visitor.many(). */
template <typename visitor_type> OTEL_MEMBER_ void visit(option_list list, visitor_type &visitor) noexcept
{
#ifdef __OPTIMIZE__
	switch (list.size()) {
	case 1:
		return visitor.few(list.begin(), std::make_index_sequence<1>());
	case 2:
		return visitor.few(list.begin(), std::make_index_sequence<2>());
	case 3:
		return visitor.few(list.begin(), std::make_index_sequence<3>());
	case 4:
		return visitor.few(list.begin(), std::make_index_sequence<4>());
	case 5:
		return visitor.few(list.begin(), std::make_index_sequence<5>());
	case 6:
		return visitor.few(list.begin(), std::make_index_sequence<6>());
	case 7:
		return visitor.few(list.begin(), std::make_index_sequence<7>());
	case 8:
		return visitor.few(list.begin(), std::make_index_sequence<8>());
	}
#endif
	visitor.many(list);
}

/*
 * Hands a copy of a list on, in the branch that is taken when somebody listens. The list is evaluated before
 * that branch; but as long as its address goes nowhere and all indexes are constants, compilers keep its parts
 * where they are, and build the copy in that branch only.
 */
template <typename callable> struct copying {
	callable f;

	template <std::size_t... index>
	OTEL_MEMBER_ void few(const option *list, std::index_sequence<index...>) noexcept
	{
		const option copy[] = {list[index]...};

		f(copy, sizeof...(index));
	}
	OTEL_MEMBER_ void many(option_list list) noexcept
	{
		f(list.begin(), list.size());
	}
};

template <typename callable> OTEL_MEMBER_ void listening(option_list list, callable f) noexcept
{
	copying<callable> visitor = {f};

	visit(list, visitor);
}

/* The parent that a list gives, if any; comes to nothing where the list is known. */
struct given_parent {
	bool given;
	const void *parent;

	OTEL_MEMBER_ void look(const otel_option &it) noexcept
	{
		if (it.type == OTEL_TYPE_PARENT) {
			given = true;
			parent = it.value.pointer;
		}
	}
	template <std::size_t... index>
	OTEL_MEMBER_ void few(const option *list, std::index_sequence<index...>) noexcept
	{
		(look(list[index].raw()), ...);
	}
	OTEL_MEMBER_ void many(option_list list) noexcept
	{
		for (const option &it : list)
			look(it.raw());
	}
};

/* What was said not to be done when an exception passes. */
enum { without_record = 1, without_status = 2 };

/* A span and what is to be done when an exception leaves it. */
struct owned {
	otel_span raw;
	int uncaught;	  /* exceptions in flight when it started */
	unsigned without; /* without_* */
};

/* Bytes that lower() needs for such a list. */
OTEL_OUTLINE_ std::size_t lowered_size(const option *list, std::size_t count) noexcept
{
	std::size_t size = (count + 1) * sizeof(otel_option);

	for (std::size_t i = 0; i < count; i++)
		if (list[i].raw().type == OTEL_TYPE_COUNTED_LINK || list[i].raw().type == OTEL_TYPE_COUNTED_LIST)
			size += lowered_size(static_cast<const option *>(static_cast<const void *>(list[i].raw().key)),
					     static_cast<std::size_t>(list[i].raw().size));
		else if (list[i].read())
			size += sizeof(otel_elements_);
	return size;
}

/* The list as otel/trace.h wants it: with an end. In memory at @at, which is advanced. */
OTEL_OUTLINE_ otel_option *lower(const option *list, std::size_t count, char **at, unsigned *without) noexcept
{
	otel_option *result = static_cast<otel_option *>(static_cast<void *>(*at)), *out = result;

	*at += (count + 1) * sizeof(otel_option);
	for (; count; list++, count--) {
		const otel_option &raw = list->raw();
		unsigned bit = raw.type == OTEL_TYPE_SET_STATUS ? without_status : without_record;

		switch (raw.type) {
		case OTEL_TYPE_RECORD_EXCEPTION:
		case OTEL_TYPE_SET_STATUS:
			*without = raw.value.integer ? *without & ~bit : *without | bit;
			continue;
		case OTEL_TYPE_END:
			continue;
		case OTEL_TYPE_COUNTED_LINK:
			*out = otel_link_(
				static_cast<const otel_context *>(raw.value.pointer),
				lower(static_cast<const option *>(static_cast<const void *>(raw.key)),
				      static_cast<std::size_t>(raw.size), at, without));
			break;
		case OTEL_TYPE_COUNTED_LIST:
			*out = otel_attributes(
				lower(static_cast<const option *>(static_cast<const void *>(raw.key)),
				      static_cast<std::size_t>(raw.size), at, without));
			break;
		default:
			*out = raw;
			if (list->read()) {
				auto *elements = static_cast<otel_elements_ *>(static_cast<void *>(*at));

				*at += sizeof(*elements);
				elements->read = list->read();
				elements->data = raw.value.pointer;
				out->value.pointer = elements;
			}
		}
		out++;
	}
	*out = otel_last();
	return result;
}

/* Memory of the calling function. */
#define OTEL_LOWER_(list, count, without)                                                          \
	char *otel_memory = static_cast<char *>(__builtin_alloca(lowered_size(list, count)));      \
	otel_option *otel_lowered = lower(list, count, &otel_memory, without)

OTEL_OUTLINE_ void enter(otel_scope *scope, owned *it, const otel_tracer *tracer, text name,
			 const option *list, std::size_t count) noexcept
{
	it->without = 0;
	OTEL_LOWER_(list, count, &it->without);
	otel_enter_(scope, &it->raw, tracer, name.data(), name.size(), otel_lowered);
	it->uncaught = std::uncaught_exceptions();
}

OTEL_OUTLINE_ void start(owned *it, const otel_tracer *tracer, text name, const option *list,
			 std::size_t count) noexcept
{
	it->without = 0;
	OTEL_LOWER_(list, count, &it->without);
	otel_start_detached_(&it->raw, tracer, name.data(), name.size(), otel_lowered);
	it->uncaught = std::uncaught_exceptions();
}

/* Nobody listens: a parent that was given is handed on, nothing else happens. */
OTEL_MEMBER_ void enter_off(otel_scope *scope, otel_span *span, option_list list) noexcept
{
	given_parent found = {false, nullptr};

	span->context.state = 0;
	visit(list, found);
	if (found.given)
		otel_hand_on_(scope, span, static_cast<const otel_context *>(found.parent));
}

OTEL_OUTLINE_ void set(otel_span *span, const option *list, std::size_t count) noexcept
{
	unsigned without = 0;

	OTEL_LOWER_(list, count, &without);
	otel_set_(span, otel_lowered);
}

OTEL_OUTLINE_ void event(otel_span *span, text name, const option *list, std::size_t count) noexcept
{
	unsigned without = 0;

	OTEL_LOWER_(list, count, &without);
	otel_event_(span, name.data(), name.size(), otel_lowered);
}

OTEL_OUTLINE_ void add_links(otel_span *span, const option *list, std::size_t count) noexcept
{
	unsigned without = 0;

	OTEL_LOWER_(list, count, &without);
	otel_add_links_(span, otel_lowered);
}

OTEL_OUTLINE_ void set_resource(const option *list, std::size_t count) noexcept
{
	unsigned without = 0;

	OTEL_LOWER_(list, count, &without);
	otel_set_resource_(otel_lowered);
}

} // namespace detail

} // namespace otel

#endif
