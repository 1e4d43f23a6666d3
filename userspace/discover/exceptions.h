/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probes of libstdc++ that tell which C++ exceptions are in flight: in the library, or in a
 * program that it is linked to. An attached probe costs every program on the host that throws with
 * this file, so that happens only once there is an image that records spans.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_EXCEPTIONS_H
#define OTEL_BPF_EXCEPTIONS_H

#include <stdbool.h>

#include "capture.h"

struct exceptions;

/** Returns NULL and sets errno (ENOMEM). Free with exceptions_free(). */
struct exceptions *exceptions_new(struct capture *capture);
void exceptions_free(struct exceptions *exceptions);

/**
 * To be given each file that is mapped, once. What cannot be attached to only costs the types.
 * True: it has such probes; @fd and @handle must stay until exceptions_forget(), or
 * exceptions_free().
 */
bool exceptions_offer(struct exceptions *exceptions, int fd, const char *name, int *handle);

/** The file is not mapped any more. */
void exceptions_forget(struct exceptions *exceptions, int *handle);

/** An image that records spans is there. */
void exceptions_wanted(struct exceptions *exceptions);

#endif
