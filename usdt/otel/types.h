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
	OTEL_TYPE_KIND = 32,
	OTEL_TYPE_PARENT = 33,
};

/* Lengths that the compiler does not know are taken only when somebody listens. */
#define OTEL_UNKNOWN_SIZE_ 0xffffffffu

/* An attribute, or an option of a span's start. Made by the functions below only. */
typedef struct otel_option {
	const char *key;
	otel_u32 key_size;
	otel_u32 type; /* enum otel_type */
	union {
		const void *pointer;
		otel_u64 integer;
		double number;
	} value;
	otel_u64 size; /* of a string */
} otel_option;

/*
 * OpenTelemetry: Tracer. Who makes the spans: the library or component, not the service. Made by
 * OTEL_TRACER(), at file scope, without an initialiser that has to run first.
 */
typedef struct otel_tracer {
	const char *name;
	const char *version;
	const char *schema_url;
	const otel_option *attributes; /* not used yet, NULL */
	otel_u32 name_size;
	otel_u32 version_size;
	otel_u32 schema_url_size;
	otel_u32 reserved[5];
} otel_tracer;

OTEL_STATIC_ASSERT(sizeof(otel_option) == 32, "ABI");
OTEL_STATIC_ASSERT(sizeof(otel_tracer) == 64, "ABI");

/**
 * Initialises a tracer: both arguments are string literals; the version may be "".
 *
 *     static otel_tracer kitchen = OTEL_TRACER("kitchen", "1.0.0");
 */
#define OTEL_TRACER(tracer_name, tracer_version)                                                   \
	{                                                                                          \
		"" tracer_name, "" tracer_version, "", (const otel_option *)0,                     \
			sizeof("" tracer_name) - 1, sizeof("" tracer_version) - 1, 0,              \
		{                                                                                  \
			0, 0, 0, 0, 0                                                              \
		}                                                                                  \
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

OTEL_INLINE_ otel_option otel_parent_(const otel_context *context)
{
	otel_option option = otel_option_((const char *)0, OTEL_TYPE_PARENT);

	option.value.pointer = context;
	return option;
}

/* The end of every list. */
OTEL_INLINE_ otel_option otel_last_(void)
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

OTEL_INLINE_ const otel_option *otel_list_(std::initializer_list<otel_option> list)
{
	return list.begin();
}
}
#define OTEL_LIST_(...) otel_list_({__VA_ARGS__})
#else
/* The conversion is said here: lengths and counts are mostly unsigned. */
#define otel_int(key, value) otel_int_(key, (long long)(value))
#define otel_parent(context) otel_parent_((const otel_context[1]){context})
#define OTEL_LIST_(...) ((const otel_option[]){__VA_ARGS__})
#endif

#endif
