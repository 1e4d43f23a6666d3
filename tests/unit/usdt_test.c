/* SPDX-License-Identifier: Apache-2.0 */
/* USDT notes: of an ELF file that the test makes, whole and broken, and what their arguments say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <asm/ptrace.h>
#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "elf_file.h"
#include "usdt.h"

#define TEXT 0x1000u /* addresses are these and 0x400000 */
#define DATA 0x2000u
#define BIAS 0x400000u

struct image {
	Elf64_Ehdr elf;
	Elf64_Phdr segments[2];
	Elf64_Shdr sections[4];
	char names[64];
	char notes[512];
	size_t size;
};

static void image_init(struct image *it)
{
	static const char names[] = "\0.note.stapsdt\0.stapsdt.base\0.shstrtab";

	*it = (struct image){
		.elf = {.e_machine = ELF_FILE_MACHINE,
			.e_phoff = offsetof(struct image, segments),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2,
			.e_shoff = offsetof(struct image, sections),
			.e_shentsize = sizeof(Elf64_Shdr),
			.e_shnum = 4,
			.e_shstrndx = 3},
		.segments = {{.p_type = PT_LOAD,
			      .p_flags = PF_R | PF_X,
			      .p_offset = TEXT,
			      .p_vaddr = BIAS + TEXT,
			      .p_filesz = 0x1000},
			     {.p_type = PT_LOAD,
			      .p_flags = PF_R | PF_W,
			      .p_offset = DATA,
			      .p_vaddr = BIAS + DATA,
			      .p_filesz = 0x1000}},
		.sections = {{0},
			     {.sh_name = 1,
			      .sh_type = SHT_NOTE,
			      .sh_offset = offsetof(struct image, notes)},
			     {.sh_name = 15, .sh_type = SHT_PROGBITS, .sh_addr = 0x700},
			     {.sh_name = 29,
			      .sh_type = SHT_STRTAB,
			      .sh_offset = offsetof(struct image, names),
			      .sh_size = sizeof(names)}},
	};
	memcpy(it->elf.e_ident, ELFMAG "\2\1\1", 7);
	memcpy(it->names, names, sizeof(names));
}

static void add(struct image *it, const char *owner, uint64_t site, uint64_t base,
		uint64_t semaphore, const char *provider, const char *name, const char *arguments)
{
	uint64_t addresses[] = {site, base, semaphore};
	Elf64_Nhdr header = {
		.n_namesz = (uint32_t)strlen(owner) + 1,
		.n_descsz = (uint32_t)(sizeof(addresses) + strlen(provider) + strlen(name) +
				       strlen(arguments) + 3),
		.n_type = 3,
	};
	char *at = it->notes + it->size;

	at = mempcpy(at, &header, sizeof(header));
	strcpy(at, owner);
	at += (header.n_namesz + 3) & ~3u;
	at = mempcpy(at, addresses, sizeof(addresses));
	at = stpcpy(at, provider) + 1;
	at = stpcpy(at, name) + 1;
	at = stpcpy(at, arguments) + 1;
	it->size = ((size_t)(at - it->notes) + 3) & ~(size_t)3;
	it->sections[1].sh_size = it->size;
}

static int read_image(const struct image *it, size_t size, struct usdt_site *sites, size_t max)
{
	int fd = memfd_create("image", MFD_CLOEXEC), n;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, it, size), size);
	n = usdt_sites(fd, "libstdcxx", sites, max);
	close(fd);
	return n;
}

static void sites_of_a_provider_are_found(void **state)
{
	struct usdt_site sites[4];
	struct image it;

	(void)state;
	image_init(&it);
	add(&it, "stapsdt", BIAS + TEXT + 5, 0x700, 0, "libstdcxx", "throw", "8@%rdi 8@%rsi");
	add(&it, "stapsdt", BIAS + TEXT + 6, 0x700, 0, "libc", "setjmp", "");
	add(&it, "other", BIAS + TEXT + 7, 0x700, 0, "libstdcxx", "throw", "");
	add(&it, "stapsdt", BIAS + TEXT + 9, 0x700, 0, "libstdcxx",
	    "a name that is much too long for us", "");
	/* Linked when .stapsdt.base was elsewhere. */
	add(&it, "stapsdt", BIAS + TEXT + 8, 0x6f8, BIAS + DATA + 8, "libstdcxx", "catch",
	    "8@%rdx");
	assert_int_equal(read_image(&it, sizeof(it), sites, 4), 2);
	assert_string_equal(sites[0].name, "throw");
	assert_string_equal(sites[0].arguments, "8@%rdi 8@%rsi");
	assert_int_equal(sites[0].offset, TEXT + 5);
	assert_int_equal(sites[0].semaphore, 0);
	assert_string_equal(sites[1].name, "catch");
	assert_int_equal(sites[1].offset, TEXT + 16);
	assert_int_equal(sites[1].semaphore, DATA + 16);
	assert_int_equal(read_image(&it, sizeof(it), sites, 1), 1);
}

