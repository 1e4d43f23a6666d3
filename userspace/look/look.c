/* SPDX-License-Identifier: Apache-2.0 */
#include "look.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "peek.h"

#define BUCKETS 1024
#define PROCESSES_MAX 131072u

/* Answers that are waited for, and what was found and is not due yet. */
#define ASKED_MAX 32u
#define FOUND_BYTES_MAX ((size_t)8 << 20)

/* Who did not answer: a reader was ended meanwhile. */
#define SILENT_NS UINT64_C(5000000000)

/* One whose memory did not come is left alone so long at first, and then longer. */
#define STUCK_PAUSE_NS UINT64_C(10000000000)
#define STUCK_SHIFT_MAX 6

/* One that takes longer to read gets no more than a tenth of the reader's time. */
#define LONG_NS 20000000u
#define LONG_FACTOR 9

/*
 * And all that take so long together get no more than this of one look, after all others. Those of which it is not
 * known how long they take come in between, one by one: what is left of them waits for the next look.
 */
#define LONG_TOGETHER_NS 200000000u

/* What is not read within this time goes on the next time. */
#define BUDGET_NS 5000000u
#define LONG_BUDGET_NS 100000000u

struct looked_at {
	struct looked_at *next;
	struct process_id id;
	uint64_t anchor; /* 0: not known yet */
	uint64_t asked;	 /* with this one */
	uint32_t image_count;
	uint32_t bucket;		  /* where to go on */
	uint64_t images[PEEK_IMAGES_MAX]; /* the last ones that were told */
	uint64_t not_before;
	uint64_t took;	/* to be read, the last time; 0: not known */
	unsigned stuck; /* how often */
};

struct found {
	struct found *next;
	uint64_t written; /* the ring, when this was found */
	size_t size;
	uint8_t event[];
};

struct look {
	look_fn found;
	uint64_t (*written)(void *self);
	void *self;
	struct peek *peek;
	bool broken;
	uint64_t failed;
	struct looked_at *buckets[BUCKETS];
	size_t count;
	/* This look: whom it is still to be at. */
	uint32_t *pids;
	size_t n_pids, pids_room, at;
	size_t n_short;	  /* the first ones: that take no time */
	size_t long_turn; /* which of those that take long is the next */
	bool counts;
	bool all;
	struct process_id asked[ASKED_MAX];
	unsigned first_asked, n_asked;
	uint64_t heard;
	struct found *first, **last;
	size_t found_bytes;
	struct peek_answer answer;
};

struct look *look_new(look_fn found, uint64_t (*written)(void *self), void *self)
{
	struct look *look = calloc(1, sizeof(*look));
	int err;

	if (!look)
		return NULL;
	look->found = found;
	look->written = written;
	look->self = self;
	look->last = &look->first;
	err = peek_new(&look->peek);
	if (err) {
		free(look);
		errno = -err;
		return NULL;
	}
	return look;
}

static void drop_first(struct look *look)
{
	struct found *it = look->first;

	look->first = it->next;
	if (!look->first)
		look->last = &look->first;
	look->found_bytes -= it->size;
	free(it);
}

void look_free(struct look *look)
{
	if (!look)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (look->buckets[i]) {
			struct looked_at *process = look->buckets[i];

			look->buckets[i] = process->next;
			free(process);
		}
	while (look->first)
		drop_first(look);
	free(look->pids);
	peek_free(look->peek);
	free(look);
}

int look_fd(const struct look *look)
{
	return peek_fd(look->peek);
}

/* ---- Processes ---- */

static struct looked_at **find(struct look *look, uint32_t pid)
{
	struct looked_at **at = &look->buckets[pid % BUCKETS];

	while (*at && (*at)->id.pid != pid)
		at = &(*at)->next;
	return at;
}

static struct looked_at *find_or_add(struct look *look, uint32_t pid)
{
	struct looked_at **at = find(look, pid);

	if (*at)
		return *at;
	if (look->count < PROCESSES_MAX)
		*at = calloc(1, sizeof(**at));
	if (!*at) {
		look->failed++;
		return NULL;
	}
	(*at)->id.pid = pid;
	look->count++;
	return *at;
}

/* The process that still is who it was. */
static struct looked_at *find_same(struct look *look, const struct process_id *id)
{
	struct looked_at *process = *find(look, id->pid);

	return process && !memcmp(&process->id, id, sizeof(*id)) ? process : NULL;
}

