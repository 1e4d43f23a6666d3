/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring's reader, and when it sleeps.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture_state.h"
#include "clock.h"

#define NAP_MS 5	/* between looks while records come */
#define SLEEP_MS 500	/* when none came for a while: then the first one wakes us */
#define NAPS_TO_SLEEP 4 /* empty looks before that */

#define READ_NS 20000000u /* at most, at a time: others wait, signals among them */

static int on_ring(void *context, void *data, size_t size)
{
	struct capture *capture = context;
	const struct event *event = data;

	if (event->kind != EVENT_NOTHING)
		capture->event(capture->self, data, size);
	if (event->user < RING_USERS)
		capture->users[event->user].read += EVENT_RING_BYTES(size);
	capture->events++;
	capture->read_stopped = clock_now() >= capture->read_until;
	return capture->read_stopped ? -EINTR : 0;
}

/* What libbpf 1.1 keeps to itself: where the ring is. And who has how much of it. */
static int map_positions(struct capture *capture)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int ring = bpf_map__fd(capture->bpf->maps.ring),
	    users = bpf_map__fd(capture->bpf->maps.ring_users);
	void *consumed = mmap(NULL, page, PROT_READ, MAP_SHARED, ring, 0);
	void *written = mmap(NULL, page, PROT_READ, MAP_SHARED, ring, (off_t)page);
	void *all = mmap(NULL, RING_USERS * sizeof(struct ring_user), PROT_READ | PROT_WRITE,
			 MAP_SHARED, users, 0);

	capture->consumed = consumed != MAP_FAILED ? consumed : NULL;
	capture->written = written != MAP_FAILED ? written : NULL;
	capture->users = all != MAP_FAILED ? all : NULL;
	return capture->consumed && capture->written && capture->users ? 0 : -errno;
}

static void unmap(const void *address, size_t size)
{
	if (address)
		munmap((void *)(uintptr_t)address, size);
}

int capture_ring_open(struct capture *capture)
{
	int err = map_positions(capture);

	if (err)
		return err;
	capture->ring =
		ring_buffer__new(bpf_map__fd(capture->bpf->maps.ring), on_ring, capture, NULL);
	return capture->ring ? 0 : -errno;
}

void capture_ring_close(struct capture *capture)
{
	ring_buffer__free(capture->ring);
	unmap(capture->consumed, (size_t)sysconf(_SC_PAGESIZE));
	unmap(capture->written, (size_t)sysconf(_SC_PAGESIZE));
	unmap(capture->users, RING_USERS * sizeof(struct ring_user));
}

int capture_fd(const struct capture *capture)
{
	return ring_buffer__epoll_fd(capture->ring);
}

static size_t consume(struct capture *capture)
{
	capture->events = 0;
	capture->read_stopped = false;
	capture->read_until = clock_now() + READ_NS;
	(void)ring_buffer__consume(capture->ring);
	return capture->events;
}

size_t capture_read(struct capture *capture)
{
	capture->bpf->data->reader = READER_BUSY;
	return consume(capture);
}

uint64_t capture_ring_bytes(const struct capture *capture)
{
	return 4 * capture->bpf->data->ring_quarter;
}

uint64_t capture_written(const struct capture *capture)
{
	return __atomic_load_n(capture->written, __ATOMIC_ACQUIRE);
}

uint64_t capture_consumed(const struct capture *capture)
{
	return __atomic_load_n(capture->consumed, __ATOMIC_RELAXED);
}

int capture_nap(struct capture *capture, bool busy)
{
	if (capture->read_stopped)
		return 0;
	capture->empty_looks = busy ? 0 : capture->empty_looks + 1;
	if (capture->empty_looks < NAPS_TO_SLEEP) {
		capture->bpf->data->reader = READER_NAPS;
		return NAP_MS;
	}
	capture->bpf->data->reader = READER_SLEEPS;
	/* What was put there before BPF could see that we sleep would lie until we wake up. */
	__sync_synchronize();
	return consume(capture) ? 0 : SLEEP_MS;
}
