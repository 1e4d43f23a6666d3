/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to otel/trace.h: appends records to the calling thread's buffer and hands buffers over.
 *
 * An operation is begun, one or more records are written, and it is finished. A signal handler that
 * interrupts it finds `nested` set and writes to another buffer, as another thread would.
 */
#ifndef OTEL_WRITE_H
#define OTEL_WRITE_H

#include "anchor.h"

#define OTEL_ROOM_ 512u /* a record begins with this much room: fixed parts need no checks */
#define OTEL_COLLECT_NS_ 100000000u /* no operation leaves an older record in the buffer */

/* Hot: they are called from branches that are taken seldom, which is no reason to make them small. */
#define OTEL_WARM_ static __attribute__((noinline, hot, unused))

/* Keeps the compiler from moving memory accesses over it: a signal handler sees them in order. */
#define OTEL_ORDER_() __asm__ volatile("" ::: "memory")

/* One operation that is being written. */
struct otel_writer_ {
	struct otel_thread *thread;
	struct otel_buffer *buffer;
	struct otel_record *record; /* being written */
	otel_u8 *at, *end;	    /* where its payload goes on, and the end of its room */
};

/* ---- Flush ------------------------------------------------------------------------------------ */

OTEL_WARM_ void otel_flush_(struct otel_thread *thread, struct otel_buffer *buffer,
			    enum otel_flush_reason reason, otel_u64 now)
{
	otel_u32 size = buffer->committed;
	int last = reason == OTEL_FLUSH_FULL ||
		   (reason == OTEL_FLUSH_EXIT && thread->references == 1);

	/*
	 * Other images may have an agent: what they wrote stays for them. What cannot stay goes all the
	 * same: an agent that ends switches recording off, and then takes what was recorded.
	 */
	if (!(otel_attached_(OTEL_SEMAPHORE_FLUSH) || last) || !buffer->capacity)
		return;
	/* At the end also without a record: the counts shall arrive. */
	if (!size && reason != OTEL_FLUSH_EXIT)
		return;
	buffer->clock_time = now ? now : otel_now_();
	buffer->reason = reason;
	OTEL_ORDER_();
	otel_bpf_flush_v1(buffer, sizeof(*buffer) + size);
	OTEL_ORDER_();
	buffer->started_before = buffer->started;
	__atomic_store_n(&buffer->committed, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&buffer->position, buffer->position + size, __ATOMIC_RELEASE);
	if ((otel_u64)buffer == thread->buffers[0])
		thread->oldest = 0;
}

/*
 * What signal handlers have left. They could use none of these buffers while one of them is handed over, for
 * each is used by those that interrupt the one before: so none comes, but for faults, whose handlers find no
 * buffer, and what they start is counted.
 */
OTEL_COLD_ void otel_flush_handlers_(struct otel_thread *thread, enum otel_flush_reason reason, otel_u64 now)
{
	otel_u64 blocked = otel_block_signals_(OTEL_SIG_BLOCK_, OTEL_ALL_SIGNALS_ & ~OTEL_FAULTS_);
	otel_u16 level = thread->nested;

	thread->nested = OTEL_BUFFERS_;
	OTEL_ORDER_();
	for (unsigned i = 1; i < OTEL_BUFFERS_ && thread->buffers[i]; i++)
		otel_flush_(thread, (struct otel_buffer *)thread->buffers[i], reason, now);
	OTEL_ORDER_();
	thread->nested = level;
	otel_block_signals_(OTEL_SIG_SETMASK_, blocked);
}

OTEL_INLINE_ int otel_holds_(otel_u64 buffer)
{
	return buffer && ((const struct otel_buffer *)buffer)->committed;
}

