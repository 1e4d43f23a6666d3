/* SPDX-License-Identifier: Apache-2.0 */
/* hoard PROGRAM FILE...: maps all the files as code; after a line of input starts the program, and waits for it. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int status = 0;
	char byte;
	pid_t pid;

	for (int i = 2; i < argc; i++) {
		int file = open(argv[i], O_RDONLY | O_CLOEXEC);

		if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) == MAP_FAILED)
			return 2;
		close(file);
	}
	printf("hoards\n");
	fflush(stdout);
	if (read(0, &byte, 1) != 1)
		return 2;
	pid = fork();
	if (!pid) {
		execl(argv[1], argv[1], "stranger", "late", (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}
