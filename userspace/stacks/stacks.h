/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stack traces: return addresses of a process into text, also when the process is gone by now. For
 * that it is remembered what every followed process has mapped as code, and since when, and the
 * files are kept open as long as one of them does.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_STACKS_H
#define OTEL_BPF_STACKS_H

#include <stddef.h>
#include <stdint.h>

#include "../../bpf/event.h"
#include "blob.h"
#include "discover.h"
#include "mounts.h"

struct stacks;

/** Returns NULL and sets errno (ENOMEM). Free with stacks_free(), before @mounts. */
struct stacks *stacks_new(struct mounts *mounts);
void stacks_free(struct stacks *stacks);

/** To be given every mapping of a process, in the order of time; none but new ones are looked at. */
void stacks_map(struct stacks *stacks, const struct mapping *mapping);

/** To be given every event of the ring. At a FORK and an EXIT the mappings of before must have been
 * given. */
void stacks_event(struct stacks *stacks, const struct event *event);

/** To be called now and then: forgets who has ended. @now: CLOCK_MONOTONIC. */
void stacks_tick(struct stacks *stacks, uint64_t now);

/**
 * Appends a line for each of the return addresses (u64 each, innermost first) that @process had on
 * its stack when it said so at @at (CLOCK_MONOTONIC):
 *
 *     at heat+0x1c (libkitchen.so+0x1234)
 *     at ?? (libkitchen.so+0x1234)
 *     at ?? (libkitchen.so+0x1234, not read)
 *     at ?? (0x7f0123456789)
 *     ... 12 more
 *
 * The second number is the address in the file's own view, as addr2line takes it; of a file
 * that was not read, since it could not be opened, or others had to be read, its offset. What is too
 * much for a text is left out, and said. The functions of
 * otel/trace.h that are innermost are left out.
 */
void stacks_describe(struct stacks *stacks, const struct process_id *process, uint64_t at,
		     struct bytes addresses, struct blob *text);

/**
 * The text, with its NUL, that @process has at @address among the read-only data of a file that it has
 * mapped as code, too. Read from the file: memory of a process may never come. Returns 0 or -ENOENT.
 */
int stacks_text(struct stacks *stacks, const struct process_id *process, uint64_t at, uint64_t address,
		char *text, size_t room);

#endif
