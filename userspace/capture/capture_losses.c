/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What BPF says it lost, and what the kernel did not let it do.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>

#include "capture_state.h"
#include "log.h"

#define PIN_NAME "losses"

int capture_losses_open(struct capture *capture)
{
	struct losses *losses = &capture->losses;
	void *taken;
	int err = 0;

	if (capture->pin)
		err = pin_memory(capture->pin, PIN_NAME, sizeof(*losses->taken), &taken);
	else
		taken = mmap(NULL, sizeof(*losses->taken), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!err && taken == MAP_FAILED)
		err = -errno;
	if (err)
		return err;
	losses->taken = taken;
	losses->n = LOSS_NOTES_MAX;
	while (losses->n && !losses->taken->keys[losses->n - 1].process.pid)
		losses->n--;
	losses->end = capture_written(capture);
	return 0;
}

void capture_losses_close(struct capture *capture)
{
	if (capture->losses.taken)
		munmap(capture->losses.taken, sizeof(*capture->losses.taken));
}

/*
 * Takes all notes out of the map, each stream's once: one that loses all the time has a new note as
 * soon as its last one is taken, and a place for as many as a process may have until we come again.
 */
static void take_notes(struct capture *capture)
{
	struct losses *losses = &capture->losses;
	int fd = bpf_map__fd(capture->bpf->maps.losses), err = 0;
	uint32_t bucket, *after = NULL, taken;

	capture->bpf->bss->losses_noted = 0;
	__sync_synchronize();
	capture->bpf->bss->losses_read++;
	capture->bpf->bss->losses_streams = 0;
	while (!err && losses->n < LOSS_NOTES_MAX) {
		taken = (uint32_t)(LOSS_NOTES_MAX - losses->n);
		err = bpf_map_lookup_and_delete_batch(fd, after, &bucket, losses->taken->keys + losses->n,
						      losses->taken->notes + losses->n, &taken, NULL);
		if (!err || err == -ENOENT)
			losses->n += taken;
		after = &bucket;
	}
	/* What does not fit stays there. */
	if (err != -ENOENT)
		capture->bpf->bss->losses_noted = 1;
}

bool capture_noted_losses(const struct capture *capture)
{
	return capture->losses.n || capture->bpf->bss->losses_noted;
}

bool capture_losses(struct capture *capture,
		    void (*lost)(void *self, const struct loss_key *key, const struct loss_note *note),
		    void *self)
{
	struct losses *losses = &capture->losses;

	if (capture->left)
		return false;
	if (!losses->n) {
		take_notes(capture);
		losses->end = capture_written(capture);
	}
	if (!losses->n)
		return false;
	/* What was handed over before is in the ring: it must be known first, or would be taken for lost. */
	if (capture_consumed(capture) < losses->end)
		return true;
	for (size_t i = 0; i < losses->n; i++) {
		struct loss_key *key = &losses->taken->keys[i];

		if (!key->process.pid)
			continue;
		lost(self, key, &losses->taken->notes[i]);
		/* If we are killed before, it is told again, which changes nothing. */
		__atomic_store_n(&key->process.pid, 0, __ATOMIC_RELEASE);
	}
	losses->n = 0;
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
	out->deaths_unread = bpf->bss->deaths_unread;
	say_skipped(bpf);
}
