/* SPDX-License-Identifier: Apache-2.0 */
#include "agent.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "capture.h"
#include "clock.h"
#include "custody.h"
#include "detect.h"
#include "follow.h"
#include "images.h"
#include "intake.h"
#include "log.h"
#include "look.h"
#include "maps.h"
#include "pipeline.h"
#include "report.h"
#include "server.h"
#include "settings.h"
#include "stacks.h"
#include "telemetry.h"

#define MAX_OPEN_SPANS 1000000u
#define SWEEP_NS 100000000u
#define LOOK_NS 400000000u /* with what a look takes itself: no record older than a second */
#define COUNTS_LOOKS 10 /* one of so many is also at buffers that hold nothing */
#define STOP_MS 5000u	     /* for what is on its way out at the end */
#define METRICS_MS 2000u     /* for the last metrics */
#define DRAIN_NS 10000000000u /* for what is on its way in: much less, but with a ring of gigabytes */
#define LAST_LOOK_NS 1000000000u
#define CHECKPOINT "checkpoint" /* its name among what is pinned */
#define MAX_SOURCES 8
#define FOLLOWED_MAX 65536u /* as the kernel side has it */

/* What somebody waits for. */
struct source {
	void (*ready)(void *self);
	void *self;
};

struct agent {
	const struct agent_options *options;
	struct settings *settings;
	struct pin *pin; /* NULL: none */
	bool left;	 /* what is pinned goes on */
	struct custody *custody; /* NULL: nothing is pinned */
	struct pipeline *pipeline;
	struct capture *capture;
	struct images *images;
	struct discovery *discovery;
	struct intake *intake;
	struct look *look;
	struct stacks *stacks;
	struct server *server; /* NULL: nobody can ask */
	struct telemetry *telemetry; /* NULL: no metrics are wanted */
	uint64_t not_handed_over; /* as told last */
	int epoll;
	bool busy; /* the last turn found something in the ring */
	bool everybody; /* discovery tells of all processes of the host */
	bool hurried;	/* what is left in the ring is only counted */
	uint64_t began;
	uint64_t next_look;
	unsigned looks;
	uint64_t next_sweep;
	size_t source_count;
	struct source sources[MAX_SOURCES];
};

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

static void take_event(struct agent *agent, const void *event, size_t size)
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

static void on_event(void *self, const void *event, size_t size)
{
	struct agent *agent = self;

	if (agent->custody)
		custody_event(agent->custody);
	take_event(agent, event, size);
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
		custody_look_done(agent->custody, event);
}

static void on_lost(void *self, const struct loss_key *key, const struct loss_note *note)
{
	struct agent *agent = self;

	intake_lost(agent->intake, key, note);
}

void agent_mapping(void *self, const struct mapping *mapping)
{
	struct agent *agent = self;
	const struct image *image;

	if (agent->everybody && !capture_follows(agent->capture, mapping->pid))
		return;
	stacks_map(agent->stacks, mapping);
	if (!mapping->path)
		return;
	image = images_offer(agent->images, mapping);
	if (image && mapping->pid && capture_follows(agent->capture, mapping->pid))
		look_image(agent->look, mapping->pid,
			   mapping->address - mapping->offset + image->text_offset -
				   image->text_address + image->anchor_address);
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

/* Before the mappings: an exec forgets what was mapped. */
static void on_discovery(void *self)
{
	struct agent *agent = self;

	discovery_read(agent->discovery);
}

/* ---- The loop ---- */

/* Of one descriptor, or, with @fd -1, of those that are added to the epoll instance by others. */
static int add_source(struct agent *agent, int fd, void (*ready)(void *self), void *self, uint64_t *data)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = agent->source_count};

	if (agent->source_count == MAX_SOURCES)
		return -E2BIG;
	agent->sources[agent->source_count] = (struct source){ready, self};
	if (fd >= 0 && epoll_ctl(agent->epoll, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	if (data)
		*data = agent->source_count;
	agent->source_count++;
	return 0;
}

int agent_watch(struct agent *agent, int fd, void (*ready)(void *self), void *self)
{
	return add_source(agent, fd, ready, self, NULL);
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
		take_event(agent, &told, sizeof(told));
		return true;
	}
	if (!detect_ended(process) || !catch_up(agent) || !capture_follows(agent->capture, process->pid))
		return false;
	intake_vanished(agent->intake, process);
	look_event(agent->look, &told.event);
	stacks_event(agent->stacks, &told.event);
	return true;
}

static void tick(struct agent *agent)
{
	uint64_t now = clock_now();

	capture_losses(agent->capture, on_lost, agent);
	intake_tick(agent->intake, now);
	images_tick(agent->images, now);
	stacks_tick(agent->stacks, now);
	if (now >= agent->next_sweep) {
		capture_sweep(agent->capture, on_swept, agent);
		agent->next_sweep = now + SWEEP_NS;
	}
	if (now >= agent->next_look) {
		look_start(agent->look, now, agent->looks++ % COUNTS_LOOKS == 0);
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
		const struct source *source = &agent->sources[events[i].data.u64];

		if (source->ready)
			source->ready(source->self);
	}
	tick(agent);
}

/* ---- What others ask ---- */

