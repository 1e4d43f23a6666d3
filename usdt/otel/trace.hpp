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
 *   otel::set_resource                 what the program says of itself
 *
 * An attribute is {"key", value}: of bool, any integral or floating-point type, any text (const char *,
 * std::string, std::string_view), otel::bytes, or an array, container or braced list of those that is
 * contiguous. Texts need not end in NUL. What stands beside attributes: otel::kind, otel::parent(),
 * otel::root(), otel::link(), otel::at(), otel::record_exception(), otel::set_status_on_exception(), and
 * all that otel/trace.h has, as otel_stack(). Attributes and options refer to what they were made of:
 * use them in the expression that makes them.
 *
 * A destructor that runs because an exception leaves the block knows that, but not which one it is: the
 * span's status becomes Error, unless one was set, with an event "exception", whose type the agent learns
 * from libstdc++'s probes. with_span() knows the message, too.
 *
 * Nothing here throws, but for what with_span() passes on. Nothing allocates while nobody listens; and
 * while somebody does, only the name of an exception's type does.
 */
#ifndef OTEL_TRACE_HPP
#define OTEL_TRACE_HPP

#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <initializer_list>
#include <iterator>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <cxxabi.h>

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

/* What was said not to be done when an exception passes. */
enum { without_record = 1, without_status = 2 };

/*
 * pthread_exit() and cancellation unwind the stack and are no exceptions, until somebody catches and
 * rethrows them, as guarded() does: then they count as one.
 */
#ifndef OTEL_BPF_DISABLE
inline thread_local bool thread_ends = false;
#endif

using reader = void (*)(const void *, otel_u64, otel_option *);

OTEL_MEMBER_ otel_u64 nanoseconds(time_point at) noexcept
{
	return static_cast<otel_u64>(
		std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count());
}

} // namespace detail

/* ---- Attributes and options --------------------------------------------------------------------- */

