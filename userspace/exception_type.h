/* SPDX-License-Identifier: Apache-2.0 */
/* The type of a C++ exception, by what the kernel saw of it. */
#ifndef OTEL_BPF_EXCEPTION_TYPE_H
#define OTEL_BPF_EXCEPTION_TYPE_H

#include "../bpf/event.h"
#include "type_name.h"

/**
 * Writes its name as people write it, with NUL. What was not in memory when the kernel looked is
 * read from the process, if that still lives. Returns 0, or -ENOENT: it is not known.
 */
int exception_type(const struct process_id *process, const struct event_exception *exception,
		   char type[TYPE_NAME_MAX]);

#endif
