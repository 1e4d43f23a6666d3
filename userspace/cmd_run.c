/* SPDX-License-Identifier: Apache-2.0 */
/* otel-bpf run: launches a command and records it and all that it starts. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "commands.h"
#include "discover.h"
#include "launch.h"
#include "log.h"
#include "options.h"

static const char usage[] =
	"usage: otel-bpf run [OPTIONS] -- COMMAND [ARG...]\n"
	"\n"
	"Runs COMMAND and records the spans of it and of all that it starts.\n"
	"\n"
	"  -u, --user NAME          run COMMAND as this user; its environment stays as it is\n"
	"      --no-wait            end when COMMAND has ended, also if it has left processes behind\n";

static const char exit_statuses[] =
	"\n"
	"Exit status: that of COMMAND, 128+N if signal N killed it; 125 if otel-bpf failed, 126 if\n"
	"COMMAND cannot be executed, 127 if it is not found.\n";

struct options {
	struct agent_options agent;
	const char *user;
	bool no_wait;
};

struct run {
	struct options options;
	struct launch launch;
	struct agent *agent;
	int signals;
	int status;	  /* of the command, as wait(2) has it */
	bool ended;	  /* the command has */
	bool told_to_end; /* by a signal, after the command's end */
};

/* ---- Options ---- */

/* Returns 0 to go on, else -1 with the exit status in *@status. */
static int parse(int argc, char **argv, struct options *options, int *status)
{
	enum { NO_WAIT = 256 };
	static const struct option known[] = {
		{"user", required_argument, NULL, 'u'},
		{"no-wait", no_argument, NULL, NO_WAIT},
		OPTIONS_LONG,
		{0},
	};
	int c;

	*status = EXIT_AGENT_FAILED;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:u:" OPTIONS_SHORT, known, NULL)) != -1) {
		switch (c) {
		case 'u':
			options->user = optarg;
			break;
		case NO_WAIT:
			options->no_wait = true;
			break;
		case 'h':
			printf("%s%s%s", usage, options_help, exit_statuses);
			*status = 0;
			return -1;
		default:
			if (options_take(&options->agent, c, "run", argv))
				return -1;
		}
	}
	if (optind == argc) {
		log_error("no command to run; usage: otel-bpf run [OPTIONS] -- COMMAND [ARG...]");
		return -1;
	}
	return 0;
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

static void on_signals(void *self)
{
	struct run *run = self;
	struct signalfd_siginfo info;

	while (read(run->signals, &info, sizeof(info)) == sizeof(info))
		on_signal(run, &info);
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

/* ---- Start and end ---- */

static int start(struct run *run)
{
	int err = block_signals(run);

	if (err) {
		log_error("cannot handle signals: %s", strerror(-err));
		return err;
	}
	/* Before there are threads: the child is a copy of this one. */
	err = launch_fork(&run->launch);
	if (err) {
		log_error("cannot fork: %s", strerror(-err));
		return err;
	}
	err = agent_new(&run->options.agent, &run->agent);
	if (err)
		return err;
	if (agent_took_over(run->agent)) {
		log_error("processes are recorded by what is pinned in %s: take that over by otel-bpf attach, or "
			  "take another directory",
			  run->options.agent.pin);
		return -EBUSY;
	}
	err = agent_watch(run->agent, run->signals, on_signals, run);
	if (err) {
		log_error("cannot handle signals: %s", strerror(-err));
		return err;
	}
	err = agent_follow(run->agent, run->launch.pid, run->launch.path);
	if (err)
		return err;
	discover_linked(&run->launch, agent_mapping, run->agent);
	if (!agent_attached(run->agent))
		log_info("%s and the libraries linked to it have no otel probes (was it compiled with "
			 "otel/trace.h?); it runs, and what it loads or starts is looked at",
			 run->launch.path);
	return 0;
}

static bool done(const struct run *run)
{
	if (!run->ended)
		return false;
	/* The kernel side knows who is left, even when the ring lost an exit. */
	return run->options.no_wait || run->told_to_end || !agent_followed(run->agent);
}

static int finish(struct run *run)
{
	size_t left = agent_followed(run->agent);

	if (left)
		log_info("%s%zu process%s that %s started still run%s; %s recorded%s%s",
			 left == 64 ? "at least " : "", left, left == 1 ? "" : "es", run->launch.argv[0],
			 left == 1 ? "s" : "", run->options.agent.pin ? "they are" : "no longer",
			 run->options.agent.pin ? " for otel-bpf attach --pin=" : "",
			 run->options.agent.pin ? run->options.agent.pin : "");
	if (left && run->options.agent.pin)
		agent_leave(run->agent);
	else
		agent_stop(run->agent);
	return WIFSIGNALED(run->status) ? 128 + WTERMSIG(run->status) : WEXITSTATUS(run->status);
}

int cmd_run(int argc, char **argv, const struct launch_origin *origin)
{
	struct run run = {.options.agent = AGENT_OPTIONS_DEFAULTS, .signals = -1};
	int status;

	if (parse(argc, argv, &run.options, &status))
		return status;
	log_verbose(run.options.agent.verbose);
	status = launch_find(&run.launch, argv + optind, run.options.user, origin);
	if (status)
		return status;
	if (start(&run)) {
		launch_abandon(&run.launch);
		status = EXIT_AGENT_FAILED;
	} else {
		status = launch_go(&run.launch);
		if (!status) {
			while (!done(&run))
				agent_turn(run.agent);
			status = finish(&run);
		}
	}
	agent_free(run.agent);
	close(run.signals);
	return status;
}
