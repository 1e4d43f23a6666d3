/* SPDX-License-Identifier: Apache-2.0 */
#include "usdt.h"

#include <asm/ptrace.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elf_file.h"

#define NOTES_NAME ".note.stapsdt"
#define BASE_NAME ".stapsdt.base"
#define NOTE_TYPE 3
#define SECTIONS_MAX 4096
#define NOTES_MAX ((size_t)1 << 20)

struct file {
	struct elf_file elf;
	Elf64_Shdr *sections;
	size_t n_sections;
};

/* Returns 1; 0: there are none to be found. */
static int read_headers(int fd, struct file *file)
{
	const Elf64_Ehdr *header = &file->elf.header;
	int err = elf_file_read(fd, &file->elf);

	if (err)
		return err == -ENOEXEC ? 0 : err;
	if (header->e_shentsize != sizeof(Elf64_Shdr) || !header->e_shoff || header->e_shnum > SECTIONS_MAX ||
	    header->e_shstrndx >= header->e_shnum)
		return 0;
	file->n_sections = header->e_shnum;
	file->sections = malloc(file->n_sections * sizeof(*file->sections));
	if (!file->sections)
		return -ENOMEM;
	err = elf_file_read_at(fd, file->sections, file->n_sections * sizeof(*file->sections), header->e_shoff);
	return err ? err : 1;
}

/* NULL: it has no such section. */
static const Elf64_Shdr *find_section(const struct file *file, const char *name)
{
	const Elf64_Shdr *names = &file->sections[file->elf.header.e_shstrndx];
	size_t size = strlen(name) + 1;
	char found[32];

	for (size_t i = 0; i < file->n_sections; i++) {
		const Elf64_Shdr *it = &file->sections[i];

		if (names->sh_offset <= INT64_MAX && it->sh_name < names->sh_size &&
		    !elf_file_read_at(file->elf.fd, found, size, names->sh_offset + it->sh_name) &&
		    !memcmp(found, name, size))
			return it;
	}
	return NULL;
}

/* Takes a string off *@from; false: it does not end before @end, or does not fit. */
static bool take_text(const char **from, const char *end, char *to, size_t room)
{
	size_t size = strnlen(*from, (size_t)(end - *from));

	if (*from + size == end || size >= room)
		return false;
	memcpy(to, *from, size + 1);
	*from += size + 1;
	return true;
}

/* One note's descriptor. Returns 1; 0: it is not for us; -EBADMSG. */
static int read_site(const struct file *file, const Elf64_Shdr *base, const char *provider,
		     const char *note, size_t size, struct usdt_site *out)
{
	uint64_t addresses[3]; /* of the site, of .stapsdt.base when it was linked, of the semaphore
				*/
	const char *at = note + sizeof(addresses), *end = note + size;
	uint64_t moved;
	char name[64];

	if (size < sizeof(addresses))
		return -EBADMSG;
	memcpy(addresses, note, sizeof(addresses));
	if (!take_text(&at, end, name, sizeof(name)) || strcmp(name, provider) ||
	    !take_text(&at, end, out->name, sizeof(out->name)) ||
	    !take_text(&at, end, out->arguments, sizeof(out->arguments)))
		return 0;
	/* Tools that move an image in memory do not know of notes. */
	moved = base ? base->sh_addr - addresses[1] : 0;
	out->semaphore = 0;
	if (!elf_file_offset(&file->elf, addresses[0] + moved, 1, PF_X, &out->offset) ||
	    (addresses[2] && !elf_file_offset(&file->elf, addresses[2] + moved, 1, PF_W, &out->semaphore)))
		return -EBADMSG;
	return 1;
}

static size_t padded(size_t size)
{
	return (size + 3) & ~(size_t)3;
}

static int read_notes(const struct file *file, const char *notes, size_t size, const char *provider,
		      struct usdt_site *sites, size_t max)
{
	const Elf64_Shdr *base = find_section(file, BASE_NAME);
	size_t at = 0, n = 0;

	while (n < max && size - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr header;
		size_t name = at + sizeof(header), value;
		int found;

		memcpy(&header, notes + at, sizeof(header));
		if (header.n_namesz > size - name)
			return -EBADMSG;
		value = name + padded(header.n_namesz);
		if (value > size || header.n_descsz > size - value)
			return -EBADMSG;
		if (header.n_type == NOTE_TYPE && header.n_namesz == sizeof("stapsdt") &&
		    !memcmp(notes + name, "stapsdt", sizeof("stapsdt"))) {
			found = read_site(file, base, provider, notes + value, header.n_descsz,
					  &sites[n]);
			if (found < 0)
				return found;
			n += (size_t)found;
		}
		at = value + padded(header.n_descsz);
		if (at > size)
			break;
	}
	return (int)n;
}

