/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The way through the buffers of all threads of a process that dies or executes another program. Part
 * of capture.bpf.c.
 */
#ifndef OTEL_BPF_WALK_H
#define OTEL_BPF_WALK_H

#include "buffers.bpf.h"

#define MAX_STEPS (1 << 16) /* a hostile list may loop */

/* To go round in a loop: bpf_loop() came with 5.17, bpf_for_each_map_elem() with 5.13. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_STEPS);
	__type(key, __u32);
	__type(value, __u8);
} steps SEC(".maps");

struct walk {
	struct source source;
	__u64 anchor;
	__u64 owner;   /* the thread pointer of the only thread that matters; 0: all do */
	__u64 running; /* all but the one with this thread pointer may be; 0: none is */
	__u64 thread;  /* 0: the list is at its end */
	__u32 bucket;  /* the next one */
	__u32 reserved;
};

/*
 * Unknown to the verifier. What it knew of the loop's state it would either follow for each bucket
 * anew (seconds, and more than 7.1 has patience for), or, before 6.7, take for true in all rounds, and
 * remove the code for the others.
 */
volatile __u32 zero;

/* The beginning of struct otel_thread: all of it is too much for the stack. */
struct thread_head {
	__u32 magic;
	__u32 version;
	__u64 next;
	__u64 owner;
	__u64 counts[2];
	__u64 buffers[3];
};
_Static_assert(__builtin_offsetof(struct thread_head, next) ==
		       __builtin_offsetof(struct otel_thread, next),
	       "ABI");
_Static_assert(__builtin_offsetof(struct thread_head, owner) ==
		       __builtin_offsetof(struct otel_thread, owner),
	       "ABI");
_Static_assert(__builtin_offsetof(struct thread_head, buffers) ==
		       __builtin_offsetof(struct otel_thread, buffers),
	       "ABI");

static __always_inline void next_list(struct walk *walk)
{
	bpf_probe_read_user(&walk->thread, sizeof(walk->thread),
			    (const void *)walk->anchor + offsetof(struct otel_anchor, threads) +
				    walk->bucket % OTEL_ANCHOR_BUCKETS * sizeof(__u64));
}

/* An empty buffer may have counted what nobody was told: its header is taken alone. */
static __always_inline bool worth(const void *buffer, const struct stamp *stamp)
{
	__u64 not_sampled = 0;

	if (stamp->committed || stamp->position)
		return true;
	bpf_probe_read_user(&not_sampled, sizeof(not_sampled),
			    buffer + offsetof(struct otel_buffer, not_sampled));
	return not_sampled != 0;
}

static long take_thread(const void *map, const void *key, const void *value, struct walk *walk)
{
	struct thread_head thread;
	__u64 at = walk->thread;
	struct stamp stamp;
	__u32 reason;

	if (!at) {
		if (walk->bucket >= OTEL_ANCHOR_BUCKETS)
			return 1;
		next_list(walk);
		walk->bucket++;
		return 0;
	}
	walk->thread = 0;
	if (bpf_probe_read_user(&thread, sizeof(thread), (const void *)at) ||
	    thread.magic != OTEL_THREAD_MAGIC)
		return 0;
	walk->thread = thread.next;
	if (walk->owner && thread.owner != walk->owner)
		return 0;
	for (int i = 0; i < 3; i++) {
		const void *buffer = (const void *)thread.buffers[i];

		if (!buffer || !read_stamp(buffer, &stamp) || stamp.committed > OTEL_FLUSH_MAX ||
		    !worth(buffer, &stamp))
			continue;
		reason = (__u32)take_walked((__u64)buffer, &stamp, &walk->source,
					    walk->running && thread.owner != walk->running);
		count_loss(&walk->source.id, buffer, reason, sizeof(struct otel_buffer) + stamp.committed);
	}
	return walk->owner != 0;
}

/* Of all threads, or, with @owner, of the one with this thread pointer. */
static __noinline int take_all(const struct source *source, __u64 anchor, __u64 owner, __u64 running)
{
	struct walk walk = {
		.anchor = anchor,
		.owner = owner,
		.running = running,
		.thread = zero,
		.bucket = zero,
	};

	if (!source)
		return 0;
	walk.source = *source;
	if (owner) {
		/* otel/anchor.h puts it there. */
		walk.bucket = (__u32)((owner >> 12) ^ (owner >> 20)) % OTEL_ANCHOR_BUCKETS;
		next_list(&walk);
		walk.bucket = OTEL_ANCHOR_BUCKETS + zero;
	}
	bpf_for_each_map_elem(&steps, take_thread, &walk, 0);
	return 0;
}

static __always_inline __u64 thread_pointer(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

#if defined(__TARGET_ARCH_x86)
	return BPF_CORE_READ(task, thread.fsbase);
#else
	return BPF_CORE_READ(task, thread.uw.tp_value);
#endif
}

/* Is it known where the current process has its anchor? @source: that process. */
static __noinline bool knows_anchor(struct followed *process, const struct source *source)
{
	__u64 *image, anchor = 0;
	__u32 magic = 0, pid;

	if (!process || !source)
		return false;
	if (process->announced == source->id.execs + 1)
		return true;
	pid = source->id.pid;
	image = bpf_map_lookup_elem(&images, &pid);
	/* It may have been closed, or be of the program before an exec. */
	if (!image || bpf_probe_read_user(&anchor, sizeof(anchor), (const void *)*image) || !anchor ||
	    bpf_probe_read_user(&magic, sizeof(magic),
				(const void *)anchor + offsetof(struct otel_anchor, magic)) ||
	    magic != OTEL_ANCHOR_MAGIC)
		return false;
	process->anchor = anchor;
	process->announced = source->id.execs + 1;
	process->unannounced = 1;
	return true;
}

/* Of a process that is going: what was there for the agent to find, and can it be read? */
static __always_inline int take_last(const struct source *source, struct followed *process, __u64 owner,
				     __u64 running)
{
	__u64 anchor = process->anchor;
	__u32 magic = 0;

	if (!source)
		return 0;
	/* The kernel takes memory away from victims that do not die fast enough. */
	if (bpf_probe_read_user(&magic, sizeof(magic),
				(const void *)anchor + offsetof(struct otel_anchor, magic))) {
		count_loss(&source->id, NULL, LOSS_UNREADABLE, 0);
		return 0;
	}
	if (process->unannounced && announce(anchor, source))
		process->unannounced = 0;
	return take_all(source, anchor, owner, running);
}

#endif
