/* SPDX-License-Identifier: Apache-2.0 */
/* Tracers in an ELF file: which are found, what they are called, and which the kernel must not
 * touch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "otel/trace.h"
#include "elf_file.h"
#include "tracers.h"

/* Ours: what the compiler and the linker of the tests make of it. */
static otel_tracer mine = OTEL_TRACER("found in this file", "1");
static const otel_tracer fixed = OTEL_TRACER("in read-only memory", "1");

/* Offsets in the file; addresses are these and BIAS. */
#define BIAS 0x400000u
#define NAMES 0x800u
#define DATA 0x2000u
#define SIZE 0x4000u

struct file {
	uint8_t bytes[SIZE];
	Elf64_Phdr *segments;
	Elf64_Dyn *dynamic;
	Elf64_Rela *relocations;
};

static void file_init(struct file *it)
{
	Elf64_Ehdr *elf = (Elf64_Ehdr *)(void *)it->bytes;

	memset(it->bytes, 0, SIZE);
	memcpy(elf->e_ident, ELFMAG "\2\1\1", 7);
	elf->e_phoff = sizeof(*elf);
	elf->e_machine = ELF_FILE_MACHINE;
	elf->e_phentsize = sizeof(Elf64_Phdr);
	elf->e_phnum = 5;
	it->segments = (Elf64_Phdr *)(void *)(it->bytes + elf->e_phoff);
	it->dynamic = (Elf64_Dyn *)(void *)(it->bytes + 0x400);
	it->relocations = (Elf64_Rela *)(void *)(it->bytes + 0x600);
	it->segments[0] = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_flags = PF_R, .p_vaddr = BIAS, .p_filesz = 0x1000};
	it->segments[1] = (Elf64_Phdr){.p_type = PT_LOAD,
				       .p_flags = PF_R | PF_W,
				       .p_offset = DATA,
				       .p_vaddr = BIAS + DATA,
				       .p_filesz = SIZE - DATA};
	it->segments[2] = (Elf64_Phdr){
		.p_type = PT_DYNAMIC, .p_offset = 0x400, .p_filesz = 4 * sizeof(Elf64_Dyn)};
	it->dynamic[0] = (Elf64_Dyn){.d_tag = DT_RELA, .d_un = {.d_ptr = BIAS + 0x600}};
	it->dynamic[1] = (Elf64_Dyn){.d_tag = DT_RELASZ};
	strcpy((char *)it->bytes + NAMES, "shop");
}

static otel_tracer *put(struct file *it, uint64_t at, uint64_t name)
{
	otel_tracer tracer = OTEL_TRACER("shop", "");

	tracer.name = (const char *)(uintptr_t)name;
	memcpy(it->bytes + at, &tracer, sizeof(tracer));
	return (otel_tracer *)(void *)(it->bytes + at);
}

static void relocate(struct file *it, uint64_t at, uint64_t type, uint64_t to)
{
	uint64_t n = it->dynamic[1].d_un.d_val;

	it->dynamic[1].d_un.d_val = n + sizeof(Elf64_Rela);
	it->relocations[n / sizeof(Elf64_Rela)] = (Elf64_Rela){
		.r_offset = BIAS + at, .r_info = ELF64_R_INFO(0, type), .r_addend = (int64_t)to};
}

static struct tracers found;

static int read_file(const struct file *it, size_t size)
{
	int fd = memfd_create("image", MFD_CLOEXEC), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, it->bytes, size), size);
	memset(&found, 0, sizeof(found));
	err = tracers_read(fd, &found);
	close(fd);
	return err;
}

#if defined(__x86_64__)
#define RELATIVE R_X86_64_RELATIVE
#else
#define RELATIVE R_AARCH64_RELATIVE
#endif

static void tracers_of_a_real_file_are_found_unless_they_are_const(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	OTEL_SPAN(span, &mine, "used");
	OTEL_SPAN(another, &fixed, "used");

	(void)state;
	(void)span;
	(void)another;
	assert_true(fd >= 0);
	assert_int_equal(tracers_read(fd, &found), 0);
	close(fd);
	for (size_t i = 0; i < found.n; i++) {
		n += found.list[i].name_size == mine.name_size &&
		     !memcmp(found.list[i].name, mine.name, mine.name_size);
		assert_false(found.list[i].name_size == fixed.name_size &&
			     !memcmp(found.list[i].name, fixed.name, fixed.name_size));
	}
	assert_int_equal(n, 1);
}

