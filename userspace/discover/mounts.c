/* SPDX-License-Identifier: Apache-2.0 */
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/nsfs.h>
#include <linux/stat.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "target.h"

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000u /* from Linux 6.8 on */
#endif

/* Of a list of mounts; a host has some hundred, of some 100 bytes each. */
#define OURS_MAX ((size_t)16 << 20)
#define THEIRS_MAX ((size_t)4 << 20)

/*
 * A namespace whose list takes longer to read is asked for a twentieth of the time. A short list that takes long is
 * none of these: then we had no processor for so long.
 */
#define LONG_NS UINT64_C(5000000)
#define LONG_BYTES ((size_t)64 << 10)
#define LONG_FACTOR 20
#define LONG_MAX_ 16 /* of so many that is remembered */

#define KNOWN_MAX 1024 /* mounts */
#define TOLD_MAX 64    /* file systems of which it is said; of others it is counted only */

/* A mount that may be touched, or a file system on a block device. */
struct known {
	uint64_t key;
	bool device;
};

struct slow {
	uint64_t namespace;
	uint64_t until;
};

struct mounts {
	dev_t memory; /* where files are that are in memory only, and in no list of mounts */
	struct known known[KNOWN_MAX];
	struct slow slow[LONG_MAX_];
	unsigned n_slow;
	uint64_t told[TOLD_MAX];
	unsigned n_told;
};

struct mounts *mounts_new(void)
{
	struct mounts *mounts = calloc(1, sizeof(*mounts));
	struct stat st;
	int fd;

	if (!mounts)
		return NULL;
	fd = memfd_create("otel-bpf", MFD_CLOEXEC);
	if (fd >= 0 && !fstat(fd, &st))
		mounts->memory = st.st_dev;
	if (fd >= 0)
		close(fd);
	return mounts;
}

void mounts_free(struct mounts *mounts)
{
	free(mounts);
}

/* ---- Lists of mounts ---- */

static bool is_fuse(const char *type)
{
	return !strcmp(type, "fuse") || !strncmp(type, "fuse.", 5) || !strcmp(type, "fuseblk") ||
	       !strncmp(type, "fuseblk.", 8);
}

/* The value of an option of that name among "rw,user_id=0,..."; -1: there is none. */
static int64_t option(const char *options, const char *name)
{
	size_t size = strlen(name);

	while (*options) {
		if (!strncmp(options, name, size) && options[size] == '=')
			return strtoll(options + size + 1, NULL, 10);
		options += strcspn(options, ",");
		options += *options == ',';
	}
	return -1;
}

/*
 * 36 35 98:0 /root /where options [more...] - type source options
 *
 * Blanks and newlines in names are written as \040 and \012.
 */
static bool parse(char *line, uint64_t id, uint32_t major, uint32_t minor, struct mount *out)
{
	char *word = NULL, *type, *options;
	char *fields[6];

	line[strcspn(line, "\n")] = '\0';
	for (size_t i = 0; i < 6; i++)
		fields[i] = strsep(&line, " ");
	if (!line)
		return false;
	if (sscanf(fields[0], "%" SCNu64, &out->id) != 1 ||
	    sscanf(fields[2], "%" SCNu32 ":%" SCNu32, &out->major, &out->minor) != 2)
		return false;
	if (id ? out->id != id : out->major != major || out->minor != minor)
		return false;
	while (line && strcmp(word = strsep(&line, " "), "-") != 0)
		;
	type = strsep(&line, " ");
	(void)strsep(&line, " "); /* it may be empty */
	options = strsep(&line, " ");
	if (!type || strcmp(word, "-") != 0)
		return false;
	snprintf(out->where, sizeof(out->where), "%s", fields[4]);
	snprintf(out->type, sizeof(out->type), "%s", type);
	out->served = is_fuse(type) || !strcmp(type, "overlay");
	out->user = options ? option(options, "user_id") : -1;
	return true;
}

int mounts_find(FILE *list, size_t most, uint64_t id, uint32_t major, uint32_t minor,
		struct mount *out, size_t *read)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t size;
	int err = -ENOENT;

	*read = 0;
	while (err == -ENOENT && (size = getline(&line, &room, list)) > 0) {
		*read += (size_t)size;
		if (parse(line, id, major, minor, out))
			err = 0;
		else if (*read > most)
			err = -E2BIG;
	}
	free(line);
	return err;
}

bool mounts_is_long(size_t read, uint64_t took_ns)
{
	return read > LONG_BYTES && took_ns > LONG_NS;
}

/* By @id if it is not 0, else by device. @process: "self", or a pid. */
static int find_in(const char *process, size_t most, uint64_t id, uint32_t major, uint32_t minor,
		   struct mount *out, size_t *read)
{
	char path[64];
	FILE *list;
	int err;

	snprintf(path, sizeof(path), "/proc/%s/mountinfo", process);
	list = fopen(path, "re");
	if (!list)
		return -errno;
	err = mounts_find(list, most, id, major, minor, out, read);
	fclose(list);
	return err;
}

