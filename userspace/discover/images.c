/* SPDX-License-Identifier: Apache-2.0 */
#include "images.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "exceptions.h"
#include "list.h"
#include "log.h"
#include "maps.h"

/* Of more files those that were seen last are remembered; of those attached to, all that are
 * mapped. */
#define FILES_MAX 16384
#define ATTACHED_MAX 1024
#define OPEN_MAX_ 4096	/* then no more are attached to until some are gone; or with few descriptors: */
#define OPEN_FACTOR 8	/* so many for each file */
#define BUCKETS 1024

#define TICK_NS UINT64_C(1000000000)
#define TICK_FACTOR 20	    /* a twentieth of our time at most */
#define FOLLOWED_MAX 65536u /* as the kernel side has it */

/* As the kernel tells of mappings; 0: not known. */
struct seen_as {
	uint32_t major, minor;
	uint64_t inode;
};

/* A file may be written over in place, so its time and size tell, too. */
struct file {
	struct file *next;
	struct list used; /* those with a descriptor, and those without: seen longest ago first */
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
	struct seen_as seen_as;
	struct image image;
	int fd;			   /* -1: it is not attached to */
	uint32_t owner;		   /* who had it mapped first: a pid */
	struct attached *attached; /* NULL: it has no note of ours */
	int exceptions;		   /* exceptions_offer()'s */
	bool mapped;
	unsigned unmapped; /* in how many rounds nobody had it mapped */
};

struct images {
	struct capture *capture;
	struct mounts *mounts;
	struct exceptions *exceptions;
	struct file *buckets[BUCKETS];
	struct list open; /* files with a descriptor */
	struct list others;
	size_t count;
	size_t n_open;
	size_t most_open;
	size_t attached;   /* ever */
	double longest_ms; /* that attaching took */
	uint64_t refused;  /* offers of files that are not touched */
	uint64_t next_tick;
	bool full_logged;
};

static size_t most_open(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur / OPEN_FACTOR > OPEN_MAX_)
		return OPEN_MAX_;
	return limit.rlim_cur / OPEN_FACTOR;
}

struct images *images_new(struct capture *capture, struct mounts *mounts)
{
	struct images *images = calloc(1, sizeof(*images));

	if (!images)
		return NULL;
	images->most_open = most_open();
	images->capture = capture;
	images->mounts = mounts;
	list_init(&images->open);
	list_init(&images->others);
	images->exceptions = exceptions_new(capture);
	if (images->exceptions)
		return images;
	free(images);
	errno = ENOMEM;
	return NULL;
}

static struct file **bucket_of(struct images *images, dev_t device, ino_t inode)
{
	return &images->buckets[(inode ^ (inode >> 10) ^ device) % BUCKETS];
}

static void forget(struct images *images, struct file *file)
{
	struct file **at = bucket_of(images, file->device, file->inode);

	while (*at != file)
		at = &(*at)->next;
	*at = file->next;
	list_remove(&file->used);
	if (file->attached)
		capture_release(images->capture, file->attached);
	if (file->fd >= 0) {
		exceptions_forget(images->exceptions, &file->exceptions);
		close(file->fd);
		images->n_open--;
	}
	images->count--;
	free(file);
}

static void free_all(struct list *files)
{
	while (!list_empty(files)) {
		struct file *file = list_entry(files->next, struct file, used);

		list_remove(&file->used);
		if (file->fd >= 0)
			close(file->fd);
		free(file);
	}
}

void images_free(struct images *images)
{
	if (!images)
		return;
	/* What is pinned shall go on: the capture detaches from what is not. */
	free_all(&images->open);
	free_all(&images->others);
	exceptions_free(images->exceptions);
	free(images);
}

size_t images_attached(const struct images *images, double *longest_ms)
{
	if (longest_ms)
		*longest_ms = images->longest_ms;
	return images->attached;
}

uint64_t images_refused(const struct images *images)
{
	return images->refused;
}

static bool same(const struct file *file, const struct stat *st)
{
	return file->inode == st->st_ino && file->device == st->st_dev &&
	       file->size == st->st_size && file->modified.tv_sec == st->st_mtim.tv_sec &&
	       file->modified.tv_nsec == st->st_mtim.tv_nsec;
}

static struct attached *attach(struct images *images, int fd, const char *name, struct image *image)
{
	struct attached *attached;
	struct timespec begin, end;
	int ret = image_read(fd, image);
	double took;

	if (ret < 0)
		log_error("%s: its otel-bpf note makes no sense (%s): not attached; "
			  "was it changed after linking?",
			  name, strerror(-ret));
	if (ret <= 0)
		return NULL;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	if (capture_attach(images->capture, fd, name, image, &attached))
		return NULL;
	clock_gettime(CLOCK_MONOTONIC, &end);
	took = (double)(end.tv_sec - begin.tv_sec) * 1e3 +
	       (double)(end.tv_nsec - begin.tv_nsec) / 1e6;
	if (took > images->longest_ms)
		images->longest_ms = took;
	log_debug("attached to %s in %.1f ms", name, took);
	return attached;
}

/* Room for one more: of what is not attached to, the one that was seen longest ago goes. */
static bool make_room(struct images *images)
{
	if (images->count < FILES_MAX)
		return true;
	if (list_empty(&images->others))
		return false;
	forget(images, list_entry(images->others.next, struct file, used));
	return true;
}

