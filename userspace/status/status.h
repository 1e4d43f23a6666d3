/* SPDX-License-Identifier: Apache-2.0 */
/* What otel-bpf status shows of an agent. Written by the agent, so that both need not be of one
 * build. */
#ifndef OTEL_BPF_STATUS_H
#define OTEL_BPF_STATUS_H

#include "overview.h"
#include "text.h"

/** For people; ends with a newline. */
void status_text(const struct overview *overview, struct text *out);

/** One JSON object, without a newline: docs/otel-bpf-status.1 describes it. */
void status_json(const struct overview *overview, struct text *out);

#endif
