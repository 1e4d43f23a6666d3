/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom the agent records: one that it launches, or those that run already.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent_state.h"
#include "clock.h"
#include "follow.h"
#include "log.h"
#include "maps.h"

#define FOLLOWED_MAX 65536u /* as the kernel side has it */

/* Those that were not reported are looked up so often at most, and in a twentieth of our time. */
#define MISSED_NS UINT64_C(500000000)
#define MISSED_FACTOR 20

static void offer(struct agent *agent, const struct mapping *mapping)
{
	const struct image *image;
	uint64_t anchor;

	if (!mapping->file)
		return;
	image = images_offer(agent->images, mapping);
	if (!image || !mapping->pid || !capture_follows(agent->capture, mapping->pid))
		return;
	anchor = mapping->address - mapping->offset + image->text_offset - image->text_address +
		 image->anchor_address;
	look_image(agent->look, mapping->pid, anchor);
	capture_image(agent->capture, mapping->pid, anchor);
}

void agent_mapping(void *self, const struct mapping *mapping)
{
	struct agent *agent = self;

	if (agent->everybody && !capture_follows(agent->capture, mapping->pid))
		return;
	stacks_map(agent->stacks, mapping);
	offer(agent, mapping);
}

/* Before the mappings: an exec forgets what was mapped. */
static void on_discovery(void *self)
{
	struct agent *agent = self;

	discovery_read(agent->discovery);
}

/* @pid: as discovery_new() takes it. */
static int discover(struct agent *agent, pid_t pid)
{
	uint64_t data;
	int err = discovery_new(pid, agent_mapping, agent, &agent->discovery);

	if (!err)
		err = agent_add_source(agent, -1, on_discovery, agent, &data);
	if (!err)
		err = discovery_poll(agent->discovery, agent->epoll, data);
	return err;
}

static int cannot_watch(const char *name, int err)
{
	log_error("cannot watch %s: %s%s", name, strerror(-err),
		  err == -EACCES || err == -EPERM ? "; run as root, or: "
						    "setcap cap_bpf,cap_perfmon+ep otel-bpf" :
						    "");
	return err;
}

int agent_follow(struct agent *agent, pid_t pid, const char *name)
{
	int err = capture_follow(agent->capture, (uint32_t)pid);

	if (!err)
		err = discover(agent, pid);
	return err ? cannot_watch(name, err) : 0;
}

bool agent_took_over(const struct agent *agent)
{
	return capture_took_over(agent->capture);
}

/* What those have mapped who are followed. */
static int look_up_mappings(struct agent *agent, uint64_t since, discover_fn found)
{
	uint32_t *pids = malloc(FOLLOWED_MAX * sizeof(*pids));
	size_t n;

	if (!pids)
		return -ENOMEM;
	n = capture_followed(agent->capture, pids, FOLLOWED_MAX);
	for (size_t i = 0; i < n; i++) {
		int err = maps_read(pids[i], since, found, agent);

		if (err && err != -ENOENT && err != -ESRCH)
			log_error("cannot see what process %u has loaded: %s; run as root, or: "
				  "setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep otel-bpf",
				  pids[i], strerror(-err));
	}
	free(pids);
	return 0;
}

static void on_missed(void *self, const struct mapping *mapping)
{
	offer(self, mapping);
}

void agent_find_missed(struct agent *agent, uint64_t now)
{
	uint64_t missed = agent->discovery ? discovery_missed(agent->discovery) : 0, took;

	if (missed == agent->missed || now < agent->next_mappings)
		return;
	if (!agent->missed)
		log_info("the kernel could not report all files that were loaded, there were too many at once: those "
			 "of recorded processes are looked up");
	agent->missed = missed;
	if (look_up_mappings(agent, now, on_missed))
		agent->missed--; /* no memory: again */
	took = clock_now() - now;
	agent->next_mappings = now + (took > MISSED_NS / MISSED_FACTOR ? MISSED_FACTOR * took : MISSED_NS);
}

int agent_attach(struct agent *agent, const uint32_t *pids, size_t n)
{
	uint64_t before = clock_now();
	int err;

	/* First: what is mapped from now on is told; what is mapped by then is looked up. */
	agent->everybody = true;
	err = discover(agent, -1);
	if (err)
		return cannot_watch("what processes load", err);
	if (n) {
		err = follow_running(agent->capture, pids, n);
		if (err && !agent_followed(agent))
			return err;
	}
	err = look_up_mappings(agent, before, agent_mapping);
	if (!err)
		err = capture_tell(agent->capture);
	if (err)
		log_error("cannot find out which processes run: %s", strerror(-err));
	return err;
}

size_t agent_attached(const struct agent *agent)
{
	return images_attached(agent->images, NULL);
}

size_t agent_followed(struct agent *agent)
{
	uint32_t pids[64];

	return capture_followed(agent->capture, pids, sizeof(pids) / sizeof(*pids));
}
