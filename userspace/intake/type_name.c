/* SPDX-License-Identifier: Apache-2.0 */
#include "type_name.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 32
#define SUBSTITUTIONS_MAX 64

/* A piece of what was written, which S0_ and the like refer to. */
struct piece {
	size_t begin, size;
};

struct reader {
	const char *at;
	char *out;
	size_t size;
	unsigned depth;
	size_t n;
	struct piece pieces[SUBSTITUTIONS_MAX];
};

static bool read_type(struct reader *r);

static bool put(struct reader *r, const char *text, size_t size)
{
	if (size >= TYPE_NAME_MAX - r->size)
		return false;
	memcpy(r->out + r->size, text, size);
	r->size += size;
	return true;
}

static bool put_text(struct reader *r, const char *text)
{
	return put(r, text, strlen(text));
}

static bool skip(struct reader *r, const char *text)
{
	size_t size = strlen(text);

	if (strncmp(r->at, text, size))
		return false;
	r->at += size;
	return true;
}

/* What was written since @begin may be referred to. */
static bool remember(struct reader *r, size_t begin)
{
	if (r->n == SUBSTITUTIONS_MAX)
		return false;
	r->pieces[r->n++] = (struct piece){begin, r->size - begin};
	return true;
}

/* "4heat", "7failureB5cxx11" */
static bool read_word(struct reader *r)
{
	size_t size = 0;

	for (; *r->at >= '0' && *r->at <= '9' && size < TYPE_NAME_MAX; r->at++)
		size = 10 * size + (size_t)(*r->at - '0');
	if (!size || strnlen(r->at, size) < size)
		return false;
	if (size > 8 && !memcmp(r->at, "_GLOBAL__N", 10) ? !put_text(r, "(anonymous namespace)")
							 : !put(r, r->at, size))
		return false;
	r->at += size;
	while (skip(r, "B"))
		if (!put_text(r, "[abi:") || !read_word(r) || !put_text(r, "]"))
			return false;
	return true;
}

/* A value among the arguments of a template, behind L: "i3E". */
static bool read_literal(struct reader *r)
{
	static const struct {
		char type;
		const char *suffix;
	} types[] = {{'i', ""}, {'j', "u"}, {'l', "l"}, {'m', "ul"}, {'x', "ll"}, {'y', "ull"}};
	const char type = *r->at;
	const char *suffix = NULL;
	size_t size;

	if (skip(r, "b0E"))
		return put_text(r, "false");
	if (skip(r, "b1E"))
		return put_text(r, "true");
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (types[i].type == type)
			suffix = types[i].suffix;
	if (suffix) {
		r->at++;
	} else {
		suffix = "";
		if (!put_text(r, "(") || !read_type(r) || !put_text(r, ")"))
			return false;
	}
	if (skip(r, "n") && !put_text(r, "-"))
		return false;
	size = strspn(r->at, "0123456789");
	if (!size || !put(r, r->at, size) || !put_text(r, suffix))
		return false;
	r->at += size;
	return skip(r, "E");
}

static bool read_arguments(struct reader *r)
{
	bool first = true;

	if (!put_text(r, "<"))
		return false;
	for (unsigned packs = 0;;) {
		if (skip(r, "E")) {
			if (!packs--)
				break;
			continue;
		}
		if (skip(r, "J")) {
			packs++;
			continue;
		}
		if (!first && !put_text(r, ", "))
			return false;
		first = false;
		if (skip(r, "L") ? !read_literal(r) : !read_type(r))
			return false;
	}
	return put_text(r, r->out[r->size - 1] == '>' ? " >" : ">");
}

static bool read_substitution(struct reader *r)
{
	static const struct {
		const char *code, *text;
	} known[] = {{"a", "std::allocator"}, {"b", "std::basic_string"}, {"s", "std::string"},
		     {"i", "std::istream"},   {"o", "std::ostream"},	  {"d", "std::iostream"}};
	size_t index = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (skip(r, known[i].code))
			return put_text(r, known[i].text);
	if (*r->at != '_') {
		for (; (*r->at >= '0' && *r->at <= '9') || (*r->at >= 'A' && *r->at <= 'Z');
		     r->at++) {
			index = 36 * index +
				(size_t)(*r->at <= '9' ? *r->at - '0' : *r->at - 'A' + 10);
			if (index >= SUBSTITUTIONS_MAX)
				return false;
		}
		index++;
	}
	if (!skip(r, "_") || index >= r->n)
		return false;
	/* Not put(): it is the same memory. */
	if (r->pieces[index].size >= TYPE_NAME_MAX - r->size)
		return false;
	memmove(r->out + r->size, r->out + r->pieces[index].begin, r->pieces[index].size);
	r->size += r->pieces[index].size;
	return true;
}

