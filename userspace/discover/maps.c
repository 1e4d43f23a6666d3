/* SPDX-License-Identifier: Apache-2.0 */
#include "maps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "target.h"

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
	mapping->file = true;
	return true;
}

int maps_read(uint32_t pid, uint64_t time, discover_fn found, void *self)
{
	struct mapping mapping = {.pid = pid, .time = time};
	char line[4096 + 256];
	FILE *maps;
	int err = 0;

	snprintf(line, sizeof(line), "/proc/%u/maps", target_in_proc(pid));
	maps = fopen(line, "re");
	if (!maps)
		return -errno;
	errno = 0;
	while (fgets(line, sizeof(line), maps)) {
		if (parse(line, &mapping))
			found(self, &mapping);
	}
	/* The kernel checks who may see it at the first read. */
	if (ferror(maps))
		err = errno ? -errno : -EIO;
	fclose(maps);
	return err;
}
