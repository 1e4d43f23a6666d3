/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that were seen mapped, and what came of it: each is read once, and attached to once if it
 * carries our note, however many processes map it under however many names.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_IMAGES_H
#define OTEL_BPF_IMAGES_H

#include <stddef.h>

#include "capture.h"

struct images;

/** Returns NULL and sets errno (ENOMEM). Free with images_free(). */
struct images *images_new(struct capture *capture);
void images_free(struct images *images);

/**
 * Looks at the file that @path leads to; @name is for messages. Returns its image, which lives as
 * long as @images, or NULL if it has no probes or could not be attached to.
 */
const struct image *images_offer(struct images *images, const char *path, const char *name);

/** How many files are attached to, and how long it took for the slowest of them, if @longest_ms. */
size_t images_attached(const struct images *images, double *longest_ms);

#endif
