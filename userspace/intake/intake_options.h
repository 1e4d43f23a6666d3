/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the intake, and the assembler below it, are told, and what they count.
 */
#ifndef OTEL_BPF_INTAKE_OPTIONS_H
#define OTEL_BPF_INTAKE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "../../bpf/event.h"
#include "span.h"
#include "blob.h"
#include "books.h"
#include "kept.h"
#include "span_limits.h"
#include "tracers.h"

/* Where finished spans go. */
struct span_sink {
	void (*submit)(void *self, struct span *span); /* does not take over the reference */
	void *self;
};

/*
 * Who makes text of the return addresses (u64 each, innermost first) of @process at @at, of
 * CLOCK_MONOTONIC: appends it to @text.
 */
struct stack_names {
	void (*describe)(void *self, const struct process_id *process, uint64_t at,
			 struct bytes addresses, struct blob *text);
	void *self;
};

/*
 * Who reads the text, with its NUL, that @process has at @address, at @at: 0, or -ENOENT.
 */
struct process_texts {
	int (*read)(void *self, const struct process_id *process, uint64_t at, uint64_t address, char *text,
		    size_t room);
	void *self;
};

struct intake_options {
	const char *service_name; /* of processes that do not name theirs; NULL: unknown_service:executable */
	size_t max_open;	  /* spans that are not finished yet, over all processes */
	uint64_t began; /* spans that started before (CLOCK_MONOTONIC) are another agent's; 0: all are ours */
	size_t exporters;	  /* how many slots the processes' accounts need */
	const struct limits *limits; /* copied; NULL: the defaults */
	struct span_sink sink;
	struct tracer_rules tracers; /* asked when a span starts */
	struct stack_names stack_names; /* .describe may be NULL: stack traces are left out */
	struct process_texts texts; /* .read may be NULL: only what the kernel could read is known */
	struct keeper keeper; /* all zero: nobody goes on if this agent is killed */
};

/* What became of all spans, and what was wrong with the rest. All are sums since the start. */
struct intake_counts {
	uint64_t books[BOOKS];	   /* of all processes, see books.h */
	uint64_t flushes_refused;  /* their memory could not be read, or no buffer has their size */
	uint64_t records_rejected; /* malformed records and flushes, whatever they held */
	uint64_t records_repaired; /* invalid UTF-8 replaced */
	uint64_t spans_before;	   /* that had started before us, and are in no book */
	uint64_t records_orphaned; /* for a span that is not known here, or has ended */
	uint64_t duplicates;	   /* flushes seen before */
	uint64_t gap_bytes;	   /* missing in the streams of the producers' buffers */
	uint64_t vanished;	   /* processes whose end nobody saw: what they held then is lost */
};

#endif
