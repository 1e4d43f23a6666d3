/* SPDX-License-Identifier: Apache-2.0 */
/* What the system says about a process and about the host, without asking the process. */
#ifndef OTEL_BPF_DETECT_H
#define OTEL_BPF_DETECT_H

#include <stdbool.h>

#include "../../bpf/event.h"
#include "attributes.h"

/* Of a process. Strings are on the heap; NULL: not known. */
struct facts {
	char *executable; /* path */
	char *command;	  /* argv[0] */
	char container[65];
	uint32_t parent_pid;
	bool same_clock; /* it is in our time namespace */
	bool seen;	 /* /proc knows it by the pid that the kernel's events have */
};

/** Asks /proc. -ESRCH: the process is gone, or its pid is another's by now. */
int detect_process(const struct process_id *id, struct facts *out);

/** Is @pid in our time namespace? 1: yes, 0: no, -1: nobody knows. */
int detect_clock(uint32_t pid);

/** Is it still there? */
bool detect_alive(const struct process_id *id);

/**
 * Has it ended for certain, with all of its threads? Only start_time and pid count. False, too, if
 * our /proc has other pids than the host.
 */
bool detect_ended(const struct process_id *id);

int facts_copy(struct facts *to, const struct facts *from);
void facts_free(struct facts *facts);

/** host.*, os.*: the same for all processes; fields 1 of a Resource. */
void detect_host(struct attributes *set);

/** When a process that started @start_time nanoseconds after boot did so:
 * "2026-01-02T03:04:05.678Z". */
void detect_creation(uint64_t start_time, char text[32]);

#endif
