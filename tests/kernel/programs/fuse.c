/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuse FILE FOLDER USER HOW: mounts a FUSE file system with nothing but FILE in it on FOLDER, as user
 * USER would ("own": in a user namespace of its own), and serves it. HOW is
 *
 *     run      executes it from there, without arguments: it is this program, then
 *     hang     maps it as code, and from then on answers nothing
 *     gone     the same, when it is mounted nowhere any more
 *     overlay  the same through an overlay above it
 *     words    has part of its command line in there
 *     fault    has it in memory that a userfaultfd brings, which it does not
 *
 * Beside all but the first a child makes spans.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/userfaultfd.h>
#include <otel/trace.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME "served"
#define ID 2 /* its inode; the folder's is 1 */

static otel_tracer tracer = OTEL_TRACER("fuse", "1");

static volatile int *hanging; /* shared with the server */

static void fail(const char *what)
{
	perror(what);
	exit(3);
}

/* ---- The server ---- */

static void answer(int fuse, const struct fuse_in_header *to, int error, const void *data, size_t size)
{
	struct fuse_out_header head = {(uint32_t)(sizeof(head) + size), -error, to->unique};
	struct iovec parts[2] = {{&head, sizeof(head)}, {(void *)(uintptr_t)data, size}};

	if (writev(fuse, parts, size ? 2 : 1) < 0 && errno != ENOENT)
		_exit(3);
}

static struct fuse_attr attributes(uint64_t id, size_t size)
{
	struct fuse_attr it = {.ino = id, .nlink = 1, .blksize = 4096, .mode = S_IFDIR | 0755};

	if (id == ID) {
		it.mode = S_IFREG | 0755;
		it.size = size;
		it.blocks = (size + 511) / 512;
	}
	return it;
}

static void serve_one(int fuse, const struct fuse_in_header *it, const char *file, size_t size)
{
	const void *body = it + 1;

	switch (it->opcode) {
	case FUSE_INIT: {
		struct fuse_init_out out = {.major = 7, .minor = 31, .max_write = 65536, .time_gran = 1};

		answer(fuse, it, 0, &out, sizeof(out));
		return;
	}
	case FUSE_LOOKUP: {
		struct fuse_entry_out out = {.nodeid = ID, .entry_valid = 3600, .attr_valid = 1};

		out.attr = attributes(ID, size);
		answer(fuse, it, strcmp((const char *)body, NAME) ? ENOENT : 0, &out,
		       strcmp((const char *)body, NAME) ? 0 : sizeof(out));
		return;
	}
	case FUSE_GETATTR: {
		struct fuse_attr_out out = {.attr_valid = 1};

		out.attr = attributes(it->nodeid, size);
		answer(fuse, it, 0, &out, sizeof(out));
		return;
	}
	case FUSE_OPEN:
	case FUSE_OPENDIR: {
		struct fuse_open_out out = {.fh = 1};

		answer(fuse, it, 0, &out, sizeof(out));
		return;
	}
	case FUSE_READ: {
		const struct fuse_read_in *in = (const struct fuse_read_in *)body;
		size_t at = in->offset < size ? in->offset : size;
		size_t n = size - at < in->size ? size - at : in->size;

		answer(fuse, it, 0, file + at, n);
		return;
	}
	case FUSE_STATFS: {
		struct fuse_statfs_out out = {.st = {.bsize = 4096, .namelen = 255, .frsize = 4096}};

		answer(fuse, it, 0, &out, sizeof(out));
		return;
	}
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_FLUSH:
		answer(fuse, it, 0, NULL, 0);
		return;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	default:
		answer(fuse, it, ENOSYS, NULL, 0);
	}
}

static void serve(int fuse, const char *file, size_t size)
{
	static _Alignas(8) char request[65536 + 4096];
	ssize_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(30); /* an agent that does wait could not even be killed */
	while ((n = read(fuse, request, sizeof(request))) > 0 || errno == EINTR || errno == ENOENT) {
		while (*hanging)
			pause();
		if (n > 0)
			serve_one(fuse, (const struct fuse_in_header *)(const void *)request, file, size);
	}
	_exit(0);
}

