/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Takes what the probes of otel/trace.h hand over, from followed processes only, and keeps to the
 * descendants of those that the agent follows.
 */
#include "vmlinux.h"

#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "event.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20); /* the agent sets it */
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct followed);
} followed SEC(".maps");

#define NOTED_MAX 1024 /* streams of a process in it: buffer ids are claims */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct loss_key);
	__type(value, struct loss_note);
} losses SEC(".maps");
volatile __u32 losses_read; /* how often the agent has */

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

/*
 * The reader's side of the wakeup policy. Waking it at every record costs an application four times
 * what its record costs, so it is woken when it sleeps long, or naps while the ring fills up.
 */
enum { READER_BUSY = 0, READER_NAPS = 1, READER_SLEEPS = 2 };
volatile __u32 reader = READER_SLEEPS;
volatile __u64 ring_quarter = 4 << 20;
volatile __u64 ring_reserve = 1 << 20; /* for lives, when spans have filled the rest */

volatile __u64 not_followed;   /* processes that did not fit into the map */
volatile __u64 losses_unknown; /* spans lost in flushes that did not fit into `losses` */
volatile __u32 execs_are_read; /* on_prepare_exec is there */
volatile __u64 forks_unseen;   /* children of followed processes that were not followed */
volatile __u64 execs_unread;   /* execs before which nothing was read */
volatile __u64 lives_lost;     /* forks and execs that did not fit into the ring */

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

static __always_inline void identify(struct task_struct *task, struct process_id *out)
{
	out->pid = (__u32)task->tgid;
	out->execs = task->self_exec_id;
	out->start_time = task->group_leader->start_boottime;
}

static __always_inline void identify_current(struct process_id *out)
{
	/* 5.11; what it returns may be read without a helper. */
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf)) {
		identify(bpf_get_current_task_btf(), out);
	} else {
		struct task_struct *task = (struct task_struct *)bpf_get_current_task();

		out->pid = (__u32)BPF_CORE_READ(task, tgid);
		out->execs = BPF_CORE_READ(task, self_exec_id);
		out->start_time = BPF_CORE_READ(task, group_leader, start_boottime);
	}
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

/* May the process have one more stream in `losses`? */
static __always_inline bool may_note(__u32 tgid)
{
	struct followed *process = bpf_map_lookup_elem(&followed, &tgid);

	if (!process)
		return false;
	if (process->noted_at != losses_read) {
		process->noted_at = losses_read;
		process->noted = 0;
	}
	return process->noted++ < NOTED_MAX;
}

/* The beginning of struct otel_buffer that tells whether its owner has handed it over meanwhile. */
struct stamp {
	__u64 buffer_id; /* another one: it has ended, and the buffer is somebody else's */
	__u64 position;
	__u32 committed;
	__u32 reserved;
};
_Static_assert(__builtin_offsetof(struct otel_buffer, position) ==
		       __builtin_offsetof(struct otel_buffer, buffer_id) +
			       __builtin_offsetof(struct stamp, position),
	       "ABI");
_Static_assert(__builtin_offsetof(struct otel_buffer, committed) ==
		       __builtin_offsetof(struct otel_buffer, buffer_id) +
			       __builtin_offsetof(struct stamp, committed),
	       "ABI");

/* In this order: what is committed is at this position, or a later one, which moved() will find. */
static __always_inline bool read_stamp(const void *buffer, struct stamp *stamp)
{
	return !bpf_probe_read_user(stamp, sizeof(*stamp), buffer + offsetof(struct otel_buffer, buffer_id));
}

/* Its counts. */
struct tally {
	__u64 started;
	__u64 not_sampled;
	__u64 dropped;
	__u64 dropped_starts;
	__u64 started_before;
};
_Static_assert(__builtin_offsetof(struct otel_buffer, started_before) ==
		       __builtin_offsetof(struct otel_buffer, started) +
			       __builtin_offsetof(struct tally, started_before),
	       "ABI");
_Static_assert(__builtin_offsetof(struct otel_buffer, dropped_starts) ==
		       __builtin_offsetof(struct otel_buffer, started) +
			       __builtin_offsetof(struct tally, dropped_starts),
	       "ABI");

/*
 * Of a buffer that could not be copied, how much was in it; @reason LOSSES: it was.
 *
 * The agent takes notes away at any time, and the memory of one may be somebody else's a moment later:
 * a note is never changed where it lies, but replaced. If the agent takes the old one meanwhile, the
 * losses in it are told twice; the positions and counts, which are absolute, are right nevertheless.
 */
