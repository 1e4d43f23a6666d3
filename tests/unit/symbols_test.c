/* SPDX-License-Identifier: Apache-2.0 */
#include "symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "files.h"
#include "stacks.h"
#include "fixture.h"

/* ---- Tables --------------------------------------------------------------------------------- */

static int self(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

void symbols_test_known(void);

static struct mounts *mounts;
__attribute__((noinline)) void symbols_test_known(void)
{
	for (int i = 0; i < 10; i++)
		__asm__ volatile("nop; nop; nop; nop");
}

/* The place of something of ours in the file, by /proc/self/maps. */
static struct mapping mapping_of(uint64_t address)
{
	static char name[4096];
	struct mapping mapping = {.pid = (uint32_t)getpid(), .file = true, .name = name};
	FILE *maps = fopen("/proc/self/maps", "r");
	uint64_t begin, end;
	char line[8192];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %x:%x %" SCNu64 " %4095s", &begin,
		       &end, &mapping.offset, &mapping.major, &mapping.minor, &mapping.inode, name);
		if (address >= begin && address < end)
			break;
	}
	fclose(maps);
	assert_true(address >= begin && address < end);
	mapping.address = begin;
	mapping.length = end - begin;
	return mapping;
}

static uint64_t known(void)
{
	return (uint64_t)(uintptr_t)symbols_test_known;
}

static void functions_of_a_file_are_found_by_any_address_in_them(void **state)
{
	struct mapping mapping = mapping_of(known());
	char name[SYMBOL_NAME_MAX];
	struct symbols *symbols;
	uint64_t address, begin;
	int fd = self();
	size_t cost;

	(void)state;
	assert_int_equal(symbols_read(fd, &symbols, &cost), 0);
	assert_true(cost > 64);
	for (uint64_t i = 0; i < 8; i += 7) {
		uint64_t offset = known() + i - mapping.address + mapping.offset;

		assert_int_equal(symbols_address(symbols, offset, &address), 0);
		assert_int_equal(symbols_find(symbols, fd, address, name, &begin), 0);
		assert_string_equal(name, "symbols_test_known");
		assert_int_equal(address - begin, i);
	}
	assert_int_equal(symbols_find(symbols, fd, 1, name, &begin), -ENOENT);
	assert_int_equal(symbols_address(symbols, UINT64_MAX, &address), -ENOENT);
	assert_int_equal(symbols_find(symbols, fd, UINT64_MAX, name, &begin), -ENOENT);
	symbols_free(symbols);
	close(fd);
}

static void what_is_no_elf_file_is_refused(void **state)
{
	int fd = memfd_create("nothing", MFD_CLOEXEC);
	struct symbols *symbols;
	size_t cost;

	(void)state;
	assert_int_equal(symbols_read(fd, &symbols, &cost), -ENOEXEC);
	assert_int_equal(pwrite(fd, "#!/bin/sh\n", 10, 0), 10);
	assert_int_equal(symbols_read(fd, &symbols, &cost), -ENOEXEC);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(symbols_read(fd, &symbols, &cost), -ENOEXEC);
	close(fd);
}

static uint32_t next_random(uint64_t *random)
{
	*random = *random * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(*random >> 33);
}

/* Reads it if that is possible, and looks for this and that. */
static void use(int fd)
{
	static const uint64_t places[] = {0, 1, 0x1000, 0x2345, 0x400000, INT64_MAX, UINT64_MAX};
	char name[SYMBOL_NAME_MAX];
	struct symbols *symbols;
	uint64_t address;
	size_t cost;

	if (symbols_read(fd, &symbols, &cost))
		return;
	assert_true(cost <= (SYMBOLS_MAX + 70000) * sizeof(Elf64_Shdr));
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		symbols_address(symbols, places[i], &address);
		if (!symbols_find(symbols, fd, places[i], name, &address))
			symbol_name_simplify(name);
	}
	symbols_free(symbols);
}

/* A small ELF file with one function, for those who mean no well to start from. */
struct small {
	Elf64_Ehdr elf;
	Elf64_Phdr segment;
	Elf64_Shdr sections[3];
	Elf64_Sym functions[4];
	char names[32];
};

