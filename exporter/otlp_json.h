/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans as OTLP's ExportTraceServiceRequest in JSON: one line, as "JSON Protobuf Encoding" in the
 * specification says: ids in hex, 64-bit numbers as strings, defaults left out.
 */
#ifndef OTEL_BPF_OTLP_JSON_H
#define OTEL_BPF_OTLP_JSON_H

#include <stddef.h>

#include "group.h"
#include "span.h"
#include "text.h"

/**
 * Appends @n spans and a newline to @out. @grouping is memory that is used again: zero the first
 * time, group_clear() at the end. Returns 0 or -ENOMEM; then @out holds no whole line.
 */
int otlp_json(struct grouping *grouping, struct span *const *spans, size_t n, struct text *out);

#endif
