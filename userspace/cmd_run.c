/* SPDX-License-Identifier: Apache-2.0 */
/* otel-bpf run: launches a command and records it and all that it starts. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "capture.h"
#include "commands.h"
#include "discover.h"
#include "images.h"
#include "intake.h"
#include "launch.h"
#include "log.h"
#include "look.h"
#include "pipeline.h"
#include "settings.h"
#include "stacks.h"

#define DEFAULT_RING_BYTES (16u << 20)
#define MAX_OPEN_SPANS 1000000u
#define LOOK_NS 400000000u /* with what a look takes itself: no record older than a second */
#define FLUSH_STARTS_MAX (OTEL_FLUSH_MAX / (sizeof(struct otel_record) + sizeof(struct otel_start)))
#define LEAST_SPAN_BYTES (sizeof(struct otel_record) + sizeof(struct otel_start))
#define STOP_MS 5000u	   /* for what is on its way out at the end */

static const char usage[] =
	"usage: otel-bpf run [OPTIONS] -- COMMAND [ARG...]\n"
	"\n"
	"Runs COMMAND and records the spans of it and of all that it starts.\n"
	"\n"
	"  -e, --exporter LIST      where spans go, separated by commas:\n"
	"                             console[=FILE]  a waterfall, on standard error, in FILE, or on\n"
	"                                             standard output (-)\n"
	"                             otlp[=URL]      OTLP over HTTP, to URL as it is\n"
	"                             otlp_file=FILE  OTLP as JSON lines\n"
	"                             none\n"
	"                           default: $OTEL_TRACES_EXPORTER, else otlp if an endpoint is set,\n"
	"                           else console\n"
	"      --endpoint URL       base of the OTLP receiver (/v1/traces is added); default:\n"
	"                           $OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318\n"
	"      --service-name NAME  service.name of processes that do not set OTEL_SERVICE_NAME\n"
	"                           (default: their executable's name)\n"
	"  -u, --user NAME          run COMMAND as this user; its environment stays as it is\n"
	"      --ring-size BYTES    room for records on their way from the kernel, a power of two;\n"
	"                           K, M and G may follow (default: 16M)\n"
	"      --settings FILE      what may change while it runs, read again when it does; lines\n"
	"                             sampler NAME [RATIO]  (default: $OTEL_TRACES_SAMPLER, else\n"
	"                                                   parentbased_always_on)\n"
	"                             tracer GLOB on|off\n"
	"      --no-wait            end when COMMAND has ended, also if it has left processes behind\n"
	"  -v, --verbose            say more\n"
	"  -h, --help               this text\n"
	"\n"
	"Exit status: that of COMMAND, 128+N if signal N killed it; 125 if otel-bpf failed, 126 if\n"
	"COMMAND cannot be executed, 127 if it is not found.\n";

struct options {
	const char *exporter;
	const char *endpoint;
	const char *service_name;
	const char *user;
	const char *settings;
	size_t ring_bytes;
	bool no_wait;
	bool verbose;
};

struct run {
	struct options options;
	struct launch launch;
	struct settings *settings;
	struct pipeline *pipeline;
	struct capture *capture;
	struct images *images;
	struct discovery *discovery;
	struct intake *intake;
	struct look *look;
	struct stacks *stacks;
	int signals;
	int epoll;
	int status;	 /* of the command, as wait(2) has it */
	bool ended;	 /* the command has */
	bool told_to_end; /* by a signal, after the command's end */
	uint64_t next_look;
	uint64_t refused; /* flushes that could not be read, or that no buffer has the size of */
	uint64_t switched_off; /* spans of tracers that are */
};

enum { FROM_RING, FROM_DISCOVERY, FROM_SIGNALS, FROM_SETTINGS };

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- Options ---- */

static int parse_size(const char *text, size_t *out)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	switch (*end) {
	case 'G':
		value <<= 10; /* fall through */
	case 'M':
		value <<= 10; /* fall through */
	case 'K':
		value <<= 10;
		end++;
	}
	if (errno || *end || end == text || value < 65536 || value > 1u << 31 || value & (value - 1)) {
		log_error("--ring-size %s: not a power of two between 64K and 2G", text);
		return -EINVAL;
	}
	*out = (size_t)value;
	return 0;
}

