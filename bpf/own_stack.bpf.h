/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The task's own stack for programs that may be preempted. Part of capture.bpf.c.
 */
#ifndef OTEL_BPF_OWN_STACK_H
#define OTEL_BPF_OWN_STACK_H

/* Has no program. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} nothing SEC(".maps");

/*
 * Kernels from 6.13 on give programs a stack per CPU instead of the task's. Those of uprobes may be
 * preempted, and then the next one writes over it: flushes were told of other processes, and buffers
 * read with the size of others (seen on 7.2 with preempt=full). Programs with a tail call have the
 * task's stack. To be called where it does not matter that it does nothing.
 */
static __always_inline void keep_own_stack(struct pt_regs *ctx)
{
	if (bpf_core_field_exists(struct bpf_prog_aux, priv_stack_ptr))
		bpf_tail_call(ctx, &nothing, 0);
}

#endif