static __noinline int count_loss(const struct process_id *process, const struct otel_buffer *buffer,
				 __u32 reason, __u64 size)
{
	/* Not all of the header: kernels before 6.13 have 512 bytes of stack for all calls. */
	struct stamp header = {};
	struct tally tally = {};
	struct loss_note note = {}, *old;
	struct loss_key key = {};
	__u32 magic = 0;
	__u64 spans;

	if (!process || reason >= LOSSES)
		return 0;
	key.process = *process;
	/* A flush of a size that no buffer has is of no buffer. */
	if (reason != LOSS_REFUSED && read_stamp(buffer, &header) &&
	    !bpf_probe_read_user(&tally, sizeof(tally), &buffer->started) &&
	    !bpf_probe_read_user(&magic, sizeof(magic), &buffer->magic) && magic == OTEL_BUFFER_MAGIC)
		key.buffer_id = header.buffer_id;
	spans = tally.started - tally.started_before;
	if (spans > OTEL_FLUSH_MAX / sizeof(struct otel_start))
		spans = 0; /* a lie */
	old = bpf_map_lookup_elem(&losses, &key);
	if (!old && key.buffer_id && !may_note(process->pid)) {
		key.buffer_id = 0;
		old = bpf_map_lookup_elem(&losses, &key);
	}
	if (old) {
		note = *old;
	} else {
		note.position = header.position;
		note.started_before = tally.started_before;
	}
	note.flushes[reason] += 1;
	note.bytes[reason] += size;
	note.spans[reason] += spans;
	note.end = header.position + header.committed;
	note.started = tally.started;
	note.not_sampled = tally.not_sampled;
	note.dropped_starts = tally.dropped_starts;
	if (bpf_map_update_elem(&losses, &key, &note, BPF_ANY))
		__sync_fetch_and_add(&losses_unknown, spans);
	return 0;
}

static __always_inline bool moved(const void *buffer, const struct stamp *before)
{
	struct stamp now = {};

	return !read_stamp(buffer, &now) || now.buffer_id != before->buffer_id ||
	       now.position != before->position;
}

/*
 * Copies @size bytes of the process's memory into an event. Straight into reserved ring space, in
 * constant size classes: kernels before 5.19 know no other way, it is the cheapest, and per-CPU
 * scratch memory is overwritten by the next task on preemptible kernels, since uprobe programs can be
 * preempted.
 */
#define COPY(class)                                                                                \
	if (size <= (class) - sizeof(*event)) {                                                    \
		reason = admit(source, (class), reserve);                                          \
		if (reason != LOSSES)                                                              \
			return reason;                                                             \
		event = bpf_ringbuf_reserve(&ring, (class), 0);                                    \
		if (!event) {                                                                      \
			refund(source, (class));                                                   \
			return LOSS_RING_FULL;                                                     \
		}                                                                                  \
		fill(event, kind, size, source);                                                   \
		asm volatile("" : "+r"(size));                                                     \
		if (size > (class) - sizeof(*event) ||                                             \
		    bpf_probe_read_user(event + 1, size, from)) {                                  \
			/* Not discarded: the reader tells who has read what. */                   \
			event->kind = EVENT_NOTHING;                                               \
			event->size = 0;                                                           \
			bpf_ringbuf_submit(event, wakeup());                                       \
			return LOSS_UNREADABLE;                                                    \
		}                                                                                  \
		if (stamp && moved(from, stamp)) {                                                 \
			event->kind = EVENT_NOTHING;                                               \
			event->size = 0;                                                           \
			bpf_ringbuf_submit(event, wakeup());                                       \
			return LOSSES;                                                             \
		}                                                                                  \
		bpf_ringbuf_submit(event, wakeup());                                               \
		return LOSSES;                                                                     \
	}

/*
 * Returns enum loss, LOSSES if nothing is lost. @stamp: of a buffer whose owner may be running, or NULL.
 * If it hands it over while we copy, what we have is a mixture, and of no use: it is in the ring already.
 */
static __always_inline __u32 copy(__u32 kind, const void *from, __u64 size,
				  const struct source *source, __u64 reserve,
				  const struct stamp *stamp)
{
	struct event *event;
	__u32 reason;

	COPY(512)
	COPY(1024)
	COPY(1536)
	COPY(2048)
	COPY(3072)
	COPY(4096)
	COPY(6144)
	COPY(8192)
	COPY(12288)
	COPY(OTEL_FLUSH_MAX + sizeof(struct event))
	return LOSS_REFUSED;
}

/* Before the first flush of a process's image: its anchor, since it may be gone in a moment. */
static __noinline int announce(__u64 anchor, const struct source *source)
{
	__u32 size = 0, reason;

	if (!source)
		return 0;
	if (bpf_probe_read_user(&size, sizeof(size),
				(const void *)anchor + offsetof(struct otel_anchor, size)) ||
	    size > sizeof(struct otel_anchor))
		return 1; /* garbage: no use in trying again */
	reason = copy(EVENT_ANCHOR, (const void *)anchor, size, source, 0, NULL);
	return reason != LOSS_RING_FULL && reason != LOSS_QUOTA;
}

/*
 * Copies a buffer of @size bytes, header included, that its owner hands over, and counts what cannot
 * be.
 */
static __noinline int take(const void *buffer, __u64 size, const struct source *source)
{
	if (!source)
		return 0;
	return count_loss(&source->id, buffer,
			  copy(EVENT_FLUSH, buffer, size, source, ring_reserve, NULL), size);
}

