/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attachments: images that recording is switched on in. Each has a probe where threads hand over,
 * and one that is never hit: it enables the recording and sets the control bits. With a pinned directory
 * both go on when the agent ends, and the next one finds them by the file they are of.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_ATTACHMENTS_H
#define OTEL_BPF_ATTACHMENTS_H

#include <stdbool.h>

#include "image.h"
#include "pin.h"
#include "sampling.h"
#include "tracers.h"

struct bpf_program;
struct attachments;
struct attached;

struct attachments_options {
	struct bpf_program *program; /* what runs at a hand-over */
	int program_fd;		     /* of it, or of the one that is pinned */
	bool multi;		     /* it was loaded for uprobe_multi */
	const struct pin *pin;	     /* NULL: none */
};

/** Returns NULL and sets errno (ENOMEM). */
struct attachments *attachments_new(const struct attachments_options *options);

/** What is not pinned is detached. NULL is allowed. */
void attachments_free(struct attachments *attachments);

/** As capture_attach(), capture_release(), capture_sample(), capture_disable() and capture_detach(). */
int attachments_add(struct attachments *attachments, int fd, const char *path,
		    const struct image *image, struct attached **out);
void attachments_remove(struct attachments *attachments, struct attached *attached);
int attachments_sample(struct attachments *attachments, const struct sampling *sampling);
/**
 * Switches tracers off and on in what is attached and will be, by their names. Not pinned: while no agent
 * runs, all are on. Returns 0, or the first negative errno; what could not be changed stays as it was.
 */
int attachments_tracers(struct attachments *attachments, const struct tracer_rules *rules);

void attachments_disable(struct attachments *attachments);
void attachments_detach(struct attachments *attachments);

#endif