static void notes_that_lead_out_of_the_file_are_refused(void **state)
{
	struct usdt_site sites[4];
	struct image it;

	(void)state;
	image_init(&it);
	add(&it, "stapsdt", BIAS + DATA, 0x700, 0, "libstdcxx", "throw", "");
	assert_int_equal(read_image(&it, sizeof(it), sites, 4), -EBADMSG);
	image_init(&it);
	add(&it, "stapsdt", BIAS + TEXT, 0x700, BIAS + TEXT, "libstdcxx", "throw", "");
	assert_int_equal(read_image(&it, sizeof(it), sites, 4), -EBADMSG);
	image_init(&it);
	add(&it, "stapsdt", UINT64_MAX, 0x700, 0, "libstdcxx", "throw", "");
	assert_int_equal(read_image(&it, sizeof(it), sites, 4), -EBADMSG);
	image_init(&it);
	add(&it, "stapsdt", BIAS + TEXT, 0x700, 0, "libstdcxx", "throw", "");
	it.sections[1].sh_offset = 1 << 20;
	assert_int_equal(read_image(&it, sizeof(it), sites, 4), -EBADMSG);
}

static void whatever_a_file_holds_nothing_breaks(void **state)
{
	struct usdt_site sites[4];
	struct image it, broken;

	(void)state;
	image_init(&it);
	add(&it, "stapsdt", BIAS + TEXT + 5, 0x700, 0, "libstdcxx", "throw", "8@%rdi 8@%rsi");
	for (size_t size = 0; size <= sizeof(it); size += 7)
		assert_true(read_image(&it, size, sites, 4) <= 1);
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		broken = it;
		for (long n = random() % 4; n >= 0; n--)
			((uint8_t *)&broken)[(size_t)random() % sizeof(broken)] = (uint8_t)random();
		assert_true(read_image(&broken, sizeof(broken), sites, 4) <= 4);
	}
}

#if defined(__x86_64__)
static void operands_say_where_arguments_are(void **state)
{
	static const struct {
		const char *arguments;
		unsigned index;
		int result;
		struct usdt_operand operand;
	} cases[] = {
		{"8@%rdi 8@%rsi", 0, 0, {offsetof(struct pt_regs, rdi), 0, 0}},
		{"8@%rdi 8@%rsi", 1, 0, {offsetof(struct pt_regs, rsi), 0, 0}},
		{"8@%rdx 8@-80(%rbx)", 1, 0, {offsetof(struct pt_regs, rbx), -80, 1}},
		{"-8@16(%rsp)", 0, 0, {offsetof(struct pt_regs, rsp), 16, 1}},
		{"8@(%r15)", 0, 0, {offsetof(struct pt_regs, r15), 0, 1}},
		{"8@%rdi 8@%rsi", 2, -ENOENT, {0}},
		{"", 0, -ENOENT, {0}},
		{"4@%edi", 0, -ENOTSUP, {0}},
		{"8@$5", 0, -ENOTSUP, {0}},
		{"8@%xmm0", 0, -ENOTSUP, {0}},
		{"8@(%rax,%rbx,8)", 0, -ENOTSUP, {0}},
		{"8@symbol(%rip)", 0, -ENOTSUP, {0}},
		{"8@40000(%rax)", 0, -ENOTSUP, {0}},
		{"8@-80(%rbx", 0, -ENOTSUP, {0}},
		{"8@%", 0, -ENOTSUP, {0}},
		{"8@(", 0, -ENOTSUP, {0}},
		{"8@", 0, -ENOTSUP, {0}},
		{"-", 0, -ENOTSUP, {0}},
		{"8@[", 0, -ENOTSUP, {0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct usdt_operand found = {0};

		assert_int_equal(usdt_operand(cases[i].arguments, cases[i].index, &found),
				 cases[i].result);
		if (cases[i].result)
			continue;
		assert_int_equal(found.reg, cases[i].operand.reg);
		assert_int_equal(found.displacement, cases[i].operand.displacement);
		assert_int_equal(found.memory, cases[i].operand.memory);
	}
}
#else
static void operands_say_where_arguments_are(void **state)
{
	struct usdt_operand found;

	(void)state;
	assert_int_equal(usdt_operand("8@x0 8@[sp, 16] 8@[x19]", 1, &found), 0);
	assert_int_equal(found.reg, 31 * 8);
	assert_int_equal(found.displacement, 16);
	assert_true(found.memory);
	assert_int_equal(usdt_operand("8@x0 8@[sp, 16] 8@[x19]", 2, &found), 0);
	assert_int_equal(found.reg, 19 * 8);
	assert_int_equal(usdt_operand("8@x0", 0, &found), 0);
	assert_false(found.memory);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sites_of_a_provider_are_found),
		cmocka_unit_test(notes_that_lead_out_of_the_file_are_refused),
		cmocka_unit_test(whatever_a_file_holds_nothing_breaks),
		cmocka_unit_test(operands_say_where_arguments_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
