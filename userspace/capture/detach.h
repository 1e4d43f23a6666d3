/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Detaching in the background: the kernel waits until nobody runs the probe any more, 20 ms for a
 * link of uprobe_multi and 200 for a perf event, each by itself, and nobody else should. Several at
 * once share that wait.
 *
 * To be called by one thread.
 */
#ifndef OTEL_BPF_DETACH_H
#define OTEL_BPF_DETACH_H

#include "probe.h"

/** As probe_free(), soon. */
void detach_later(struct probe *probe);

/** Waits until all of them are done. */
void detach_wait(void);

#endif