/* Behind N, up to the E: "4shop12no_such_dishE". */
static bool read_nested(struct reader *r)
{
	size_t begin = r->size;
	bool first = true, known;

	do {
		known = false;
		if (*r->at == 'I') {
			r->at++;
			if (first || !read_arguments(r))
				return false;
		} else {
			if (!first && !put_text(r, "::"))
				return false;
			if (first && skip(r, "St"))
				known = put_text(r, "std");
			else if (first && skip(r, "S"))
				known = read_substitution(r);
			else if (!read_word(r))
				return false;
		}
		first = false;
		/* All of it is remembered by who asked for a type. */
		if (!known && *r->at != 'E' && !remember(r, begin))
			return false;
	} while (!skip(r, "E"));
	return true;
}

/* Behind Z: a type within a function, "4mainE3foo", "1fiE3foo". */
static bool read_local(struct reader *r)
{
	bool first = true;

	if (skip(r, "N") ? !read_nested(r) : !read_word(r))
		return false;
	if (r->out[r->size - 1] == '>') /* a template's types begin with what it returns */
		return false;
	if (*r->at != 'E') {
		if (!put_text(r, "("))
			return false;
		if (!skip(r, "v"))
			for (; *r->at != 'E'; first = false)
				if ((!first && !put_text(r, ", ")) || !read_type(r))
					return false;
		if (!put_text(r, ")"))
			return false;
	}
	if (!skip(r, "E") || !put_text(r, "::") || !read_word(r))
		return false;
	if (skip(r, "_")) /* which of several of this name */
		r->at += strspn(r->at, "_0123456789");
	return true;
}

static bool read_builtin(struct reader *r)
{
	static const struct {
		const char *code, *text;
	} known[] = {
		{"v", "void"},	      {"w", "wchar_t"},
		{"b", "bool"},	      {"c", "char"},
		{"a", "signed char"}, {"h", "unsigned char"},
		{"s", "short"},	      {"t", "unsigned short"},
		{"i", "int"},	      {"j", "unsigned int"},
		{"l", "long"},	      {"m", "unsigned long"},
		{"x", "long long"},   {"y", "unsigned long long"},
		{"n", "__int128"},    {"o", "unsigned __int128"},
		{"f", "float"},	      {"d", "double"},
		{"e", "long double"}, {"g", "__float128"},
		{"z", "..."},	      {"Dn", "decltype(nullptr)"},
		{"Di", "char32_t"},   {"Ds", "char16_t"},
		{"Du", "char8_t"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (skip(r, known[i].code))
			return put_text(r, known[i].text);
	return false;
}

/* The name of a class or an enumeration, with its arguments. */
static bool read_class(struct reader *r, size_t begin)
{
	bool known = false;

	if (skip(r, "N"))
		return read_nested(r) && remember(r, begin);
	if (skip(r, "Z"))
		return read_local(r) && remember(r, begin);
	if (skip(r, "St")) {
		if (!put_text(r, "std::") || !read_word(r))
			return false;
	} else if (skip(r, "S")) {
		known = true;
		if (!read_substitution(r))
			return false;
	} else if (!read_word(r)) {
		return false;
	}
	if (skip(r, "I")) {
		if (!known && !remember(r, begin))
			return false;
		known = false;
		if (!read_arguments(r))
			return false;
	}
	return known || remember(r, begin);
}

static bool read_qualified(struct reader *r, size_t begin)
{
	static const struct {
		char code;
		const char *text;
	} known[] = {{'K', " const"}, {'V', " volatile"}, {'P', "*"}, {'R', "&"}, {'O', "&&"}};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (*r->at == known[i].code) {
			r->at++;
			return read_type(r) && put_text(r, known[i].text) && remember(r, begin);
		}
	return read_builtin(r) || read_class(r, begin);
}

static bool read_type(struct reader *r)
{
	bool well;

	if (r->depth == DEPTH_MAX)
		return false;
	r->depth++;
	well = read_qualified(r, r->size);
	r->depth--;
	return well;
}

void type_name(const char *mangled, char out[TYPE_NAME_MAX])
{
	struct reader r = {.at = mangled, .out = out};

	if (read_type(&r) && !*r.at)
		out[r.size] = '\0';
	else
		snprintf(out, TYPE_NAME_MAX, "%s", mangled);
	for (char *p = out; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
}
