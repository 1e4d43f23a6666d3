/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the operator may change while the agent runs: a file of lines, read again when it changes.
 *
 *     # comment
 *     sampler parentbased_traceidratio 0.1
 *     tracer noisy.* off
 *
 * The first line that matches a tracer's name decides; tracers that none matches are on.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_SETTINGS_H
#define OTEL_BPF_SETTINGS_H

#include <stdbool.h>

#include "sampling.h"
#include "span.h"

struct settings;

/**
 * Settings of the environment (OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG), over them those of the file
 * @path; NULL: no file. Returns 0, or a negative errno after saying what is wrong with the file.
 */
int settings_new(const char *path, struct settings **out);

/** NULL is allowed. */
void settings_free(struct settings *settings);

/** A descriptor for epoll that is readable when the file may have changed; -1 without a file. */
int settings_fd(const struct settings *settings);

/**
 * Reads the file again. Returns true if the settings are others now; a file that makes no sense
 * changes nothing and is told of.
 */
bool settings_reload(struct settings *settings);

const struct sampling *settings_sampling(const struct settings *settings);

/** May spans of this tracer go out? */
bool settings_tracer_on(const struct settings *settings, struct bytes name);

#endif
