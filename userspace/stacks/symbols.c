/* SPDX-License-Identifier: Apache-2.0 */
#include "symbols.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "elf_file.h"

#define SECTIONS_MAX 65536
#define TEXTS_MAX 16 /* segments with code */
#define CHUNK 2048   /* symbols read at once */

/* Functions that begin before the nearest one and may still go on: one inside the other is rare. */
#define LOOK_BACK 16

struct text {
	uint64_t offset;
	uint64_t address;
	uint64_t size;
};

struct function {
	uint64_t address;
	uint32_t size; /* 0: not known */
	uint32_t name; /* in the file's string table */
	uint8_t rank;  /* of several at one address the highest is taken */
};

struct symbols {
	struct text texts[TEXTS_MAX];
	size_t n_texts;
	struct function *functions; /* by address, each address once */
	size_t n;
	size_t room;
	uint64_t names; /* where the file's string table is */
	uint64_t names_size;
};

struct reader {
	struct elf_file elf;
	size_t cost;
	Elf64_Shdr *sections;
	size_t n_sections;
};

/* Exactly @size bytes at @offset, or -EBADMSG; also what was read in vain is counted. */
static int read_at(struct reader *reader, void *to, size_t size, uint64_t offset)
{
	ssize_t n;

	if (offset > INT64_MAX)
		return -EBADMSG;
	n = pread(reader->elf.fd, to, size, (off_t)offset);
	if (n < 0)
		return -errno;
	reader->cost += (size_t)n;
	return (size_t)n == size ? 0 : -EBADMSG;
}

static void find_texts(const struct elf_file *elf, struct symbols *symbols)
{
	for (size_t i = 0; i < elf->n_segments && symbols->n_texts < TEXTS_MAX; i++) {
		const Elf64_Phdr *h = &elf->segments[i];

		if (h->p_type != PT_LOAD || !(h->p_flags & PF_X) ||
		    h->p_filesz > INT64_MAX || h->p_offset > INT64_MAX || h->p_vaddr > INT64_MAX)
			continue;
		symbols->texts[symbols->n_texts++] =
			(struct text){h->p_offset, h->p_vaddr, h->p_filesz};
	}
}

static int read_sections(struct reader *reader)
{
	const Elf64_Ehdr *elf = &reader->elf.header;
	size_t n = elf->e_shnum;
	Elf64_Shdr first;
	int err;

	if (!elf->e_shoff)
		return 0;
	if (elf->e_shentsize != sizeof(Elf64_Shdr))
		return -EBADMSG;
	if (!n) { /* too many for the header: the first section has the number */
		err = read_at(reader, &first, sizeof(first), elf->e_shoff);
		if (err)
			return err;
		n = first.sh_size < SECTIONS_MAX ? first.sh_size : SECTIONS_MAX;
	}
	if (!n)
		return 0;
	reader->sections = malloc(n * sizeof(*reader->sections));
	if (!reader->sections)
		return -ENOMEM;
	reader->n_sections = n;
	return read_at(reader, reader->sections, n * sizeof(*reader->sections), elf->e_shoff);
}

static bool is_code(const struct symbols *symbols, uint64_t address)
{
	for (size_t i = 0; i < symbols->n_texts; i++)
		if (address >= symbols->texts[i].address &&
		    address - symbols->texts[i].address < symbols->texts[i].size)
			return true;
	return false;
}