static int find_ours(uint64_t id, uint32_t major, uint32_t minor, struct mount *out)
{
	size_t read = 0;

	return find_in("self", OURS_MAX, id, major, minor, out, &read);
}

/* ---- Namespaces ---- */

static uint64_t mount_namespace(uint32_t pid)
{
	char path[64], name[64];
	ssize_t size;
	uint64_t number = 0;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/ns/mnt", pid);
	size = readlink(path, name, sizeof(name) - 1);
	if (size <= 0)
		return 0;
	name[size] = '\0';
	(void)sscanf(name, "mnt:[%" SCNu64 "]", &number);
	return number;
}

/*
 * Did only somebody mount there who may do so where we are, or we ourselves? In a user namespace
 * that root has made, too, others may be root.
 */
static bool is_namespace_ours(uint32_t pid)
{
	struct stat theirs, ours;
	bool is_ours = false;
	uid_t owner;
	char path[64];
	int fd, user;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/ns/mnt", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	user = ioctl(fd, NS_GET_USERNS);
	close(fd);
	if (user < 0)
		return false;
	if (!fstat(user, &theirs) && !stat("/proc/self/ns/user", &ours))
		is_ours = theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
	if (!is_ours && geteuid() && !ioctl(user, NS_GET_OWNER_UID, &owner))
		is_ours = owner == geteuid();
	close(user);
	return is_ours;
}

static bool is_slow(const struct mounts *mounts, uint64_t namespace, uint64_t now)
{
	for (unsigned i = 0; i < LONG_MAX_; i++)
		if (mounts->slow[i].namespace == namespace && now < mounts->slow[i].until)
			return true;
	return false;
}

/* In the list of the process, within limits; a user can have very many mounts. */
static int find_theirs(struct mounts *mounts, uint32_t pid, uint64_t id, uint32_t major,
		       uint32_t minor, struct mount *out)
{
	uint64_t namespace = mount_namespace(pid), began = clock_now(), took;
	size_t read = 0;
	char process[16];
	int err;

	if (namespace && is_slow(mounts, namespace, began))
		return -EAGAIN;
	snprintf(process, sizeof(process), "%" PRIu32, pid);
	err = find_in(process, THEIRS_MAX, id, major, minor, out, &read);
	took = clock_now() - began;
	if (mounts_is_long(read, took))
		mounts->slow[mounts->n_slow++ % LONG_MAX_] =
			(struct slow){namespace, began + (LONG_FACTOR + 1) * took};
	return err;
}

/* ---- What may be touched ---- */

static void tell(struct mounts *mounts, const struct mount *mount, const char *path)
{
	uint64_t device = makedev(mount->major, mount->minor);
	char name[256];
	char who[64] = "in a user namespace";

	for (unsigned i = 0; i < mounts->n_told; i++)
		if (mounts->told[i] == device)
			return;
	if (mounts->n_told == TOLD_MAX)
		return;
	mounts->told[mounts->n_told++] = device;
	snprintf(name, sizeof(name), "%s", path);
	for (char *p = name; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	if (!*mount->type) {
		log_error("%s is not attached to: nobody knows what file system it is on, and "
			  "whoever "
			  "serves that could hang the agent; to be recorded, it must be on one "
			  "that is mounted",
			  name);
		return;
	}
	if (mount->user > 0)
		snprintf(who, sizeof(who), "by user %" PRId64, mount->user);
	log_error("%s is not attached to: it is on a file system (%s, at %s) mounted %s, and "
		  "whoever serves "
		  "that could hang the agent; to be recorded, it must be on another, or root must "
		  "mount it",
		  name, mount->type, mount->where, who);
}

/* The id of the mount that an O_PATH descriptor is on; asks the kernel alone. 0: not known. */
static uint64_t mount_id(int fd)
{
	char path[64], line[256];
	uint64_t id = 0;
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "re");
	while (info && fgets(line, sizeof(line), info) &&
	       sscanf(line, "mnt_id: %" SCNu64, &id) != 1)
		;
	if (info)
		fclose(info);
	return id;
}

static bool is_users(const struct mount *mount)
{
	return is_fuse(mount->type) && mount->user && mount->user != (int64_t)geteuid();
}

/* -EREMOTE: it is not to be touched; -EAGAIN: that cannot be found out now. */
static int judge(struct mounts *mounts, uint32_t pid, int fd, uint32_t major, uint32_t minor,
		 struct mount *mount)
{
	uint64_t id = mount_id(fd);
	struct mount ours;
	int err = id && pid ? find_theirs(mounts, pid, id, 0, 0, mount) : -ENOENT;

