/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent says at its end: the books, and what went wrong. */
#ifndef OTEL_BPF_REPORT_H
#define OTEL_BPF_REPORT_H

#include <stdbool.h>

#include "overview.h"

/** What went wrong; if spans were lost, or @verbose, also what became of all. */
void report_say(const struct overview *overview, bool verbose);

#endif
