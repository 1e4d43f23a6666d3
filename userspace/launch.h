/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Launching the command, as if it had been started directly: same identity (unless --user), working
 * directory, environment, descriptors, signal mask and dispositions, limits. Nothing of the agent's
 * leaks into it.
 */
#ifndef OTEL_BPF_LAUNCH_H
#define OTEL_BPF_LAUNCH_H

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

/* What the agent changes in itself and the command must not see. */
struct launch_origin {
	sigset_t mask;
	struct sigaction sigpipe;
	struct sigaction sigchld;
	struct rlimit memlock;
};

/** Remembers it. To be called first of all. */
void launch_remember(struct launch_origin *origin);

struct launch {
	char path[4096]; /* of the command's file */
	char **argv;
	const struct launch_origin *origin;
	const char *user; /* NULL: nobody else */
	uid_t uid;
	gid_t gid;
	pid_t pid;
	int gate; /* the child waits for it */
	int fault; /* brings the errno of a failed exec */
};

/**
 * Looks the command and the user up. Returns 0, or the exit status to end with (125, 126, 127)
 * after saying why.
 */
int launch_find(struct launch *launch, char **argv, const char *user,
		const struct launch_origin *origin);

/** Starts the child, which waits at the gate. Returns 0 or a negative errno. */
int launch_fork(struct launch *launch);

/** Opens the gate. Returns 0 when the command runs, or the exit status to end with, as above. */
int launch_go(struct launch *launch);

/** Ends a child that is still at its gate. */
void launch_abandon(struct launch *launch);

/**
 * Runs argv under the command's identity, environment and limits, with standard output to a pipe
 * whose reading end is returned, or a negative errno. For asking the dynamic loader.
 */
int launch_ask(const struct launch *launch, char *const argv[], pid_t *pid);

#endif
