/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tracers: which of them the operator wants, and those in the data of an ELF file, which the kernel
 * can switch off in all processes that have it mapped. The file is somebody else's: nothing in it
 * is trusted.
 */
#ifndef OTEL_BPF_TRACERS_H
#define OTEL_BPF_TRACERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "otel/record.h"
#include "span.h"

/* Whose spans are wanted. */
struct tracer_rules {
	bool (*on)(void *self, struct bytes name); /* NULL: all are */
	void *self;
};

#define TRACER_NAME_MAX 256

struct tracer {
	uint64_t off; /* where in the file its semaphore is */
	size_t name_size;
	char name[TRACER_NAME_MAX];
};

struct tracers {
	size_t n;
	struct tracer list[OTEL_TRACER_SITES];
};

/**
 * Finds the first tracers that are in memory the kernel can write to: others are const, are made at
 * run time, or lie in a page that is mapped twice. Returns 0 or a negative errno: -EBADMSG, or what
 * reading said.
 */
int tracers_read(int fd, struct tracers *out);

#endif
