/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

static int open_path(struct output *output, const char *path)
{
	/* O_NONBLOCK: opening a pipe that nobody reads must not hang; ENXIO says so instead. */
	int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, err;

	output->fd = open(path, flags, 0644);
	if (output->fd >= 0)
		return 0;
	err = errno;
	if (err == ENXIO)
		log_error("cannot open %s: nobody reads this pipe; start its reader first", path);
	else
		log_error("cannot open %s to write to it: %s", path, strerror(err));
	return -err;
}

int output_open(struct output *output, const char *path)
{
	struct stat status;
	int err = 0;

	*output = (struct output){.name = path, .fd = STDERR_FILENO};
	if (!path) {
		output->name = "standard error";
	} else if (!strcmp(path, "-")) {
		output->name = "standard output";
		output->fd = STDOUT_FILENO;
	} else {
		output->owned = true;
		err = open_path(output, path);
	}
	if (err)
		return err;
	output->interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (output->interrupt_fd < 0) {
		err = -errno;
		log_error("cannot write to %s: %s", output->name, strerror(errno));
		if (output->owned)
			close(output->fd);
		return err;
	}
	output->regular = !fstat(output->fd, &status) && S_ISREG(status.st_mode);
	return 0;
}

void output_close(struct output *output)
{
	if (output->owned)
		close(output->fd);
	close(output->interrupt_fd);
}

void output_interrupt(struct output *output)
{
	uint64_t one = 1;

	if (write(output->interrupt_fd, &one, sizeof(one)) < 0)
		return; /* it is set already */
}

static int await_room(struct output *output)
{
	struct pollfd fds[] = {
		{.fd = output->fd, .events = POLLOUT},
		{.fd = output->interrupt_fd, .events = POLLIN},
	};

	while (poll(fds, 2, -1) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return fds[1].revents ? -ECANCELED : 0;
}

/* Writes until all of it is out; *@done tells how far it came. */
static int write_all(struct output *output, const char *data, size_t size, size_t *done)
{
	*done = 0;
	while (*done < size) {
		size_t piece = size - *done;
		ssize_t n;

		if (!output->regular) {
			int err = await_room(output);

			if (err)
				return err;
			/* This much fits when poll() says so; more would block, for not all of
			 * these descriptors are ours to make them non-blocking. */
			if (piece > PIPE_BUF)
				piece = PIPE_BUF;
		}
		n = write(output->fd, data + *done, piece);
		if (n > 0)
			*done += (size_t)n;
		else if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
	}
	return 0;
}

/* Takes back the @done bytes at the end of a file, unless somebody else has appended to it. */
static bool take_back(struct output *output, off_t before, size_t done)
{
	struct stat status;

	return output->regular && before >= 0 && !fstat(output->fd, &status) &&
	       status.st_size == before + (off_t)done && !ftruncate(output->fd, before);
}

int output_write(struct output *output, const char *data, size_t size)
{
	struct stat status;
	off_t before = output->regular && !fstat(output->fd, &status) ? status.st_size : -1;
	size_t done;
	int err;

	if (output->torn) {
		err = write_all(output, "\n", 1, &done);
		if (err)
			return err;
		output->torn = false;
		before = before < 0 ? before : before + 1;
	}
	err = write_all(output, data, size, &done);
	if (err && done && !take_back(output, before, done))
		output->torn = true;
	return err;
}
