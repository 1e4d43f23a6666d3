/* SPDX-License-Identifier: Apache-2.0 */
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define LIST                                                                                       \
	"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"                                  \
	"23 22 0:21 / /proc rw - proc proc rw\n"                                                   \
	"40 22 0:50 / /home/u/my\\040server rw,nosuid shared:3 master:4 - fuse.sshfs "             \
	"u@h:/a\\040-\\040b "                                                                      \
	"rw,user_id=1000,group_id=1000,allow_other\n"                                              \
	"41 22 0:51 / /roots rw - fuse.x x rw,default_permissions,user_id=0,group_id=0\n"          \
	"42 22 0:50 /sub /bound rw - fuse.sshfs u@h:/a rw,user_id=1000,group_id=1000\n"            \
	"43 22 0:52 / /nameless rw - fuse  rw,user_id=1001,group_id=0\n"                           \
	"44 22 0:53 / /merged rw - overlay overlay "                                               \
	"rw,lowerdir=/user_id=0,upperdir=/u,workdir=/w\n"                                          \
	"45 22 8:2 / /ntfs rw - fuseblk /dev/sda2 rw,user_id=5\n"                                  \
	"46 22 0:54 / /notfuse rw - fuser x rw\n"                                                  \
	"broken\n"                                                                                 \
	"47 22 0:55 / /cut rw -\n"                                                                 \
	"48 22 0:56 / /last rw - tmpfs tmpfs rw\n"

static int find_in(const char *text, size_t most, uint64_t id, uint32_t major, uint32_t minor,
		   struct mount *out)
{
	FILE *list = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	size_t read;
	int err;

	assert_non_null(list);
	err = mounts_find(list, most, id, major, minor, out, &read);
	fclose(list);
	assert_true(read && read <= strlen(text));
	return err;
}

static struct mount found(uint64_t id)
{
	struct mount mount;

	assert_int_equal(find_in(LIST, 1 << 20, id, 0, 0, &mount), 0);
	assert_int_equal(mount.id, id);
	return mount;
}

static void whoever_mounted_a_fuse_file_system_is_known(void **state)
{
	struct mount mount = found(40);

	(void)state;
	assert_true(mount.served);
	assert_int_equal(mount.user, 1000);
	assert_int_equal(mount.minor, 50);
	assert_string_equal(mount.where, "/home/u/my\\040server");
	assert_string_equal(mount.type, "fuse.sshfs");
	assert_int_equal(found(41).user, 0);
	assert_int_equal(found(42).user, 1000);
	assert_true(found(45).served);
	assert_int_equal(found(45).user, 5);
}

static void an_empty_name_does_not_hide_who_mounted_it(void **state)
{
	(void)state;
	assert_int_equal(found(43).user, 1001);
}

static void what_is_no_fuse_is_not_taken_for_it(void **state)
{
	(void)state;
	assert_false(found(22).served);
	assert_false(found(46).served);
	assert_false(found(48).served);
	assert_true(found(44).served);
	assert_int_equal(found(44).user, -1);
}

static void a_file_system_is_found_by_its_device(void **state)
{
	struct mount mount;

	(void)state;
	assert_int_equal(find_in(LIST, 1 << 20, 0, 0, 50, &mount), 0);
	assert_int_equal(mount.id, 40);
	assert_int_equal(find_in(LIST, 1 << 20, 0, 8, 1, &mount), 0);
	assert_int_equal(mount.id, 22);
}

static void what_is_not_in_the_list_is_not_found(void **state)
{
	struct mount mount;

	(void)state;
	assert_int_equal(find_in(LIST, 1 << 20, 47, 0, 0, &mount), -ENOENT);
	assert_int_equal(find_in(LIST, 1 << 20, 99, 0, 0, &mount), -ENOENT);
	assert_int_equal(find_in(LIST, 1 << 20, 0, 0, 99, &mount), -ENOENT);
}

static void no_more_is_read_of_a_list_than_is_allowed(void **state)
{
	struct mount mount;

	(void)state;
	assert_int_equal(find_in(LIST, 100, 48, 0, 0, &mount), -E2BIG);
	assert_int_equal(find_in(LIST, 100, 22, 0, 0, &mount), 0);
}

/* One of ours by its name, for there is no such mapping. */
static int open_by_name(struct mounts *mounts, const char *name)
{
	const struct mapping mapping = {
		.pid = (uint32_t)getpid(), .address = 1, .length = 1, .file = true, .name = name};
	int fd = mounts_open(mounts, &mapping, false);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static void a_list_that_is_short_is_asked_again_however_long_that_took(void **state)
{
	(void)state;
	/* An agent that waits for a processor attaches to what is started meanwhile. */
	assert_false(mounts_is_long(5000, UINT64_C(3000000000)));
	assert_false(mounts_is_long((size_t)4 << 20, 1000000));
	assert_true(mounts_is_long((size_t)4 << 20, 50000000));
}

static void regular_files_are_opened_and_nothing_else(void **state)
{
	struct mounts *mounts = mounts_new();
	char self[4096], longer[4200];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct stat st;
	int fd;

	(void)state;
	assert_true(size > 0);
	self[size] = '\0';
	assert_int_equal(stat(self, &st), 0);
	assert_int_equal(open_by_name(mounts, self), 0);
	snprintf(longer, sizeof(longer), "%s/x", self);
	assert_int_equal(open_by_name(mounts, longer), -ENOENT);
	assert_int_equal(open_by_name(mounts, "/dev/null"), -EINVAL);
	assert_int_equal(open_by_name(mounts, "/"), -EINVAL);
	assert_int_equal(open_by_name(mounts, "/no/such/file"), -ENOENT);
	fd = mounts_open_name(mounts, self, st.st_ino);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(mounts_open_name(mounts, self, st.st_ino + 1), -ENOENT);
	mounts_free(mounts);
}

static void a_file_that_is_in_memory_only_is_opened_by_its_mapping(void **state)
{
	struct mounts *mounts = mounts_new();
	struct mapping mapping = {.pid = (uint32_t)getpid(),
				  .length = 4096,
				  .file = true,
				  .name = "/memfd:x (deleted)"};
	int file = memfd_create("x", MFD_CLOEXEC), fd;
	struct stat one, two;
	void *at;

	(void)state;
	assert_int_equal(ftruncate(file, 4096), 0);
	at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
	mapping.address = (uint64_t)(uintptr_t)at;
	fd = mounts_open(mounts, &mapping, false);
	if (fd < 0) {
		/* Only root may. */
		assert_int_not_equal(geteuid(), 0);
		assert_int_equal(fd, -ENOENT);
	} else {
		assert_int_equal(fstat(file, &one) | fstat(fd, &two), 0);
		assert_int_equal(one.st_ino, two.st_ino);
		close(fd);
	}
	munmap(at, 4096);
	close(file);
	mounts_free(mounts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_mounted_a_fuse_file_system_is_known),
		cmocka_unit_test(an_empty_name_does_not_hide_who_mounted_it),
		cmocka_unit_test(what_is_no_fuse_is_not_taken_for_it),
		cmocka_unit_test(a_file_system_is_found_by_its_device),
		cmocka_unit_test(what_is_not_in_the_list_is_not_found),
		cmocka_unit_test(no_more_is_read_of_a_list_than_is_allowed),
		cmocka_unit_test(a_list_that_is_short_is_asked_again_however_long_that_took),
		cmocka_unit_test(regular_files_are_opened_and_nothing_else),
		cmocka_unit_test(a_file_that_is_in_memory_only_is_opened_by_its_mapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
