/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that an ELF file has in its read-only data. The file is somebody else's: nothing in it is
 * trusted. */
#ifndef OTEL_BPF_IMAGE_TEXT_H
#define OTEL_BPF_IMAGE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/**
 * What a process has at @address, if it has byte @offset of the code of the file behind @fd mapped
 * at
 * @begin, and the text there fits with its NUL. Returns 0 or -ENOENT.
 */
int image_text(int fd, uint64_t begin, uint64_t offset, uint64_t address, char *text, size_t room);

#endif
