/* SPDX-License-Identifier: Apache-2.0 */
/* Where the agent's own metrics go, as the operator wants it: to who asks, and to who is told. */
#ifndef OTEL_BPF_TELEMETRY_H
#define OTEL_BPF_TELEMETRY_H

#include "overview.h"

struct telemetry;

/**
 * @list: elements ADDRESS:PORT, for Prometheus, and otlp[=URL]; @endpoint is the base of the URL of
 * one that names none, or NULL. Returns 0, or a negative errno after saying why. Free with
 * telemetry_free().
 */
int telemetry_new(const char *list, const char *endpoint, overview_fn look, void *self,
		  struct telemetry **out);

/** NULL is allowed, here and below. */
void telemetry_free(struct telemetry *telemetry);

/** A descriptor for epoll: telemetry_serve() is to be called when it is readable; -1: none. */
int telemetry_fd(const struct telemetry *telemetry);
void telemetry_serve(void *telemetry);

/** To be called now and then. @now: CLOCK_MONOTONIC in nanoseconds. */
void telemetry_tick(struct telemetry *telemetry, uint64_t now);

/** Tells the last numbers, within @timeout_ms. */
void telemetry_finish(struct telemetry *telemetry, uint64_t timeout_ms);

#endif
