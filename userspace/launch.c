/* SPDX-License-Identifier: Apache-2.0 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

enum { EXIT_OURS = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

void launch_remember(struct launch_origin *origin)
{
	sigprocmask(SIG_SETMASK, NULL, &origin->mask);
	sigaction(SIGPIPE, NULL, &origin->sigpipe);
	sigaction(SIGCHLD, NULL, &origin->sigchld);
	getrlimit(RLIMIT_MEMLOCK, &origin->memlock);
}

static int refuse(const char *command, int err)
{
	if (err == ENOENT || err == ENOTDIR) {
		log_error("%s: command not found", command);
		return EXIT_NOT_FOUND;
	}
	log_error("%s: cannot be executed: %s", command, strerror(err));
	return EXIT_NOT_EXECUTABLE;
}

/* As execvp(3) looks for it. Returns 0 or an errno. */
static int find_command(const char *name, char *path, size_t size)
{
	const char *search = getenv("PATH");
	int err = ENOENT;
	struct stat st;

	if (strchr(name, '/')) {
		if ((size_t)snprintf(path, size, "%s", name) >= size)
			return ENAMETOOLONG;
		if (stat(path, &st))
			return errno;
		return S_ISDIR(st.st_mode) ? EISDIR : access(path, X_OK) ? errno : 0;
	}
	if (!search)
		search = "/bin:/usr/bin";
	if (!*name)
		return ENOENT;
	for (;;) {
		size_t n = strcspn(search, ":");

		if ((size_t)snprintf(path, size, "%.*s%s%s", (int)n, search, n ? "/" : "", name) < size &&
		    !stat(path, &st) && S_ISREG(st.st_mode)) {
			if (!access(path, X_OK))
				return 0;
			err = errno;
		}
		if (!search[n])
			return err;
		search += n + 1;
	}
}

int launch_find(struct launch *launch, char **argv, const char *user,
		const struct launch_origin *origin)
{
	int err;

	*launch = (struct launch){.argv = argv, .origin = origin, .user = user, .gate = -1, .fault = -1};
	if (user) {
		const struct passwd *entry;

		errno = 0;
		entry = getpwnam(user);
		if (!entry) {
			log_error("--user %s: %s", user, errno ? strerror(errno) : "there is no such user");
			return EXIT_OURS;
		}
		launch->uid = entry->pw_uid;
		launch->gid = entry->pw_gid;
	}
	err = find_command(argv[0], launch->path, sizeof(launch->path));
	return err ? refuse(argv[0], err) : 0;
}

/* In the child. Returns 0 or an errno. */
static int become(const struct launch *launch)
{
	if (launch->user && (initgroups(launch->user, launch->gid) || setgid(launch->gid) ||
			     setuid(launch->uid)))
		return errno;
	/* May fail for want of privileges: then it was not raised either. */
	setrlimit(RLIMIT_MEMLOCK, &launch->origin->memlock);
	sigaction(SIGPIPE, &launch->origin->sigpipe, NULL);
	sigaction(SIGCHLD, &launch->origin->sigchld, NULL);
	sigprocmask(SIG_SETMASK, &launch->origin->mask, NULL);
	return 0;
}

static void exec_command(const struct launch *launch)
{
	size_t count = 0;
	char **script;

	execv(launch->path, launch->argv);
	if (errno != ENOEXEC)
		return;
	/* No format that the kernel knows: a script without "#!", as shells and execvp(3) have it. */
	while (launch->argv[count])
		count++;
	script = calloc(count + 2, sizeof(*script));
	if (!script)
		return;
	script[0] = (char *)"/bin/sh";
	script[1] = (char *)launch->path;
	memcpy(script + 2, launch->argv + 1, (count ? count - 1 : 0) * sizeof(*script));
	execv(script[0], script);
}

int launch_fork(struct launch *launch)
{
	int gate[2], fault[2], err;
	char go;

	if (pipe2(gate, O_CLOEXEC))
		return -errno;
	if (pipe2(fault, O_CLOEXEC)) {
		err = -errno;
		goto close_gate;
	}
	launch->pid = fork();
	if (launch->pid < 0) {
		err = -errno;
		goto close_fault;
	}
	if (!launch->pid) {
		close(gate[1]);
		close(fault[0]);
		/* End of file: the agent has died or given up. */
		if (read(gate[0], &go, 1) != 1)
			_exit(EXIT_OURS);
		err = become(launch);
		if (!err) {
			exec_command(launch);
			err = errno;
		} else {
			err = -err;
		}
		if (write(fault[1], &err, sizeof(err)) < 0)
			_exit(EXIT_OURS);
		_exit(EXIT_OURS);
	}
	close(gate[0]);
	close(fault[1]);
	launch->gate = gate[1];
	launch->fault = fault[0];
	return 0;

close_fault:
	close(fault[0]);
	close(fault[1]);
close_gate:
	close(gate[0]);
	close(gate[1]);
	return err;
}

static void reap(struct launch *launch)
{
	while (waitpid(launch->pid, NULL, 0) < 0 && errno == EINTR)
		;
	launch->pid = 0;
}

int launch_go(struct launch *launch)
{
	int err = 0;
	ssize_t n;

	if (write(launch->gate, "", 1) != 1)
		err = -errno;
	close(launch->gate);
	do {
		n = read(launch->fault, &err, sizeof(err));
	} while (n < 0 && errno == EINTR);
	close(launch->fault);
	launch->gate = launch->fault = -1;
	if (!err)
		return 0;
	reap(launch);
	if (err > 0)
		return refuse(launch->argv[0], err);
	log_error("cannot become user %s: %s", launch->user ? launch->user : "?", strerror(-err));
	return EXIT_OURS;
}

void launch_abandon(struct launch *launch)
{
	if (launch->gate < 0)
		return;
	close(launch->gate);
	close(launch->fault);
	launch->gate = launch->fault = -1;
	reap(launch);
}

int launch_ask(const struct launch *launch, char *const argv[], pid_t *pid)
{
	int out[2];

	if (pipe2(out, O_CLOEXEC))
		return -errno;
	*pid = fork();
	if (*pid < 0) {
		close(out[0]);
		close(out[1]);
		return -EAGAIN;
	}
	if (!*pid) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		alarm(5); /* an interpreter that hangs must not hang us */
		if (!become(launch))
			execv(argv[0], argv);
		_exit(EXIT_OURS);
	}
	close(out[1]);
	return out[0];
}
