/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to otel/trace.hpp: exceptions that leave a span, and the ends of spans, which look for them.
 */
#ifndef OTEL_EXCEPTION_HPP
#define OTEL_EXCEPTION_HPP

#include <cstdlib>
#include <exception>
#include <new>
#include <typeinfo>

#include <cxxabi.h>

#include "lower.hpp"

namespace otel
{

namespace detail
{

/*
 * pthread_exit() and cancellation unwind the stack and are no exceptions, until somebody catches and
 * rethrows them, as guarded() does: then they count as one.
 */
#ifndef OTEL_BPF_DISABLE
inline thread_local bool thread_ends = false;
#endif

#ifdef OTEL_BPF_DISABLE
OTEL_MEMBER_ void set_status(otel_span *, enum otel_code, text) noexcept
{
}
OTEL_MEMBER_ void record(otel_span *, const text *, const text *, option_list) noexcept
{
}
OTEL_MEMBER_ void record_thrown(otel_span *, const std::type_info *, const char *, option_list) noexcept
{
}
OTEL_MEMBER_ void passed(otel_span *, const std::exception *, unsigned) noexcept
{
}
OTEL_MEMBER_ void unwound(owned *) noexcept
{
}
#else
OTEL_OUTLINE_ void set_status(otel_span *span, enum otel_code code, text description) noexcept
{
	otel_text_ part = {description.data(), description.size()};

	otel_status_(span, code, OTEL_STATUS_BY_HAND, &part, 1);
}

/* A type as people write it; free() it if it is not the one of @type. NULL: not known. */
OTEL_UNLIKELY_ const char *type_name(const std::type_info *type) noexcept
{
	int status;
	char *name;

	if (!type)
		return nullptr;
	name = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
	return name ? name : type->name();
}

OTEL_UNLIKELY_ void type_name_free(const std::type_info *type, const char *name) noexcept
{
	if (name && name != type->name())
		std::free(const_cast<char *>(name));
}

/* @type, @message: NULL where they are not known. */
OTEL_UNLIKELY_ void record(otel_span *span, const text *type, const text *message, option_list attributes) noexcept
{
	auto *list = static_cast<option *>(__builtin_alloca((attributes.size() + 2) * sizeof(option)));
	std::size_t count = 0;

	if (type)
		new (list + count++) option("exception.type", *type);
	if (message)
		new (list + count++) option("exception.message", *message);
	for (const option &it : attributes)
		new (list + count++) option(it);
	event(span, "exception", list, count);
}

OTEL_UNLIKELY_ void record_thrown(otel_span *span, const std::type_info *type, const char *what,
				  option_list attributes) noexcept
{
	const char *name = type_name(type);
	const text type_text(name), message(what);

	record(span, name ? &type_text : nullptr, what ? &message : nullptr, attributes);
	type_name_free(type, name);
}

/* An exception leaves the span. In its handler; @it is NULL if it is no std::exception. */
OTEL_UNLIKELY_ void passed(otel_span *span, const std::exception *it, unsigned without) noexcept
{
	int saved = errno;
	const std::type_info *type = abi::__cxa_current_exception_type();
	const char *what = it ? it->what() : nullptr;

	if (!(without & without_record))
		record_thrown(span, type, what, {{"exception.escaped", true}});
	if (!(without & without_status)) {
		const char *name = type_name(type);
		otel_text_ parts[] = {{name, OTEL_UNKNOWN_SIZE_},
				      {": ", name && what ? 2u : 0u},
				      {what, OTEL_UNKNOWN_SIZE_}};

		otel_status_(span, OTEL_ERROR, OTEL_STATUS_BY_HELPER, parts, 3);
		type_name_free(type, name);
	}
	errno = saved;
}

/* Hands over what was written: which exception is in flight is known outside, but only as long as it is. */
OTEL_UNLIKELY_ void hand_over([[maybe_unused]] int uncaught) noexcept
{
#ifdef __GLIBCXX__
	otel_thread *thread = otel_thread_();
	int saved = errno;
	otel_writer_ w;

	if (!thread || !otel_begin_(&w, thread))
		return;
	w.buffer->uncaught = static_cast<otel_u32>(uncaught);
	otel_flush_(thread, w.buffer, OTEL_FLUSH_UNWOUND, 0);
	otel_finish_(&w);
	errno = saved;
#endif
}

/* The span ends. If that is because an exception passes, says so. */
OTEL_OUTLINE_ void unwound(owned *it) noexcept
{
	int uncaught = std::uncaught_exceptions();

	if (__builtin_expect(uncaught <= it->uncaught, 1) || thread_ends)
		return;
	if (!(it->without & without_record))
		record(&it->raw, nullptr, nullptr, {{"exception.escaped", true}});
	if (!(it->without & without_status))
		otel_status_(&it->raw, OTEL_ERROR, OTEL_STATUS_BY_HELPER, nullptr, 0);
	if (it->without != (without_record | without_status))
		hand_over(uncaught);
}
#endif

OTEL_OUTLINE_ void leave(otel_scope *scope, owned *it) noexcept
{
	if (otel_active_(&it->raw))
		unwound(it);
	otel_leave_(scope);
}

OTEL_OUTLINE_ void end(owned *it) noexcept
{
	if (otel_active_(&it->raw))
		unwound(it);
	otel_end_(&it->raw, 0);
}

} // namespace detail

} // namespace otel

#endif
