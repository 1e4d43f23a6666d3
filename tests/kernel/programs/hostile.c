/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostile HOW [held]: a process that writes whatever it likes into its buffers and hands it over,
 * while a child of it behaves, and another one, if asked for, holds what has to be looked for.
 * Nothing of that may hurt the agent or the children's spans.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <otel/trace.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static otel_tracer tracer = OTEL_TRACER("hostile", "1");

static volatile uint64_t *victim; /* shared with the child */

static void ordinary(const char *name, int count)
{
	for (int i = 0; i < count; i++) {
		OTEL_SPAN(span, &tracer, name, otel_int("i", i));
		otel_event(span, "event", otel_str("key", "value"));
	}
}

static struct otel_buffer *buffer(void)
{
	return (struct otel_buffer *)otel_bpf_thread_v1->buffers[0];
}

static struct otel_anchor *anchor(void)
{
	return (struct otel_anchor *)buffer()->anchor;
}

static uint64_t some(void)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static void hand_over(const void *from, uint64_t size)
{
	otel_bpf_flush_v1((const struct otel_buffer *)from, size);
}

/* Garbage behind a header that is fine. */
static void garbage(void)
{
	struct otel_buffer *b = buffer();

	for (int round = 0; round < 500; round++) {
		otel_u32 size = (otel_u32)(some() % 2000) & ~7u;
		unsigned char *at = (unsigned char *)(b + 1);

		for (otel_u32 i = 0; i < size; i++)
			at[i] = (unsigned char)some();
		b->committed = size;
		hand_over(b, sizeof(*b) + size);
		b->position += size;
	}
	b->committed = 0;
}

/* Real records with a byte changed here and there. */
static void flipped(void)
{
	struct otel_buffer *b = buffer();

	for (int round = 0; round < 2000; round++) {
		OTEL_SPAN(outer, &tracer, "flipped");
		ordinary("flipped inside", 3);
		otel_set(outer, otel_str("text", "some text"), otel_double("number", 1.5));
		for (int i = 0; i < 3 && b->committed; i++)
			((unsigned char *)(b + 1))[some() % b->committed] = (unsigned char)some();
	}
}

static void record(otel_u32 size, unsigned kind, unsigned flags, unsigned padding)
{
	struct otel_buffer *b = buffer();
	struct otel_record *r = (struct otel_record *)(void *)(b + 1);

	memset(r, 0x55, 512);
	r->size = size;
	r->kind = (otel_u8)kind;
	r->flags = (otel_u8)flags;
	r->padding = (otel_u16)padding;
	b->committed = 512;
	hand_over(b, sizeof(*b) + 512);
	b->position += 512;
	b->committed = 0;
}

/* Lengths, kinds, flags and paddings that no record has. */
static void lengths(void)
{
	static const otel_u32 sizes[] = {0, 1, 7, 8, 15, 16, 17, 24, 504, 512, 513, 520, 4096, 0x7ffffff8, 0xfffffff8, 0xffffffff};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (unsigned kind = 0; kind < 16; kind++) {
			record(sizes[i], kind, 0, 0);
			record(sizes[i], kind, 0xff, 7);
			record(sizes[i], kind, OTEL_RECORD_MORE, 0xffff);
		}
}

/* Headers that contradict themselves. */
static void headers(void)
{
	for (int round = 0; round < 200; round++) {
		struct otel_buffer *b = buffer(), kept = *b;

		ordinary("header", 1);
		kept = *b;
		b->committed = 256;
		switch (round % 14) {
		case 0:
			b->magic = 0;
			break;
		case 1:
			b->version = 2;
			break;
		case 2:
			b->header_size = 0;
			break;
		case 3:
			b->header_size = 0xffff;
			break;
		case 4:
			b->buffer_id = 0;
			break;
		case 5:
			b->position = UINT64_MAX - 8;
			break;
		case 6:
			b->committed = 0xfffffff8;
			break;
		case 7:
			b->capacity = 0;
			break;
		case 8:
			b->anchor = some();
			break;
		case 9:
			b->clock_time = UINT64_MAX;
			break;
		case 10:
			b->clock_id = 99;
			break;
		case 11:
			b->started = UINT64_MAX;
			break;
		case 12:
			b->dropped = UINT64_MAX / 2;
			break;
		case 13:
			b->buffer_id = some();
			break;
		}
		hand_over(b, sizeof(*b) + 256);
		*b = kept;
	}
}

/* Pointers and lengths that lead nowhere. */
static void wild(void)
{
	static const uint64_t sizes[] = {0, 1, 127, 128, 136, 16383, 16384, 16385, 1u << 31, 1ull << 32, 1ull << 63, UINT64_MAX};
	static const uint64_t places[] = {0, 1, 4096, 0x7ffffffff000, 0xffff800000000000u, 0xffffffff81000000u, UINT64_MAX, UINT64_MAX - 127};

	/* Claims to have started more spans than there are in the world. */
	buffer()->started += UINT64_MAX / 2;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		for (size_t k = 0; k < sizeof(places) / sizeof(*places); k++)
			hand_over((const void *)places[k], sizes[i]);
		hand_over(buffer(), sizes[i]);
		hand_over((const char *)buffer() + 65536 - 100, sizes[i]);
	}
	buffer()->started -= UINT64_MAX / 2;
}