static int add_function(struct symbols *symbols, const Elf64_Sym *it)
{
	static const uint8_t ranks[] = {[STB_LOCAL] = 1, [STB_GLOBAL] = 3, [STB_WEAK] = 2};
	unsigned type = ELF64_ST_TYPE(it->st_info), bind = ELF64_ST_BIND(it->st_info);
	size_t room = symbols->room ? 2 * symbols->room : 256;
	struct function *functions;

	if ((type != STT_FUNC && type != STT_GNU_IFUNC) || it->st_shndx == SHN_UNDEF ||
	    !is_code(symbols, it->st_value))
		return 0;
	if (symbols->n == symbols->room) {
		functions = realloc(symbols->functions, room * sizeof(*functions));
		if (!functions)
			return -ENOMEM;
		symbols->functions = functions;
		symbols->room = room;
	}
	symbols->functions[symbols->n++] = (struct function){
		.address = it->st_value,
		.size = it->st_size < UINT32_MAX ? (uint32_t)it->st_size : UINT32_MAX,
		.name = it->st_name,
		.rank = (uint8_t)((bind < sizeof(ranks) ? ranks[bind] : 0) + (it->st_size ? 4 : 0)),
	};
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct function *left = a, *right = b;

	if (left->address != right->address)
		return left->address < right->address ? -1 : 1;
	return (int)right->rank - (int)left->rank;
}

static void sort(struct symbols *symbols)
{
	size_t n = 0;

	if (!symbols->n)
		return;
	qsort(symbols->functions, symbols->n, sizeof(*symbols->functions), by_address);
	for (size_t i = 1; i < symbols->n; i++)
		if (symbols->functions[i].address != symbols->functions[n].address)
			symbols->functions[++n] = symbols->functions[i];
	symbols->n = n + 1;
}

