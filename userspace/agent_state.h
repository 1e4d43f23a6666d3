/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the agent share, and nobody else: agent.c (how it is put together),
 * agent_follow.c (whom it records), agent_stop.c, and below them agent_loop.c.
 */
#ifndef OTEL_BPF_AGENT_STATE_H
#define OTEL_BPF_AGENT_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/event.h"
#include "agent.h"
#include "capture.h"
#include "custody.h"
#include "discover.h"
#include "images.h"
#include "intake.h"
#include "look.h"
#include "pin.h"
#include "server.h"
#include "settings.h"
#include "stacks.h"
#include "telemetry.h"

#define AGENT_CHECKPOINT "checkpoint" /* its name among what is pinned */
#define AGENT_MAX_SOURCES 8

/* What somebody waits for. */
struct agent_source {
	void (*ready)(void *self);
	void *self;
};

struct agent {
	const struct agent_options *options;
	struct settings *settings;
	struct pin *pin;	 /* NULL: none */
	bool left;		 /* what is pinned goes on */
	struct custody *custody; /* NULL: nothing is pinned */
	struct pipeline *pipeline;
	struct capture *capture;
	struct mounts *mounts;
	struct images *images;
	struct discovery *discovery;
	struct intake *intake;
	struct look *look;
	struct stacks *stacks;
	struct server *server;	     /* NULL: nobody can ask */
	struct telemetry *telemetry; /* NULL: no metrics are wanted */
	uint64_t not_handed_over;    /* as told last */
	int epoll;
	bool busy;	/* the last turn found something in the ring */
	bool everybody; /* discovery tells of all processes of the host */
	bool hurried;	/* what is left in the ring is only counted */
	uint64_t began;
	uint64_t next_look;
	unsigned looks;
	uint64_t next_sweep;
	uint64_t missed; /* mappings that were not reported, and have been looked up */
	uint64_t next_mappings;
	size_t source_count;
	struct agent_source sources[AGENT_MAX_SOURCES];
};

/* ---- agent_loop.c ---- */

/**
 * Of one descriptor, or, with @fd -1, of those that are added to the epoll instance by others, with
 * *@data (NULL: not wanted). Returns 0 or a negative errno.
 */
int agent_add_source(struct agent *agent, int fd, void (*ready)(void *self), void *self,
		     uint64_t *data);

/** What came out of the ring. */
void agent_take_event(struct agent *agent, const void *event, size_t size);

/** For capture_losses(); @self is the agent. */
void agent_lost(void *self, const struct loss_key *key, const struct loss_note *note);

/** What is to be done now and then. */
void agent_tick(struct agent *agent);

/* ---- agent_follow.c ---- */

/** Looks up what was mapped and not reported, since there was no room for it; seldom, if it takes long. */
void agent_find_missed(struct agent *agent, uint64_t now);

#endif
