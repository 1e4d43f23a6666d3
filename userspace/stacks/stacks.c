/* SPDX-License-Identifier: Apache-2.0 */
#include "stacks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "detect.h"
#include "image_text.h"
#include "list.h"
#include "maps.h"
#include "symbols.h"

#define BUCKETS 1024
#define SPACES_MAX 16384
#define MAPPINGS_MAX 4096 /* of a process */
#define PLACES_MAX 1000000
#define FRAMES_MAX 1024   /* of a stack trace, and bytes of its text */
#define TEXT_MAX 262144

/* Files that are open, and what of their symbols may be read in a second: the ring must be read. */
#define OPEN_MAX_ 256
#define READ_MAX ((size_t)64 << 20)

#define SECOND UINT64_C(1000000000)

/* What a process says can be as late as its last flush is in the ring. */
#define ENDED_NS (5 * SECOND)

/* A program is loaded within this time; what is older at its exec is of the program before. */
#define LOADING_NS SECOND

struct file {
	struct file *next_hash;
	struct list used; /* of those that are open: least recently used first */
	uint32_t major, minor;
	uint64_t inode;
	unsigned references; /* mappings */
	int fd;		     /* -1: not open */
	struct symbols *symbols;
	bool unreadable; /* its symbols */
	char name[];	 /* path, as the process knows it */
};

struct place {
	uint64_t begin, end;
	uint64_t offset; /* in the file */
	uint64_t since;
	struct file *file; /* NULL: code that is in none */
};

/* What is mapped; those that forked share it until one of them maps something else. */
struct places {
	unsigned references;
	size_t n;
	size_t room;
	struct place list[];
};

struct space {
	struct space *next_hash;
	struct list order;
	uint32_t pid;
	uint64_t since; /* of this process; its pid may have been another's before */
	uint64_t ended; /* 0: it lives */
	uint64_t asked; /* when /proc was last asked */
	struct places *places;
};

struct stacks {
	struct mounts *mounts;
	struct space *spaces[BUCKETS];
	size_t n_spaces;
	size_t n_places;
	struct list living; /* least recently mapped or forked first */
	struct list ended;
	struct file *files[BUCKETS];
	struct list open;
	size_t n_open;
	uint64_t second; /* in which */
	size_t read;	 /* bytes of symbols were read */
};

struct stacks *stacks_new(struct mounts *mounts)
{
	struct stacks *stacks = calloc(1, sizeof(*stacks));

	if (!stacks)
		return NULL;
	stacks->mounts = mounts;
	list_init(&stacks->living);
	list_init(&stacks->ended);
	list_init(&stacks->open);
	return stacks;
}

/* ---- Files ---------------------------------------------------------------------------------- */

static struct file **file_bucket(struct stacks *stacks, uint64_t inode)
{
	return &stacks->files[(inode ^ inode >> 10) % BUCKETS];
}

static void file_close(struct stacks *stacks, struct file *file)
{
	if (file->fd < 0)
		return;
	symbols_free(file->symbols);
	file->symbols = NULL;
	file->unreadable = false;
	close(file->fd);
	file->fd = -1;
	list_remove(&file->used);
	stacks->n_open--;
}

/* Takes @fd, unless that is an error. */
static void file_open(struct stacks *stacks, struct file *file, int fd)
{
	if (fd < 0)
		return;
	if (stacks->n_open >= OPEN_MAX_)
		file_close(stacks, list_entry(stacks->open.next, struct file, used));
	file->fd = fd;
	list_add(&stacks->open, &file->used);
	stacks->n_open++;
}

static struct file *file_get(struct stacks *stacks, const struct mapping *mapping)
{
	struct file **head = file_bucket(stacks, mapping->inode), *it = *head;
	size_t size = strlen(mapping->name) + 1;

