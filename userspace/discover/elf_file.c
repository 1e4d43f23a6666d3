/* SPDX-License-Identifier: Apache-2.0 */
#include "elf_file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int elf_file_read_at(int fd, void *to, size_t size, uint64_t offset)
{
	ssize_t n;

	if (offset > INT64_MAX)
		return -EBADMSG;
	n = pread(fd, to, size, (off_t)offset);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EBADMSG;
}

int elf_file_read(int fd, struct elf_file *out)
{
	Elf64_Ehdr *header = &out->header;
	int err = elf_file_read_at(fd, header, sizeof(*header), 0);

	if (err)
		return err == -EBADMSG ? -ENOEXEC : err;
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) || header->e_ident[EI_CLASS] != ELFCLASS64 ||
	    header->e_machine != ELF_FILE_MACHINE || header->e_phentsize != sizeof(*out->segments))
		return -ENOEXEC;
	out->fd = fd;
	out->n_segments =
		header->e_phnum < ELF_FILE_SEGMENTS_MAX ? header->e_phnum : ELF_FILE_SEGMENTS_MAX;
	return elf_file_read_at(fd, out->segments, out->n_segments * sizeof(*out->segments),
				header->e_phoff);
}

bool elf_file_is_plausible(const struct elf_file *elf)
{
	for (size_t i = 0; i < elf->n_segments; i++) {
		const Elf64_Phdr *h = &elf->segments[i];

		if (h->p_offset > INT64_MAX / 2 || h->p_filesz > INT64_MAX / 2 ||
		    h->p_vaddr > INT64_MAX / 2 || h->p_memsz > INT64_MAX / 2)
			return false;
	}
	return true;
}

bool elf_file_offset(const struct elf_file *elf, uint64_t address, uint64_t size, uint32_t flags,
		     uint64_t *out)
{
	for (size_t i = 0; i < elf->n_segments; i++) {
		const Elf64_Phdr *h = &elf->segments[i];

		if (h->p_type != PT_LOAD || (h->p_flags & flags) != flags)
			continue;
		if (address < h->p_vaddr || address - h->p_vaddr > h->p_filesz ||
		    h->p_filesz - (address - h->p_vaddr) < size)
			continue;
		if (h->p_offset > INT64_MAX - h->p_filesz)
			continue;
		*out = h->p_offset + (address - h->p_vaddr);
		return true;
	}
	return false;
}
