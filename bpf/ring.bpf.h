/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The ring to the agent: who may put how much into it, and when its reader is woken. Part of
 * capture.bpf.c.
 */
#ifndef OTEL_BPF_RING_H
#define OTEL_BPF_RING_H

#include "event.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20); /* the agent sets it */
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RING_USERS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct ring_user);
} ring_users SEC(".maps");

/* Whose event it is. */
struct source {
	struct process_id id;
	__u32 user;
	__u32 reserved;
};

volatile __u32 reader = READER_SLEEPS;
volatile __u64 ring_quarter = 4 << 20;
volatile __u64 ring_reserve = 1 << 20; /* for lives, when spans have filled the rest */

static __always_inline __u64 wakeup(void)
{
	__u32 state = reader;

	if (state == READER_SLEEPS ||
	    (state == READER_NAPS && bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > ring_quarter)) {
		reader = READER_BUSY;
		return BPF_RB_FORCE_WAKEUP;
	}
	return BPF_RB_NO_WAKEUP;
}

static __always_inline void fill(struct event *event, __u32 kind, __u32 size,
				 const struct source *source)
{
	event->kind = kind;
	event->size = size;
	event->process = source->id;
	event->thread = (__u32)bpf_get_current_pid_tgid();
	event->user = source->user;
	event->time = bpf_ktime_get_ns();
}

/* Begins at random: nobody can aim at somebody else's. Those who find none free share one. */
static __noinline __u32 new_user(__u32 tgid)
{
	__u32 first = bpf_get_prandom_u32(), at;
	struct ring_user *user;

	for (int i = 0; i < 32; i++) {
		at = (first + i) % RING_USERS;
		user = bpf_map_lookup_elem(&ring_users, &at);
		if (user && !user->pid) {
			user->pid = tgid;
			return at;
		}
	}
	return first % RING_USERS;
}

static __always_inline void release_user(__u32 at, __u32 tgid)
{
	struct ring_user *user = bpf_map_lookup_elem(&ring_users, &at);

	if (user && user->pid == tgid)
		user->pid = 0;
}

/*
 * May @source put an event of @size bytes into the ring? When it is more than a quarter full,
 * nobody may have more of it than is left for all others then, which is what shared-memory switches
 * do: one that floods alone gets half, two a third each, and who asks for little is always served.
 * Returns enum loss, LOSSES if it may, and then it is charged with it.
 */
static __noinline __u32 admit(const struct source *source, __u64 size, __u64 reserve)
{
	__u64 held = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA), room = 4 * ring_quarter;
	__u32 at = source ? source->user : 0;
	struct ring_user *user = bpf_map_lookup_elem(&ring_users, &at);
	__s64 has;

	size = EVENT_RING_BYTES(size);
	if (!user)
		return LOSS_REFUSED; /* cannot be */
	if (held > ring_quarter) {
		if (held + size + reserve > room)
			return LOSS_RING_FULL;
		has = (__s64)(user->put - user->read);
		if (has > 0 && (__u64)has + 2 * size + reserve > room - held)
			return LOSS_QUOTA;
	}
	__sync_fetch_and_add(&user->put, size);
	return LOSSES;
}

/* It did not get in after all. */
static __noinline void refund(const struct source *source, __u64 size)
{
	__u32 at = source ? source->user : 0;
	struct ring_user *user = bpf_map_lookup_elem(&ring_users, &at);

	if (user)
		__sync_fetch_and_add(&user->put, -EVENT_RING_BYTES(size));
}

/* Room for what happens to a process: spans leave some for it. NULL: there is none. */
static __always_inline struct event *reserve_life(const struct source *source, const __u64 size)
{
	struct event *event = NULL;

	if (admit(source, size, 0) == LOSSES) {
		event = bpf_ringbuf_reserve(&ring, size, 0);
		if (!event)
			refund(source, size);
	}
	return event;
}

#endif
