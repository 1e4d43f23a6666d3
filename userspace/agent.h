/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent: all parts of the data path, put together, and the loop that drives them. Commands decide
 * whom it follows and when it ends.
 *
 *     capture ─ intake ─ pipeline          what processes hand over, to spans, to exporters
 *     discovery ─ images ─ capture         what is mapped as code, and attached to
 *     look, stacks, settings               what stays in buffers; names of addresses; the operator
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_AGENT_H
#define OTEL_BPF_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "discover.h"
#include "overview.h"
#include "pipeline.h"

struct agent;

struct agent_options {
	struct pipeline_options pipeline;
	const char *service_name; /* NULL: unknown_service:executable */
	const char *settings;	  /* a file; NULL: none */
	const char *metrics;	  /* as telemetry_new() takes it; NULL: none */
	const char *pin;	  /* a directory of the BPF file system; NULL: none */
	size_t ring_bytes;	  /* a power of two */
	bool verbose;
};

#define AGENT_OPTIONS_DEFAULTS                                                                     \
	{                                                                                          \
		.ring_bytes = 16u << 20                                                            \
	}

/**
 * Loads what the kernel runs, and starts the exporters' threads: forks come before. Returns 0, or a
 * negative errno after saying why. *@options must outlive it. Free with agent_free().
 */
int agent_new(const struct agent_options *options, struct agent **out);

/** NULL is allowed. Detaches from everything but what agent_leave() left. */
void agent_free(struct agent *agent);

/**
 * From now on @pid, which has one thread, and all that it will start are recorded. Returns 0, or a negative
 * errno after saying why; @name is for that.
 */
int agent_follow(struct agent *agent, pid_t pid, const char *name);

/** Did it find what an agent before has pinned? */
bool agent_took_over(const struct agent *agent);

/**
 * From now on @pids, which run already, their descendants, and all that they will start are recorded, and
 * whom an agent before us recorded that has left it pinned. Of each one that cannot be it says why. Returns 0,
 * or a negative errno after saying why: also if none can.
 */
int agent_attach(struct agent *agent, const uint32_t *pids, size_t n);

/** A discover_fn: attaches to what is mapped if it carries our note. */
void agent_mapping(void *agent, const struct mapping *mapping);

/** How many files are attached to. */
size_t agent_attached(const struct agent *agent);

/** Calls @ready from agent_turn() whenever @fd is readable. Returns 0 or a negative errno. */
int agent_watch(struct agent *agent, int fd, void (*ready)(void *self), void *self);

/** Waits for something to do, at most half a second, and does it. */
void agent_turn(struct agent *agent);

/** How many processes are followed and have not ended; 64: at least so many. */
size_t agent_followed(struct agent *agent);

/** What is to be said of it now. */
void agent_overview(struct agent *agent, struct overview *out);

/**
 * Switches recording off, takes what is still on its way, lets it leave within some seconds, and says what
 * was lost.
 */
void agent_stop(struct agent *agent);

/** The same, but what is pinned goes on recording, for the next agent. */
void agent_leave(struct agent *agent);

#endif
