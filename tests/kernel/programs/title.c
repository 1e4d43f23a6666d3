/* SPDX-License-Identifier: Apache-2.0 */
/* Overwrites its arguments and environment with a title, as servers do, before its first span. */
#include <otel/trace.h>
#include <string.h>
#include <stdlib.h>

static otel_tracer tracer = OTEL_TRACER("title", "1");
extern char **environ;

int main(int argc, char **argv)
{
	char *begin = argv[0], *end = argv[argc - 1] + strlen(argv[argc - 1]) + 1;
	char **moved = (char **)calloc(1000, sizeof(*moved));

	for (int i = 0; environ[i] && i < 999; i++) {
		moved[i] = strdup(environ[i]);
		if (environ[i] == end)
			end += strlen(environ[i]) + 1;
	}
	environ = moved;
	memset(begin, 0, (size_t)(end - begin));
	strcpy(begin, "t: on");
	OTEL_SPAN(span, &tracer, "span");
	(void)span;
	return 0;
}
