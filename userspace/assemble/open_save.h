/* SPDX-License-Identifier: Apache-2.0 */
/* An open span, into a checkpoint and back. */
#ifndef OTEL_BPF_OPEN_SAVE_H
#define OTEL_BPF_OPEN_SAVE_H

#include "open.h"
#include "pack.h"

void open_save(const struct open_span *span, struct pack *pack);

/**
 * Fills @span, which is fresh but for its id, process and limits; a scope that equals *@scope
 * becomes that one, else *@scope becomes the new one, with a reference. What makes no sense fails,
 * and leaves what can be freed by open_free().
 */
void open_load(struct open_span *span, struct unpack *unpack, struct scope **scope);

/** Sets of attributes: their tag is @tag. */
void attributes_save(const struct attributes *set, struct pack *pack);
void attributes_load(struct attributes *set, uint8_t tag, struct unpack *unpack);

#endif
