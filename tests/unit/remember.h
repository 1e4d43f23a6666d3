/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps what an intake has to keep, and has another one go on from there, as after an agent that was killed. */
#ifndef TESTS_REMEMBER_H
#define TESTS_REMEMBER_H

#include "collect.h"

#define SLOTS_MAX 64

static struct kept remembered[SLOTS_MAX + 1];

static inline void remember_put(void *self, uint32_t *slot, const struct kept *kept)
{
	(void)self;
	for (uint32_t i = 1; kept && !*slot && i <= SLOTS_MAX; i++)
		if (!remembered[i].process.pid)
			*slot = i;
	remembered[*slot] = kept ? *kept : (struct kept){0};
	if (!kept)
		*slot = 0;
}

static inline size_t remembered_slots(void)
{
	size_t n = 0;

	for (uint32_t i = 1; i <= SLOTS_MAX; i++)
		n += remembered[i].process.pid != 0;
	return n;
}

static inline struct intake *remember_new(struct collected *it, size_t max_open)
{
	const struct intake_options options = {
		.max_open = max_open,
		.sink = {.submit = collect_span, .self = it},
		.keeper = {.keep = remember_put, .put = remember_put},
	};

	memset(it, 0, sizeof(*it));
	memset(remembered, 0, sizeof(remembered));
	return intake_new(&options);
}

/** Returns the next one; what has been finished stays in @it. */
static inline struct intake *remember_kill(struct intake *killed, struct collected *it, size_t max_open, uint64_t now)
{
	const struct intake_options options = {
		.max_open = max_open,
		.sink = {.submit = collect_span, .self = it},
		.keeper = {.keep = remember_put, .put = remember_put},
	};
	struct intake *next = intake_new(&options);

	intake_free(killed);
	for (uint32_t kind = KEPT_PROCESS + 1; next && kind-- > 0;)
		for (uint32_t i = 1; i <= SLOTS_MAX; i++)
			if (remembered[i].process.pid && (remembered[i].flags & KEPT_PROCESS) == kind &&
			    !intake_restore(next, &remembered[i], i, now))
				remembered[i] = (struct kept){0};
	return next;
}

#endif
