/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 as protobuf's strings demand it: no overlong forms, no surrogates, nothing above U+10FFFF.
 * NUL is a character like any other.
 */
#ifndef OTEL_BPF_UTF8_H
#define OTEL_BPF_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool utf8_valid(const void *text, size_t size);

/** Bytes of the first @most characters of @text, which must be valid; of all of it if it has fewer. */
size_t utf8_prefix(const void *text, size_t size, size_t most);

/** What @text takes with each bad byte replaced by U+FFFD: at most three times @size. */
size_t utf8_repaired_size(const void *text, size_t size);

/** Writes it so; returns the byte behind. */
uint8_t *utf8_repair(uint8_t *out, const void *text, size_t size);

#endif
