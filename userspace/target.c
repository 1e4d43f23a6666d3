/* SPDX-License-Identifier: Apache-2.0 */
#include "target.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/* The kernel's own: PROC_PID_INIT_INO, PF_KTHREAD. */
#define HOST_PIDS "pid:[4026531836]"
#define KERNEL_THREAD 0x00200000u

struct stat_line {
	struct target target;
	char state;
	long threads;
	unsigned flags;
};

/* Has the thread ended whose line it is? */
static bool is_gone(const struct stat_line *line)
{
	return line->state == 'Z' || line->state == 'X';
}

static int read_stat(uint32_t pid, struct stat_line *out)
{
	char text[1024], *end;
	unsigned long long started;
	ssize_t size;
	int fd;

	snprintf(text, sizeof(text), "/proc/%u/stat", pid);
	fd = open(text, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size <= 0)
		return -ESRCH;
	text[size] = '\0';
	/* The name may hold anything, a ')' as well: the last one ends it. */
	end = strrchr(text, ')');
	if (!end ||
	    sscanf(end + 1,
		   " %c %u %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
		   "%ld %*d %llu",
		   &out->state, &out->target.parent, &out->flags, &out->threads, &started) != 5)
		return -EPROTO;
	out->target.pid = pid;
	out->target.started = started;
	/* The main thread may end before others do. */
	out->target.ended = is_gone(out) && out->threads <= 1;
	return 0;
}

int target_read(uint32_t pid, struct target *out)
{
	struct stat_line line;
	int err = read_stat(pid, &line);

	if (!err)
		*out = line.target;
	return err;
}

uint32_t target_in_proc(uint32_t pid)
{
	struct stat_line line;
	uint32_t found = pid;
	struct dirent *entry;
	char path[64];
	DIR *folder;

	if (read_stat(pid, &line) || !is_gone(&line) || line.threads <= 1)
		return pid;
	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	folder = opendir(path);
	while (folder && found == pid && (entry = readdir(folder))) {
		uint32_t id = (uint32_t)strtoul(entry->d_name, NULL, 10);

		if (id && !read_stat(id, &line) && !is_gone(&line))
			found = id;
	}
	if (folder)
		closedir(folder);
	return found;
}

/* The process that thread @id belongs to; 0: nobody knows. */
static uint32_t process_of(uint32_t id)
{
	char path[64], line[256];
	uint32_t pid = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/status", id);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (!pid && fgets(line, sizeof(line), file))
		(void)sscanf(line, "Tgid: %u", &pid);
	fclose(file);
	return pid;
}

int target_check(uint32_t pid, struct target *out)
{
	struct stat_line line;
	uint32_t process;
	int err;

	if (pid == (uint32_t)getpid()) {
		log_error("process %u is otel-bpf itself", pid);
		return -EINVAL;
	}
	err = read_stat(pid, &line);
	process = err ? 0 : process_of(pid);
	if (err || !process) {
		log_error("there is no process %u; pids are those of the host, as ps shows them "
			  "outside of "
			  "containers",
			  pid);
		return -ESRCH;
	}
	if (process != pid) {
		log_error(
			"%u is a thread of process %u: give that, all of its threads are recorded",
			pid, process);
		return -EINVAL;
	}
	if (line.flags & KERNEL_THREAD) {
		log_error("process %u is a thread of the kernel: it has no spans", pid);
		return -EINVAL;
	}
	if (line.target.ended) {
		log_error("process %u has ended and waits for its parent to notice", pid);
		return -ESRCH;
	}
	*out = line.target;
	return 0;
}

bool target_alive(const struct target *target)
{
	struct target now;

	return !target_read(target->pid, &now) && now.started == target->started && !now.ended;
}

long targets_list(struct target **out)
{
	struct target *list = NULL;
	DIR *folder = opendir("/proc");
	size_t n = 0, room = 0;
	struct dirent *entry;

	if (!folder)
		return -errno;
	while ((entry = readdir(folder))) {
		uint32_t pid = (uint32_t)strtoul(entry->d_name, NULL, 10);
		struct target target;

		if (!isdigit((unsigned char)entry->d_name[0]) || pid == (uint32_t)getpid() ||
		    target_read(pid, &target) || target.ended)
			continue;
		if (n == room) {
			struct target *grown =
				realloc(list, (room = room ? 2 * room : 256) * sizeof(*list));

			if (!grown) {
				free(list);
				closedir(folder);
				return -ENOMEM;
			}
			list = grown;
		}
		list[n++] = target;
	}
	closedir(folder);
	*out = list;
	return (long)n;
}

bool targets_are_host_pids(void)
{
	char name[64];
	ssize_t size = readlink("/proc/self/ns/pid", name, sizeof(name) - 1);

	if (size < 0)
		return true; /* no such link: no such namespaces */
	name[size] = '\0';
	return !strcmp(name, HOST_PIDS);
}
