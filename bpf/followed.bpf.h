/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Who is followed: the processes that the agent began with, and their descendants. Part of
 * capture.bpf.c.
 */
#ifndef OTEL_BPF_FOLLOWED_H
#define OTEL_BPF_FOLLOWED_H

#include "event.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct followed);
} followed SEC(".maps");

/*
 * Of processes that ran before the agent came: where an image of theirs keeps the address of the anchor. They may have
 * buffers already, and may die before they hand one over. User space writes it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u64);
} images SEC(".maps");

static __always_inline void identify(struct task_struct *task, struct process_id *out)
{
	out->pid = (__u32)task->tgid;
	out->execs = task->self_exec_id;
	out->start_time = task->group_leader->start_boottime;
}

static __always_inline void identify_current(struct process_id *out)
{
	identify(bpf_get_current_task_btf(), out);
}

/*
 * The entry of @process, if the agent follows it. One whose end nobody saw stays until the agent
 * finds out: it is not of the next process with this pid.
 */
static __always_inline struct followed *find(const struct process_id *process)
{
	__u32 tgid = process->pid;
	struct followed *it = bpf_map_lookup_elem(&followed, &tgid);

	if (!it || it->ended || (it->start_time && it->start_time != process->start_time))
		return NULL;
	return it;
}

/* Whoever is followed has all of its children followed, but for those that no program saw. */
static __always_inline bool is_child_of_followed(struct task_struct *task)
{
	struct process_id parent = {};

	parent.pid = (__u32)BPF_CORE_READ(task, real_parent, tgid);
	parent.start_time = BPF_CORE_READ(task, real_parent, group_leader, start_boottime);
	return find(&parent);
}

#endif
