/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The followed processes, as the BPF side has them.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/random.h>
#include <unistd.h>

#include "capture_state.h"

#define SWEEP_MAX 64 /* processes at a time */

/* As in bpf/ring.bpf.h. */
static uint32_t new_user(struct capture *capture, uint32_t pid)
{
	uint32_t first = 0;

	(void)!getrandom(&first, sizeof(first), 0);
	for (uint32_t i = 0; i < 32; i++) {
		struct ring_user *user = &capture->users[(first + i) % RING_USERS];

		if (!user->pid) {
			user->pid = pid;
			return (first + i) % RING_USERS;
		}
	}
	return first % RING_USERS;
}

int capture_follow(struct capture *capture, uint32_t pid)
{
	struct followed value = {.user = new_user(capture, pid), .unannounced = 1};

	return bpf_map__update_elem(capture->bpf->maps.followed, &pid, sizeof(pid), &value,
				    sizeof(value), BPF_ANY);
}

void capture_image(struct capture *capture, uint32_t pid, uint64_t address)
{
	struct followed value;

	/* It ran before, and has not handed anything over since. */
	if (bpf_map__lookup_elem(capture->bpf->maps.followed, &pid, sizeof(pid), &value, sizeof(value), 0) ||
	    !value.unannounced)
		return;
	(void)bpf_map__update_elem(capture->bpf->maps.images, &pid, sizeof(pid), &address, sizeof(address), BPF_NOEXIST);
	/* Its end may have come in between: then this would be taken for the next process with this pid. */
	if (!capture_follows(capture, pid))
		(void)bpf_map__delete_elem(capture->bpf->maps.images, &pid, sizeof(pid), 0);
}

/* Who it was has gone. */
static void forget(struct capture *capture, uint32_t pid)
{
	(void)bpf_map__delete_elem(capture->bpf->maps.followed, &pid, sizeof(pid), 0);
	(void)bpf_map__delete_elem(capture->bpf->maps.images, &pid, sizeof(pid), 0);
}

void capture_unfollow(struct capture *capture, uint32_t pid)
{
	struct followed value;

	if (bpf_map__lookup_elem(capture->bpf->maps.followed, &pid, sizeof(pid), &value, sizeof(value), 0))
		return;
	if (capture->users[value.user % RING_USERS].pid == pid)
		capture->users[value.user % RING_USERS].pid = 0;
	forget(capture, pid);
}

/* Who is in the table and was not found: its end came before its entry, and no other will. */
static void forget_untold(struct capture *capture)
{
	struct bpf_map *map = capture->bpf->maps.followed;
	uint32_t key, next;
	bool more = !bpf_map__get_next_key(map, NULL, &next, sizeof(next));

	while (more) {
		struct followed value;

		key = next;
		more = !bpf_map__get_next_key(map, &key, &next, sizeof(next));
		if (!bpf_map__lookup_elem(map, &key, sizeof(key), &value, sizeof(value), 0) &&
		    !value.start_time)
			capture_unfollow(capture, key);
	}
}

int capture_tell(struct capture *capture)
{
	int fd = bpf_iter_create(bpf_link__fd(capture->bpf->links.tell_followed)), err = 0;
	char nothing[64];

	if (fd < 0)
		return -errno;
	/* To the end: its text is empty, what matters is what the program does. */
	if (read(fd, nothing, sizeof(nothing)) < 0)
		err = -errno;
	close(fd);
	if (!err)
		forget_untold(capture);
	return err;
}

bool capture_follows(struct capture *capture, uint32_t pid)
{
	struct followed value;

	return !bpf_map__lookup_elem(capture->bpf->maps.followed, &pid, sizeof(pid), &value,
				     sizeof(value), 0);
}

size_t capture_followed(struct capture *capture, uint32_t *pids, size_t max)
{
	uint32_t key, *previous = NULL;
	size_t n = 0;

	while (n < max && !bpf_map__get_next_key(capture->bpf->maps.followed, previous, &key, sizeof(key))) {
		pids[n] = key;
		previous = &pids[n++];
	}
	return n;
}

void capture_sweep(struct capture *capture,
		   bool (*gone)(void *self, const struct process_id *process, const struct event_exit *exit),
		   void *self)
{
	struct bpf_map *map = capture->bpf->maps.followed;
	uint32_t key;

	for (int i = 0; i < SWEEP_MAX; i++) {
		struct followed value;
		struct process_id id;

		if (bpf_map__get_next_key(map, capture->swept ? &capture->swept : NULL, &key, sizeof(key))) {
			capture->swept = 0;
			return;
		}
		capture->swept = key;
		if (bpf_map__lookup_elem(map, &key, sizeof(key), &value, sizeof(value), 0) ||
		    !value.start_time)
			continue;
		id = (struct process_id){key, value.execs, value.start_time};
		if (!gone(self, &id, value.ended ? &value.exit : NULL))
			continue;
		forget(capture, key);
		if (value.user < RING_USERS && capture->users[value.user].pid == key)
			capture->users[value.user].pid = 0;
	}
}
