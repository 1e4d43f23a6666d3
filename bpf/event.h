/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What BPF programs put into the ring for the agent. Private to one build of otel-bpf: both sides
 * are compiled from this file.
 */
#ifndef OTEL_BPF_EVENT_H
#define OTEL_BPF_EVENT_H

#include "../usdt/otel/record.h"

enum event_kind {
	EVENT_FLUSH = 1,  /* struct otel_buffer and its records, as the process wrote them */
	EVENT_ANCHOR = 2, /* struct otel_anchor: before the first FLUSH of a process's image */
	EVENT_FORK = 3,	  /* struct event_fork: a followed process has a child */
	EVENT_EXEC = 4,	  /* struct event_exec, filename, arguments */
	EVENT_EXIT = 5,	  /* struct event_exit: the last thread is gone */
	EVENT_RUNS = 6,	  /* nothing: a followed process that ran before somebody asked */
	EVENT_NOTHING = 7, /* what was to be here could not be read */
	EVENT_EXCEPTION = 8, /* struct event_exception: what ended a span of the FLUSH that follows */
};

/*
 * A process, as the host's kernel knows it: a pid is used again, and an exec makes another program
 * of the same process. execs counts what the kernel calls self_exec_id.
 */
struct process_id {
	otel_u32 pid;
	otel_u32 execs;
	otel_u64 start_time; /* nanoseconds since boot */
};

struct event {
	otel_u32 kind; /* enum event_kind */
	otel_u32 size; /* of what follows this header; the ring's own size may be larger */
	struct process_id process;
	otel_u32 thread;
	otel_u32 user; /* index into ring_users: who pays for it */
	otel_u64 time; /* CLOCK_MONOTONIC of the host */
};

/* What an event of @size bytes, its header included, takes of the ring. */
#define EVENT_RING_BYTES(size) (((otel_u64)(size) + 8 + 7) & ~(otel_u64)7)

/*
 * How much of the ring a process has: what was put there for it, less what has been read. Each side
 * writes its own count, so nobody ever waits or asks. Those who share one share its quota.
 */
struct ring_user {
	otel_u64 put;  /* bytes, by BPF */
	otel_u64 read; /* bytes, by the reader */
	otel_u32 pid;  /* 0: it is nobody's */
	otel_u32 reserved;
};

#define RING_USERS 65536u

/*
 * The reader's side of the wakeup policy. Waking it at every record costs an application four times
 * what its record costs, so it is woken when it sleeps long, or naps while the ring fills up.
 */
enum { READER_BUSY = 0, READER_NAPS = 1, READER_SLEEPS = 2 };

struct event_fork {
	struct process_id parent;
	/* The child of vfork() or posix_spawn(): it has no memory of its own before its exec. */
	otel_u32 shares_memory;
	otel_u32 reserved;
};

#define EVENT_NAME_MAX 256
#define EVENT_FILENAME_MAX 1024
#define EVENT_ARGUMENTS_MAX 4096

struct event_exec {
	otel_u32 filename_size; /* as it was given to execve(2), without NUL */
	otel_u32 arguments_size; /* "arg\0arg\0", cut at EVENT_ARGUMENTS_MAX */
	char name[EVENT_NAME_MAX]; /* of the file, without a folder, with NUL; "": not known */
};

struct event_exit {
	otel_s32 status; /* as wait(2) has it */
	otel_u32 out_of_memory; /* the kernel chose it as a victim */
};

/* Of the thread: the C++ exception that is in flight while it hands over this buffer. */
struct event_exception {
	otel_u64 buffer_id; /* those of the flush */
	otel_u64 position;
	otel_u64 type; /* address of the std::type_info */
	otel_u64 name; /* address of its text; 0: could not be read */
	otel_u32 size; /* of the text; 0: could not be read, or is longer */
	char text[EVENT_NAME_MAX + 4]; /* as compilers write it: "St11logic_error" */
};

/*
 * What the cookie of a probe of libstdc++ says: whether it is the one of catch, and where the exception's
 * object and the address of its type are: in a register, at this offset of struct pt_regs, or in memory
 * with a displacement (s16) from what that register holds.
 */
#define EXCEPTION_CAUGHT 1u
#define EXCEPTION_OBJECT 4u /* shifts */
#define EXCEPTION_TYPE 32u
#define EXCEPTION_REGISTER 0x1ffu
#define EXCEPTION_MEMORY 0x200u
#define EXCEPTION_DISPLACEMENT 10u

/*
 * A process that the agent follows: the value of the map `followed`, whose key is its tgid. Both
 * sides write to it, user space before the process runs, and once it is gone.
 */
struct followed {
	otel_u64 start_time; /* 0: not known yet */
	otel_u64 anchor; /* where that is in the process's memory */
	otel_u32 announced; /* 1 + the exec whose anchor the agent has been sent */
	otel_u32 executed; /* 1 + the exec that the agent has been told of */
	otel_u32 prepared; /* 1 + the exec whose memory was read because another was to follow */
	otel_u32 executing; /* the thread for which on_begin_exec has done that, and on_begin_exec_again will not */
	/* The process has ended, and the ring had no room to say so. */
	otel_u32 ended;
	otel_u32 execs;
	struct event_exit exit;
	otel_u32 user; /* index into ring_users */
	/* How many streams it has in the map `losses`, and which reading of that is meant. */
	otel_u32 noted;
	otel_u32 noted_at;
	otel_u32 unannounced; /* the agent has come since then, and may not know the anchor */
};

/* Why something that a process handed over did not reach the ring. */
enum loss {
	LOSS_RING_FULL = 0,
	LOSS_UNREADABLE, /* the process's memory could not be read */
	LOSS_REFUSED,	 /* a size that no buffer has, or no room to know the process */
	LOSS_QUOTA,	 /* the process had its share of the ring */
	LOSSES,
};

/*
 * What was lost of one buffer's stream since the agent took the last such note, in the map `losses`.
 * The counts of the last header that was lost come with it: it may be the last there is.
 */
struct loss_key {
	struct process_id process;
	otel_u64 buffer_id; /* 0: of flushes that say none, or beyond what a process may have in the map */
};

#define LOSS_NOTES_MAX 16384

struct loss_note {
	otel_u64 flushes[LOSSES];
	otel_u64 bytes[LOSSES];
	otel_u64 spans[LOSSES]; /* started in these flushes, by their headers */
	/* Of the first lost flush. */
	otel_u64 position;
	otel_u64 started_before;
	/* Of the last one. */
	otel_u64 end; /* position of what comes behind it */
	otel_u64 started;
	otel_u64 not_sampled;
	otel_u64 dropped_starts;
};

#endif
