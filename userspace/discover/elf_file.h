/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF files, which may be anybody's: header and segments, read by pread(2) only, so that one that
 * lies, or changes meanwhile, is an error and nothing worse.
 *
 * Thread-safe.
 */
#ifndef OTEL_BPF_ELF_FILE_H
#define OTEL_BPF_ELF_FILE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#define ELF_FILE_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define ELF_FILE_MACHINE EM_AARCH64
#endif

#define ELF_FILE_SEGMENTS_MAX 64 /* those behind are not looked at */

struct elf_file {
	int fd; /* the caller's */
	Elf64_Ehdr header;
	Elf64_Phdr segments[ELF_FILE_SEGMENTS_MAX];
	size_t n_segments;
};

/** Exactly @size bytes at @offset. Returns 0, -EBADMSG: there are not so many; or another negative
 * errno. */
int elf_file_read_at(int fd, void *to, size_t size, uint64_t offset);

/**
 * Of @fd, which must stay open. Returns 0; -ENOEXEC: it is not one of 64 bits for this machine;
 * -EBADMSG: it is cut off; or another negative errno.
 */
int elf_file_read(int fd, struct elf_file *out);

/** Is no number of a segment so large that the sum of two overflows? */
bool elf_file_is_plausible(const struct elf_file *elf);

/**
 * Where in the file the @size bytes are that are at @address in memory, in a segment that has all
 * these @flags (PF_X...). False: nowhere.
 */
bool elf_file_offset(const struct elf_file *elf, uint64_t address, uint64_t size, uint32_t flags,
		     uint64_t *out);

#endif
