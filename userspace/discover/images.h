/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that were seen mapped, and what came of it: each is read once, and attached to once if
 * it carries our note, however many processes map it under however many names. One that is deleted,
 * and that nobody who is followed maps any more, is let go.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_IMAGES_H
#define OTEL_BPF_IMAGES_H

#include <stddef.h>

#include "capture.h"
#include "discover.h"
#include "mounts.h"

struct images;

/** Returns NULL and sets errno (ENOMEM). Free with images_free(), before the others. */
struct images *images_new(struct capture *capture, struct mounts *mounts);
void images_free(struct images *images);

/**
 * Looks at the file of @mapping. Returns its image, which is valid until the next call of a
 * function here, or NULL if it has no probes or could not be attached to.
 */
const struct image *images_offer(struct images *images, const struct mapping *mapping);

/** To be called now and then: lets go of files that are gone. @now: CLOCK_MONOTONIC. */
void images_tick(struct images *images, uint64_t now);

/** How many files are attached to, and how long it took for the slowest of them, if @longest_ms. */
size_t images_attached(const struct images *images, double *longest_ms);

/** How often a file was offered that is not touched, see mounts.h. */
uint64_t images_refused(const struct images *images);

#endif
