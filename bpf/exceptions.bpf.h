/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Which C++ exceptions a thread has in flight. A destructor that runs because one passes cannot see
 * it: trace.hpp hands over at once what it wrote then (OTEL_FLUSH_UNWOUND), and what is in flight
 * at that moment is known here, by the probes of libstdc++ (throw, rethrow, catch). Part of
 * capture.bpf.c.
 *
 * At a throw only two addresses are kept; nothing reaches the ring unless a span is left.
 */
#ifndef OTEL_BPF_EXCEPTIONS_H
#define OTEL_BPF_EXCEPTIONS_H

#include "followed.bpf.h"
#include "own_stack.bpf.h"
#include "ring.bpf.h"

/* One inside the other: thrown in a destructor that runs because the one before passes. */
#define IN_FLIGHT_MAX 8

struct exception {
	__u64 object;
	__u64 type; /* address of its std::type_info */
};

struct in_flight {
	__u32 count; /* may be larger than what there is room for */
	__u32 reserved;
	struct exception exceptions[IN_FLIGHT_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct in_flight);
} in_flight SEC(".maps");

/* Set by the agent once it has attached to an libstdc++: flushes need not look before. */
volatile __u32 exceptions_watched;

/* An operand of a probe, as struct exception_operand has it. */
static __always_inline __u64 operand(struct pt_regs *ctx, __u64 cookie, unsigned shift)
{
	__u32 from = (__u32)(cookie >> shift);
	__u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value),
			      (const void *)ctx + (from & EXCEPTION_REGISTER));
	if (from & EXCEPTION_MEMORY) {
		const void *at = (const void *)value + (__s16)(from >> EXCEPTION_DISPLACEMENT);

		value = 0;
		bpf_probe_read_user(&value, sizeof(value), at);
	}
	return value;
}

static __always_inline void thrown(struct in_flight *it, __u64 object, __u64 type)
{
	__u32 n = it->count;

	/* Memory that is used again: that exception was caught where nobody saw it, and all above.
	 */
	for (__u32 i = 0; i < IN_FLIGHT_MAX; i++)
		if (i < n && it->exceptions[i].object == object)
			n = i;
	if (n < IN_FLIGHT_MAX) {
		it->exceptions[n].object = object;
		it->exceptions[n].type = type;
	}
	it->count = n + 1;
}

/* By the type: what a handler is given may be a part of the object. */
static __always_inline void caught(struct in_flight *it, __u64 type)
{
	__u32 n = it->count;

	if (n > IN_FLIGHT_MAX) {
		it->count = n - 1;
		return;
	}
	for (__u32 i = 0; i < IN_FLIGHT_MAX; i++)
		if (i < n && it->exceptions[i].type == type)
			it->count = i;
}

SEC("uprobe")
int capture_exception(struct pt_regs *ctx)
{
	struct process_id id = {};
	struct in_flight *it;
	__u64 cookie, type;

	identify_current(&id);
	if (!find(&id)) {
		keep_own_stack(ctx);
		return 0;
	}
	cookie = bpf_get_attach_cookie(ctx);
	type = operand(ctx, cookie, EXCEPTION_TYPE);
	if (cookie & EXCEPTION_CAUGHT) {
		it = bpf_task_storage_get(&in_flight, bpf_get_current_task_btf(), 0, 0);
		if (it)
			caught(it, type);
		return 0;
	}
	it = bpf_task_storage_get(&in_flight, bpf_get_current_task_btf(), 0,
				  BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (it)
		thrown(it, operand(ctx, cookie, EXCEPTION_OBJECT), type);
	return 0;
}

/* Before such a flush: the type of the exception that is in flight, if there is no doubt. */
static __noinline int announce_exception(const void *buffer, const struct source *source)
{
	struct event_exception *exception;
	struct otel_buffer header;
	struct in_flight *it;
	struct event *event;
	long size;
	__u32 n;

	if (!source)
		return 0;
	it = bpf_task_storage_get(&in_flight, bpf_get_current_task_btf(), 0, 0);
	if (!it || !it->count)
		return 0;
	if (bpf_probe_read_user(&header, sizeof(header), buffer) ||
	    header.reason != OTEL_FLUSH_UNWOUND)
		return 0;
	n = it->count;
	/* Not all were caught where we saw it: from here on we know again. */
	if (n > header.uncaught)
		it->count = 0;
	/* Or not all were seen: std::rethrow_exception() tells nobody. */
	if (n != header.uncaught || n > IN_FLIGHT_MAX)
		return 0;
	event = reserve_life(source, sizeof(*event) + sizeof(*exception));
	if (!event)
		return 0;
	exception = (struct event_exception *)(event + 1);
	exception->buffer_id = header.buffer_id;
	exception->position = header.position;
	exception->type = it->exceptions[(n - 1) % IN_FLIGHT_MAX].type;
	exception->name = 0;
	/* Behind the pointer to its virtual functions. Pages may not be there: then the agent
	 * looks. */
	bpf_probe_read_user(&exception->name, sizeof(exception->name),
			    (const void *)exception->type + 8);
	size = bpf_probe_read_user_str(exception->text, sizeof(exception->text),
				       (const void *)exception->name);
	exception->size = size > 1 && size < (long)sizeof(exception->text) ? (__u32)size - 1 : 0;
	fill(event, EVENT_EXCEPTION, sizeof(*exception), source);
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}

#endif
