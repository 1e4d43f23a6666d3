/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads what other processes hold in their buffers. In a process of its own: a page of theirs may
 * be one that a file system, a debugger or a userfaultfd brings when it likes, or never, and then
 * the read does not return. A keeper, which never touches foreign memory itself, ends a reader that
 * is stuck and starts the next one; the agent goes on all the while.
 *
 * Not of this process's main loop: sends and receives messages, and never waits.
 */
#ifndef OTEL_BPF_PEEK_H
#define OTEL_BPF_PEEK_H

#include <stddef.h>
#include <stdint.h>

#include "../../bpf/event.h"

#define PEEK_IMAGES_MAX 16

/* Whom to read. */
struct peek_request {
	struct process_id process;
	uint64_t anchor;		  /* 0: not known */
	uint64_t images[PEEK_IMAGES_MAX]; /* where images keep the address of their anchor */
	uint32_t image_count;
	uint32_t bucket; /* of the anchor's threads, to begin with */
	uint32_t counts; /* not 0: buffers that hold nothing are wanted, too, for what they count */
	uint64_t budget; /* nanoseconds of CPU time */
};

enum peek_kind {
	PEEK_FOUND = 1, /* struct event, an EVENT_FLUSH, and its body */
	PEEK_DONE,	/* with this process: what comes next is of the next one */
	PEEK_STUCK,	/* the same: its memory did not come in time */
};

struct peek_answer {
	uint32_t kind;	 /* enum peek_kind */
	uint32_t bucket; /* to go on with; 0: all were read */
	struct process_id process;
	uint64_t anchor; /* 0: it has none */
	uint64_t took;	 /* nanoseconds */
	uint32_t cut;	 /* there was no time for all of it */
	uint32_t reserved;
	struct {
		struct event event;
		uint8_t flush[OTEL_FLUSH_MAX];
	} found;
};

struct peek;

/**
 * Starts the processes: to be called before there are threads, and before there is anything that
 * they had better not hold. Returns 0 or a negative errno. End them with peek_free().
 */
int peek_new(struct peek **out);

/** NULL is allowed. */
void peek_free(struct peek *peek);

/** A descriptor for epoll: readable when there are answers. */
int peek_fd(const struct peek *peek);

/** Asks; answers come in the order of requests. 0, or -EAGAIN: too many are under way. */
int peek_ask(struct peek *peek, const struct peek_request *request);

/** Takes the next answer. 0; -EAGAIN: there is none yet; -EPIPE: nobody is there to give one. */
int peek_answer(struct peek *peek, struct peek_answer *answer);

#endif
