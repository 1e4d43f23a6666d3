/* SPDX-License-Identifier: Apache-2.0 */
#include "tracers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elf_file.h"

#if defined(__x86_64__)
#define RELATIVE R_X86_64_RELATIVE
#elif defined(__aarch64__)
#define RELATIVE R_AARCH64_RELATIVE
#endif

#define DYNAMIC_MAX 256
#define CHUNK ((size_t)65536)
#define DATA_MAX ((uint64_t)32 << 20) /* of a file, looked through; the rest is not */
#define RELOCATIONS_MAX ((uint64_t)64 << 20)

/* otel_tracer of otel/types.h: the addresses of name, version, schema URL, attributes; their sizes.
 */
struct layout {
	uint64_t name;
	uint64_t others[3];
	uint32_t name_size;
	uint32_t sizes[2];
	struct otel_tracer_switch state;
};
_Static_assert(sizeof(struct layout) == 64, "ABI");

struct found {
	uint64_t address;
	uint64_t name;
	uint32_t name_size;
	uint64_t off; /* in the file */
};

struct reader {
	struct elf_file elf;
	uint64_t page;
	size_t n;
	struct found found[OTEL_TRACER_SITES];
};

/* ---- Where they are ------------------------------------------------------------------------- */

/*
 * Can the kernel write to a u16 there, and take it back? Not in what is read-only after relocation
 * (RELRO): it could set it while the program starts, and never again take it back. Nor in a page of
 * the file that two segments have a part of: it would take the first that is mapped.
 */
static bool is_writable(const struct reader *reader, uint64_t address, uint64_t offset)
{
	uint64_t mask = ~(reader->page - 1), at = offset & mask;
	unsigned mapped = 0;

	for (size_t i = 0; i < reader->elf.n_segments; i++) {
		const Elf64_Phdr *h = &reader->elf.segments[i];
		uint64_t begin = h->p_offset & mask,
			 end = (h->p_offset + h->p_filesz + reader->page - 1) & mask;

		if (h->p_type == PT_GNU_RELRO && address >= (h->p_vaddr & mask) &&
		    address < ((h->p_vaddr + h->p_memsz) & mask))
			return false;
		mapped += h->p_type == PT_LOAD && h->p_flags & PF_W && at >= begin && at < end;
	}
	return mapped == 1 && !(offset & 1);
}

static void look_at(struct reader *reader, const struct layout *it, uint64_t address,
		    uint64_t offset)
{
	uint64_t in_it = offsetof(struct layout, state) + offsetof(struct otel_tracer_switch, off);

	if (it->state.mark[0] != OTEL_TRACER_MARK_1 || it->state.mark[1] != OTEL_TRACER_MARK_2 ||
	    it->state.off || it->name_size >= TRACER_NAME_MAX || reader->n == OTEL_TRACER_SITES ||
	    !is_writable(reader, address + in_it, offset + in_it))
		return;
	reader->found[reader->n++] =
		(struct found){address, it->name, it->name_size, offset + in_it};
}

/* They are aligned to 8 bytes in memory. */
static int scan(struct reader *reader, const Elf64_Phdr *segment, uint64_t *left, uint8_t *chunk)
{
	uint64_t at = (8 - segment->p_vaddr % 8) % 8;

	while (at + sizeof(struct layout) <= segment->p_filesz && *left >= sizeof(struct layout) &&
	       reader->n < OTEL_TRACER_SITES) {
		uint64_t rest = segment->p_filesz - at;
		size_t size = rest < CHUNK ? (size_t)rest : CHUNK, i;
		int err;

		if (size > *left)
			size = (size_t)*left;
		err = elf_file_read_at(reader->elf.fd, chunk, size, segment->p_offset + at);
		if (err)
			return err;
		for (i = 0; i + sizeof(struct layout) <= size; i += 8) {
			struct layout it;

			memcpy(&it, chunk + i, sizeof(it));
			look_at(reader, &it, segment->p_vaddr + at + i, segment->p_offset + at + i);
		}
		at += i;
		*left -= i;
	}
	return 0;
}