/* What a look from outside follows. */
static void lists(void)
{
	struct otel_thread *thread = otel_bpf_thread_v1;
	struct otel_anchor *a = anchor();

	thread->next = (otel_u64)thread;
	for (unsigned i = 0; i < OTEL_ANCHOR_BUCKETS; i++)
		a->threads[i] = i % 3 == 0 ? (otel_u64)thread : i % 3 == 1 ? some() : 0xffffffff81000000u;
	thread->buffers[1] = some();
	thread->buffers[2] = 8;
	a->size = UINT32_MAX;
	a->environment_size = UINT32_MAX;
	buffer()->committed = 16000;
	/* Some looks long. */
	usleep(1500000);
	buffer()->committed = 0;
	thread->buffers[1] = thread->buffers[2] = 0;
	for (int i = 0; i < 50; i++) {
		memset(a->environment, 'x', sizeof(a->environment));
		ordinary("list", 1);
	}
}

/* Many buffers, spans that never end, and tracers without end: memory must stay bounded. */
static void greedy(void)
{
	struct otel_buffer *b = buffer();
	otel_u64 id = b->buffer_id;

	for (int i = 0; i < 50000; i++) {
		b->buffer_id = some() | 1;
		(void)otel_start(&tracer, "never ends", otel_int("i", i));
		hand_over(b, sizeof(*b) + b->committed);
		b->committed = 0;
	}
	b->buffer_id = id;
}

/* A page that nobody ever brings: whoever reads it waits forever. */
static char *page_that_never_comes(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
	long fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	char *page = (char *)mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				  -1, 0);

	if (fd < 0 || page == MAP_FAILED || ioctl((int)fd, UFFDIO_API, &api)) {
		perror("userfaultfd");
		exit(3);
	}
	range.range.start = (uint64_t)page;
	range.range.len = 65536;
	if (ioctl((int)fd, UFFDIO_REGISTER, &range)) {
		perror("userfaultfd");
		exit(3);
	}
	return page;
}

/* Says so, and waits until somebody ends it. */
static void wait_to_be_ended(void)
{
	printf("ready\n");
	fflush(stdout);
	for (;;)
		pause();
}

static void never_anchor(void)
{
	ordinary("before the page", 1);
	buffer()->anchor = (otel_u64)page_that_never_comes();
	ordinary("with the page", 1);
	wait_to_be_ended();
}

static void never_buffer(void)
{
	ordinary("before the page", 1);
	otel_bpf_thread_v1->buffers[1] = (otel_u64)page_that_never_comes();
	wait_to_be_ended();
}

/* Hands over, and has the kernel copy, what is not there, or is a device's. */
static void devices(void)
{
	int zero = open("/dev/zero", O_RDWR), mem = open("/dev/urandom", O_RDONLY);
	char *page = page_that_never_comes();
	char *device = (char *)mmap(NULL, 65536, PROT_READ, MAP_PRIVATE, zero, 0);
	char *gone = (char *)mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)mem;
	munmap(gone, 65536);
	for (int i = 0; i < 100; i++) {
		hand_over(page, 4096);
		hand_over(device, 4096);
		hand_over(gone, 4096);
		/* The header is there, the rest is not. */
		hand_over((const char *)buffer() + 65536 - 4096, 16384);
	}
}

/* 100,000 threads in the list, each with a buffer, and the last one leads to the first. */
static void crowd(void)
{
	enum { THREADS = 100000 };
	struct otel_thread *threads = (struct otel_thread *)calloc(THREADS, sizeof(*threads));
	struct otel_anchor *a = anchor();

	if (!threads)
		exit(3);
	for (int i = 0; i < THREADS; i++) {
		threads[i] = *otel_bpf_thread_v1;
		threads[i].next = (otel_u64)&threads[(i + 1) % THREADS];
	}
	for (unsigned i = 0; i < OTEL_ANCHOR_BUCKETS; i++)
		a->threads[i] = (otel_u64)&threads[i];
	buffer()->committed = 16000;
	wait_to_be_ended();
}

static void *flip(void *unused)
{
	volatile struct otel_buffer *b = (volatile struct otel_buffer *)unused;

	for (;;) {
		uint64_t what = some();
		otel_u32 magic = b->magic, committed = b->committed;
		otel_u64 position = b->position, id = b->buffer_id;

		switch (what % 6) {
		case 0:
			b->committed = (otel_u32)what;
			break;
		case 1:
			b->position = what;
			break;
		case 2:
			b->magic = 0;
			break;
		case 3:
			b->buffer_id = what | 1;
			break;
		case 4:
			((volatile char *)(b + 1))[what % 8000] = (char)(what >> 32);
			break;
		case 5:
			b->header_size = (otel_u16)what;
			break;
		}
		b->magic = magic;
		b->committed = committed;
		b->position = position;
		b->buffer_id = id;
		b->header_size = sizeof(*b);
	}
	return NULL;
}