	while (it && (it->inode != mapping->inode || it->major != mapping->major ||
		      it->minor != mapping->minor))
		it = it->next_hash;
	if (!it) {
		it = calloc(1, sizeof(*it) + size);
		if (!it)
			return NULL;
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
		file_open(stacks, it, mounts_open(stacks->mounts, mapping, true));
	it->references++;
	return it;
}

static void file_put(struct stacks *stacks, struct file *file)
{
	struct file **at = file_bucket(stacks, file->inode);

	if (--file->references)
		return;
	while (*at != file)
		at = &(*at)->next_hash;
	*at = file->next_hash;
	file_close(stacks, file);
	free(file);
}

/* Reads its symbols, once; NULL: there are none, or not now. */
static const struct symbols *file_symbols(struct stacks *stacks, struct file *file)
{
	size_t cost;

	if (file->fd < 0)
		file_open(stacks, file, mounts_open_name(stacks->mounts, file->name, file->inode));
	if (file->fd < 0)
		return NULL;
	list_move(&stacks->open, &file->used);
	if (file->symbols || file->unreadable || stacks->read >= READ_MAX)
		return file->symbols;
	file->unreadable = symbols_read(file->fd, &file->symbols, &cost) != 0;
	stacks->read += cost;
	return file->symbols;
}

/* ---- What is mapped where ------------------------------------------------------------------- */

static void places_put(struct stacks *stacks, struct places *places)
{
	if (!places || --places->references)
		return;
	for (size_t i = 0; i < places->n; i++)
		if (places->list[i].file)
			file_put(stacks, places->list[i].file);
	stacks->n_places -= places->n;
	free(places);
}

/* Places of @space's own, with room for one more. Returns 0 or -ENOMEM. */
static int places_own(struct stacks *stacks, struct space *space)
{
	struct places *old = space->places, *places;
	size_t n = old ? old->n : 0, room = n < 8 ? 16 : 2 * n;

	if (old && old->references == 1) {
		if (n < old->room)
			return 0;
		places = realloc(old, sizeof(*places) + room * sizeof(struct place));
		if (!places)
			return -ENOMEM;
	} else {
		places = malloc(sizeof(*places) + room * sizeof(struct place));
		if (!places)
			return -ENOMEM;
		places->references = 1;
		places->n = n;
		for (size_t i = 0; i < n; i++) {
			places->list[i] = old->list[i];
			if (places->list[i].file)
				places->list[i].file->references++;
		}
		stacks->n_places += n;
		if (old)
			old->references--;
	}
	places->room = room;
	space->places = places;
	return 0;
}

static void places_remove(struct stacks *stacks, struct places *places, size_t index)
{
	if (places->list[index].file)
		file_put(stacks, places->list[index].file);
	places->n--;
	stacks->n_places--;
	memmove(&places->list[index], &places->list[index + 1],
		(places->n - index) * sizeof(struct place));
}

static struct space **space_bucket(struct stacks *stacks, uint32_t pid)
{
	return &stacks->spaces[pid % BUCKETS];
}

/* The process that had @pid at this time, or had it last. */
static struct space *space_find(struct stacks *stacks, uint32_t pid, uint64_t at)
{
	struct space *it = *space_bucket(stacks, pid);

	/* The latest is in front. */
	while (it && (it->pid != pid || it->since > at))
		it = it->next_hash;
	return it;
}

static void space_remove(struct stacks *stacks, struct space *space)
{
	struct space **at = space_bucket(stacks, space->pid);

	while (*at != space)
		at = &(*at)->next_hash;
	*at = space->next_hash;
	list_remove(&space->order);
	places_put(stacks, space->places);
	stacks->n_spaces--;
	free(space);
}

static struct space *space_add(struct stacks *stacks, uint32_t pid, uint64_t since)
{
	struct space *it, **head = space_bucket(stacks, pid);

