/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of otel/trace.h: the constructors of attributes and options, and lists of them. The same with and
 * without OTEL_BPF_DISABLE.
 */
#ifndef OTEL_OPTIONS_H
#define OTEL_OPTIONS_H

#include "types.h"

#ifdef __cplusplus
typedef bool otel_bool_;

extern "C++" {
#include <initializer_list>
#include <type_traits>

template <typename integer> OTEL_INLINE_ constexpr otel_u64 otel_integer_(integer value)
{
	static_assert(std::is_integral<integer>::value || std::is_enum<integer>::value,
		      "otel_int() takes an integer: see otel_double(), otel_str() and others");
	return static_cast<otel_u64>(static_cast<long long>(value));
}
}
#define OTEL_INTEGER_(value) otel_integer_(value)
#else
typedef _Bool otel_bool_;

/*
 * The conversion is said, as lengths and counts are mostly unsigned. 1 to 4 are the classes of integers. What
 * refuses the others is a bit-field, as C99 has no assertion that glibc lets stand in a struct.
 */
#define OTEL_INTEGER_(value)                                                                       \
	((otel_u64)(long long)(value) +                                                            \
	 0 * sizeof(struct {                                                                       \
		 int otel_int_takes_an_integer_see_otel_double_otel_str_and_others                 \
			 : __builtin_classify_type(value) >= 1 && __builtin_classify_type(value) <= 4 ? 1 : -1; \
	 }))
#endif

/** Initialise attributes at file scope, and are constexpr in C++; keys and texts are string literals. */
#define OTEL_ATTRIBUTE_STR(key, text)                                                              \
	OTEL_ATTRIBUTE_(key, OTEL_TYPE_STRING, pointer, (const void *)("" text), sizeof("" text) - 1)
#define OTEL_ATTRIBUTE_INT(key, number)                                                            \
	OTEL_ATTRIBUTE_(key, OTEL_TYPE_INT, integer, OTEL_INTEGER_(number), 0)
#define OTEL_ATTRIBUTE_BOOL(key, condition)                                                        \
	OTEL_ATTRIBUTE_(key, OTEL_TYPE_BOOL, integer, (otel_u64)((condition) ? 1 : 0), 0)
#define OTEL_ATTRIBUTE_DOUBLE(key, number_)                                                        \
	OTEL_ATTRIBUTE_(key, OTEL_TYPE_DOUBLE, number, (double)(number_), 0)
#define OTEL_ATTRIBUTE_LAST OTEL_ATTRIBUTE_("", OTEL_TYPE_END, integer, (otel_u64)0, 0)
#ifdef __cplusplus
#define OTEL_ATTRIBUTE_(key, type, member, value, size)                                            \
	otel_option                                                                                \
	{                                                                                          \
		"" key, sizeof("" key) - 1, type, {otel_value(value)}, size                        \
	}
#else
#define OTEL_ATTRIBUTE_(key, type, member, value, size)                                            \
	{                                                                                          \
		"" key, sizeof("" key) - 1, type, {.member = value}, size                          \
	}
#endif

OTEL_INLINE_ otel_u32 otel_size_(const char *text)
{
	if (!text)
		return 0;
	return __builtin_constant_p(__builtin_strlen(text)) ? (otel_u32)__builtin_strlen(text) :
							      OTEL_UNKNOWN_SIZE_;
}

OTEL_INLINE_ otel_option otel_option_(const char *key, enum otel_type type)
{
	otel_option option;

	option.key = key;
	option.key_size = otel_size_(key);
	option.type = (otel_u32)type;
	option.value.integer = 0;
	option.size = 0;
	return option;
}

/** A string attribute; @value ends in NUL, NULL is an empty one. It is copied by the call it is given to. */
OTEL_INLINE_ otel_option otel_str(const char *key, const char *value)
{
	otel_option option = otel_option_(key, OTEL_TYPE_STRING);

	option.value.pointer = value;
	option.size = otel_size_(value);
	return option;
}

OTEL_INLINE_ otel_option otel_int_(const char *key, otel_u64 value)
{
	otel_option option = otel_option_(key, OTEL_TYPE_INT);

	option.value.integer = value;
	return option;
}

/** An integer attribute, of any integral type; an unsigned one wraps around to a long long. */
#ifdef __cplusplus
extern "C++" {
template <typename integer> OTEL_INLINE_ otel_option otel_int(const char *key, integer value)
{
	return otel_int_(key, otel_integer_(value));
}
}
#else
#define otel_int(key, value) otel_int_(key, OTEL_INTEGER_(value))
#endif

/** A string attribute of @size bytes, which need not end in NUL. */
OTEL_INLINE_ otel_option otel_strn(const char *key, const char *value, unsigned long size)
{
	otel_option option = otel_option_(key, OTEL_TYPE_STRING);

	option.value.pointer = value;
	option.size = value && size < OTEL_UNKNOWN_SIZE_ ? size : 0;
	return option;
}

OTEL_INLINE_ otel_option otel_array_(const char *key, enum otel_type type, const void *data,
				     unsigned long size)
{
	otel_option option = otel_option_(key, type);

	option.value.pointer = data;
	option.size = data ? size : 0;
	return option;
}

/** An attribute of @size bytes. */
OTEL_INLINE_ otel_option otel_bytes(const char *key, const void *data, unsigned long size)
{
	return otel_array_(key, OTEL_TYPE_BYTES, data, size);
}

