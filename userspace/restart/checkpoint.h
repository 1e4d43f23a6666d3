/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A checkpoint: what the intake knows and has not handed on, for the agent that goes on with the
 * same ring: processes, their streams with positions and pieces, open spans with all that came for
 * them.
 */
#ifndef OTEL_BPF_CHECKPOINT_H
#define OTEL_BPF_CHECKPOINT_H

#include "assemble.h"
#include "blob.h"
#include "process.h"

/** Appends it to @out. Returns 0 or -ENOMEM. */
int checkpoint_save(const struct processes *processes, struct blob *out);

/**
 * Takes it over into what is still empty; open spans are entered in the books as started. @now is
 * CLOCK_MONOTONIC. Returns 0; -EBADMSG: it is damaged; -EPROTONOSUPPORT: it is of another version;
 * -ENOMEM: then some of it may be there. *@open: how many spans came.
 */
int checkpoint_load(struct processes *processes, struct assembler *as, struct bytes data,
		    uint64_t now, uint64_t *open);

#endif
