/* SPDX-License-Identifier: Apache-2.0 */
/* What stands below the line of a span: status, attributes, events, links. */
#ifndef OTEL_BPF_CONSOLE_DETAILS_H
#define OTEL_BPF_CONSOLE_DETAILS_H

#include "paragraph.h"
#include "span.h"

/** @prefix, of @width columns, begins every line: the lines of the tree. */
void console_details(struct terminal *terminal, const struct text *prefix, size_t width,
		     const struct span *span);

#endif
