/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Lives of processes: forks, execs, and those that are followed already. Part of capture.bpf.c.
 */
#ifndef OTEL_BPF_LIVES_H
#define OTEL_BPF_LIVES_H

#include "followed.bpf.h"
#include "ring.bpf.h"

volatile __u64 not_followed;   /* processes that did not fit into the map */
volatile __u32 execs_are_read; /* on_prepare_exec or on_begin_exec is there */
volatile __u64 forks_unseen;   /* children of followed processes that were not followed */
volatile __u64 execs_unread;   /* execs before which nothing was read */
volatile __u64 lives_lost;     /* forks and execs that did not fit into the ring */

/*
 * Each of these programs is there twice. On preemptible kernels from 7.1 on the kernel skips a program
 * that runs on this CPU already, in a task that was preempted; then the other one does its work, and
 * else it finds the work done.
 */
static __always_inline int on_fork_once(struct task_struct *parent, struct task_struct *child)
{
	struct source source = {};
	struct process_id parent_id = {};
	struct followed fresh = {}, *before, *follows;
	struct event_fork *fork;
	struct event *event;

	parent_id.pid = (__u32)BPF_CORE_READ(parent, tgid);
	parent_id.execs = BPF_CORE_READ(parent, self_exec_id);
	parent_id.start_time = BPF_CORE_READ(parent, group_leader, start_boottime);
	identify(child, &source.id);
	if (source.id.pid == parent_id.pid)
		return 0;
	follows = find(&parent_id);
	if (!follows)
		return 0;
	source.user = follows->user; /* who forks pays */
	before = bpf_map_lookup_elem(&followed, &source.id.pid);
	if (before && before->start_time == source.id.start_time)
		return 0; /* the other program was here */
	if (before && before->ended)
		__sync_fetch_and_add(&lives_lost, 1);
	if (before)
		release_user(before->user, source.id.pid);
	fresh.start_time = source.id.start_time;
	fresh.user = new_user(source.id.pid);
	if (bpf_map_update_elem(&followed, &source.id.pid, &fresh, BPF_ANY)) {
		release_user(fresh.user, source.id.pid);
		__sync_fetch_and_add(&not_followed, 1);
		return 0;
	}
	event = reserve_life(&source, sizeof(*event) + sizeof(struct event_fork));
	if (!event) {
		__sync_fetch_and_add(&lives_lost, 1);
		return 0;
	}
	fill(event, EVENT_FORK, sizeof(struct event_fork), &source);
	fork = (struct event_fork *)(event + 1);
	fork->parent = parent_id;
	fork->shares_memory = BPF_CORE_READ(child, mm) == BPF_CORE_READ(parent, mm);
	fork->reserved = 0;
	bpf_ringbuf_submit(event, wakeup());
	return 0;
}

/* Reading it has the agent told of all who are followed: else nothing names those that ran before. */
SEC("iter/task")
int tell_followed(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct source source = {};
	struct followed *process;
	struct event *event;

	if (!task || task->pid != task->tgid)
		return 0;
	identify(task, &source.id);
	process = find(&source.id);
	if (!process)
		return 0;
	process->start_time = source.id.start_time;
	process->unannounced = 1;
	source.user = process->user;
	event = reserve_life(&source, sizeof(*event));
	if (!event) {
		__sync_fetch_and_add(&lives_lost, 1);
		return 0;
	}
	fill(event, EVENT_RUNS, 0, &source);
	bpf_ringbuf_submit(event, wakeup());
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	return on_fork_once(parent, child);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork_again, struct task_struct *parent, struct task_struct *child)
{
	return on_fork_once(parent, child);
}

static __always_inline int on_exec_once(struct task_struct *task, struct linux_binprm *binary)
{
	struct followed *process;
	struct source source = {};
	struct event *event;
	struct event_exec *exec;
	char *strings;
	__u64 begin, size;
	long filename;

	identify(task, &source.id);
	process = find(&source.id);
	if (!process && is_child_of_followed(task)) {
		/* None of the programs saw its fork. */
		__sync_fetch_and_add(&forks_unseen, 1);
		on_fork_once(BPF_CORE_READ(task, real_parent), task);
		process = find(&source.id);
	}
	if (!process || process->executed == source.id.execs + 1)
		return 0;
	process->executed = source.id.execs + 1;
	/* Of the program before: the kernel has counted one exec more since. */
	if (execs_are_read && process->announced && process->announced == source.id.execs &&
	    process->prepared != source.id.execs)
		__sync_fetch_and_add(&execs_unread, 1);
	process->start_time = source.id.start_time;
	source.user = process->user;
	event = reserve_life(&source, sizeof(*event) + sizeof(*exec) + EVENT_FILENAME_MAX +
					      EVENT_ARGUMENTS_MAX);
	if (!event) {
		__sync_fetch_and_add(&lives_lost, 1);
		return 0;
	}
	exec = (struct event_exec *)(event + 1);
	strings = (char *)(exec + 1);
	filename = bpf_probe_read_kernel_str(strings, EVENT_FILENAME_MAX,
					     BPF_CORE_READ(binary, filename));
	filename = filename > 0 ? filename - 1 : 0; /* without NUL */
	if (filename >= EVENT_FILENAME_MAX)
		filename = 0;
	exec->name[0] = 0;
	bpf_probe_read_kernel_str(exec->name, sizeof(exec->name),
				  BPF_CORE_READ(binary, file, f_path.dentry, d_name.name));
	begin = BPF_CORE_READ(task, mm, arg_start);
	size = BPF_CORE_READ(task, mm, arg_end) - begin;
	if (size > EVENT_ARGUMENTS_MAX)
		size = EVENT_ARGUMENTS_MAX;
	asm volatile("" : "+r"(size));
	if (size > EVENT_ARGUMENTS_MAX ||
	    bpf_probe_read_user(strings + filename, size, (const void *)begin))
		size = 0;
	exec->filename_size = (__u32)filename;
	exec->arguments_size = (__u32)size;
	fill(event, EVENT_EXEC, sizeof(*exec) + (__u32)filename + (__u32)size, &source);
	bpf_ringbuf_submit(event, wakeup());
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *binary)
{
	return on_exec_once(task, binary);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec_again, struct task_struct *task, int old_pid, struct linux_binprm *binary)
{
	return on_exec_once(task, binary);
}

#endif