static struct small small(void)
{
	struct small it = {
		.elf = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			.e_type = ET_DYN,
			.e_machine = EM_X86_64,
			.e_phoff = offsetof(struct small, segment),
			.e_shoff = offsetof(struct small, sections),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 1,
			.e_shentsize = sizeof(Elf64_Shdr),
			.e_shnum = 3},
		.segment = {PT_LOAD, PF_R | PF_X, 0, 0x400000, 0x400000, 0x10000, 0x10000, 0x1000},
		.sections = {{0},
			     {.sh_type = SHT_SYMTAB,
			      .sh_offset = offsetof(struct small, functions),
			      .sh_size = 4 * sizeof(Elf64_Sym),
			      .sh_link = 2,
			      .sh_entsize = sizeof(Elf64_Sym)},
			     {.sh_type = SHT_STRTAB,
			      .sh_offset = offsetof(struct small, names),
			      .sh_size = 32}},
		.functions = {{0},
			      {1, STT_FUNC, 0, 1, 0x400100, 0x10},
			      {7, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 1, 0x400100, 0x10},
			      {1, STT_FUNC, 0, 1, 0x400200, 0}},
		.names = "\0local\0global",
	};

#ifdef __aarch64__
	it.elf.e_machine = EM_AARCH64;
#endif
	return it;
}

static int file_of(const void *data, size_t size)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_int_equal(write(fd, data, size), size);
	return fd;
}

static void of_several_names_the_global_one_is_taken(void **state)
{
	struct small it = small();
	int fd = file_of(&it, sizeof(it));
	char name[SYMBOL_NAME_MAX];
	struct symbols *symbols;
	uint64_t begin;
	size_t cost;

	(void)state;
	assert_int_equal(symbols_read(fd, &symbols, &cost), 0);
	assert_int_equal(symbols_find(symbols, fd, 0x40010f, name, &begin), 0);
	assert_string_equal(name, "global");
	assert_int_equal(symbols_find(symbols, fd, 0x400110, name, &begin), -ENOENT);
	/* One without a size goes on to the next. */
	assert_int_equal(symbols_find(symbols, fd, 0x400280, name, &begin), 0);
	assert_string_equal(name, "local");
	assert_int_equal(begin, 0x400200);
	symbols_free(symbols);
	close(fd);
}

/* One that has as many functions as are read. */
static int large(void)
{
	struct small it = small();
	Elf64_Sym *functions = calloc(SYMBOLS_MAX, sizeof(*functions));
	int fd;

	assert_non_null(functions);
	for (uint32_t i = 0; i < SYMBOLS_MAX; i++)
		functions[i] = (Elf64_Sym){1, STT_FUNC, 0, 1, 0x400000 + 16 * (uint64_t)i, 16};
	it.segment.p_filesz = it.segment.p_memsz = 16 * (uint64_t)SYMBOLS_MAX;
	it.sections[1].sh_offset = sizeof(it);
	it.sections[1].sh_size = SYMBOLS_MAX * sizeof(*functions);
	fd = file_of(&it, sizeof(it));
	assert_int_equal(write(fd, functions, SYMBOLS_MAX * sizeof(*functions)), SYMBOLS_MAX * sizeof(*functions));
	free(functions);
	return fd;
}

static void names_of_many_large_files_are_not_all_kept(void **state)
{
	struct file all[12] = {{0}};
	struct files files = {0};
	char name[SYMBOL_NAME_MAX];
	uint64_t begin;
	int fd = large();

	(void)state;
	files_init(&files, mounts);
	for (uint64_t i = 0; i < 12; i++) {
		all[i].fd = fd;
		list_init(&all[i].used);
		assert_non_null(file_symbols(&files, &all[i], NOW + i * SECOND));
		assert_true(files.memory >= symbols_memory(all[i].symbols) && files.memory <= FILES_MEMORY_MAX);
	}
	assert_null(all[0].symbols);
	assert_non_null(all[10].symbols);
	/* It is read again. */
	assert_int_equal(symbols_find(file_symbols(&files, &all[0], NOW + 20 * SECOND), fd, 0x400025, name, &begin), 0);
	assert_int_equal(begin, 0x400020);
	for (int i = 0; i < 12; i++)
		symbols_free(all[i].symbols);
	close(fd);
}