/* Returns 0 to go on, else -1 with the exit status in *@status. */
static int parse(int argc, char **argv, struct options *options, int *status)
{
	enum { ENDPOINT = 256, SERVICE_NAME, RING_SIZE, SETTINGS, NO_WAIT };
	static const struct option known[] = {
		{"exporter", required_argument, NULL, 'e'},
		{"endpoint", required_argument, NULL, ENDPOINT},
		{"service-name", required_argument, NULL, SERVICE_NAME},
		{"user", required_argument, NULL, 'u'},
		{"ring-size", required_argument, NULL, RING_SIZE},
		{"settings", required_argument, NULL, SETTINGS},
		{"no-wait", no_argument, NULL, NO_WAIT},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	*status = EXIT_AGENT_FAILED;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:e:u:vh", known, NULL)) != -1) {
		switch (c) {
		case 'e':
			options->exporter = optarg;
			break;
		case ENDPOINT:
			options->endpoint = optarg;
			break;
		case SERVICE_NAME:
			options->service_name = optarg;
			break;
		case 'u':
			options->user = optarg;
			break;
		case RING_SIZE:
			if (parse_size(optarg, &options->ring_bytes))
				return -1;
			break;
		case SETTINGS:
			options->settings = optarg;
			break;
		case NO_WAIT:
			options->no_wait = true;
			break;
		case 'v':
			options->verbose = true;
			break;
		case 'h':
			fputs(usage, stdout);
			*status = 0;
			return -1;
		case ':':
			log_error("%s needs an argument; see otel-bpf run --help", argv[optind - 1]);
			return -1;
		default:
			log_error("unknown option %s; see otel-bpf run --help", argv[optind - 1]);
			return -1;
		}
	}
	if (optind == argc) {
		log_error("no command to run; usage: otel-bpf run [OPTIONS] -- COMMAND [ARG...]");
		return -1;
	}
	return 0;
}

/* ---- Where the parts meet ---- */

static void on_span(void *self, struct span *span)
{
	struct run *run = self;

	if (settings_tracer_on(run->settings, span->scope->name))
		pipeline_submit(run->pipeline, span);
	else
		run->switched_off++;
}

static void on_event(void *self, const void *event, size_t size)
{
	struct run *run = self;

	/* A child has what its parent had mapped by then. */
	if (((const struct event *)event)->kind == EVENT_FORK)
		discovery_read(run->discovery);
	stacks_event(run->stacks, event);
	intake_event(run->intake, event, size);
	look_event(run->look, event);
}

static void on_stack(void *self, const struct process_id *process, uint64_t at,
		     struct bytes addresses, struct blob *text)
{
	struct run *run = self;

	/* What was loaded just before it. */
	discovery_read(run->discovery);
	stacks_describe(run->stacks, process, at, addresses, text);
}

static void catch_up(void *self)
{
	struct run *run = self;

	capture_read(run->capture);
}

static void on_look(void *self, const void *event, size_t size)
{
	struct run *run = self;

	intake_event(run->intake, event, size);
}

static void on_lost(void *self, const struct process_id *process, const struct loss_counts *counts)
{
	struct run *run = self;
	struct loss_counts believed = *counts;

	/* How many spans there were is a claim of the process; those it made in no buffer were none. */
	believed.spans[LOSS_REFUSED] = 0;
	for (int i = 0; i < LOSSES; i++)
		if (believed.spans[i] > counts->flushes[i] * FLUSH_STARTS_MAX)
			believed.spans[i] = counts->flushes[i] * FLUSH_STARTS_MAX;
	run->refused += counts->flushes[LOSS_UNREADABLE] + counts->flushes[LOSS_REFUSED];
	intake_lost(run->intake, process, &believed);
}

static void on_mapping(void *self, const struct mapping *mapping)
{
	struct run *run = self;
	const struct image *image;

	stacks_map(run->stacks, mapping);
	if (!mapping->path)
		return;
	image = images_offer(run->images, mapping->path, mapping->name);
	if (image && mapping->pid && capture_follows(run->capture, mapping->pid))
		look_image(run->look, mapping->pid,
			   mapping->address - mapping->offset + image->text_offset -
				   image->text_address + image->anchor_address);
}

/* ---- Signals ---- */

/*
 * A terminal sends to all of the foreground, the command included: only what somebody sent to us
 * alone is passed on.
 */
static void on_signal(struct run *run, const struct signalfd_siginfo *info)
{
	int signal = (int)info->ssi_signo;

	if (signal == SIGCHLD) {
		if (waitpid(run->launch.pid, &run->status, WNOHANG) == run->launch.pid)
			run->ended = true;
		return;
	}
	if (run->ended)
		run->told_to_end = run->told_to_end || signal == SIGINT || signal == SIGTERM ||
				   signal == SIGHUP || signal == SIGQUIT;
	else if (info->ssi_code != SI_KERNEL)
		kill(run->launch.pid, signal);
}

