/* SPDX-License-Identifier: Apache-2.0 */
#include "capture.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attachments.h"
#include "capture_state.h"
#include "detach.h"
#include "log.h"
#include "probe.h"

int capture_new(size_t ring_bytes, struct pin *pin, capture_event_fn event, void *self, struct capture **out)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int err;

	if (!capture)
		return -ENOMEM;
	capture->event = event;
	capture->self = self;
	capture->pin = pin;
	capture->program = -1;
	capture->multi = true;
	err = capture_load(capture, ring_bytes);
	if ((err && err != -ESTALE) || (!err && !probe_multi_works(capture->bpf->progs.capture_flush))) {
		capture_bpf__destroy(capture->bpf);
		capture->bpf = NULL;
		capture->multi = false;
		err = capture_load(capture, ring_bytes);
	}
	if (!err)
		err = capture_start(capture);
	if (err == -ESTALE) {
		log_error("%s holds what another build of otel-bpf has pinned, which this one cannot read: let "
			  "that one finish it, or drop it: otel-bpf detach --drop --pin=%s",
			  pin_path(pin), pin_path(pin));
		capture_free(capture);
		return err;
	}
	if (err) {
		capture_explain(err);
		capture_free(capture);
		return err;
	}
	err = capture_ring_open(capture);
	if (err) {
		log_error("cannot map the ring buffer of %zu bytes: %s", ring_bytes,
			  strerror(-err));
		capture_free(capture);
		return err;
	}
	err = capture_losses_open(capture);
	if (err) {
		log_error("no memory for what is lost: %s", strerror(-err));
		capture_free(capture);
		return err;
	}
	log_debug("attaching by %s", capture->multi ? "uprobe_multi" : "perf events");
	*out = capture;
	return 0;
}

static void detach_exceptions(struct capture *capture)
{
	for (size_t i = 0; i < capture->exceptions_count; i++)
		detach_later(capture->exceptions[i]);
	capture->exceptions_count = 0;
}

void capture_free(struct capture *capture)
{
	if (!capture)
		return;
	detach_exceptions(capture);
	free(capture->exceptions);
	attachments_free(capture->attachments);
	capture_losses_close(capture);
	capture_ring_close(capture);
	capture_bpf__destroy(capture->bpf);
	if (capture->program >= 0)
		close(capture->program);
	free(capture);
}

int capture_attach(struct capture *capture, int fd, const char *path, const struct image *image,
		   struct attached **out)
{
	return attachments_add(capture->attachments, fd, path, image, out);
}

void capture_release(struct capture *capture, struct attached *attached)
{
	attachments_remove(capture->attachments, attached);
}

int capture_attach_exceptions(struct capture *capture, int fd, const struct exception_site *sites,
			      size_t count)
{
	struct probe **grown;
	uint64_t offsets[count], semaphores[count], cookies[count];
	size_t handle = 0;
	int err;

	while (handle < capture->exceptions_count && capture->exceptions[handle])
		handle++;
	if (handle == capture->exceptions_count) {
		grown = realloc(capture->exceptions, (handle + 1) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		grown[handle] = NULL;
		capture->exceptions = grown;
		capture->exceptions_count++;
	}
	for (size_t i = 0; i < count; i++) {
		offsets[i] = sites[i].offset;
		semaphores[i] = sites[i].semaphore;
		cookies[i] = sites[i].cookie;
	}
	err = probe_attach(capture->bpf->progs.capture_exception,
			   capture->multi ? bpf_program__fd(capture->bpf->progs.capture_exception)
					  : -1,
			   fd, offsets, semaphores, cookies, count, &capture->exceptions[handle]);
	if (err) {
		capture->exceptions[handle] = NULL;
		return err;
	}
	capture->bpf->bss->exceptions_watched = 1;
	return (int)handle;
}

void capture_release_exceptions(struct capture *capture, int handle)
{
	if (handle < 0 || (size_t)handle >= capture->exceptions_count)
		return;
	detach_later(capture->exceptions[handle]);
	capture->exceptions[handle] = NULL;
}

int capture_sample(struct capture *capture, const struct sampling *sampling)
{
	return attachments_sample(capture->attachments, sampling);
}

int capture_tracers(struct capture *capture, const struct tracer_rules *rules)
{
	return attachments_tracers(capture->attachments, rules);
}

void capture_disable(struct capture *capture)
{
	attachments_disable(capture->attachments);
}

void capture_detach(struct capture *capture)
{
	attachments_detach(capture->attachments);
	detach_exceptions(capture);
}

bool capture_took_over(const struct capture *capture)
{
	return capture->took_over;
}

void capture_leave(struct capture *capture)
{
	/* Nobody is there to be woken. */
	capture->bpf->data->reader = READER_BUSY;
	capture->left = true;
}