static size_t owned(const struct images *images, uint32_t pid)
{
	size_t n = 0;

	for (const struct list *it = images->open.next; it != &images->open; it = it->next)
		n += list_entry(it, struct file, used)->owner == pid;
	return n;
}

/* Beyond half of what there is room for, nobody may have brought more than are left for all others. */
static bool is_full(struct images *images, uint32_t pid)
{
	size_t left = images->most_open > images->n_open ? images->most_open - images->n_open : 0;

	if (left && (!pid || left > images->most_open / 2 || owned(images, pid) <= left))
		return false;
	if (!images->full_logged)
		log_error("%zu files are attached to, and mapped: those of process %u will not be until some are not",
			  images->n_open, pid);
	images->full_logged = true;
	return true;
}

/* Takes over @fd if the file is attached to. NULL: no memory, or room. */
static struct file *add(struct images *images, int fd, const struct stat *st, const struct mapping *mapping)
{
	const char *name = mapping->name;
	struct file *file, **bucket;
	bool wanted;

	if (is_full(images, mapping->pid) || !make_room(images))
		return NULL;
	file = calloc(1, sizeof(*file));
	if (!file)
		return NULL;
	file->device = st->st_dev;
	file->inode = st->st_ino;
	file->size = st->st_size;
	file->modified = st->st_mtim;
	file->owner = mapping->pid;
	file->attached = attach(images, fd, name, &file->image);
	if (file->attached) {
		images->attached++;
		exceptions_wanted(images->exceptions);
	}
	wanted = exceptions_offer(images->exceptions, fd, name, &file->exceptions);
	file->fd = file->attached || wanted ? fd : -1;
	images->n_open += file->fd >= 0;
	bucket = bucket_of(images, st->st_dev, st->st_ino);
	file->next = *bucket;
	*bucket = file;
	list_add(file->fd >= 0 ? &images->open : &images->others, &file->used);
	images->count++;
	return file;
}

/* What has no pid is the operator's own command, by path. */
static int open_file(const struct images *images, const struct mapping *mapping)
{
	if (mapping->pid)
		return mounts_open(images->mounts, mapping, false);
	return open(mapping->name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

const struct image *images_offer(struct images *images, const struct mapping *mapping)
{
	int fd = open_file(images, mapping);
	struct file *file;
	struct stat st;

	images->refused += fd == -EREMOTE;
	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return NULL;
	}
	file = *bucket_of(images, st.st_dev, st.st_ino);
	while (file && !same(file, &st))
		file = file->next;
	if (file)
		list_move(file->fd >= 0 ? &images->open : &images->others, &file->used);
	else
		file = add(images, fd, &st, mapping);
	if (!file || file->fd != fd)
		close(fd);
	if (!file)
		return NULL;
	if (mapping->inode)
		file->seen_as = (struct seen_as){mapping->major, mapping->minor, mapping->inode};
	file->unmapped = 0;
	return file->attached ? &file->image : NULL;
}

/* ---- Letting go ---- */

/* One that could be let go: deleted, or one of very many. */
static bool is_candidate(const struct images *images, const struct file *file)
{
	struct stat st;

	return file->seen_as.inode &&
	       (images->n_open > ATTACHED_MAX || (!fstat(file->fd, &st) && !st.st_nlink));
}

static void on_mapped(void *self, const struct mapping *mapping)
{
	struct images *images = self;

	for (struct list *it = images->open.next; it != &images->open; it = it->next) {
		struct file *file = list_entry(it, struct file, used);

		if (file->seen_as.inode == mapping->inode &&
		    file->seen_as.major == mapping->major && file->seen_as.minor == mapping->minor)
			file->mapped = true;
	}
}

static void find_mapped(struct images *images)
{
	uint32_t *pids = malloc(FOLLOWED_MAX * sizeof(*pids));
	size_t n = pids ? capture_followed(images->capture, pids, FOLLOWED_MAX) : 0;

	for (struct list *it = images->open.next; it != &images->open; it = it->next)
		list_entry(it, struct file, used)->mapped = !pids;
	for (size_t i = 0; i < n; i++)
		(void)maps_read(pids[i], 0, on_mapped, images);
	free(pids);
}

void images_tick(struct images *images, uint64_t now)
{
	size_t candidates = 0;
	uint64_t took;

	if (now < images->next_tick)
		return;
	images->next_tick = now + TICK_NS;
	if (images->n_open < images->most_open / 2)
		images->full_logged = false;
	for (struct list *it = images->open.next; it != &images->open; it = it->next)
		candidates += is_candidate(images, list_entry(it, struct file, used));
	if (!candidates)
		return;
	find_mapped(images);
	for (struct list *it = images->open.next, *next; it != &images->open; it = next) {
		struct file *file = list_entry(it, struct file, used);

		next = it->next;
		if (file->mapped || !is_candidate(images, file))
			file->unmapped = 0;
		else if (++file->unmapped > 1) /* who starts now may be about to map it */
			forget(images, file);
	}
	took = clock_now() - now;
	if (took > TICK_NS / TICK_FACTOR)
		images->next_tick = now + TICK_FACTOR * took;
}