	while (stacks->n_spaces && (stacks->n_spaces >= SPACES_MAX || stacks->n_places >= PLACES_MAX)) {
		struct list *from = list_empty(&stacks->ended) ? &stacks->living : &stacks->ended;

		space_remove(stacks, list_entry(from->next, struct space, order));
	}
	it = calloc(1, sizeof(*it));
	if (!it)
		return NULL;
	it->pid = pid;
	it->since = since;
	it->next_hash = *head;
	*head = it;
	list_add(&stacks->living, &it->order);
	stacks->n_spaces++;
	return it;
}

static void add_place(struct stacks *stacks, struct space *space, const struct mapping *mapping)
{
	const struct place place = {
		.begin = mapping->address,
		.end = mapping->address + mapping->length,
		.offset = mapping->offset,
		.since = mapping->time,
	};
	struct places *places;

	if (place.end <= place.begin || places_own(stacks, space))
		return;
	places = space->places;
	/* What lies below a new one is needed a little longer: flushes are late. */
	for (size_t i = places->n; i-- > 0;) {
		const struct place *it = &places->list[i];
		bool covered = it->begin >= place.begin && it->end <= place.end;

		if (covered && it->since + ENDED_NS < place.since)
			places_remove(stacks, places, i);
	}
	if (places->n >= MAPPINGS_MAX)
		places_remove(stacks, places, 0);
	places->list[places->n] = place;
	if (mapping->file)
		places->list[places->n].file = file_get(stacks, mapping);
	places->n++;
	stacks->n_places++;
}

void stacks_map(struct stacks *stacks, const struct mapping *mapping)
{
	struct space *space;

	if (!mapping->pid)
		return;
	space = space_find(stacks, mapping->pid, mapping->time);
	/* Of one whose FORK was lost, or is still to come. */
	if (!space || space->ended)
		space = space_add(stacks, mapping->pid, mapping->time);
	if (!space)
		return;
	list_move(&stacks->living, &space->order);
	add_place(stacks, space, mapping);
}

/* ---- Forks, execs, exits -------------------------------------------------------------------- */

static void end_space(struct stacks *stacks, struct space *space, uint64_t at)
{
	space->ended = at;
	list_move(&stacks->ended, &space->order);
}

/* A child has what its parent had mapped, at the same places. */
static void on_fork(struct stacks *stacks, const struct event *event, uint32_t parent_pid)
{
	struct space *parent, *child;
	struct places *own;

	child = space_find(stacks, event->process.pid, UINT64_MAX);
	/* One whose end nobody told of. */
	if (child && !child->ended && child->since < event->time)
		end_space(stacks, child, event->time);
	if (!child || child->ended)
		child = space_add(stacks, event->process.pid, event->time);
	/* Not before: it may have had to make room. */
	parent = space_find(stacks, parent_pid, event->time);
	if (!child || !parent || parent == child || !parent->places)
		return;
	child->since = event->time;
	own = child->places;
	child->places = parent->places;
	child->places->references++;
	list_move(&stacks->living, &child->order);
	if (!own)
		return;
	/* Its own mappings came before the news of the fork. */
	for (size_t i = 0; i < own->n; i++) {
		if (places_own(stacks, child) || child->places->n >= MAPPINGS_MAX)
			break;
		child->places->list[child->places->n++] = own->list[i];
		stacks->n_places++;
		if (own->list[i].file)
			own->list[i].file->references++;
	}
	places_put(stacks, own);
}

/* The new program has been mapped before the kernel tells of it. */
static void on_exec(struct stacks *stacks, const struct event *event)
{
	struct space *space = space_find(stacks, event->process.pid, event->time);

	if (!space || !space->places || places_own(stacks, space))
		return;
	for (size_t i = space->places->n; i-- > 0;)
		if (space->places->list[i].since + LOADING_NS < event->time)
			places_remove(stacks, space->places, i);
}

static void on_exit_(struct stacks *stacks, const struct event *event)
{
	struct space *space = space_find(stacks, event->process.pid, event->time);

	if (space && !space->ended)
		end_space(stacks, space, event->time);
}

void stacks_tick(struct stacks *stacks, uint64_t now)
{
	while (!list_empty(&stacks->ended)) {
		struct space *oldest = list_entry(stacks->ended.next, struct space, order);

		if (oldest->ended + ENDED_NS > now)
			break;
		space_remove(stacks, oldest);
	}
}

void stacks_event(struct stacks *stacks, const struct event *event)
{
	stacks_tick(stacks, event->time);
	if (event->kind == EVENT_FORK && event->size >= sizeof(struct event_fork))
		on_fork(stacks, event,
			((const struct event_fork *)(const void *)(event + 1))->parent.pid);
	else if (event->kind == EVENT_EXEC)
		on_exec(stacks, event);
	else if (event->kind == EVENT_EXIT)
		on_exit_(stacks, event);
}

void stacks_free(struct stacks *stacks)
{
	if (!stacks)
		return;
	while (!list_empty(&stacks->living))
		space_remove(stacks, list_entry(stacks->living.next, struct space, order));
	while (!list_empty(&stacks->ended))
		space_remove(stacks, list_entry(stacks->ended.next, struct space, order));
	free(stacks);
}

/* ---- What nobody has told of ---------------------------------------------------------------- */

struct asking {
	struct stacks *stacks;
	struct space *space;
};

static void on_asked(void *self, const struct mapping *mapping)
{
	const struct asking *asking = self;

	add_place(asking->stacks, asking->space, mapping);
}

/* Asks /proc for the mappings of a process that lives, now and then. */
static struct space *ask(struct stacks *stacks, const struct process_id *process, uint64_t at)
{
	struct space *space = space_find(stacks, process->pid, at);
	struct asking asking;

