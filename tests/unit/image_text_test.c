/* SPDX-License-Identifier: Apache-2.0 */
/* Texts in a file's read-only data: of the test itself, and of files that are broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "elf_file.h"
#include "image_text.h"

static const char mine[] = "a text of this test";
static char written[] = "one that can be written";

/* Where our own code is mapped. */
static void find_code(uint64_t *begin, uint64_t *offset)
{
	uint64_t here = (uint64_t)(uintptr_t)find_code, end;
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %*s %lx", begin, &end, offset) == 3 && here >= *begin &&
		    here < end)
			break;
	fclose(maps);
	assert_true(here >= *begin && here < end);
}

static void a_text_is_read_from_the_file_and_nothing_else(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	uint64_t begin = 0, offset = 0, at = (uint64_t)(uintptr_t)mine;
	char text[64];

	(void)state;
	assert_true(fd >= 0);
	find_code(&begin, &offset);
	assert_int_equal(image_text(fd, begin, offset, at, text, sizeof(text)), 0);
	assert_string_equal(text, mine);
	assert_int_equal(image_text(fd, begin, offset, at + 2, text, sizeof(text)), 0);
	assert_string_equal(text, mine + 2);
	/* It does not fit, is not constant, is not there, is of another mapping. */
	assert_int_equal(image_text(fd, begin, offset, at, text, sizeof(mine) - 1), -ENOENT);
	written[0] = 'O';
	assert_int_equal(
		image_text(fd, begin, offset, (uint64_t)(uintptr_t)written, text, sizeof(text)),
		-ENOENT);
	assert_int_equal(image_text(fd, begin, offset, 0, text, sizeof(text)), -ENOENT);
	assert_int_equal(image_text(fd, begin, offset, UINT64_MAX, text, sizeof(text)), -ENOENT);
	assert_int_equal(image_text(fd, begin, 1 << 30, at, text, sizeof(text)), -ENOENT);
	close(fd);
}

static void whatever_a_file_holds_nothing_breaks(void **state)
{
	static uint8_t file[4096];
	Elf64_Ehdr *elf = (Elf64_Ehdr *)(void *)file;
	Elf64_Phdr *header = (Elf64_Phdr *)(void *)(file + sizeof(*elf));
	char text[64];
	size_t size;
	int fd;

	(void)state;
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		memset(file, 0, sizeof(file));
		memcpy(elf->e_ident, ELFMAG "\2\1\1", 7);
		elf->e_phoff = sizeof(*elf);
		elf->e_machine = ELF_FILE_MACHINE;
		elf->e_phentsize = sizeof(*header);
		elf->e_phnum = 2;
		header[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_X, .p_filesz = 4096};
		header[1] = (Elf64_Phdr){
			.p_type = PT_LOAD, .p_flags = PF_R, .p_vaddr = 8192, .p_filesz = 4096};
		for (long n = random() % 8; n; n--)
			file[(size_t)random() % (sizeof(*elf) + 2 * sizeof(*header))] =
				(uint8_t)random();
		fd = memfd_create("image", MFD_CLOEXEC);
		assert_true(fd >= 0);
		size = random() % 2 ? sizeof(file) : (size_t)random() % 200;
		assert_int_equal(write(fd, file, size), size);
		(void)image_text(fd, 4096, 0, 4096 + 8192 + (uint64_t)random() % 8192, text,
				 sizeof(text));
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_read_from_the_file_and_nothing_else),
		cmocka_unit_test(whatever_a_file_holds_nothing_breaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
