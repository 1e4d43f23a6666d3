/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of otel/trace.h: the types of the API and the constructors of attributes and options.
 * The same with and without OTEL_BPF_DISABLE.
 */
#ifndef OTEL_TYPES_H
#define OTEL_TYPES_H

#include "record.h"

#define OTEL_INLINE_ static inline __attribute__((always_inline, unused))

/* A context: see struct otel_context. A value; may be stored, copied, handed to another thread. */
typedef struct otel_context otel_context;

/* A span: see struct otel_span. A value, too; the copy that ends it first is the one that does. */
typedef struct otel_span otel_span;

/* OpenTelemetry: SpanKind. */
enum otel_kind {
	OTEL_INTERNAL = 0,
	OTEL_SERVER = 1,
	OTEL_CLIENT = 2,
	OTEL_PRODUCER = 3,
	OTEL_CONSUMER = 4,
};

/* OpenTelemetry: StatusCode. */
enum otel_code {
	OTEL_UNSET = 0,
	OTEL_OK = 1,
	OTEL_ERROR = 2,
};

/* What an option holds. The first ones are attributes. */
enum otel_type {
	OTEL_TYPE_END = 0,
	OTEL_TYPE_STRING = 1,
	OTEL_TYPE_BOOL = 2,
	OTEL_TYPE_INT = 3,
	OTEL_TYPE_DOUBLE = 4,
	OTEL_TYPE_BYTES = 5,
	OTEL_TYPE_STRINGS = 6, /* arrays */
	OTEL_TYPE_BOOLS = 7,
	OTEL_TYPE_INTS = 8,
	OTEL_TYPE_DOUBLES = 9,
	OTEL_TYPE_ELEMENTS = 10, /* an array that otel/trace.hpp reads element by element */
	OTEL_TYPE_KIND = 32,
	OTEL_TYPE_PARENT = 33,
	OTEL_TYPE_TIME = 34,
	OTEL_TYPE_LINK = 35,
	OTEL_TYPE_STACK = 36,
	/* Of otel/trace.hpp only. */
	OTEL_TYPE_COUNTED_LINK = 48,
	OTEL_TYPE_RECORD_EXCEPTION = 49,
	OTEL_TYPE_SET_STATUS = 50,
};

/* Lengths that the compiler does not know are taken only when somebody listens. */
#define OTEL_UNKNOWN_SIZE_ 0xffffffffu

union otel_value {
	const void *pointer;
	otel_u64 integer;
	double number;
	void (*function)(void);
#ifdef __cplusplus
	/* For constant expressions. */
	otel_value() = default;
	constexpr otel_value(const void *it) : pointer(it)
	{
	}
	constexpr otel_value(otel_u64 it) : integer(it)
	{
	}
	constexpr otel_value(double it) : number(it)
	{
	}
#endif
};

/* An attribute, or an option of a span's start. Made by the functions below only. */
typedef struct otel_option {
	const char *key;
	otel_u32 key_size;
	otel_u32 type; /* enum otel_type */
	union otel_value value;
	otel_u64 size; /* of a string or bytes; elements of an array */
} otel_option;

/*
 * OpenTelemetry: Tracer. Who makes the spans: the library or component, not the service. Made by
 * OTEL_TRACER(), at file scope, without an initialiser that has to run first.
 */
typedef struct otel_tracer {
	const char *name;
	const char *version;
	const char *schema_url;
	const otel_option *attributes; /* of the scope, ended by otel_last(); NULL: none */
	otel_u32 name_size;
	otel_u32 version_size;
	otel_u32 schema_url_size;
	struct otel_tracer_switch state; /* the kernel writes to it: a tracer that is const cannot be switched */
} otel_tracer;

/* What the value of an OTEL_TYPE_ELEMENTS points to. @read makes element @index a scalar in @out. */
struct otel_elements_ {
	void (*read)(const void *data, otel_u64 index, otel_option *out);
	const void *data;
};

/* A context that is current until the block ends. */
struct otel_scope {
	struct otel_thread *thread; /* NULL: there is nothing to leave */
	otel_span *span;	    /* to end then; in the same block as this; NULL: none */
	otel_u32 depth;		    /* scopes around this one */
	otel_u32 flags;		    /* enum otel_scope_flag */
	struct otel_context previous; /* of scopes that are too deep to be kept in struct otel_scopes */
};

enum otel_scope_flag {
	OTEL_SCOPE_LIGHT = 1, /* of what is current only the span's id was changed */
	OTEL_SCOPE_ENDS = 2,  /* the span is one of otel_start(), and ends with the scope */
};

/*
 * What otel_attach() returns and otel_detach() takes. OpenTelemetry: Token. A value; all zero is one of
 * which nothing is to be detached.
 */
typedef struct otel_token {
	struct otel_thread *thread; /* NULL: there is nothing to detach, or not any more */
	otel_u64 ticket;
	otel_u32 depth;
	otel_u32 reserved[3];
	struct otel_context previous;
} otel_token;
OTEL_STATIC_ASSERT(sizeof(otel_token) == 96, "ABI");

/*
 * The state of a span or context. Threads that take the context of one span set a bit in it, while others
 * look at it: all of them as atomic accesses, which cost the same.
 */
OTEL_INLINE_ unsigned otel_state_(const otel_context *context)
{
	return __atomic_load_n(&context->state, __ATOMIC_RELAXED);
}

