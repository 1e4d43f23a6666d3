/* SPDX-License-Identifier: Apache-2.0 */
#include "capture.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "bpf/capture.skel.h"
#include "attachments.h"
#include "capture_pin.h"
#include "clock.h"
#include "detach.h"
#include "log.h"
#include "probe.h"

#define NAP_MS 5	/* between looks while records come */
#define SLEEP_MS 500	/* when none came for a while: then the first one wakes us */
#define NAPS_TO_SLEEP 4 /* empty looks before that */
#define SWEEP_MAX 64	/* processes at a time */

#define READ_NS 20000000u /* at most, at a time: others wait, signals among them */
#define LIVES_MIN 8192u	  /* of the ring, for what happens to processes: more than one exec */

/* What BPF says it lost, between reading that and telling it. */
struct lost {
	struct loss_key key;
	struct loss_note note;
};

struct capture {
	struct capture_bpf *bpf;
	struct ring_buffer *ring;
	const uint64_t *consumed; /* the ring's own positions, as the kernel keeps them */
	const uint64_t *written;
	struct ring_user *users;
	capture_event_fn event;
	void *self;
	size_t events; /* of this read */
	uint64_t read_until;
	bool read_stopped; /* before the ring's end */
	bool multi;
	bool left;	/* losses are the next agent's */
	bool took_over; /* what an agent before us has pinned */
	int program;	/* of the probes, or the one that is pinned */
	unsigned empty_looks;
	struct pin *pin; /* NULL: none */
	struct attachments *attachments;
	struct probe **exceptions;
	size_t exceptions_count;
	uint32_t swept; /* the process that capture_sweep() has looked at last */
	struct lost *losses;
	size_t losses_room;
	size_t losses_count;
	uint64_t losses_end; /* what the ring held when they were noted */
};

static int silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char *text, *rest, *line;

	/* What the kernel says of a program that it refuses is one message of many lines. */
	if (level == LIBBPF_DEBUG || vasprintf(&text, format, arguments) < 0)
		return 0;
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			log_debug("%s", line);
	free(text);
	return 0;
}

/* Reads what a file of one line says; "" if it cannot. */
static const char *read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");

	line[0] = 0;
	if (file) {
		if (fgets(line, (int)size, file))
			line[strcspn(line, "\n")] = 0;
		fclose(file);
	}
	return line;
}

static uint64_t effective_capabilities(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long long value = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "CapEff: %llx", &value) == 1)
			break;
	if (file)
		fclose(file);
	return value;
}

/* One error that names what is missing, and how to get it. */
static void explain(int err)
{
	enum { CAP_SYS_ADMIN_BIT = 21, CAP_PERFMON_BIT = 38, CAP_BPF_BIT = 39 };
	uint64_t capabilities = effective_capabilities();
	char line[256];
	bool admin = capabilities >> CAP_SYS_ADMIN_BIT & 1;

	if (access("/sys/kernel/btf/vmlinux", R_OK))
		log_error("this kernel has no type information: /sys/kernel/btf/vmlinux is missing; "
			  "otel-bpf needs Linux 5.15 or newer built with CONFIG_DEBUG_INFO_BTF");
	else if (!admin && !((capabilities >> CAP_BPF_BIT & 1) && (capabilities >> CAP_PERFMON_BIT & 1)))
		log_error("cannot load BPF programs: no%s%s; run as root, or: "
			  "setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep otel-bpf",
			  capabilities >> CAP_BPF_BIT & 1 ? "" : " CAP_BPF",
			  capabilities >> CAP_PERFMON_BIT & 1 ? "" : " CAP_PERFMON");
	else if (strstr(read_line("/sys/kernel/security/lockdown", line, sizeof(line)),
			"[confidentiality]"))
		log_error("cannot load BPF programs: the kernel is locked down ([confidentiality] in "
			  "/sys/kernel/security/lockdown), which forbids BPF to read memory");
	else
		log_error("cannot load BPF programs: %s; see `otel-bpf run --verbose` for what the kernel said",
			  strerror(-err));
}

