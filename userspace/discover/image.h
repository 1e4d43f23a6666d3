/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images: what the note of an ELF file that includes otel/trace.h says about its probe sites.
 * The file is somebody else's: nothing in it is trusted.
 */
#ifndef OTEL_BPF_IMAGE_H
#define OTEL_BPF_IMAGE_H

#include <stdint.h>

#include "otel/record.h"

/* Offsets in the file, but for the addresses, which are the file's own (add the load bias). */
struct image {
	uint64_t flush_nop5;
	uint64_t flush_nop10;
	uint64_t flush_nop;
	uint64_t semaphores;
	uint64_t controls;
	uint64_t control_sites;
	uint64_t tracer_sites; /* 0: it has none */
	uint64_t enable_site;
	uint64_t anchor_address;
	/* To compute the load bias: the executable segment's place in the file and in memory. */
	uint64_t text_offset;
	uint64_t text_address;
};

/**
 * Reads the note of the ELF file behind @fd. Returns 1: here it is; 0: there is none of a version
 * that we know (or it is no ELF file of this machine); negative errno: -EBADMSG for a note that
 * leads out of the file, or what reading said.
 */
int image_read(int fd, struct image *out);

#endif
