/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Buffers of threads, and anchors: copied into the ring, or counted as lost. Part of capture.bpf.c.
 */
#ifndef OTEL_BPF_BUFFERS_H
#define OTEL_BPF_BUFFERS_H

#include "followed.bpf.h"
#include "ring.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LOSS_NOTES_MAX);
	__type(key, struct loss_key);
	__type(value, struct loss_note);
} losses SEC(".maps");
volatile __u32 losses_read;    /* how often the agent has */
volatile __u32 losses_noted;   /* since then */
volatile __u32 losses_streams; /* about how many streams have */
volatile __u64 losses_unknown; /* spans lost in flushes that did not fit into `losses` */

/*
 * May the process have one more stream in `losses`? Buffer ids are claims: nobody may have more of it than is
 * left for all others, as with the ring.
 */
static __always_inline bool may_note(__u32 tgid)
{
	struct followed *process = bpf_map_lookup_elem(&followed, &tgid);

	if (!process)
		return false;
	if (process->noted_at != losses_read) {
		process->noted_at = losses_read;
		process->noted = 0;
	}
	if (process->noted + losses_streams >= LOSS_NOTES_MAX)
		return false;
	process->noted++;
	__sync_fetch_and_add(&losses_streams, 1);
	return true;
}

/* The beginning of struct otel_buffer that tells whether its owner has handed it over meanwhile. */
struct stamp {
	__u64 buffer_id; /* another one: it has ended, and the buffer is somebody else's */
	__u64 position;
	__u32 committed;
	__u32 reserved;
};
_Static_assert(__builtin_offsetof(struct otel_buffer, position) ==
		       __builtin_offsetof(struct otel_buffer, buffer_id) +
			       __builtin_offsetof(struct stamp, position),
	       "ABI");
_Static_assert(__builtin_offsetof(struct otel_buffer, committed) ==
		       __builtin_offsetof(struct otel_buffer, buffer_id) +
			       __builtin_offsetof(struct stamp, committed),
	       "ABI");

/* In this order: what is committed is at this position, or a later one, which moved() will find. */
static __always_inline bool read_stamp(const void *buffer, struct stamp *stamp)
{
	return !bpf_probe_read_user(stamp, sizeof(*stamp), buffer + offsetof(struct otel_buffer, buffer_id));
}

/* Its counts. */
struct tally {
	__u64 started;
	__u64 not_sampled;
	__u64 dropped;
	__u64 dropped_starts;
	__u64 started_before;
};
_Static_assert(__builtin_offsetof(struct otel_buffer, started_before) ==
		       __builtin_offsetof(struct otel_buffer, started) +
			       __builtin_offsetof(struct tally, started_before),
	       "ABI");
_Static_assert(__builtin_offsetof(struct otel_buffer, dropped_starts) ==
		       __builtin_offsetof(struct otel_buffer, started) +
			       __builtin_offsetof(struct tally, dropped_starts),
	       "ABI");

/*
 * Of a buffer that could not be copied, how much was in it; @reason LOSSES: it was.
 *
 * The agent takes notes away at any time, and the memory of one may be somebody else's a moment later:
 * a note is never changed where it lies, but replaced. If the agent takes the old one meanwhile, the
 * losses in it are told twice; the positions and counts, which are absolute, are right nevertheless.
 */
static __noinline int count_loss(const struct process_id *process, const struct otel_buffer *buffer,
				 __u32 reason, __u64 size)
{
	/* Not all of the header: kernels before 6.13 have 512 bytes of stack for all calls. */
	struct stamp header = {};
	struct tally tally = {};
	struct loss_note note = {}, *old;
	struct loss_key key = {};
	__u32 magic = 0;
	__u64 spans;

	if (!process || reason >= LOSSES)
		return 0;
	key.process = *process;
	/* A flush of a size that no buffer has is of no buffer. */
	if (reason != LOSS_REFUSED && read_stamp(buffer, &header) &&
	    !bpf_probe_read_user(&tally, sizeof(tally), &buffer->started) &&
	    !bpf_probe_read_user(&magic, sizeof(magic), &buffer->magic) && magic == OTEL_BUFFER_MAGIC)
		key.buffer_id = header.buffer_id;
	spans = tally.started - tally.started_before;
	if (spans > OTEL_FLUSH_MAX / sizeof(struct otel_start))
		spans = 0; /* a lie */
	old = bpf_map_lookup_elem(&losses, &key);
	if (!old && key.buffer_id && !may_note(process->pid)) {
		key.buffer_id = 0;
		old = bpf_map_lookup_elem(&losses, &key);
	}
	if (old)
		note = *old;
	/* What we have copied is its own as long as it has not gone from there. */
	if (!old || bpf_map_lookup_elem(&losses, &key) != old) {
		note = (struct loss_note){};
		note.position = header.position;
		note.started_before = tally.started_before;
	}
	/* The verifier has forgotten by now. */
	asm volatile("" : "+r"(reason));
	if (reason >= LOSSES)
		return 0;
	note.flushes[reason] += 1;
	note.bytes[reason] += size;
	note.spans[reason] += spans;
	note.end = header.position + header.committed;
	note.started = tally.started;
	note.not_sampled = tally.not_sampled;
	note.dropped_starts = tally.dropped_starts;
	if (bpf_map_update_elem(&losses, &key, &note, BPF_ANY))
		__sync_fetch_and_add(&losses_unknown, spans);
	losses_noted = 1; /* behind it: who sees this finds the note */
	return 0;
}