/* All functions of the first section of this type. */
static int read_functions(struct reader *reader, struct symbols *symbols, uint32_t type)
{
	const Elf64_Shdr *section = reader->sections, *end = section + reader->n_sections, *names;
	Elf64_Sym *chunk;
	size_t n, at = 0;
	int err = 0;

	while (section != end && section->sh_type != type)
		section++;
	if (section == end)
		return 0;
	if (section->sh_entsize != sizeof(Elf64_Sym) || section->sh_link >= reader->n_sections)
		return -EBADMSG;
	names = &reader->sections[section->sh_link];
	if (names->sh_type != SHT_STRTAB || names->sh_offset > INT64_MAX ||
	    names->sh_size > UINT32_MAX)
		return -EBADMSG;
	symbols->names = names->sh_offset;
	symbols->names_size = names->sh_size;
	n = section->sh_size / sizeof(Elf64_Sym);
	if (n > SYMBOLS_MAX)
		n = SYMBOLS_MAX;
	chunk = malloc(CHUNK * sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;
	while (!err && at < n) {
		size_t now = n - at < CHUNK ? n - at : CHUNK;

		if (section->sh_offset > INT64_MAX)
			err = -EBADMSG;
		if (!err)
			err = read_at(reader, chunk, now * sizeof(*chunk),
				      section->sh_offset + at * sizeof(*chunk));
		for (size_t i = 0; !err && i < now; i++)
			err = add_function(symbols, &chunk[i]);
		at += now;
	}
	free(chunk);
	return err;
}

static int read_all(int fd, struct reader *reader, struct symbols *symbols)
{
	int err = elf_file_read(fd, &reader->elf);

	reader->cost = sizeof(reader->elf.header) + reader->elf.n_segments * sizeof(*reader->elf.segments);
	if (err)
		return err;
	find_texts(&reader->elf, symbols);
	err = read_sections(reader);
	if (!err)
		err = read_functions(reader, symbols, SHT_SYMTAB);
	if (!err && !symbols->n)
		err = read_functions(reader, symbols, SHT_DYNSYM);
	if (!err)
		sort(symbols);
	return err;
}

int symbols_read(int fd, struct symbols **out, size_t *cost)
{
	struct symbols *symbols = calloc(1, sizeof(*symbols));
	struct reader reader = {0};
	int err;

	*cost = 0;
	if (!symbols)
		return -ENOMEM;
	err = read_all(fd, &reader, symbols);
	free(reader.sections);
	*cost = reader.cost;
	if (err) {
		symbols_free(symbols);
		return err;
	}
	*out = symbols;
	return 0;
}

size_t symbols_memory(const struct symbols *symbols)
{
	return sizeof(*symbols) + symbols->room * sizeof(*symbols->functions);
}

void symbols_free(struct symbols *symbols)
{
	if (symbols)
		free(symbols->functions);
	free(symbols);
}

int symbols_address(const struct symbols *symbols, uint64_t offset, uint64_t *address)
{
	for (size_t i = 0; i < symbols->n_texts; i++) {
		const struct text *it = &symbols->texts[i];

		if (offset >= it->offset && offset - it->offset < it->size) {
			*address = it->address + (offset - it->offset);
			return 0;
		}
	}
	return -ENOENT;
}

static const struct function *find(const struct symbols *symbols, uint64_t address)
{
	size_t low = 0, high = symbols->n;

	/* The first that begins behind. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (symbols->functions[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = low; i && low - i < LOOK_BACK; i--) {
		const struct function *it = &symbols->functions[i - 1];

		if (address - it->address < it->size)
			return it;
	}
	/* Those of assemblers often do not say how large they are. */
	if (low && !symbols->functions[low - 1].size && is_code(symbols, address))
		return &symbols->functions[low - 1];
	return NULL;
}

int symbols_find(const struct symbols *symbols, int fd, uint64_t address,
		 char name[SYMBOL_NAME_MAX], uint64_t *begin)
{
	const struct function *it = find(symbols, address);
	ssize_t n;

	if (!it || it->name >= symbols->names_size)
		return -ENOENT;
	n = pread(fd, name, SYMBOL_NAME_MAX - 1, (off_t)(symbols->names + it->name));
	if (n <= 0 || !name[0])
		return -ENOENT;
	name[n] = '\0';
	for (char *p = name; *p; p++)
		if (*p < 0x21 || *p > 0x7e)
			*p = '?';
	*begin = it->address;
	return 0;
}

/* ---- Names ---------------------------------------------------------------------------------- */

/* A length and as many characters: "4heat". */
static bool take_word(const char **from, char **to)
{
	static const char nameless[] = "_GLOBAL__N_1";
	size_t size = 0;

	*from += **from == 'L'; /* static */
	while (**from >= '0' && **from <= '9' && size < SYMBOL_NAME_MAX)
		size = 10 * size + (size_t)(*(*from)++ - '0');
	if (!size || strnlen(*from, size) < size)
		return false;
	if (size == strlen(nameless) && !memcmp(*from, nameless, size)) {
		*to = stpcpy(*to, "(anonymous namespace)");
	} else {
		memcpy(*to, *from, size);
		*to += size;
	}
	*from += size;
	return true;
}

void symbol_name_simplify(char name[SYMBOL_NAME_MAX])
{
	/* At least two characters become one and "::", and at the end one of the words comes again. */
	char simple[4 * SYMBOL_NAME_MAX], *to = simple, *word = NULL;
	const char *from = name + 2;
	bool nested;

	if (strncmp(name, "_Z", 2))
		return;
	nested = *from == 'N';
	from += nested;
	while (nested && *from && strchr("rVKRO", *from)) /* of a member function: const, & */
		from++;
	if (!strncmp(from, "St", 2)) {
		to = stpcpy(to, "std::");
		from += 2;
	}
	for (;;) {
		char *begin = to;

		if (word && (*from == 'C' || *from == 'D') && from[1] >= '0' && from[1] <= '5') {
			/* The class's constructor or destructor. */
			if (*from == 'D')
				*to++ = '~';
			to = mempcpy(to, word, (size_t)(begin - 2 - word));
			if (from[2] != 'E')
				return;
			break;
		}
		if (!take_word(&from, &to))
			return;
		word = begin;
		if (!nested || *from == 'E')
			break;
		to = stpcpy(to, "::");
	}
	/* The arguments of templates are not for us. */
	if (!nested && *from == 'I')
		return;
	if ((size_t)(to - simple) < SYMBOL_NAME_MAX) {
		*to = '\0';
		memcpy(name, simple, (size_t)(to - simple) + 1);
	}
}