/* ---- Who has it mounted ---- */

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail(path);
	close(fd);
}

static void become_own(void)
{
	if (unshare(CLONE_NEWUSER))
		fail("unshare");
	put("/proc/self/setgroups", "deny");
	put("/proc/self/uid_map", "0 0 1");
	put("/proc/self/gid_map", "0 0 1");
}

static void mount_it(const char *folder, const char *user, const char *file, size_t size)
{
	char options[128];
	int fuse;

	if (!strcmp(user, "own"))
		become_own();
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		fail("unshare");
	fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fuse < 0)
		fail("/dev/fuse");
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%d,group_id=0,allow_other", fuse,
		 atoi(user));
	if (mount("a name", folder, "fuse.hanging", 0, options))
		fail(folder);
	if (!fork())
		serve(fuse, file, size);
	close(fuse);
}

static void ordinary(const char *name, int count)
{
	for (int i = 0; i < count; i++) {
		OTEL_SPAN(span, &tracer, name, otel_int("i", i));
	}
}

static void mount_overlay(const char *folder)
{
	char options[4200];

	snprintf(options, sizeof(options), "lowerdir=%s:/var/empty", folder);
	if (mount("overlay", "/mnt", "overlay", 0, options)) {
		snprintf(options, sizeof(options), "lowerdir=%s:/usr/share/doc", folder);
		if (mount("overlay", "/mnt", "overlay", 0, options))
			fail("overlay");
	}
}

/* What is executed from there: goes on until it is recorded, for a second at most. */
static int recorded(void)
{
	for (int i = 0; i < 100; i++) {
		OTEL_SPAN(span, &tracer, "served");

		if (otel_is_recording(span))
			return 0;
		usleep(10000);
	}
	return 0;
}

static void never_bring(char *page, size_t size)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {.range = {(uint64_t)page, size}, .mode = UFFDIO_REGISTER_MODE_MISSING};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (mmap(page, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		    MAP_FAILED ||
	    fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range))
		fail("userfaultfd");
}

/* Whole pages of what was given to it at its start, in the first that anybody reads of that. */
static void map_words(char **argv, int fd)
{
	static char many[32768];
	char *args[] = {argv[0], argv[1], argv[2], argv[3], argv[4], many, NULL};
	char *page = (char *)(((uintptr_t)argv[4] + strlen(argv[4]) + 4096) & ~(uintptr_t)4095);

	if (!argv[5]) {
		memset(many, 'x', sizeof(many) - 1);
		execv("/proc/self/exe", args);
		fail("exec");
	}
	if (!strcmp(argv[4], "fault")) {
		never_bring(page, 16384);
		return;
	}
	if (mmap(page, 16384, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED)
		fail("mmap");
}

int main(int argc, char **argv)
{
	char path[4200];
	struct stat st;
	char *file;
	int fd;

	if (argc == 1)
		return recorded();
	if (argc == 5 && (!strcmp(argv[4], "words") || !strcmp(argv[4], "fault")))
		map_words(argv, -1);
	if (argc < 5)
		return 2;
	hanging = (volatile int *)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		fail(argv[1]);
	/* Shared: breakpoints of probes are none of the file's. */
	file = (char *)mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	mount_it(argv[2], argv[3], file, (size_t)st.st_size);
	snprintf(path, sizeof(path), "%s/%s", argv[2], NAME);
	if (!strcmp(argv[4], "run")) {
		execl(path, path, (char *)NULL);
		fail(path);
	}
	if (!strcmp(argv[4], "overlay")) {
		mount_overlay(argv[2]);
		snprintf(path, sizeof(path), "/mnt/%s", NAME);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail(path);
	if (!strcmp(argv[4], "gone") && umount2(argv[2], MNT_DETACH))
		fail("umount");
	ordinary("before", 1);
	*hanging = 1;
	if (argc == 6)
		map_words(argv, fd);
	else if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
		fail("mmap");
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0;; i++) {
			ordinary("beside", 1);
			usleep(10000);
		}
	}
	printf("ready\n");
	fflush(stdout);
	for (;;)
		pause();
}