OTEL_STATIC_ASSERT(sizeof(otel_option) == 32, "ABI");
OTEL_STATIC_ASSERT(sizeof(otel_tracer) == 64, "ABI");

/**
 * Initialises a tracer: both arguments are string literals; the version may be "".
 *
 *     static otel_tracer kitchen = OTEL_TRACER("kitchen", "1.0.0");
 */
#define OTEL_TRACER(tracer_name, tracer_version) OTEL_TRACER_WITH_SCHEMA(tracer_name, tracer_version, "")

#define OTEL_TRACER_SWITCH_                                                                        \
	{                                                                                          \
		{OTEL_TRACER_MARK_1, OTEL_TRACER_MARK_2}, 0, 0, {0, 0}                             \
	}

/** The same with the URL of the schema that its telemetry follows. */
#define OTEL_TRACER_WITH_SCHEMA(tracer_name, tracer_version, tracer_schema_url)                    \
	OTEL_TRACER_WITH_ATTRIBUTES(tracer_name, tracer_version, tracer_schema_url, (const otel_option *)0)

/**
 * The same with attributes of the scope: an array of constants, ended by OTEL_ATTRIBUTE_LAST.
 *
 *     static const otel_option scope[] = {OTEL_ATTRIBUTE_STR("flavour", "vegan"), OTEL_ATTRIBUTE_LAST};
 *     static otel_tracer kitchen = OTEL_TRACER_WITH_ATTRIBUTES("kitchen", "1.0.0", "", scope);
 */
#define OTEL_TRACER_WITH_ATTRIBUTES(tracer_name, tracer_version, tracer_schema_url, scope_attributes) \
	{                                                                                          \
		"" tracer_name, "" tracer_version, "" tracer_schema_url, scope_attributes,         \
			sizeof("" tracer_name) - 1, sizeof("" tracer_version) - 1,                 \
			sizeof("" tracer_schema_url) - 1,                                          \
			OTEL_TRACER_SWITCH_                                                        \
	}

/** Initialise attributes at file scope, and are constexpr in C++; keys and texts are string literals. */
#define OTEL_ATTRIBUTE_STR(key, text)                                                              \
	OTEL_ATTRIBUTE_(key, OTEL_TYPE_STRING, pointer, (const void *)("" text), sizeof("" text) - 1)
#define OTEL_ATTRIBUTE_INT(key, number)                                                            \
	OTEL_ATTRIBUTE_(key, OTEL_TYPE_INT, integer, (otel_u64)(long long)(number), 0)
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

/**
 * A tracer whose name is known only at run time. Refers to what it is given, which must stay as long as
 * the tracer is used; NULL is an empty text. @attributes are of the scope: an array that ends in
 * otel_last(), or NULL. OpenTelemetry: Get a Tracer.
 *
 *     otel_option scope[] = {otel_str("plugin", name), otel_last()};
 *     otel_tracer tracer = otel_get_tracer(name, version, NULL, scope);
 */
OTEL_INLINE_ otel_tracer otel_get_tracer(const char *name, const char *version, const char *schema_url,
					 const otel_option *attributes)
{
	otel_tracer tracer = OTEL_TRACER("", "");

	if (name) {
		tracer.name = name;
		tracer.name_size = (otel_u32)__builtin_strlen(name);
	}
	if (version) {
		tracer.version = version;
		tracer.version_size = (otel_u32)__builtin_strlen(version);
	}
	if (schema_url) {
		tracer.schema_url = schema_url;
		tracer.schema_url_size = (otel_u32)__builtin_strlen(schema_url);
	}
	tracer.attributes = attributes;
	return tracer;
}

/* Has the operator switched @tracer off? */
OTEL_INLINE_ int otel_is_off_(const otel_tracer *tracer)
{
	/* Volatile: or compilers see that nobody ever writes it. */
	return tracer && *(const volatile otel_u16 *)&tracer->state.off;
}

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

OTEL_INLINE_ otel_option otel_int_(const char *key, long long value)
{
	otel_option option = otel_option_(key, OTEL_TYPE_INT);

	option.value.integer = (otel_u64)value;
	return option;
}

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

#ifdef __cplusplus
typedef bool otel_bool_;
#else
typedef _Bool otel_bool_;
#endif

/** An array of @count booleans. */
OTEL_INLINE_ otel_option otel_bools(const char *key, const otel_bool_ *values, unsigned long count)
{
	return otel_array_(key, OTEL_TYPE_BOOLS, values, count);
}

/** A boolean attribute: false is 0, true is anything else. */
OTEL_INLINE_ otel_option otel_bool(const char *key, int value)
{
	otel_option option = otel_option_(key, OTEL_TYPE_BOOL);

	option.value.integer = value != 0;
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

/*
 * A list of options as an expression, in memory that lives as long as the call it is an argument of.
 * otel_parent(context): the parent of a span that is being started, instead of the current one;
 * a context that is not valid makes a root.
 */
#ifdef __cplusplus
extern "C++" {
#include <initializer_list>

OTEL_INLINE_ otel_option otel_parent(const otel_context &context)
{
	return otel_parent_(&context);
}

/** An integer attribute. */
template <typename integer> OTEL_INLINE_ otel_option otel_int(const char *key, integer value)
{
	return otel_int_(key, static_cast<long long>(value));
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
/* The conversion is said here: lengths and counts are mostly unsigned. */
#define otel_int(key, value) otel_int_(key, (long long)(value))
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
