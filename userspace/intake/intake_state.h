/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the intake share, and nobody else: intake.c (events, notes of losses,
 * checkpoints), and below it intake_flushes.c, intake_lives.c and intake_complain.c, in this order.
 */
#ifndef OTEL_BPF_INTAKE_STATE_H
#define OTEL_BPF_INTAKE_STATE_H

#include <stdbool.h>

#include "assemble.h"
#include "intake.h"
#include "process.h"

/* Complaints about processes: so many at once, and one a second. */
#define COMPLAINTS_MAX 20

struct intake {
	struct intake_counts counts;
	struct processes processes;
	struct assembler *assembler;
	struct stack_names stack_names;
	struct process_texts texts;
	struct blob stack; /* the text of a stack trace */
	uint64_t began;	   /* see intake_options.h */
	uint64_t event_time;
	uint64_t now; /* the latest time that an event or a tick named */
	uint64_t complaints;
	uint64_t complaints_at;
	bool skip;
	bool losses_expected;
	bool loaded; /* it goes on from a checkpoint */
};

/* What is wrong with a flush, to be said once it is done with. */
struct complaint {
	const char *why;
	uint8_t kind;
	size_t offset;
	uint64_t n;
};

/* ---- intake_flushes.c: events; 0, or -EBADMSG: it makes no sense ---- */

int intake_flush(struct intake *intake, const struct event *event, struct bytes body);
int intake_exception(struct intake *intake, const struct event *event, struct bytes body);

/* ---- intake_lives.c ---- */

/**
 * A value that never became whole is dropped; if it was a START, the span is lost, and @why. Was there one?
 */
bool intake_drop_pieces(struct intake *intake, struct stream *stream, enum book why);

/** It has ended at @at, with this wait(2) status; -1: nobody knows with which. */
void intake_end_process(struct intake *intake, struct process *process, int status, uint64_t at);

/** Of those that have ended, forgets whom nothing more can come from. */
void intake_forget_ended(struct intake *intake);

/** The process of news that say nothing about it but its id. NULL: no memory. */
struct process *intake_get_process(struct intake *intake, const struct process_id *id,
				   uint64_t time);

/** Finds out of some that said nothing for long whether they have ended. */
void intake_look_for_silent(struct intake *intake);

/** Events; 0, or -EBADMSG: it makes no sense. */
int intake_fork(struct intake *intake, const struct event *event, struct bytes body);
int intake_exec(struct intake *intake, const struct event *event, struct bytes body);
int intake_exit(struct intake *intake, const struct event *event, struct bytes body);
int intake_anchor(struct intake *intake, const struct event *event, struct bytes body);

/* ---- intake_complain.c ---- */

/** A record or a flush is malformed: it is counted; the first one that is put into @complaint is
 * what is told. */
void intake_reject(struct intake *intake, struct complaint *complaint, const char *why,
		   uint8_t kind, size_t offset);

/** Says what is wrong with what the process has handed over, or with its environment; each once. */
void intake_complain(struct intake *intake, struct process *process,
		     const struct complaint *complaint);

#endif
