/* SPDX-License-Identifier: Apache-2.0 */
#include "stacks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image_text.h"
#include "spaces.h"

#define FRAMES_MAX 1024 /* of a stack trace, and bytes of its text */
#define TEXT_MAX 262144

struct stacks {
	struct files files;
	struct spaces spaces;
};

struct stacks *stacks_new(struct mounts *mounts)
{
	struct stacks *stacks = calloc(1, sizeof(*stacks));

	if (!stacks)
		return NULL;
	files_init(&stacks->files, mounts);
	spaces_init(&stacks->spaces, &stacks->files);
	return stacks;
}

void stacks_free(struct stacks *stacks)
{
	if (!stacks)
		return;
	spaces_free(&stacks->spaces);
	free(stacks);
}

void stacks_map(struct stacks *stacks, const struct mapping *mapping)
{
	spaces_map(&stacks->spaces, mapping);
}

void stacks_event(struct stacks *stacks, const struct event *event)
{
	spaces_event(&stacks->spaces, event);
}

void stacks_tick(struct stacks *stacks, uint64_t now)
{
	spaces_tick(&stacks->spaces, now);
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
static void resolve(struct stacks *stacks, struct frame *frame, uint64_t at)
{
	const struct place *place = frame->place;
	const struct symbols *symbols;
	uint64_t address;

	if (!place || !place->file)
		return;
	frame->in_file = frame->address - place->begin + place->offset;
	symbols = file_symbols(&stacks->files, place->file, at);
	frame->unread = !symbols && !place->file->unreadable;
	if (!symbols || symbols_address(symbols, frame->in_file - 1, &address))
		return;
	frame->in_file = address + 1;
	frame->named =
		!symbols_find(symbols, place->file->fd, address, frame->name, &frame->begin);
	if (frame->named)
		symbol_name_simplify(frame->name);
}

/*
 * Of otel/trace.h: otel_event_, also as the compiler has changed it, otel_event_.constprop.0; of
 * otel/trace.hpp: otel::detail::event.
 */
static bool is_ours(const struct frame *frame)
{
	static const char c[] = "otel_", cpp[] = "otel::detail::";
	size_t size = strcspn(frame->name, ".");

	if (!frame->named)
		return false;
	if (!strncmp(frame->name, c, strlen(c)))
		return frame->name[size - 1] == '_';
	return !strncmp(frame->name, cpp, strlen(cpp));
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
	struct space *space = space_find(&stacks->spaces, process->pid, at);
	size_t n = addresses.size / sizeof(uint64_t), i;
	struct blob lines = {0};
	struct frame frame;
	bool asked = false;
	char more[64];
	int size;

	for (i = 0; i < n && i < FRAMES_MAX && lines.size < TEXT_MAX; i++) {
		frame = (struct frame){0};
		memcpy(&frame.address, addresses.data + i * sizeof(uint64_t), sizeof(uint64_t));
		if (!frame.address) /* behind the outermost: some unwinders find that */
			continue;
		frame.place = place_find(space, frame.address - 1, at);
		if (!frame.place && !asked) {
			asked = true;
			space = space_ask(&stacks->spaces, process, at);
			frame.place = place_find(space, frame.address - 1, at);
		}
		resolve(stacks, &frame, at);
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
	const struct space *space = space_find(&stacks->spaces, process->pid, at);
	unsigned tried = 0;

	for (size_t i = 0; space && space->places && i < space->places->n; i++) {
		const struct place *it = &space->places->list[i];
		uint64_t distance = address > it->begin ? address - it->begin : it->begin - address;

		if (!it->file || distance > IMAGE_SIZE_MAX || tried == IMAGES_TRIED_MAX)
			continue;
		tried++;
		if (file_reopen(&stacks->files, it->file) &&
		    !image_text(it->file->fd, it->begin, it->offset, address, text, room))
			return 0;
	}
	return -ENOENT;
}