/* How many arguments does this kernel give to programs on a tracepoint? 0: it does not have it. */
static unsigned tracepoint_arguments(struct btf *btf, const char *tracepoint)
{
	const struct btf_type *type = NULL;
	char name[64];
	int id;

	if (!btf)
		return 0;
	snprintf(name, sizeof(name), "btf_trace_%s", tracepoint);
	id = btf__find_by_name_kind(btf, name, BTF_KIND_TYPEDEF);
	if (id > 0)
		type = btf__type_by_id(btf, btf__type_by_id(btf, (uint32_t)id)->type);
	if (type && btf_is_ptr(type))
		type = btf__type_by_id(btf, type->type);
	return type && btf_is_func_proto(type) ? btf_vlen(type) - 1u : 0; /* the first is a void * */
}

/* Takes what the kernel has for processes that die or start another program. */
static void choose_ends(struct capture_bpf *bpf)
{
	struct btf *btf = btf__load_vmlinux_btf();
	/* 6.16 moved it to before the memory is gone, and gave it a second argument. */
	bool memory_at_exit = tracepoint_arguments(btf, "sched_process_exit") >= 2;
	bool prepare_exec = tracepoint_arguments(btf, "sched_prepare_exec") > 0;
	/* Of 5.13; without it there is no way through the threads. */
	bool loops = libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_for_each_map_elem, NULL) == 1;
	const struct {
		struct bpf_program *program;
		bool wanted;
	} choices[] = {
		{bpf->progs.on_exit_with_memory, memory_at_exit && loops},
		{bpf->progs.on_exit_with_memory_again, memory_at_exit && loops},
		{bpf->progs.on_exit, !(memory_at_exit && loops)},
		{bpf->progs.on_exit_again, !(memory_at_exit && loops)},
		{bpf->progs.on_dying, !memory_at_exit && loops},
		{bpf->progs.on_fatal_signal,
		 !memory_at_exit && loops && tracepoint_arguments(btf, "signal_deliver") == 3},
		{bpf->progs.on_prepare_exec, prepare_exec && loops},
		{bpf->progs.on_prepare_exec_again, prepare_exec && loops},
		{bpf->progs.on_begin_exec, !prepare_exec && loops},
	};

	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++)
		bpf_program__set_autoload(choices[i].program, choices[i].wanted);
	bpf->bss->execs_are_read = prepare_exec && loops;
	/* attach_ends() */
	bpf_program__set_autoattach(bpf->progs.on_dying, false);
	bpf_program__set_autoattach(bpf->progs.on_fatal_signal, false);
	bpf_program__set_autoattach(bpf->progs.on_begin_exec, false);
	btf__free(btf);
}

static bool attach_if_loaded(struct bpf_program *program, struct bpf_link **link)
{
	*link = bpf_program__autoload(program) ? bpf_program__attach(program) : NULL;
	return *link;
}

/* What a kernel may refuse: it may have no kprobes, or not for us. */
static void attach_ends(struct capture_bpf *bpf)
{
	if (bpf_program__autoload(bpf->progs.on_exit_with_memory))
		log_debug("memory at death: by sched_process_exit");
	else if (attach_if_loaded(bpf->progs.on_dying, &bpf->links.on_dying))
		log_debug("memory at death: by do_exit");
	else if (attach_if_loaded(bpf->progs.on_fatal_signal, &bpf->links.on_fatal_signal))
		log_debug("memory at death: of signals, by signal_deliver");
	else
		log_debug("memory at death: this kernel does not let us read it");
	if (!bpf_program__autoload(bpf->progs.on_prepare_exec) &&
	    !attach_if_loaded(bpf->progs.on_begin_exec, &bpf->links.on_begin_exec))
		log_debug("memory at exec: this kernel does not let us read it");
}

