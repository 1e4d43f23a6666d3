/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostile HOW: a process that writes whatever it likes into its buffers and hands it over, while a
 * child of it behaves. Nothing of that may hurt the agent or the child's spans.
 */
#include <otel/trace.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static otel_tracer tracer = OTEL_TRACER("hostile", "1");

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

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*play)(void);
	} hows[] = {{"garbage", garbage}, {"flipped", flipped}, {"lengths", lengths}, {"headers", headers},
		    {"wild", wild}, {"lists", lists}, {"greedy", greedy}};
	pid_t pid = fork();
	int status = 0;

	if (!pid) {
		ordinary("good", 200);
		usleep(100000);
		ordinary("good", 200);
		exit(0);
	}
	ordinary("before", 1);
	for (size_t i = 0; argc == 2 && i < sizeof(hows) / sizeof(*hows); i++)
		if (!strcmp(hows[i].name, argv[1]))
			hows[i].play();
	waitpid(pid, &status, 0);
	return status;
}
