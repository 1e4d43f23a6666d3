/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes, as long as they live and a little longer: who they are, their streams, scopes and
 * resource, and a list of the spans that they have open (which the assembler keeps).
 */
#ifndef OTEL_BPF_PROCESS_H
#define OTEL_BPF_PROCESS_H

#include <stdbool.h>

#include "../../bpf/event.h"
#include "attributes.h"
#include "books.h"
#include "clock.h"
#include "detect.h"
#include "kept.h"
#include "list.h"
#include "scopes.h"
#include "stream.h"

/* What a program can hardly have meant. */
enum oddity {
	ODD_ATTRIBUTES = 1,   /* OTEL_RESOURCE_ATTRIBUTES makes no sense */
	ODD_PROPAGATORS = 2,  /* OTEL_PROPAGATORS names what otel/propagation.h has not */
	ODD_NAMELESS = 4,     /* a tracer has no name */
	ODD_LATE = 8,	      /* a span was written to after its end */
	ODD_DESCRIPTION = 16, /* a status that is not Error has a description */
};

struct process {
	struct process *next_hash;
	struct list order; /* the living: least recently heard of first; the dead: as they died */
	struct process_id id;
	bool whole; /* known since its FORK or EXEC: nothing of it happened before */
	bool ended;
	uint64_t heard;	 /* when its last event was */
	int exit_status; /* as wait(2) has it; -1: still running, or nobody knows */
	bool out_of_memory; /* why it was killed */
	uint64_t ended_at;
	struct list streams; /* the one that is silent the longest first */
	size_t n_streams;
	struct list stream_holders; /* of those that have about as many */
	size_t pieces;		    /* memory in values that are not whole */
	struct list open; /* struct open_span, least recently touched first */
	size_t n_open;
	size_t open_memory;  /* bytes that they take */
	struct list holders; /* of those that hold about as much */
	uint64_t gaps;		 /* how often something was missing, in all of its streams */
	uint64_t gap_buffer;	 /* the stream where it was so the last time, */
	uint64_t gaps_elsewhere; /* and which of the gaps was the last one in another */
	struct clock_shift shift;
	struct facts facts;
	uint16_t language; /* enum otel_language */
	struct blob environment;
	struct attributes by_program; /* what RESOURCE records said */
	char instance[37];
	struct resource *resource; /* NULL: to be built */
	struct scopes scopes;
	struct books *books;
	uint64_t lost_unknown;	   /* spans in its books that the headers will tell of once more */
	uint64_t kept_unknown;	   /* how many of those are kept */
	uint64_t forgotten_buffer; /* the highest id of a stream that was forgotten */
	uint64_t rejected;
	size_t words; /* bytes of memory that hold what it says of itself */
	uint32_t slot; /* see kept.h */
	bool reported;
	unsigned odd;  /* enum oddity */
	unsigned told; /* those of which the user was told */
};

#define STREAM_HOLDERS 16

struct processes {
	struct process **buckets;
	size_t room; /* a power of two */
	size_t n;
	size_t n_living;
	struct list living;
	struct list ended;
	struct stream **stream_buckets;
	size_t n_streams;
	struct list streams; /* of all processes */
	struct list stream_holders[STREAM_HOLDERS]; /* processes, by the logarithm of how many they have */
	size_t pieces;	     /* memory in values that are not whole */
	size_t words;	     /* memory that holds what processes say of themselves */
	uint64_t secret;
	struct ledger ledger;
	struct keeper keeper;
};

#define PROCESSES_MAX 65536
#define PROCESSES_ENDED_MAX 4096
#define STREAMS_MAX 262144
#define STREAMS_OF_PROCESS_MAX 16384
#define WORDS_MAX ((size_t)64 << 20)
#define PIECES_MAX ((size_t)64 << 20)

/** Returns 0 or -ENOMEM. */
int processes_init(struct processes *processes);
void processes_free(struct processes *processes);

struct process *process_find(const struct processes *processes, const struct process_id *id);

/** One with another exec of the same process, or with the same pid, that is not ended; or NULL. */
struct process *process_find_replaced(const struct processes *processes,
				      const struct process_id *id);

/** A new one, of which nothing is known yet. NULL: no memory. */
struct process *process_add(struct processes *processes, const struct process_id *id);

/** It was heard of at @now. */
void process_touch(struct processes *processes, struct process *process, uint64_t now);

/**
 * Weighs what the process says of itself: scopes, environment, resource. If all processes say too
 * much, what the one that said the most has said is forgotten.
 */
void process_weigh(struct processes *processes, struct process *process);

/** It has ended; it stays known for what is late. */
void process_end(struct processes *processes, struct process *process, uint64_t now);

/** Something is missing in its stream of this buffer. */
void process_gap(struct process *process, uint64_t buffer_id);

/** Was something missing in another stream of it than this one, since it had @gaps? */
bool process_gap_elsewhere(const struct process *process, uint64_t gaps, uint64_t buffer_id);

/** Forgets it. Its spans must have been finished. */
void process_remove(struct processes *processes, struct process *process);

/** Who holds the most memory in values that are not whole; NULL: nobody holds any. */
struct process *process_most_pieces(const struct processes *processes);

/**
 * The stream of a buffer, made if it is not known. If there are too many, the process that has about
 * the most loses the one that is silent the longest. NULL: no memory.
 */
struct stream *process_stream(struct processes *processes, struct process *process,
			      uint64_t buffer_id);

/** The same, but NULL if it is not known. */
struct stream *process_find_stream(const struct processes *processes, const struct process *process,
				   uint64_t buffer_id);

/** What people call it: the executable's name, printable, or "?". */
void process_name(const struct process *process, char *text, size_t room);

/** Its books are called that from now on. */
void process_name_books(struct process *process);

#endif
