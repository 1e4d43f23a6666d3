/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the lives of chaos.c leave behind: a file that they share, in which every thread notes before and
 * after each call what it does. chaos_check.c holds it against the spans that arrived.
 *
 * A span is called "LIFE.THREAD.NUMBER", after the place of its note.
 */
#ifndef CHAOS_H
#define CHAOS_H

#include <stdint.h>

#define THREADS 8
#define NOTES 160 /* of a thread: then it only waits for the end */

enum kind {
	KILL,	    /* SIGKILL, from outside */
	SEGV,	    /* a signal from outside at any instruction, or the real thing */
	ABORT,
	BUS,
	EXIT,	    /* exit(0) of the main thread */
	EXIT_NOW,   /* _exit(3) of the main thread */
	EXIT_GROUP, /* _exit(4) of another one */
	EXEC,	    /* of the main thread */
	EXEC_THREAD,
	OOM,
	KINDS,
};

#define KIND_NAMES                                                                                 \
	{"kill", "segv", "abort", "bus", "exit", "_exit", "exit_group", "exec", "exec_thread", "oom"}

enum state {
	NOTHING,
	STARTING,
	STARTED,
	WRITING, /* an attribute "written" */
	WRITTEN,
	ENDING,
	ENDED,
};

struct note {
	uint8_t state;
	uint8_t written; /* the call that wrote to it has returned */
	uint16_t parent; /* 1 + thread * NOTES + number; 0: a root */
};

struct life {
	uint32_t kind;
	uint32_t from_outside;
	uint32_t after_us; /* until the end */
	uint32_t fuse;	   /* or after so many operations, by the thread that does the last one */
	uint64_t seed;
	int32_t status; /* as wait(2) has it */
	uint32_t lived; /* it came to main() */
	struct note notes[THREADS][NOTES];
};

#endif
