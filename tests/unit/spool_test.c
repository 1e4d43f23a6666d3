/* SPDX-License-Identifier: Apache-2.0 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "folder.h"
#include "spool_file.h"

#define MIB (1u << 20)

static char folder[64], path[80];
static struct tally none; /* of what is removed */

static struct spool *open_spool(uint64_t budget)
{
	struct spool *spool = NULL;

	assert_int_equal(spool_open(path, budget, &spool), 0);
	assert_non_null(spool);
	return spool;
}

/* A request whose bytes are all @id. */
static struct spool_entry *append(struct spool *spool, uint8_t id, size_t size, uint32_t spans)
{
	struct spool_entry *entry = NULL;
	uint8_t *data = malloc(size);
	struct tally tally = {0};

	memset(data, id, size);
	assert_int_equal(
		spool_append(spool, (struct bytes){data, size}, spans, false, &tally, &entry), 0);
	assert_non_null(entry);
	free(data);
	return entry;
}

static void assert_holds(struct spool *spool, const struct spool_entry *entry, uint8_t id,
			 size_t size)
{
	struct bytes request;

	assert_non_null(entry);
	assert_int_equal(spool_read(spool, entry, &request), 0);
	assert_int_equal(request.size, size);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(request.data[i], id);
}

static struct spool_counts counts_of(const struct spool *spool)
{
	struct spool_counts counts;

	spool_counts(spool, &counts);
	return counts;
}

/* The file of the entry. */
static void file_of(const struct spool_entry *entry, char *out)
{
	snprintf(out, 128, "%s/%016lx.otlp", path, (unsigned long)entry->number);
}

static void batches_come_back_in_order_also_after_a_restart(void **state)
{
	struct spool *spool = open_spool(MIB);
	struct spool_entry *entry;

	(void)state;
	for (uint8_t i = 1; i <= 20; i++)
		append(spool, i, 100u * i, i);
	assert_int_equal(counts_of(spool).batches, 20);
	assert_int_equal(counts_of(spool).spans, 210);
	assert_int_equal(counts_of(spool).bytes, 20 * 4096);
	assert_int_equal(spool_found(spool), 0);
	assert_holds(spool, spool_first(spool), 1, 100);
	spool_remove(spool, spool_first(spool), &none);
	spool_close(spool);

	spool = open_spool(MIB);
	assert_int_equal(spool_found(spool), 209);
	assert_int_equal(spool_found_corrupt(spool), 0);
	append(spool, 21, 10, 1);
	entry = spool_first(spool);
	for (uint8_t i = 2; i <= 20; i++) {
		assert_holds(spool, entry, i, 100u * i);
		assert_int_equal(entry->spans, i);
		entry = spool_next(spool, entry);
	}
	assert_holds(spool, entry, 21, 10);
	assert_null(spool_next(spool, entry));
	spool_close(spool);
}

static void only_the_agents_user_can_read_it(void **state)
{
	mode_t mask = umask(0);
	struct spool *spool = open_spool(MIB);
	char name[128];
	struct stat is;

	(void)state;
	file_of(append(spool, 1, 10, 1), name);
	assert_int_equal(stat(path, &is), 0);
	assert_int_equal(is.st_mode & 0777, 0700);
	assert_int_equal(stat(name, &is), 0);
	assert_int_equal(is.st_mode & 0777, 0600);
	spool_close(spool);
	umask(mask);
}

static void a_directory_that_others_can_write_to_is_refused(void **state)
{
	struct spool *spool = NULL;

	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 0770), 0);
	assert_int_equal(spool_open(path, MIB, &spool), -EPERM);
	assert_int_equal(chmod(path, 0707), 0);
	assert_int_equal(spool_open(path, MIB, &spool), -EPERM);
	assert_int_equal(chmod(path, 0755), 0);
	if (!geteuid()) {
		assert_int_equal(chown(path, 65534, 65534), 0);
		assert_int_equal(spool_open(path, MIB, &spool), -EPERM);
		assert_int_equal(chown(path, 0, 0), 0);
	}
	spool_close(open_spool(MIB));
}

static void a_symbolic_link_and_a_file_are_refused(void **state)
{
	struct spool *spool = NULL;

	(void)state;
	assert_int_equal(symlink(folder, path), 0);
	assert_true(spool_open(path, MIB, &spool) < 0);
	assert_int_equal(unlink(path), 0);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(spool_open(path, MIB, &spool), -ENOTDIR);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(spool_open("/no/such/folder/spool", MIB, &spool), -ENOENT);
	assert_null(spool);
}