static int block_signals(struct run *run)
{
	static const int passed_on[] = {SIGHUP,	 SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,
					SIGUSR2, SIGCONT, SIGWINCH, SIGALRM};
	struct sigaction ignore = {.sa_handler = SIG_IGN}, usual = {.sa_handler = SIG_DFL};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(*passed_on); i++)
		sigaddset(&set, passed_on[i]);
	sigaddset(&set, SIGCHLD);
	/*
	 * A console or a receiver that goes away is an error like others. Who ignores SIGCHLD, as we
	 * may have inherited it, is not told of its children's ends.
	 */
	if (sigaction(SIGPIPE, &ignore, NULL) || sigaction(SIGCHLD, &usual, NULL) ||
	    sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	run->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return run->signals < 0 ? -errno : 0;
}

/* ---- The loop ---- */

static void on_settings(struct run *run)
{
	int err;

	if (!settings_reload(run->settings))
		return;
	err = capture_sample(run->capture, settings_sampling(run->settings));
	if (err)
		log_error("the sampler could not be changed everywhere: %s", strerror(-err));
	else
		log_info("%s: settings changed", run->options.settings);
}

static int add_poll(struct run *run, int fd, uint64_t data)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = data};

	return epoll_ctl(run->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* Are processes left that we follow? The kernel side knows, even when the ring lost an exit. */
static size_t left_behind(struct run *run)
{
	uint32_t pids[64];

	return capture_followed(run->capture, pids, sizeof(pids) / sizeof(*pids));
}

static bool done(struct run *run)
{
	if (!run->ended)
		return false;
	return run->options.no_wait || run->told_to_end || !left_behind(run);
}

static void tick(struct run *run)
{
	uint64_t now = now_ns();

	capture_losses(run->capture, on_lost, run);
	intake_tick(run->intake, now);
	if (now >= run->next_look) {
		look_at_all(run->look, now);
		run->next_look = now + LOOK_NS;
	}
}

static void loop(struct run *run)
{
	bool busy = true;

	while (!done(run)) {
		struct epoll_event events[16];
		int nap = capture_nap(run->capture, busy);
		int n = epoll_wait(run->epoll, events, 16, nap);

		/* Before the mappings: an exec forgets what was mapped. */
		busy = capture_read(run->capture) > 0;
		for (int i = 0; i < n; i++) {
			struct signalfd_siginfo info;

			if (events[i].data.u64 == FROM_DISCOVERY)
				discovery_read(run->discovery);
			else if (events[i].data.u64 == FROM_SIGNALS)
				while (read(run->signals, &info, sizeof(info)) == sizeof(info))
					on_signal(run, &info);
			else if (events[i].data.u64 == FROM_SETTINGS)
				on_settings(run);
		}
		tick(run);
	}
}

/* ---- Start and end ---- */

static int start(struct run *run)
{
	const struct limits limits = limits_from_environment();
	struct intake_options intake = {
		.service_name = run->options.service_name,
		.max_open = MAX_OPEN_SPANS,
		.limits = &limits,
		.sink = {on_span, run},
		.stack_names = {on_stack, run},
	};
	int err = block_signals(run);

	if (err) {
		log_error("cannot handle signals: %s", strerror(-err));
		return err;
	}
	err = settings_new(run->options.settings, &run->settings);
	if (err)
		return err;
	err = capture_new(run->options.ring_bytes, on_event, run, &run->capture);
	if (err)
		return err;
	capture_sample(run->capture, settings_sampling(run->settings));
	/* Before there are threads: the child is a copy of this one. */
	err = launch_fork(&run->launch);
	if (err) {
		log_error("cannot fork: %s", strerror(-err));
		return err;
	}
	err = pipeline_new(run->options.exporter, run->options.endpoint, &run->pipeline);
	if (err)
		return err;
	run->intake = intake_new(&intake);
	run->look = look_new(on_look, catch_up, run);
	run->stacks = stacks_new();
	run->images = images_new(run->capture);
	run->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!run->intake || !run->look || !run->stacks || !run->images || run->epoll < 0) {
		log_error("cannot start: %s", strerror(errno));
		return -errno;
	}
	err = capture_follow(run->capture, (uint32_t)run->launch.pid);
	if (!err)
		err = discovery_new(run->launch.pid, on_mapping, run, &run->discovery);
	if (!err)
		err = add_poll(run, capture_fd(run->capture), FROM_RING);
	if (!err)
		err = add_poll(run, run->signals, FROM_SIGNALS);
	if (!err && settings_fd(run->settings) >= 0)
		err = add_poll(run, settings_fd(run->settings), FROM_SETTINGS);
	if (!err)
		err = discovery_poll(run->discovery, run->epoll, FROM_DISCOVERY);
	if (err) {
		log_error("cannot watch %s: %s%s", run->launch.path, strerror(-err),
			  err == -EACCES || err == -EPERM ? "; run as root, or: "
							    "setcap cap_bpf,cap_perfmon+ep otel-bpf" :
							    "");
		return err;
	}
	discover_linked(&run->launch, on_mapping, run);
	if (!images_attached(run->images))
		log_info("%s and the libraries linked to it have no otel probes (was it compiled with "
			 "otel/trace.h?); it runs, and what it loads or starts is looked at",
			 run->launch.path);
	return 0;
}

