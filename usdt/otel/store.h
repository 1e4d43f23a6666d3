/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to otel/trace.h: texts that contexts refer to, kept by reference count in memory that is
 * never unmapped; see struct otel_store. Lock-free, and safe in signal handlers.
 */
#ifndef OTEL_STORE_H
#define OTEL_STORE_H

#include "anchor.h"

/* With its NUL: a trace state, and the longest baggage, which W3C lets have 8192 bytes. */
#define OTEL_TEXT_SMALL_ 1008u
#define OTEL_TEXT_LARGE_ 8208u

OTEL_INLINE_ struct otel_slot *otel_slot_(const struct otel_store *store, otel_u32 slot)
{
	otel_u64 chunk = __atomic_load_n(&store->chunks[slot / OTEL_STORE_SLOTS], __ATOMIC_ACQUIRE);

	return (struct otel_slot *)(chunk + (otel_u64)(slot % OTEL_STORE_SLOTS) * store->slot_size);
}

OTEL_COLD_ struct otel_store *otel_store_(struct otel_anchor *anchor, unsigned which)
{
	otel_u64 known = __atomic_load_n(&anchor->stores[which], __ATOMIC_ACQUIRE);
	struct otel_store *store = (struct otel_store *)known;

	if (store)
		return store;
	store = (struct otel_store *)otel_memory_(sizeof(*store));
	if (!store)
		return store;
	store->slot_size = (which ? OTEL_TEXT_LARGE_ : OTEL_TEXT_SMALL_) + (otel_u32)sizeof(struct otel_slot);
	if (__atomic_compare_exchange_n(&anchor->stores[which], &known, (otel_u64)store, 0,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return store;
	otel_unmap_(store, sizeof(*store));
	return (struct otel_store *)known;
}

/* A slot that nobody has: 1 + its number, or 0. */
OTEL_COLD_ otel_u32 otel_slot_take_(struct otel_store *store)
{
	otel_u64 head = __atomic_load_n(&store->free, __ATOMIC_ACQUIRE), next;
	otel_u64 none = 0;
	otel_u32 made;

	while ((otel_u32)head) {
		/* Slots stay mapped, so a stale one is only a lost race: the count in head tells. */
		next = __atomic_load_n(&otel_slot_(store, (otel_u32)head - 1)->next_free, __ATOMIC_RELAXED);
		next += (head >> 32 << 32) + (1ull << 32);
		if (__atomic_compare_exchange_n(&store->free, &head, next, 0, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE))
			return (otel_u32)head;
	}
	made = __atomic_load_n(&store->made, __ATOMIC_RELAXED);
	do {
		if (made == OTEL_STORE_CHUNKS * OTEL_STORE_SLOTS)
			return 0;
		if (!__atomic_load_n(&store->chunks[made / OTEL_STORE_SLOTS], __ATOMIC_ACQUIRE)) {
			unsigned long size = (unsigned long)store->slot_size * OTEL_STORE_SLOTS;
			void *chunk = otel_memory_(size);

			none = 0;
			if (!chunk)
				return 0;
			if (!__atomic_compare_exchange_n(&store->chunks[made / OTEL_STORE_SLOTS], &none,
							 (otel_u64)chunk, 0, __ATOMIC_ACQ_REL,
							 __ATOMIC_ACQUIRE))
				otel_unmap_(chunk, size);
		}
	} while (!__atomic_compare_exchange_n(&store->made, &made, made + 1, 0, __ATOMIC_ACQ_REL,
					      __ATOMIC_RELAXED));
	return made + 1;
}

/* Keeps a copy of @text and returns its handle, with one reference; 0 if it is empty or has no room. */
OTEL_COLD_ otel_u64 otel_text_new_(const char *text, otel_u64 size)
{
	unsigned which = size > OTEL_TEXT_SMALL_ - 1;
	struct otel_anchor *anchor;
	struct otel_store *store;
	struct otel_slot *slot;
	otel_u32 number;
	otel_u64 generation;
	int saved = errno;

	if (!size || size > OTEL_TEXT_LARGE_ - 1)
		return 0;
	anchor = otel_anchor_();
	store = anchor ? otel_store_(anchor, which) : (struct otel_store *)0;
	number = store ? otel_slot_take_(store) : 0;
	errno = saved;
	if (!number)
		return 0;
	slot = otel_slot_(store, number - 1);
	__builtin_memcpy(slot + 1, text, size);
	((char *)(slot + 1))[size] = 0;
	slot->size = (otel_u32)size;
	generation = __atomic_load_n(&slot->state, __ATOMIC_RELAXED) >> 32;
	__atomic_store_n(&slot->state, generation << 32 | 1, __ATOMIC_RELEASE);
	return generation << 32 | (otel_u64)number << 1 | which;
}

/*
 * Most trace states that are made here say only with which threshold a root was sampled. They need no
 * slot, and no memory that all threads write to: the handle is the threshold.
 */
OTEL_INLINE_ otel_u64 otel_threshold_handle_(otel_u32 threshold)
{
	return (otel_u64)threshold << 32;
}

OTEL_INLINE_ int otel_is_threshold_(otel_u64 handle)
{
	return handle && !(otel_u32)handle;
}

#define OTEL_THRESHOLD_ROOM_ 16u

/* Writes "ot=th:" and the threshold's digits without the zeros at their end; returns the size. */
OTEL_COLD_ otel_u32 otel_threshold_text_(otel_u64 handle, char *to)
{
	otel_u32 threshold = (otel_u32)(handle >> 32) & 0xffff, size = 6;

	__builtin_memcpy(to, "ot=th:", 6);
	do {
		to[size++] = "0123456789abcdef"[threshold >> 12];
		threshold = threshold << 4 & 0xffff;
	} while (threshold);
	to[size] = 0;
	return size;
}

/* The slot of @handle, or NULL for what is none; its generation is still to be compared. */
OTEL_COLD_ struct otel_slot *otel_text_slot_(otel_u64 handle, struct otel_store **out)
{
	struct otel_anchor *anchor =
		(struct otel_anchor *)__atomic_load_n(&otel_bpf_anchor_v1, __ATOMIC_ACQUIRE);
	struct otel_store *store;
	otel_u32 number = (otel_u32)handle >> 1;

	if (!handle || !anchor)
		return (struct otel_slot *)0;
	store = (struct otel_store *)__atomic_load_n(&anchor->stores[handle & 1], __ATOMIC_ACQUIRE);
	if (!store || !number || number > __atomic_load_n(&store->made, __ATOMIC_ACQUIRE))
		return (struct otel_slot *)0;
	*out = store;
	return otel_slot_(store, number - 1);
}

/* Takes one more reference. Returns @handle, or 0 if there is no such text any more. */
OTEL_COLD_ otel_u64 otel_text_ref_(otel_u64 handle)
{
	struct otel_store *store;
	struct otel_slot *slot = otel_text_slot_(handle, &store);
	otel_u64 state = slot ? __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) : 0;

	if (otel_is_threshold_(handle))
		return handle;
	do {
		if (!slot || state >> 32 != handle >> 32 || !(otel_u32)state)
			return 0;
	} while (!__atomic_compare_exchange_n(&slot->state, &state, state + 1, 0, __ATOMIC_ACQ_REL,
					      __ATOMIC_ACQUIRE));
	return handle;
}

/* Gives one reference back; with the last one the text is gone. */
OTEL_COLD_ void otel_text_unref_(otel_u64 handle)
{
	struct otel_store *store;
	struct otel_slot *slot = otel_text_slot_(handle, &store);
	otel_u64 state = slot ? __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) : 0, next, head;

	do {
		if (!slot || state >> 32 != handle >> 32 || !(otel_u32)state)
			return;
		next = (otel_u32)state == 1 ? ((state >> 32) + 1) << 32 : state - 1;
	} while (!__atomic_compare_exchange_n(&slot->state, &state, next, 0, __ATOMIC_ACQ_REL,
					      __ATOMIC_ACQUIRE));
	if ((otel_u32)next)
		return;
	head = __atomic_load_n(&store->free, __ATOMIC_ACQUIRE);
	do {
		__atomic_store_n(&slot->next_free, (otel_u32)head, __ATOMIC_RELAXED);
		next = (head >> 32 << 32) + (1ull << 32) + ((otel_u32)handle >> 1);
	} while (!__atomic_compare_exchange_n(&store->free, &head, next, 0, __ATOMIC_ACQ_REL,
					      __ATOMIC_ACQUIRE));
}

