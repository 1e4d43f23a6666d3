/* SPDX-License-Identifier: Apache-2.0 */
#include "images.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "exceptions.h"
#include "log.h"

/* More files than that are not remembered, only read again each time. */
#define MAX_FILES 65536
#define BUCKETS 1024

/* A file may be written over in place, so its time and size tell, too. */
struct file {
	struct file *next;
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
	struct image image;
	bool attached;
};

struct images {
	struct capture *capture;
	struct exceptions *exceptions;
	struct file *buckets[BUCKETS];
	size_t count;
	size_t attached;
	double longest_ms; /* that attaching took */
};

struct images *images_new(struct capture *capture)
{
	struct images *images = calloc(1, sizeof(*images));

	if (!images)
		return NULL;
	images->capture = capture;
	images->exceptions = exceptions_new(capture);
	if (images->exceptions)
		return images;
	free(images);
	errno = ENOMEM;
	return NULL;
}

void images_free(struct images *images)
{
	for (size_t i = 0; images && i < BUCKETS; i++)
		while (images->buckets[i]) {
			struct file *file = images->buckets[i];

			images->buckets[i] = file->next;
			free(file);
		}
	if (images)
		exceptions_free(images->exceptions);
	free(images);
}

size_t images_attached(const struct images *images, double *longest_ms)
{
	if (longest_ms)
		*longest_ms = images->longest_ms;
	return images->attached;
}

static struct file **bucket_of(struct images *images, const struct stat *st)
{
	return &images->buckets[(st->st_ino ^ (st->st_ino >> 10) ^ st->st_dev) % BUCKETS];
}

static bool same(const struct file *file, const struct stat *st)
{
	return file->inode == st->st_ino && file->device == st->st_dev && file->size == st->st_size &&
	       file->modified.tv_sec == st->st_mtim.tv_sec &&
	       file->modified.tv_nsec == st->st_mtim.tv_nsec;
}

static bool attach(struct images *images, int fd, const char *name, struct image *image)
{
	struct timespec begin, end;
	int ret = image_read(fd, image);
	double took;

	if (ret < 0)
		log_error("%s: its otel-bpf note makes no sense (%s): not attached; "
			  "was it changed after linking?",
			  name, strerror(-ret));
	if (ret <= 0)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	if (capture_attach(images->capture, fd, name, image))
		return false;
	clock_gettime(CLOCK_MONOTONIC, &end);
	took = (double)(end.tv_sec - begin.tv_sec) * 1e3 + (double)(end.tv_nsec - begin.tv_nsec) / 1e6;
	if (took > images->longest_ms)
		images->longest_ms = took;
	log_debug("attached to %s in %.1f ms", name, took);
	return true;
}

const struct image *images_offer(struct images *images, const char *path, const char *name)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct file *file, **bucket;
	struct stat st;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return NULL;
	}
	bucket = bucket_of(images, &st);
	for (file = *bucket; file; file = file->next)
		if (same(file, &st))
			break;
	if (!file && images->count < MAX_FILES) {
		file = calloc(1, sizeof(*file));
		if (file) {
			file->device = st.st_dev;
			file->inode = st.st_ino;
			file->size = st.st_size;
			file->modified = st.st_mtim;
			file->attached = attach(images, fd, name, &file->image);
			file->next = *bucket;
			*bucket = file;
			images->count++;
			images->attached += file->attached;
			if (file->attached)
				exceptions_wanted(images->exceptions);
			exceptions_offer(images->exceptions, fd, name);
		}
	}
	close(fd);
	return file && file->attached ? &file->image : NULL;
}
