/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to otel/trace.h: how the images of a process find their common anchor, and a thread
 * its state. The layout is in record.h; this is its only writer.
 *
 * All functions here are static: every translation unit has its own copy of the few it uses, so
 * that objects compiled with different versions of these headers can be linked together.
 *
 * Nothing here changes errno, allocates with malloc, or takes a lock that a signal handler could
 * wait for.
 */
#ifndef OTEL_ANCHOR_H
#define OTEL_ANCHOR_H

#include <errno.h>

#include "probe.h"
#include "types.h"

#define OTEL_COLD_ static __attribute__((noinline, cold, unused))

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Declared here under names of our own: the system's headers hide some of these in strict C11,
 * where whoever includes us may not have asked for them.
 */
struct otel_phdr_ {
	otel_u32 type, flags;
	otel_u64 offset, vaddr, paddr, filesz, memsz, align;
};
struct otel_image_ {
	otel_u64 base;
	const char *name;
	const struct otel_phdr_ *headers;
	otel_u16 count;
};
struct otel_timespec_ {
	long seconds, nanoseconds;
};
int otel_images_(int (*visit)(struct otel_image_ *, unsigned long, void *),
		 void *data) __asm__("dl_iterate_phdr");
int otel_clock_(int clock, struct otel_timespec_ *out) __asm__("clock_gettime");
void *otel_map_(void *at, unsigned long size, int protection, int flags, int fd,
		long offset) __asm__("mmap");
int otel_unmap_(void *at, unsigned long size) __asm__("munmap");
int otel_advise_(void *at, unsigned long size, int advice) __asm__("madvise");
long otel_syscall_(long number, ...) __asm__("syscall");
extern char **otel_environment_ __asm__("environ");
#ifdef __GLIBC__
/* Runs at the end of the calling thread, and keeps the image in memory until then. */
int otel_at_thread_exit_(void (*run)(void *), void *data,
			 void *image) __asm__("__cxa_thread_atexit_impl");
extern void *otel_this_image_ __asm__("__dso_handle") OTEL_HIDDEN_;
#else
/* musl never unloads an image, so a key's destructor is always there. */
int otel_key_create_(unsigned *key, void (*run)(void *)) __asm__("pthread_key_create");
int otel_key_delete_(unsigned key) __asm__("pthread_key_delete");
int otel_key_set_(unsigned key, const void *value) __asm__("pthread_setspecific");
#endif

/* What says where a thread's stack is. Weak: a static executable need not have it. */
unsigned long otel_auxiliary_(unsigned long type) __asm__("getauxval");
unsigned long otel_self_(void) __asm__("pthread_self") __attribute__((weak));
int otel_attributes_of_(unsigned long thread, void *attributes) __asm__("pthread_getattr_np") __attribute__((weak));
int otel_attributes_stack_(const void *attributes, void **stack, unsigned long *size)
	__asm__("pthread_attr_getstack") __attribute__((weak));
int otel_attributes_free_(void *attributes) __asm__("pthread_attr_destroy") __attribute__((weak));

/* This thread's state, as far as this image knows it: one pointer per image. */
extern __thread struct otel_thread *otel_bpf_thread_v1 OTEL_HIDDEN_;
__attribute__((weak)) __thread struct otel_thread *otel_bpf_thread_v1;

#ifdef __cplusplus
}
#endif

#if defined(__x86_64__)
#define OTEL_SYS_GETRANDOM_ 318
#define OTEL_SYS_GETTID_ 186
#define OTEL_SYS_GETPID_ 39
#define OTEL_SYS_SIGACTION_ 13
#define OTEL_SYS_SIGPROCMASK_ 14
#define OTEL_SYS_SIGALTSTACK_ 131
#else
#define OTEL_SYS_GETRANDOM_ 278
#define OTEL_SYS_GETTID_ 178
#define OTEL_SYS_GETPID_ 172
#define OTEL_SYS_SIGACTION_ 134
#define OTEL_SYS_SIGPROCMASK_ 135
#define OTEL_SYS_SIGALTSTACK_ 132
#endif
#define OTEL_MADV_DONTNEED_ 4
#define OTEL_MADV_WIPEONFORK_ 18

#define OTEL_BUFFERS_ 3
#define OTEL_PAGE_ 65536ul /* the largest page size of all that we run on: mappings keep apart */

