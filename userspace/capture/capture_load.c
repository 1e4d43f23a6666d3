/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads and attaches what fits this kernel, or says why it does not take it.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "attachments.h"
#include "capture_pin.h"
#include "capture_state.h"
#include "log.h"
#include "probe.h"

#define LIVES_MIN 8192u /* of the ring, for what happens to processes: more than one exec */

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

void capture_explain(int err)
{
	enum { CAP_SYS_ADMIN_BIT = 21, CAP_PERFMON_BIT = 38, CAP_BPF_BIT = 39 };
	uint64_t capabilities = effective_capabilities();
	char line[256];
	bool admin = capabilities >> CAP_SYS_ADMIN_BIT & 1;
	struct utsname kernel = {0};

	if (access("/sys/kernel/btf/vmlinux", R_OK))
		log_error("this kernel has no type information: /sys/kernel/btf/vmlinux is missing; "
			  "otel-bpf needs Linux 5.15 or newer built with CONFIG_DEBUG_INFO_BTF");
	else if (!admin && !((capabilities >> CAP_BPF_BIT & 1) && (capabilities >> CAP_PERFMON_BIT & 1)))
		log_error("cannot load BPF programs: no%s%s; run as root, or: "
			  "setcap cap_bpf,cap_perfmon,cap_sys_ptrace+ep otel-bpf",
			  capabilities >> CAP_BPF_BIT & 1 ? "" : " CAP_BPF",
			  capabilities >> CAP_PERFMON_BIT & 1 ? "" : " CAP_PERFMON");
	else if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_get_attach_cookie, NULL) == 0 &&
		 !uname(&kernel)) /* of 5.15; what else we need came before */
		log_error("this kernel (%s) is too old: otel-bpf needs Linux 5.15 or newer", kernel.release);
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

static bool has_function(const struct btf *btf, const char *name)
{
	return btf && btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0;
}

/* Takes what the kernel has for processes that die or start another program. */
static void choose_ends(struct capture_bpf *bpf)
{
	struct btf *btf = btf__load_vmlinux_btf();
	/* 6.16 moved it to before the memory is gone, and gave it a second argument. */
	bool memory_at_exit = tracepoint_arguments(btf, "sched_process_exit") >= 2;
	bool prepare_exec = tracepoint_arguments(btf, "sched_prepare_exec") > 0;
	const struct {
		struct bpf_program *program;
		bool wanted;
	} choices[] = {
		{bpf->progs.on_exit_with_memory, memory_at_exit},
		{bpf->progs.on_exit_with_memory_again, memory_at_exit},
		{bpf->progs.on_exit, !memory_at_exit},
		{bpf->progs.on_exit_again, !memory_at_exit},
		{bpf->progs.on_dying, !memory_at_exit},
		{bpf->progs.on_dying_again, !memory_at_exit && has_function(btf, "do_exit")},
		{bpf->progs.on_fatal_signal, !memory_at_exit && tracepoint_arguments(btf, "signal_deliver") == 3},
		{bpf->progs.on_prepare_exec, prepare_exec},
		{bpf->progs.on_prepare_exec_again, prepare_exec},
		{bpf->progs.on_begin_exec, !prepare_exec},
		{bpf->progs.on_begin_exec_again, !prepare_exec && has_function(btf, "begin_new_exec")},
	};

	for (size_t i = 0; i < sizeof(choices) / sizeof(*choices); i++)
		bpf_program__set_autoload(choices[i].program, choices[i].wanted);
	bpf->bss->execs_are_read = prepare_exec;
	/* attach_ends() */
	bpf_program__set_autoattach(bpf->progs.on_dying, false);
	bpf_program__set_autoattach(bpf->progs.on_dying_again, false);
	bpf_program__set_autoattach(bpf->progs.on_fatal_signal, false);
	bpf_program__set_autoattach(bpf->progs.on_begin_exec, false);
	bpf_program__set_autoattach(bpf->progs.on_begin_exec_again, false);
	btf__free(btf);
}

static bool attach_if_loaded(struct bpf_program *program, struct bpf_link **link)
{
	*link = bpf_program__autoload(program) ? bpf_program__attach(program) : NULL;
	return *link;
}

/* At least one of two; the first one runs before the second. */
static bool attach_either(struct bpf_program *first, struct bpf_link **first_link, struct bpf_program *second,
			  struct bpf_link **second_link)
{
	bool one = attach_if_loaded(first, first_link);

	return attach_if_loaded(second, second_link) || one;
}

/* What a kernel may refuse: it may have neither kprobes nor fentry, or not for us. */
static void attach_ends(struct capture_bpf *bpf)
{
	bool ends = !bpf_program__autoload(bpf->progs.on_exit_with_memory) &&
		    attach_either(bpf->progs.on_dying, &bpf->links.on_dying, bpf->progs.on_dying_again,
				  &bpf->links.on_dying_again);
	bool execs = !bpf_program__autoload(bpf->progs.on_prepare_exec) &&
		     attach_either(bpf->progs.on_begin_exec, &bpf->links.on_begin_exec, bpf->progs.on_begin_exec_again,
				   &bpf->links.on_begin_exec_again);

	bpf->bss->deaths_are_read = ends;
	bpf->bss->execs_are_read |= execs;
	if (bpf_program__autoload(bpf->progs.on_exit_with_memory))
		log_debug("memory at death: by sched_process_exit");
	else if (ends)
		log_debug("memory at death: by do_exit");
	else if (attach_if_loaded(bpf->progs.on_fatal_signal, &bpf->links.on_fatal_signal))
		log_debug("memory at death: of signals, by signal_deliver");
	else
		log_debug("memory at death: this kernel does not let us read it");
	if (!bpf->bss->execs_are_read)
		log_debug("memory at exec: this kernel does not let us read it");
}

int capture_load(struct capture *capture, size_t ring_bytes)
{
	struct capture_bpf *bpf;
	int err = 0;

	libbpf_set_print(silent);
	bpf = capture_bpf__open();
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

int capture_start(struct capture *capture)
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
	if (capture->took_over) {
		bpf->bss->losses_noted = 1; /* what the agent before us has left there */
	} else {
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
