/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chaos drive FOLDER SEED KIND LIVES...: starts applications of 8 threads that start and end spans, nested,
 * detached, handed to other threads, and ends each at a random moment, in one of the ways of chaos.h.
 * Some at a time, so that one agent has them all. The same seed makes the same lives, though not the same
 * moments.
 */
#include "chaos.h"

#include <errno.h>
#include <fcntl.h>
#include <otel/trace.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_A_TIME 4
#define LIFE_US 12000 /* the longest; $CHAOS_SLOW times that */
#define OOM_BYTES (24u << 20)

static otel_tracer tracer = OTEL_TRACER("chaos", "1");
static struct life *life;
static const char *folder;
static unsigned number;

static uint64_t step(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static uint32_t below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(step(state) % n);
}

static void fail(const char *what)
{
	fprintf(stderr, "chaos: %s: %s\n", what, strerror(errno));
	_exit(99);
}

/* ---- The end -------------------------------------------------------------------------------- */

static volatile int *volatile nowhere;

static void execute(void)
{
	char text[16];
	char *arguments[] = {"chaos", "after", text, NULL};

	snprintf(text, sizeof(text), "%u", number);
	execv("/proc/self/exe", arguments);
	fail("exec");
}

static void beyond_a_file(void)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/empty", folder);
	fd = open(path, O_RDONLY);
	*(volatile char *)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
}

static void use_up_memory(void)
{
	char *memory = mmap(NULL, 4 * OOM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; memory != MAP_FAILED && i < 4 * OOM_BYTES; i += 4096)
		memory[i] = 1;
	fail("there is more memory than the group may have");
}

static void end(void)
{
	switch (life->kind) {
	case KILL:
		kill(getpid(), SIGKILL);
		break;
	case SEGV:
		*nowhere = 1;
		break;
	case ABORT:
		abort();
	case BUS:
		beyond_a_file();
		break;
	case EXIT:
		exit(0);
	case EXIT_NOW:
		_exit(3);
	case EXIT_GROUP:
		_exit(4);
	case EXEC:
	case EXEC_THREAD:
		execute();
		break;
	case OOM:
		use_up_memory();
	}
	for (;;)
		pause();
}

/* Ends of other threads than the main one, and some of those that any may cause. */
static int by_a_worker(void)
{
	return life->kind == EXIT_GROUP || life->kind == EXEC_THREAD ||
	       ((life->kind == SEGV || life->kind == ABORT || life->kind == BUS) && life->seed & 1);
}

static void burn(void)
{
	if (by_a_worker() && !life->from_outside && __atomic_sub_fetch(&life->fuse, 1, __ATOMIC_RELAXED) == 0)
		end();
}

/* ---- Workers -------------------------------------------------------------------------------- */

/* A span that is not current, and may end on another thread. */
struct loose {
	otel_span span;
	struct note *note;
};

struct worker {
	uint64_t random;
	unsigned index;
	unsigned noted;
	struct note *current; /* the innermost one that is current, or NULL */
	struct loose kept[4];
};

static struct worker workers[THREADS];
static struct loose *mailbox[4];

static void set(struct note *note, enum state state)
{
	__atomic_store_n(&note->state, (uint8_t)state, __ATOMIC_RELEASE);
}

static struct note *new_note(struct worker *w, const struct note *parent)
{
	struct note *note = &life->notes[w->index][w->noted++];

	note->parent = parent ? (uint16_t)(1 + (parent - &life->notes[0][0])) : 0;
	set(note, STARTING);
	return note;
}

static const char *name_of(const struct note *note, char text[32])
{
	unsigned at = (unsigned)(note - &life->notes[0][0]);

	snprintf(text, 32, "%u.%u.%u", number, at / NOTES, at % NOTES);
	return text;
}

static void write_to(otel_span *span, struct note *note)
{
	set(note, WRITING);
	otel_set(*span, otel_bool("written", true));
	__atomic_store_n(&note->written, 1, __ATOMIC_RELEASE);
	set(note, WRITTEN);
}

static void start_loose(struct worker *w, struct loose *it)
{
	char text[32];

	it->note = new_note(w, w->current);
	it->span = otel_start(&tracer, name_of(it->note, text), otel_int("thread", w->index));
	set(it->note, STARTED);
}

static void end_loose(struct loose *it)
{
	if (!it->note->written)
		write_to(&it->span, it->note);
	set(it->note, ENDING);
	otel_end(it->span);
	set(it->note, ENDED);
}

