/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draws a trace:
 *
 *   4bf92f35  shop, kitchen · 3 spans · 152ms · 1 error
 *   POST /order · server           ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━    152ms
 *   ├─ validate                    ╺━━╸                                1.2ms ✓
 *   │    items=2
 *   └─ POST /cook · server @kitchen    ━━━━━━━┿━━━                      40ms ✗
 *        ✗ out of salt
 *        +1.2ms oven.on oven.temperature=220
 */
#ifndef OTEL_BPF_CONSOLE_DRAW_H
#define OTEL_BPF_CONSOLE_DRAW_H

#include "console_traces.h"
#include "paragraph.h"

/** Returns 0 or -ENOMEM. */
int console_draw(struct terminal *terminal, const struct trace *trace);

#endif
