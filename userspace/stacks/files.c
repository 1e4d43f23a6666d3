/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Files that are open, and what of their symbols may be read in a second: the ring must be read. */
#define OPEN_MAX_ 256
#define READ_MAX ((size_t)64 << 20)

#define FILES_MAX 65536 /* names are long */

#define SECOND UINT64_C(1000000000)

void files_init(struct files *files, struct mounts *mounts)
{
	files->mounts = mounts;
	list_init(&files->open);
}

static struct file **file_bucket(struct files *files, uint64_t inode)
{
	return &files->buckets[(inode ^ inode >> 10) % FILES_BUCKETS];
}

static void forget_symbols(struct files *files, struct file *file)
{
	if (file->symbols)
		files->memory -= symbols_memory(file->symbols);
	symbols_free(file->symbols);
	file->symbols = NULL;
}

/* Those that were used longest ago, until all are not too much. */
static void bound_symbols(struct files *files, const struct file *but)
{
	for (struct list *it = files->open.next; it != &files->open && files->memory > FILES_MEMORY_MAX; it = it->next) {
		struct file *file = list_entry(it, struct file, used);

		if (file != but)
			forget_symbols(files, file);
	}
}

static void file_close(struct files *files, struct file *file)
{
	if (file->fd < 0)
		return;
	forget_symbols(files, file);
	file->unreadable = false;
	close(file->fd);
	file->fd = -1;
	list_remove(&file->used);
	files->n_open--;
}

/* Takes @fd, unless that is an error. */
static void file_open(struct files *files, struct file *file, int fd)
{
	if (fd < 0)
		return;
	if (files->n_open >= OPEN_MAX_)
		file_close(files, list_entry(files->open.next, struct file, used));
	file->fd = fd;
	list_add(&files->open, &file->used);
	files->n_open++;
}

struct file *file_get(struct files *files, const struct mapping *mapping)
{
	struct file **head = file_bucket(files, mapping->inode), *it = *head;
	size_t size = strlen(mapping->name) + 1;

	while (it && (it->inode != mapping->inode || it->major != mapping->major ||
		      it->minor != mapping->minor))
		it = it->next_hash;
	if (!it) {
		it = files->n < FILES_MAX ? calloc(1, sizeof(*it) + size) : NULL;
		if (!it)
			return NULL;
		files->n++;
		it->major = mapping->major;
		it->minor = mapping->minor;
		it->inode = mapping->inode;
		it->fd = -1;
		list_init(&it->used);
		memcpy(it->name, mapping->name, size);
		it->next_hash = *head;
		*head = it;
	}
	/* Now: the process may be gone when somebody asks. If it is, already, by the name. */
	if (it->fd < 0)
		file_open(files, it, mounts_open(files->mounts, mapping, true));
	it->references++;
	return it;
}

void file_put(struct files *files, struct file *file)
{
	struct file **at = file_bucket(files, file->inode);

	if (--file->references)
		return;
	while (*at != file)
		at = &(*at)->next_hash;
	*at = file->next_hash;
	file_close(files, file);
	files->n--;
	free(file);
}

bool file_reopen(struct files *files, struct file *file)
{
	if (file->fd < 0)
		file_open(files, file, mounts_open_name(files->mounts, file->name, file->inode));
	return file->fd >= 0;
}

const struct symbols *file_symbols(struct files *files, struct file *file, uint64_t now)
{
	size_t cost;

	if (files->second != now / SECOND) {
		files->second = now / SECOND;
		files->read = 0;
	}
	if (!file_reopen(files, file))
		return NULL;
	list_move(&files->open, &file->used);
	if (file->symbols || file->unreadable || files->read >= READ_MAX)
		return file->symbols;
	file->unreadable = symbols_read(file->fd, &file->symbols, &cost) != 0;
	files->read += cost;
	files->memory += file->symbols ? symbols_memory(file->symbols) : 0;
	bound_symbols(files, file);
	return file->symbols;
}