/*
 * A child has what its parent had mapped, at the same places. Where the memory is the parent's, so are the
 * records in it.
 */
static void inherit(struct look *look, struct looked_at *child, const struct event_fork *fork)
{
	struct looked_at *parent = *find(look, fork->parent.pid);

	if (!parent || fork->shares_memory)
		return;
	child->anchor = parent->anchor;
	if (parent->took > LONG_NS)
		child->took = parent->took;
	child->image_count = parent->image_count;
	memcpy(child->images, parent->images, sizeof(child->images));
}

void look_event(struct look *look, const struct event *event)
{
	struct looked_at *process, **at;

	if (event->kind == EVENT_EXIT) {
		at = find(look, event->process.pid);
		process = *at;
		if (process) {
			*at = process->next;
			look->count--;
			free(process);
		}
		return;
	}
	process = find_or_add(look, event->process.pid);
	if (!process)
		return;
	if (process->id.execs != event->process.execs && event->kind != EVENT_EXEC &&
	    process->id.start_time)
		return; /* late news of the program before the exec */
	process->id = event->process;
	switch (event->kind) {
	case EVENT_EXEC:
		/* The new program's images may have been reported before: old addresses do no harm.
		 */
		process->anchor = 0;
		break;
	case EVENT_FORK:
		inherit(look, process, (const struct event_fork *)(const void *)(event + 1));
		break;
	case EVENT_FLUSH:
		if (event->size >= sizeof(struct otel_buffer))
			process->anchor =
				((const struct otel_buffer *)(const void *)(event + 1))->anchor;
		break;
	}
}

void look_image(struct look *look, uint32_t pid, uint64_t address)
{
	struct looked_at *process = find_or_add(look, pid);

	for (size_t i = 0; process && i < PEEK_IMAGES_MAX; i++)
		if (process->images[i] == address)
			return;
	if (process)
		process->images[process->image_count++ % PEEK_IMAGES_MAX] = address;
}

/* ---- Asking ---- */

/* Until the kernel has said who it is, what it holds would be of somebody else. */
static bool is_due(const struct looked_at *process, uint64_t now)
{
	return process->id.start_time && now >= process->not_before;
}

static void add(struct look *look, const struct looked_at *process)
{
	if (look->n_pids < look->pids_room)
		look->pids[look->n_pids++] = process->id.pid;
}

/* Of @n that take long, in turn, as many as there is time for; at least one. @all: all of them. */
static void add_long(struct look *look, size_t n, uint64_t now, bool all)
{
	size_t first = n ? look->long_turn % n : 0, i = 0;
	uint64_t together = 0;

	/* Twice, to go on from the last one to the first. */
	for (size_t bucket = 0; bucket < 2 * BUCKETS && i < first + n; bucket++)
		for (struct looked_at *it = look->buckets[bucket % BUCKETS]; it; it = it->next) {
			if (it->took <= LONG_NS || !is_due(it, now) || i++ < first || i > first + n ||
			    (together >= LONG_TOGETHER_NS && !all))
				continue;
			together += it->took;
			look->long_turn++;
			add(look, it);
		}
}

bool look_start(struct look *look, uint64_t now, unsigned how)
{
	size_t n_long = 0;

	if (look->at >= look->n_short)
		look->n_pids = look->at;
	if (look->broken || look->at < look->n_pids || look->n_asked)
		return false;
	look->at = look->n_pids = 0;
	if (look->pids_room < look->count) {
		free(look->pids);
		look->pids = malloc(2 * look->count * sizeof(*look->pids));
		look->pids_room = look->pids ? 2 * look->count : 0;
	}
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct looked_at *it = look->buckets[i]; it; it = it->next) {
			if (is_due(it, now) && it->took && it->took <= LONG_NS)
				add(look, it);
			n_long += is_due(it, now) && it->took > LONG_NS;
		}
	look->n_short = look->n_pids;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct looked_at *it = look->buckets[i]; it; it = it->next)
			if (is_due(it, now) && !it->took)
				add(look, it);
	add_long(look, n_long, now, how & LOOK_ALL);
	look->heard = now;
	look->counts = how & LOOK_COUNTS;
	look->all = how & LOOK_ALL;
	return true;
}