static int load(struct capture *capture, size_t ring_bytes)
{
	struct capture_bpf *bpf = capture_bpf__open();
	int err = 0;

	if (!bpf)
		return -errno;
	bpf_map__set_max_entries(bpf->maps.ring, (uint32_t)ring_bytes);
	choose_ends(bpf);
	bpf->data->ring_quarter = ring_bytes / 4;
	bpf->data->ring_reserve = ring_bytes / 16 > LIVES_MIN ? ring_bytes / 16 : LIVES_MIN;
	bpf->data->reader = READER_BUSY;
	if (capture->multi) {
		bpf_program__set_expected_attach_type(bpf->progs.capture_flush,
						      (enum bpf_attach_type)PROBE_MULTI_TYPE);
		bpf_program__set_expected_attach_type(bpf->progs.capture_exception,
						      (enum bpf_attach_type)PROBE_MULTI_TYPE);
	}
	bpf_program__set_autoattach(bpf->progs.capture_flush, false);
	bpf_program__set_autoattach(bpf->progs.capture_exception, false);
	if (capture->pin)
		err = capture_pin_take(capture->pin, bpf->obj, bpf->progs.capture_flush, bpf->progs.tell_followed);
	capture->took_over = err > 0;
	/* Not pinned: while no agent runs, exceptions have no types. */
	bpf_program__set_autoload(bpf->progs.capture_exception, true);
	if (err >= 0)
		err = capture_bpf__load(bpf);
	if (err) {
		capture_bpf__destroy(bpf);
		return err;
	}
	capture->bpf = bpf;
	return 0;
}

/* What runs on tracepoints, and the probes' attachments; all that is pinned by then. */
static int attach(struct capture *capture)
{
	struct capture_bpf *bpf = capture->bpf;
	struct attachments_options options = {
		.program = bpf->progs.capture_flush,
		.multi = capture->multi,
		.pin = capture->pin,
	};
	int err = capture_bpf__attach(bpf);

	if (err)
		return err;
	if (!capture->took_over) {
		attach_ends(bpf);
		if (capture->pin)
			err = capture_pin_put(capture->pin, bpf->skeleton, bpf->progs.capture_flush,
					      bpf->progs.tell_followed);
		if (err)
			return err;
	}
	capture->program = capture->pin ? capture_pin_program(capture->pin) :
					  fcntl(bpf_program__fd(bpf->progs.capture_flush), F_DUPFD_CLOEXEC, 0);
	if (capture->program < 0)
		return capture->pin ? capture->program : -errno;
	options.program_fd = capture->program;
	capture->attachments = attachments_new(&options);
	return capture->attachments ? 0 : -ENOMEM;
}

static int on_ring(void *context, void *data, size_t size)
{
	struct capture *capture = context;
	const struct event *event = data;

	if (event->kind != EVENT_NOTHING)
		capture->event(capture->self, data, size);
	if (event->user < RING_USERS)
		capture->users[event->user].read += EVENT_RING_BYTES(size);
	capture->events++;
	capture->read_stopped = clock_now() >= capture->read_until;
	return capture->read_stopped ? -EINTR : 0;
}

/* What libbpf 1.1 keeps to itself: where the ring is. And who has how much of it. */
static int map_positions(struct capture *capture)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int ring = bpf_map__fd(capture->bpf->maps.ring),
	    users = bpf_map__fd(capture->bpf->maps.ring_users);
	void *consumed = mmap(NULL, page, PROT_READ, MAP_SHARED, ring, 0);
	void *written = mmap(NULL, page, PROT_READ, MAP_SHARED, ring, (off_t)page);
	void *all = mmap(NULL, RING_USERS * sizeof(struct ring_user), PROT_READ | PROT_WRITE,
			 MAP_SHARED, users, 0);

	capture->consumed = consumed != MAP_FAILED ? consumed : NULL;
	capture->written = written != MAP_FAILED ? written : NULL;
	capture->users = all != MAP_FAILED ? all : NULL;
	return capture->consumed && capture->written && capture->users ? 0 : -errno;
}

