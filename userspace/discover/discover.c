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
#include <time.h>
#include <unistd.h>

#include "log.h"

#define RING_PAGES 16
#define MAX_RECORD 8192

/* One CPU's ring: perf events of a process tree need one each. */
struct cpu {
	int fd;
	struct perf_event_mmap_page *ring;
	uint64_t head; /* as far as we have looked */
};

struct discovery {
	discover_fn found;
	void *self;
	size_t page;
	uint64_t missed;
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

union record {
	struct perf_event_header header;
	char bytes[MAX_RECORD];
};

static int open_cpu(struct discovery *discovery, pid_t pid, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.mmap = 1,
		.mmap2 = 1,
		.inherit = pid >= 0,
		.exclude_kernel = 1,
		/* A number of events would count samples only: records like these wake nobody then. */
		.watermark = 1,
		.wakeup_watermark = 1,
		/* At the end of every record: when it was. */
		.sample_id_all = 1,
		.sample_type = PERF_SAMPLE_TIME,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
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

static void on_mapping(struct discovery *discovery, const struct mmap2 *record, uint64_t time)
{
	struct mapping mapping = {
		.pid = record->pid,
		.address = record->address,
		.length = record->length,
		.offset = record->offset,
		.time = time,
		.major = record->major,
		.minor = record->minor,
		.inode = record->inode,
		.name = record->filename,
		/* Others are "[vdso]" and "//anon". */
		.file = record->filename[0] == '/' && record->inode,
	};

	discovery->found(discovery->self, &mapping);
}

static uint64_t time_of(const union record *record)
{
	uint64_t time = 0;

	if (record->header.size >= sizeof(record->header) + sizeof(time))
		memcpy(&time, record->bytes + record->header.size - sizeof(time), sizeof(time));
	return time;
}

static void on_record(struct discovery *discovery, union record *record)
{
	const struct perf_event_header *header = &record->header;
	const char *body = (const char *)(header + 1);
	uint64_t time = time_of(record), lost[2]; /* id, how many */

	if (header->type == PERF_RECORD_MMAP2 &&
	    header->size > sizeof(*header) + sizeof(struct mmap2) + sizeof(time)) {
		record->bytes[header->size - sizeof(time)] = 0; /* the name ends before, whatever comes */
		on_mapping(discovery, (const struct mmap2 *)(const void *)body, time);
	} else if (header->type == PERF_RECORD_LOST && header->size >= sizeof(*header) + sizeof(lost)) {
		memcpy(lost, body, sizeof(lost));
		discovery->missed += lost[1];
	}
}

uint64_t discovery_missed(const struct discovery *discovery)
{
	return discovery->missed;
}

/* The next record of a CPU, which stays where it is. False: there is none. */
static bool peek(const struct discovery *discovery, struct cpu *cpu, union record *record)
{
	const char *data = (const char *)cpu->ring + discovery->page;
	size_t size = RING_PAGES * discovery->page, at, first;
	struct perf_event_header header;

	if (cpu->ring->data_tail >= cpu->head)
		return false;
	at = cpu->ring->data_tail % size;
	first = size - at;
	memcpy(&header, data + at, sizeof(header)); /* records are multiples of 8 bytes */
	if (header.size < sizeof(header) || header.size > MAX_RECORD) {
		__atomic_store_n(&cpu->ring->data_tail, cpu->head, __ATOMIC_RELEASE);
		return false;
	}
	if (first > header.size)
		first = header.size;
	memcpy(record->bytes, data + at, first);
	memcpy(record->bytes + first, data, header.size - first);
	return true;
}

/* The CPU whose next record is the oldest, and that record; NULL: there are no more. */
static struct cpu *oldest(struct discovery *discovery, union record *record)
{
	struct cpu *found = NULL;
	uint64_t time = 0;
	union record next;

	for (size_t i = 0; i < discovery->count; i++) {
		if (!peek(discovery, &discovery->cpus[i], &next))
			continue;
		if (found && time_of(&next) >= time)
			continue;
		found = &discovery->cpus[i];
		time = time_of(&next);
		memcpy(record, &next, next.header.size);
	}
	return found;
}

void discovery_read(struct discovery *discovery)
{
	struct cpu *cpu;
	union record record;

	for (size_t i = 0; i < discovery->count; i++)
		discovery->cpus[i].head = __atomic_load_n(&discovery->cpus[i].ring->data_head,
							  __ATOMIC_ACQUIRE);
	while ((cpu = oldest(discovery, &record))) {
		__atomic_store_n(&cpu->ring->data_tail, cpu->ring->data_tail + record.header.size,
				 __ATOMIC_RELEASE);
		on_record(discovery, &record);
	}
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
