/* SPDX-License-Identifier: Apache-2.0 */
#include "spaces.h"

#include <stdlib.h>
#include <string.h>

#include "detect.h"
#include "maps.h"

#define SPACES_MAX 16384
#define MAPPINGS_MAX 4096 /* of a process */
#define PLACES_MAX 1000000

#define SECOND UINT64_C(1000000000)

/* What a process says can be as late as its last flush is in the ring. */
#define ENDED_NS (5 * SECOND)

/* A program is loaded within this time; what is older at its exec is of the program before. */
#define LOADING_NS SECOND

void spaces_init(struct spaces *spaces, struct files *files)
{
	spaces->files = files;
	list_init(&spaces->living);
	list_init(&spaces->ended);
}

/* ---- What is mapped where ------------------------------------------------------------------- */

static void places_put(struct spaces *spaces, struct places *places)
{
	if (!places || --places->references)
		return;
	for (size_t i = 0; i < places->n; i++)
		if (places->list[i].file)
			file_put(spaces->files, places->list[i].file);
	spaces->n_places -= places->n;
	free(places);
}

/* Places of @space's own, with room for one more. Returns 0 or -ENOMEM. */
static int places_own(struct spaces *spaces, struct space *space)
{
	struct places *old = space->places, *places;
	size_t n = old ? old->n : 0, room = n < 8 ? 16 : 2 * n;

	if (old && old->references == 1) {
		if (n < old->room)
			return 0;
		places = realloc(old, sizeof(*places) + room * sizeof(struct place));
		if (!places)
			return -ENOMEM;
	} else {
		places = malloc(sizeof(*places) + room * sizeof(struct place));
		if (!places)
			return -ENOMEM;
		places->references = 1;
		places->n = n;
		for (size_t i = 0; i < n; i++) {
			places->list[i] = old->list[i];
			if (places->list[i].file)
				places->list[i].file->references++;
		}
		spaces->n_places += n;
		if (old)
			old->references--;
	}
	places->room = room;
	space->places = places;
	return 0;
}

static void places_remove(struct spaces *spaces, struct places *places, size_t index)
{
	if (places->list[index].file)
		file_put(spaces->files, places->list[index].file);
	places->n--;
	spaces->n_places--;
	memmove(&places->list[index], &places->list[index + 1],
		(places->n - index) * sizeof(struct place));
}

static struct space **space_bucket(struct spaces *spaces, uint32_t pid)
{
	return &spaces->buckets[pid % SPACES_BUCKETS];
}

struct space *space_find(struct spaces *spaces, uint32_t pid, uint64_t at)
{
	struct space *it = *space_bucket(spaces, pid);

	/* The latest is in front. */
	while (it && (it->pid != pid || it->since > at))
		it = it->next_hash;
	return it;
}

static void space_remove(struct spaces *spaces, struct space *space)
{
	struct space **at = space_bucket(spaces, space->pid);

	while (*at != space)
		at = &(*at)->next_hash;
	*at = space->next_hash;
	list_remove(&space->order);
	places_put(spaces, space->places);
	spaces->n_spaces--;
	free(space);
}

static struct space *space_add(struct spaces *spaces, uint32_t pid, uint64_t since)
{
	struct space *it, **head = space_bucket(spaces, pid);

	while (spaces->n_spaces &&
	       (spaces->n_spaces >= SPACES_MAX || spaces->n_places >= PLACES_MAX)) {
		struct list *from = list_empty(&spaces->ended) ? &spaces->living : &spaces->ended;

		space_remove(spaces, list_entry(from->next, struct space, order));
	}
	it = calloc(1, sizeof(*it));
	if (!it)
		return NULL;
	it->pid = pid;
	it->since = since;
	it->next_hash = *head;
	*head = it;
	list_add(&spaces->living, &it->order);
	spaces->n_spaces++;
	return it;
}

static void add_place(struct spaces *spaces, struct space *space, const struct mapping *mapping)
{
	const struct place place = {
		.begin = mapping->address,
		.end = mapping->address + mapping->length,
		.offset = mapping->offset,
		.since = mapping->time,
	};
	struct places *places;

	if (place.end <= place.begin || places_own(spaces, space))
		return;
	places = space->places;
	/* What lies below a new one is needed a little longer: flushes are late. */
	for (size_t i = places->n; i-- > 0;) {
		const struct place *it = &places->list[i];
		bool covered = it->begin >= place.begin && it->end <= place.end;

		if (covered && it->since + ENDED_NS < place.since)
			places_remove(spaces, places, i);
	}
	if (places->n >= MAPPINGS_MAX)
		places_remove(spaces, places, 0);
	places->list[places->n] = place;
	if (mapping->file)
		places->list[places->n].file = file_get(spaces->files, mapping);
	places->n++;
	spaces->n_places++;
}