static void take(struct worker *w)
{
	struct loose *it = __atomic_exchange_n(&mailbox[below(&w->random, 4)], NULL, __ATOMIC_ACQ_REL);

	if (!it)
		return;
	end_loose(it);
	free(it);
}

/* What nobody takes stays open until the end of the process, also when this thread ends. */
static void hand_over(struct worker *w)
{
	struct loose *it = malloc(sizeof(*it)), *none = NULL;

	start_loose(w, it);
	if (!__atomic_compare_exchange_n(&mailbox[below(&w->random, 4)], &none, it, 0, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		free(it);
}

static void detach(struct worker *w)
{
	struct loose *it = &w->kept[below(&w->random, 4)];

	if (!it->note) {
		start_loose(w, it);
		return;
	}
	end_loose(it);
	it->note = NULL;
}

/* Of no consequence: they all fail, at different points. */
static void execute_in_vain(struct worker *w)
{
	static char large[200000];
	char path[256];
	char *arguments[] = {path, NULL, NULL};

	snprintf(path, sizeof(path), "%s/%s", folder, below(&w->random, 2) ? "garbage" : "empty");
	if (!below(&w->random, 4)) {
		snprintf(path, sizeof(path), "%s/nothing", folder);
	} else if (!below(&w->random, 4)) {
		memset(large, 'x', sizeof(large) - 1);
		snprintf(path, sizeof(path), "/proc/self/exe");
		arguments[1] = large;
	}
	execv(path, arguments);
}

static void nest(struct worker *w, unsigned depth)
{
	struct note *outer = w->current, *note = new_note(w, outer);
	char text[32];

	{
		OTEL_SPAN(span, &tracer, name_of(note, text), otel_int("thread", w->index));
		set(note, STARTED);
		w->current = note;
		burn();
		for (unsigned n = below(&w->random, 3); depth && n && w->noted < NOTES - 16; n--)
			nest(w, depth - 1);
		if (below(&w->random, 2))
			write_to(&span, note);
		if (!below(&w->random, 4))
			detach(w);
		if (!below(&w->random, 4))
			hand_over(w);
		burn();
		w->current = outer;
		set(note, ENDING);
	}
	set(note, ENDED);
}

static void *work(void *data)
{
	struct worker *w = data;
	pthread_t next;

	while (w->noted < NOTES - 24) {
		nest(w, 3);
		take(w);
		if (!below(&w->random, 32))
			execute_in_vain(w);
		if (!below(&w->random, 3))
			usleep(below(&w->random, 600));
		/* This thread ends, and another one goes on; what it kept is the other's now. */
		if (!below(&w->random, 12) && !pthread_create(&next, NULL, work, w)) {
			pthread_detach(next);
			return NULL;
		}
	}
	for (;;) {
		burn();
		usleep(1000);
	}
	return NULL;
}

static int live(const char *path, unsigned at)
{
	struct rlimit none = {0, 0};
	pthread_t thread;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	number = at;
	life = mmap(NULL, sizeof(*life), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    (off_t)(at * ((sizeof(*life) + 4095) / 4096 * 4096)));
	if (fd < 0 || life == MAP_FAILED)
		fail(path);
	setrlimit(RLIMIT_CORE, &none);
	life->lived = 1;
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].random = life->seed + i;
		workers[i].index = i;
		/* The kernel refuses while another thread tries to execute something. */
		while ((errno = pthread_create(&thread, NULL, work, &workers[i])))
			if (errno != EAGAIN)
				fail("thread");
	}
	if (life->from_outside || by_a_worker())
		for (;;)
			pause();
	usleep(life->after_us);
	end();
	return 0;
}

/* ---- The driver ----------------------------------------------------------------------------- */

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = fd < 0;

	if (!err && write(fd, text, strlen(text)) < 0)
		err = 1;
	if (fd >= 0)
		close(fd);
	return err;
}

static void group_path(char *path, size_t room, const char *root, pid_t owner, const char *file)
{
	snprintf(path, room, "%s/otel-bpf-chaos-%d%s", root, owner, file);
}

/* A group that may have so little memory that it is easily used up: cgroup v1 or v2. */
static const char *make_group(void)
{
	static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/memory"};
	char path[128], bytes[16];
	int v1 = access("/sys/fs/cgroup/cgroup.controllers", F_OK) != 0;

	if (!v1)
		write_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	group_path(path, sizeof(path), roots[v1], getpid(), "");
	if (mkdir(path, 0700))
		fail(path);
	snprintf(bytes, sizeof(bytes), "%u", OOM_BYTES);
	group_path(path, sizeof(path), roots[v1], getpid(), v1 ? "/memory.limit_in_bytes" : "/memory.max");
	if (write_text(path, bytes))
		fail(path);
	group_path(path, sizeof(path), roots[v1], getpid(), "/memory.swap.max");
	if (!v1)
		write_text(path, "0");
	return roots[v1];
}

