/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends the metrics to an OTLP receiver, one request every so often. Single-threaded: a request
 * goes on whenever push_tick() is called. One that fails is not repeated: the next says all that it
 * did.
 */
#ifndef OTEL_BPF_PUSH_H
#define OTEL_BPF_PUSH_H

#include "overview.h"

struct push;

/**
 * To @url as it is, every OTEL_METRIC_EXPORT_INTERVAL milliseconds (60000). Returns 0, or a
 * negative errno after saying why. Free with push_free().
 */
int push_new(const char *url, overview_fn look, void *self, struct push **out);

/** NULL is allowed. */
void push_free(struct push *push);

/** @now: CLOCK_MONOTONIC in nanoseconds. */
void push_tick(struct push *push, uint64_t now);

/** Sends the last numbers, within @timeout_ms. */
void push_finish(struct push *push, uint64_t timeout_ms);

#endif
