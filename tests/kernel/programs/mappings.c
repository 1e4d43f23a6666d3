/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mappings N PROGRAM ARGUMENT...: after a line of input, maps a file as code so often, more than the kernel has
 * room to report to who does not read, and starts the program on the same CPU. Goes on mapping now and
 * then, so that what was left out is told, until that has ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void map(int file)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);

	if (at == MAP_FAILED) {
		perror("mappings");
		exit(1);
	}
	munmap(at, 4096);
}

int main(int argc, char **argv)
{
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), status = 0;
	cpu_set_t one;
	char byte;
	pid_t pid;

	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	if (argc < 3 || file < 0 || sched_setaffinity(0, sizeof(one), &one))
		return 2;
	printf("waits\n");
	fflush(stdout);
	if (read(0, &byte, 1) != 1)
		return 2;
	for (long i = 0; i < atol(argv[1]); i++)
		map(file);
	pid = fork();
	if (!pid) {
		execv(argv[2], argv + 2);
		_exit(127);
	}
	while (!waitpid(pid, &status, WNOHANG)) {
		usleep(20000);
		map(file);
	}
	return WEXITSTATUS(status);
}
