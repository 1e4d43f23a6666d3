/* SPDX-License-Identifier: Apache-2.0 */
#include "image_text.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define HEADERS_MAX 64

static int read_headers(int fd, Elf64_Phdr *headers)
{
	Elf64_Ehdr elf;
	size_t size;

	if (pread(fd, &elf, sizeof(elf), 0) != sizeof(elf) ||
	    memcmp(elf.e_ident, ELFMAG, SELFMAG) || elf.e_ident[EI_CLASS] != ELFCLASS64 ||
	    elf.e_phentsize != sizeof(Elf64_Phdr) || elf.e_phnum > HEADERS_MAX ||
	    elf.e_phoff > INT64_MAX)
		return -ENOENT;
	size = elf.e_phnum * sizeof(Elf64_Phdr);
	if (pread(fd, headers, size, (off_t)elf.e_phoff) != (ssize_t)size)
		return -ENOENT;
	for (int i = 0; i < elf.e_phnum; i++)
		if (headers[i].p_offset > INT64_MAX / 2 || headers[i].p_filesz > INT64_MAX / 2)
			return -ENOENT;
	return elf.e_phnum;
}

int image_text(int fd, uint64_t begin, uint64_t offset, uint64_t address, char *text, size_t room)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	Elf64_Phdr headers[HEADERS_MAX];
	int n = read_headers(fd, headers);
	const Elf64_Phdr *code = NULL;
	ssize_t size;

	for (int i = 0; i < n && !code; i++)
		if (headers[i].p_type == PT_LOAD && headers[i].p_flags & PF_X &&
		    offset >= (headers[i].p_offset & ~(page - 1)) &&
		    offset < headers[i].p_offset + headers[i].p_filesz)
			code = &headers[i];
	if (!code)
		return -ENOENT;
	/* In the file's own view. */
	address -= begin - offset - code->p_vaddr + code->p_offset;
	for (int i = 0; i < n; i++) {
		const Elf64_Phdr *h = &headers[i];

		if (h->p_type != PT_LOAD || h->p_flags & PF_W ||
		    address - h->p_vaddr >= h->p_filesz)
			continue;
		size = pread(fd, text, room, (off_t)(h->p_offset + (address - h->p_vaddr)));
		return size > 0 && memchr(text, 0, (size_t)size) ? 0 : -ENOENT;
	}
	return -ENOENT;
}
