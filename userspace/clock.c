/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <time.h>

#define INTERVAL_NS UINT64_C(100000000)
/* Less is the time between reading the clock and the trap, or a look at an old header. */
#define SHIFT_MIN_NS 10000000
#define TRIES 5

static uint64_t read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

/* The tightest of a few brackets: whatever interrupts us makes the others wider. */
static int64_t measure(uint64_t *width)
{
	int64_t offset = 0;

	*width = UINT64_MAX;
	for (int i = 0; i < TRIES; i++) {
		uint64_t before = read_clock(CLOCK_MONOTONIC);
		uint64_t wall = read_clock(CLOCK_REALTIME);
		uint64_t after = read_clock(CLOCK_MONOTONIC);

		if (after - before >= *width)
			continue;
		*width = after - before;
		offset = (int64_t)(wall - (before + *width / 2));
	}
	return offset;
}

int64_t clock_offset(struct clock *clock, uint64_t now)
{
	uint64_t width;
	int64_t offset;

	if (clock->measured && now < clock->measured + INTERVAL_NS)
		return clock->offset;
	offset = measure(&width);
	/* Within what the measurement can be wrong by: keep, so that siblings line up. */
	if (!clock->measured || offset - clock->offset > (int64_t)width ||
	    clock->offset - offset > (int64_t)width)
		clock->offset = offset;
	clock->measured = now ? now : 1;
	return clock->offset;
}

void clock_shift_learn(struct clock_shift *shift, uint64_t theirs, uint64_t ours)
{
	int64_t difference = (int64_t)(ours - theirs);

	/* Nobody's clock reads 0: a header that was never handed over. */
	if (!theirs || (shift->known && difference >= shift->least))
		return;
	shift->least = difference;
	shift->known = 1;
}

int64_t clock_shift_of(const struct clock_shift *shift)
{
	if (shift->same || !shift->known ||
	    (shift->least < SHIFT_MIN_NS && shift->least > -SHIFT_MIN_NS))
		return 0;
	return shift->least;
}
