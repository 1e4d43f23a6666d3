/* SPDX-License-Identifier: Apache-2.0 */
#include "pin.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define BPF_FS 0xcafe4a11

struct pin {
	char *path;
	int fd; /* of the directory, locked */
};

static bool is_bpf_fs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && (unsigned long)fs.f_type == BPF_FS;
}

/* Makes the directory if only that is missing. */
static int make(const char *path)
{
	char parent[PATH_MAX];

	if (snprintf(parent, sizeof(parent), "%s", path) >= (int)sizeof(parent))
		return -ENAMETOOLONG;
	if (!access(path, F_OK))
		return is_bpf_fs(path) ? 0 : -EMEDIUMTYPE;
	if (!is_bpf_fs(dirname(parent)))
		return -EMEDIUMTYPE;
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

/* Who was killed is not gone at once. */
#define WAIT_MS 1000
#define WAIT_STEP_MS 10

static int lock_soon(int fd)
{
	const struct timespec step = {.tv_nsec = WAIT_STEP_MS * 1000000};

	for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB); waited += WAIT_STEP_MS) {
		if (errno != EWOULDBLOCK)
			return -errno;
		if (waited >= WAIT_MS)
			return -EBUSY;
		nanosleep(&step, NULL);
	}
	return 0;
}

/* 0: it is ours; -EAGAIN: it was removed meanwhile. */
static int lock(struct pin *pin)
{
	struct stat locked, named;
	int err;

	pin->fd = open(pin->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (pin->fd < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	err = lock_soon(pin->fd);
	if (err)
		return err;
	if (fstat(pin->fd, &locked))
		return -errno;
	if (stat(pin->path, &named) || named.st_ino != locked.st_ino ||
	    named.st_dev != locked.st_dev) {
		close(pin->fd);
		pin->fd = -1;
		return -EAGAIN;
	}
	return 0;
}

static void explain(const char *path, int err)
{
	switch (err) {
	case -EMEDIUMTYPE:
		log_error("--pin: %s is not in a BPF file system; mount one: mount -t bpf bpf "
			  "/sys/fs/bpf",
			  path);
		break;
	case -EBUSY:
		log_error(
			"--pin: another otel-bpf uses %s: end it first, or take another directory",
			path);
		break;
	default:
		log_error("--pin: cannot use %s: %s%s", path, strerror(-err),
			  err == -EACCES || err == -EPERM ? "; run as root" : "");
	}
}

int pin_open(const char *path, struct pin **out)
{
	struct pin *pin = calloc(1, sizeof(*pin));
	int err = -ENOMEM;

	if (pin) {
		pin->fd = -1;
		pin->path = strdup(path);
	}
	if (pin && pin->path) {
		do {
			err = make(path);
			if (!err)
				err = lock(pin);
		} while (err == -EAGAIN);
	}
	if (!err) {
		*out = pin;
		return 0;
	}
	explain(path, err);
	if (pin && pin->fd >= 0)
		close(pin->fd);
	if (pin)
		free(pin->path);
	free(pin);
	return err;
}

void pin_close(struct pin *pin)
{
	if (!pin)
		return;
	rmdir(pin->path);
	close(pin->fd);
	free(pin->path);
	free(pin);
}

const char *pin_path(const struct pin *pin)
{
	return pin->path;
}

static void path_of(const struct pin *pin, const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", pin->path, name);
}

bool pin_has(const struct pin *pin, const char *name)
{
	return !faccessat(pin->fd, name, F_OK, 0);
}

int pin_put(const struct pin *pin, const char *name, int fd)
{
	char path[PATH_MAX];

	path_of(pin, name, path);
	return bpf_obj_pin(fd, path) ? -errno : 0;
}

int pin_get(const struct pin *pin, const char *name)
{
	char path[PATH_MAX];
	int fd;

	path_of(pin, name, path);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

/* Of an array that is made of pages. */
#define PAGE 4096u

int pin_put_bytes(const struct pin *pin, const char *name, struct bytes bytes)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	size_t pages = bytes.size / PAGE + 1;
	void *memory;
	int fd, err;

	if (pages > UINT32_MAX)
		return -EFBIG;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "otel_bytes", sizeof(uint32_t), PAGE,
			    (uint32_t)pages, &options);
	if (fd < 0)
		return -errno;
	memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	err = memory == MAP_FAILED ? -errno : 0;
	if (!err) {
		memcpy(memory, bytes.data, bytes.size);
		munmap(memory, pages * PAGE);
		pin_remove(pin, name);
		err = pin_put(pin, name, fd);
	}
	close(fd);
	return err;
}

int pin_get_bytes(const struct pin *pin, const char *name, struct blob *out)
{
	struct bpf_map_info info = {0};
	uint32_t info_size = sizeof(info);
	int fd = pin_get(pin, name), err;
	size_t size;
	void *memory;

	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, &info, &info_size) ? -errno : 0;
	if (!err && (info.type != BPF_MAP_TYPE_ARRAY || info.value_size != PAGE))
		err = -EBADMSG;
	size = (size_t)info.max_entries * PAGE;
	if (!err)
		err = blob_reserve(out, size);
	if (!err) {
		memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
		err = memory == MAP_FAILED ? -errno : 0;
	}
	if (!err) {
		(void)blob_append(out, memory, size);
		munmap(memory, size);
	}
	close(fd);
	return err;
}

int pin_memory(const struct pin *pin, const char *name, size_t size, void **out)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	struct bpf_map_info info = {0};
	uint32_t info_size = sizeof(info), pages = (uint32_t)((size + PAGE - 1) / PAGE);
	int fd = pin_get(pin, name), err = 0;
	bool fresh = fd == -ENOENT;

	if (fresh) {
		fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "otel_memory", sizeof(uint32_t), PAGE, pages, &options);
		fd = fd < 0 ? -errno : fd;
	}
	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, &info, &info_size) ? -errno : 0;
	if (!err && (info.type != BPF_MAP_TYPE_ARRAY || info.value_size != PAGE || info.max_entries != pages))
		err = -EBADMSG;
	if (!err)
		*out = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!err && *out == MAP_FAILED)
		err = -errno;
	if (!err && fresh) {
		err = pin_put(pin, name, fd);
		if (err)
			munmap(*out, size);
	}
	close(fd);
	return err;
}

void pin_memory_unmap(void *memory, size_t size)
{
	if (memory)
		munmap(memory, size);
}

void pin_remove(const struct pin *pin, const char *name)
{
	unlinkat(pin->fd, name, 0);
}

bool pin_each(const struct pin *pin, const char *prefix,
	      bool (*found)(void *self, const char *name), void *self)
{
	DIR *folder = opendir(pin->path);
	struct dirent *entry;
	bool done = false;

	if (!folder)
		return false;
	while (!done && (entry = readdir(folder)))
		if (entry->d_name[0] != '.' && !strncmp(entry->d_name, prefix, strlen(prefix)))
			done = found(self, entry->d_name);
	closedir(folder);
	return done;
}

struct removal {
	const struct pin *pin;
	bool any;
	int err;
};

static bool remove_one(void *self, const char *name)
{
	struct removal *removal = self;

	if (unlinkat(removal->pin->fd, name, 0))
		removal->err = -errno;
	else
		removal->any = true;
	return false;
}

int pin_remove_all(const struct pin *pin, const char *prefix)
{
	struct removal removal = {.pin = pin, .any = true};

	/* Again until nothing is left: a directory that changes may not show all of itself. */
	while (removal.any && !removal.err) {
		removal.any = false;
		pin_each(pin, prefix, remove_one, &removal);
	}
	return removal.err;
}
