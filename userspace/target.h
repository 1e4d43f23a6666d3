/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that run already and shall be recorded: which pid is one, and who descends from it.
 * Pids are used again: every look tells, by when it started, whether it is still the same process.
 */
#ifndef OTEL_BPF_TARGET_H
#define OTEL_BPF_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct target {
	uint32_t pid;
	uint32_t parent;
	uint64_t started; /* clock ticks after boot */
	bool ended;	  /* and waits to be reaped */
};

/** The process, or thread, @pid. Returns 0, or a negative errno: it is not there. */
int target_read(uint32_t pid, struct target *out);

/**
 * Can @pid, as we see pids, be recorded? Returns 0, or a negative errno after saying why not: it is
 * not there, has ended, is a thread, the kernel's own, or ourselves.
 */
int target_check(uint32_t pid, struct target *out);

/**
 * The number below /proc where the memory, files and names of process @pid are seen: its own, but that of
 * another of its threads if the main thread has ended before them.
 */
uint32_t target_in_proc(uint32_t pid);

/** Is the same process still there, and not only waiting to be reaped? */
bool target_alive(const struct target *target);

/**
 * All processes that there are but ourselves, in no order. Returns how many, or a negative errno;
 * *@out is the caller's to free.
 */
long targets_list(struct target **out);

/** Do we see the pids that the kernel's programs see? Not inside of a container's pid namespace. */
bool targets_are_host_pids(void);

#endif
