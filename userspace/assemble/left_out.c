/* SPDX-License-Identifier: Apache-2.0 */
#include "left_out.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"

#define WAYS 4u
#define SETS (LEFT_OUT_MAX / WAYS)

struct entry {
	uint64_t process; /* 0: empty */
	uint64_t id;
	struct parent parent;
};

struct set {
	uint32_t next; /* to be written over */
	struct entry entries[WAYS];
};

struct left_out {
	uint64_t secret;
	struct set sets[SETS];
};

struct left_out *left_out_new(void)
{
	struct left_out *left_out = calloc(1, sizeof(*left_out));

	if (left_out)
		left_out->secret = hash_secret();
	return left_out;
}

void left_out_free(struct left_out *left_out)
{
	free(left_out);
}

static size_t set_of(const struct left_out *left_out, uint64_t process, uint64_t id)
{
	return hash_u64(left_out->secret, process, id) % SETS;
}

void left_out_add(struct left_out *left_out, uint64_t process, uint64_t id,
		  const struct parent *parent)
{
	struct set *set = &left_out->sets[set_of(left_out, process, id)];

	set->entries[set->next++ % WAYS] = (struct entry){process, id, *parent};
}

bool left_out_find(const struct left_out *left_out, uint64_t process, uint64_t id,
		   struct parent *parent)
{
	const struct set *set = &left_out->sets[set_of(left_out, process, id)];

	for (unsigned i = 0; i < WAYS; i++)
		if (set->entries[i].process == process && set->entries[i].id == id) {
			*parent = set->entries[i].parent;
			return true;
		}
	return false;
}