	if (space && (space->ended || (space->asked && space->asked + SECOND > at)))
		return space;
	if (!detect_alive(process))
		return space;
	if (!space)
		space = space_add(stacks, process->pid, at);
	if (!space)
		return NULL;
	space->asked = at;
	asking = (struct asking){stacks, space};
	(void)maps_read(space->pid, at, on_asked, &asking);
	return space;
}

/* ---- Text ----------------------------------------------------------------------------------- */

/* What was mapped there last by then; else, if clocks are a little apart, what was soon after. */
static const struct place *place_find(const struct space *space, uint64_t address, uint64_t at)
{
	const struct place *found = NULL, *soon = NULL;

	for (size_t i = 0; space && space->places && i < space->places->n; i++) {
		const struct place *it = &space->places->list[i];

		if (address < it->begin || address >= it->end)
			continue;
		if (it->since <= at && (!found || it->since >= found->since))
			found = it;
		else if (it->since > at && (!soon || it->since < soon->since))
			soon = it;
	}
	return found ? found : soon;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

struct frame {
	uint64_t address; /* in the process */
	const struct place *place;
	uint64_t in_file; /* in the file's own view, else its offset */
	bool named;
	bool unread; /* nobody knows what the file says */
	char name[SYMBOL_NAME_MAX];
	uint64_t begin;
};

/* A return address is behind its call, which may be the last thing in its function. */
static void resolve(struct stacks *stacks, struct frame *frame)
{
	const struct place *place = frame->place;
	const struct symbols *symbols;
	uint64_t address;

	if (!place || !place->file)
		return;
	frame->in_file = frame->address - place->begin + place->offset;
	symbols = file_symbols(stacks, place->file);
	frame->unread = !symbols && !place->file->unreadable;
	if (!symbols || symbols_address(symbols, frame->in_file - 1, &address))
		return;
	frame->in_file = address + 1;
	frame->named =
		!symbols_find(symbols, place->file->fd, address, frame->name, &frame->begin);
}

/* Of otel/trace.h: otel_event_, also as the compiler has changed it, otel_event_.constprop.0. */
static bool is_ours(const struct frame *frame)
{
	size_t size = strcspn(frame->name, ".");

	return frame->named && !strncmp(frame->name, "otel_", 5) && frame->name[size - 1] == '_';
}

static void put_name(struct blob *text, const char *name)
{
	size_t size = strlen(name);
	char *p;

	if (blob_append(text, name, size))
		return;
	p = (char *)text->data + text->size - size;
	for (size_t i = 0; i < size; i++)
		if (p[i] < 0x20 || p[i] > 0x7e)
			p[i] = '?';
}

static void put_number(struct blob *text, const char *before, uint64_t number, const char *after)
{
	char buffer[64];
	int size = snprintf(buffer, sizeof(buffer), "%s0x%" PRIx64 "%s", before, number, after);

	(void)blob_append(text, buffer, (size_t)size);
}

static void put_frame(struct blob *text, struct frame *frame)
{
	static const char at[] = "\n    at ";

	(void)blob_append(text, at + !text->size, sizeof(at) - 1 - !text->size);
	if (frame->named) {
		symbol_name_simplify(frame->name);
		put_name(text, frame->name);
		put_number(text, "+", frame->in_file - frame->begin, " (");
	} else {
		(void)blob_append(text, "?? (", 4);
	}
	if (frame->place && frame->place->file) {
		put_name(text, base_name(frame->place->file->name));
		put_number(text, "+", frame->in_file, frame->unread ? ", not read)" : ")");
	} else {
		put_number(text, "", frame->address, ")");
	}
}

void stacks_describe(struct stacks *stacks, const struct process_id *process, uint64_t at,
		     struct bytes addresses, struct blob *text)
{
	struct space *space = space_find(stacks, process->pid, at);
	size_t n = addresses.size / sizeof(uint64_t), i;
	struct blob lines = {0};
	struct frame frame;
	bool asked = false;
	char more[64];
	int size;

	if (stacks->second != at / SECOND) {
		stacks->second = at / SECOND;
		stacks->read = 0;
	}
	for (i = 0; i < n && i < FRAMES_MAX && lines.size < TEXT_MAX; i++) {
		frame = (struct frame){0};
		memcpy(&frame.address, addresses.data + i * sizeof(uint64_t), sizeof(uint64_t));
		if (!frame.address) /* behind the outermost: some unwinders find that */
			continue;
		frame.place = place_find(space, frame.address - 1, at);
		if (!frame.place && !asked) {
			asked = true;
			space = ask(stacks, process, at);
			frame.place = place_find(space, frame.address - 1, at);
		}
		resolve(stacks, &frame);
		if (lines.size || !is_ours(&frame))
			put_frame(&lines, &frame);
	}
	if (i < n) {
		size = snprintf(more, sizeof(more), "\n    ... %zu more", n - i);
		(void)blob_append(&lines, more, (size_t)size);
	}
	(void)blob_append(text, lines.data, lines.size);
	blob_free(&lines);
}

/* Nothing of an image is further from its code, and no more than so many images are tried. */
#define IMAGE_SIZE_MAX (UINT64_C(1) << 31)
#define IMAGES_TRIED_MAX 64

int stacks_text(struct stacks *stacks, const struct process_id *process, uint64_t at, uint64_t address,
		char *text, size_t room)
{
	const struct space *space = space_find(stacks, process->pid, at);
	unsigned tried = 0;

	for (size_t i = 0; space && space->places && i < space->places->n; i++) {
		const struct place *it = &space->places->list[i];
		uint64_t distance = address > it->begin ? address - it->begin : it->begin - address;

		if (!it->file || distance > IMAGE_SIZE_MAX || tried == IMAGES_TRIED_MAX)
			continue;
		tried++;
		if (it->file->fd < 0)
			file_open(stacks, it->file,
				  mounts_open_name(stacks->mounts, it->file->name, it->file->inode));
		if (it->file->fd >= 0 &&
		    !image_text(it->file->fd, it->begin, it->offset, address, text, room))
			return 0;
	}
	return -ENOENT;
}
