/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of otel/trace.h: the types of the API, and tracers. The same with and without OTEL_BPF_DISABLE.
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
	OTEL_TYPE_LIST = 37, /* the attributes of another list */
	/* Of otel/trace.hpp only. */
	OTEL_TYPE_COUNTED_LINK = 48,
	OTEL_TYPE_RECORD_EXCEPTION = 49,
	OTEL_TYPE_SET_STATUS = 50,
	OTEL_TYPE_COUNTED_LIST = 51,
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
	__extension__ union {
		otel_span *span; /* to end then; in the same block as this; NULL: none; not set in light ones */
		otel_u64 stack;	 /* before: of who enters it, see otel_jumped_over_() */
	};
	otel_u32 depth;		    /* scopes around this one */
	otel_u32 flags;		    /* enum otel_scope_flag */
	struct otel_context previous; /* of scopes that are too deep to be kept in struct otel_scopes */
};

enum otel_scope_flag {
	OTEL_SCOPE_LIGHT = 1, /* of what is current only the span's id was changed */
	OTEL_SCOPE_ENDS = 2,  /* the span is one of otel_start(), and ends with the scope */
	OTEL_SCOPE_PLAIN = 4, /* there is no span to end, and the scope's place is one that is kept */
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

#endif
