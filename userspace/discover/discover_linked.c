/* SPDX-License-Identifier: Apache-2.0 */
#include "discover.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_INTERPRETERS 4 /* as the kernel has it for scripts */

static void report(const char *path, discover_fn found, void *self)
{
	struct mapping mapping = {.file = true, .name = path};

	found(self, &mapping);
}

/* The interpreter named in the first line of a script. */
static int read_script(int fd, char *path, size_t size)
{
	char line[256];
	ssize_t n = pread(fd, line, sizeof(line) - 1, 0);
	size_t begin;

	if (n < 3 || line[0] != '#' || line[1] != '!')
		return -ENOEXEC;
	line[n] = 0;
	line[strcspn(line, "\n")] = 0;
	begin = 2 + strspn(line + 2, " \t");
	snprintf(path, size, "%.*s", (int)strcspn(line + begin, " \t"), line + begin);
	return 0;
}

/* The dynamic loader that an ELF file names. */
static int read_loader(int fd, char *path, size_t size)
{
	Elf64_Ehdr elf;
	Elf64_Phdr header;

	if (pread(fd, &elf, sizeof(elf), 0) != sizeof(elf) || memcmp(elf.e_ident, ELFMAG, SELFMAG) ||
	    elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_phentsize != sizeof(header))
		return -ENOEXEC;
	for (unsigned i = 0; i < elf.e_phnum && i < 64; i++) {
		if (pread(fd, &header, sizeof(header), (off_t)(elf.e_phoff + i * sizeof(header))) !=
		    sizeof(header))
			return -ENOEXEC;
		if (header.p_type != PT_INTERP)
			continue;
		if (!header.p_filesz || header.p_filesz >= size ||
		    pread(fd, path, header.p_filesz, (off_t)header.p_offset) != (ssize_t)header.p_filesz)
			return -ENOEXEC;
		path[header.p_filesz] = 0;
		return *path == '/' ? 0 : -ENOEXEC;
	}
	return -ENOENT;
}

/*
 * Lines are "name => path (address)" or "path (address)", with glibc and with musl. A path may be
 * relative; we are in the directory where the command starts.
 */
static void read_list(FILE *list, discover_fn found, void *self)
{
	char line[8192];

	while (fgets(line, sizeof(line), list)) {
		char *path = strstr(line, "=> "), *end = strrchr(line, '(');

		path = path ? path + 3 : line + strspn(line, " \t");
		if (!end || end <= path)
			continue;
		while (end > path && end[-1] == ' ')
			end--;
		*end = 0;
		if (strchr(path, '/'))
			report(path, found, self);
	}
}

void discover_linked(const struct launch *launch, discover_fn found, void *self)
{
	char path[4096], loader[4096];
	char list_option[] = "--list";
	char *argv[] = {loader, list_option, path, NULL};
	FILE *list;
	pid_t pid;
	int fd = -1, out;

	snprintf(path, sizeof(path), "%s", launch->path);
	for (int i = 0; i <= MAX_INTERPRETERS; i++) {
		if (fd >= 0)
			close(fd);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			return;
		report(path, found, self);
		if (read_script(fd, path, sizeof(path)))
			break;
	}
	out = read_loader(fd, loader, sizeof(loader));
	close(fd);
	if (out)
		return;
	out = launch_ask(launch, argv, &pid);
	if (out < 0)
		return;
	list = fdopen(out, "re");
	if (list) {
		read_list(list, found, self);
		fclose(list);
	} else {
		close(out);
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