static void report(struct run *run)
{
	struct capture_faults faults;
	struct intake_counts counts;
	uint64_t lost, missing;

	intake_counts(run->intake, &counts);
	capture_faults(run->capture, &faults);
	lost = counts.lost_ring + counts.lost_rejected + counts.lost_dropped + counts.lost_evicted +
	       faults.losses_unknown;
	if (lost)
		log_error("%" PRIu64 " of %" PRIu64 " spans were lost: %" PRIu64 " because the ring was full "
			  "(see --ring-size), %" PRIu64 " because too many were open, %" PRIu64
			  " with malformed records, %" PRIu64 " in the application",
			  lost, counts.started + faults.losses_unknown,
			  counts.lost_ring + faults.losses_unknown, counts.lost_evicted,
			  counts.lost_rejected, counts.lost_dropped);
	if (run->refused)
		log_error("%" PRIu64 " flushes were refused: their memory could not be read, or no buffer has "
			  "their size",
			  run->refused);
	if (counts.records_rejected)
		log_error("%" PRIu64 " malformed records were dropped", counts.records_rejected);
	if (counts.incomplete)
		log_error("%" PRIu64 " spans are incomplete: they did not end, or parts of them were lost",
			  counts.incomplete);
	/* By the applications' own counts, which are claims: at most as many as fit into what is missing. */
	missing = counts.gap_bytes / LEAST_SPAN_BYTES;
	if (missing > counts.unexplained)
		missing = counts.unexplained;
	if (missing)
		log_error("%" PRIu64 " spans more did not arrive, for no reason that is known", missing);
	if (faults.probes_missed)
		log_error("the kernel skipped %" PRIu64 " probes", faults.probes_missed);
	if (faults.not_followed)
		log_error("%" PRIu64 " processes were not followed: too many at once", faults.not_followed);
	if (!run->options.verbose)
		return;
	log_info("%" PRIu64 " spans started, %" PRIu64 " finished, %" PRIu64 " not sampled, %" PRIu64
		 " lost",
		 counts.started, counts.finished, counts.not_sampled, lost);
	if (run->switched_off)
		log_info("%" PRIu64 " spans of tracers that are switched off", run->switched_off);
	pipeline_report(run->pipeline);
}

static int finish(struct run *run)
{
	size_t left = left_behind(run);

	if (left)
		log_info("%s%zu process%s that %s started still run%s; no longer recorded",
			 left == 64 ? "at least " : "", left, left == 1 ? "" : "es", run->launch.argv[0],
			 left == 1 ? "s" : "");
	tick(run);
	while (capture_read(run->capture) > 0)
		;
	capture_losses(run->capture, on_lost, run);
	intake_finish(run->intake);
	pipeline_stop(run->pipeline, STOP_MS);
	report(run);
	return WIFSIGNALED(run->status) ? 128 + WTERMSIG(run->status) : WEXITSTATUS(run->status);
}

int cmd_run(int argc, char **argv, const struct launch_origin *origin)
{
	struct run run = {.options.ring_bytes = DEFAULT_RING_BYTES, .signals = -1, .epoll = -1};
	int status;

	if (parse(argc, argv, &run.options, &status))
		return status;
	log_verbose(run.options.verbose);
	status = launch_find(&run.launch, argv + optind, run.options.user, origin);
	if (status)
		return status;
	if (start(&run)) {
		launch_abandon(&run.launch);
		status = EXIT_AGENT_FAILED;
	} else {
		status = launch_go(&run.launch);
		if (!status) {
			loop(&run);
			status = finish(&run);
		}
	}
	discovery_free(run.discovery);
	images_free(run.images);
	pipeline_free(run.pipeline);
	look_free(run.look);
	stacks_free(run.stacks);
	intake_free(run.intake);
	capture_free(run.capture);
	settings_free(run.settings);
	close(run.epoll);
	close(run.signals);
	return status;
}