/* Everything that this thread holds. */
OTEL_WARM_ void otel_flush_all_(struct otel_thread *thread, enum otel_flush_reason reason, otel_u64 now)
{
	otel_u16 level = thread->nested;
	int saved = errno;

	if (thread->buffers[0]) {
		/* A signal handler that comes now writes to the next one. */
		thread->nested = 1;
		OTEL_ORDER_();
		otel_flush_(thread, (struct otel_buffer *)thread->buffers[0], reason, now);
		OTEL_ORDER_();
		thread->nested = level;
	}
	if (__builtin_expect(otel_holds_(thread->buffers[1]) || otel_holds_(thread->buffers[2]) ||
				     (reason == OTEL_FLUSH_EXIT && thread->buffers[1]), 0))
		otel_flush_handlers_(thread, reason, now);
	errno = saved;
}

/* The end of the thread, as this image sees it; the last image gives the memory back. */
OTEL_COLD_ void otel_thread_release_(void *data)
{
	struct otel_thread *thread = (struct otel_thread *)data;
	int saved = errno;
	/* A signal handler would write to what is thrown away here. */
	otel_u64 blocked = otel_block_signals_(OTEL_SIG_BLOCK_, OTEL_ALL_SIGNALS_);

	otel_bpf_thread_v1 = (struct otel_thread *)0;
	otel_flush_all_(thread, OTEL_FLUSH_EXIT, 0);
	if (--thread->references == 0) {
		for (unsigned i = 0; i < OTEL_BUFFERS_; i++)
			if (thread->buffers[i])
				otel_advise_((void *)thread->buffers[i], OTEL_FLUSH_MAX, OTEL_MADV_DONTNEED_);
		thread->nested = 0;
		otel_scopes_clear_(thread);
		__atomic_store_n(&thread->owner, 0, __ATOMIC_RELEASE);
	}
	otel_block_signals_(OTEL_SIG_SETMASK_, blocked);
	errno = saved;
}

/* One more, in one instruction: else what a signal handler adds in between would be lost. */
OTEL_INLINE_ void otel_count_(otel_u64 *count)
{
#if defined(__x86_64__)
	__asm__("{incq %0|inc %0}" : "+m"(*count) : : "cc");
#else
	__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
#endif
}

/* ---- Operations -------------------------------------------------------------------------------- */

/*
 * Begins an operation of @thread; otel_finish_() must follow. False: nothing can be written (there
 * is no memory, or signal handlers interrupted operations of each other too deep).
 */
OTEL_INLINE_ int otel_begin_(struct otel_writer_ *w, struct otel_thread *thread)
{
	unsigned level = thread->nested;
	struct otel_buffer *buffer = (struct otel_buffer *)0;

	thread->nested = (otel_u16)(level + 1);
	OTEL_ORDER_();
	w->thread = thread;
	if (__builtin_expect(level < OTEL_BUFFERS_, 1)) {
		buffer = (struct otel_buffer *)thread->buffers[level];
		if (__builtin_expect(!buffer || !buffer->capacity, 0))
			buffer = otel_buffer_make_(thread, level);
	}
	w->buffer = buffer;
	if (__builtin_expect(buffer != (struct otel_buffer *)0, 1))
		return 1;
	buffer = (struct otel_buffer *)thread->buffers[0];
	if (buffer)
		otel_count_(&buffer->dropped);
	thread->nested = (otel_u16)level;
	return 0;
}

OTEL_INLINE_ void otel_finish_(struct otel_writer_ *w)
{
	OTEL_ORDER_();
	w->thread->nested--;
}

/* Is the interrupted operation of this thread in the midst of something? Then we are in a signal. */
OTEL_INLINE_ int otel_in_signal_(const struct otel_writer_ *w)
{
	return w->thread->nested > 1;
}

/*
 * Opens a record. How long its payload will be need not be known: what does not fit any more goes on
 * in another record. There is room for OTEL_ROOM_ bytes at least without that.
 * @now: the clock, if the caller has it, else 0.
 */
