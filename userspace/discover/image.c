/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "elf_file.h"

#define MAX_NOTES (64 * 1024)

static int resolve(const struct elf_file *elf, uint64_t at, const struct otel_image_note *note,
		   struct image *out)
{
#define ADDRESS(field)                                                                             \
	(at + offsetof(struct otel_image_note, field) + (uint64_t)(int64_t)note->field)
	uint64_t anchor_offset;

	/* Images of before there were any have 0. */
	if (note->tracer_sites &&
	    !elf_file_offset(elf, ADDRESS(tracer_sites), OTEL_TRACER_SITES, PF_X, &out->tracer_sites))
		return -EBADMSG;
	out->anchor_address = ADDRESS(anchor);
	if (!elf_file_offset(elf, ADDRESS(flush_nop5), 5, PF_X, &out->flush_nop5) ||
	    !elf_file_offset(elf, ADDRESS(flush_nop10), 10, PF_X, &out->flush_nop10) ||
	    !elf_file_offset(elf, ADDRESS(flush_nop), 1, PF_X, &out->flush_nop) ||
	    !elf_file_offset(elf, ADDRESS(control_sites), OTEL_CONTROLS, PF_X, &out->control_sites) ||
	    !elf_file_offset(elf, ADDRESS(enable_site), 1, PF_X, &out->enable_site) ||
	    !elf_file_offset(elf, ADDRESS(semaphores), 2 * OTEL_SEMAPHORES, PF_W, &out->semaphores) ||
	    !elf_file_offset(elf, ADDRESS(controls), 2 * OTEL_CONTROLS, PF_W, &out->controls) ||
	    !elf_file_offset(elf, out->anchor_address, 8, PF_W, &anchor_offset))
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
static int find_note(const struct elf_file *elf, const uint8_t *notes, size_t size,
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
				return resolve(elf, address + value, &note, out);
		}
		at = value + padded(header.n_descsz);
		if (at > size)
			return 0;
	}
	return 0;
}

int image_read(int fd, struct image *out)
{
	static _Thread_local uint8_t notes[MAX_NOTES];
	struct elf_file elf;
	int ret = elf_file_read(fd, &elf);

	if (ret)
		return ret == -ENOEXEC ? 0 : ret;
	*out = (struct image){0};
	for (size_t i = 0; i < elf.n_segments; i++) {
		const Elf64_Phdr *h = &elf.segments[i];

		if (h->p_type == PT_LOAD && h->p_flags & PF_X) {
			out->text_offset = h->p_offset;
			out->text_address = h->p_vaddr;
			break;
		}
	}
	for (size_t i = 0; i < elf.n_segments; i++) {
		const Elf64_Phdr *h = &elf.segments[i];
		size_t size = h->p_filesz < MAX_NOTES ? h->p_filesz : MAX_NOTES;

		if (h->p_type != PT_NOTE)
			continue;
		ret = elf_file_read_at(fd, notes, size, h->p_offset);
		if (ret)
			return ret;
		ret = find_note(&elf, notes, size, h->p_vaddr, out);
		if (ret)
			return ret;
	}
	return 0;
}
