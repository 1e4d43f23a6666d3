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

#include "../../bpf/event.h"
#include "blob.h"
#include "books.h"
#include "intake_options.h"
#include "kept.h"

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

/** Are notes for intake_lost() on their way? Until they have come, they may be of processes that have ended. */
void intake_expect_losses(struct intake *intake, bool expected);

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
 * Goes on from what an agent before us has kept in @slot, if nothing has been taken yet: to be called after
 * intake_load(), which has all of it, if there was something to load; and for all processes before any stream.
 * @now is CLOCK_MONOTONIC. False: it is of no use, and the slot free.
 */
bool intake_restore(struct intake *intake, const struct kept *kept, uint32_t slot, uint64_t now);

/** No more events will come: finishes every open span as incomplete. */
void intake_finish(struct intake *intake);

/** Processes that are known and have not ended. */
size_t intake_processes(const struct intake *intake);

void intake_counts(const struct intake *intake, struct intake_counts *out);

/** The books of each process. */
const struct ledger *intake_ledger(const struct intake *intake);

void intake_free(struct intake *intake);

#endif
