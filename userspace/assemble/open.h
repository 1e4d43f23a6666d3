/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One span while it is open: what its records said so far, and how it becomes a finished one. The
 * assembler decides which records come here, and when it is finished.
 */
#ifndef OTEL_BPF_OPEN_H
#define OTEL_BPF_OPEN_H

#include <stdbool.h>

#include "attributes.h"
#include "blob.h"
#include "decode.h"
#include "span_limits.h"
#include "list.h"
#include "span.h"

/* Our own limit beside those that are set: attributes, events and links each, in bytes. */
#define OPEN_BYTES_MAX ((size_t)32 << 20)

struct process;

/* What COUNTED records carry. */
struct carried {
	uint64_t attributes;
	uint64_t events;
	uint64_t links;
};

struct open_span {
	/* The assembler's. */
	struct open_span *next_hash;
	struct list used;    /* all: least recently touched first */
	struct list sibling; /* those of the process, in the same order */
	struct list waiting; /* those with a deadline */
	struct process *process;
	uint64_t deadline; /* 0: none */
	uint64_t touched;  /* when its last record came */
	size_t memory;	   /* as counted */
	uint64_t records;  /* that would be orphans if no START came */
	const struct limits *limits;

	uint64_t id;
	uint64_t buffer_id;	/* that it was started on */
	uint64_t end_buffer_id; /* and ended on */
	bool started;
	bool ended;
	bool shared;  /* others may have written to it */
	bool left_out; /* its tracer is switched off: will not be exported */
	bool damaged; /* something that may have been part of it is missing */
	uint64_t process_gaps; /* what these were at its start, or, once it has ended, at its end */
	uint64_t stream_gaps;  /* at its start */
	uint64_t start; /* on the process's clock */
	uint64_t end;
	uint64_t start_unix; /* as given; 0: not */
	uint64_t end_unix;
	int64_t offset;	     /* from the process's clock to the wall clock's */
	int64_t host_offset; /* from the host's */
	uint8_t trace_id[16];
	uint8_t parent_id[8];
	uint32_t flags;
	uint8_t kind;
	uint8_t status;
	uint8_t status_by;
	uint64_t status_time;
	uint64_t name_time;
	struct scope *scope;
	struct carried carried;	 /* arrived */
	struct carried promised; /* by END */
	uint32_t n_events;
	uint32_t n_links;
	/* Where the last event is in `events`, for its stack trace; SIZE_MAX: it is not there. */
	size_t last_event;
	uint64_t last_event_time;
	uint64_t dropped_attributes; /* beside what the set counts */
	uint64_t dropped_events;
	uint64_t dropped_links;
	struct blob name;
	struct blob tracestate;
	struct blob message; /* of the status */
	struct attributes attributes;
	struct blob events;
	struct blob links;
	/* Records of other threads: their place among the others is known at the end only. */
	struct blob late;
	uint32_t n_late;
	bool merged; /* there were any */
};

/* Beside enum otel_record_kind: the type of the exception that leaves the span, as the kernel knew it. */
#define OPERATION_EXCEPTION 255

/* Something that was done to a span, without its time. */
struct operation {
	uint8_t kind; /* enum otel_record_kind */
	uint8_t flags;
	uint64_t time; /* on the process's clock */
	struct bytes payload;
};

/* What is found when it is looked at. */
struct verdict {
	struct carried carried;
	bool repaired;
	const char *why; /* what is malformed; NULL: nothing */
};

/** @scratch is memory to be used again. All that can be kept is kept. */
void open_start(struct open_span *span, const struct start *start, struct verdict *verdict);
void open_apply(struct open_span *span, const struct operation *operation,
		struct attributes *scratch, struct verdict *verdict);

/** Keeps it for open_merge(). Returns 0, -ENOMEM, or -ENOSPC: merge first. */
int open_defer(struct open_span *span, const struct operation *operation);

/** Applies what was kept by its time, and returns how many were after the end, so not applied. */
uint32_t open_merge(struct open_span *span, struct attributes *scratch, struct verdict *verdict);

/** Is what was kept well-formed? Of one that somebody else has filled. */
bool open_late_is_fine(const struct open_span *span);

/** The agent's own word: an exception, with a status unless one was set; and an attribute. */
void open_fail(struct open_span *span, const char *type, const char *message, uint64_t unix_nano,
	       struct attributes *scratch);
void open_mark(struct open_span *span, const char *attribute);

/** Is all here that END promised? */
bool open_complete(const struct open_span *span);

/** Counts what is not as dropped. */
void open_count_missing(struct open_span *span);

/** The finished span; takes references of its own. NULL: no memory. */
struct span *open_finish(const struct open_span *span, struct resource *resource);

/** Memory that it holds beside itself. */
size_t open_memory(const struct open_span *span);

/** Makes it all zero but for a little memory that can be used again; open_free(): that, too. */
void open_reset(struct open_span *span);
void open_free(struct open_span *span);

#endif