static void two_agents_do_not_share_one(void **state)
{
	struct spool *spool = open_spool(MIB), *other = NULL;

	(void)state;
	assert_int_equal(spool_open(path, MIB, &other), -EWOULDBLOCK);
	assert_null(other);
	spool_close(spool);
	spool_close(open_spool(MIB));
}

static void the_budget_is_in_blocks_of_the_disk(void **state)
{
	struct spool *spool = open_spool(3 * 4096);

	(void)state;
	assert_true(spool_ever_has_room(spool, 3 * 4096 - SPOOL_HEADER_BYTES));
	assert_false(spool_ever_has_room(spool, 3 * 4096));
	append(spool, 1, 1, 1);
	append(spool, 2, 1, 1);
	assert_true(spool_has_room(spool, 1));
	assert_false(spool_has_room(spool, 4096));
	append(spool, 3, 1, 1);
	assert_false(spool_has_room(spool, 1));
	spool_remove(spool, spool_first(spool), &none);
	assert_true(spool_has_room(spool, 1));
	spool_close(spool);
}

static void damage(const char *name, off_t offset, uint8_t xor)
{
	int fd = open(name, O_RDWR);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, offset), 1);
	byte ^= xor;
	assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
	close(fd);
}

static void files_that_are_not_whole_are_removed_and_counted(void **state)
{
	struct spool *spool = open_spool(MIB);
	char names[6][128];
	struct spool_entry *entry;
	struct bytes request;

	(void)state;
	for (uint8_t i = 0; i < 6; i++)
		file_of(append(spool, i, 1000, 10u + i), names[i]);
	spool_close(spool);
	assert_int_equal(truncate(names[0], 500), 0);
	assert_int_equal(truncate(names[1], 0), 0);
	damage(names[2], 0, 1);	  /* no header */
	damage(names[3], 17, 1);  /* nor this */
	damage(names[4], 999, 4); /* found later */

	spool = open_spool(MIB);
	assert_int_equal(spool_found(spool), 10 + 14 + 15);
	assert_int_equal(spool_found_corrupt(spool), 10);
	assert_int_equal(counts_of(spool).batches, 2);
	entry = spool_first(spool);
	assert_int_equal(entry->spans, 14);
	assert_int_equal(spool_read(spool, entry, &request), -EBADMSG);
	spool_remove(spool, entry, &none);
	assert_holds(spool, spool_first(spool), 5, 1000);
	spool_close(spool);

	/* They are gone. */
	spool = open_spool(MIB);
	assert_int_equal(spool_found(spool), 15);
	spool_close(spool);
}

static void a_file_that_changes_while_it_is_open_is_noticed(void **state)
{
	struct spool *spool = open_spool(MIB);
	struct spool_entry *entry = append(spool, 1, 1000, 1);
	struct bytes request;
	char name[128];

	(void)state;
	file_of(entry, name);
	assert_int_equal(truncate(name, 2000), 0);
	assert_int_equal(spool_read(spool, entry, &request), -EBADMSG);
	assert_int_equal(truncate(name, 32), 0);
	assert_int_equal(spool_read(spool, entry, &request), -EBADMSG);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(spool_read(spool, entry, &request), -ENOENT);
	assert_int_equal(mkfifo(name, 0600), 0);
	assert_int_equal(spool_read(spool, entry, &request), -EBADMSG);
	spool_remove(spool, entry, &none);
	spool_close(spool);
}

static void other_files_are_left_alone(void **state)
{
	static const char *const names[] = {"notes", "0000000000000001.otlp.bak", "1.otlp",
					    "000000000000000G.otlp", "00000000000000AB.otlp"};
	struct spool *spool;
	char name[128];

	(void)state;
	spool_close(open_spool(MIB));
	for (size_t i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, names[i]);
		close(open(name, O_CREAT | O_WRONLY, 0600));
	}
	spool = open_spool(MIB);
	assert_int_equal(counts_of(spool).batches, 0);
	assert_int_equal(spool_found(spool), 0);
	spool_close(spool);
	for (size_t i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "%s/%s", path, names[i]);
		assert_int_equal(access(name, F_OK), 0);
	}
}

