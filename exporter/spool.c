/* SPDX-License-Identifier: Apache-2.0 */
#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "log.h"
#include "spool_file.h"

#define LOCK "lock"
#define WRITING "writing" /* the file that is not whole yet */
#define SUFFIX ".otlp"
#define NAME_BYTES (16 + sizeof(SUFFIX))
#define BLOCK 4096u
#define NUMBERS ((uint64_t)1 << 48) /* from there on the files are not ours */

/* What is known of a batch takes memory, however small it is. */
#define ENTRIES_MAX 1000000u

struct spool {
	char *path;
	int dir;
	int lock;
	uint64_t budget;
	uint64_t next; /* number */
	struct list entries;
	struct spool_counts counts;
	uint64_t found;
	uint64_t found_corrupt;
	size_t corrupt_files;
	size_t removed_files; /* of those */
	uint8_t *buffer;
	size_t buffer_size;
};

static uint64_t bytes_on_disk(size_t size)
{
	return ((uint64_t)size + SPOOL_HEADER_BYTES + BLOCK - 1) / BLOCK * BLOCK;
}

static void name_of(uint64_t number, char name[NAME_BYTES])
{
	snprintf(name, NAME_BYTES, "%016" PRIx64 SUFFIX, number);
}

/* False: it is none of our names. */
static bool number_of(const char *name, uint64_t *number)
{
	char again[NAME_BYTES];

	if (strlen(name) != NAME_BYTES - 1)
		return false;
	*number = strtoull(name, NULL, 16);
	name_of(*number, again);
	return !strcmp(name, again) && *number < NUMBERS;
}

/* ---- Opening --------------------------------------------------------------------------------- */

