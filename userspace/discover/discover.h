/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discovery: which files a process and its descendants have mapped as code. What is linked to the
 * command is found before it runs, what it starts or loads later while it does: the kernel reports
 * executable mappings of the process tree (perf events), so no file is missed, and nobody else on the
 * host pays for it.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_DISCOVER_H
#define OTEL_BPF_DISCOVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "launch.h"

/* A piece of a file was mapped as code: @offset of the file is at @address in process @pid. */
struct mapping {
	uint32_t pid;
	uint64_t address;
	uint64_t length;
	uint64_t offset;
	uint64_t time; /* when, on CLOCK_MONOTONIC */
	uint32_t major, minor;
	uint64_t inode;
	bool file;	  /* it is a file's: mounts_open() opens it, whatever its mount namespace */
	const char *name; /* as the process knows it */
};

typedef void (*discover_fn)(void *self, const struct mapping *mapping);

/**
 * Calls @found for the command's file, its script's interpreter and the libraries linked to it, by
 * asking its own dynamic loader; there are only names, which are paths here, and all numbers are 0.
 */
void discover_linked(const struct launch *launch, discover_fn found, void *self);

struct discovery;

/**
 * Watches @pid, which must have one thread, and all that it will fork; -1: everybody on the host. A
 * process that runs already has threads that come and go, each of which would need events of its own,
 * on every CPU, that its children inherit: what everybody maps as code costs less, and misses nothing.
 * Returns 0 or a negative errno.
 */
int discovery_new(pid_t pid, discover_fn found, void *self, struct discovery **out);

/** Adds its descriptors to an epoll instance, with @data. */
int discovery_poll(struct discovery *discovery, int epoll, uint64_t data);

/** Reports what has been mapped since the last call, in the order of time. */
void discovery_read(struct discovery *discovery);

/** How many mappings the kernel had no room to report, as far as it has told. */
uint64_t discovery_missed(const struct discovery *discovery);

/** NULL is allowed. */
void discovery_free(struct discovery *discovery);

#endif
