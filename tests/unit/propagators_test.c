/* SPDX-License-Identifier: Apache-2.0 */
/* OTEL_PROPAGATORS, which a process reads once: every case is a process of its own. */
#include <sys/wait.h>
#include <unistd.h>

#include "contexts.h"

enum { TRACECONTEXT = 1, BAGGAGE = 2, BOTH = 3 };

#define SAY(what) ((void)!write(2, what, sizeof(what) - 1))

/* What comes in and goes out again: TRACECONTEXT, BAGGAGE. -1: the two do not agree. */
static int carried(void)
{
	static char *const none[] = {NULL};
	otel_context context = EXTRACT("traceparent: " TRACEPARENT, "tracestate: foo=1", "baggage: a=b");
	int in = otel_is_valid(&context) | (context.baggage != 0) << 1, out;
	char *envp[512];

	(void)tracer;
	otel_context_release(&context);
	/* A context that has all, however it came to that. */
	context = otel_context_make((const otel_u8 *)"0123456789abcdef", (const otel_u8 *)"01234567", 1, 1);
	context.baggage = otel_text_new_("a=b", 3);
	context.tracestate = otel_text_new_("foo=1", 5);
	context.state |= OTEL_CONTEXT_OWNS;
	out = (strcmp(sent(&context, "traceparent"), "-") != 0) | (strcmp(sent(&context, "baggage"), "-") != 0) << 1;
	if ((strcmp(sent(&context, "tracestate"), "-") != 0) != (out & 1))
		out = -1;
	{
		/* What is not ours to carry stays as it was in a child's environment. */
		static char parent[] = "TRACEPARENT=old", tracestate[] = "TRACESTATE=old", baggage[] = "BAGGAGE=old";
		static char *const given[] = {parent, tracestate, baggage, NULL};
		int left = 0;

		OTEL_USE(context);
		if (otel_inject_environment(none, envp, sizeof(envp)) > sizeof(envp))
			out = -1;
		if (otel_inject_environment(given, envp, sizeof(envp)) > sizeof(envp))
			out = -1;
		for (char **it = envp; *it; it++)
			left += strstr(*it, "=old") != NULL;
		if (left != (out & TRACECONTEXT ? 0 : 2) + (out & BAGGAGE ? 0 : 1))
			out = -1;
	}
	otel_context_release(&context);
	return in == out ? in : -1;
}

/* The same in a process whose OTEL_PROPAGATORS is @value; NULL: not set. */
static int carried_with(const char *value, int with_anchor)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		int answer;

		if (value)
			setenv("OTEL_PROPAGATORS", value, 1);
		else
			unsetenv("OTEL_PROPAGATORS");
		if (with_anchor) {
			otel_anchor_();
			/* It has kept what was said at first. */
			setenv("OTEL_PROPAGATORS", "nothing that is known", 1);
		}
		answer = carried();
		setenv("OTEL_PROPAGATORS", "none", 1);
		if (carried() != answer) {
			SAY("it was read twice\n");
			_exit(99);
		}
		_exit(answer < 0 ? 98 : answer);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void the_environment_says_in_which_headers_contexts_travel(void **state)
{
	static const struct {
		const char *value;
		int carried;
	} cases[] = {
		{NULL, BOTH},
		{"", BOTH},
		{" , ", BOTH},
		{"tracecontext,baggage", BOTH},
		{"baggage,tracecontext,baggage", BOTH},
		{"tracecontext", TRACECONTEXT},
		{" TraceContext ", TRACECONTEXT},
		{"baggage", BAGGAGE},
		{"b3,baggage", BAGGAGE},
		{"b3", 0},
		{"tracecontexts,bag", 0},
		{"none", 0},
		{"tracecontext,None,baggage", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		for (int with_anchor = 0; with_anchor < 2; with_anchor++)
			if (carried_with(cases[i].value, with_anchor) != cases[i].carried)
				fail_msg("OTEL_PROPAGATORS=%s, anchor %d: %d", cases[i].value, with_anchor,
					 carried_with(cases[i].value, with_anchor));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_environment_says_in_which_headers_contexts_travel, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
