/* SPDX-License-Identifier: Apache-2.0 */
#include "peek.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define THREADS_MAX 131072u  /* of a process: a list may loop */
#define WALL_NS 100000000u   /* for a process at a time, whatever its budget is */
#define STUCK_NS 1000000000u /* a read that takes so long will not return */
#define KEEPER_NS 200000000l /* how often that is looked at */
#define UNDEAD_MAX 256u	     /* readers that do not even die: then no more are started */

/* What the keeper knows of the reader. */
struct shared {
	uint64_t busy_since;	   /* 0: it waits for a request */
	struct process_id process; /* whom it reads */
};

struct peek {
	int fd;
	pid_t keeper;
	struct shared *shared;
};

/* ---- The reader ---- */

struct reader {
	int fd;
	struct shared *shared;
	const struct peek_request *request;
	uint64_t began;
	struct rusage before;
	struct peek_answer answer;
};

/* Reads memory of the process. False: it is not there, or not all of it. */
static bool read_memory(const struct reader *reader, uint64_t address, void *to, size_t size)
{
	struct iovec local = {to, size}, remote = {(void *)(uintptr_t)address, size};

	return process_vm_readv((pid_t)reader->request->process.pid, &local, 1, &remote, 1, 0) ==
	       (ssize_t)size;
}