static void damaged_files_do_no_harm(void **state)
{
	static const uint64_t values[] = {0,	      1,	 0x7fffffff, UINT32_MAX,
					  INT64_MAX, UINT64_MAX, 0x1000,     UINT64_MAX - 15};
	uint64_t random = 1;

	(void)state;
	/* Every number is replaced by some that hurt, and then at random. */
	for (size_t at = 0; at + 8 <= sizeof(struct small); at += 2)
		for (size_t v = 0; v < 8; v++)
			for (size_t size = 2; size <= 8; size *= 2) {
				struct small it = small();
				int fd;

				memcpy((uint8_t *)&it + at, &values[v], size);
				fd = file_of(&it, sizeof(it));
				use(fd);
				close(fd);
			}
	for (int round = 0; round < 20000; round++) {
		struct small it = small();
		int fd;

		for (uint32_t n = 1 + next_random(&random) % 8; n; n--)
			((uint8_t *)&it)[next_random(&random) % sizeof(it)] =
				(uint8_t)next_random(&random);
		fd = file_of(&it, next_random(&random) % 8 ? sizeof(it) :
							      next_random(&random) % sizeof(it));
		use(fd);
		close(fd);
	}
}

/* ---- Names ---------------------------------------------------------------------------------- */

static const struct {
	const char *in;
	const char *out;
} names[] = {
	{"main", "main"},
	{"_Z4heatv", "heat"},
	{"_ZL4heatPKc", "heat"},
	{"_ZN7kitchen4Oven4heatEi", "kitchen::Oven::heat"},
	{"_ZNK7kitchen4Oven4heatEi", "kitchen::Oven::heat"},
	{"_ZN7kitchen4OvenC2Ev", "kitchen::Oven::Oven"},
	{"_ZN7kitchen4OvenD1Ev", "kitchen::Oven::~Oven"},
	{"_ZN12_GLOBAL__N_14heatEv", "(anonymous namespace)::heat"},
	{"_ZNSt6thread6detachEv", "std::thread::detach"},
	/* Templates, operators, lambdas, what is cut off and what is nonsense stay. */
	{"_Z4heatIiEvT_", "_Z4heatIiEvT_"},
	{"_ZN4OvenIiE4heatEv", "_ZN4OvenIiE4heatEv"},
	{"_ZN4OvenplERKS_", "_ZN4OvenplERKS_"},
	{"_ZN7kitchen4Ov", "_ZN7kitchen4Ov"},
	{"_ZN7kitchen", "_ZN7kitchen"},
	{"_ZN4OvenC1C1C1E", "_ZN4OvenC1C1C1E"},
	{"_ZN", "_ZN"},
	{"_Z", "_Z"},
	{"_Z99999999999999999999x", "_Z99999999999999999999x"},
	{"_ZNStC1E", "_ZNStC1E"},
};

static void simple_names_of_cpp_are_readable(void **state)
{
	char name[SYMBOL_NAME_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "%s", names[i].in);
		symbol_name_simplify(name);
		assert_string_equal(name, names[i].out);
	}
}

static void no_name_outgrows_its_room(void **state)
{
	char name[SYMBOL_NAME_MAX];

	(void)state;
	for (size_t size = 3; size < SYMBOL_NAME_MAX; size++) {
		memcpy(name, "_ZN", 3);
		for (size_t i = 3; i < size; i++)
			name[i] = i % 2 ? '1' : 'a';
		name[size] = '\0';
		symbol_name_simplify(name);
		snprintf(name, sizeof(name), "_ZN%zu%0*dC1E", size > 20 ? size - 20 : 1,
			 (int)(size > 20 ? size - 20 : 1), 0);
		symbol_name_simplify(name);
		for (size_t at = 3; at + 14 < size; at += 14)
			memcpy(name + at, "12_GLOBAL__N_1", 14);
		symbol_name_simplify(name);
	}
}

/* ---- Stack traces --------------------------------------------------------------------------- */

static const struct process_id us = {.pid = 0x7ffffff1, .start_time = 1};

static void give_event(struct stacks *stacks, uint32_t kind, struct process_id id, uint64_t at,
		       uint32_t parent)
{
	struct {
		struct event event;
		struct event_fork fork;
	} it = {
		.event = {.kind = kind, .size = sizeof(it.fork), .process = id, .time = at},
		.fork.parent.pid = parent,
	};

	stacks_event(stacks, &it.event);
}

static void give_mapping(struct stacks *stacks, uint32_t pid, uint64_t at)
{
	struct mapping mapping = mapping_of(known());

	mapping.pid = pid;
	mapping.time = at;
	stacks_map(stacks, &mapping);
}

/* What the trace of one address of ours looks like. */
static const char *trace(struct stacks *stacks, struct process_id id, uint64_t at)
{
	uint64_t address = known() + 3;
	static char result[4096];
	struct blob text = {0};

	stacks_describe(stacks, &id, at,
			(struct bytes){.data = (const uint8_t *)&address, .size = sizeof(address)}, &text);
	snprintf(result, sizeof(result), "%.*s", (int)text.size, (const char *)text.data);
	blob_free(&text);
	return result;
}

