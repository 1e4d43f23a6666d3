/* SPDX-License-Identifier: Apache-2.0 */
#include "attachments.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "detach.h"
#include "list.h"
#include "log.h"
#include "probe.h"

/* What is pinned is named after the file: FLUSH or CONTROLS, and its identity. */
#define FLUSH "flush-"
#define CONTROLS "controls-"

struct attached {
	struct list order;
	int fd;		   /* the caller's */
	char identity[64]; /* of the file: a name for pins */
	struct image image;
	struct probe *flush;	/* NULL: pinned */
	struct probe *controls; /* NULL: pinned, or disabled */
	struct tracers tracers;
	uint64_t off;	    /* which of them are, a bit each */
	struct probe *offs; /* NULL: none is */
};

struct attachments {
	struct attachments_options options;
	struct sampling sampling;
	struct tracer_rules rules;
	struct list all;
};

struct attachments *attachments_new(const struct attachments_options *options)
{
	struct attachments *attachments = calloc(1, sizeof(*attachments));

	if (attachments) {
		attachments->options = *options;
		attachments->sampling = sampling_default();
		list_init(&attachments->all);
	}
	return attachments;
}

static void disable(struct attached *attached)
{
	detach_later(attached->controls);
	attached->controls = NULL;
}

/* What stays of it is who it was: whoever gave it to us still has it. */
static void let_go(struct attached *attached)
{
	disable(attached);
	detach_later(attached->flush);
	detach_later(attached->offs);
	attached->flush = NULL;
	attached->offs = NULL;
}

static void remove_pins(const struct attachments *attachments, const struct attached *attached)
{
	char name[PIN_NAME_MAX];

	if (!attachments->options.pin)
		return;
	snprintf(name, sizeof(name), FLUSH "%s-", attached->identity);
	pin_remove_all(attachments->options.pin, name);
	snprintf(name, sizeof(name), CONTROLS "%s_", attached->identity);
	pin_remove_all(attachments->options.pin, name);
}

void attachments_remove(struct attachments *attachments, struct attached *attached)
{
	remove_pins(attachments, attached);
	let_go(attached);
	list_remove(&attached->order);
	free(attached);
}

void attachments_disable(struct attachments *attachments)
{
	if (attachments->options.pin)
		pin_remove_all(attachments->options.pin, CONTROLS);
	for (struct list *it = attachments->all.next; it != &attachments->all; it = it->next)
		disable(list_entry(it, struct attached, order));
	detach_wait();
}

void attachments_detach(struct attachments *attachments)
{
	attachments_disable(attachments);
	if (attachments->options.pin)
		pin_remove_all(attachments->options.pin, FLUSH);
	for (struct list *it = attachments->all.next; it != &attachments->all; it = it->next)
		let_go(list_entry(it, struct attached, order));
	detach_wait();
}

void attachments_free(struct attachments *attachments)
{
	if (!attachments)
		return;
	for (struct list *it = attachments->all.next; it != &attachments->all; it = it->next)
		let_go(list_entry(it, struct attached, order));
	detach_wait();
	while (!list_empty(&attachments->all)) {
		struct attached *it = list_entry(attachments->all.next, struct attached, order);

		list_remove(&it->order);
		free(it);
	}
	free(attachments);
}

/* A file may be written over in place, so its time and size tell, too. */
static int identify(struct attached *to)
{
	struct stat st;

	if (fstat(to->fd, &st))
		return -errno;
	snprintf(to->identity, sizeof(to->identity), "%x_%x_%llx_%llx_%llx", major(st.st_dev),
		 minor(st.st_dev), (unsigned long long)st.st_ino, (unsigned long long)st.st_size,
		 (unsigned long long)st.st_mtim.tv_sec * 1000000000u +
			 (unsigned long long)st.st_mtim.tv_nsec);
	return 0;
}

/*
 * Attaches to @n places, unless that is pinned under @name; pins it, then *@out is NULL. @semaphores: NULL, or of
 * each place.
 */
static int attach(const struct attachments *attachments, const struct attached *to,
		  const uint64_t *offsets, const uint64_t *semaphores, unsigned n, const char *name,
		  struct probe **out)
{
	const struct attachments_options *options = &attachments->options;
	int err;

	*out = NULL;
	if ((options->pin && probe_is_pinned(options->pin, name, options->multi ? 1 : n)))
		return 0;
	err = probe_attach(options->program, options->multi ? options->program_fd : -1, to->fd,
			   offsets, semaphores, NULL, n, out);
	if (!err && options->pin) {
		err = probe_pin(*out, options->pin, name);
		probe_free(*out);
		*out = NULL;
	}
	return err;
}

/* The control bits that are wanted now, and under what name they are pinned. */
static unsigned wanted(const struct attachments *attachments, const struct attached *to,
		       uint8_t *controls, char name[PIN_NAME_MAX])
{
	unsigned n = sampling_controls(&attachments->sampling, controls);
	uint32_t bits = 0;

	for (unsigned i = 0; i < n; i++)
		bits |= 1u << controls[i];
	snprintf(name, PIN_NAME_MAX, CONTROLS "%s_%x-", to->identity, bits);
	return n;
}

/*
 * Enables one image, and sets them. The bits first: from the moment that an application records it knows what to
 * sample. *@out may be NULL then.
 */
static int attach_controls(const struct attachments *attachments, const struct attached *to,
			   struct probe **out)
{
	uint64_t offsets[OTEL_CONTROLS + 1], semaphores[OTEL_CONTROLS + 1];
	uint8_t controls[OTEL_CONTROLS];
	char name[PIN_NAME_MAX];
	unsigned n = wanted(attachments, to, controls, name);