/*
 * The same for one that its owner may be writing to, but for the counting: returns enum loss. If it is
 * @running, it may end at any time and give the memory back, having handed over what was in it.
 */
static __noinline int take_walked(const void *buffer, const struct stamp *stamp, const struct source *source,
				  bool running)
{
	__u32 reason;

	if (!source || !stamp)
		return LOSSES;
	reason = copy(EVENT_FLUSH, buffer, sizeof(struct otel_buffer) + stamp->committed, source, ring_reserve,
		      stamp);
	return running && reason == LOSS_UNREADABLE ? LOSSES : (int)reason;
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

/* Has no program. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} nothing SEC(".maps");

/*
 * Kernels from 6.13 on give programs a stack per CPU instead of the task's. Those of uprobes may be
 * preempted, and then the next one writes over it: flushes were told of other processes, and buffers
 * read with the size of others (seen on 7.2 with preempt=full). Programs with a tail call have the
 * task's stack. To be called where it does not matter that it does nothing.
 */
static __always_inline void keep_own_stack(struct pt_regs *ctx)
{
	if (bpf_core_field_exists(struct bpf_prog_aux, priv_stack_ptr))
		bpf_tail_call(ctx, &nothing, 0);
}

#include "exceptions.bpf.h"

SEC("uprobe")
int capture_flush(struct pt_regs *ctx)
{
	const void *buffer = (const void *)PT_REGS_PARM1(ctx);
	__u64 size = PT_REGS_PARM2(ctx);
	struct source source = {};
	struct followed *process;
	__u64 anchor = 0;

	identify_current(&source.id);
	process = find(&source.id);
	if (!process) {
		keep_own_stack(ctx);
		return 0;
	}
	source.user = process->user;
	if (process->announced != source.id.execs + 1) {
		bpf_probe_read_user(&anchor, sizeof(anchor),
				    buffer + offsetof(struct otel_buffer, anchor));
		process->anchor = anchor;
		if (announce(anchor, &source))
			process->announced = source.id.execs + 1;
	}
	if (exceptions_watched)
		announce_exception(buffer, &source);
	take(buffer, size, &source);
	return 0;
}

/*
 * ---- Lives ----
 *
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

/* Whoever is followed has all of its children followed, but for those that no program saw. */
static __always_inline bool is_child_of_followed(struct task_struct *task)
{
	struct process_id parent = {};

	parent.pid = (__u32)BPF_CORE_READ(task, real_parent, tgid);
	parent.start_time = BPF_CORE_READ(task, real_parent, group_leader, start_boottime);
	return find(&parent);
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

/*
 * ---- What a process that dies or executes another program holds in its buffers ----
 *
 * The agent loads what fits the kernel: on_exit_with_memory where the process's memory is still there
 * at sched_process_exit (6.16), else on_exit and, before it, on_dying or on_fatal_signal; and one of
 * on_prepare_exec (6.11) and on_begin_exec. What is read twice is known by its position.
 */
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
		reason = (__u32)take_walked(buffer, &stamp, &walk->source,
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

/* Of a process that is going: what was there for the agent to find, and can it be read? */
static __always_inline int take_last(const struct source *source, __u64 anchor, __u64 owner, __u64 running)
{
	__u32 magic = 0;

	if (!source)
		return 0;
	/* The kernel takes memory away from victims that do not die fast enough. */
	if (bpf_probe_read_user(&magic, sizeof(magic),
				(const void *)anchor + offsetof(struct otel_anchor, magic)))
		count_loss(&source->id, NULL, LOSS_UNREADABLE, 0);
	else
		take_all(source, anchor, owner, running);
	return 0;
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
		if (owner && process->announced == source.id.execs + 1)
			take_last(&source, process->anchor, owner, 0);
		return 0;
	}
	if (memory && process->announced == source.id.execs + 1)
		take_last(&source, process->anchor, 0, 0);
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
	return exited(task, false, !BPF_CORE_READ(task, signal, live.counter), false);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_again, struct task_struct *task)
{
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
	if (!process || process->announced != source.id.execs + 1)
		return 0;
	source.user = process->user;
	return take_last(&source, process->anchor, owner, running);
}

/* Each dying thread hands over its own buffers: who is the last one cannot be known yet. */
SEC("kprobe/do_exit")
int on_dying(struct pt_regs *ctx)
{
	__u64 owner = thread_pointer();

	return owner ? take_of_current(owner, 0) : 0;
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
	if (!process || process->announced != source.id.execs + 1 ||
	    process->prepared == source.id.execs + 1)
		return 0;
	/* It will not come back: what fails now kills it. */
	process->prepared = source.id.execs + 1;
	source.user = process->user;
	return take_last(&source, process->anchor, 0, thread_pointer());
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

/* If this one fails after all, the process goes on, and hands over again what was taken here. */
SEC("kprobe/begin_new_exec")
int on_begin_exec(struct pt_regs *ctx)
{
	return take_of_current(0, thread_pointer());
}
