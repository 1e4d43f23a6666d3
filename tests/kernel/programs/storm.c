/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storm [N]: its N grandchildren (1) fork children that live for a moment, with a span each, until
 * there is something to read; attach_test.py attaches in the midst of it.
 */
#include <otel/trace.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static otel_tracer tracer = OTEL_TRACER("storm", "1");

static void generation(int n)
{
	OTEL_SPAN(span, &tracer, "generation", otel_int("n", n));
}

static void forks(void)
{
	struct pollfd input = {STDIN_FILENO, POLLIN, 0};

	for (int n = 0; poll(&input, 1, 0) == 0; n++) {
		pid_t pid = fork();

		if (!pid) {
			generation(n);
			exit(0);
		}
		waitpid(pid, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 1;

	printf("storm %d\n", getpid());
	fflush(stdout);
	if (!fork()) {
		for (int i = 0; i < n; i++)
			if (!fork()) {
				forks();
				return 0;
			}
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