static void say(const struct reader *reader, size_t size)
{
	while (send(reader->fd, &reader->answer, size, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			_exit(0); /* the agent is gone */
}

/*
 * The buffer's id and position are read before and after the records: if they stay, the owner has only
 * appended, and what we have is whole. With another id the owner has ended, and somebody has its buffer.
 */
static void read_buffer(struct reader *reader, uint64_t address)
{
	struct otel_buffer *buffer = (struct otel_buffer *)(void *)reader->answer.found.flush;
	struct otel_buffer after;

	if (!read_memory(reader, address, buffer, sizeof(*buffer)) ||
	    buffer->magic != OTEL_BUFFER_MAGIC ||
	    buffer->committed > OTEL_FLUSH_MAX - sizeof(*buffer))
		return;
	/* Who hands nothing over may have counted, or tried to. */
	if (!buffer->committed &&
	    (!reader->request->counts || !(buffer->position | buffer->not_sampled |
					   buffer->dropped_starts)))
		return;
	if ((buffer->committed &&
	     !read_memory(reader, address + sizeof(*buffer), buffer + 1, buffer->committed)) ||
	    !read_memory(reader, address, &after, sizeof(after)) ||
	    after.position != buffer->position || after.buffer_id != buffer->buffer_id)
		return;
	/* Not a reading of now: says nothing about the process's clock. */
	buffer->clock_time = 0;
	reader->answer.kind = PEEK_FOUND;
	reader->answer.found.event = (struct event){
		.kind = EVENT_FLUSH,
		.size = (uint32_t)sizeof(*buffer) + buffer->committed,
		.process = reader->request->process,
		.thread = buffer->thread_id,
		.time = clock_now(),
	};
	/* The agent may have no time for us: that is not the process's fault. */
	__atomic_store_n(&reader->shared->busy_since, 0, __ATOMIC_RELEASE);
	say(reader, offsetof(struct peek_answer, found.flush) + reader->answer.found.event.size);
	__atomic_store_n(&reader->shared->busy_since, clock_now(), __ATOMIC_RELEASE);
}

static bool read_anchor(const struct reader *reader, uint64_t address, struct otel_anchor *anchor)
{
	return address &&
	       read_memory(reader, address, anchor, offsetof(struct otel_anchor, environment)) &&
	       anchor->magic == OTEL_ANCHOR_MAGIC && anchor->version == OTEL_FORMAT_VERSION;
}

/* Returns its address; 0: there is none. */
static uint64_t find_anchor(const struct reader *reader, struct otel_anchor *anchor)
{
	const struct peek_request *request = reader->request;
	uint64_t address = request->anchor;

	if (read_anchor(reader, address, anchor))
		return address;
	for (unsigned i = 0; i < request->image_count && i < PEEK_IMAGES_MAX; i++)
		if (read_memory(reader, request->images[i], &address, sizeof(address)) &&
		    read_anchor(reader, address, anchor))
			return address;
	return 0;
}

static uint64_t cpu_time(const struct rusage *usage)
{
	return (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000000u +
	       (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000u;
}

/* How long that took; while others had the processor, it did not. */
static uint64_t time_taken(const struct reader *reader)
{
	struct rusage after;

	getrusage(RUSAGE_SELF, &after);
	return after.ru_nvcsw == reader->before.ru_nvcsw ? cpu_time(&after) - cpu_time(&reader->before) :
							   clock_now() - reader->began;
}

/* Asked for each thread: the clock that costs more is not read each time. */
static bool is_late(const struct reader *reader, unsigned threads)
{
	struct rusage now;

	if (clock_now() - reader->began > WALL_NS)
		return true;
	if (threads % 16)
		return false;
	getrusage(RUSAGE_SELF, &now);
	return cpu_time(&now) - cpu_time(&reader->before) > reader->request->budget;
}

/* False: there is no time left. */
static bool read_list(struct reader *reader, uint64_t at, unsigned *threads)
{
	struct otel_thread thread;

	for (; at; at = thread.next) {
		if (++*threads > THREADS_MAX || !read_memory(reader, at, &thread, sizeof(thread)) ||
		    thread.magic != OTEL_THREAD_MAGIC)
			return true;
		for (size_t i = 0; i < sizeof(thread.buffers) / sizeof(*thread.buffers); i++)
			if (thread.buffers[i])
				read_buffer(reader, thread.buffers[i]);
		if (is_late(reader, *threads))
			return false;
	}
	return true;
}

static void read_process(struct reader *reader, const struct peek_request *request)
{
	static struct otel_anchor anchor;
	uint64_t address;
	unsigned threads = 0, i = request->bucket % OTEL_ANCHOR_BUCKETS;

	reader->request = request;
	getrusage(RUSAGE_SELF, &reader->before);
	reader->began = clock_now();
	reader->shared->process = request->process;
	__atomic_store_n(&reader->shared->busy_since, reader->began, __ATOMIC_RELEASE);
	address = find_anchor(reader, &anchor);
	/* A list that there was no time for is gone on behind the next time: it may have no end. */
	for (; address && i < OTEL_ANCHOR_BUCKETS; i++)
		if (!read_list(reader, anchor.threads[i], &threads))
			break;
	__atomic_store_n(&reader->shared->busy_since, 0, __ATOMIC_RELEASE);
	reader->answer.kind = PEEK_DONE;
	reader->answer.process = request->process;
	reader->answer.bucket = i + 1 < OTEL_ANCHOR_BUCKETS && address ? i + 1 : 0;
	reader->answer.anchor = address;
	reader->answer.cut = address && i < OTEL_ANCHOR_BUCKETS;
	reader->answer.took = time_taken(reader);
	say(reader, offsetof(struct peek_answer, found));
}

static void read_all(int fd, struct shared *shared)
{
	static struct reader reader;
	struct peek_request request;
	ssize_t n;

	reader.fd = fd;
	reader.shared = shared;
	for (;;) {
		n = recv(fd, &request, sizeof(request), 0);
		if (n == (ssize_t)sizeof(request))
			read_process(&reader, &request);
		else if (n >= 0 || errno != EINTR)
			_exit(0);
	}
}

/* ---- The keeper ---- */

/* Ours until the one who started us is gone; -1 if it is already. */
static int end_with(pid_t parent)
{
	prctl(PR_SET_NAME, "otel-bpf-look");
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		return -1;
	return 0;
}

static pid_t start_reader(int fd, struct shared *shared)
{
	pid_t us = getpid(), pid;

	shared->busy_since = 0;
	pid = fork();
	if (!pid) {
		if (!end_with(us))
			read_all(fd, shared);
		_exit(0);
	}
	return pid;
}

static void keep(int fd, struct shared *shared)
{
	const struct timespec pause = {.tv_nsec = KEEPER_NS};
	static struct peek_answer stuck = {.kind = PEEK_STUCK};
	pid_t reader = start_reader(fd, shared), ended;
	unsigned undead = 0;
	uint64_t since;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	while (reader > 0) {
		(void)sigtimedwait(&set, NULL, &pause);
		while ((ended = waitpid(-1, NULL, WNOHANG)) > 0) {
			if (ended == reader)
				return; /* the agent has closed its end */
			undead--;
		}
		since = __atomic_load_n(&shared->busy_since, __ATOMIC_ACQUIRE);
		if (!since || clock_now() - since < STUCK_NS)
			continue;
		stuck.process = shared->process;
		kill(reader, SIGKILL);
		/* It dies at once, or when what it waits for has come. */
		if (++undead > UNDEAD_MAX ||
		    send(fd, &stuck, offsetof(struct peek_answer, found), MSG_NOSIGNAL) < 0)
			return;
		reader = start_reader(fd, shared);
	}
}

/* ---- The agent's side ---- */

int peek_new(struct peek **out)
{
	struct peek *peek = calloc(1, sizeof(*peek));
	pid_t us = getpid();
	sigset_t set, old;
	int ends[2], err;

	if (!peek)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
		err = -errno;
		free(peek);
		return err;
	}
	peek->fd = ends[0];
	peek->shared = mmap(NULL, sizeof(*peek->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	/* Signals of a terminal are the agent's to handle. */
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, &old);
	peek->keeper = peek->shared == MAP_FAILED ? -1 : fork();
	if (!peek->keeper) {
		/* What the agent has open shall end with it, whatever becomes of a reader. */
		setsid(); /* what a terminal sends is not for it */
		dup2(ends[1], 3);
		syscall(SYS_close_range, 4, ~0u, 0);
		syscall(SYS_close_range, 0, 2, 0);
		if (!end_with(us))
			keep(3, peek->shared);
		_exit(0);
	}
	err = peek->keeper < 0 ? -errno : 0;
	sigprocmask(SIG_SETMASK, &old, NULL);
	close(ends[1]);
	if (err) {
		peek_free(peek);
		return err;
	}
	*out = peek;
	return 0;
}

void peek_free(struct peek *peek)
{
	if (!peek)
		return;
	close(peek->fd);
	if (peek->keeper > 0) {
		kill(peek->keeper, SIGKILL); /* and the kernel its reader */
		waitpid(peek->keeper, NULL, 0);
	}
	if (peek->shared != MAP_FAILED)
		munmap(peek->shared, sizeof(*peek->shared));
	free(peek);
}

int peek_fd(const struct peek *peek)
{
	return peek->fd;
}

int peek_ask(struct peek *peek, const struct peek_request *request)
{
	if (send(peek->fd, request, sizeof(*request), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

int peek_answer(struct peek *peek, struct peek_answer *answer)
{
	ssize_t n = recv(peek->fd, answer, sizeof(*answer), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -EPIPE;
	return n ? 0 : -EPIPE;
}
