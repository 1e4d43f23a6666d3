/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that processes have mapped as code: open for as long as one of them does, also when the
 * processes are gone by the time that somebody asks what the files say.
 */
#ifndef OTEL_BPF_STACKS_FILES_H
#define OTEL_BPF_STACKS_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "discover.h"
#include "list.h"
#include "mounts.h"
#include "symbols.h"

#define FILES_BUCKETS 1024
#define FILES_MEMORY_MAX ((size_t)128 << 20) /* of symbols */

struct file {
	struct file *next_hash;
	struct list used; /* of those that are open: least recently used first */
	uint32_t major, minor;
	uint64_t inode;
	unsigned references; /* mappings */
	int fd;		     /* -1: not open */
	struct symbols *symbols;
	bool unreadable; /* its symbols */
	char name[];	 /* path, as the process knows it */
};

struct files {
	struct mounts *mounts;
	struct file *buckets[FILES_BUCKETS];
	struct list open;
	size_t n;
	size_t n_open;
	size_t memory; /* of symbols */
	uint64_t second; /* in which */
	size_t read;	 /* bytes of symbols were read */
};

/** @mounts must outlive @files, in which there is nothing to free once all is put back. */
void files_init(struct files *files, struct mounts *mounts);

/** What @mapping is of; NULL: no memory, or there are too many. For file_put(). */
struct file *file_get(struct files *files, const struct mapping *mapping);
void file_put(struct files *files, struct file *file);

/** Opens it if it is not; false: that cannot be done. */
bool file_reopen(struct files *files, struct file *file);

/**
 * Its symbols, which are read once, unless too much was read in this second: @now, CLOCK_MONOTONIC.
 * NULL: there are none, or not now. Valid until the next file is opened, or its symbols are asked for.
 */
const struct symbols *file_symbols(struct files *files, struct file *file, uint64_t now);

#endif
