/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* bpf(2), BPF_LINK_CREATE: the part of union bpf_attr that kernel headers before 6.6 do not have. */
struct multi_link {
	uint32_t program;
	uint32_t target;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t semaphores;
	uint64_t cookies;
	uint32_t count;
	uint32_t multi_flags;
	uint32_t pid;
	uint32_t padding;
};

struct probe {
	int multi_fd;
	size_t count;
	struct bpf_link *links[]; /* if not multi */
};

static int attach_multi(const struct bpf_program *program, const char *path, const uint64_t *offsets,
			const uint64_t *semaphores, size_t count)
{
	struct multi_link link = {
		.program = (uint32_t)bpf_program__fd(program),
		.attach_type = PROBE_MULTI_TYPE,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets,
		.semaphores = (uintptr_t)semaphores,
		.count = (uint32_t)count,
	};
	long fd = syscall(__NR_bpf, BPF_LINK_CREATE, &link, sizeof(link));

	return fd < 0 ? -errno : (int)fd;
}

bool probe_multi_works(const struct bpf_program *program)
{
	const uint64_t offset = 0, semaphore = 0;

	/* Kernels that know the link go as far as to see that this is no file. */
	return attach_multi(program, "/", &offset, &semaphore, 1) == -EBADF;
}

int probe_attach(struct bpf_program *program, bool multi, int fd, const uint64_t *offsets,
		 const uint64_t *semaphores, size_t count, struct probe **out)
{
	struct probe *probe = calloc(1, sizeof(*probe) + count * sizeof(*probe->links));
	char path[64];
	int err = 0;

	if (!probe)
		return -ENOMEM;
	probe->multi_fd = -1;
	/* The file itself, whatever its name is by now, and in whatever mount namespace. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (multi) {
		probe->multi_fd = attach_multi(program, path, offsets, semaphores, count);
		if (probe->multi_fd < 0)
			err = probe->multi_fd;
	}
	for (size_t i = 0; !multi && !err && i < count; i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, options, .ref_ctr_offset = semaphores[i]);
		struct bpf_link *link =
			bpf_program__attach_uprobe_opts(program, -1, path, offsets[i], &options);

		if (link)
			probe->links[probe->count++] = link;
		else
			err = -errno;
	}
	if (err) {
		probe_free(probe);
		return err;
	}
	*out = probe;
	return 0;
}

void probe_free(struct probe *probe)
{
	if (!probe)
		return;
	if (probe->multi_fd >= 0)
		close(probe->multi_fd);
	for (size_t i = 0; i < probe->count; i++)
		bpf_link__destroy(probe->links[i]);
	free(probe);
}
