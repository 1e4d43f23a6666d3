/* SPDX-License-Identifier: Apache-2.0 */
/* What a process has mapped as code, as /proc tells it. */
#ifndef OTEL_BPF_MAPS_H
#define OTEL_BPF_MAPS_H

#include <stddef.h>

#include "discover.h"

/**
 * Calls @found for every file that @pid has mapped as code; @time is what the mappings are given
 * for theirs. Returns 0, or a negative errno: -ENOENT or -ESRCH: there is no such process, -EACCES:
 * it is not ours to see.
 */
int maps_read(uint32_t pid, uint64_t time, discover_fn found, void *self);

#endif