OTEL_INLINE_ void otel_record_open_(struct otel_writer_ *w, enum otel_record_kind kind,
				    unsigned flags, const otel_u8 *span_id, otel_u64 now)
{
	struct otel_buffer *buffer = w->buffer;

	if (__builtin_expect(buffer->capacity - buffer->committed <
				     OTEL_ROOM_ + sizeof(struct otel_record), 0))
		otel_flush_(w->thread, buffer, OTEL_FLUSH_FULL, now);
	w->record = (struct otel_record *)(void *)((char *)(buffer + 1) + buffer->committed);
	w->at = (otel_u8 *)(w->record + 1);
	w->end = (otel_u8 *)(buffer + 1) + buffer->capacity;
	w->record->kind = (otel_u8)kind;
	w->record->flags = (otel_u8)flags;
	__builtin_memcpy(w->record->span_id, span_id, 8);
}

/* Makes what was put into the record visible to readers. */
OTEL_INLINE_ void otel_record_commit_(struct otel_writer_ *w)
{
	struct otel_buffer *buffer = w->buffer;
	otel_u32 used = (otel_u32)(w->at - (otel_u8 *)w->record);
	otel_u32 size = (used + 7) & ~7u;

	w->record->size = size;
	w->record->padding = (otel_u16)(size - used);
	__atomic_store_n(&buffer->committed, buffer->committed + size, __ATOMIC_RELEASE);
}

/* The record is full and its payload is not at its end: goes on in another one. */
OTEL_COLD_ void otel_put_pieces_(struct otel_writer_ *w, const otel_u8 *data, otel_u64 size)
{
	for (;;) {
		otel_u64 room = (otel_u64)(w->end - w->at);
		otel_u64 part = size < room ? size : room;
		struct otel_record header;

		__builtin_memcpy(w->at, data, part);
		w->at += part;
		data += part;
		size -= part;
		if (!size)
			return;
		w->record->flags |= OTEL_RECORD_MORE;
		header = *w->record;
		otel_record_commit_(w);
		otel_flush_(w->thread, w->buffer, OTEL_FLUSH_FULL, 0);
		otel_record_open_(w, (enum otel_record_kind)header.kind,
				  (header.flags & ~(unsigned)OTEL_RECORD_MORE) | OTEL_RECORD_CONTINUED,
				  header.span_id, 0);
	}
}

/* Small copies without a call: most keys and values are shorter than a call takes. */
OTEL_INLINE_ void otel_copy_(otel_u8 *to, const otel_u8 *from, otel_u64 size)
{
	/* Compilers that see a literal here warn about the branches that it does not take. */
	__asm__("" : "+r"(from));
	if (size >= 8 && size <= 32) {
		otel_u64 a, b, c, d;

		__builtin_memcpy(&a, from, 8);
		__builtin_memcpy(&b, from + size - 8, 8);
		if (size > 16) {
			__builtin_memcpy(&c, from + 8, 8);
			__builtin_memcpy(&d, from + size - 16, 8);
			__builtin_memcpy(to + 8, &c, 8);
			__builtin_memcpy(to + size - 16, &d, 8);
		}
		__builtin_memcpy(to, &a, 8);
		__builtin_memcpy(to + size - 8, &b, 8);
	} else if (size > 32) {
		__builtin_memcpy(to, from, size);
	} else if (size >= 4) {
		otel_u32 a, b;

		__builtin_memcpy(&a, from, 4);
		__builtin_memcpy(&b, from + size - 4, 4);
		__builtin_memcpy(to, &a, 4);
		__builtin_memcpy(to + size - 4, &b, 4);
	} else if (size) {
		otel_u8 a = from[0], b = from[size / 2], c = from[size - 1];

		to[0] = a;
		to[size / 2] = b;
		to[size - 1] = c;
	}
}

OTEL_INLINE_ void otel_put_(struct otel_writer_ *w, const void *data, otel_u64 size)
{
	if (__builtin_expect(size > (otel_u64)(w->end - w->at), 0)) {
		otel_put_pieces_(w, (const otel_u8 *)data, size);
		return;
	}
	otel_copy_(w->at, (const otel_u8 *)data, size);
	w->at += size;
}

