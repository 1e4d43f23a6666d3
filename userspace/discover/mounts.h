/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens files that processes have mapped. On a file system whose answers come from a process of
 * somebody who is not trusted (FUSE), whoever opens or reads a file, or attaches to it, waits as
 * long as that process likes: files there are not touched. Found out without asking it: the kernel
 * itself knows what is mounted where.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_MOUNTS_H
#define OTEL_BPF_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "discover.h"

struct mounts;

/** Returns NULL and sets errno (ENOMEM). Free with mounts_free(). */
struct mounts *mounts_new(void);
void mounts_free(struct mounts *mounts);

/**
 * Opens the file of @mapping for reading, if it is a regular one: through the mapping itself, else
 * by its name in the process, else, with @inode, by its name here, if it is that one. Returns a
 * descriptor or a negative errno; -EREMOTE: it is on a file system that is not touched, which is
 * said once.
 */
int mounts_open(struct mounts *mounts, const struct mapping *mapping, bool here);

/** The same for a file that is known by its name alone: it must have this inode. */
int mounts_open_name(struct mounts *mounts, const char *name, uint64_t inode);

/* ---- What is below, for tests ---- */

/* A line of mountinfo, see proc(5). */
struct mount {
	uint64_t id;
	uint32_t major, minor;
	char where[256]; /* as it stands there, \040 for a blank; cut */
	char type[64];
	bool served;  /* FUSE, or an overlay, which may have that below it */
	int64_t user; /* who mounted it, as its own user namespace has it; -1: it does not say */
};

/**
 * Finds the mount @id, or, if that is 0, one of the device, in a list of which no more than @most
 * bytes are read; *@read: how many were. Returns 0; -ENOENT: it is not in the list; -E2BIG: nor in what was read.
 */
int mounts_find(FILE *list, size_t most, uint64_t id, uint32_t major, uint32_t minor,
		struct mount *out, size_t *read);

/** Is reading so much in such a time a reason to read less often? */
bool mounts_is_long(size_t read, uint64_t took_ns);

#endif
