/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every call of otel/propagation.h, otel/tracestate.h and otel/baggage.h as programs write them. Valid C99
 * and C++11; run.sh compiles and runs it with and without OTEL_BPF_DISABLE.
 */
#ifdef __cplusplus
extern "C" {
#endif
#include <otel/propagation.h>
#ifdef __cplusplus
}
#endif
#include <otel/baggage.h> /* twice does no harm, nor does another order */
#include <otel/trace.h>
#include <otel/tracestate.h>

#include <stdio.h>
#include <string.h>

#ifdef OTEL_BPF_DISABLE
enum { ON = 0 };
#else
enum { ON = 1 };
#endif

#define TRACEPARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03"

static otel_tracer tracer = OTEL_TRACER("propagation", "");
static int wrong;

static void expect(int line, int condition)
{
	if (!condition) {
		fprintf(stderr, "line %d\n", line);
		wrong++;
	}
}
#define EXPECT(condition) expect(__LINE__, condition)

struct carrier {
	char names[8][16];
	char values[8][64];
	unsigned count;
};

static const char *get(void *data, const char *name, unsigned index)
{
	struct carrier *carrier = (struct carrier *)data;

	for (unsigned i = 0; i < carrier->count; i++)
		if (!strcmp(carrier->names[i], name) && !index--)
			return carrier->values[i];
	return NULL;
}

static void set(void *data, const char *name, const char *value)
{
	struct carrier *carrier = (struct carrier *)data;

	snprintf(carrier->names[carrier->count], sizeof(carrier->names[0]), "%s", name);
	snprintf(carrier->values[carrier->count++], sizeof(carrier->values[0]), "%s", value);
}

static int visit(void *data, const char *key, const char *value, const char *metadata)
{
	*(size_t *)data += strlen(key) + strlen(value) + strlen(metadata);
	return 0;
}

static void tracestate(void)
{
	static const char *const headers[] = {"a=1,b=2", "c=3"};
	static const char *const pairs[] = {"a", "1", "b", "2"};
	otel_tracestate state = otel_tracestate_from_header(headers, 2), other;
	otel_tracestate_member member;
	size_t count = 0;
	char value[257];

	EXPECT(!strcmp(otel_tracestate_header(&state), "a=1,b=2,c=3"));
	EXPECT(otel_tracestate_count(&state) == 3);
	EXPECT(otel_tracestate_get(&state, "b", value, sizeof(value)) == 1 && value[0] == '2');
	EXPECT(otel_tracestate_get(&state, "d", value, sizeof(value)) == -ENOENT);
	for (size_t at = 0; otel_tracestate_next(&state, &at, &member);)
		count += member.key_size + member.value_size;
	EXPECT(count == 6);
	other = otel_tracestate_from_pairs(pairs, 2);
	other = otel_tracestate_add(&other, "c", "4");
	other = otel_tracestate_update(&other, "b", "5");
	other = otel_tracestate_delete(&other, "a");
	EXPECT(!strcmp(otel_tracestate_header(&other), "b=5,c=4"));
	other = otel_tracestate_empty();
	EXPECT(!other.size);
}

static void through_functions(void)
{
	struct carrier in, out;
	otel_context remote, changed;
	otel_tracestate state;

	memset(&in, 0, sizeof(in));
	memset(&out, 0, sizeof(out));
	set(&in, "traceparent", TRACEPARENT);
	set(&in, "tracestate", "a=1");
	set(&in, "baggage", "k=v");
	remote = otel_extract(get, &in);
	state = otel_tracestate_of(&remote);
	EXPECT(otel_is_valid(&remote) == ON && otel_is_remote(&remote) == ON);
	EXPECT((int)state.size == 3 * ON);
	state = otel_tracestate_update(&state, "b", "2");
	changed = otel_context_with_tracestate(remote, &state);
	{
		OTEL_SPAN(span, &tracer, "span", otel_kind(OTEL_SERVER), otel_parent(changed));

		otel_inject(set, &out);
		EXPECT(out.count == 3 * ON);
		otel_inject_context(&remote, set, &out);
		EXPECT(out.count == 6 * ON);
		(void)span;
	}
	otel_context_release(&remote);
	otel_context_release(&changed);
	EXPECT(!otel_is_valid(&changed));
}

static void baggage(void)
{
	otel_context none = otel_context_of(otel_current());
	otel_context one = otel_context_with_baggage(none, "k", "v w"), two, three;
	char value[64];
	size_t sizes = 0;

	two = otel_context_with_baggage_metadata(one, "l", "x", "ttl=1");
	three = otel_context_without_baggage(two, "k");
	{
		OTEL_USE(two);
		EXPECT(otel_baggage_get(NULL, "k", value, sizeof(value)) == (ON ? 3 : -ENOENT));
	}
	EXPECT(otel_baggage_count(&two) == 2 * ON && otel_baggage_count(&three) == ON);
	EXPECT(!otel_baggage_each(&three, visit, &sizes) && sizes == 7 * ON);
	otel_context_release(&three);
	three = otel_context_without_baggage(two, NULL);
	EXPECT(!otel_baggage_count(&three));
	otel_context_release(&three);
	otel_context_release(&two);
	otel_context_release(&one);
	otel_context_release(&none);
}

static void ready_made(void)
{
	static const char *const in[] = {"Host: example.org", "Traceparent: " TRACEPARENT};
	static char path[] = "PATH=/bin", traceparent[] = "TRACEPARENT=" TRACEPARENT;
	char *environment[] = {path, traceparent, NULL};
	char *lines[3], text[9300], *envp[64];
	otel_context remote = otel_extract_lines(in, 2), variables = otel_extract_variables(environment);
	otel_context own = otel_extract_environment();

	{
		OTEL_USE(remote);
		EXPECT(otel_inject_lines(lines, 3, text, sizeof(text)) == ON);
		EXPECT(otel_inject_text(text, sizeof(text)) == strlen(text) && (text[0] != 0) == ON);
		EXPECT(otel_inject_environment(environment, envp, sizeof(envp)) <= sizeof(envp));
		EXPECT(envp[0] == path && !strcmp(envp[1], traceparent) && !envp[2]);
	}
	EXPECT(otel_is_valid(&variables) == ON);
	otel_context_release(&own);
	otel_context_release(&variables);
	otel_context_release(&remote);
}

int main(void)
{
	tracestate();
	through_functions();
	baggage();
	ready_made();
	return wrong != 0;
}