/* ---- Protobuf ----------------------------------------------------------------------------------- */

OTEL_INLINE_ otel_u32 otel_varint_size_(otel_u64 value)
{
	/* Bits, at least 1, divided by 7 and rounded up: (bits * 9 + 64) / 64 is the same to 64. */
	unsigned bits = 64u - (unsigned)__builtin_clzll(value | 1);

	return (bits * 9 + 64) / 64;
}

OTEL_WARM_ void otel_put_varint_(struct otel_writer_ *w, otel_u64 value)
{
	otel_u8 byte;

	for (; value >= 0x80; value >>= 7) {
		byte = (otel_u8)(value | 0x80);
		otel_put_(w, &byte, 1);
	}
	byte = (otel_u8)value;
	otel_put_(w, &byte, 1);
}

/* Tag and length of a field of wire type 2 with a number below 16. */
OTEL_INLINE_ void otel_put_head_(struct otel_writer_ *w, otel_u8 number, otel_u64 size)
{
	if (__builtin_expect(size < 0x80 && w->end - w->at >= 2, 1)) {
		w->at[0] = (otel_u8)(number << 3 | 2);
		w->at[1] = (otel_u8)size;
		w->at += 2;
		return;
	}
	otel_put_varint_(w, (otel_u64)number << 3 | 2);
	otel_put_varint_(w, size);
}

OTEL_INLINE_ otel_u64 otel_field_size_(otel_u64 size)
{
	return 1 + otel_varint_size_(size) + size;
}

/* ---- Ids ---------------------------------------------------------------------------------------- */

/*
 * The next of the numbers that count how often @thread asked. In one instruction, so that a signal handler that
 * comes in between has another one.
 */
OTEL_INLINE_ otel_u64 otel_ticket_(struct otel_thread *thread)
{
	otel_u64 step = 0x9e3779b97f4a7c15u;

#if defined(__x86_64__)
	__asm__("{xaddq %0, %1|xadd %1, %0}" : "+r"(step), "+m"(thread->random[0]) : : "cc");
	return step;
#else
	return __atomic_fetch_add(&thread->random[0], step, __ATOMIC_RELAXED);
#endif
}

__extension__ typedef unsigned __int128 otel_u128_;

/*
 * Random numbers: a counter, multiplied with itself under two keys that only this thread has, both halves of the
 * product. No two threads share a sequence. The keys are used in two ways: in one, each number would come twice, of
 * two counts that exchange the factors.
 */
OTEL_INLINE_ otel_u64 otel_random_(struct otel_thread *thread)
{
	const otel_u64 *key = thread->random + 1;
	otel_u64 ticket = otel_ticket_(thread);
	otel_u128_ product = (otel_u128_)(ticket ^ key[0]) * (ticket + key[1]);

	return (otel_u64)product ^ (otel_u64)(product >> 64);
}

/* An id: a number that is not 0. */
OTEL_INLINE_ otel_u64 otel_random_id_(struct otel_thread *thread)
{
	otel_u64 id;

	do {
		id = otel_random_(thread);
	} while (__builtin_expect(!id, 0));
	return id;
}

/* The same in an operation. In a signal handler that interrupts one there may be no keys yet. */
OTEL_INLINE_ otel_u64 otel_id_(struct otel_writer_ *w)
{
	otel_u64 id;
	int saved;

	if (__builtin_expect(!otel_in_signal_(w), 1))
		return otel_random_id_(w->thread);
	saved = errno;
	do {
		id = otel_now_() * 0x9e3779b97f4a7c15u;
		otel_syscall_(OTEL_SYS_GETRANDOM_, &id, sizeof(id), 1);
	} while (!id);
	errno = saved;
	return id;
}

#endif
