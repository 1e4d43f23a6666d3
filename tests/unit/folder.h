/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of its own for a test. */
#ifndef OTEL_BPF_TESTS_FOLDER_H
#define OTEL_BPF_TESTS_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline int folder_remove_one(const char *path, const struct stat *is, int kind,
				    struct FTW *where)
{
	(void)is;
	(void)kind;
	(void)where;
	return remove(path);
}

static inline void folder_remove(const char *path)
{
	nftw(path, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Fills in @path, of 64 bytes. */
static inline void folder_make(char *path)
{
	const char *base = getenv("TMPDIR");

	snprintf(path, 64, "%.40s/otel-bpf-XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(path))
		abort();
}

#endif