static void names_are_in_the_file_or_in_its_relocations(void **state)
{
	static struct file it;

	(void)state;
	file_init(&it);
	put(&it, DATA + 0x1008, BIAS + NAMES);
	put(&it, DATA + 0x1100, 0);
	relocate(&it, DATA + 0x1108, RELATIVE, BIAS);
	relocate(&it, DATA + 0x1100, RELATIVE, BIAS + NAMES);
	/* One that nothing leads to. */
	put(&it, DATA + 0x1200, 0x10);
	assert_int_equal(read_file(&it, SIZE), 0);
	assert_int_equal(found.n, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(found.list[i].name_size, 4);
		assert_memory_equal(found.list[i].name, "shop", 4);
	}
	assert_int_equal(found.list[0].off, DATA + 0x1008 + 52);
	assert_int_equal(found.list[1].off, DATA + 0x1100 + 52);
}

static void only_what_the_kernel_can_write_and_take_back_is_taken(void **state)
{
	static struct file it;

	(void)state;
	file_init(&it);
	put(&it, DATA + 0x100, BIAS + NAMES);
	put(&it, DATA + 0x1100, BIAS + NAMES);
	assert_int_equal(read_file(&it, SIZE), 0);
	assert_int_equal(found.n, 2);
	/* The first is read-only after relocation. */
	it.segments[3] =
		(Elf64_Phdr){.p_type = PT_GNU_RELRO, .p_vaddr = BIAS + DATA, .p_memsz = 0x1000};
	assert_int_equal(read_file(&it, SIZE), 0);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.list[0].off, DATA + 0x1100 + 52);
	/* Another segment has a part of the second one's page. */
	it.segments[4] = (Elf64_Phdr){.p_type = PT_LOAD,
				      .p_flags = PF_R | PF_W,
				      .p_offset = DATA + 0x1f00,
				      .p_vaddr = BIAS + 0x8f00,
				      .p_filesz = 0x10};
	assert_int_equal(read_file(&it, SIZE), 0);
	assert_int_equal(found.n, 0);
	/* One that says it is off already is none of ours. */
	file_init(&it);
	put(&it, DATA + 0x100, BIAS + NAMES)->state.off = 1;
	assert_int_equal(read_file(&it, SIZE), 0);
	assert_int_equal(found.n, 0);
}

static void no_more_are_taken_than_there_are_sites(void **state)
{
	static struct file it;

	(void)state;
	file_init(&it);
	for (uint64_t at = DATA; at + 64 <= SIZE; at += 64)
		put(&it, at, BIAS + NAMES);
	assert_int_equal(read_file(&it, SIZE), 0);
	assert_int_equal(found.n, OTEL_TRACER_SITES);
}

static void whatever_a_file_holds_nothing_breaks(void **state)
{
	static struct file it, broken;

	(void)state;
	file_init(&it);
	put(&it, DATA + 0x100, BIAS + NAMES);
	put(&it, DATA + 0x1100, 0);
	relocate(&it, DATA + 0x1100, RELATIVE, BIAS + NAMES);
	for (size_t size = 0; size < SIZE; size += 97)
		(void)read_file(&it, size);
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		memcpy(broken.bytes, it.bytes, SIZE);
		for (long n = random() % 4; n >= 0; n--)
			broken.bytes[(size_t)random() % 0x700] = (uint8_t)random();
		(void)read_file(&broken, SIZE);
		assert_true(found.n <= OTEL_TRACER_SITES);
		for (size_t k = 0; k < found.n; k++)
			assert_true(found.list[k].name_size < TRACER_NAME_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tracers_of_a_real_file_are_found_unless_they_are_const),
		cmocka_unit_test(names_are_in_the_file_or_in_its_relocations),
		cmocka_unit_test(only_what_the_kernel_can_write_and_take_back_is_taken),
		cmocka_unit_test(no_more_are_taken_than_there_are_sites),
		cmocka_unit_test(whatever_a_file_holds_nothing_breaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