/* Arrays: functions, as macros would take the commas of (const long long[]){1, 2} for their own. */

/** An array of @count strings, each ending in NUL; NULL is an empty one. */
OTEL_INLINE_ otel_option otel_strs(const char *key, const char *const *values, unsigned long count)
{
	return otel_array_(key, OTEL_TYPE_STRINGS, values, count);
}

/** An array of @count integers. */
OTEL_INLINE_ otel_option otel_ints(const char *key, const long long *values, unsigned long count)
{
	return otel_array_(key, OTEL_TYPE_INTS, values, count);
}

/** An array of @count floating-point numbers. */
OTEL_INLINE_ otel_option otel_doubles(const char *key, const double *values, unsigned long count)
{
	return otel_array_(key, OTEL_TYPE_DOUBLES, values, count);
}

/** An array of @count booleans. */
OTEL_INLINE_ otel_option otel_bools(const char *key, const otel_bool_ *values, unsigned long count)
{
	return otel_array_(key, OTEL_TYPE_BOOLS, values, count);
}

/** A boolean attribute: false is 0, true is anything else. */
OTEL_INLINE_ otel_option otel_bool(const char *key, otel_bool_ value)
{
	otel_option option = otel_option_(key, OTEL_TYPE_BOOL);

	option.value.integer = value;
	return option;
}

/** A floating-point attribute; NaN and the infinities are passed on. */
OTEL_INLINE_ otel_option otel_double(const char *key, double value)
{
	otel_option option = otel_option_(key, OTEL_TYPE_DOUBLE);

	option.value.number = value;
	return option;
}

/** The kind of a span that is being started; OTEL_INTERNAL if none is given. */
OTEL_INLINE_ otel_option otel_kind(enum otel_kind kind)
{
	otel_option option = otel_option_((const char *)0, OTEL_TYPE_KIND);

	option.value.integer = (otel_u64)kind;
	return option;
}

/**
 * When the span started or the event happened, in nanoseconds since the epoch, instead of now; taken as
 * it is. 0 is now.
 */
OTEL_INLINE_ otel_option otel_time(otel_u64 unix_nano)
{
	otel_option option = otel_option_((const char *)0, OTEL_TYPE_TIME);

	option.value.integer = unix_nano;
	return option;
}

/** The span that is being started is a root, whatever is current. */
OTEL_INLINE_ otel_option otel_root(void)
{
	return otel_option_((const char *)0, OTEL_TYPE_PARENT);
}

OTEL_INLINE_ otel_option otel_link_(const otel_context *context, const otel_option *attributes)
{
	otel_option option = otel_option_((const char *)0, OTEL_TYPE_LINK);

	option.value.pointer = context;
	option.key = (const char *)(const void *)attributes;
	return option;
}

OTEL_INLINE_ otel_option otel_parent_(const otel_context *context)
{
	otel_option option = otel_option_((const char *)0, OTEL_TYPE_PARENT);

	option.value.pointer = context;
	return option;
}

/** Ends a list of attributes that is kept in an array; the macros end theirs themselves. */
OTEL_INLINE_ otel_option otel_last(void)
{
	return otel_option_((const char *)0, OTEL_TYPE_END);
}

/**
 * The attributes of an array, as many as it turned out at run time; it ends in otel_last(). Wherever attributes
 * may stand, beside others, also in such an array, eight deep; what else is in the array is left out.
 *
 *     otel_option list[8];
 *     ...
 *     otel_event(span, "headers", otel_attributes(list), otel_int("count", n));
 */
OTEL_INLINE_ otel_option otel_attributes(const otel_option *list)
{
	otel_option option = otel_option_((const char *)0, OTEL_TYPE_LIST);

	option.value.pointer = list;
	return option;
}

/*
 * A list of options as an expression, in memory that lives as long as the call it is an argument of.
 * otel_parent(context): the parent of a span that is being started, instead of the current one;
 * a context that is not valid makes a root.
 */
#ifdef __cplusplus
extern "C++" {
OTEL_INLINE_ otel_option otel_parent(const otel_context &context)
{
	return otel_parent_(&context);
}

OTEL_INLINE_ const otel_context *otel_address_(const otel_context &context)
{
	return &context;
}

OTEL_INLINE_ const otel_option *otel_list_(std::initializer_list<otel_option> list)
{
	return list.begin();
}
}
#define OTEL_LIST_(...) otel_list_({__VA_ARGS__})
#else
#define otel_parent(context) otel_parent_(otel_address_(context))
#define otel_address_(context) ((const otel_context[1]){context})
#define OTEL_LIST_(...) ((const otel_option[]){__VA_ARGS__})
#endif

#define OTEL_FIRST_(a, ...) a
#define OTEL_SECOND_(a, b, ...) b
#define OTEL_REST1_(a, ...) __VA_ARGS__
#define OTEL_REST2_(a, b, ...) __VA_ARGS__

/**
 * A link of the span that is being started: (context, attributes...). OpenTelemetry: Link.
 *
 *     OTEL_SPAN(span, &shop, "batch", otel_link(first, otel_int("index", 0)), otel_link(second));
 */
#define otel_link(...)                                                                             \
	otel_link_(otel_address_(OTEL_FIRST_(__VA_ARGS__, 0)),                                     \
		   OTEL_LIST_(OTEL_REST1_(__VA_ARGS__, otel_last())))

#endif
