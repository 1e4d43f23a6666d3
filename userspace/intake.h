/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intake: takes what the ring brings, in order, and turns it into finished spans. Below it:
 *
 *   process.h    who it comes from: processes, their resource, clock and streams
 *   decode.h     a flush into records, checked
 *   assemble.h   records into spans
 *
 * Single-threaded: call from the reader of the ring only.
 */
#ifndef OTEL_BPF_INTAKE_H
#define OTEL_BPF_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/event.h"
#include "../exporter/span.h"
#include "blob.h"
#include "books.h"
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
	size_t exporters;	  /* how many slots the processes' accounts need */
	const struct limits *limits; /* copied; NULL: the defaults */
	struct span_sink sink;
	struct tracer_rules tracers; /* asked when a span starts */
	struct stack_names stack_names; /* .describe may be NULL: stack traces are left out */
	struct process_texts texts; /* .read may be NULL: only what the kernel could read is known */
};

/* What became of all spans, and what was wrong with the rest. All are sums since the start. */
struct intake_counts {
	uint64_t books[BOOKS];	   /* of all processes, see books.h */
	uint64_t flushes_refused;  /* their memory could not be read, or no buffer has their size */
	uint64_t records_rejected; /* malformed records and flushes, whatever they held */
	uint64_t records_repaired; /* invalid UTF-8 replaced */
	uint64_t records_orphaned; /* for a span that is not known here, or has ended */
	uint64_t duplicates;	   /* flushes seen before */
	uint64_t gap_bytes;	   /* missing in the streams of the producers' buffers */
	uint64_t vanished;	   /* processes whose end nobody saw: what they held then is lost */
};

struct intake;

/** Returns NULL and sets errno (ENOMEM). Free with intake_free(). */
struct intake *intake_new(const struct intake_options *options);

/**
 * Takes one event of @size bytes as it came from the ring. Returns 0, or -EBADMSG if it makes no
 * sense: it is counted, nothing else changes.
 */
int intake_event(struct intake *intake, const void *event, size_t size);

/** The same without making spans of it: those that were started in it are counted as lost. */
int intake_skip(struct intake *intake, const void *event, size_t size);

/**
 * What BPF has noted as lost. All that it had put into the ring before that was lost must have been
 * given to intake_event().
 */
void intake_lost(struct intake *intake, const struct loss_key *key, const struct loss_note *note);

/**
 * No EXIT will come for @process, of which only pid and start_time count: if it has not ended here,
 * it does so now, and it is counted. Returns whether that was so.
 */
bool intake_vanished(struct intake *intake, const struct process_id *process);

/**
 * To be called now and then, at least every 200 ms while something is open: finishes what waited
 * for late records. @now is CLOCK_MONOTONIC in nanoseconds.
 */
void intake_tick(struct intake *intake, uint64_t now);

/**
 * Appends all that is not finished to @out, for intake_load() of the agent that goes on from here: see
 * checkpoint.h. It stays in the books as open. Returns 0 or -ENOMEM.
 */
int intake_save(struct intake *intake, struct blob *out);

/**
 * Goes on from there, if nothing has been taken yet. Returns 0, or -EBADMSG, -EPROTONOSUPPORT or -ENOMEM: then
 * free it, and begin with another. *@open: how many open spans came.
 */
int intake_load(struct intake *intake, struct bytes data, uint64_t now, uint64_t *open);

/**
 * What @process had on its buffer @buffer_id up to position @end, with @started spans started until there, was
 * taken by an agent before: it is not to be taken again.
 */
void intake_known(struct intake *intake, const struct process_id *process, uint64_t buffer_id, uint64_t end,
		  uint64_t started);

/** Spans that are open. */
size_t intake_open(const struct intake *intake);

/** No more events will come: finishes every open span as incomplete. */
void intake_finish(struct intake *intake);

/** Processes that are known and have not ended. */
size_t intake_processes(const struct intake *intake);

void intake_counts(const struct intake *intake, struct intake_counts *out);

/** The books of each process. */
const struct ledger *intake_ledger(const struct intake *intake);

void intake_free(struct intake *intake);

#endif