static void on_ask(void *self, struct overview *out)
{
	struct agent *agent = self;

	/* What was lost is known for what reason once it is noted, and the ring read so far. */
	for (int i = 0; i < 2 && capture_losses(agent->capture, on_lost, agent); i++)
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
 * Goes on from where the agent before us has stopped, if it has left a checkpoint: *@resumed. An error: it cannot,
 * and the intake is not to be used. Either way the checkpoint is gone before anything is read from the ring: what
 * is read makes it out of date.
 */
static int resume(struct agent *agent, bool *resumed)
{
	struct blob state = {0};
	int err = pin_get_bytes(agent->pin, CHECKPOINT, &state);
	uint64_t open = 0;

	if (err == -ENOENT)
		return 0;
	if (!err)
		err = intake_load(agent->intake, blob_bytes(&state), clock_now(), &open);
	blob_free(&state);
	pin_remove(agent->pin, CHECKPOINT);
	if (err)
		log_error("cannot go on from the checkpoint of the agent before: %s",
			  err == -EPROTONOSUPPORT ? "it is of another version of otel-bpf" :
			  err == -EBADMSG	  ? "it is damaged" :
						    strerror(-err));
	else if (open)
		log_info("%" PRIu64 " open spans are taken over", open);
	*resumed = !err;
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
	bool resumed = false;
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
	agent->intake = intake_new(&intake);
	if (agent->intake && agent->pin && resume(agent, &resumed)) {
		intake_free(agent->intake);
		agent->intake = intake_new(&intake);
	}
	if (agent->intake && agent->custody)
		custody_begin(agent->custody, agent->intake, resumed, agent->pipeline);
	agent->stacks = stacks_new();
	agent->images = images_new(agent->capture);
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

/* @pid: as discovery_new() takes it. */
static int discover(struct agent *agent, pid_t pid)
{
	uint64_t data;
	int err = discovery_new(pid, agent_mapping, agent, &agent->discovery);

	if (!err)
		err = add_source(agent, -1, on_discovery, agent, &data);
	if (!err)
		err = discovery_poll(agent->discovery, agent->epoll, data);
	return err;
}

static int cannot_watch(const char *name, int err)
{
	log_error("cannot watch %s: %s%s", name, strerror(-err),
		  err == -EACCES || err == -EPERM ? "; run as root, or: "
						    "setcap cap_bpf,cap_perfmon+ep otel-bpf" :
						    "");
	return err;
}

int agent_follow(struct agent *agent, pid_t pid, const char *name)
{
	int err = capture_follow(agent->capture, (uint32_t)pid);

	if (!err)
		err = discover(agent, pid);
	return err ? cannot_watch(name, err) : 0;
}

bool agent_took_over(const struct agent *agent)
{
	return capture_took_over(agent->capture);
}

/* What those have mapped who are followed. */
static int look_up_mappings(struct agent *agent, uint64_t since)
{
	uint32_t *pids = malloc(FOLLOWED_MAX * sizeof(*pids));
	size_t n;

	if (!pids)
		return -ENOMEM;
	n = capture_followed(agent->capture, pids, FOLLOWED_MAX);
	for (size_t i = 0; i < n; i++) {
		int err = maps_read(pids[i], since, agent_mapping, agent);

		if (err && err != -ENOENT && err != -ESRCH)
			log_error("cannot see what process %u has loaded: %s; run as root, or: "
				  "setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep otel-bpf",
				  pids[i], strerror(-err));
	}
	free(pids);
	return 0;
}

int agent_attach(struct agent *agent, const uint32_t *pids, size_t n)
{
	uint64_t before = clock_now();
	int err;

	/* First: what is mapped from now on is told; what is mapped by then is looked up. */
	agent->everybody = true;
	err = discover(agent, -1);
	if (err)
		return cannot_watch("what processes load", err);
	if (n) {
		err = follow_running(agent->capture, pids, n);
		if (err && !agent_followed(agent))
			return err;
	}
	err = look_up_mappings(agent, before);
	if (!err)
		err = capture_tell(agent->capture);
	if (err)
		log_error("cannot find out which processes run: %s", strerror(-err));
	return err;
}

size_t agent_attached(const struct agent *agent)
{
	return images_attached(agent->images, NULL);
}

size_t agent_followed(struct agent *agent)
{
	uint32_t pids[64];

	return capture_followed(agent->capture, pids, sizeof(pids) / sizeof(*pids));
}

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
			look_start(agent->look, now, true);
		}
		if (!capture_read(agent->capture))
			nanosleep(&moment, NULL);
		now = clock_now();
	}
}

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
	if (agent->not_handed_over < out->counts.books[BOOK_NOT_HANDED_OVER])
		agent->not_handed_over = out->counts.books[BOOK_NOT_HANDED_OVER];
	out->not_handed_over = agent->not_handed_over;
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
	capture_disable(agent->capture);
	drain(agent);
	tick(agent);
	last_look(agent);
	/* What is noted as lost is believed once all that was in the ring by then is known. */
	drain(agent);
	if (capture_losses(agent->capture, on_lost, agent)) {
		drain(agent);
		(void)capture_losses(agent->capture, on_lost, agent);
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

	agent->left = true;
	tick(agent);
	capture_leave(agent->capture);
	(void)capture_read(agent->capture);
	err = intake_save(agent->intake, &state);
	if (!err)
		err = pin_put_bytes(agent->pin, CHECKPOINT, blob_bytes(&state));
	blob_free(&state);
	if (err) {
		log_error("cannot keep the open spans for the next agent: %s", strerror(-err));
		intake_finish(agent->intake);
	}
	finish(agent);
}
