/* SPDX-License-Identifier: Apache-2.0 */
#include "exception_type.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "detect.h"

/* Reads up to @size bytes of the process's memory, bringing its pages in. Returns how many. */
static size_t peek(uint32_t pid, uint64_t address, void *to, size_t size)
{
	struct iovec local = {to, size}, remote = {(void *)(uintptr_t)address, size};
	ssize_t n = process_vm_readv((pid_t)pid, &local, 1, &remote, 1, 0);

	return n > 0 ? (size_t)n : 0;
}

/* A text of which only the end's page may be missing. False: it is not there, or has no end. */
static bool read_text(uint32_t pid, uint64_t address, char *text, size_t room)
{
	const size_t page = 4096;
	size_t size = 0;

	while (size < room) {
		size_t left = page - (size_t)((address + size) % page), now = room - size, n;

		n = peek(pid, address + size, text + size, now < left ? now : left);
		if (memchr(text + size, 0, n))
			return true;
		if (n < (now < left ? now : left))
			return false;
		size += n;
	}
	return false;
}

int exception_type(const struct process_id *process, const struct event_exception *exception,
		   char type[TYPE_NAME_MAX])
{
	char text[TYPE_NAME_MAX];
	uint64_t name = exception->name;

	if (exception->size && exception->size < sizeof(exception->text)) {
		memcpy(text, exception->text, exception->size);
		text[exception->size] = '\0';
	} else {
		/* Behind the pointer to its virtual functions. */
		if (!name &&
		    peek(process->pid, exception->type + 8, &name, sizeof(name)) != sizeof(name))
			return -ENOENT;
		if (!read_text(process->pid, name, text, sizeof(text)) || !detect_alive(process))
			return -ENOENT;
	}
	/* Marks types that are never the same as those of other libraries. */
	type_name(text + (*text == '*'), type);
	return *type ? 0 : -ENOENT;
}