/* The directory must be one in which nobody but us makes, changes or replaces files. */
static int open_directory(struct spool *spool)
{
	struct stat is;
	int err;

	if (mkdir(spool->path, 0700) && errno != EEXIST) {
		err = -errno;
		log_error("cannot make the spool %s: %s", spool->path, strerror(-err));
		return err;
	}
	spool->dir = open(spool->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (spool->dir < 0) {
		err = -errno;
		if (!lstat(spool->path, &is) && S_ISLNK(is.st_mode))
			log_error("the spool %s is a symbolic link; give the directory itself",
				  spool->path);
		else
			log_error("cannot open the spool %s: %s", spool->path, strerror(-err));
		return err;
	}
	if (fstat(spool->dir, &is))
		return -errno;
	if ((is.st_uid == geteuid() || is.st_uid == 0) && !(is.st_mode & 022))
		return 0;
	log_error("the spool %s is not safe: it must belong to the user that otel-bpf runs as, and "
		  "others must not write to it (chmod 700)",
		  spool->path);
	return -EPERM;
}

static int lock_directory(struct spool *spool)
{
	int err;

	spool->lock = openat(spool->dir, LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (spool->lock >= 0 && !flock(spool->lock, LOCK_EX | LOCK_NB))
		return 0;
	err = -errno;
	if (err == -EWOULDBLOCK)
		log_error("the spool %s is in use by another otel-bpf; each needs one of its own",
			  spool->path);
	else
		log_error("cannot lock the spool %s: %s", spool->path, strerror(-err));
	return err;
}

static int open_file(const struct spool *spool, const char *name, int flags, struct stat *is)
{
	int fd = openat(spool->dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	if (!fstat(fd, is) && S_ISREG(is->st_mode))
		return fd;
	err = -EBADMSG;
	close(fd);
	return err;
}

/* Less than @size at the end of the file. */
static ssize_t read_at(int fd, void *data, size_t size, off_t offset)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = pread(fd, (uint8_t *)data + done, size - done, offset + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int read_header(const struct spool *spool, const char *name, struct spool_header *header)
{
	uint8_t bytes[SPOOL_HEADER_BYTES] = {0};
	struct stat is;
	int fd = open_file(spool, name, O_RDONLY, &is);
	ssize_t n;

	*header = (struct spool_header){0};
	if (fd < 0)
		return fd;
	n = read_at(fd, bytes, sizeof(bytes), 0);
	close(fd);
	if (n < 0)
		return (int)n;
	return spool_header_read(bytes, (uint64_t)is.st_size, header);
}

static struct spool_entry *add_entry(struct spool *spool, uint64_t number, uint32_t spans,
				     size_t size)
{
	struct spool_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->number = number;
	entry->spans = spans;
	entry->size = (uint32_t)size;
	list_add(&spool->entries, &entry->order);
	spool->counts.spans += spans;
	spool->counts.batches++;
	spool->counts.bytes += bytes_on_disk(size);
	return entry;
}

/* One file of those that were left. */
static int find(struct spool *spool, uint64_t number)
{
	struct spool_header header;
	struct spool_entry *entry;
	char name[NAME_BYTES];
	int err;

	name_of(number, name);
	err = read_header(spool, name, &header);
	if (number >= spool->next)
		spool->next = number + 1;
	if (err) {
		spool->corrupt_files++;
		spool->found += header.spans;
		spool->found_corrupt += header.spans;
		/* It may be better next time, if it is the disk. */
		if ((err == -EBADMSG || err == -ENODATA) && !unlinkat(spool->dir, name, 0))
			spool->removed_files++;
		return 0;
	}
	entry = add_entry(spool, number, header.spans, header.size);
	if (!entry)
		return -ENOMEM;
	entry->sent = header.sent;
	spool->found += header.spans;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

struct numbers {
	uint64_t *items;
	size_t n, room;
};

static int add_number(struct numbers *numbers, uint64_t number)
{
	size_t room = numbers->room ? 2 * numbers->room : 1024;
	uint64_t *more;

	if (numbers->n == numbers->room) {
		more = realloc(numbers->items, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		numbers->items = more;
		numbers->room = room;
	}
	numbers->items[numbers->n++] = number;
	return 0;
}

/* The numbers of all files, in order. */
static int list_files(const struct spool *spool, struct numbers *numbers)
{
	int fd = openat(spool->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *it;
	uint64_t number;

	if (!dir) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err && (it = readdir(dir))) {
		if (number_of(it->d_name, &number))
			err = add_number(numbers, number);
	}
	closedir(dir);
	if (numbers->n)
		qsort(numbers->items, numbers->n, sizeof(*numbers->items), by_number);
	return err;
}

static int find_all(struct spool *spool)
{
	struct numbers numbers = {0};
	char name[NAME_BYTES];
	int err = list_files(spool, &numbers);

	for (size_t i = 0; i < numbers.n && !err; i++)
		err = find(spool, numbers.items[i]);
	/* Whoever was killed while writing it had perhaps only the renaming left to do. */
	name_of(spool->next, name);
	if (!err && !renameat(spool->dir, WRITING, spool->dir, name))
		err = find(spool, spool->next);
	free(numbers.items);
	if (err) {
		log_error("cannot read the spool %s: %s", spool->path, strerror(-err));
		return err;
	}
	if (spool->corrupt_files)
		log_error("the spool %s: %zu file%s not whole or not readable, with %" PRIu64
			  " spans as far as they say; removed: %zu",
			  spool->path, spool->corrupt_files,
			  spool->corrupt_files == 1 ? " is" : "s are", spool->found_corrupt,
			  spool->removed_files);
	return 0;
}

int spool_open(const char *path, uint64_t budget, struct spool **out)
{
	struct spool *spool = calloc(1, sizeof(*spool));
	int err;

	if (!spool)
		return -ENOMEM;
	spool->dir = spool->lock = -1;
	spool->budget = budget;
	list_init(&spool->entries);
	spool->path = strdup(path);
	err = spool->path ? 0 : -ENOMEM;
	if (!err)
		err = open_directory(spool);
	if (!err)
		err = lock_directory(spool);
	if (!err)
		err = find_all(spool);
	if (err) {
		spool_close(spool);
		return err;
	}
	*out = spool;
	return 0;
}

/* Its tally is no longer its own. */
static void forget(struct spool *spool, struct spool_entry *entry)
{
	spool->counts.spans -= entry->spans;
	spool->counts.batches--;
	spool->counts.bytes -= bytes_on_disk(entry->size);
	spool->counts.shares -= entry->tally.n;
	list_remove(&entry->order);
	free(entry);
}

void spool_close(struct spool *spool)
{
	struct spool_entry *entry;
	struct tally tally;

	if (!spool)
		return;
	while ((entry = spool_first(spool))) {
		tally = entry->tally;
		forget(spool, entry);
		tally_drop(&tally);
	}
	if (spool->lock >= 0)
		close(spool->lock);
	if (spool->dir >= 0)
		close(spool->dir);
	free(spool->buffer);
	free(spool->path);
	free(spool);
}

/* ---- What is in it --------------------------------------------------------------------------- */

const char *spool_path(const struct spool *spool)
{
	return spool->path;
}

void spool_counts(const struct spool *spool, struct spool_counts *out)
{
	*out = spool->counts;
}

uint64_t spool_found(const struct spool *spool)
{
	return spool->found;
}

uint64_t spool_found_corrupt(const struct spool *spool)
{
	return spool->found_corrupt;
}

bool spool_has_room(const struct spool *spool, size_t size)
{
	return spool->counts.bytes + bytes_on_disk(size) <= spool->budget &&
	       spool->counts.batches < ENTRIES_MAX;
}

bool spool_ever_has_room(const struct spool *spool, size_t size)
{
	return bytes_on_disk(size) <= spool->budget && size <= SPOOL_REQUEST_MOST;
}

struct spool_entry *spool_first(const struct spool *spool)
{
	if (list_empty(&spool->entries))
		return NULL;
	return list_entry(spool->entries.next, struct spool_entry, order);
}

struct spool_entry *spool_next(const struct spool *spool, const struct spool_entry *entry)
{
	if (entry->order.next == &spool->entries)
		return NULL;
	return list_entry(entry->order.next, struct spool_entry, order);
}

/* ---- Changing it ----------------------------------------------------------------------------- */

/* All of it, or a negative errno. */
static int write_whole(int fd, const uint8_t *header, struct bytes request)
{
	struct iovec parts[] = {
		{(void *)(uintptr_t)header, SPOOL_HEADER_BYTES},
		{(void *)(uintptr_t)request.data, request.size},
	};
	struct iovec *part = parts;
	ssize_t n;

	while (part < parts + 2) {
		n = writev(fd, part, (int)(parts + 2 - part));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		while (part < parts + 2 && (size_t)n >= part->iov_len)
			n -= (ssize_t)part++->iov_len;
		if (part < parts + 2) {
			part->iov_base = (uint8_t *)part->iov_base + n;
			part->iov_len -= (size_t)n;
		}
	}
	return 0;
}

static int write_file(struct spool *spool, const char *name, struct bytes request, uint32_t spans,
		      bool sent)
{
	uint8_t header[SPOOL_HEADER_BYTES];
	int fd = openat(spool->dir, WRITING, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
			0600);
	int err;

	if (fd < 0)
		return -errno;
	spool_header_write(header, request, spans, sent);
	err = write_whole(fd, header, request);
	if (close(fd) && !err)
		err = -errno; /* some file systems notice a full disk only now */
	if (!err && renameat(spool->dir, WRITING, spool->dir, name))
		err = -errno;
	if (err)
		unlinkat(spool->dir, WRITING, 0);
	return err;
}

int spool_append(struct spool *spool, struct bytes request, uint32_t spans, bool sent,
		 struct tally *tally, struct spool_entry **out)
{
	struct spool_entry *entry;
	char name[NAME_BYTES];
	int err;

	if (spool->next >= NUMBERS)
		return -EOVERFLOW;
	name_of(spool->next, name);
	err = write_file(spool, name, request, spans, sent);
	if (err)
		return err;
	entry = add_entry(spool, spool->next, spans, request.size);
	if (!entry) {
		unlinkat(spool->dir, name, 0);
		return -ENOMEM;
	}
	spool->next++;
	entry->sent = sent;
	entry->tally = *tally;
	spool->counts.shares += tally->n;
	*tally = (struct tally){0};
	*out = entry;
	return 0;
}

static int read_request(struct spool *spool, int fd, struct bytes *out)
{
	struct spool_header header;
	size_t size;
	ssize_t n;
	int err;

	/* A byte more than there should be: then it is not what was written. */
	n = read_at(fd, spool->buffer, spool->buffer_size, 0);
	if (n < SPOOL_HEADER_BYTES)
		return n < 0 ? (int)n : -EBADMSG;
	size = (size_t)n;
	err = spool_header_read(spool->buffer, size, &header);
	*out = (struct bytes){spool->buffer + SPOOL_HEADER_BYTES, size - SPOOL_HEADER_BYTES};
	return err || spool_request_check(&header, *out) ? -EBADMSG : 0;
}

int spool_read(struct spool *spool, const struct spool_entry *entry, struct bytes *out)
{
	size_t size = SPOOL_HEADER_BYTES + (size_t)entry->size + 1;
	char name[NAME_BYTES];
	struct stat is;
	int fd, err;

	if (spool->buffer_size < size) {
		free(spool->buffer);
		spool->buffer = malloc(size);
		spool->buffer_size = spool->buffer ? size : 0;
		if (!spool->buffer)
			return -ENOMEM;
	}
	name_of(entry->number, name);
	fd = open_file(spool, name, O_RDONLY, &is);
	if (fd < 0)
		return fd;
	err = (uint64_t)is.st_size == size - 1 ? read_request(spool, fd, out) : -EBADMSG;
	close(fd);
	return err;
}

void spool_mark(struct spool *spool, struct spool_entry *entry, bool sent)
{
	uint8_t byte = sent;
	char name[NAME_BYTES];
	struct stat is;
	int fd;

	if (entry->sent == sent)
		return;
	entry->sent = sent;
	name_of(entry->number, name);
	fd = open_file(spool, name, O_WRONLY, &is);
	if (fd < 0)
		return;
	/* Only whoever takes over after our death needs it: nothing to be done if it fails. */
	if (pwrite(fd, &byte, 1, SPOOL_SENT_OFFSET) != 1)
		log_debug("the spool %s: cannot mark %s: %s", spool->path, name, strerror(errno));
	close(fd);
}

void spool_remove(struct spool *spool, struct spool_entry *entry, struct tally *tally)
{
	char name[NAME_BYTES];

	*tally = entry->tally;
	name_of(entry->number, name);
	unlinkat(spool->dir, name, 0);
	forget(spool, entry);
}
