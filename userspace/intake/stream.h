/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: what one buffer of a process ever held, as far as it reached us. Tells what was seen
 * before from what is new and from what is missing, and puts values together that came in pieces.
 */
#ifndef OTEL_BPF_STREAM_H
#define OTEL_BPF_STREAM_H

#include <stdbool.h>

#include "blob.h"
#include "decode.h"
#include "list.h"

/* The largest value. */
#define STREAM_VALUE_MAX ((size_t)16 << 20)

/* A hole larger than what a machine can have written is no hole. */
#define STREAM_GAP_MAX (UINT64_C(1) << 40)

struct process;

struct stream {
	struct stream *next_hash;
	struct list used;    /* all streams */
	struct list sibling; /* those of the process */
	struct process *process;
	size_t *pieces_of_process; /* memory in values of the process that are not whole */
	uint64_t buffer_id;
	uint64_t expected; /* position of what comes next; UINT64_MAX: nothing came yet */
	uint64_t gaps;	   /* how often something was missing */
	uint64_t time;	   /* the latest that a record here named: others are not older */
	/* See accounting.h. Spans that were ever started on it before `expected`, and of those, */
	uint64_t started;
	uint64_t lost; /* lost for no reason that is known yet */
	uint64_t torn; /* the same, of those whose beginning came, and not all pieces of it */
	/* Where its books begin: position, and spans that were started before. */
	uint64_t since;
	uint64_t started_since;
	/* The producer's own counts, as of the last header, all of its past included. */
	uint64_t not_sampled;
	uint64_t dropped_starts;
	bool fresh; /* there is a past that is not ours to count */
	uint32_t slot; /* see kept.h */
	/* A value of which not all pieces are here. */
	struct record first; /* without payload */
	struct blob pieces;
	bool joining;
	bool skipping; /* pieces of something whose beginning is missing or was dropped */
	/* The type of the exception that leaves a span in the flush at this position. NULL: none. */
	char *exception;
	uint64_t exception_position;
};

/* What a flush brings. */
struct stream_news {
	bool seen;	/* nothing */
	size_t overlap; /* bytes at its beginning that were here before */
	uint64_t gap;	/* bytes missing before it */
};

/**
 * Takes the position of a flush, of a stream on which accounting_meet() was called. -EBADMSG: the
 * position is a lie.
 */
int stream_advance(struct stream *stream, const struct flush *flush, struct stream_news *news);

/**
 * Joins pieces. Returns 1: *@record is whole, and valid until stream_drop(), which must follow; 0:
 * it is not, yet, or belongs to something that was dropped already; -EBADMSG: it makes no sense
 * here; -EFBIG: the value is too large, and dropped. *@memory is the sum over all streams, which is
 * for the caller to bound.
 *
 * While `joining`, only CONTINUED records may be given; stream_drop() first if another one comes.
 */
int stream_join(struct stream *stream, struct record *record, size_t *memory);

/** Drops a value that is not whole; true if there was one. */
bool stream_drop(struct stream *stream, size_t *memory);

#endif