	for (unsigned i = 0; i < n; i++) {
		offsets[i] = to->image.control_sites + controls[i];
		semaphores[i] = to->image.controls + 2u * controls[i];
	}
	offsets[n] = to->image.enable_site;
	semaphores[n++] = to->image.semaphores + 2 * OTEL_SEMAPHORE_FLUSH;
	return attach(attachments, to, offsets, semaphores, n, name, out);
}

struct outdated {
	const struct pin *pin;
	char wanted[PIN_NAME_MAX];
};

static bool remove_outdated(void *self, const char *name)
{
	const struct outdated *outdated = self;

	if (strncmp(name, outdated->wanted, strlen(outdated->wanted)) != 0)
		pin_remove(outdated->pin, name);
	return false;
}

/* Control bits that an agent before, or another sampler, wanted. */
static void drop_outdated(const struct attachments *attachments, const struct attached *to)
{
	struct outdated outdated = {.pin = attachments->options.pin};
	uint8_t controls[OTEL_CONTROLS];
	char all[PIN_NAME_MAX];

	if (!outdated.pin)
		return;
	wanted(attachments, to, controls, outdated.wanted);
	snprintf(all, sizeof(all), CONTROLS "%s_", to->identity);
	pin_each(outdated.pin, all, remove_outdated, &outdated);
}

/* Sets the semaphores of the tracers that are off in one image. What is there stays if that fails. */
static int switch_tracers(const struct attachments *attachments, struct attached *to)
{
	const struct attachments_options *options = &attachments->options;
	uint64_t offsets[OTEL_TRACER_SITES], semaphores[OTEL_TRACER_SITES], off = 0;
	struct probe *probe = NULL;
	size_t n = 0;
	int err = 0;

	for (size_t i = 0; attachments->rules.on && i < to->tracers.n; i++) {
		const struct tracer *it = &to->tracers.list[i];

		if (attachments->rules.on(attachments->rules.self,
					  (struct bytes){(const uint8_t *)it->name, it->name_size}))
			continue;
		off |= UINT64_C(1) << i;
		offsets[n] = to->image.tracer_sites + i;
		semaphores[n++] = it->off;
	}
	if (off == to->off)
		return 0;
	if (n)
		err = probe_attach(options->program, options->multi ? options->program_fd : -1, to->fd,
				   offsets, semaphores, NULL, n, &probe);
	if (err)
		return err;
	detach_later(to->offs);
	to->offs = probe;
	to->off = off;
	return 0;
}

/* A tracer that cannot be switched there is switched off by the agent alone. */
static void read_tracers(const struct attachments *attachments, struct attached *to, const char *path)
{
	int err;

	if (!to->image.tracer_sites)
		return;
	err = tracers_read(to->fd, &to->tracers);
	if (!err)
		err = switch_tracers(attachments, to);
	if (err)
		log_debug("%s: its tracers cannot be switched off in running processes: %s", path,
			  strerror(-err));
}

int attachments_tracers(struct attachments *attachments, const struct tracer_rules *rules)
{
	int err = 0;

	attachments->rules = *rules;
	for (struct list *it = attachments->all.next; it != &attachments->all; it = it->next) {
		int ret = switch_tracers(attachments, list_entry(it, struct attached, order));

		err = err ? err : ret;
	}
	return err;
}

/* Whoever records is heard. */
static int attach_image(const struct attachments *attachments, struct attached *to)
{
	/*
	 * Kernels from 6.18 on turn a probed nop of 5 bytes into a call of a page that a forked
	 * child does not have: its first flush would kill it. So not the fast sites, until a kernel
	 * is seen to give children that page; the 1-byte nop costs a trap more, per flush, not per
	 * span. Strangers who run the same file would die of it, too.
	 */
	uint64_t site = to->image.flush_nop;
	char name[PIN_NAME_MAX];
	int err;

	snprintf(name, sizeof(name), FLUSH "%s-", to->identity);
	err = attach(attachments, to, &site, NULL, 1, name, &to->flush);
	if (err)
		return err;
	err = attach_controls(attachments, to, &to->controls);
	if (err)
		probe_free(to->flush);
	else
		drop_outdated(attachments, to);
	return err;
}

int attachments_add(struct attachments *attachments, int fd, const char *path,
		    const struct image *image, struct attached **out)
{
	struct attached *to = calloc(1, sizeof(*to));
	int err;

	if (!to)
		return -ENOMEM;
	to->fd = fd;
	to->image = *image;
	err = identify(to);
	if (!err) {
		/* First: from the moment that an application records. */
		read_tracers(attachments, to, path);
		err = attach_image(attachments, to);
	}
	if (!err) {
		list_add(&attachments->all, &to->order);
		*out = to;
		return 0;
	}
	probe_free(to->offs);
	free(to);
	if (err == -EACCES || err == -EPERM)
		log_error("cannot attach to %s: %s; %s", path, strerror(-err),
			  attachments->options.multi
				  ? "run as root, or: setcap cap_bpf,cap_perfmon+ep otel-bpf"
				  : "this kernel wants CAP_SYS_ADMIN for uprobes: run as root");
	else
		log_error("cannot attach to %s: %s", path, strerror(-err));
	return err;
}

int attachments_sample(struct attachments *attachments, const struct sampling *sampling)
{
	int err = 0;

	attachments->sampling = *sampling;
	for (struct list *it = attachments->all.next; it != &attachments->all; it = it->next) {
		struct attached *to = list_entry(it, struct attached, order);
		struct probe *old = to->controls;
		int ret = attach_controls(attachments, to, &to->controls);

		if (ret) {
			to->controls = old;
			err = err ? err : ret;
			continue;
		}
		detach_later(old);
		drop_outdated(attachments, to);
	}
	return err;
}