#define NAMED "    at symbols_test_known+0x3 (symbols_test+0x"

static bool is_named(struct stacks *stacks, struct process_id id, uint64_t at)
{
	return !strncmp(trace(stacks, id, at), NAMED, strlen(NAMED));
}

static void a_process_that_is_gone_has_names(void **state)
{
	struct stacks *stacks = stacks_new(mounts);

	(void)state;
	give_mapping(stacks, us.pid, NOW);
	give_event(stacks, EVENT_EXIT, us, NOW + 5, 0);
	assert_true(is_named(stacks, us, NOW + 4));
	assert_true(is_named(stacks, us, NOW + 6));
	/* Forgotten after a while. */
	give_event(stacks, EVENT_EXIT, app, NOW + 60 * SECOND, 0);
	assert_false(is_named(stacks, us, NOW + 4));
	stacks_free(stacks);
}

static void a_file_that_cannot_be_read_is_said_to_be_not_read(void **state)
{
	struct stacks *stacks = stacks_new(mounts);
	struct mapping mapping = mapping_of(known());
	char name[] = "/no/such/file";

	(void)state;
	mapping.pid = us.pid;
	mapping.time = NOW;
	mapping.name = name;
	mapping.inode++;
	stacks_map(stacks, &mapping);
	assert_non_null(strstr(trace(stacks, us, NOW + 1), "    at ?? (file+0x"));
	assert_non_null(strstr(trace(stacks, us, NOW + 1), ", not read)"));
	stacks_free(stacks);
}

static void what_is_too_much_for_a_trace_is_said(void **state)
{
	static const char more[] = "\n    ... 476 more";
	struct stacks *stacks = stacks_new(mounts);
	struct blob text = {0};
	uint64_t addresses[1500];

	(void)state;
	for (size_t i = 0; i < 1500; i++)
		addresses[i] = 0x1000 + i;
	stacks_describe(stacks, &us, NOW,
			(struct bytes){.data = (const uint8_t *)addresses, .size = sizeof(addresses)}, &text);
	assert_true(text.size > sizeof(more));
	assert_memory_equal(text.data + text.size - (sizeof(more) - 1), more, sizeof(more) - 1);
	blob_free(&text);
	stacks_free(stacks);
}

static void a_child_has_what_its_parent_had_mapped_also_if_the_news_are_late(void **state)
{
	struct process_id child = {.pid = us.pid + 1}, other = {.pid = us.pid + 2};
	struct stacks *stacks = stacks_new(mounts);
	struct mapping mapping = {.pid = child.pid, .address = 0x1000, .length = 4096, .time = NOW + 6};

	(void)state;
	give_mapping(stacks, us.pid, NOW);
	stacks_map(stacks, &mapping);
	give_event(stacks, EVENT_FORK, child, NOW + 5, us.pid);
	give_event(stacks, EVENT_FORK, other, NOW + 7, child.pid);
	give_event(stacks, EVENT_EXIT, us, NOW + 8, 0);
	assert_true(is_named(stacks, child, NOW + 9));
	assert_true(is_named(stacks, other, NOW + 9));
	stacks_free(stacks);
}

static void an_exec_forgets_what_was_mapped_before_and_keeps_the_new_program(void **state)
{
	struct stacks *stacks = stacks_new(mounts);

	(void)state;
	give_mapping(stacks, us.pid, NOW);
	give_event(stacks, EVENT_EXEC, us, NOW + 100 * SECOND, 0);
	assert_false(is_named(stacks, us, NOW + 101 * SECOND));
	give_mapping(stacks, us.pid, NOW + 200 * SECOND);
	give_event(stacks, EVENT_EXEC, us, NOW + 200 * SECOND + 1000, 0);
	assert_true(is_named(stacks, us, NOW + 201 * SECOND));
	stacks_free(stacks);
}

static void what_was_mapped_last_by_then_counts(void **state)
{
	struct stacks *stacks = stacks_new(mounts);
	struct mapping mapping = mapping_of(known());

	(void)state;
	give_mapping(stacks, us.pid, NOW);
	/* No file's: a compiler at run time has written code there. */
	mapping.pid = us.pid;
	mapping.time = NOW + 10;
	mapping.file = false;
	stacks_map(stacks, &mapping);
	assert_true(is_named(stacks, us, NOW + 9));
	assert_false(is_named(stacks, us, NOW + 11));
	assert_null(strchr(trace(stacks, us, NOW + 11), '+'));
	stacks_free(stacks);
}

