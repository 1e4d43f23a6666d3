/* SPDX-License-Identifier: Apache-2.0 */
/* plain WHAT [ARG]: shows how it was launched, or ends in some way; launch_test.py compares. */
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <otel/trace.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static otel_tracer tracer = OTEL_TRACER("plain", "1");
extern char **environ;

static void show_signals(void)
{
	sigset_t mask;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	for (int i = 1; i < NSIG; i++) {
		struct sigaction action;

		if (sigaction(i, NULL, &action))
			continue;
		printf("signal %d %s%s\n", i, sigismember(&mask, i) == 1 ? "blocked " : "",
		       action.sa_handler == SIG_DFL ? "default" :
		       action.sa_handler == SIG_IGN ? "ignored" :
						      "handled");
	}
}

static void show_files(void)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;

	while ((entry = readdir(folder))) {
		struct stat st;
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && fd != dirfd(folder) && !fstat(fd, &st))
			printf("fd %d mode %o\n", fd, st.st_mode);
	}
	closedir(folder);
}

static void show(void)
{
	char text[4096];
	gid_t groups[64];
	int n = getgroups(64, groups);

	show_signals();
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit limit;

		getrlimit((__rlimit_resource_t)i, &limit);
		printf("limit %d %lld %lld\n", i, (long long)limit.rlim_cur, (long long)limit.rlim_max);
	}
	for (char **entry = environ; *entry; entry++)
		printf("environment %s\n", *entry);
	printf("folder %s\n", getcwd(text, sizeof(text)));
	printf("group %d session %d\n", getpgrp(), getsid(0));
	printf("ids %d %d %d %d\n", getuid(), geteuid(), getgid(), getegid());
	for (int i = 0; i < n; i++)
		printf("in group %d\n", groups[i]);
	printf("umask %o nice %d\n", umask(0), getpriority(PRIO_PROCESS, 0));
}

static volatile sig_atomic_t counts[NSIG];

static void count(int number)
{
	counts[number]++;
}

/* Counts signals until SIGALRM or the end of standard input. */
static void count_signals(void)
{
	struct sigaction action;
	char byte;

	memset(&action, 0, sizeof(action));
	action.sa_handler = count;
	for (int i = 1; i < SIGRTMAX; i++)
		if (i != SIGKILL && i != SIGSTOP && i != SIGTSTP && i != SIGTTIN && i != SIGTTOU && i != SIGCONT)
			sigaction(i, &action, NULL);
	printf("ready\n");
	fflush(stdout);
	while (!counts[SIGALRM]) {
		ssize_t n = read(STDIN_FILENO, &byte, 1);

		if (n == 0 || (n < 0 && errno != EINTR))
			break;
	}
	for (int i = 1; i < NSIG; i++)
		if (counts[i] && i != SIGALRM)
			printf("got %s %d\n", strsignal(i), (int)counts[i]);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int number = argc > 2 ? atoi(argv[2]) : 0;

	if (!strcmp(what, "show")) {
		show();
	} else if (!strcmp(what, "files")) {
		show_files();
	} else if (!strcmp(what, "arguments")) {
		for (int i = 0; i < argc; i++)
			printf("argument %s\n", argv[i]);
	} else if (!strcmp(what, "exit")) {
		return number;
	} else if (!strcmp(what, "die")) {
		signal(number, SIG_DFL);
		kill(getpid(), number);
	} else if (!strcmp(what, "count")) {
		count_signals();
	} else if (!strcmp(what, "copy")) {
		int c;

		while ((c = getchar()) != EOF)
			putchar(c);
		fprintf(stderr, "copied\n");
	}
	OTEL_SPAN(span, &tracer, "plain");
	otel_set(span, otel_int("uid", getuid()));
	return 0;
}