int usdt_sites(int fd, const char *provider, struct usdt_site *sites, size_t max)
{
	struct file file = {0};
	int ret = read_headers(fd, &file);
	const Elf64_Shdr *section = ret > 0 ? find_section(&file, NOTES_NAME) : NULL;
	char *notes = NULL;

	if (ret > 0)
		ret = 0;
	if (section && section->sh_type == SHT_NOTE && section->sh_size <= NOTES_MAX) {
		notes = malloc(section->sh_size + 1);
		ret = notes ? elf_file_read_at(fd, notes, section->sh_size, section->sh_offset) : -ENOMEM;
		if (!ret)
			ret = read_notes(&file, notes, section->sh_size, provider, sites, max);
	}
	free(notes);
	free(file.sections);
	return ret;
}

/* ---- Operands ------------------------------------------------------------------------------- */

#if defined(__x86_64__)
static bool find_register(const char *name, size_t size, uint16_t *out)
{
	static const struct {
		const char *name;
		uint16_t offset;
	} registers[] = {
#define REGISTER(register) {#register, offsetof(struct pt_regs, register)}
		REGISTER(rax), REGISTER(rbx), REGISTER(rcx), REGISTER(rdx),
		REGISTER(rsi), REGISTER(rdi), REGISTER(rbp), REGISTER(rsp),
		REGISTER(r8),  REGISTER(r9),  REGISTER(r10), REGISTER(r11),
		REGISTER(r12), REGISTER(r13), REGISTER(r14), REGISTER(r15),
#undef REGISTER
	};

	for (size_t i = 0; i < sizeof(registers) / sizeof(*registers); i++)
		if (strlen(registers[i].name) == size && !memcmp(registers[i].name, name, size)) {
			*out = registers[i].offset;
			return true;
		}
	return false;
}

/* "%rdi", "-80(%rbx)", "(%rbx)" */
static int parse(const char *text, size_t size, struct usdt_operand *out)
{
	const char *end = text + size, *percent = memchr(text, '%', size);
	long displacement = 0;
	char *rest = (char *)(uintptr_t)text;

	if (!percent)
		return -ENOTSUP;
	out->memory = percent != text;
	if (out->memory) {
		if (*text != '(')
			displacement = strtol(text, &rest, 10);
		if (rest != percent - 1 || *rest != '(' || *--end != ')')
			return -ENOTSUP;
	}
	if (displacement < INT16_MIN || displacement > INT16_MAX)
		return -ENOTSUP;
	out->displacement = (int16_t)displacement;
	return find_register(percent + 1, (size_t)(end - percent - 1), &out->reg) ? 0 : -ENOTSUP;
}
#elif defined(__aarch64__)
/* "x0", "[x19]", "[x19, 16]", "[sp, 16]" */
static int parse(const char *text, size_t size, struct usdt_operand *out)
{
	const char *end = text + size;
	long displacement = 0, number = 31;
	char *rest;

	out->memory = *text == '[';
	text += out->memory;
	if (!strncmp(text, "sp", 2)) {
		rest = (char *)(uintptr_t)text + 2;
	} else {
		if (*text != 'x')
			return -ENOTSUP;
		number = strtol(text + 1, &rest, 10);
		if (rest == text + 1 || number < 0 || number > 30)
			return -ENOTSUP;
	}
	if (out->memory && !strncmp(rest, ", ", 2))
		displacement = strtol(rest + 2, &rest, 10);
	if (rest + out->memory != end || (out->memory && *rest != ']') ||
	    displacement < INT16_MIN || displacement > INT16_MAX)
		return -ENOTSUP;
	out->reg = (uint16_t)(number * 8);
	out->displacement = (int16_t)displacement;
	return 0;
}
#endif

/* Up to the next blank; within brackets stand blanks, too. */
static size_t operand_size(const char *text)
{
	size_t size = strcspn(text, " [");

	if (text[size] == '[') {
		size += strcspn(text + size, "]");
		size += text[size] == ']';
	}
	return size;
}

int usdt_operand(const char *arguments, unsigned index, struct usdt_operand *out)
{
	size_t size;

	for (;; arguments += size) {
		arguments += strspn(arguments, " ");
		size = operand_size(arguments);
		if (!size)
			return -ENOENT;
		if (!index--)
			break;
	}
	arguments += *arguments == '-';
	if (strncmp(arguments, "8@", 2) || !arguments[2])
		return -ENOTSUP;
	return parse(arguments + 2, operand_size(arguments + 2), out);
}