static __always_inline bool moved(const void *buffer, const struct stamp *before)
{
	struct stamp now = {};

	return !read_stamp(buffer, &now) || now.buffer_id != before->buffer_id ||
	       now.position != before->position;
}

/*
 * Copies @size bytes of the process's memory into an event. Straight into reserved ring space, in
 * constant size classes: kernels before 5.19 know no other way, it is the cheapest, and per-CPU
 * scratch memory is overwritten by the next task on preemptible kernels, since uprobe programs can be
 * preempted.
 */
#define COPY(class)                                                                                \
	if (size <= (class) - sizeof(*event)) {                                                    \
		reason = admit(source, (class), reserve);                                          \
		if (reason != LOSSES)                                                              \
			return reason;                                                             \
		event = bpf_ringbuf_reserve(&ring, (class), 0);                                    \
		if (!event) {                                                                      \
			refund(source, (class));                                                   \
			return LOSS_RING_FULL;                                                     \
		}                                                                                  \
		fill(event, kind, size, source);                                                   \
		asm volatile("" : "+r"(size));                                                     \
		if (size > (class) - sizeof(*event) ||                                             \
		    bpf_probe_read_user(event + 1, size, from)) {                                  \
			/* Not discarded: the reader tells who has read what. */                   \
			event->kind = EVENT_NOTHING;                                               \
			event->size = 0;                                                           \
			bpf_ringbuf_submit(event, wakeup());                                       \
			return LOSS_UNREADABLE;                                                    \
		}                                                                                  \
		if (stamp && moved(from, stamp)) {                                                 \
			event->kind = EVENT_NOTHING;                                               \
			event->size = 0;                                                           \
			bpf_ringbuf_submit(event, wakeup());                                       \
			return LOSSES;                                                             \
		}                                                                                  \
		bpf_ringbuf_submit(event, wakeup());                                               \
		return LOSSES;                                                                     \
	}

/*
 * Returns enum loss, LOSSES if nothing is lost. @stamp: of a buffer whose owner may be running, or NULL.
 * If it hands it over while we copy, what we have is a mixture, and of no use: it is in the ring already.
 */
static __always_inline __u32 copy(__u32 kind, const void *from, __u64 size,
				  const struct source *source, __u64 reserve,
				  const struct stamp *stamp)
{
	struct event *event;
	__u32 reason;

	COPY(512)
	COPY(1024)
	COPY(1536)
	COPY(2048)
	COPY(3072)
	COPY(4096)
	COPY(6144)
	COPY(8192)
	COPY(12288)
	COPY(OTEL_FLUSH_MAX + sizeof(struct event))
	return LOSS_REFUSED;
}

/* Before the first flush of a process's image: its anchor, since it may be gone in a moment. */
static __noinline int announce(__u64 anchor, const struct source *source)
{
	__u32 size = 0, reason;

	if (!source)
		return 0;
	if (bpf_probe_read_user(&size, sizeof(size),
				(const void *)anchor + offsetof(struct otel_anchor, size)) ||
	    size > sizeof(struct otel_anchor))
		return 1; /* garbage: no use in trying again */
	reason = copy(EVENT_ANCHOR, (const void *)anchor, size, source, 0, NULL);
	return reason != LOSS_RING_FULL && reason != LOSS_QUOTA;
}

/*
 * Copies a buffer of @size bytes, header included, that its owner hands over, and counts what cannot
 * be.
 */
static __noinline int take(const void *buffer, __u64 size, const struct source *source)
{
	if (!source)
		return 0;
	return count_loss(&source->id, buffer,
			  copy(EVENT_FLUSH, buffer, size, source, ring_reserve, NULL), size);
}

/*
 * The same for one that its owner may be writing to, but for the counting: returns enum loss. If it is
 * @running, it may end at any time and give the memory back, having handed over what was in it.
 */
/*
 * Not static: the verifier looks at it once, and not for each buffer of each thread in each program that walks
 * through them, which took half a second at every start.
 */
__noinline int take_walked(__u64 address, const struct stamp *stamp, const struct source *source, __u32 running)
{
	const void *buffer = (const void *)address;
	__u32 reason;

	if (!source || !stamp)
		return LOSSES;
	reason = copy(EVENT_FLUSH, buffer, sizeof(struct otel_buffer) + stamp->committed, source, ring_reserve,
		      stamp);
	return running && reason == LOSS_UNREADABLE ? LOSSES : (int)reason;
}

#endif
