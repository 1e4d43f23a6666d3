/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory of the BPF file system, in which maps, programs and links stay while no agent runs:
 * what is pinned there goes on. One agent at a time has it.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_PIN_H
#define OTEL_BPF_PIN_H

#include <stdbool.h>
#include <stddef.h>

#include "blob.h"

#define PIN_DEFAULT "/sys/fs/bpf/otel-bpf"

/* Of a name in the directory; dots are not allowed there. */
#define PIN_NAME_MAX 128

/* Of what agents leave to each other in pinned memory: another one when any of it has another layout. */
#define PIN_FORMAT 3

struct pin;

/**
 * Takes the directory @path, made if it is not there, for this process: it is given back by
 * pin_close() or at the process's end. Returns 0, or a negative errno after saying why: -EBUSY:
 * another agent has it.
 */
int pin_open(const char *path, struct pin **out);

/** NULL is allowed. A directory in which nothing is goes away. */
void pin_close(struct pin *pin);

/** As it was given. */
const char *pin_path(const struct pin *pin);

/** Is there something pinned as @name? */
bool pin_has(const struct pin *pin, const char *name);

/** Pins what @fd is. Returns 0 or a negative errno. */
int pin_put(const struct pin *pin, const char *name, int fd);

/** A descriptor of what is pinned as @name, or a negative errno. */
int pin_get(const struct pin *pin, const char *name);

/**
 * Keeps bytes under @name, in memory of the kernel: as long as all else that is pinned. They appear
 * whole or not at all. Returns 0 or a negative errno.
 */
int pin_put_bytes(const struct pin *pin, const char *name, struct bytes bytes);

/** Appends what is kept under @name, rounded up with zeros. Returns 0 or a negative errno. */
int pin_get_bytes(const struct pin *pin, const char *name, struct blob *out);

/**
 * Memory of @size bytes that lives as long as its pin @name; of zeros, if that was not there. Returns 0 or a
 * negative errno; -EBADMSG: what is pinned there is something else.
 */
int pin_memory(const struct pin *pin, const char *name, size_t size, void **out);

/** It goes on living. NULL is allowed. */
void pin_memory_unmap(void *memory, size_t size);

void pin_remove(const struct pin *pin, const char *name);

/** Removes what has a name that begins with @prefix; "": all. Returns 0 or the first negative
 * errno. */
int pin_remove_all(const struct pin *pin, const char *prefix);

/** Calls @found with every name that begins with @prefix, until it returns true; returns whether it
 * did. */
bool pin_each(const struct pin *pin, const char *prefix,
	      bool (*found)(void *self, const char *name), void *self);

#endif