static void a_pid_that_is_used_again_has_the_mappings_of_its_own_time(void **state)
{
	struct stacks *stacks = stacks_new(mounts);

	(void)state;
	give_mapping(stacks, us.pid, NOW);
	give_event(stacks, EVENT_EXIT, us, NOW + 5, 0);
	give_event(stacks, EVENT_FORK, us, NOW + 8, 1);
	assert_true(is_named(stacks, us, NOW + 4));
	assert_false(is_named(stacks, us, NOW + 9));
	stacks_free(stacks);
}

static void a_process_that_nobody_told_of_is_asked(void **state)
{
	struct process_id id = {.pid = (uint32_t)getpid(), .start_time = start_time_of(getpid())};
	struct stacks *stacks = stacks_new(mounts);

	(void)state;
	assert_true(is_named(stacks, id, NOW));
	stacks_free(stacks);
}

static void any_number_of_mappings_and_processes_is_bounded(void **state)
{
	struct stacks *stacks = stacks_new(mounts);
	struct mapping mapping = mapping_of(known());

	(void)state;
	mapping.pid = us.pid;
	for (uint64_t i = 0; i < 20000; i++) {
		mapping.address += mapping.length;
		mapping.time = NOW + i;
		stacks_map(stacks, &mapping);
	}
	for (uint32_t i = 0; i < 40000; i++) {
		struct process_id child = {.pid = i + 1};

		give_event(stacks, EVENT_FORK, child, NOW + 20000 + i, us.pid);
	}
	stacks_free(stacks);
}

static void a_trace_of_nonsense_is_text_all_the_same(void **state)
{
	struct stacks *stacks = stacks_new(mounts);
	uint64_t addresses[3000];
	struct blob text = {0};
	size_t lines = 1;

	(void)state;
	give_mapping(stacks, us.pid, NOW);
	for (size_t i = 0; i < 3000; i++)
		addresses[i] = i * UINT64_C(0x123456789abcdef) + 1;
	stacks_describe(stacks, &us, NOW + 1,
			(struct bytes){.data = (const uint8_t *)addresses, .size = sizeof(addresses)},
			&text);
	for (size_t i = 0; i < text.size; i++)
		lines += text.data[i] == '\n';
	/* And one that says how many more there are. */
	assert_int_equal(lines, 1025);
	blob_free(&text);
	stacks_free(stacks);
}

/* ---- Records -------------------------------------------------------------------------------- */

static void describe(void *self, const struct process_id *process, uint64_t at,
		     struct bytes addresses, struct blob *text)
{
	char line[64];

	(void)self;
	(void)process;
	(void)at;
	blob_append(text, line,
		    (size_t)snprintf(line, sizeof(line), "%zu frames", addresses.size / 8));
}

static void restart(void)
{
	const struct intake_options options = {
		.max_open = 100,
		.sink = {.submit = collect_span, .self = &out},
		.stack_names = {.describe = describe},
	};

	intake_free(intake);
	intake = intake_new(&options);
}

static const uint64_t frames[] = {1, 2, 3};

static struct bytes stack_of(size_t event)
{
	return text_attribute(field_at(only()->events, 11, event).bytes, 3, "exception.stacktrace");
}

static void a_stack_trace_goes_to_the_event_before_it(void **state)
{
	(void)state;
	restart();
	producer_start(&one, SPAN, "name", NULL);
	producer_event(&one, SPAN, OTEL_RECORD_COUNTED, NOW + 1, "first", NULL, 0);
	producer_put(&one, OTEL_RECORD_STACK, 0, SPAN, NULL, 0, frames, sizeof(frames));
	producer_event(&one, SPAN, OTEL_RECORD_COUNTED, NOW + 2, "second", NULL, 0);
	producer_event(&one, SPAN, OTEL_RECORD_COUNTED, NOW + 3, "third", NULL, 0);
	producer_put(&one, OTEL_RECORD_STACK, 0, SPAN, NULL, 0, frames, 8);
	producer_put(&one, OTEL_RECORD_STACK, 0, SPAN, NULL, 0, frames, 16);
	producer_end(&one, SPAN, NOW + 9, 0, 3, 0, 0);
	producer_flush(&one, intake);
	assert_text(stack_of(0), "3 frames");
	assert_null(stack_of(1).data);
	assert_text(stack_of(2), "1 frames");
	assert_int_equal(count_fields(only()->events, 11), 3);
	assert_int_equal(counted().records_rejected, 0);
}

