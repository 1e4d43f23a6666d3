/* SPDX-License-Identifier: Apache-2.0 */
#include "follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "target.h"

/* Looks at who there is, until one finds nobody new. Who forks faster than that is a fork bomb. */
#define ROUNDS_MAX 100

struct following {
	struct capture *capture;
	uint32_t *pids;
	size_t n;
	size_t room;
};

/* -ESRCH: it has ended. */
static int follow(struct following *following, const struct target *target)
{
	int err;

	if (following->n == following->room) {
		size_t room = following->room ? 2 * following->room : 64;
		uint32_t *grown = realloc(following->pids, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		following->pids = grown;
		following->room = room;
	}
	err = capture_follow(following->capture, target->pid);
	if (err)
		return err;
	/* Its end may have come before we followed it: nobody would take it out of the table. */
	if (!target_alive(target)) {
		capture_unfollow(following->capture, target->pid);
		return -ESRCH;
	}
	following->pids[following->n++] = target->pid;
	return 0;
}

/* One look: follows the children of whom is followed. Returns how many are new. */
static long follow_children(struct following *following)
{
	struct target *list;
	long n = targets_list(&list), found = 0;
	bool again = n > 0;
	int err = 0;

	if (n < 0)
		return n;
	while (again && !err) {
		again = false;
		for (long i = 0; i < n && !err; i++) {
			if (!list[i].pid || capture_follows(following->capture, list[i].pid) ||
			    !capture_follows(following->capture, list[i].parent))
				continue;
			err = follow(following, &list[i]);
			if (err == -ESRCH)
				err = 0;
			else
				found++;
			list[i].pid = 0; /* not again if it has ended */
			again = true;
		}
	}
	free(list);
	return err ? err : found;
}

long follow_running(struct capture *capture, const uint32_t *pids, size_t n, uint32_t **out)
{
	struct following following = {.capture = capture};
	struct target target;
	long found = 1;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		if (target_check(pids[i], &target) || capture_follows(capture, pids[i]))
			continue;
		err = follow(&following, &target);
		if (err == -ESRCH) {
			log_error("process %u has just ended", pids[i]);
			err = 0;
		}
	}
	for (int round = 0; !err && following.n && found > 0 && round < ROUNDS_MAX; round++)
		found = follow_children(&following);
	if (found < 0)
		err = (int)found;
	if (err)
		log_error("cannot follow more than %zu processes: %s", following.n, strerror(-err));
	if (!err && !following.n)
		err = -ESRCH;
	if (err) {
		free(following.pids);
		return err;
	}
	*out = following.pids;
	return (long)following.n;
}