static int scan_all(struct reader *reader)
{
	uint8_t *chunk = malloc(CHUNK);
	uint64_t left = DATA_MAX;
	int err = chunk ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < reader->elf.n_segments; i++)
		if (reader->elf.segments[i].p_type == PT_LOAD && reader->elf.segments[i].p_flags & PF_W)
			err = scan(reader, &reader->elf.segments[i], &left, chunk);
	free(chunk);
	return err;
}

/* ---- What they are called ------------------------------------------------------------------- */

/* Where the relocations are: the file holds the addresses of names only if these have not. */
static int find_relocations(const struct reader *reader, uint64_t *offset, uint64_t *size)
{
	uint64_t address = 0;

	*size = 0;
	for (size_t i = 0; i < reader->elf.n_segments; i++) {
		const Elf64_Phdr *h = &reader->elf.segments[i];
		Elf64_Dyn dynamic[DYNAMIC_MAX];
		size_t n = h->p_filesz / sizeof(*dynamic);
		int err;

		if (h->p_type != PT_DYNAMIC)
			continue;
		n = n < DYNAMIC_MAX ? n : DYNAMIC_MAX;
		err = elf_file_read_at(reader->elf.fd, dynamic, n * sizeof(*dynamic), h->p_offset);
		if (err)
			return err;
		for (size_t k = 0; k < n && dynamic[k].d_tag != DT_NULL; k++) {
			if (dynamic[k].d_tag == DT_RELA)
				address = dynamic[k].d_un.d_ptr;
			else if (dynamic[k].d_tag == DT_RELASZ)
				*size = dynamic[k].d_un.d_val;
		}
	}
	if (*size > RELOCATIONS_MAX || (*size && !elf_file_offset(&reader->elf, address, *size, 0, offset)))
		return -EBADMSG;
	return 0;
}

static void relocate(struct reader *reader, const Elf64_Rela *it)
{
	if (ELF64_R_TYPE(it->r_info) != RELATIVE)
		return;
	for (size_t i = 0; i < reader->n; i++)
		if (reader->found[i].address == it->r_offset)
			reader->found[i].name = (uint64_t)it->r_addend;
}

static int relocate_all(struct reader *reader)
{
	uint64_t offset = 0, size;
	Elf64_Rela *list;
	int err = find_relocations(reader, &offset, &size);

	if (err || !size)
		return err;
	list = malloc(CHUNK);
	if (!list)
		return -ENOMEM;
	while (!err && size >= sizeof(*list)) {
		size_t n = (size < CHUNK ? (size_t)size : CHUNK) / sizeof(*list);

		err = elf_file_read_at(reader->elf.fd, list, n * sizeof(*list), offset);
		for (size_t i = 0; !err && i < n; i++)
			relocate(reader, &list[i]);
		offset += n * sizeof(*list);
		size -= n * sizeof(*list);
	}
	free(list);
	return err;
}

int tracers_read(int fd, struct tracers *out)
{
	struct reader reader = {.page = (uint64_t)sysconf(_SC_PAGESIZE)};
	int err = elf_file_read(fd, &reader.elf);
	uint64_t offset;

	out->n = 0;
	/* So that nothing overflows. */
	if (!err && !elf_file_is_plausible(&reader.elf))
		err = -EBADMSG;
	if (!err)
		err = scan_all(&reader);
	if (!err && reader.n)
		err = relocate_all(&reader);
	for (size_t i = 0; !err && i < reader.n; i++) {
		const struct found *it = &reader.found[i];
		struct tracer *tracer = &out->list[out->n];

		if (!elf_file_offset(&reader.elf, it->name, it->name_size, 0, &offset) ||
		    elf_file_read_at(fd, tracer->name, it->name_size, offset))
			continue;
		tracer->name_size = it->name_size;
		tracer->off = it->off;
		out->n++;
	}
	return err;
}
