/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands: each parses its own arguments and returns the exit status. */
#ifndef OTEL_BPF_COMMANDS_H
#define OTEL_BPF_COMMANDS_H

#include "launch.h"

/* What otel-bpf itself could not do. */
#define EXIT_AGENT_FAILED 125

int cmd_run(int argc, char **argv, const struct launch_origin *origin);
int cmd_attach(int argc, char **argv);
int cmd_detach(int argc, char **argv);
int cmd_status(int argc, char **argv);

#endif