static void ask(struct look *look)
{
	while (look->at < look->n_pids && look->n_asked < (look->at < look->n_short || look->all ? ASKED_MAX : 1) &&
	       look->found_bytes < FOUND_BYTES_MAX) {
		struct looked_at *process = *find(look, look->pids[look->at]);
		struct peek_request request;

		if (!process || !process->id.start_time) {
			look->at++;
			continue;
		}
		request = (struct peek_request){
			.process = process->id,
			.anchor = process->anchor,
			.image_count = process->image_count,
			.bucket = process->bucket,
			.counts = look->counts,
			.budget = process->took > LONG_NS || look->all ? LONG_BUDGET_NS : BUDGET_NS,
		};
		memcpy(request.images, process->images, sizeof(request.images));
		if (peek_ask(look->peek, &request))
			return;
		process->asked = process->anchor;
		look->asked[(look->first_asked + look->n_asked++) % ASKED_MAX] = process->id;
		look->at++;
	}
}

/* All requests up to the one of @id are done with. */
static void answered(struct look *look, const struct process_id *id)
{
	unsigned i = 0;

	while (i < look->n_asked &&
	       memcmp(&look->asked[(look->first_asked + i) % ASKED_MAX], id, sizeof(*id)))
		i++;
	if (i == look->n_asked)
		return;
	look->first_asked = (look->first_asked + i + 1) % ASKED_MAX;
	look->n_asked -= i + 1;
}

static void stuck(struct looked_at *process, uint64_t now)
{
	unsigned shift = process->stuck < STUCK_SHIFT_MAX ? process->stuck : STUCK_SHIFT_MAX;

	if (!process->stuck++)
		log_error("process %u: what it holds could not be read within a second; it is "
			  "looked at "
			  "less often (is its memory of a file system that does not answer?)",
			  process->id.pid);
	process->not_before = now + (STUCK_PAUSE_NS << shift);
}

static void keep(struct look *look)
{
	size_t size = sizeof(look->answer.found.event) + look->answer.found.event.size;
	struct found *it = malloc(sizeof(*it) + size);

	if (!it)
		return; /* the next look finds it again */
	it->next = NULL;
	it->written = look->written(look->self);
	it->size = size;
	memcpy(it->event, &look->answer.found, size);
	*look->last = it;
	look->last = &it->next;
	look->found_bytes += size;
}

static void take_answer(struct look *look, uint64_t now)
{
	const struct peek_answer *answer = &look->answer;
	struct looked_at *process;

	look->heard = now;
	if (answer->kind == PEEK_FOUND) {
		keep(look);
		return;
	}
	answered(look, &answer->process);
	process = find_same(look, &answer->process);
	if (!process)
		return;
	if (answer->kind == PEEK_STUCK) {
		look->failed++;
		stuck(process, now);
		return;
	}
	process->bucket = answer->bucket;
	/* Unless it has said another one meanwhile. */
	if (answer->anchor && process->anchor == process->asked)
		process->anchor = answer->anchor;
	/* How long all of it takes is not known: longer. */
	process->took = answer->cut && answer->took <= LONG_NS ? LONG_NS + 1 : answer->took | 1;
	if (answer->took > LONG_NS)
		process->not_before = now + LONG_FACTOR * answer->took;
}

static void take_answers(struct look *look, uint64_t now)
{
	int err = 0;

	while (look->found_bytes < FOUND_BYTES_MAX) {
		err = peek_answer(look->peek, &look->answer);
		if (err)
			break;
		take_answer(look, now);
	}
	if (err == -EPIPE) {
		log_error("nobody is left to look at what quiet threads hold: "
			  "it is recorded when they go on, or end");
		look->broken = true;
	}
	if (look->broken)
		look->failed += look->n_asked + (look->n_pids - look->at);
	if (look->broken || (look->n_asked && now - look->heard > SILENT_NS)) {
		look->n_asked = 0;
		look->at = look->n_pids;
	}
}

/* ---- Handing over ---- */

uint64_t look_failed(const struct look *look)
{
	return look->failed;
}

bool look_under_way(const struct look *look)
{
	return look->first || look->n_asked || look->at < look->n_pids;
}

bool look_turn(struct look *look, uint64_t consumed, uint64_t now)
{
	if (!look->broken && (look->at < look->n_pids || look->n_asked)) {
		ask(look);
		take_answers(look, now);
		ask(look);
	}
	while (look->first && look->first->written <= consumed) {
		const struct event *event = (const struct event *)(const void *)look->first->event;

		/* Else the kernel side took it. */
		if (find_same(look, &event->process))
			look->found(look->self, event, look->first->size);
		drop_first(look);
	}
	return look->first;
}