/** An attribute, or what else a call takes in the same list. */
class option
{
public:
	/** An attribute. */
	template <typename type, std::enable_if_t<detail::is_value<type>, int> = 0>
	OTEL_MEMBER_ option(text key, const type &value) noexcept : option(key)
	{
		if constexpr (detail::is_scalar<type>)
			detail::put_scalar(&raw_, value);
		else if constexpr (std::is_same_v<type, bytes>)
			put_bytes(value.data, value.size);
		else if constexpr (detail::is_array<type>)
			put_array(std::data(value), std::size(value));
		else {
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

namespace detail
{

/* Calls visitor.few() with the indexes of the list as constants, or visitor.many(). */
template <typename visitor_type> OTEL_MEMBER_ void visit(options list, visitor_type &visitor) noexcept
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
	OTEL_MEMBER_ void many(options list) noexcept
	{
		f(list.begin(), list.size());
	}
};

template <typename callable> OTEL_MEMBER_ void listening(options list, callable f) noexcept
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
	OTEL_MEMBER_ void many(options list) noexcept
	{
		for (const option &it : list)
			look(it.raw());
	}
};

} // namespace detail

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

/* ---- Contexts ----------------------------------------------------------------------------------- */

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
OTEL_MEMBER_ option link(const otel_context &to, options attributes = {}) noexcept
{
	otel_option it = otel_option_(nullptr, OTEL_TYPE_COUNTED_LINK);

	it.value.pointer = &to;
	it.key = static_cast<const char *>(static_cast<const void *>(attributes.begin()));
	it.size = attributes.size();
	return it;
}

/* ---- Tracers ------------------------------------------------------------------------------------ */

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

/* ---- What somebody who listens gets; out of line ------------------------------------------------- */

namespace detail
{

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
		if (list[i].raw().type == OTEL_TYPE_COUNTED_LINK)
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
OTEL_MEMBER_ void enter_off(otel_scope *scope, otel_span *span, options list) noexcept
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

#ifdef OTEL_BPF_DISABLE
OTEL_MEMBER_ void set_status(otel_span *, enum otel_code, text) noexcept
{
}
OTEL_MEMBER_ void record(otel_span *, const std::type_info *, const char *, options) noexcept
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

OTEL_UNLIKELY_ void record(otel_span *span, const std::type_info *type, const char *what, options attributes) noexcept
{
	const char *name = type_name(type);
	auto *list = static_cast<option *>(__builtin_alloca((attributes.size() + 2) * sizeof(option)));
	std::size_t count = 0;

	if (name)
		new (list + count++) option("exception.type", name);
	if (what)
		new (list + count++) option("exception.message", what);
	for (const option &it : attributes)
		new (list + count++) option(it);
	event(span, "exception", list, count);
	type_name_free(type, name);
}

/* An exception leaves the span. In its handler; @it is NULL if it is no std::exception. */
OTEL_UNLIKELY_ void passed(otel_span *span, const std::exception *it, unsigned without) noexcept
{
	int saved = errno;
	const std::type_info *type = abi::__cxa_current_exception_type();
	const char *what = it ? it->what() : nullptr;

	if (!(without & without_record))
		record(span, type, what, {{"exception.escaped", true}});
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
	template <typename type> OTEL_MEMBER_ auto set(text key, const type &value) noexcept
		-> std::enable_if_t<is_value<type>>
	{
		set({option(key, value)});
	}
	/** The same for an array as a braced list: set("key", {1, 2, 3}). */
	template <typename type> OTEL_MEMBER_ void set(text key, std::initializer_list<type> values) noexcept
	{
		set({option(key, values)});
	}
	/** Sets attributes. */
	OTEL_MEMBER_ void set(options list) noexcept
	{
		if (otel_span *to = otel_active_(raw()))
			listening(list, [&](const option *it, std::size_t count) OTEL_INLINED_ {
				detail::set(to, it, count);
			});
	}

	/** Adds an event that happens now, or otel::at() some time. */
	OTEL_MEMBER_ void event(text name, options list = {}) noexcept
	{
		if (otel_span *to = otel_active_(raw()))
			listening(list, [&](const option *it, std::size_t count) OTEL_INLINED_ {
				detail::event(to, name, it, count);
			});
	}

	/** Sets the status; the description goes with code::error only. code::ok is final. */
	OTEL_MEMBER_ void status(otel::code it, text description = {}) noexcept
	{
		if (otel_span *to = otel_active_(raw()))
			detail::set_status(to, static_cast<enum otel_code>(it), description);
	}

	/** Gives the span another name. */
	OTEL_MEMBER_ void name(text it) noexcept
	{
		if (otel_span *to = otel_active_(raw()))
			otel_set_name_(to, it.data(), it.size());
	}

	/**
	 * Records an exception, with its type and what(), as an event. The status stays as it is. An
	 * attribute that is given counts, not the one that is made here.
	 */
	OTEL_MEMBER_ void exception(const std::exception &it, options list = {}) noexcept
	{
		if (otel_span *to = otel_active_(raw())) {
#ifdef __GXX_RTTI
			detail::record(to, &typeid(it), it.what(), list);
#else
			detail::record(to, nullptr, it.what(), list);
#endif
		}
	}

	/** Records an error, an errno or a negative errno, as otel_fail() does. Returns it. */
	OTEL_MEMBER_ int fail(int error) noexcept
	{
		return otel_fail_at_(raw(), error);
	}

	/** Adds a link after the start. */
	OTEL_MEMBER_ void add_link(const otel_context &to, options attributes = {}) noexcept
	{
		if (otel_span *span = otel_active_(raw())) {
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
	OTEL_MEMBER_ span(const otel_tracer &tracer, text name, options list = {}) noexcept
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
	OTEL_MEMBER_ scoped_span(const otel_tracer &tracer, text name, options list = {}) noexcept
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
	OTEL_MEMBER_ explicit scope(const otel_context &it) noexcept
	{
		otel_use_(&scope_, &it);
	}
	OTEL_MEMBER_ explicit scope(span &it) noexcept
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
OTEL_MEMBER_ void set_resource(options list) noexcept
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
OTEL_MEMBER_ decltype(auto) with_span(const otel_tracer &tracer, text name, options list, callable &&f)
{
	scoped_span span(tracer, name, list);

	return detail::guarded(span, std::forward<callable>(f),
			       [&](const std::exception *it) { span.passed(it); });
}

template <typename callable>
OTEL_MEMBER_ decltype(auto) with_span(const otel_tracer &tracer, text name, callable &&f)
{
	return otel::with_span(tracer, name, options(), std::forward<callable>(f));
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
