/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following processes that run already. While we look they fork, exec and end: the kernel side
 * follows the forks of whom it follows, so what matters are the children of before, and pids that
 * become another's.
 */
#ifndef OTEL_BPF_FOLLOW_H
#define OTEL_BPF_FOLLOW_H

#include "capture.h"

/**
 * Follows @pids and all that descend from them. Of each one that cannot be followed it says why. Returns 0, or a
 * negative errno: -ESRCH if none can.
 */
int follow_running(struct capture *capture, const uint32_t *pids, size_t n);

#endif
