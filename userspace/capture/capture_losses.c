/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What BPF says it lost, and what the kernel did not let it do.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <inttypes.h>
#include <stdlib.h>

#include "capture_state.h"
#include "log.h"

/* Takes the next note out of the map; false: there is none, or no memory for it. */
static bool take_loss(struct capture *capture, size_t n)
{
	struct bpf_map *map = capture->bpf->maps.losses;
	struct lost *grown, *loss;

	if (n == capture->losses_room) {
		grown = realloc(capture->losses, (n + 256) * sizeof(*grown));
		if (!grown)
			return false;
		capture->losses = grown;
		capture->losses_room = n + 256;
	}
	loss = &capture->losses[n];
	return !bpf_map__get_next_key(map, NULL, &loss->key, sizeof(loss->key)) &&
	       !bpf_map__lookup_and_delete_elem(map, &loss->key, sizeof(loss->key), &loss->note,
						sizeof(loss->note), 0);
}

bool capture_losses(struct capture *capture,
		    void (*lost)(void *self, const struct loss_key *key, const struct loss_note *note),
		    void *self)
{
	if (capture->left)
		return false;
	if (!capture->losses_count) {
		while (capture->losses_count < bpf_map__max_entries(capture->bpf->maps.losses) &&
		       take_loss(capture, capture->losses_count))
			capture->losses_count++;
		capture->losses_end = capture_written(capture);
		capture->bpf->bss->losses_read += capture->losses_count != 0;
	}
	if (!capture->losses_count)
		return false;
	/* What was handed over before is in the ring: it must be known first, or would be taken for lost. */
	if (capture_consumed(capture) < capture->losses_end)
		return true;
	for (size_t i = 0; i < capture->losses_count; i++)
		lost(self, &capture->losses[i].key, &capture->losses[i].note);
	capture->losses_count = 0;
	return true;
}

static uint64_t skipped_runs(int program)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	if (program < 0 || bpf_obj_get_info_by_fd(program, &info, &size))
		return 0;
	return info.recursion_misses;
}

static uint64_t skipped(const struct bpf_program *program)
{
	return skipped_runs(bpf_program__fd(program));
}

static void say_skipped(const struct capture_bpf *bpf)
{
	uint64_t forks = skipped(bpf->progs.on_fork);
	uint64_t execs = skipped(bpf->progs.on_exec) + skipped(bpf->progs.on_prepare_exec);
	uint64_t exits = skipped(bpf->progs.on_exit) + skipped(bpf->progs.on_exit_with_memory);

	if (forks || execs || exits)
		log_debug("the kernel skipped a program at %" PRIu64 " forks, %" PRIu64
			  " execs, %" PRIu64
			  " exits of this host; the second one was there for them",
			  forks, execs, exits);
}

void capture_faults(struct capture *capture, struct capture_faults *out)
{
	const struct capture_bpf *bpf = capture->bpf;

	*out = (struct capture_faults){
		.not_followed = capture->bpf->bss->not_followed,
		.losses_unknown = capture->bpf->bss->losses_unknown,
		.lives_lost = capture->bpf->bss->lives_lost,
	};
	out->probes_missed = skipped_runs(capture->program);
	out->forks_unseen = bpf->bss->forks_unseen;
	out->execs_unread = bpf->bss->execs_unread;
	say_skipped(bpf);
}
