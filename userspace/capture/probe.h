/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attaching a BPF program to offsets of a file, with the semaphores that go with them: by
 * uprobe_multi where the kernel has it (6.6), which needs no CAP_SYS_ADMIN and detaches at once, by
 * perf events elsewhere. libbpf 1.1 knows only the latter.
 */
#ifndef OTEL_BPF_PROBE_H
#define OTEL_BPF_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pin.h"

struct bpf_program;
struct probe;

/** To be given to bpf_program__set_expected_attach_type() of programs for uprobe_multi. */
#define PROBE_MULTI_TYPE 48

/**
 * Does this kernel attach @program, loaded for uprobe_multi, that way? Kernels before 6.6 load it, too:
 * they do not look at the attach type.
 */
bool probe_multi_works(const struct bpf_program *program);

/**
 * Attaches to @count places of the file behind @fd: offsets[i], with the semaphore at file offset
 * semaphores[i] and the cookie cookies[i]; both may be NULL. @multi_fd is the program if it was loaded for
 * uprobe_multi; -1: @program is, by perf events. Returns 0 or a negative errno.
 */
int probe_attach(struct bpf_program *program, int multi_fd, int fd, const uint64_t *offsets,
		 const uint64_t *semaphores, const uint64_t *cookies, size_t count, struct probe **out);

/**
 * Pins it: names are @name with a number behind. It stays attached then, whatever becomes of it here,
 * until what has these names is removed. Returns 0 or a negative errno: then nothing is pinned.
 */
int probe_pin(struct probe *probe, const struct pin *pin, const char *name);

/** Is one with @links links pinned as @name? One that is not whole is removed. */
bool probe_is_pinned(const struct pin *pin, const char *name, size_t links);

/** Detaches if it is not pinned: the kernel takes the semaphores back. NULL is allowed. */
void probe_free(struct probe *probe);

#endif
