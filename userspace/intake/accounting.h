/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounting: what became of the spans that never arrived.
 *
 * Each buffer counts, in the header of every flush, how many spans were ever started on it. We
 * count those whose beginning arrived, in the same order. Where bytes are missing in between, the
 * difference of both is how many were lost, whoever lost them, and however often parts of it were
 * seen before or come again. For what reason, and that something was lost behind the last header
 * that arrived, the kernel side tells in notes. What remains when those are in was never handed
 * over.
 *
 * All that the headers say is a claim: it changes only the books of the process that makes it.
 */
#ifndef OTEL_BPF_ACCOUNTING_H
#define OTEL_BPF_ACCOUNTING_H

#include "process.h"
#include "stream.h"

/**
 * Something of @stream is seen that begins at @position. True: for the first time, and it is
 * counted from there on.
 */
bool accounting_meet(struct stream *stream, uint64_t position, uint64_t started_before);

/** A span's beginning has arrived. */
void accounting_start(struct stream *stream);

/** That of one that is not ours. */
void accounting_pass(struct stream *stream);

/** @gap bytes are missing; up to behind them, @started spans were started on the buffer. */
void accounting_gap(struct stream *stream, uint64_t gap, uint64_t started);

/** The same for a flush of @size bytes that arrived, and will not be looked into. */
void accounting_skip(struct stream *stream, uint64_t size, uint64_t started);

/** All of a flush is in, or before: by its header and its records, so many were started. */
void accounting_check(struct stream *stream, uint64_t started);

/** Counts of headers that have nothing to do with what arrives. */
void accounting_counts(struct stream *stream, uint64_t not_sampled, uint64_t dropped_starts);

/** What the kernel side has noted for one stream. */
void accounting_note(struct stream *stream, const struct loss_note *note);

/** The same for flushes of no known stream. */
void accounting_unknown(struct process *process, const struct loss_note *note);

#endif
