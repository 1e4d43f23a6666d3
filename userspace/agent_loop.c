/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop: what comes out of the ring, and what is to be done now and then.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "agent_state.h"
#include "clock.h"
#include "detect.h"

#define SWEEP_NS 100000000u
#define LOOK_NS 400000000u /* with what a look takes itself: no record older than a second */
#define COUNTS_LOOKS 10	   /* one of so many is also at buffers that hold nothing */

void agent_take_event(struct agent *agent, const void *event, size_t size)
{
	const uint32_t kind = ((const struct event *)event)->kind;

	if (agent->hurried) {
		intake_skip(agent->intake, event, size);
		return;
	}
	/* A child has what its parent had mapped by then; what has ended maps nothing more. */
	if ((kind == EVENT_FORK || kind == EVENT_EXIT) && agent->discovery)
		discovery_read(agent->discovery);
	stacks_event(agent->stacks, event);
	intake_event(agent->intake, event, size);
	look_event(agent->look, event);
}

/*
 * Reads all that is in the ring by now. False: there is more than one turn can read, or a program that
 * was preempted has not finished what it writes there, and all behind it waits.
 */
static bool catch_up(struct agent *agent)
{
	uint64_t end = capture_written(agent->capture);

	(void)capture_read(agent->capture);
	return capture_consumed(agent->capture) >= end;
}

void agent_lost(void *self, const struct loss_key *key, const struct loss_note *note)
{
	struct agent *agent = self;

	intake_lost(agent->intake, key, note);
	if (agent->custody)
		custody_done(agent->custody);
}

int agent_add_source(struct agent *agent, int fd, void (*ready)(void *self), void *self, uint64_t *data)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = agent->source_count};

	if (agent->source_count == AGENT_MAX_SOURCES)
		return -E2BIG;
	agent->sources[agent->source_count] = (struct agent_source){ready, self};
	if (fd >= 0 && epoll_ctl(agent->epoll, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	if (data)
		*data = agent->source_count;
	agent->source_count++;
	return 0;
}

int agent_watch(struct agent *agent, int fd, void (*ready)(void *self), void *self)
{
	return agent_add_source(agent, fd, ready, self, NULL);
}

/* Ends that did not fit into the ring, and those that no program of ours saw. */
static bool on_swept(void *self, const struct process_id *process, const struct event_exit *exit)
{
	struct agent *agent = self;
	struct {
		struct event event;
		struct event_exit exit;
	} told = {
		.event = {
			.kind = EVENT_EXIT,
			.size = sizeof(told.exit),
			.process = *process,
			.time = clock_now(),
		},
	};

	/* What it has left comes before its end; and what has just ended may have been seen. */
	if (exit) {
		if (!catch_up(agent))
			return false;
		told.exit = *exit;
		agent_take_event(agent, &told, sizeof(told));
		return true;
	}
	if (!detect_ended(process) || !catch_up(agent) || !capture_follows(agent->capture, process->pid))
		return false;
	intake_vanished(agent->intake, process);
	look_event(agent->look, &told.event);
	stacks_event(agent->stacks, &told.event);
	return true;
}

void agent_tick(struct agent *agent)
{
	uint64_t now = clock_now();

	if (capture_noted_losses(agent->capture))
		capture_losses(agent->capture, agent_lost, agent);
	intake_expect_losses(agent->intake, capture_noted_losses(agent->capture));
	intake_tick(agent->intake, now);
	images_tick(agent->images, now);
	agent_find_missed(agent, now);
	stacks_tick(agent->stacks, now);
	if (now >= agent->next_sweep) {
		capture_sweep(agent->capture, on_swept, agent);
		agent->next_sweep = now + SWEEP_NS;
	}
	if (now >= agent->next_look &&
	    look_start(agent->look, now, agent->looks % COUNTS_LOOKS ? 0 : LOOK_COUNTS)) {
		agent->looks++;
		agent->next_look = now + LOOK_NS;
	}
	if (look_turn(agent->look, capture_consumed(agent->capture), now))
		agent->busy = true; /* what is found waits for the ring to be read */
	telemetry_tick(agent->telemetry, now);
	if (agent->custody)
		custody_done(agent->custody);
}

void agent_turn(struct agent *agent)
{
	struct epoll_event events[16];
	int nap = capture_nap(agent->capture, agent->busy);
	int n = epoll_wait(agent->epoll, events, 16, nap);

	agent->busy = capture_read(agent->capture);
	for (int i = 0; i < n; i++) {
		const struct agent_source *source = &agent->sources[events[i].data.u64];

		if (source->ready)
			source->ready(source->self);
	}
	agent_tick(agent);
}
