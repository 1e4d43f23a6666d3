/* SPDX-License-Identifier: Apache-2.0 */
#include "capture_pin.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hash.h"

#define PROGRAM "program"
#define LAYOUT "layout" /* the last one that is pinned: with it, all is there */

/*
 * Whatever both sides know of maps, events and variables is in the programs' type information, with
 * sizes and offsets: an agent with the same information reads what programs of another build write, as long
 * as PIN_FORMAT is the same, too.
 */
static uint64_t layout_of(const struct bpf_object *object)
{
	uint32_t size = 0;
	const void *types = btf__raw_data(bpf_object__btf(object), &size);

	return types ? hash_bytes(PIN_FORMAT, types, size) : 0;
}

static void name_of(const char *kind, const char *name, char out[PIN_NAME_MAX])
{
	snprintf(out, PIN_NAME_MAX, "%s-%s", kind, name);
	for (char *p = out; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-')
			*p = '_';
}

/* Constants: every program has its own. */
static bool is_shared(const struct bpf_map *map)
{
	return !strstr(bpf_map__name(map), ".rodata");
}

static int check_layout(const struct pin *pin, const struct bpf_object *object)
{
	uint64_t layout = 0;
	uint32_t key = 0;
	int fd = pin_get(pin, LAYOUT), err;

	if (fd < 0)
		return fd;
	err = bpf_map_lookup_elem(fd, &key, &layout) ? -errno : 0;
	close(fd);
	if (!err && layout != layout_of(object))
		err = -ESTALE;
	return err;
}

static int take_maps(const struct pin *pin, struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		char name[PIN_NAME_MAX];
		int fd, err;

		if (!is_shared(map))
			continue;
		name_of("map", bpf_map__name(map), name);
		fd = pin_get(pin, name);
		if (fd < 0)
			return fd;
		err = bpf_map__reuse_fd(map, fd);
		close(fd);
		if (err)
			return err;
	}
	return 0;
}

int capture_pin_take(const struct pin *pin, struct bpf_object *object,
		     const struct bpf_program *kept, const struct bpf_program *asked)
{
	struct bpf_program *program;
	int err;

	if (!pin_has(pin, LAYOUT))
		return pin_remove_all(pin, "");
	err = check_layout(pin, object);
	if (!err)
		err = take_maps(pin, object);
	if (err)
		return err;
	bpf_object__for_each_program(program, object) if (program != kept && program != asked)
		bpf_program__set_autoload(program, false);
	return 1;
}

static int put_layout(const struct pin *pin, const struct bpf_object *object)
{
	uint64_t layout = layout_of(object);
	uint32_t key = 0;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "otel_layout", sizeof(key), sizeof(layout), 1,
				NULL),
	    err;

	if (fd < 0)
		return -errno;
	err = bpf_map_update_elem(fd, &key, &layout, BPF_ANY) ? -errno : pin_put(pin, LAYOUT, fd);
	close(fd);
	return err;
}

int capture_pin_put(const struct pin *pin, const struct bpf_object_skeleton *skeleton,
		    const struct bpf_program *kept, const struct bpf_program *asked)
{
	struct bpf_object *object = *skeleton->obj;
	char name[PIN_NAME_MAX];
	struct bpf_map *map;
	int err = 0;

	bpf_object__for_each_map(map, object)
	{
		if (err || !is_shared(map))
			continue;
		name_of("map", bpf_map__name(map), name);
		err = pin_put(pin, name, bpf_map__fd(map));
	}
	for (int i = 0; !err && i < skeleton->prog_cnt; i++) {
		const struct bpf_prog_skeleton *it = &skeleton->progs[i];

		if (*it->prog == kept || *it->prog == asked || !*it->link)
			continue;
		name_of("hook", it->name, name);
		err = pin_put(pin, name, bpf_link__fd(*it->link));
		/* libbpf would switch some of them off when it frees them. */
		if (!err)
			bpf_link__disconnect(*it->link);
	}
	if (!err)
		err = pin_put(pin, PROGRAM, bpf_program__fd(kept));
	return err ? err : put_layout(pin, object);
}

int capture_pin_program(const struct pin *pin)
{
	return pin_get(pin, PROGRAM);
}
