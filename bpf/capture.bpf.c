/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Takes what the probes of otel/trace.h hand over, from followed processes only, and keeps to the
 * descendants of those that the agent follows. One object, since all share the maps; its parts:
 *
 *     followed.bpf.h, ring.bpf.h    who is followed; the way to the agent
 *     buffers.bpf.h, walk.bpf.h     what threads hold, one by one and all of a process
 *     exceptions.bpf.h              which exceptions a thread has in flight
 *     lives.bpf.h, death.bpf.h      what happens to processes
 */
#include "vmlinux.h"

#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "buffers.bpf.h"
#include "death.bpf.h"
#include "exceptions.bpf.h"
#include "followed.bpf.h"
#include "lives.bpf.h"
#include "own_stack.bpf.h"
#include "ring.bpf.h"

char LICENSE[] SEC("license") = "GPL";

SEC("uprobe")
int capture_flush(struct pt_regs *ctx)
{
	const void *buffer = (const void *)PT_REGS_PARM1(ctx);
	__u64 size = PT_REGS_PARM2(ctx);
	struct source source = {};
	struct followed *process;
	__u64 anchor = 0;

	identify_current(&source.id);
	process = find(&source.id);
	if (!process) {
		keep_own_stack(ctx);
		return 0;
	}
	source.user = process->user;
	if (process->announced != source.id.execs + 1 || process->unannounced) {
		bpf_probe_read_user(&anchor, sizeof(anchor),
				    buffer + offsetof(struct otel_buffer, anchor));
		process->anchor = anchor;
		if (announce(anchor, &source)) {
			process->announced = source.id.execs + 1;
			process->unannounced = 0;
		}
	}
	if (exceptions_watched)
		announce_exception(buffer, &source);
	take(buffer, size, &source);
	return 0;
}