void spaces_map(struct spaces *spaces, const struct mapping *mapping)
{
	struct space *space;

	if (!mapping->pid)
		return;
	space = space_find(spaces, mapping->pid, mapping->time);
	/* Of one whose FORK was lost, or is still to come. */
	if (!space || space->ended)
		space = space_add(spaces, mapping->pid, mapping->time);
	if (!space)
		return;
	list_move(&spaces->living, &space->order);
	add_place(spaces, space, mapping);
}

/* ---- Forks, execs, exits -------------------------------------------------------------------- */

static void end_space(struct spaces *spaces, struct space *space, uint64_t at)
{
	space->ended = at;
	list_move(&spaces->ended, &space->order);
}

/* A child has what its parent had mapped, at the same places. */
static void on_fork(struct spaces *spaces, const struct event *event, uint32_t parent_pid)
{
	struct space *parent, *child;
	struct places *own;

	child = space_find(spaces, event->process.pid, UINT64_MAX);
	/* One whose end nobody told of. */
	if (child && !child->ended && child->since < event->time)
		end_space(spaces, child, event->time);
	if (!child || child->ended)
		child = space_add(spaces, event->process.pid, event->time);
	/* Not before: it may have had to make room. */
	parent = space_find(spaces, parent_pid, event->time);
	if (!child || !parent || parent == child || !parent->places)
		return;
	child->since = event->time;
	own = child->places;
	child->places = parent->places;
	child->places->references++;
	list_move(&spaces->living, &child->order);
	if (!own)
		return;
	/* Its own mappings came before the news of the fork. */
	for (size_t i = 0; i < own->n; i++) {
		if (places_own(spaces, child) || child->places->n >= MAPPINGS_MAX)
			break;
		child->places->list[child->places->n++] = own->list[i];
		spaces->n_places++;
		if (own->list[i].file)
			own->list[i].file->references++;
	}
	places_put(spaces, own);
}

/* The new program has been mapped before the kernel tells of it. */
static void on_exec(struct spaces *spaces, const struct event *event)
{
	struct space *space = space_find(spaces, event->process.pid, event->time);

	if (!space || !space->places || places_own(spaces, space))
		return;
	for (size_t i = space->places->n; i-- > 0;)
		if (space->places->list[i].since + LOADING_NS < event->time)
			places_remove(spaces, space->places, i);
}

static void on_exit_(struct spaces *spaces, const struct event *event)
{
	struct space *space = space_find(spaces, event->process.pid, event->time);

	if (space && !space->ended)
		end_space(spaces, space, event->time);
}

void spaces_tick(struct spaces *spaces, uint64_t now)
{
	while (!list_empty(&spaces->ended)) {
		struct space *oldest = list_entry(spaces->ended.next, struct space, order);

		if (oldest->ended + ENDED_NS > now)
			break;
		space_remove(spaces, oldest);
	}
}

void spaces_event(struct spaces *spaces, const struct event *event)
{
	spaces_tick(spaces, event->time);
	if (event->kind == EVENT_FORK && event->size >= sizeof(struct event_fork))
		on_fork(spaces, event,
			((const struct event_fork *)(const void *)(event + 1))->parent.pid);
	else if (event->kind == EVENT_EXEC)
		on_exec(spaces, event);
	else if (event->kind == EVENT_EXIT)
		on_exit_(spaces, event);
}

void spaces_free(struct spaces *spaces)
{
	while (!list_empty(&spaces->living))
		space_remove(spaces, list_entry(spaces->living.next, struct space, order));
	while (!list_empty(&spaces->ended))
		space_remove(spaces, list_entry(spaces->ended.next, struct space, order));
}

/* ---- What nobody has told of ---------------------------------------------------------------- */

struct asking {
	struct spaces *spaces;
	struct space *space;
};

static void on_asked(void *self, const struct mapping *mapping)
{
	const struct asking *asking = self;

	add_place(asking->spaces, asking->space, mapping);
}

struct space *space_ask(struct spaces *spaces, const struct process_id *process, uint64_t at)
{
	struct space *space = space_find(spaces, process->pid, at);
	struct asking asking;

	if (space && (space->ended || (space->asked && space->asked + SECOND > at)))
		return space;
	if (!detect_alive(process))
		return space;
	if (!space)
		space = space_add(spaces, process->pid, at);
	if (!space)
		return NULL;
	space->asked = at;
	asking = (struct asking){spaces, space};
	(void)maps_read(space->pid, at, on_asked, &asking);
	return space;
}

const struct place *place_find(const struct space *space, uint64_t address, uint64_t at)
{
	const struct place *found = NULL, *soon = NULL;

	for (size_t i = 0; space && space->places && i < space->places->n; i++) {
		const struct place *it = &space->places->list[i];

		if (address < it->begin || address >= it->end)
			continue;
		if (it->since <= at && (!found || it->since >= found->since))
			found = it;
		else if (it->since > at && (!soon || it->since < soon->since))
			soon = it;
	}
	return found ? found : soon;
}