/* One thread changes the header while another hands the buffer over, and while it is looked at. */
static void changing(void)
{
	struct otel_buffer *b = buffer();
	pthread_t thread;

	pthread_create(&thread, NULL, flip, b);
	for (int i = 0; i < 20000; i++) {
		hand_over(b, sizeof(*b) + (some() % 8000 & ~7ull));
		if (i % 1000 == 0)
			usleep(50000);
	}
	_exit(0);
}

/* The id of a span that the child has open: only it can change that. */
static void forged(void)
{
	struct otel_buffer *b = buffer();

	while (!*victim)
		usleep(1000);
	for (int round = 0; round < 100; round++) {
		struct otel_record *r = (struct otel_record *)(void *)(b + 1);
		struct otel_end *e = (struct otel_end *)(void *)(r + 1);
		uint64_t id;

		memset(r, 0, sizeof(*r) + sizeof(*e));
		r->size = sizeof(*r) + sizeof(*e);
		r->kind = round % 2 ? OTEL_RECORD_END : OTEL_RECORD_STATUS;
		r->flags = round % 2 ? 0 : OTEL_RECORD_TIMED;
		id = *victim;
		memcpy(r->span_id, &id, sizeof(id));
		e->time = 1;
		((char *)(r + 1))[8] = 2; /* of a STATUS: Error */
		b->committed = r->size;
		hand_over(b, sizeof(*b) + r->size);
		b->position += r->size;
		b->committed = 0;
	}
	*victim = 0;
}

/* Times that cannot be, counts that jump. */
static void times(void)
{
	static const uint64_t when[] = {0,	   1, 1000, 1ull << 62, 1ull << 63, UINT64_MAX - 1,
					UINT64_MAX};
	struct otel_buffer *b = buffer();

	for (size_t i = 0; i < sizeof(when) / sizeof(*when); i++)
		for (size_t k = 0; k < sizeof(when) / sizeof(*when); k++) {
			otel_span span = otel_start(&tracer, "time", otel_time(when[k]));

			b->clock_time = when[i];
			b->started += 1ull << 40;
			b->not_sampled += 1ull << 40;
			b->dropped_starts += 1ull << 40;
			otel_end_at(span, when[i]);
			hand_over(b, sizeof(*b) + b->committed);
			b->position += b->committed;
			b->committed = 0;
		}
}

/* A million spans that never end, and some behind them that do. */
static void million(void)
{
	for (int i = 0; i < 1000000; i++)
		(void)otel_start(&tracer, "never ends", otel_int("i", i));
	ordinary("after", 50);
}

/* Stack traces that lead nowhere, of files that make no sense. */
static void stacks(void)
{
	struct otel_buffer *b = buffer();

	for (int i = 0; i < 500; i++) {
		OTEL_SPAN(span, &tracer, "stack");
		struct otel_record *r;
		uint64_t *at;

		otel_event(span, "exception", otel_str("exception.type", "Hostile"));
		r = (struct otel_record *)(void *)((char *)(b + 1) + b->committed);
		memset(r, 0, sizeof(*r));
		r->size = sizeof(*r) + 8 * 1000;
		if (b->committed + r->size > b->capacity)
			continue;
		r->kind = OTEL_RECORD_STACK;
		r->flags = OTEL_RECORD_COUNTED;
		memcpy(r->span_id, span.context.span_id, 8);
		at = (uint64_t *)(void *)(r + 1);
		for (int k = 0; k < 1000; k++)
			at[k] = k % 3 ? some() : (uint64_t)ordinary + some() % 65536;
		b->committed += r->size;
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*play)(void);
	} hows[] = {{"garbage", garbage},
		    {"flipped", flipped},
		    {"lengths", lengths},
		    {"headers", headers},
		    {"wild", wild},
		    {"lists", lists},
		    {"greedy", greedy},
		    {"never_anchor", never_anchor},
		    {"never_buffer", never_buffer},
		    {"devices", devices},
		    {"crowd", crowd},
		    {"changing", changing},
		    {"forged", forged},
		    {"times", times},
		    {"million", million},
		    {"stacks", stacks}};
	pid_t pid;
	int status = 0;

	victim = (volatile uint64_t *)mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (victim == MAP_FAILED)
		return 3;
	/* A thread that holds what only a look from outside finds. */
	if (argc == 3 && !fork()) {
		OTEL_SPAN(outer, &tracer, "stays open");

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		ordinary("held", 1);
		for (;;)
			pause();
	}
	pid = fork();
	if (!pid) {
		ordinary("good", 200);
		if (argc >= 2 && !strcmp(argv[1], "forged")) {
			OTEL_SPAN(span, &tracer, "victim");

			memcpy((void *)(uintptr_t)victim, span.context.span_id, sizeof(*victim));
			while (*victim)
				usleep(1000);
		}
		usleep(100000);
		ordinary("good", 200);
		exit(0);
	}
	ordinary("before", 1);
	for (size_t i = 0; argc >= 2 && i < sizeof(hows) / sizeof(*hows); i++)
		if (!strcmp(hows[i].name, argv[1]))
			hows[i].play();
	waitpid(pid, &status, 0);
	return status;
}
