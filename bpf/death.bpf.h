/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What a process that dies or executes another program holds in its buffers, and its end. Part of
 * capture.bpf.c.
 *
 * The agent loads what fits the kernel: on_exit_with_memory where the process's memory is still there
 * at sched_process_exit (6.16), else on_exit and, before it, on_dying and on_dying_again, or on_fatal_signal; and
 * on_prepare_exec (6.11), or on_begin_exec and on_begin_exec_again. What is read twice is known by its position.
 *
 * Programs of kprobes are skipped, and not even counted, on a processor whose last task was preempted while it asked
 * for something of a map, whoever's. Those of fentry are not, but when they have been preempted themselves. So both
 * are there.
 */
#ifndef OTEL_BPF_DEATH_H
#define OTEL_BPF_DEATH_H

#include "lives.bpf.h"
#include "walk.bpf.h"

volatile __u32 deaths_are_read; /* on_dying or on_dying_again is there */
volatile __u64 deaths_unread;	 /* threads whose memory was not read */

/* Threads from when their memory is read until nothing else can come: their thread ids, and when they started. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, __u64);
} dying SEC(".maps");

/* False: it was before. */
static __always_inline bool begins_to_die(struct task_struct *task)
{
	__u32 thread = (__u32)task->pid;
	__u64 start = task->start_boottime, *before = bpf_map_lookup_elem(&dying, &thread);

	if (before && *before == start)
		return false;
	bpf_map_update_elem(&dying, &thread, &start, BPF_ANY);
	return true;
}

static __always_inline bool began_to_die(struct task_struct *task)
{
	__u32 thread = (__u32)task->pid;
	__u64 *start = bpf_map_lookup_elem(&dying, &thread);
	bool began = start && *start == task->start_boottime;

	if (start)
		bpf_map_delete_elem(&dying, &thread);
	return began;
}

/* @last: of the threads; @counts: is an entry that is missing a fork that nobody saw? */
static __always_inline int exited(struct task_struct *task, bool memory, bool last, bool counts)
{
	struct signal_struct *signal = BPF_CORE_READ(task, signal);
	struct source source = {};
	struct event_exit exit;
	struct followed *process;
	struct event *event;
	__u64 owner;

	identify(task, &source.id);
	process = find(&source.id);
	if (!process) {
		if (counts && last && is_child_of_followed(task))
			__sync_fetch_and_add(&forks_unseen, 1);
		return 0;
	}
	source.user = process->user;
	if (!last) {
		/*
		 * Threads that are left will come here, too, and the last one tells of all. Unless
		 * one of them executes another program: until now this one may have written.
		 */
		owner = memory && BPF_CORE_READ(signal, group_exec_task) ? thread_pointer() : 0;
		if (owner && knows_anchor(process, &source))
			take_last(&source, process, owner, 0);
		return 0;
	}
	if (memory && knows_anchor(process, &source))
		take_last(&source, process, 0, 0);
	exit.status = BPF_CORE_READ(signal, group_exit_code);
	if (!exit.status)
		exit.status = BPF_CORE_READ(task, group_leader, exit_code);
	exit.out_of_memory = BPF_CORE_READ(signal, oom_mm) != NULL;
	event = reserve_life(&source, sizeof(*event) + sizeof(struct event_exit));
	if (event) {
		fill(event, EVENT_EXIT, sizeof(struct event_exit), &source);
		*(struct event_exit *)(event + 1) = exit;
		bpf_ringbuf_submit(event, wakeup());
		release_user(source.user, source.id.pid);
		bpf_map_delete_elem(&followed, &source.id.pid);
		bpf_map_delete_elem(&images, &source.id.pid);
	} else {
		process->exit = exit;
		process->execs = source.id.execs;
		process->start_time = source.id.start_time;
		process->ended = 1;
	}
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	bool began = began_to_die(task);
	struct process_id id = {};
	struct followed *process;

	identify(task, &id);
	process = find(&id);
	if (process && !began && deaths_are_read && process->announced == id.execs + 1)
		__sync_fetch_and_add(&deaths_unread, 1);
	return exited(task, false, !BPF_CORE_READ(task, signal, live.counter), false);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_again, struct task_struct *task)
{
	(void)began_to_die(task);
	return exited(task, false, !BPF_CORE_READ(task, signal, live.counter), false);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_with_memory, struct task_struct *task, bool last)
{
	return exited(task, true, last, true);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_with_memory_again, struct task_struct *task, bool last)
{
	return exited(task, true, last, false);
}