	if (err == -EAGAIN)
		return err;
	if (err && id)
		err = find_ours(id, 0, 0, mount);
	/* Not in the list are what a process has left by chroot(2), and what nobody has mounted any
	 * more. */
	if (err)
		err = find_ours(0, major, minor, mount);
	if (err && pid)
		err = find_theirs(mounts, pid, 0, major, minor, mount);
	if (err && mounts->memory && makedev(major, minor) == mounts->memory)
		return 0;
	if (err) {
		*mount = (struct mount){.major = major, .minor = minor};
		return err == -EAGAIN ? err : -EREMOTE;
	}
	if (!mount->served)
		return 0;
	if (is_users(mount))
		return -EREMOTE;
	if (!pid || is_namespace_ours(pid))
		return 0;
	/* What we see, too, was not mounted in there. */
	if (find_ours(0, mount->major, mount->minor, &ours) || is_users(&ours))
		return -EREMOTE;
	return 0;
}

/* The place of what is known; NULL: it would not stay true. */
static struct known *known(struct mounts *mounts, const struct statx *st, uint64_t *key)
{
	bool device = !(st->stx_mask & STATX_MNT_ID_UNIQUE);

	/* Numbers that are given away again are of no use, those of block devices aside. */
	*key = device ? makedev(st->stx_dev_major, st->stx_dev_minor) : st->stx_mnt_id;
	if (device && !st->stx_dev_major)
		return NULL;
	return &mounts->known[(*key ^ *key >> 10) % KNOWN_MAX];
}

/*
 * May what @fd, an O_PATH descriptor, stands for be touched? Returns its type (S_IFMT) or a
 * negative errno. Neither opening for O_PATH nor this asks who serves it.
 */
static int check(struct mounts *mounts, uint32_t pid, int fd, const char *name)
{
	struct statx st = {0};
	struct known *known_ = NULL;
	struct mount mount = {0};
	uint64_t key = 0;
	int err;

	/* Of what a user has mounted for nobody else, root cannot know even that. */
	if (!statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_MNT_ID_UNIQUE,
		   &st))
		known_ = known(mounts, &st, &key);
	if (known_ && known_->key == key && known_->device == !(st.stx_mask & STATX_MNT_ID_UNIQUE))
		return st.stx_mode & S_IFMT;
	err = judge(mounts, pid, fd, st.stx_dev_major, st.stx_dev_minor, &mount);
	if (err == -EREMOTE)
		tell(mounts, &mount, name);
	if (err)
		return -EREMOTE;
	if (known_)
		*known_ = (struct known){key, !(st.stx_mask & STATX_MNT_ID_UNIQUE)};
	return st.stx_mode & S_IFMT;
}

/* ---- Opening ---- */

/*
 * The file of this name below @at, which it takes over, as O_PATH. Goes a step at a time: a folder,
 * too, may be on a file system that is not touched. Names that the kernel has told have no links in
 * them.
 */
static int walk(struct mounts *mounts, uint32_t pid, int at, const char *name)
{
	char part[256];

	for (const char *p = name + strspn(name, "/"); *p && at >= 0; p += strspn(p, "/")) {
		size_t size = strcspn(p, "/");
		int type = check(mounts, pid, at, name), next = -ENOENT;

		if (type < 0)
			next = type;
		else if (type == S_IFDIR && size < sizeof(part)) {
			memcpy(part, p, size);
			part[size] = '\0';
			next = openat(at, part, O_PATH | O_NOFOLLOW | O_CLOEXEC);
			next = next < 0 ? -errno : next;
		}
		close(at);
		at = next;
		p += size;
	}
	return at;
}

static int open_folder(const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Opens for reading what an O_PATH descriptor stands for, and takes that over. */
static int reopen(struct mounts *mounts, uint32_t pid, int at, const char *name)
{
	int type = at < 0 ? at : check(mounts, pid, at, name), fd = type < 0 ? type : -EINVAL;
	char path[64];

	if (type == S_IFREG) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", at);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		fd = fd < 0 ? -errno : fd;
	}
	if (at >= 0)
		close(at);
	return fd;
}

int mounts_open_name(struct mounts *mounts, const char *name, uint64_t inode)
{
	int fd = reopen(mounts, 0, walk(mounts, 0, open_folder("/"), name), name);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) || st.st_ino != inode)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

int mounts_open(struct mounts *mounts, const struct mapping *mapping, bool here)
{
	uint32_t pid = target_in_proc(mapping->pid);
	char path[128];
	int fd;

	/* The mapping's own link finds replaced and deleted files; it wants more privileges. */
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/map_files/%" PRIx64 "-%" PRIx64,
		 pid, mapping->address, mapping->address + mapping->length);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0) {
		snprintf(path, sizeof(path), "/proc/%" PRIu32 "/root", pid);
		fd = walk(mounts, pid, open_folder(path), mapping->name);
	}
	fd = reopen(mounts, pid, fd, mapping->name);
	/* The process may be gone. */
	if (fd < 0 && fd != -EREMOTE && here)
		fd = mounts_open_name(mounts, mapping->name, mapping->inode);
	return fd;
}
