/* SPDX-License-Identifier: Apache-2.0 */
#include "detect.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "resource.h"
#include "target.h"

/* Reads at most @room - 1 bytes and ends them with NUL. Returns their number or a negative errno.
 */
static ssize_t read_file(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (size < room - 1 && (n = read(fd, text + size, room - 1 - size)) > 0)
		size += (size_t)n;
	if (n < 0)
		n = -errno;
	close(fd);
	text[size] = '\0';
	return n < 0 ? n : (ssize_t)size;
}

static ssize_t read_of(uint32_t pid, const char *name, char *text, size_t room)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	return read_file(path, text, room);
}

/* A string on the heap, or NULL. */
static char *link_of(uint32_t pid, const char *name)
{
	char path[64], target[PATH_MAX];
	ssize_t size;

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	size = readlink(path, target, sizeof(target) - 1);
	return size > 0 ? strndup(target, (size_t)size) : NULL;
}

/* Is it the process that started then, and not one that has its pid now? */
static int check_start(const struct process_id *id, struct target *out)
{
	uint64_t tick = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK), started, ours;

	if (target_read(id->pid, out))
		return -ESRCH;
	started = out->started * tick;
	ours = id->start_time / tick * tick;
	return started > ours + tick || ours > started + tick ? -ESRCH : 0;
}

/* 64 hexadecimal digits that stand alone: what container runtimes name the cgroup after. */
static void find_container(const char *text, char container[65])
{
	size_t run = 0;

	for (const char *p = text;; p++) {
		if (isdigit((unsigned char)*p) || (*p >= 'a' && *p <= 'f')) {
			run++;
			continue;
		}
		if (run == 64) {
			memcpy(container, p - 64, 64);
			container[64] = '\0';
		}
		if (!*p)
			return;
		/* Letters and '_' make it part of a longer word. */
		run = isalnum((unsigned char)*p) || *p == '_' ? 65 : 0;
	}
}

int detect_clock(uint32_t pid)
{
	char *theirs = link_of(pid, "ns/time"), *ours = link_of((uint32_t)getpid(), "ns/time");
	int result = -1;

	if (theirs && ours)
		result = !strcmp(theirs, ours);
	free(theirs);
	free(ours);
	return result;
}

int detect_process(const struct process_id *id, struct facts *out)
{
	uint32_t seen = target_in_proc(id->pid);
	char text[4096], *deleted;
	struct target target;
	int err;

	*out = (struct facts){0};
	err = check_start(id, &target);
	if (err)
		return err;
	out->parent_pid = target.parent;
	out->seen = true;
	out->executable = link_of(seen, "exe");
	deleted = out->executable ? strstr(out->executable, " (deleted)") : NULL;
	if (deleted && !deleted[strlen(" (deleted)")])
		*deleted = '\0';
	/*
	 * The only file here for which the kernel reads memory of the process. It takes none but
	 * anonymous pages for that (since 4.17), and no userfaultfd's: what is not there is left out,
	 * and never waited for.
	 */
	if (read_of(seen, "cmdline", text, sizeof(text)) > 0)
		out->command = strdup(text);
	if (read_of(id->pid, "cgroup", text, sizeof(text)) > 0)
		find_container(text, out->container);
	out->same_clock = detect_clock(seen) > 0;
	/* It may have ended, and the pid been given away, while we looked. */
	err = check_start(id, &target);
	if (err)
		facts_free(out);
	return err;
}

bool detect_alive(const struct process_id *id)
{
	struct target target;

	return !check_start(id, &target);
}

bool detect_ended(const struct process_id *id)
{
	struct target target;

	return targets_are_host_pids() && (check_start(id, &target) || target.ended);
}

int facts_copy(struct facts *to, const struct facts *from)
{
	*to = *from;
	to->executable = from->executable ? strdup(from->executable) : NULL;
	to->command = from->command ? strdup(from->command) : NULL;
	if ((from->executable && !to->executable) || (from->command && !to->command)) {
		facts_free(to);
		return -ENOMEM;
	}
	return 0;
}

void facts_free(struct facts *facts)
{
	free(facts->executable);
	free(facts->command);
	*facts = (struct facts){0};
}

/* ---- The host ------------------------------------------------------------------------------ */

static void put(struct attributes *set, const char *key, const char *value)
{
	if (*value)
		attributes_put_text(set, RESOURCE_TAG, key, value, strlen(value), 0);
}

/* As OpenTelemetry's conventions call what uname(2) calls otherwise. */
static const char *architecture(const char *machine)
{
	static const char *const names[][2] = {
		{"x86_64", "amd64"}, {"aarch64", "arm64"}, {"i686", "x86"},	 {"i386", "x86"},
		{"armv7l", "arm32"}, {"armv6l", "arm32"},  {"ppc64le", "ppc64"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(machine, names[i][0]))
			return names[i][1];
	return machine;
}

static void put_description(struct attributes *set)
{
	char text[4096], *p, *end;

	if (read_file("/etc/os-release", text, sizeof(text)) <= 0)
		return;
	p = !strncmp(text, "PRETTY_NAME=", 12) ? text : strstr(text, "\nPRETTY_NAME=");
	if (!p)
		return;
	p = strchr(p, '=') + 1;
	end = p + strcspn(p, "\n");
	if (end - p >= 2 && (*p == '"' || *p == '\'') && end[-1] == *p) {
		p++;
		end--;
	}
	*end = '\0';
	put(set, "os.description", p);
}

void detect_host(struct attributes *set)
{
	struct utsname name;
	char text[128];

	if (!uname(&name)) {
		put(set, "host.name", name.nodename);
		put(set, "host.arch", architecture(name.machine));
		put(set, "os.version", name.release);
	}
	if (read_file("/etc/machine-id", text, sizeof(text)) > 0) {
		text[strcspn(text, "\n")] = '\0';
		put(set, "host.id", text);
	}
	put(set, "os.type", "linux");
	put_description(set);
}

void detect_creation(uint64_t start_time, char text[32])
{
	struct timespec wall, boot;
	struct tm parts;
	int64_t at;
	time_t seconds;
	size_t size;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	at = (wall.tv_sec - boot.tv_sec) * INT64_C(1000) + (wall.tv_nsec - boot.tv_nsec) / 1000000 +
	     (int64_t)(start_time / 1000000);
	seconds = (time_t)(at / 1000);
	text[0] = '\0';
	if (at < 0 || !gmtime_r(&seconds, &parts))
		return;
	size = strftime(text, 24, "%Y-%m-%dT%H:%M:%S", &parts);
	if (size)
		snprintf(text + size, 32 - size, ".%03dZ", (int)(at % 1000));
}