static void that_a_batch_was_sent_is_known_after_a_restart(void **state)
{
	struct spool *spool = open_spool(MIB);
	struct spool_entry *first = append(spool, 1, 10, 1), *second = append(spool, 2, 10, 1);

	(void)state;
	append(spool, 3, 10, 1);
	spool_mark(spool, first, true);
	spool_mark(spool, second, true);
	spool_mark(spool, second, false);
	spool_close(spool);
	spool = open_spool(MIB);
	first = spool_first(spool);
	assert_true(first->sent);
	assert_holds(spool, first, 1, 10);
	second = spool_next(spool, first);
	assert_false(second->sent);
	assert_false(spool_next(spool, second)->sent);
	spool_close(spool);
}

static void a_file_that_cannot_be_written_leaves_nothing_behind(void **state)
{
	struct spool *spool = open_spool(MIB);
	struct rlimit limit, small = {.rlim_cur = 1000};
	struct spool_entry *entry;
	struct tally tally = {0};
	static uint8_t zeros[5000];
	char name[128];

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small.rlim_max = limit.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(
		spool_append(spool, (struct bytes){zeros, sizeof(zeros)}, 1, false, &tally, &entry),
		-EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	snprintf(name, sizeof(name), "%s/writing", path);
	assert_int_equal(access(name, F_OK), -1);
	assert_int_equal(counts_of(spool).batches, 0);
	append(spool, 1, 5000, 1);
	spool_close(spool);
	spool = open_spool(MIB);
	assert_int_equal(counts_of(spool).batches, 1);
	spool_close(spool);
}

static void who_is_killed_while_writing_loses_that_batch_alone(void **state)
{
	static uint8_t data[300000];
	struct tally tally = {0};
	struct spool_entry *entry;
	struct spool *spool;
	size_t before, after;
	int ready[2];
	pid_t child;

	(void)state;
	for (int round = 0; round < 30; round++) {
		uint64_t told = 0, number;

		assert_int_equal(pipe(ready), 0);
		child = fork();
		if (!child) {
			spool = open_spool(UINT64_MAX);
			for (uint64_t i = 1; i < 400; i++) {
				memset(data, (int)i, sizeof(data));
				if (spool_append(spool, (struct bytes){data, sizeof(data)}, 1,
						 false, &tally, &entry) ||
				    write(ready[1], &i, sizeof(i)) != sizeof(i))
					_exit(1);
			}
			pause();
		}
		close(ready[1]);
		for (int i = 0; i <= round % 7; i++)
			assert_int_equal(read(ready[0], &told, sizeof(told)), sizeof(told));
		usleep((useconds_t)(round * 37));
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		while (read(ready[0], &number, sizeof(number)) == sizeof(number))
			told = number;
		close(ready[0]);
		spool = open_spool(UINT64_MAX);
		before = counts_of(spool).batches;
		/* The one it had no time to tell of may be there, too, or a part of it. */
		assert_in_range(before, told, told + 1);
		assert_in_range(spool_found(spool), before, told + 1);
		assert_int_equal(spool_found(spool), before + spool_found_corrupt(spool));
		for (after = 0; (entry = spool_first(spool)); after++) {
			assert_holds(spool, entry, (uint8_t)(after + 1), sizeof(data));
			spool_remove(spool, entry, &none);
		}
		assert_int_equal(after, before);
		spool_close(spool);
	}
}

static int make_folder(void **state)
{
	(void)state;
	folder_make(folder);
	snprintf(path, sizeof(path), "%s/spool", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	folder_remove(folder);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(batches_come_back_in_order_also_after_a_restart),
		TEST(only_the_agents_user_can_read_it),
		TEST(a_directory_that_others_can_write_to_is_refused),
		TEST(a_symbolic_link_and_a_file_are_refused),
		TEST(two_agents_do_not_share_one),
		TEST(the_budget_is_in_blocks_of_the_disk),
		TEST(files_that_are_not_whole_are_removed_and_counted),
		TEST(a_file_that_changes_while_it_is_open_is_noticed),
		TEST(other_files_are_left_alone),
		TEST(that_a_batch_was_sent_is_known_after_a_restart),
		TEST(a_file_that_cannot_be_written_leaves_nothing_behind),
		TEST(who_is_killed_while_writing_loses_that_batch_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
