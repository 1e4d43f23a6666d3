/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Custody: what the agent has to answer for between the ring and the exporters, and how far it has come,
 * written into pinned memory (journal.h, positions.h), and what it says of an agent before it that was killed.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_CUSTODY_H
#define OTEL_BPF_CUSTODY_H

#include "intake.h"
#include "journal.h"
#include "pin.h"
#include "pipeline.h"

struct custody;

/** @consumed: how far the ring was read. Returns 0 or a negative errno. */
int custody_new(const struct pin *pin, uint64_t consumed, struct custody **out);

/** NULL is allowed. */
void custody_free(struct custody *custody);

/** For pipeline_new(). */
struct exporter_trace *custody_exporters(struct custody *custody);

/** For intake_new(). */
struct keeper custody_keeper(struct custody *custody);

/**
 * @intake goes on from where the agent before was, after the checkpoint of that has been loaded, if there is
 * one. Says what was lost with that agent, and begins.
 */
void custody_begin(struct custody *custody, struct intake *intake, struct pipeline *pipeline);

/** Takes a reference, for when what has finished it is done with. */
void custody_span(struct custody *custody, struct span *span);

/** An event of the ring begins: all before it were given back. */
void custody_event(struct custody *custody);

/** It is done with; @position: where it is in the ring. */
void custody_event_done(struct custody *custody, uint64_t position);

/** Something else is done with, a look or a note of losses, and all events were given back. */
void custody_done(struct custody *custody);

/** The agent ends in order. */
void custody_end(struct custody *custody);

#endif