/* One life, in a process of its own that waits for it. */
static void supervise(const char *path, unsigned at, struct life *it)
{
	char text[16], name[32], group[128];
	const char *root = it->kind == OOM ? make_group() : NULL;
	pid_t supervisor = getpid(), pid = fork();

	if (!pid) {
		if (root) {
			group_path(group, sizeof(group), root, supervisor, "/cgroup.procs");
			if (write_text(group, "0"))
				fail(group);
		}
		snprintf(text, sizeof(text), "%u", at);
		snprintf(name, sizeof(name), "life-%u", at);
		setenv("OTEL_SERVICE_NAME", name, 1);
		setenv("CHAOS_FOLDER", folder, 1);
		execl("/proc/self/exe", "chaos", "live", path, text, (char *)NULL);
		fail("exec");
	}
	if (it->from_outside) {
		usleep(it->after_us);
		kill(pid, it->kind == KILL ? SIGKILL : it->kind == SEGV ? SIGSEGV : it->kind == BUS ? SIGBUS : SIGABRT);
	}
	if (waitpid(pid, &it->status, 0) != pid)
		fail("wait");
	if (root) {
		group_path(group, sizeof(group), root, supervisor, "");
		rmdir(group);
	}
}

static struct life *map_lives(const char *path, unsigned lives, size_t *each)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	void *all;

	*each = (sizeof(struct life) + 4095) / 4096 * 4096;
	if (fd < 0 || ftruncate(fd, (off_t)(lives * *each)))
		fail(path);
	all = mmap(NULL, lives * *each, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (all == MAP_FAILED)
		fail(path);
	close(fd);
	return all;
}

static void make_files(void)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/empty", folder);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	snprintf(path, sizeof(path), "%s/garbage", folder);
	fd = open(path, O_WRONLY | O_CREAT, 0700);
	if (fd < 0 || write(fd, "\177garbage", 8) != 8)
		fail(path);
	close(fd);
}

static int drive(uint64_t seed, const char *only, unsigned lives)
{
	static const char *const names[] = KIND_NAMES;
	unsigned kinds[KINDS], n = 0, running = 0, longest = LIFE_US;
	char path[256], *all;
	size_t each;
	int status;

	for (unsigned i = 0; i < KINDS; i++)
		if (!strcmp(only, "all") || !strcmp(only, names[i]))
			kinds[n++] = i;
	if (!n)
		fail(only);
	if (getenv("CHAOS_SLOW"))
		longest *= (unsigned)atoi(getenv("CHAOS_SLOW"));
	make_files();
	snprintf(path, sizeof(path), "%s/truth", folder);
	all = (char *)map_lives(path, lives, &each);
	for (unsigned i = 0; i < lives; i++) {
		struct life *it = (struct life *)(void *)(all + i * each);
		int signal;

		it->seed = step(&seed);
		it->kind = kinds[i % n];
		it->after_us = below(&seed, longest);
		it->fuse = 1 + below(&seed, 500);
		signal = it->kind == SEGV || it->kind == ABORT || it->kind == BUS;
		it->from_outside = (it->kind == KILL && below(&seed, 4)) || (signal && below(&seed, 2));
		if (running == AT_A_TIME && wait(&status) > 0) {
			running--;
			if (status)
				return 1;
		}
		if (!fork()) {
			supervise(path, i, it);
			_exit(0);
		}
		running++;
	}
	while (wait(&status) > 0)
		if (status)
			return 1;
	return 0;
}

/* What is executed: says so. */
static int after(unsigned at)
{
	char text[32];

	number = at;
	snprintf(text, sizeof(text), "%u.after", at);
	OTEL_SPAN(span, &tracer, text);
	(void)span;
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	folder = getenv("CHAOS_FOLDER");
	if (argc == 6 && !strcmp(what, "drive")) {
		folder = argv[2];
		return drive(strtoull(argv[3], NULL, 10), argv[4], (unsigned)atoi(argv[5]));
	}
	if (argc == 4 && !strcmp(what, "live"))
		return live(argv[2], (unsigned)atoi(argv[3]));
	if (argc == 3 && !strcmp(what, "after"))
		return after((unsigned)atoi(argv[2]));
	return 2;
}
