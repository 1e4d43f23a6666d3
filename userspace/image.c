/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)
#define THIS_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define THIS_MACHINE EM_AARCH64
#endif

#define MAX_HEADERS 64
#define MAX_NOTES (64 * 1024)

struct segments {
	Elf64_Phdr header[MAX_HEADERS];
	unsigned count;
};

/* Exactly @size bytes at @offset, or -EBADMSG. */
static int read_at(int fd, void *to, size_t size, uint64_t offset)
{
	ssize_t n;

	if (offset > INT64_MAX)
		return -EBADMSG;
	n = pread(fd, to, size, (off_t)offset);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EBADMSG;
}

/* The place in the file of what is @size bytes at @address; flags must be those of the segment. */
static bool file_offset(const struct segments *segments, uint64_t address, uint64_t size,
			uint32_t flags, uint64_t *out)
{
	for (unsigned i = 0; i < segments->count; i++) {
		const Elf64_Phdr *h = &segments->header[i];

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

static int resolve(const struct segments *segments, uint64_t at, const struct otel_image_note *note,
		   struct image *out)
{
#define ADDRESS(field)                                                                             \
	(at + offsetof(struct otel_image_note, field) + (uint64_t)(int64_t)note->field)
	uint64_t anchor_offset;

	/* Images of before there were any have 0. */
	if (note->tracer_sites &&
	    !file_offset(segments, ADDRESS(tracer_sites), OTEL_TRACER_SITES, PF_X, &out->tracer_sites))
		return -EBADMSG;
	out->anchor_address = ADDRESS(anchor);
	if (!file_offset(segments, ADDRESS(flush_nop5), 5, PF_X, &out->flush_nop5) ||
	    !file_offset(segments, ADDRESS(flush_nop10), 10, PF_X, &out->flush_nop10) ||
	    !file_offset(segments, ADDRESS(flush_nop), 1, PF_X, &out->flush_nop) ||
	    !file_offset(segments, ADDRESS(control_sites), OTEL_CONTROLS, PF_X, &out->control_sites) ||
	    !file_offset(segments, ADDRESS(enable_site), 1, PF_X, &out->enable_site) ||
	    !file_offset(segments, ADDRESS(semaphores), 2 * OTEL_SEMAPHORES, PF_W, &out->semaphores) ||
	    !file_offset(segments, ADDRESS(controls), 2 * OTEL_CONTROLS, PF_W, &out->controls) ||
	    !file_offset(segments, out->anchor_address, 8, PF_W, &anchor_offset))
		return -EBADMSG;
	return 1;
#undef ADDRESS
}

static size_t padded(size_t size)
{
	return (size + 3) & ~(size_t)3;
}

/*
 * Looks for our note among @size bytes of notes that are at @address in memory. Ours is aligned to
 * 4 bytes, whatever the segment says: mold puts it into one with GNU properties, which are aligned
 * to 8 and have sizes that are multiples of 8, with filler between.
 */
static int find_note(const struct segments *segments, const uint8_t *notes, size_t size,
		     uint64_t address, struct image *out)
{
	size_t at = 0;

	while (size - at >= sizeof(Elf64_Nhdr)) {
		struct otel_image_note note;
		Elf64_Nhdr header;
		size_t name = at + sizeof(header), value;

		memcpy(&header, notes + at, sizeof(header));
		if (!header.n_namesz) {
			at += 4;
			continue;
		}
		if (header.n_namesz > size - name)
			return 0;
		value = name + padded(header.n_namesz);
		if (value > size || header.n_descsz > size - value)
			return 0;
		if (header.n_type == OTEL_NOTE_TYPE && header.n_namesz == sizeof(OTEL_NOTE_NAME) &&
		    !memcmp(notes + name, OTEL_NOTE_NAME, sizeof(OTEL_NOTE_NAME)) &&
		    header.n_descsz >= sizeof(note)) {
			memcpy(&note, notes + value, sizeof(note));
			if (note.version == OTEL_FORMAT_VERSION)
				return resolve(segments, address + value, &note, out);
		}
		at = value + padded(header.n_descsz);
		if (at > size)
			return 0;
	}
	return 0;
}

static int read_segments(int fd, struct segments *segments)
{
	Elf64_Ehdr elf;
	int err = read_at(fd, &elf, sizeof(elf), 0);

	if (err)
		return err == -EBADMSG ? 0 : err;
	if (memcmp(elf.e_ident, ELFMAG, SELFMAG) || elf.e_ident[EI_CLASS] != ELFCLASS64 ||
	    elf.e_machine != THIS_MACHINE || elf.e_phentsize != sizeof(Elf64_Phdr))
		return 0;
	segments->count = elf.e_phnum < MAX_HEADERS ? elf.e_phnum : MAX_HEADERS;
	err = read_at(fd, segments->header, segments->count * sizeof(Elf64_Phdr), elf.e_phoff);
	return err ? err : 1;
}

int image_read(int fd, struct image *out)
{
	static _Thread_local uint8_t notes[MAX_NOTES];
	struct segments segments;
	int ret = read_segments(fd, &segments);

	if (ret <= 0)
		return ret;
	*out = (struct image){0};
	for (unsigned i = 0; i < segments.count; i++) {
		const Elf64_Phdr *h = &segments.header[i];

		if (h->p_type == PT_LOAD && h->p_flags & PF_X) {
			out->text_offset = h->p_offset;
			out->text_address = h->p_vaddr;
			break;
		}
	}
	for (unsigned i = 0; i < segments.count; i++) {
		const Elf64_Phdr *h = &segments.header[i];
		size_t size = h->p_filesz < MAX_NOTES ? h->p_filesz : MAX_NOTES;

		if (h->p_type != PT_NOTE)
			continue;
		ret = read_at(fd, notes, size, h->p_offset);
		if (ret)
			return ret;
		ret = find_note(&segments, notes, size, h->p_vaddr, out);
		if (ret)
			return ret;
	}
	return 0;
}
