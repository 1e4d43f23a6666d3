/* SPDX-License-Identifier: Apache-2.0 */
/* family NAME: processes that fork, exec, go to the background and die; see processes_test.py. */
#include <otel/propagation.h>
#include <otel/trace.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static otel_tracer tracer = OTEL_TRACER("family", "1");
static char **arguments;

static void wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || status)
		abort();
}

/* Says a line and waits until the test answers. */
static void talk(const char *line)
{
	printf("%s\n", line);
	fflush(stdout);
	(void)getchar();
}

static void once(void)
{
	OTEL_SPAN(span, &tracer, "once");
	otel_set(span, otel_int("pid", getpid()));
}

/* The parent's buffer holds records when it forks, and the child has spans of its own. */
static void forks(void)
{
	/* The site has been used before: what the kernel made of it goes to the child. */
	for (int i = 0; i < 3; i++) {
		OTEL_SPAN(first, &tracer, "first");
		otel_set(first, otel_int("pid", getpid()));
	}
	OTEL_SPAN(parent, &tracer, "parent");
	otel_span open = otel_start(&tracer, "open across the fork");
	pid_t pid;

	{
		OTEL_SPAN(before, &tracer, "before the fork");
		otel_set(before, otel_int("pid", getpid()));
	}
	pid = fork();
	if (!pid) {
		otel_set(open, otel_str("who", "child"));
		otel_event(open, "written by the child");
		otel_set_status(open, OTEL_ERROR, "by the child");
		otel_end(open);
		otel_set(otel_current(), otel_str("who", "child"));
		otel_set(parent, otel_str("who", "child"));
		for (int i = 0; i < 3; i++) {
			OTEL_SPAN(child, &tracer, "child");
			otel_set(child, otel_int("pid", getpid()));
		}
		otel_end(parent);
		_exit(0);
	}
	wait_for(pid);
	otel_set(open, otel_str("owner", "parent"));
	otel_end(open);
	{
		OTEL_SPAN(after, &tracer, "after the fork");
		otel_set(after, otel_int("pid", getpid()));
	}
}

/* Ids must not repeat, however deep the tree. */
static void fork_tree(void)
{
	for (int depth = 0; depth < 4; depth++) {
		pid_t pid = fork();

		for (int i = 0; i < 10; i++) {
			OTEL_SPAN(span, &tracer, "leaf");
			otel_set(span, otel_int("pid", getpid()));
		}
		if (pid) {
			wait_for(pid);
			if (depth)
				_exit(0);
			return;
		}
	}
	_exit(0);
}

/* What comes from elsewhere is current at the fork, and is not sampled: neither is what the children start. */
static void forks_in_a_context(void)
{
	const char *line = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
	otel_context context = otel_extract_lines(&line, 1);
	char id[17];

	once();
	OTEL_USE(context);
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (!pid) {
			OTEL_SPAN(span, &tracer, "child");
			otel_context mine = otel_context_of(span), now = otel_current().context;

			printf("%s %d\n", otel_span_id(&mine, id), otel_is_remote(&now));
			exit(0);
		}
		wait_for(pid);
	}
}

/* The same in threads, each of which takes over the memory of the one before. */
static void *in_a_context(void *data)
{
	const char *line = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
	otel_context context = otel_extract_lines(&line, 1);

	OTEL_USE(context);
	for (int i = 0; i < 100; i++)
		once();
	return data;
}

static void threads_in_a_context(void)
{
	for (int i = 0; i < 5; i++) {
		pthread_t thread;

		pthread_create(&thread, NULL, in_a_context, NULL);
		pthread_join(thread, NULL);
	}
}

static void execs(void)
{
	pid_t pid;
	char self[4096] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		abort();
	{
		OTEL_SPAN(span, &tracer, "before the exec");
		otel_set(span, otel_int("pid", getpid()));
	}
	pid = fork();
	if (!pid) {
		execl(self, "renamed", "once", (char *)NULL);
		_exit(127);
	}
	wait_for(pid);
	execl(self, self, "once", (char *)NULL);
	_exit(127);
}

