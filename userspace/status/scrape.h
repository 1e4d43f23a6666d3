/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP server for Prometheus: GET /metrics. Single-threaded: it never waits for a client, and
 * drops those that are slow.
 */
#ifndef OTEL_BPF_SCRAPE_H
#define OTEL_BPF_SCRAPE_H

#include "overview.h"

struct scrape;

/**
 * Listens on @address, as in 127.0.0.1:9464 or [::1]:9464. Returns 0, or a negative errno after
 * saying why. Free with scrape_free().
 */
int scrape_new(const char *address, overview_fn look, void *self, struct scrape **out);

/** NULL is allowed. */
void scrape_free(struct scrape *scrape);

/** A descriptor for epoll: scrape_serve() is to be called when it is readable, and now and then. */
int scrape_fd(const struct scrape *scrape);
void scrape_serve(void *scrape);

#endif
