/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of an ELF file, by address: of its .symtab, or else of its .dynsym. The file is
 * somebody else's: nothing in it is trusted, and it may change while it is read.
 *
 * Names stay in the file and are read when they are asked for: a table takes 24 bytes a function.
 */
#ifndef OTEL_BPF_SYMBOLS_H
#define OTEL_BPF_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

/* Of which a larger file has its first ones, and the longest name, with NUL. */
#define SYMBOLS_MAX (1u << 20)
#define SYMBOL_NAME_MAX 512

struct symbols;

/**
 * Reads the table of the file behind @fd. Returns 0; -ENOEXEC: this is no ELF file of this machine;
 * -EBADMSG: it makes no sense; -ENOMEM; or what reading said. A file without symbols has an empty
 * table. *@cost is what was read, in bytes, also on failure. Free with symbols_free().
 */
int symbols_read(int fd, struct symbols **out, size_t *cost);

/** The address that byte @offset of the file has in the file's own view. 0 or -ENOENT. */
int symbols_address(const struct symbols *symbols, uint64_t offset, uint64_t *address);

/**
 * The function that @address (of the file's view) is in: its name, printable and with NUL, and
 * where it begins. @fd is the same file's. Returns 0 or -ENOENT.
 */
int symbols_find(const struct symbols *symbols, int fd, uint64_t address,
		 char name[SYMBOL_NAME_MAX], uint64_t *begin);

/** Bytes of memory that it takes. */
size_t symbols_memory(const struct symbols *symbols);

/** NULL is allowed. */
void symbols_free(struct symbols *symbols);

/**
 * Makes C++'s simple names readable, in place: "_ZN7kitchen4Oven4heatEi" is kitchen::Oven::heat.
 * Others, as those of templates, stay as they are: what a full demangler makes of a hostile name
 * has no bounds.
 */
void symbol_name_simplify(char name[SYMBOL_NAME_MAX]);

#endif
