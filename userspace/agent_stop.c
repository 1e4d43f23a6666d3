/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of the agent: what is on its way is taken, or left for the next one.
 */
#include <string.h>
#include <time.h>

#include "agent_state.h"
#include "clock.h"
#include "log.h"
#include "report.h"

#define STOP_MS 5000u	      /* for what is on its way out at the end */
#define METRICS_MS 2000u      /* for the last metrics */
#define LOSSES_ROUNDS 16 /* notes that wait, those behind them; a few are enough once nobody records */
#define DRAIN_NS 10000000000u /* for what is on its way in: much less, but with a ring of gigabytes */
#define LAST_LOOK_NS 1000000000u

/* To the position that the ring had when this began. What cannot be handled in time is counted. */
static void drain(struct agent *agent)
{
	const struct timespec moment = {.tv_nsec = 1000000};
	uint64_t end = capture_written(agent->capture), deadline = clock_now() + DRAIN_NS;

	while (capture_consumed(agent->capture) < end) {
		agent->hurried = clock_now() > deadline;
		if (capture_read(agent->capture))
			continue;
		/* A thread was interrupted while it wrote its event. */
		if (agent->hurried)
			break;
		nanosleep(&moment, NULL);
	}
}

/* What threads still hold, once more. */
static void last_look(struct agent *agent)
{
	const struct timespec moment = {.tv_nsec = 500000};
	uint64_t now = clock_now(), deadline = now + LAST_LOOK_NS;
	int looks = 0;

	/* One that is under way has been at some of them before. */
	while (now < deadline) {
		(void)look_turn(agent->look, capture_consumed(agent->capture), now);
		if (!look_under_way(agent->look)) {
			if (looks++)
				return;
			(void)look_start(agent->look, now, LOOK_COUNTS | LOOK_ALL);
		}
		if (!capture_read(agent->capture))
			nanosleep(&moment, NULL);
		now = clock_now();
	}
}

static void finish(struct agent *agent)
{
	struct overview overview;

	if (agent->custody)
		custody_done(agent->custody);
	pipeline_stop(agent->pipeline, STOP_MS);
	telemetry_finish(agent->telemetry, METRICS_MS);
	if (agent->custody)
		custody_end(agent->custody);
	agent_overview(agent, &overview);
	report_say(&overview, agent->options->verbose);
}

void agent_stop(struct agent *agent)
{
	server_ending(agent->server);
	capture_disable(agent->capture);
	drain(agent);
	agent_tick(agent);
	last_look(agent);
	/* What is noted as lost is believed once all that was in the ring by then is known. */
	for (int i = 0; i < LOSSES_ROUNDS; i++) {
		drain(agent);
		if (!capture_losses(agent->capture, agent_lost, agent))
			break;
	}
	capture_detach(agent->capture);
	intake_finish(agent->intake);
	if (agent->pin)
		pin_remove_all(agent->pin, "");
	finish(agent);
}

void agent_leave(struct agent *agent)
{
	struct blob state = {0};
	int err;

	server_ending(agent->server);
	agent->left = true;
	agent_tick(agent);
	capture_leave(agent->capture);
	(void)capture_read(agent->capture);
	err = intake_save(agent->intake, &state);
	if (!err)
		err = pin_put_bytes(agent->pin, AGENT_CHECKPOINT, blob_bytes(&state));
	blob_free(&state);
	if (err) {
		log_error("cannot keep the open spans for the next agent: %s", strerror(-err));
		intake_finish(agent->intake);
	}
	finish(agent);
}
