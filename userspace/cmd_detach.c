/* SPDX-License-Identifier: Apache-2.0 */
/* otel-bpf detach: ends what is pinned. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "commands.h"
#include "log.h"
#include "options.h"
#include "pin.h"

static const char usage[] =
	"usage: otel-bpf detach --pin[=DIR] [OPTIONS]\n"
	"\n"
	"Ends the recording that goes on by what is pinned in DIR: processes are as if nobody had\n"
	"ever listened. What was recorded and not exported yet is exported.\n"
	"\n"
	"      --pin[=DIR]          what is pinned there (default: " PIN_DEFAULT ")\n"
	"      --drop               export nothing, and look at nothing: also what another build "
	"of\n"
	"                           otel-bpf has pinned\n";

static const char exit_statuses[] = "\n"
				    "Exit status: 0, or 125 if otel-bpf failed.\n";

struct detach {
	struct agent_options options;
	bool drop;
};

/* Returns 0 to go on, else -1 with the exit status in *@status. */
static int parse(int argc, char **argv, struct detach *detach, int *status)
{
	enum { DROP = 256 };
	static const struct option known[] = {
		{"drop", no_argument, NULL, DROP},
		OPTIONS_LONG,
		{0},
	};
	int c;

	*status = EXIT_AGENT_FAILED;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:" OPTIONS_SHORT, known, NULL)) != -1) {
		switch (c) {
		case DROP:
			detach->drop = true;
			break;
		case 'h':
			printf("%s%s%s", usage, options_help_finish, exit_statuses);
			*status = 0;
			return -1;
		default:
			if (options_take(&detach->options, c, "detach", argv))
				return -1;
		}
	}
	if (optind < argc || !detach->options.pin) {
		log_error("usage: otel-bpf detach --pin[=DIR] [OPTIONS]");
		return -1;
	}
	return 0;
}

static int drop(const char *path)
{
	struct pin *pin;
	int err = pin_open(path, &pin);

	if (err)
		return err;
	err = pin_remove_all(pin, "");
	if (err)
		log_error("cannot remove all of %s: %s", path, strerror(-err));
	pin_close(pin);
	return err;
}

static int finish(const struct agent_options *options)
{
	struct agent *agent;
	int err = agent_new(options, &agent);

	if (err)
		return err;
	if (agent_took_over(agent)) {
		err = agent_attach(agent, NULL, 0);
	} else {
		log_error("nothing is pinned in %s", options->pin);
		err = -ENOENT;
	}
	if (!err || agent_took_over(agent))
		agent_stop(agent);
	agent_free(agent);
	return err;
}

int cmd_detach(int argc, char **argv)
{
	struct detach detach = {.options = AGENT_OPTIONS_DEFAULTS};
	int status, err;

	if (parse(argc, argv, &detach, &status))
		return status;
	log_verbose(detach.options.verbose);
	err = detach.drop ? drop(detach.options.pin) : finish(&detach.options);
	return err ? EXIT_AGENT_FAILED : 0;
}
