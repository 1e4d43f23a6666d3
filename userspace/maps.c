/* SPDX-License-Identifier: Apache-2.0 */
#include "maps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void maps_path(const struct mapping *mapping, char path[MAPS_PATH_MAX])
{
	/* The mapping's own link finds replaced and deleted files; it wants more privileges. */
	snprintf(path, MAPS_PATH_MAX, "/proc/%u/map_files/%" PRIx64 "-%" PRIx64, mapping->pid,
		 mapping->address, mapping->address + mapping->length);
	if (access(path, R_OK))
		snprintf(path, MAPS_PATH_MAX, "/proc/%u/root%s", mapping->pid, mapping->name);
}

/* One line of /proc/PID/maps. False: no file that is mapped as code. */
static bool parse(char *line, struct mapping *mapping)
{
	char permissions[5];
	uint64_t end;
	int name = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n",
		   &mapping->address, &end, permissions, &mapping->offset, &mapping->major,
		   &mapping->minor, &mapping->inode, &name) < 7 ||
	    permissions[2] != 'x' || !mapping->inode || !name || line[name] != '/')
		return false;
	mapping->length = end - mapping->address;
	mapping->name = line + name;
	return true;
}

static int read_maps(uint32_t pid, uint64_t time, bool paths, discover_fn found, void *self)
{
	struct mapping mapping = {.pid = pid, .time = time};
	char line[4096 + 256], path[MAPS_PATH_MAX];
	FILE *maps;
	int err = 0;

	snprintf(line, sizeof(line), "/proc/%u/maps", pid);
	maps = fopen(line, "re");
	if (!maps)
		return -errno;
	mapping.path = paths ? path : NULL;
	errno = 0;
	while (fgets(line, sizeof(line), maps)) {
		if (!parse(line, &mapping))
			continue;
		if (paths)
			maps_path(&mapping, path);
		found(self, &mapping);
	}
	/* The kernel checks who may see it at the first read. */
	if (ferror(maps))
		err = errno ? -errno : -EIO;
	fclose(maps);
	return err;
}

int maps_read(uint32_t pid, uint64_t time, discover_fn found, void *self)
{
	return read_maps(pid, time, true, found, self);
}

int maps_list(uint32_t pid, discover_fn found, void *self)
{
	return read_maps(pid, 0, false, found, self);
}
