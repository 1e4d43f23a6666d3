/* SPDX-License-Identifier: Apache-2.0 */
#include "image_text.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "elf_file.h"

int image_text(int fd, uint64_t begin, uint64_t offset, uint64_t address, char *text, size_t room)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const Elf64_Phdr *code = NULL;
	struct elf_file elf;
	ssize_t size;

	if (elf_file_read(fd, &elf) || !elf_file_is_plausible(&elf))
		return -ENOENT;
	for (size_t i = 0; i < elf.n_segments && !code; i++) {
		const Elf64_Phdr *h = &elf.segments[i];

		if (h->p_type == PT_LOAD && h->p_flags & PF_X &&
		    offset >= (h->p_offset & ~(page - 1)) && offset < h->p_offset + h->p_filesz)
			code = h;
	}
	if (!code)
		return -ENOENT;
	/* In the file's own view. */
	address -= begin - offset - code->p_vaddr + code->p_offset;
	for (size_t i = 0; i < elf.n_segments; i++) {
		const Elf64_Phdr *h = &elf.segments[i];

		if (h->p_type != PT_LOAD || h->p_flags & PF_W ||
		    address - h->p_vaddr >= h->p_filesz)
			continue;
		size = pread(fd, text, room, (off_t)(h->p_offset + (address - h->p_vaddr)));
		return size > 0 && memchr(text, 0, (size_t)size) ? 0 : -ENOENT;
	}
	return -ENOENT;
}