OTEL_INLINE_ otel_u64 otel_thread_pointer_(void)
{
	otel_u64 pointer;

#if defined(__x86_64__)
	__asm__("{movq %%fs:0, %0|mov %0, QWORD PTR fs:0}" : "=r"(pointer));
#else
	__asm__("mrs %0, tpidr_el0" : "=r"(pointer));
#endif
	return pointer;
}

OTEL_INLINE_ otel_u64 otel_now_(void)
{
	struct otel_timespec_ now = {0, 0};

	otel_clock_(1 /* CLOCK_MONOTONIC */, &now);
	return (otel_u64)now.seconds * 1000000000u + (otel_u64)now.nanoseconds;
}

/* Reads a word of the stack that may be nobody's any more: the memory is there, but sanitizers would mind. */
OTEL_INLINE_ otel_u64 otel_peek_(otel_u64 address)
{
	typedef otel_u64 __attribute__((may_alias)) any_word;
	otel_u64 word;

#if defined(__x86_64__)
	__asm__("{movq %1, %0|mov %0, %1}" : "=r"(word) : "m"(*(const any_word *)address));
#else
	__asm__("ldr %0, %1" : "=r"(word) : "m"(*(const any_word *)address));
#endif
	return word;
}

/* Anonymous memory, or NULL. */
OTEL_COLD_ void *otel_memory_(unsigned long size)
{
	void *memory = otel_map_((void *)0, size, 3 /* read, write */,
				 0x22 /* MAP_PRIVATE | MAP_ANONYMOUS */, -1, 0);

	return memory == (void *)-1 ? (void *)0 : memory;
}

/* Memory that is all zero in a forked child. */
OTEL_COLD_ void *otel_memory_wiped_(unsigned long size)
{
	void *memory = otel_memory_(size);

	if (memory && otel_advise_(memory, size, OTEL_MADV_WIPEONFORK_)) {
		otel_unmap_(memory, size);
		memory = (void *)0;
	}
	return memory;
}

/* The anchor's address in @image, if it carries a note of this layout version. */
OTEL_COLD_ otel_u64 *otel_image_anchor_(const struct otel_image_ *image)
{
	for (unsigned i = 0; i < image->count; i++) {
		const struct otel_phdr_ *header = &image->headers[i];
		const char *at = (const char *)(image->base + header->vaddr);
		const char *end = at + header->memsz;

		if (header->type != 4 /* PT_NOTE */)
			continue;
		while (end - at >= 12) {
			const otel_u32 *note = (const otel_u32 *)at;
			const char *name = at + 12;
			const char *value = name + ((note[0] + 3) & ~3ul);
			const struct otel_image_note *ours =
				(const struct otel_image_note *)(const void *)value;

			/* mold puts notes of both alignments into one segment, with filler between. */
			if (!note[0]) {
				at += 4;
				continue;
			}
			if (note[0] == sizeof(OTEL_NOTE_NAME) && note[2] == OTEL_NOTE_TYPE &&
			    note[1] >= sizeof(*ours) && !__builtin_memcmp(name, OTEL_NOTE_NAME, note[0]) &&
			    ours->version == OTEL_FORMAT_VERSION)
				return (otel_u64 *)(otel_u64)((const char *)&ours->anchor + ours->anchor);
			at = value + ((note[1] + 3) & ~3ul);
		}
	}
	return (otel_u64 *)0;
}

struct otel_search_ {
	otel_u64 *first; /* where the first image with a note keeps the address */
	otel_u64 found;
	otel_u64 offered; /* ours, if nobody has one */
};

OTEL_COLD_ int otel_search_image_(struct otel_image_ *image, unsigned long size, void *data)
{
	struct otel_search_ *search = (struct otel_search_ *)data;
	otel_u64 *anchor = otel_image_anchor_(image);

	(void)size;
	if (!anchor)
		return 0;
	if (!search->first)
		search->first = anchor;
	search->found = __atomic_load_n(anchor, __ATOMIC_ACQUIRE);
	return search->found != 0;
}

