/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The USDT probes of an ELF file, from its SystemTap notes. The file is somebody else's: nothing in
 * it is trusted.
 */
#ifndef OTEL_BPF_USDT_H
#define OTEL_BPF_USDT_H

#include <stddef.h>
#include <stdint.h>

struct usdt_site {
	uint64_t offset;    /* in the file */
	uint64_t semaphore; /* the same; 0: it has none */
	char name[24];
	char arguments[72]; /* "8@%rdi 8@-80(%rbx)" */
};

/**
 * Writes up to @max sites of @provider, whose names and arguments fit, in the file behind @fd.
 * Returns how many, or a negative errno: -EBADMSG for notes that lead out of the file, or what
 * reading said.
 */
int usdt_sites(int fd, const char *provider, struct usdt_site *sites, size_t max);

/* Where an argument is: in a register, or in memory at @displacement from what the register holds.
 */
struct usdt_operand {
	uint16_t reg; /* its offset in the kernel's struct pt_regs */
	int16_t displacement;
	uint8_t memory;
};

/**
 * Reads argument @index, of 8 bytes. Returns 0; -ENOENT: there is none; -ENOTSUP: it is something
 * else.
 */
int usdt_operand(const char *arguments, unsigned index, struct usdt_operand *out);

#endif
