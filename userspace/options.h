/* SPDX-License-Identifier: Apache-2.0 */
/* The options that all commands have which record: how they are spelt, and what they mean. */
#ifndef OTEL_BPF_OPTIONS_H
#define OTEL_BPF_OPTIONS_H

#include <getopt.h>

#include "agent.h"

enum {
	OPTION_ENDPOINT = 512,
	OPTION_SERVICE_NAME,
	OPTION_RING_SIZE,
	OPTION_SETTINGS,
	OPTION_SPOOL,
	OPTION_SPOOL_SIZE,
	OPTION_PIN,
	OPTION_METRICS
};

/* For getopt_long(): the short ones, and entries of the table of long ones. */
#define OPTIONS_SHORT "e:vh"
#define OPTIONS_LONG                                                                               \
	{"exporter", required_argument, NULL, 'e'},                                                \
		{"endpoint", required_argument, NULL, OPTION_ENDPOINT},                            \
		{"service-name", required_argument, NULL, OPTION_SERVICE_NAME},                    \
		{"ring-size", required_argument, NULL, OPTION_RING_SIZE},                          \
		{"settings", required_argument, NULL, OPTION_SETTINGS},                            \
		{"spool", required_argument, NULL, OPTION_SPOOL},                                  \
		{"spool-size", required_argument, NULL, OPTION_SPOOL_SIZE},                        \
		{"metrics", required_argument, NULL, OPTION_METRICS},                              \
		{"pin", optional_argument, NULL, OPTION_PIN},                                      \
		{"verbose", no_argument, NULL, 'v'},                                               \
	{                                                                                          \
		"help", no_argument, NULL, 'h'                                                     \
	}

/* What --help says of them; of those that mean something when nothing is recorded any more, --pin aside. */
extern const char options_help[];
extern const char options_help_finish[];

/**
 * Takes what getopt_long() returned. Returns 0, or -EINVAL after saying what is wrong: also with an
 * option that nobody knows, or one that lacks its argument. @command is for messages.
 */
int options_take(struct agent_options *options, int option, const char *command, char **argv);

#endif
