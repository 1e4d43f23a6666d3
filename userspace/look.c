/* SPDX-License-Identifier: Apache-2.0 */
#include "look.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define BUCKETS 1024
#define MAX_IMAGES 16	    /* of a process: the last ones whose anchor pointers we know */
#define MAX_THREADS 131072u /* of a process: a list may loop */

struct looked_at {
	struct looked_at *next;
	struct process_id id;
	bool gone;	 /* while it was looked at */
	uint64_t anchor; /* 0: not known yet */
	unsigned image_count;
	uint64_t images[MAX_IMAGES];
};

struct look {
	look_fn found;
	bool (*catch_up)(void *self);
	void *self;
	bool looking; /* nobody is freed */
	struct looked_at *buckets[BUCKETS];
	struct {
		struct event event;
		uint8_t flush[OTEL_FLUSH_MAX];
	} copy;
};

struct look *look_new(look_fn found, bool (*catch_up)(void *self), void *self)
{
	struct look *look = calloc(1, sizeof(*look));

	if (look) {
		look->found = found;
		look->catch_up = catch_up;
		look->self = self;
	}
	return look;
}

void look_free(struct look *look)
{
	for (size_t i = 0; look && i < BUCKETS; i++)
		while (look->buckets[i]) {
			struct looked_at *process = look->buckets[i];

			look->buckets[i] = process->next;
			free(process);
		}
	free(look);
}

static struct looked_at **find(struct look *look, uint32_t pid)
{
	struct looked_at **at = &look->buckets[pid % BUCKETS];

	while (*at && ((*at)->gone || (*at)->id.pid != pid))
		at = &(*at)->next;
	return at;
}

static struct looked_at *find_or_add(struct look *look, uint32_t pid)
{
	struct looked_at **at = find(look, pid);

	if (!*at) {
		*at = calloc(1, sizeof(**at));
		if (*at)
			(*at)->id.pid = pid;
	}
	return *at;
}

/* A child has what its parent had mapped, at the same places. */
static void inherit(struct look *look, struct looked_at *child, uint32_t parent_pid)
{
	struct looked_at *parent = *find(look, parent_pid);

	if (!parent)
		return;
	child->anchor = parent->anchor;
	child->image_count = parent->image_count;
	memcpy(child->images, parent->images, sizeof(child->images));
}

void look_event(struct look *look, const struct event *event)
{
	struct looked_at *process;

	if (event->kind == EVENT_EXIT) {
		struct looked_at **at = find(look, event->process.pid);

		process = *at;
		if (process && look->looking) {
			process->gone = true;
		} else if (process) {
			*at = process->next;
			free(process);
		}
		return;
	}
	process = find_or_add(look, event->process.pid);
	if (!process)
		return;
	if (process->id.execs != event->process.execs && event->kind != EVENT_EXEC &&
	    process->id.start_time)
		return; /* late news of the program before the exec */
	process->id = event->process;
	switch (event->kind) {
	case EVENT_EXEC:
		/* The new program's images may have been reported before: old addresses do no harm. */
		process->anchor = 0;
		break;
	case EVENT_FORK:
		inherit(look, process,
			((const struct event_fork *)(const void *)(event + 1))->parent.pid);
		break;
	case EVENT_FLUSH:
		if (event->size >= sizeof(struct otel_buffer))
			process->anchor = ((const struct otel_buffer *)(const void *)(event + 1))->anchor;
		break;
	}
}

void look_image(struct look *look, uint32_t pid, uint64_t address)
{
	struct looked_at *process = find_or_add(look, pid);

	if (process)
		process->images[process->image_count++ % MAX_IMAGES] = address;
}

/* Reads memory of the process. False: it is not there, or not all of it. */
static bool peek(const struct looked_at *process, uint64_t address, void *to, size_t size)
{
	struct iovec local = {to, size}, remote = {(void *)(uintptr_t)address, size};

	return process_vm_readv((pid_t)process->id.pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

/*
 * The position is read before and after the records: if it stays, the owner has only appended, and
 * what we have is whole.
 */
static void look_at_buffer(struct look *look, const struct looked_at *process, uint64_t address,
			   uint64_t now)
{
	struct otel_buffer *buffer = (struct otel_buffer *)(void *)look->copy.flush;
	uint64_t position;

	if (!peek(process, address, buffer, sizeof(*buffer)) || buffer->magic != OTEL_BUFFER_MAGIC ||
	    !buffer->committed || buffer->committed > OTEL_FLUSH_MAX - sizeof(*buffer))
		return;
	if (!peek(process, address + sizeof(*buffer), buffer + 1, buffer->committed) ||
	    !peek(process, address + offsetof(struct otel_buffer, position), &position,
		  sizeof(position)) ||
	    position != buffer->position)
		return;
	/* Not a reading of now: says nothing about the process's clock. */
	buffer->clock_time = 0;
	look->copy.event = (struct event){
		.kind = EVENT_FLUSH,
		.size = (uint32_t)sizeof(*buffer) + buffer->committed,
		.process = process->id,
		.thread = buffer->thread_id,
		.time = now,
	};
	if (!look->catch_up(look->self))
		return;
	if (process->gone || process->id.execs != look->copy.event.process.execs)
		return; /* the kernel side took it */
	look->found(look->self, &look->copy, sizeof(look->copy.event) + look->copy.event.size);
}

static bool read_anchor(const struct looked_at *process, struct otel_anchor *anchor)
{
	return peek(process, process->anchor, anchor, offsetof(struct otel_anchor, environment)) &&
	       anchor->magic == OTEL_ANCHOR_MAGIC && anchor->version == OTEL_FORMAT_VERSION;
}

static bool find_anchor(struct looked_at *process, struct otel_anchor *anchor)
{
	if (process->anchor && read_anchor(process, anchor))
		return true;
	for (unsigned i = 0; i < process->image_count && i < MAX_IMAGES; i++)
		if (peek(process, process->images[i], &process->anchor, sizeof(process->anchor)) &&
		    process->anchor && read_anchor(process, anchor))
			return true;
	process->anchor = 0;
	return false;
}

static void look_at(struct look *look, struct looked_at *process, uint64_t now)
{
	static struct otel_anchor anchor;
	unsigned threads = 0;

	/* Until the kernel has said who it is, what it holds would be of somebody else. */
	if (!process->id.start_time || !find_anchor(process, &anchor))
		return;
	for (unsigned i = 0; i < OTEL_ANCHOR_BUCKETS; i++) {
		struct otel_thread thread;

		for (uint64_t at = anchor.threads[i]; at; at = thread.next) {
			if (threads++ >= MAX_THREADS || !peek(process, at, &thread, sizeof(thread)) ||
			    thread.magic != OTEL_THREAD_MAGIC)
				break;
			for (unsigned k = 0; k < sizeof(thread.buffers) / sizeof(*thread.buffers); k++)
				if (thread.buffers[k] && !process->gone)
					look_at_buffer(look, process, thread.buffers[k], now);
		}
	}
}

void look_at_all(struct look *look, uint64_t now)
{
	look->looking = true;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct looked_at *process = look->buckets[i]; process; process = process->next)
			if (!process->gone)
				look_at(look, process, now);
	look->looking = false;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct looked_at **at = &look->buckets[i]; *at;) {
			struct looked_at *process = *at;

			if (!process->gone) {
				at = &process->next;
				continue;
			}
			*at = process->next;
			free(process);
		}
}
