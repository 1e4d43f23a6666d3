/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPF side in a pinned directory: the maps, what runs on tracepoints, and the program of the
 * probes. Only an agent that knows the maps by the same layout takes them over.
 */
#ifndef OTEL_BPF_CAPTURE_PIN_H
#define OTEL_BPF_CAPTURE_PIN_H

#include <bpf/libbpf.h>

#include "pin.h"

/**
 * Before loading: takes the maps that are pinned, and leaves out what runs already. @kept is the
 * program of the probes. Returns 1 if there was something, 0 if not; what an agent that died while
 * it pinned has left is removed. -ESTALE: it is of another build, or another negative errno.
 */
int capture_pin_take(const struct pin *pin, struct bpf_object *object,
		     const struct bpf_program *kept, const struct bpf_program *asked);

/** After attaching: pins all. Returns 0 or a negative errno. */
int capture_pin_put(const struct pin *pin, const struct bpf_object_skeleton *skeleton,
		    const struct bpf_program *kept, const struct bpf_program *asked);

/** A descriptor of the program of the probes, which is pinned, or a negative errno. */
int capture_pin_program(const struct pin *pin);

#endif
