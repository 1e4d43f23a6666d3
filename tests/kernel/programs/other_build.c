/* SPDX-License-Identifier: Apache-2.0 */
/* other_build MAP: writes over what is pinned there, as another build of otel-bpf might have. */
#include <linux/bpf.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static uint64_t value[512] = {42};
	union bpf_attr attr;
	uint32_t key = 0;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.pathname = (uintptr_t)argv[argc - 1];
	fd = syscall(__NR_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)fd;
	attr.key = (uintptr_t)&key;
	attr.value = (uintptr_t)value;
	return fd < 0 || syscall(__NR_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr)) ? 1 : 0;
}