static void a_stack_trace_from_another_thread_finds_its_event(void **state)
{
	const uint64_t when = NOW + 4;

	(void)state;
	restart();
	producer_start(&one, SPAN, "name", NULL);
	producer_event(&one, SPAN, OTEL_RECORD_COUNTED, NOW + 5, "own", NULL, 0);
	producer_event(&two, SPAN, 0, when, "other's", NULL, 0);
	producer_put(&two, OTEL_RECORD_STACK, OTEL_RECORD_TIMED, SPAN, &when, 8, frames, 16);
	producer_end(&one, SPAN, NOW + 9, 0, 1, 0, OTEL_END_SHARED);
	producer_flush(&two, intake);
	producer_flush(&one, intake);
	intake_tick(intake, NOW + 5 * SECOND);
	assert_text(field_at(field_at(only()->events, 11, 0).bytes, 2, 0).bytes, "other's");
	assert_text(stack_of(0), "2 frames");
	assert_null(stack_of(1).data);
}

static void the_stack_trace_of_a_dropped_event_goes_nowhere(void **state)
{
	(void)state;
	restart();
	producer_start(&one, SPAN, "name", NULL);
	for (uint64_t i = 0; i < 129; i++)
		producer_event(&one, SPAN, OTEL_RECORD_COUNTED, NOW + i, "event", NULL, 0);
	producer_put(&one, OTEL_RECORD_STACK, 0, SPAN, NULL, 0, frames, sizeof(frames));
	producer_end(&one, SPAN, NOW + 999, 0, 129, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(only()->dropped_events, 1);
	assert_null(stack_of(127).data);
}

static void a_stack_trace_with_half_an_address_is_malformed(void **state)
{
	(void)state;
	restart();
	producer_start(&one, SPAN, "name", NULL);
	producer_event(&one, SPAN, OTEL_RECORD_COUNTED, NOW + 1, "event", NULL, 0);
	producer_put(&one, OTEL_RECORD_STACK, 0, SPAN, NULL, 0, frames, 12);
	producer_put(&one, OTEL_RECORD_STACK, OTEL_RECORD_TIMED, SPAN, NULL, 0, frames, 4);
	producer_put(&one, OTEL_RECORD_STACK, 0, SPAN, NULL, 0, NULL, 0);
	producer_end(&one, SPAN, NOW + 9, 0, 1, 0, 0);
	producer_flush(&one, intake);
	assert_int_equal(counted().records_rejected, 2);
	assert_null(stack_of(0).data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_of_a_file_are_found_by_any_address_in_them),
		cmocka_unit_test(what_is_no_elf_file_is_refused),
		cmocka_unit_test(of_several_names_the_global_one_is_taken),
		cmocka_unit_test(names_of_many_large_files_are_not_all_kept),
		cmocka_unit_test(damaged_files_do_no_harm),
		cmocka_unit_test(simple_names_of_cpp_are_readable),
		cmocka_unit_test(no_name_outgrows_its_room),
		cmocka_unit_test(a_process_that_is_gone_has_names),
		cmocka_unit_test(a_file_that_cannot_be_read_is_said_to_be_not_read),
		cmocka_unit_test(what_is_too_much_for_a_trace_is_said),
		cmocka_unit_test(a_child_has_what_its_parent_had_mapped_also_if_the_news_are_late),
		cmocka_unit_test(an_exec_forgets_what_was_mapped_before_and_keeps_the_new_program),
		cmocka_unit_test(what_was_mapped_last_by_then_counts),
		cmocka_unit_test(a_pid_that_is_used_again_has_the_mappings_of_its_own_time),
		cmocka_unit_test(a_process_that_nobody_told_of_is_asked),
		cmocka_unit_test(any_number_of_mappings_and_processes_is_bounded),
		cmocka_unit_test(a_trace_of_nonsense_is_text_all_the_same),
		TEST(a_stack_trace_goes_to_the_event_before_it),
		TEST(a_stack_trace_from_another_thread_finds_its_event),
		TEST(the_stack_trace_of_a_dropped_event_goes_nowhere),
		TEST(a_stack_trace_with_half_an_address_is_malformed),
	};

	int failed;

	mounts = mounts_new();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	mounts_free(mounts);
	return failed;
}