/* Tells every image, so that one that has not used its anchor knows that there is one. */
OTEL_COLD_ int otel_publish_(struct otel_image_ *image, unsigned long size, void *data)
{
	otel_u64 *anchor = otel_image_anchor_(image);
	otel_u64 none = 0;

	(void)size;
	if (anchor)
		__atomic_compare_exchange_n(anchor, &none, ((struct otel_search_ *)data)->found, 0,
					    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
	return 0;
}

/*
 * Called for one image, only to hold the loader's lock while it looks at all of them: with glibc
 * the lock is exclusive and recursive, so that nobody else can agree on another anchor meanwhile
 * and no image can be closed. musl does not lock, but never unloads: there the exchange decides.
 */
OTEL_COLD_ int otel_agree_(struct otel_image_ *image, unsigned long size, void *data)
{
	struct otel_search_ *search = (struct otel_search_ *)data;
	otel_u64 none = 0;

	(void)image;
	(void)size;
	otel_images_(otel_search_image_, search);
	if (!search->found) {
		otel_u64 *first = search->first ? search->first : &otel_bpf_anchor_v1;

		if (__atomic_compare_exchange_n(first, &none, search->offered, 0, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE))
			none = search->offered;
		search->found = none;
		otel_images_(otel_publish_, search);
	}
	__atomic_store_n(&otel_bpf_anchor_v1, search->found, __ATOMIC_RELEASE);
	return 1;
}

/* "OTEL_..." strings of the environment, but for those that carry an exporter's credentials. */
OTEL_COLD_ void otel_copy_environment_(struct otel_anchor *anchor)
{
	otel_u32 used = 0, dropped = 0;

	for (char **entry = otel_environment_; entry && *entry; entry++) {
		const char *text = *entry;
		unsigned long size;

		if (__builtin_strncmp(text, "OTEL_", 5) || !__builtin_strncmp(text, "OTEL_EXPORTER_", 14))
			continue;
		size = __builtin_strlen(text) + 1;
		if (size > sizeof(anchor->environment) - used) {
			dropped++;
			continue;
		}
		__builtin_memcpy(anchor->environment + used, text, size);
		used += (otel_u32)size;
	}
	anchor->environment_size = used;
	anchor->environment_dropped = dropped;
	anchor->size = (otel_u32)(__builtin_offsetof(struct otel_anchor, environment)) + used;
}

OTEL_COLD_ struct otel_anchor *otel_anchor_new_(void)
{
	otel_u64 *generation = (otel_u64 *)otel_memory_wiped_(OTEL_PAGE_);
	struct otel_anchor *anchor;

	if (!generation)
		return (struct otel_anchor *)0;
	anchor = (struct otel_anchor *)otel_memory_(sizeof(*anchor));
	if (!anchor) {
		otel_unmap_(generation, OTEL_PAGE_);
		return anchor;
	}
	anchor->magic = OTEL_ANCHOR_MAGIC;
	anchor->version = OTEL_FORMAT_VERSION;
#ifdef __cplusplus
	anchor->language = OTEL_LANGUAGE_CPP;
#endif
	anchor->next_buffer_id = 2;
	anchor->generation = (otel_u64)generation;
	otel_copy_environment_(anchor);
	*generation = 1;
	return anchor;
}

/*
 * A forked child starts with its parent's anchor: the buffers that it holds were of before the fork.
 * Lock-free, since a signal handler may come in between. Whoever wins took its number before, so
 * every buffer that is made from now on has a higher one.
 */
OTEL_COLD_ void otel_anchor_check_fork_(struct otel_anchor *anchor)
{
	otel_u64 *generation = (otel_u64 *)anchor->generation;
	otel_u64 unknown = 0, id;

	if (__atomic_load_n(generation, __ATOMIC_ACQUIRE))
		return;
	id = __atomic_fetch_add(&anchor->next_buffer_id, 1, __ATOMIC_RELAXED);
	__atomic_compare_exchange_n(generation, &unknown, id, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Has any image of the process made an anchor? Makes none, and enters the kernel never. */
OTEL_COLD_ int otel_anchor_known_(void)
{
	static int asked; /* an image that is loaded later was not told; one that is there is */

	if (!__atomic_load_n(&otel_bpf_anchor_v1, __ATOMIC_ACQUIRE) &&
	    !__atomic_exchange_n(&asked, 1, __ATOMIC_RELAXED)) {
		struct otel_search_ search = {(otel_u64 *)0, 0, 0};

		otel_images_(otel_search_image_, &search);
		return search.found != 0;
	}
	return otel_bpf_anchor_v1 != 0;
}

/* The anchor of this process, or NULL without memory. */
OTEL_COLD_ struct otel_anchor *otel_anchor_(void)
{
	struct otel_anchor *anchor =
		(struct otel_anchor *)__atomic_load_n(&otel_bpf_anchor_v1, __ATOMIC_ACQUIRE);

	if (!anchor) {
		struct otel_search_ search = {(otel_u64 *)0, 0, 0};

		anchor = otel_anchor_new_();
		if (!anchor)
			return anchor;
		search.offered = (otel_u64)anchor;
		otel_images_(otel_agree_, &search);
		if (search.found && search.found != search.offered) {
			otel_unmap_((void *)anchor->generation, OTEL_PAGE_);
			otel_unmap_(anchor, sizeof(*anchor));
			anchor = (struct otel_anchor *)search.found;
		}
	}
	otel_anchor_check_fork_(anchor);
	return anchor;
}

OTEL_COLD_ void otel_thread_release_(void *data);

enum { OTEL_SIG_BLOCK_ = 0, OTEL_SIG_SETMASK_ = 2 }; /* of the kernel */

#define OTEL_ALL_SIGNALS_ (~0ull)
/* SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS: the kernel kills who has one of these while it is blocked. */
#define OTEL_FAULTS_ (1ull << 3 | 1ull << 4 | 1ull << 6 | 1ull << 7 | 1ull << 10 | 1ull << 30)

/* Blocks @set, too, or with SIG_SETMASK nothing else; returns what was blocked before. */
OTEL_COLD_ otel_u64 otel_block_signals_(int how, otel_u64 set)
{
	otel_u64 before = 0;

	otel_syscall_(OTEL_SYS_SIGPROCMASK_, how, &set, &before, sizeof(set));
	return before;
}

/*
 * The stack of the program's first thread ends below the random bytes that the kernel gave it, and is alone in what
 * lies below, by far.
 */
#define OTEL_FIRST_STACK_SIZE_ (64ul << 20)
OTEL_COLD_ otel_u64 otel_first_stack_(void)
{
	return otel_auxiliary_(25 /* AT_RANDOM */) - OTEL_FIRST_STACK_SIZE_;
}

/*
 * Is the frame of a signal handler that returns to @restorer on this stack, above @frame? Said with certainty of the
 * thread's own stack only, which glibc puts below what the thread pointer points to.
 */
OTEL_COLD_ int otel_perhaps_below_handler_(otel_u64 frame, otel_u64 restorer)
{
#if defined(__x86_64__)
	otel_u64 first = otel_first_stack_(), top = otel_thread_pointer_();

	if (frame - first < OTEL_FIRST_STACK_SIZE_)
		top = first + OTEL_FIRST_STACK_SIZE_;
	if (top - frame > 1ul << 20)
		return 1;
	for (otel_u64 at = frame & ~7ull; at < top; at += 8) {
		/* A set of signals that cannot be read is told from a wrong way to block them; neither is done. */
		if (!(at & 4095) && otel_syscall_(OTEL_SYS_SIGPROCMASK_, -1, at, (void *)0, 8) && errno == EFAULT)
			return 1;
		if (otel_peek_(at) == restorer)
			return 1;
	}
	return 0;
#else
	(void)frame;
	(void)restorer;
	return 1;
#endif
}

/*
 * May this be a signal handler? @blocked: the signals that were blocked; @frame: of who asks. What a handler interrupts
 * may be malloc(), so that it must not allocate, as glibc does in the calls that are not made then. Many threads that
 * are no handlers block signals, too: the kernel says where their handlers return to, if they ever had one.
 */
OTEL_COLD_ int otel_perhaps_in_handler_(otel_u64 blocked, otel_u64 frame)
{
	struct {
		otel_u64 handler, flags, restorer, mask;
	} action;
	struct {
		void *at;
		int flags;
		unsigned long size;
	} stack = {(void *)0, 0, 0};
	otel_u64 known = 0;

	if (otel_syscall_(OTEL_SYS_SIGALTSTACK_, (void *)0, &stack) || stack.flags & 1 /* SS_ONSTACK */)
		return 1;
	for (int i = 0; i < 64; i++) {
		if (!(blocked >> i & 1))
			continue;
		action.restorer = 0;
		if (otel_syscall_(OTEL_SYS_SIGACTION_, i + 1, (void *)0, &action, sizeof(action.mask)))
			return 1;
#if defined(__x86_64__)
		if (!action.restorer || action.restorer == known)
			continue;
#else
		if (action.handler <= 1 && !(action.flags & 1ull << 31 /* SA_RESETHAND */))
			continue;
#endif
		known = action.restorer;
		if (otel_perhaps_below_handler_(frame, known))
			return 1;
	}
	return 0;
}

/*
 * Sees to it that the end of this thread brings us back to otel_thread_release_(), and counts a reference
 * for that. False: it cannot be done. In what may be a signal handler it is left out: the memory waits for
 * the next thread at the same place, and the agent reads what is left in it.
 */
OTEL_COLD_ int otel_thread_watch_(struct otel_thread *thread, int in_handler)
{
#ifdef __GLIBC__
	if (in_handler)
		return 1;
	if (otel_at_thread_exit_(otel_thread_release_, thread, &otel_this_image_))
		return 0;
	thread->references++;
	return 1;
#else
	static unsigned key_and_1;
	unsigned known = __atomic_load_n(&key_and_1, __ATOMIC_ACQUIRE), key;

	(void)in_handler;
	if (!known) {
		if (otel_key_create_(&key, otel_thread_release_))
			return 0;
		if (__atomic_compare_exchange_n(&key_and_1, &known, key + 1, 0, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE))
			known = key + 1;
		else
			otel_key_delete_(key);
	}
	if (otel_key_set_(known - 1, thread))
		return 0;
	thread->references++;
	return 1;
#endif
}

OTEL_INLINE_ struct otel_scopes *otel_scopes_(struct otel_thread *thread)
{
	return (struct otel_scopes *)(void *)(thread + 1);
}

/* Nothing is current, in a thread that has begun or has ended. */
OTEL_COLD_ void otel_scopes_clear_(struct otel_thread *thread)
{
	thread->scopes = 0;
	thread->changing = 0;
	thread->current.context.state = 0;
	__builtin_memset(otel_scopes_(thread), 0, sizeof(struct otel_scopes));
}

/*
 * Where the thread's own stack is; not known if it cannot be said without a risk. The first thread of a process is not
 * on the program's first stack where another one forked, or in a coroutine.
 */
OTEL_COLD_ void otel_find_stack_(struct otel_thread *thread, int in_handler, otel_u64 frame)
{
	struct otel_scopes *scopes = otel_scopes_(thread);
	otel_u64 attributes[32]; /* more than any pthread_attr_t */
	unsigned long size = 0;
	void *stack;

	if (frame - otel_first_stack_() < OTEL_FIRST_STACK_SIZE_ ||
	    (in_handler && thread->thread_id == thread->process_id)) {
		size = OTEL_FIRST_STACK_SIZE_;
		scopes->stack = otel_first_stack_();
	} else if (otel_self_ && otel_attributes_of_ && otel_attributes_stack_ && otel_attributes_free_ &&
		   !in_handler && !otel_attributes_of_(otel_self_(), attributes)) {
		if (otel_attributes_stack_(attributes, &stack, &size))
			size = 0;
		otel_attributes_free_(attributes);
		scopes->stack = (otel_u64)stack;
	}
	scopes->stack_size = size;
}

/*
 * Makes @thread, which is at our place, ours: another image has made it ours before, or its owner ended
 * unseen, or is a thread of the process that forked this one: the one that did, and then what was current stays so.
 */
OTEL_COLD_ struct otel_thread *otel_thread_adopt_(struct otel_thread *thread)
{
	otel_u32 thread_id = (otel_u32)otel_syscall_(OTEL_SYS_GETTID_);
	otel_u32 process_id = (otel_u32)otel_syscall_(OTEL_SYS_GETPID_);
	/* Of the threads that there were at a fork, only the one that forked goes on, as the first of its process. */
	int same = thread->process_id == process_id ? thread->thread_id == thread_id : thread_id == process_id;

	if (!same) {
		thread->references = 0;
		thread->detached = 0;
		thread->nested = 0;
		otel_scopes_clear_(thread);
	}
	thread->thread_id = thread_id;
	thread->process_id = process_id;
	return thread;
}

OTEL_COLD_ struct otel_thread *otel_thread_find_(struct otel_anchor *anchor)
{
	otel_u64 pointer = otel_thread_pointer_();
	otel_u64 *head = &anchor->threads[((pointer >> 12) ^ (pointer >> 20)) % OTEL_ANCHOR_BUCKETS];
	struct otel_thread *thread, *free_one = (struct otel_thread *)0;
	otel_u64 next = __atomic_load_n(head, __ATOMIC_ACQUIRE);
	otel_u64 nobody = 0;

	for (thread = (struct otel_thread *)next; thread;
	     thread = (struct otel_thread *)thread->next) {
		otel_u64 owner = __atomic_load_n(&thread->owner, __ATOMIC_RELAXED);

		if (owner == pointer)
			return otel_thread_adopt_(thread);
		if (!owner)
			free_one = thread;
	}
	if (free_one && __atomic_compare_exchange_n(&free_one->owner, &nobody, pointer, 0,
						    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return otel_thread_adopt_(free_one);
	thread = (struct otel_thread *)otel_memory_(sizeof(*thread) + sizeof(struct otel_scopes));
	if (!thread)
		return thread;
	thread->magic = OTEL_THREAD_MAGIC;
	thread->version = OTEL_FORMAT_VERSION;
	thread->owner = pointer;
	otel_thread_adopt_(thread);
	do {
		thread->next = next;
	} while (!__atomic_compare_exchange_n(head, &next, (otel_u64)thread, 0, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
	return thread;
}

/*
 * This thread's state, made if need be; NULL without memory. No signal handler comes in between: it would
 * allocate in what may be malloc() itself.
 */
OTEL_COLD_ struct otel_thread *otel_thread_make_(void)
{
	int saved = errno;
	otel_u64 blocked = otel_block_signals_(OTEL_SIG_BLOCK_, OTEL_ALL_SIGNALS_ & ~OTEL_FAULTS_);
	otel_u64 frame = (otel_u64)__builtin_frame_address(0);
	int in_handler = otel_perhaps_in_handler_(blocked, frame);
	struct otel_anchor *anchor = otel_anchor_();
	struct otel_thread *thread = anchor ? otel_thread_find_(anchor) : (struct otel_thread *)0;

	if (thread && !otel_scopes_(thread)->stack_size)
		otel_find_stack_(thread, in_handler, frame);
	if (thread && otel_thread_watch_(thread, in_handler)) {
		otel_bpf_thread_v1 = thread;
	} else if (thread) {
		if (!thread->references)
			__atomic_store_n(&thread->owner, 0, __ATOMIC_RELEASE);
		thread = (struct otel_thread *)0;
	}
	otel_block_signals_(OTEL_SIG_SETMASK_, blocked);
	errno = saved;
	return thread;
}

OTEL_INLINE_ struct otel_thread *otel_thread_(void)
{
	struct otel_thread *thread = otel_bpf_thread_v1;

	return __builtin_expect(thread != (struct otel_thread *)0, 1) ? thread : otel_thread_make_();
}

/* (Re)makes an empty buffer: at first use, and in a forked child, where it was wiped. */
OTEL_COLD_ struct otel_buffer *otel_buffer_make_(struct otel_thread *thread, unsigned index)
{
	int saved = errno;
	struct otel_buffer *buffer = (struct otel_buffer *)thread->buffers[index];
	struct otel_anchor *anchor = otel_anchor_();

	if (!buffer) {
		buffer = (struct otel_buffer *)otel_memory_wiped_(
			OTEL_FLUSH_MAX > OTEL_PAGE_ ? OTEL_FLUSH_MAX : OTEL_PAGE_);
		thread->buffers[index] = (otel_u64)buffer;
	}
	if (buffer && anchor) {
		buffer->version = OTEL_FORMAT_VERSION;
		buffer->header_size = sizeof(*buffer);
		buffer->buffer_id = __atomic_fetch_add(&anchor->next_buffer_id, 1, __ATOMIC_RELAXED);
		buffer->anchor = (otel_u64)anchor;
		buffer->clock_id = 1;
		buffer->thread_id = (otel_u32)otel_syscall_(OTEL_SYS_GETTID_);
		if (!index) {
			thread->oldest = 0;
			thread->detached = 0;
			if (otel_syscall_(OTEL_SYS_GETRANDOM_, thread->random, sizeof(thread->random), 1) !=
			    (long)sizeof(thread->random))
				/* The kernel's pool is not ready: a machine that is booting. */
				for (unsigned i = 0; i < 4; i++)
					thread->random[i] ^= (otel_now_() + i) * 0x9e3779b97f4a7c15u;
		}
		buffer->capacity = OTEL_FLUSH_MAX - (otel_u32)sizeof(*buffer);
		__atomic_store_n(&buffer->magic, OTEL_BUFFER_MAGIC, __ATOMIC_RELEASE);
		/* Says that it is there, so that the kernel finds it if the process dies before a flush. */
		if (otel_attached_(OTEL_SEMAPHORE_FLUSH))
			otel_bpf_flush_v1(buffer, sizeof(*buffer));
	}
	errno = saved;
	return anchor ? buffer : (struct otel_buffer *)0;
}

#endif
