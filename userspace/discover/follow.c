/* SPDX-License-Identifier: Apache-2.0 */
#include "follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "target.h"

/* Looks at who there is, until one finds nobody new. Who forks faster than that is a fork bomb. */
#define ROUNDS_MAX 100

/* -ESRCH: it has ended. */
static int follow(struct capture *capture, const struct target *target)
{
	int err = capture_follow(capture, target->pid);

	if (err)
		return err;
	/* Its end may have come before we followed it: nobody would take it out of the table. */
	if (target_alive(target))
		return 0;
	capture_unfollow(capture, target->pid);
	return -ESRCH;
}

/* One look: follows the children of whom is followed. Returns how many are new. */
static long follow_children(struct capture *capture)
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
			if (!list[i].pid || capture_follows(capture, list[i].pid) ||
			    !capture_follows(capture, list[i].parent))
				continue;
			err = follow(capture, &list[i]);
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

int follow_running(struct capture *capture, const uint32_t *pids, size_t n)
{
	size_t followed = 0;
	long found = 1;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		struct target target;

		if (target_check(pids[i], &target))
			continue;
		if (!capture_follows(capture, pids[i]))
			err = follow(capture, &target);
		if (err == -ESRCH)
			log_error("process %u has just ended", pids[i]);
		else
			followed += !err;
		if (err == -ESRCH)
			err = 0;
	}
	for (int round = 0; !err && followed && found > 0 && round < ROUNDS_MAX; round++)
		found = follow_children(capture);
	if (found < 0)
		err = (int)found;
	if (err)
		log_error("cannot follow that many processes: %s", strerror(-err));
	return !err && !followed ? -ESRCH : err;
}