static void unmap(const void *address, size_t size)
{
	if (address)
		munmap((void *)(uintptr_t)address, size);
}

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
	libbpf_set_print(silent);
	capture->multi = true;
	err = load(capture, ring_bytes);
	if ((err && err != -ESTALE) || (!err && !probe_multi_works(capture->bpf->progs.capture_flush))) {
		capture_bpf__destroy(capture->bpf);
		capture->bpf = NULL;
		capture->multi = false;
		err = load(capture, ring_bytes);
	}
	if (!err)
		err = attach(capture);
	if (err == -ESTALE) {
		log_error("%s holds what another build of otel-bpf has pinned, which this one cannot read: let "
			  "that one finish it, or drop it: otel-bpf detach --drop --pin=%s",
			  pin_path(pin), pin_path(pin));
		capture_free(capture);
		return err;
	}
	if (err) {
		explain(err);
		capture_free(capture);
		return err;
	}
	err = map_positions(capture);
	if (!err) {
		capture->ring = ring_buffer__new(bpf_map__fd(capture->bpf->maps.ring), on_ring,
						 capture, NULL);
		err = capture->ring ? 0 : -errno;
	}
	if (err) {
		log_error("cannot map the ring buffer of %zu bytes: %s", ring_bytes,
			  strerror(-err));
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
	free(capture->losses);
	ring_buffer__free(capture->ring);
	unmap(capture->consumed, (size_t)sysconf(_SC_PAGESIZE));
	unmap(capture->written, (size_t)sysconf(_SC_PAGESIZE));
	unmap(capture->users, RING_USERS * sizeof(struct ring_user));
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

/* As in bpf/ring.bpf.h. */
static uint32_t new_user(struct capture *capture, uint32_t pid)
{
	uint32_t first = 0;

	(void)!getrandom(&first, sizeof(first), 0);
	for (uint32_t i = 0; i < 32; i++) {
		struct ring_user *user = &capture->users[(first + i) % RING_USERS];

		if (!user->pid) {
			user->pid = pid;
			return (first + i) % RING_USERS;
		}
	}
	return first % RING_USERS;
}

int capture_follow(struct capture *capture, uint32_t pid)
{
	struct followed value = {.user = new_user(capture, pid)};

	return bpf_map__update_elem(capture->bpf->maps.followed, &pid, sizeof(pid), &value,
				    sizeof(value), BPF_ANY);
}

void capture_unfollow(struct capture *capture, uint32_t pid)
{
	struct followed value;

	if (bpf_map__lookup_elem(capture->bpf->maps.followed, &pid, sizeof(pid), &value, sizeof(value), 0))
		return;
	if (capture->users[value.user % RING_USERS].pid == pid)
		capture->users[value.user % RING_USERS].pid = 0;
	(void)bpf_map__delete_elem(capture->bpf->maps.followed, &pid, sizeof(pid), 0);
}

int capture_tell(struct capture *capture)
{
	int fd = bpf_iter_create(bpf_link__fd(capture->bpf->links.tell_followed)), err = 0;
	char nothing[64];

	if (fd < 0)
		return -errno;
	/* To the end: its text is empty, what matters is what the program does. */
	if (read(fd, nothing, sizeof(nothing)) < 0)
		err = -errno;
	close(fd);
	return err;
}

bool capture_follows(struct capture *capture, uint32_t pid)
{
	struct followed value;

	return !bpf_map__lookup_elem(capture->bpf->maps.followed, &pid, sizeof(pid), &value,
				     sizeof(value), 0);
}

size_t capture_followed(struct capture *capture, uint32_t *pids, size_t max)
{
	uint32_t key, *previous = NULL;
	size_t n = 0;

	while (n < max && !bpf_map__get_next_key(capture->bpf->maps.followed, previous, &key, sizeof(key))) {
		pids[n] = key;
		previous = &pids[n++];
	}
	return n;
}

void capture_sweep(struct capture *capture,
		   bool (*gone)(void *self, const struct process_id *process, const struct event_exit *exit),
		   void *self)
{
	struct bpf_map *map = capture->bpf->maps.followed;
	uint32_t key;

	for (int i = 0; i < SWEEP_MAX; i++) {
		struct followed value;
		struct process_id id;

		if (bpf_map__get_next_key(map, capture->swept ? &capture->swept : NULL, &key, sizeof(key))) {
			capture->swept = 0;
			return;
		}
		capture->swept = key;
		if (bpf_map__lookup_elem(map, &key, sizeof(key), &value, sizeof(value), 0) ||
		    !value.start_time)
			continue;
		id = (struct process_id){key, value.execs, value.start_time};
		if (!gone(self, &id, value.ended ? &value.exit : NULL))
			continue;
		bpf_map__delete_elem(map, &key, sizeof(key), 0);
		if (value.user < RING_USERS && capture->users[value.user].pid == key)
			capture->users[value.user].pid = 0;
	}
}

bool capture_took_over(const struct capture *capture)
{
	return capture->took_over;
}

void capture_leave(struct capture *capture)
{
	/* Nobody is there to be woken. */
	capture->bpf->data->reader = READER_BUSY;
	/* What is noted is for who reads the rest of the ring; newer notes of a stream tell its end, too. */
	for (size_t i = 0; i < capture->losses_count; i++)
		bpf_map__update_elem(capture->bpf->maps.losses, &capture->losses[i].key,
				     sizeof(capture->losses[i].key), &capture->losses[i].note,
				     sizeof(capture->losses[i].note), BPF_NOEXIST);
	capture->losses_count = 0;
	capture->left = true;
}

int capture_fd(const struct capture *capture)
{
	return ring_buffer__epoll_fd(capture->ring);
}

static size_t consume(struct capture *capture)
{
	capture->events = 0;
	capture->read_stopped = false;
	capture->read_until = clock_now() + READ_NS;
	(void)ring_buffer__consume(capture->ring);
	return capture->events;
}

size_t capture_read(struct capture *capture)
{
	capture->bpf->data->reader = READER_BUSY;
	return consume(capture);
}

uint64_t capture_ring_bytes(const struct capture *capture)
{
	return 4 * capture->bpf->data->ring_quarter;
}

uint64_t capture_written(const struct capture *capture)
{
	return __atomic_load_n(capture->written, __ATOMIC_ACQUIRE);
}

uint64_t capture_consumed(const struct capture *capture)
{
	return __atomic_load_n(capture->consumed, __ATOMIC_RELAXED);
}

int capture_nap(struct capture *capture, bool busy)
{
	if (capture->read_stopped)
		return 0;
	capture->empty_looks = busy ? 0 : capture->empty_looks + 1;
	if (capture->empty_looks < NAPS_TO_SLEEP) {
		capture->bpf->data->reader = READER_NAPS;
		return NAP_MS;
	}
	capture->bpf->data->reader = READER_SLEEPS;
	/* What was put there before BPF could see that we sleep would lie until we wake up. */
	__sync_synchronize();
	return consume(capture) ? 0 : SLEEP_MS;
}

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
	/* What was handed over before is in the ring: it must be known first, or would be taken for lost. */
	if (capture->losses_count && capture_consumed(capture) < capture->losses_end)
		return true;
	for (size_t i = 0; i < capture->losses_count; i++)
		lost(self, &capture->losses[i].key, &capture->losses[i].note);
	capture->losses_count = 0;
	return false;
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
	log_debug("the kernel skipped a program at %" PRIu64 " forks, %" PRIu64 " execs, %" PRIu64
		  " exits of this host; the second one was there for them",
		  skipped(bpf->progs.on_fork), skipped(bpf->progs.on_exec) + skipped(bpf->progs.on_prepare_exec),
		  skipped(bpf->progs.on_exit) + skipped(bpf->progs.on_exit_with_memory));
}