/* What the current process holds; @owner and @running as in struct walk. */
static __always_inline int take_of_current(__u64 owner, __u64 running)
{
	struct source source = {};
	struct followed *process;

	identify_current(&source.id);
	process = find(&source.id);
	if (!process || !knows_anchor(process, &source))
		return 0;
	source.user = process->user;
	return take_last(&source, process, owner, running);
}

/* Each dying thread hands over its own buffers: who is the last one cannot be known yet. */
static __always_inline int dies(void)
{
	__u64 owner = thread_pointer();
	struct process_id id = {};

	identify_current(&id);
	return find(&id) && begins_to_die(bpf_get_current_task_btf()) && owner ? take_of_current(owner, 0) : 0;
}

SEC("kprobe/do_exit")
int on_dying(struct pt_regs *ctx)
{
	return dies();
}

SEC("fentry/do_exit")
int BPF_PROG(on_dying_again)
{
	return dies();
}

/*
 * Where there are no kprobes. Does not see the thread that calls _exit(). A thread that dies of
 * another one's signal is told by SIGKILL.
 */
SEC("tp_btf/signal_deliver")
int BPF_PROG(on_fatal_signal, int signal, const void *info, struct k_sigaction *action)
{
	/* CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, WINCH: ignored, or stop the process. */
	const __u64 harmless = 1ull << 17 | 1ull << 18 | 1ull << 19 | 1ull << 20 | 1ull << 21 |
			       1ull << 22 | 1ull << 23 | 1ull << 28;
	__u64 owner = thread_pointer();

	if (!owner || signal < 1 || signal > 64 || (signal < 64 && harmless >> signal & 1) ||
	    BPF_CORE_READ(action, sa.sa_handler))
		return 0;
	return take_of_current(owner, 0);
}

/*
 * An exec is on its way and the old program's memory is still there. Other threads go on until the
 * kernel ends them, and leave what they write until then by the hooks above.
 */
static __always_inline int prepare_exec(void)
{
	struct source source = {};
	struct followed *process;

	identify_current(&source.id);
	process = find(&source.id);
	if (!process || process->prepared == source.id.execs + 1 || !knows_anchor(process, &source))
		return 0;
	/* It will not come back: what fails now kills it. */
	process->prepared = source.id.execs + 1;
	source.user = process->user;
	return take_last(&source, process, 0, thread_pointer());
}

SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(on_prepare_exec, struct task_struct *task)
{
	return prepare_exec();
}

SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(on_prepare_exec_again, struct task_struct *task)
{
	return prepare_exec();
}

/*
 * If this one fails after all, the process goes on, and hands over again what was taken here. @again: the program that
 * runs behind the other one.
 */
static __always_inline int begin_exec(bool again)
{
	__u32 thread = (__u32)bpf_get_current_pid_tgid();
	struct process_id id = {};
	struct followed *process;

	identify_current(&id);
	process = find(&id);
	if (!process)
		return 0;
	if (again && process->executing == thread) {
		process->executing = 0;
		return 0;
	}
	process->executing = again ? 0 : thread;
	process->prepared = id.execs + 1;
	return take_of_current(0, thread_pointer());
}

SEC("kprobe/begin_new_exec")
int on_begin_exec(struct pt_regs *ctx)
{
	return begin_exec(false);
}

SEC("fentry/begin_new_exec")
int BPF_PROG(on_begin_exec_again)
{
	return begin_exec(true);
}

#endif
