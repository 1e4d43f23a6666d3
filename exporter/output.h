/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file, pipe or terminal that text goes to.
 *
 * A reader that does not read holds up the writing thread, but not for good: another thread can
 * interrupt it.
 */
#ifndef OTEL_BPF_OUTPUT_H
#define OTEL_BPF_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

struct output {
	const char *name; /* for messages */
	int fd;
	int interrupt_fd;
	bool owned;   /* ->fd is closed at the end */
	bool regular; /* file: never blocks for long */
	bool torn;    /* the last line there is only a part of one */
};

/**
 * Opens @path to append to it; "-" is standard output, NULL standard error. @path must live as
 * long as the output. Returns 0 or a negative errno, after saying why.
 */
int output_open(struct output *output, const char *path);
void output_close(struct output *output);

/**
 * Writes whole lines. Returns 0, -ECANCELED when interrupted, or another negative errno. If only a
 * part got out it is taken back where that is possible; else the next call ends the torn line.
 */
int output_write(struct output *output, const char *data, size_t size);

/** Ends output_write(), this one and all that follow. From any thread. */
void output_interrupt(struct output *output);

#endif
