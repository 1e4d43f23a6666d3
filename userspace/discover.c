/* SPDX-License-Identifier: Apache-2.0 */
#include "discover.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

#define RING_PAGES 16
#define MAX_RECORD 8192

/* One CPU's ring: perf events of a process tree need one each. */
struct cpu {
	int fd;
	struct perf_event_mmap_page *ring;
};

struct discovery {
	discover_fn found;
	void *self;
	size_t page;
	size_t count;
	struct cpu cpus[];
};

/* The part of PERF_RECORD_MMAP2 behind its header. */
struct mmap2 {
	uint32_t pid, tid;
	uint64_t address, length, offset;
	uint32_t major, minor;
	uint64_t inode, generation;
	uint32_t protection, flags;
	char filename[];
};

static int open_cpu(struct discovery *discovery, pid_t pid, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.mmap = 1,
		.mmap2 = 1,
		.inherit = 1,
		.exclude_kernel = 1,
		/* A number of events would count samples only: records like these wake nobody then. */
		.watermark = 1,
		.wakeup_watermark = 1,
	};
	long fd = syscall(__NR_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	struct cpu *slot = &discovery->cpus[discovery->count];
	int err;

	if (fd < 0)
		return -errno;
	slot->ring = mmap(NULL, (RING_PAGES + 1) * discovery->page, PROT_READ | PROT_WRITE, MAP_SHARED,
			  (int)fd, 0);
	if (slot->ring == MAP_FAILED) {
		err = -errno;
		close((int)fd);
		return err;
	}
	slot->fd = (int)fd;
	discovery->count++;
	return 0;
}

int discovery_new(pid_t pid, discover_fn found, void *self, struct discovery **out)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct discovery *discovery =
		calloc(1, sizeof(*discovery) + (size_t)cpus * sizeof(*discovery->cpus));

	if (!discovery)
		return -ENOMEM;
	discovery->found = found;
	discovery->self = self;
	discovery->page = (size_t)sysconf(_SC_PAGESIZE);
	for (long cpu = 0; cpu < cpus; cpu++) {
		int err = open_cpu(discovery, pid, (int)cpu);

		if (err && err != -ENODEV) { /* ENODEV: this CPU is offline */
			discovery_free(discovery);
			return err;
		}
	}
	*out = discovery;
	return 0;
}

int discovery_poll(struct discovery *discovery, int epoll, uint64_t data)
{
	for (size_t i = 0; i < discovery->count; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u64 = data};

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, discovery->cpus[i].fd, &event))
			return -errno;
	}
	return 0;
}

static void on_mapping(struct discovery *discovery, const struct mmap2 *record)
{
	char path[4096 + 64];
	struct stat st;
	struct mapping mapping = {
		.pid = record->pid,
		.address = record->address,
		.offset = record->offset,
		.path = path,
		.name = record->filename,
	};

	if (record->filename[0] != '/')
		return; /* "[vdso]", "//anon" */
	/* The mapping's own link finds replaced and deleted files; it wants more privileges. */
	snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", record->pid,
		 (unsigned long long)record->address,
		 (unsigned long long)(record->address + record->length));
	if (access(path, R_OK))
		snprintf(path, sizeof(path), "/proc/%u/root%s", record->pid, record->filename);
	/* A process that lived for a moment only: the next one that runs the file may be no slower. */
	if (stat(path, &st) && !stat(record->filename, &st) && st.st_ino == record->inode)
		snprintf(path, sizeof(path), "%s", record->filename);
	discovery->found(discovery->self, &mapping);
}

static void on_record(struct discovery *discovery, const struct perf_event_header *header)
{
	const char *body = (const char *)(header + 1);

	if (header->type == PERF_RECORD_MMAP2 && header->size > sizeof(*header) + sizeof(struct mmap2))
		on_mapping(discovery, (const struct mmap2 *)(const void *)body);
	else if (header->type == PERF_RECORD_LOST)
		log_error("the kernel could not report all libraries that were loaded: "
			  "some may not be attached");
}

static void read_cpu(struct discovery *discovery, struct cpu *cpu)
{
	const char *data = (const char *)cpu->ring + discovery->page;
	size_t size = RING_PAGES * discovery->page;
	uint64_t head = __atomic_load_n(&cpu->ring->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = cpu->ring->data_tail;
	union {
		struct perf_event_header header;
		char bytes[MAX_RECORD];
	} record;

	while (tail < head) {
		struct perf_event_header header;
		size_t at = tail % size, first = size - at;

		memcpy(&header, data + at, sizeof(header)); /* records are multiples of 8 bytes */
		if (header.size < sizeof(header) || header.size > MAX_RECORD)
			break;
		if (first > header.size)
			first = header.size;
		memcpy(record.bytes, data + at, first);
		memcpy(record.bytes + first, data, header.size - first);
		record.bytes[MAX_RECORD - 1] = 0;
		on_record(discovery, &record.header);
		tail += header.size;
	}
	__atomic_store_n(&cpu->ring->data_tail, head, __ATOMIC_RELEASE);
}

void discovery_read(struct discovery *discovery)
{
	for (size_t i = 0; i < discovery->count; i++)
		read_cpu(discovery, &discovery->cpus[i]);
}

void discovery_free(struct discovery *discovery)
{
	if (!discovery)
		return;
	for (size_t i = 0; i < discovery->count; i++) {
		munmap(discovery->cpus[i].ring, (RING_PAGES + 1) * discovery->page);
		close(discovery->cpus[i].fd);
	}
	free(discovery);
}