/* One process after the other, each as short as can be. */
static void loops(void)
{
	char self[4096] = "";

	if (arguments[3])
		strcpy(self, arguments[3]);
	else if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		abort();
	for (int i = 0; i < atoi(arguments[2]); i++) {
		pid_t pid = fork();

		if (!pid) {
			execl(self, self, "once", (char *)NULL);
			_exit(127);
		}
		wait_for(pid);
	}
}

/* The same, each with an environment of its own. */
static void lives(void)
{
	char number[16], text[32];
	int i = 0;

	for (int part = 2; part < 4; part++) {
		for (int n = atoi(arguments[part]); n; n--, i++) {
			pid_t pid = fork();

			if (!pid) {
				snprintf(number, sizeof(number), "%d", i);
				snprintf(text, sizeof(text), "life-%d", i);
				setenv("OTEL_SERVICE_NAME", text, 1);
				snprintf(text, sizeof(text), "number=%d", i);
				setenv("OTEL_RESOURCE_ATTRIBUTES", text, 1);
				execl("/proc/self/exe", "family", "life", number, (char *)NULL);
				_exit(127);
			}
			wait_for(pid);
		}
		talk(part == 2 ? "warm" : "done");
	}
}

static void one_life(void)
{
	OTEL_SPAN(span, &tracer, "life", otel_int("i", atoi(arguments[2])));
	otel_set(span, otel_int("pid", getpid()));
}

static void daemonizes(void)
{
	{
		OTEL_SPAN(span, &tracer, "starter");
		otel_set(span, otel_int("pid", getpid()));
	}
	if (fork())
		_exit(0);
	setsid();
	if (fork())
		_exit(0);
	/* Goes on when the test removes the file. */
	alarm(60);
	{
		OTEL_SPAN(span, &tracer, "daemon began");
		otel_set(span, otel_int("pid", getpid()));
	}
	while (!access(arguments[2], F_OK))
		usleep(1000);
	OTEL_SPAN(span, &tracer, "daemon");
	otel_set(span, otel_int("pid", getpid()));
}

static void stranger(void)
{
	{
		OTEL_SPAN(span, &tracer, arguments[2]);
		otel_set(span, otel_int("enabled", otel_enabled(&tracer)));
	}
	talk("ready");
	OTEL_SPAN(span, &tracer, arguments[2]);
	otel_set(span, otel_int("enabled", otel_enabled(&tracer)));
}

static void exits_at_once(void)
{
	for (int i = 0; i < 5; i++) {
		OTEL_SPAN(span, &tracer, "ended");
		otel_set(span, otel_int("i", i));
	}
	_exit(3);
}

static void *blocked(void *data)
{
	OTEL_SPAN(span, &tracer, "open in a thread");
	(void)span;
	pause();
	return data;
}

static volatile int *volatile nowhere;

static void killed(void)
{
	pthread_t thread;
	OTEL_SPAN(open, &tracer, "open", otel_str("who", "main"));

	pthread_create(&thread, NULL, blocked, NULL);
	for (int i = 0; i < 3; i++) {
		OTEL_SPAN(span, &tracer, "ended");
		otel_set(span, otel_int("i", i));
	}
	otel_event(open, "seen");
	/* Everything is handed over by a look from outside. */
	talk("ready");
	if (!strcmp(arguments[2], "9"))
		kill(getpid(), SIGKILL);
	else if (!strcmp(arguments[2], "11"))
		*nowhere = 1;
	else
		_exit(atoi(arguments[2]));
}

static const struct scene {
	const char *name;
	void (*play)(void);
} scenes[] = {
	{"once", once},
	{"forks", forks},
	{"fork_tree", fork_tree},
	{"forks_in_a_context", forks_in_a_context},
	{"threads_in_a_context", threads_in_a_context},
	{"execs", execs},
	{"loops", loops},
	{"lives", lives},
	{"life", one_life},
	{"daemonizes", daemonizes},
	{"stranger", stranger},
	{"exits_at_once", exits_at_once},
	{"killed", killed},
};

int main(int argc, char **argv)
{
	arguments = argv;
	for (size_t i = 0; argc > 1 && i < sizeof(scenes) / sizeof(*scenes); i++)
		if (!strcmp(scenes[i].name, argv[1])) {
			scenes[i].play();
			return 0;
		}
	return 2;
}
