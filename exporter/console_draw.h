/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draws a trace:
 *
 *   4bf92f35  shop, kitchen · 3 spans · 152ms · 1 error
 *     POST /order server @shop      ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━    152ms
 *     ├─ validate                    ━━╸                               12.0ms ✓
 *     │    items=2
 *     └─ POST /cook server @kitchen      ╺━━━━━━┿━━━                   40.0ms ✗
 *          ✗ out of salt
 *          +1.20ms oven.on  oven.temperature=220
 *     ⋯ wash                                      ━━━                  10.0ms
 *
 * The kind is left out if it is internal, the service if it is the parent's. Events are also
 * marked on the bar. ⋯ is a span whose parent is not here.
 */
#ifndef OTEL_BPF_CONSOLE_DRAW_H
#define OTEL_BPF_CONSOLE_DRAW_H

#include "console_traces.h"
#include "paragraph.h"

/** Returns 0 or -ENOMEM. */
int console_draw(struct terminal *terminal, const struct trace *trace);

#endif
