/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the agent, on standard error: "otel-bpf: what, where, what to do". Each is one
 * write(2), so that lines of several threads do not mix. Thread-safe.
 */
#ifndef OTEL_BPF_LOG_H
#define OTEL_BPF_LOG_H

#include <stdbool.h>

/** Something cannot be done, or is lost. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** Something that the user should know. */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** Details; only after log_verbose(true). */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

void log_verbose(bool on);

#endif
