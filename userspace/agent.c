/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent_state.h"
#include "clock.h"
#include "log.h"

#define MAX_OPEN_SPANS 1000000u

/* ---- Where the parts meet ---- */

static void on_span(void *self, struct span *span)
{
	struct agent *agent = self;

	if (agent->custody)
		custody_span(agent->custody, span);
	else
		pipeline_submit(agent->pipeline, span);
}

static int on_text(void *self, const struct process_id *process, uint64_t at, uint64_t address, char *text,
		   size_t room)
{
	struct agent *agent = self;

	/* What was loaded just before it. */
	if (agent->discovery)
		discovery_read(agent->discovery);
	return stacks_text(agent->stacks, process, at, address, text, room);
}

static bool is_tracer_on(void *self, struct bytes name)
{
	const struct agent *agent = self;

	return settings_tracer_on(agent->settings, name);
}

static void on_event(void *self, const void *event, size_t size)
{
	struct agent *agent = self;

	if (agent->custody)
		custody_event(agent->custody);
	agent_take_event(agent, event, size);
	if (agent->custody)
		custody_event_done(agent->custody, capture_consumed(agent->capture));
}

static void on_stack(void *self, const struct process_id *process, uint64_t at,
		     struct bytes addresses, struct blob *text)
{
	struct agent *agent = self;

	/* What was loaded just before it. */
	if (agent->discovery)
		discovery_read(agent->discovery);
	stacks_describe(agent->stacks, process, at, addresses, text);
}

static uint64_t written(void *self)
{
	struct agent *agent = self;

	return capture_written(agent->capture);
}

static void on_look(void *self, const void *event, size_t size)
{
	struct agent *agent = self;

	intake_event(agent->intake, event, size);
	if (agent->custody)
		custody_done(agent->custody);
}

static void on_settings(void *self)
{
	struct agent *agent = self;
	int err;

	if (!settings_reload(agent->settings))
		return;
	err = capture_sample(agent->capture, settings_sampling(agent->settings));
	if (err)
		log_error("the sampler could not be changed everywhere: %s", strerror(-err));
	/* Where that fails, their spans are left out here. */
	(void)capture_tracers(agent->capture, &(const struct tracer_rules){is_tracer_on, agent});
	if (!err)
		log_info("%s: settings changed", agent->options->settings);
}

/* ---- What others ask ---- */

void agent_overview(struct agent *agent, struct overview *out)
{
	*out = (struct overview){
		.ledger = intake_ledger(agent->intake),
		.pipeline = agent->pipeline,
		.uptime_ns = clock_now() - agent->began,
		.processes = intake_processes(agent->intake),
		.ring_bytes = capture_ring_bytes(agent->capture),
		.ring_used = capture_written(agent->capture) - capture_consumed(agent->capture),
	};
	intake_counts(agent->intake, &out->counts);
	capture_faults(agent->capture, &out->faults);
	out->images = images_attached(agent->images, &out->longest_ms);
	out->looks_failed = look_failed(agent->look);
	out->files_refused = images_refused(agent->images);
	if (agent->not_handed_over < out->counts.books[BOOK_NOT_HANDED_OVER])
		agent->not_handed_over = out->counts.books[BOOK_NOT_HANDED_OVER];
	out->not_handed_over = agent->not_handed_over;
}

static void on_ask(void *self, struct overview *out)
{
	struct agent *agent = self;

	/* What was lost is known for what reason once it is noted, and the ring read so far. */
	for (int i = 0; i < 2 && capture_losses(agent->capture, agent_lost, agent); i++)
		(void)capture_read(agent->capture);
	agent_overview(agent, out);
}

/* Without it, only otel-bpf status is missing. */
static int start_server(struct agent *agent)
{
	char directory[PATH_MAX] = "$XDG_RUNTIME_DIR";
	int err = server_directory(directory, sizeof(directory));

	if (!err)
		err = server_new(directory, on_ask, agent, &agent->server);
	if (err) {
		log_debug("otel-bpf status will not find this agent: %s: %s", directory,
			  strerror(-err));
		return 0;
	}
	return agent_watch(agent, server_fd(agent->server), server_serve, agent->server);
}

static int start_telemetry(struct agent *agent)
{
	int err = telemetry_new(agent->options->metrics, agent->options->pipeline.endpoint, on_ask, agent,
				&agent->telemetry);

	if (!err && telemetry_fd(agent->telemetry) >= 0)
		err = agent_watch(agent, telemetry_fd(agent->telemetry), telemetry_serve, agent->telemetry);
	return err;
}

/* ---- Start and end ---- */

/*
 * Goes on from where the agent before us has stopped, if it has left a checkpoint. An error: it cannot,
 * and the intake is not to be used. Either way the checkpoint is gone before anything is read from the ring: what
 * is read makes it out of date.
 */
