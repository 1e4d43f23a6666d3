/* SPDX-License-Identifier: Apache-2.0 */
/* otel-bpf attach: records processes that run already, and all that they start. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent.h"
#include "commands.h"
#include "log.h"
#include "options.h"
#include "target.h"

static const char usage[] =
	"usage: otel-bpf attach [OPTIONS] -p PID...\n"
	"       otel-bpf attach [OPTIONS] --pin[=DIR] [-p PID...]\n"
	"\n"
	"Records the spans of processes that run already, of their descendants, and of all that\n"
	"these start from now on, until SIGTERM or SIGINT, or until all have ended. With --pin also\n"
	"of those that an agent before recorded that was given the same DIR.\n"
	"\n"
	"  -p, --pid PID            this process; may be repeated\n";

static const char exit_statuses[] =
	"\n"
	"Exit status: 0, or 125 if otel-bpf failed or none of the processes can be\n"
	"recorded.\n";

struct attach {
	struct agent_options options;
	struct agent *agent;
	uint32_t *pids;
	size_t n;
	int signals;
	bool told_to_end;
};

static int add_pid(struct attach *attach, const char *text)
{
	unsigned long pid;
	uint32_t *grown;
	char *end;

	errno = 0;
	pid = strtoul(text, &end, 10);
	if (errno || *end || end == text || *text == '-' || !pid || pid > INT32_MAX) {
		log_error("--pid %s: not a pid", text);
		return -EINVAL;
	}
	grown = realloc(attach->pids, (attach->n + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	attach->pids = grown;
	grown[attach->n++] = (uint32_t)pid;
	return 0;
}

/* Returns 0 to go on, else -1 with the exit status in *@status. */
static int parse(int argc, char **argv, struct attach *attach, int *status)
{
	static const struct option known[] = {
		{"pid", required_argument, NULL, 'p'},
		OPTIONS_LONG,
		{0},
	};
	int c;

	*status = EXIT_AGENT_FAILED;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:p:" OPTIONS_SHORT, known, NULL)) != -1) {
		switch (c) {
		case 'p':
			if (add_pid(attach, optarg))
				return -1;
			break;
		case 'h':
			printf("%s%s%s", usage, options_help, exit_statuses);
			*status = 0;
			return -1;
		default:
			if (options_take(&attach->options, c, "attach", argv))
				return -1;
		}
	}
	if (optind < argc) {
		log_error("%s: not an option; processes are named by --pid, and a command is "
			  "started by "
			  "otel-bpf run",
			  argv[optind]);
		return -1;
	}
	if (!attach->n && !attach->options.pin) {
		log_error("no process to record; usage: otel-bpf attach [OPTIONS] -p PID...");
		return -1;
	}
	return 0;
}

static void on_signals(void *self)
{
	struct attach *attach = self;
	struct signalfd_siginfo info;

	while (read(attach->signals, &info, sizeof(info)) == sizeof(info))
		attach->told_to_end = true;
}

static int block_signals(struct attach *attach)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	/* A console or a receiver that goes away is an error like others. */
	if (sigaction(SIGPIPE, &ignore, NULL) || sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	attach->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return attach->signals < 0 ? -errno : 0;
}

static int start(struct attach *attach)
{
	int err = block_signals(attach);
	size_t n;

	if (!err && !targets_are_host_pids()) {
		log_error("otel-bpf runs in a pid namespace of its own, but the kernel knows processes by the "
			  "host's pids: run it in the host's (docker run --pid=host, hostPID: true)");
		return -EINVAL;
	}
	if (!err)
		err = agent_new(&attach->options, &attach->agent);
	else
		log_error("cannot handle signals: %s", strerror(-err));
	if (err)
		return err;
	if (!attach->n && !agent_took_over(attach->agent)) {
		log_error("nothing is pinned in %s: name the processes to record by --pid", attach->options.pin);
		return -ENOENT;
	}
	err = agent_watch(attach->agent, attach->signals, on_signals, attach);
	if (err) {
		log_error("cannot handle signals: %s", strerror(-err));
		return err;
	}
	err = agent_attach(attach->agent, attach->pids, attach->n);
	if (err)
		return err;
	n = agent_followed(attach->agent);
	log_info("%s%zu process%s recorded%s", n == 64 ? "at least " : "", n,
		 n == 1 ? " is" : "es are",
		 agent_attached(attach->agent)
			 ? ""
			 : "; none has otel probes (was it compiled with otel/trace.h?), "
			   "what they load or start is looked at");
	return 0;
}

int cmd_attach(int argc, char **argv)
{
	struct attach attach = {.options = AGENT_OPTIONS_DEFAULTS, .signals = -1};
	int status;

	if (!parse(argc, argv, &attach, &status)) {
		log_verbose(attach.options.verbose);
		if (!start(&attach)) {
			while (!attach.told_to_end && agent_followed(attach.agent))
				agent_turn(attach.agent);
			if (attach.options.pin && agent_followed(attach.agent))
				agent_leave(attach.agent);
			else
				agent_stop(attach.agent);
			status = 0;
		}
		agent_free(attach.agent);
		close(attach.signals);
	}
	free(attach.pids);
	return status;
}
