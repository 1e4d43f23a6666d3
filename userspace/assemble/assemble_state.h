/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the assembler share, and nobody else: assemble.c (records) and, below it,
 * assemble_finish.c (how spans leave). The spans themselves are in a table of their own.
 */
#ifndef OTEL_BPF_ASSEMBLE_STATE_H
#define OTEL_BPF_ASSEMBLE_STATE_H

#include <stdbool.h>

#include "assemble.h"
#include "attributes.h"
#include "clock.h"
#include "left_out.h"
#include "open_table.h"

struct assembler {
	struct intake_options options;
	struct limits limits;
	struct intake_counts *counts;
	struct open_table table;
	struct attributes scratch;
	struct attributes host;
	struct scope *no_scope;
	struct clock clock;
	struct left_out *left_out; /* NULL: no span was, yet */
	bool eviction_logged;
};

/** Hands it to the sink, ended or not, and forgets it. */
void finish_span(struct assembler *as, struct open_span *span);

/** What was put aside is looked at only now: what is wrong with it is counted here. */
void finish_merge(struct assembler *as, struct open_span *span);

/**
 * Is the tracer of a span that starts switched off? Decided then, as the application would: what is
 * on its way stays what it is.
 */
void finish_decide(struct assembler *as, struct open_span *span);

/** The table, of the assembler @self, has no room for it any more. */
void finish_evicted(void *self, struct open_span *span);

#endif
