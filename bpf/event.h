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
	otel_u32 uid;
	otel_u64 time; /* CLOCK_MONOTONIC of the host */
};

struct event_fork {
	struct process_id parent;
};

struct event_exec {
	otel_u32 filename_size; /* without NUL */
	otel_u32 arguments_size; /* "arg\0arg\0", cut at EVENT_ARGUMENTS_MAX */
};

struct event_exit {
	otel_s32 status; /* as wait(2) has it */
};

#define EVENT_FILENAME_MAX 1024
#define EVENT_ARGUMENTS_MAX 4096

/* Why something that a process handed over did not reach the ring. */
enum loss {
	LOSS_RING_FULL = 0,
	LOSS_UNREADABLE, /* the process's memory could not be read */
	LOSS_REFUSED,	 /* a size that no buffer has, or no room to know the process */
	LOSSES,
};

/* Counted per process, in the map `losses`. */
struct loss_counts {
	otel_u64 flushes[LOSSES];
	otel_u64 bytes[LOSSES];
	otel_u64 spans[LOSSES]; /* started in these flushes, by their headers */
};

#endif