/*
 * Where the text of @handle is, which must stay referred to meanwhile; a short one may be written to
 * @scratch. Returns its size; 0 if it is gone.
 */
OTEL_COLD_ otel_u32 otel_text_at_(otel_u64 handle, char scratch[OTEL_THRESHOLD_ROOM_], const char **out)
{
	struct otel_store *store;
	struct otel_slot *slot;

	*out = scratch;
	if (otel_is_threshold_(handle))
		return otel_threshold_text_(handle, scratch);
	slot = otel_text_slot_(handle, &store);
	if (!slot || __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) >> 32 != handle >> 32)
		return 0;
	*out = (const char *)(slot + 1);
	return slot->size;
}

/* Copies the text to @to, cut at @room, with NUL. Returns its size; 0 if it is gone. */
OTEL_COLD_ otel_u32 otel_text_copy_(otel_u64 handle, char *to, otel_u32 room)
{
	char scratch[OTEL_THRESHOLD_ROOM_];
	const char *text;
	otel_u32 size;

	to[0] = 0;
	/* Holds it meanwhile: what is read must not change. */
	if (!otel_text_ref_(handle))
		return 0;
	size = otel_text_at_(handle, scratch, &text);
	if (size > room - 1)
		size = room - 1;
	__builtin_memcpy(to, text, size);
	to[size] = 0;
	otel_text_unref_(handle);
	return size;
}

#endif
