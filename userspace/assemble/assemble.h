/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assembler: puts the records of a span, which may come from several threads and several flushes,
 * back together into one finished span.
 *
 * Owns every span until it is finished; hands it to the sink given at creation. Single-threaded.
 */
#ifndef OTEL_BPF_ASSEMBLE_H
#define OTEL_BPF_ASSEMBLE_H

#include <stdbool.h>

#include "decode.h"
#include "intake_options.h"
#include "process.h"
#include "pack.h"
#include "stream.h"

/* How long records of other threads may be late: these hand over theirs within a second. */
#define LINGER_NS UINT64_C(1200000000)

/* The same for a START. On a busy machine a thread that holds one may be late, and its span is lost. */
#define LINGER_START_NS UINT64_C(10000000000)

/* A span of which nothing was heard for so long has been forgotten by those who should end it. */
#define FORGOTTEN_NS (UINT64_C(24) * 3600 * 1000000000)

/* What all open spans together may take. */
#define ASSEMBLER_BYTES_MAX ((size_t)256 << 20)

struct assembler;

/**
 * Creates one that keeps at most @options->max_open spans open; of the process that holds the most,
 * the span that was touched longest ago makes room for a new one, and is counted in @counts, as is
 * all else. Both must outlive it. Returns NULL and sets errno (ENOMEM). Free with assembler_free().
 */
struct assembler *assembler_new(const struct intake_options *options, struct intake_counts *counts);

/**
 * Takes one whole record of a span. @now is CLOCK_MONOTONIC. Returns 0, or -EBADMSG and *@why if
 * it, or a part of it, is malformed: the rest is taken.
 */
int assembler_feed(struct assembler *as, struct process *process, struct stream *stream,
		   const struct record *record, uint64_t now, const char **why);

/**
 * What left the span of @last, the last record of a flush, is an exception of this type. Where @last says
 * that there was one, it gets it.
 */
void assembler_exception(struct assembler *as, struct process *process, struct stream *stream,
			 const struct record *last, struct bytes type, uint64_t now);

/** A record of span @id makes no sense: who it was of is not whole, and nobody counts what it would have said. */
void assembler_damage(struct assembler *as, struct process *process, uint64_t id);

/** Finishes all spans of a process that has ended at @now (of CLOCK_MONOTONIC of the host). */
void assembler_end(struct assembler *as, struct process *process, uint64_t now);

/** Finishes what has waited long enough for late records, and what was forgotten. */
void assembler_tick(struct assembler *as, uint64_t now);

/** Finishes every span, as incomplete if it has not ended. */
void assembler_finish(struct assembler *as, uint64_t now);

/**
 * Takes one span of @process out of a checkpoint; *@scope: see open_load(). Returns 1; 0: it had not started,
 * nobody counts it; -EBADMSG: it makes no sense; -ENOMEM.
 */
int assembler_load(struct assembler *as, struct process *process, struct unpack *unpack, struct scope **scope,
		   uint64_t now);

void assembler_free(struct assembler *as);

#endif
