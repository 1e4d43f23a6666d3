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
	bool pinned;
	size_t count;
	struct bpf_link *links[]; /* if not multi */
};

static int attach_multi(int program, const char *path, const uint64_t *offsets,
			const uint64_t *semaphores, const uint64_t *cookies, size_t count)
{
	struct multi_link link = {
		.program = (uint32_t)program,
		.attach_type = PROBE_MULTI_TYPE,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets,
		.semaphores = (uintptr_t)semaphores,
		.cookies = (uintptr_t)cookies,
		.count = (uint32_t)count,
	};
	long fd = syscall(__NR_bpf, BPF_LINK_CREATE, &link, sizeof(link));

	return fd < 0 ? -errno : (int)fd;
}

bool probe_multi_works(const struct bpf_program *program)
{
	const uint64_t offset = 0, semaphore = 0;

	/* Kernels that know the link go as far as to see that this is no file. */
	return attach_multi(bpf_program__fd(program), "/", &offset, &semaphore, NULL, 1) == -EBADF;
}

int probe_attach(struct bpf_program *program, int multi_fd, int fd, const uint64_t *offsets,
		 const uint64_t *semaphores, const uint64_t *cookies, size_t count, struct probe **out)
{
	struct probe *probe = calloc(1, sizeof(*probe) + count * sizeof(*probe->links));
	char path[64];
	int err = 0;

	if (!probe)
		return -ENOMEM;
	probe->multi_fd = -1;
	/* The file itself, whatever its name is by now, and in whatever mount namespace. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (multi_fd >= 0) {
		probe->multi_fd = attach_multi(multi_fd, path, offsets, semaphores, cookies, count);
		if (probe->multi_fd < 0)
			err = probe->multi_fd;
	}
	for (size_t i = 0; multi_fd < 0 && !err && i < count; i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, options,
			    .ref_ctr_offset = semaphores ? semaphores[i] : 0,
			    .bpf_cookie = cookies ? cookies[i] : 0);
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

static void name_of(const char *name, size_t number, char out[PIN_NAME_MAX])
{
	snprintf(out, PIN_NAME_MAX, "%s%zu", name, number);
}

int probe_pin(struct probe *probe, const struct pin *pin, const char *name)
{
	size_t n = probe->multi_fd >= 0 ? 1 : probe->count;
	char numbered[PIN_NAME_MAX];
	int err = 0;

	pin_remove_all(pin, name);
	for (size_t i = 0; i < n && !err; i++) {
		name_of(name, i, numbered);
		err = pin_put(pin, numbered,
			      probe->multi_fd >= 0 ? probe->multi_fd : bpf_link__fd(probe->links[i]));
	}
	if (err)
		pin_remove_all(pin, name);
	probe->pinned = !err;
	return err;
}

bool probe_is_pinned(const struct pin *pin, const char *name, size_t links)
{
	char numbered[PIN_NAME_MAX];

	/* They were pinned in this order. */
	name_of(name, links - 1, numbered);
	if (pin_has(pin, numbered))
		return true;
	pin_remove_all(pin, name);
	return false;
}

void probe_free(struct probe *probe)
{
	if (!probe)
		return;
	if (probe->multi_fd >= 0)
		close(probe->multi_fd);
	for (size_t i = 0; i < probe->count; i++) {
		/* libbpf would switch the event off, whoever else holds it. */
		if (probe->pinned)
			bpf_link__disconnect(probe->links[i]);
		bpf_link__destroy(probe->links[i]);
	}
	free(probe);
}