static int resume(struct agent *agent)
{
	struct blob state = {0};
	int err = pin_get_bytes(agent->pin, AGENT_CHECKPOINT, &state);
	uint64_t open = 0;

	if (err == -ENOENT)
		return 0;
	if (!err)
		err = intake_load(agent->intake, blob_bytes(&state), clock_now(), &open);
	blob_free(&state);
	pin_remove(agent->pin, AGENT_CHECKPOINT);
	if (err)
		log_error("cannot go on from the checkpoint of the agent before: %s",
			  err == -EPROTONOSUPPORT ? "it is of another version of otel-bpf" :
			  err == -EBADMSG	  ? "it is damaged" :
						    strerror(-err));
	else if (open)
		log_info("%" PRIu64 " open spans are taken over", open);
	return err;
}

/* Each file that is attached to takes some; what is launched has its own limit by now. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int start(struct agent *agent)
{
	const struct limits limits = limits_from_environment();
	struct intake_options intake = {
		.service_name = agent->options->service_name,
		.max_open = MAX_OPEN_SPANS,
		.limits = &limits,
		.sink = {on_span, agent},
		.tracers = {is_tracer_on, agent},
		.stack_names = {on_stack, agent},
		.texts = {on_text, agent},
	};
	int err = settings_new(agent->options->settings, &agent->settings);

	if (err)
		return err;
	raise_descriptor_limit();
	agent->look = look_new(on_look, written, agent);
	if (!agent->look) {
		err = -errno;
		log_error("cannot start: %s", strerror(-err));
		return err;
	}
	if (agent->options->pin)
		err = pin_open(agent->options->pin, &agent->pin);
	if (err)
		return err;
	err = capture_new(agent->options->ring_bytes, agent->pin, on_event, agent, &agent->capture);
	if (err)
		return err;
	capture_sample(agent->capture, settings_sampling(agent->settings));
	capture_tracers(agent->capture, &intake.tracers);
	if (agent->pin)
		err = custody_new(agent->pin, capture_consumed(agent->capture), &agent->custody);
	if (err) {
		log_error("cannot keep a journal in %s: %s", agent->options->pin, strerror(-err));
		return err;
	}
	err = pipeline_new(&agent->options->pipeline, agent->custody ? custody_exporters(agent->custody) : NULL,
			   &agent->pipeline);
	if (err)
		return err;
	intake.exporters = pipeline_exporters(agent->pipeline);
	/* What is pinned goes on with what it holds. */
	intake.began = capture_took_over(agent->capture) ? 0 : agent->began;
	if (agent->custody)
		intake.keeper = custody_keeper(agent->custody);
	agent->intake = intake_new(&intake);
	if (agent->intake && agent->pin && resume(agent)) {
		intake_free(agent->intake);
		agent->intake = intake_new(&intake);
	}
	if (agent->intake && agent->custody)
		custody_begin(agent->custody, agent->intake, agent->pipeline);
	agent->mounts = mounts_new();
	agent->stacks = agent->mounts ? stacks_new(agent->mounts) : NULL;
	agent->images = agent->mounts ? images_new(agent->capture, agent->mounts) : NULL;
	agent->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!agent->intake || !agent->stacks || !agent->images || agent->epoll < 0) {
		err = -errno;
		log_error("cannot start: %s", strerror(-err));
		return err;
	}
	/* The ring has no reader of its own here: every turn reads it. */
	err = agent_watch(agent, capture_fd(agent->capture), NULL, NULL);
	if (!err)
		err = agent_watch(agent, look_fd(agent->look), NULL, NULL);
	if (!err && settings_fd(agent->settings) >= 0)
		err = agent_watch(agent, settings_fd(agent->settings), on_settings, agent);
	if (!err)
		err = start_server(agent);
	if (!err && agent->options->metrics)
		return start_telemetry(agent);
	if (err)
		log_error("cannot start: %s", strerror(-err));
	return err;
}

int agent_new(const struct agent_options *options, struct agent **out)
{
	struct agent *agent = calloc(1, sizeof(*agent));
	int err;

	if (!agent)
		return -ENOMEM;
	agent->options = options;
	agent->epoll = -1;
	agent->began = clock_now();
	agent->busy = true;
	err = start(agent);
	if (err) {
		agent_free(agent);
		return err;
	}
	*out = agent;
	return 0;
}

void agent_free(struct agent *agent)
{
	if (!agent)
		return;
	telemetry_free(agent->telemetry);
	server_free(agent->server);
	discovery_free(agent->discovery);
	images_free(agent->images);
	pipeline_free(agent->pipeline);
	custody_free(agent->custody);
	look_free(agent->look);
	stacks_free(agent->stacks);
	mounts_free(agent->mounts);
	intake_free(agent->intake);
	/* What this agent has just pinned, if it could not start. */
	if (agent->pin && agent->capture && !agent->left && !capture_took_over(agent->capture))
		pin_remove_all(agent->pin, "");
	capture_free(agent->capture);
	pin_close(agent->pin);
	settings_free(agent->settings);
	if (agent->epoll >= 0)
		close(agent->epoll);
	free(agent);
}
