/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

int wire_varint_slow(const uint8_t **p, const uint8_t *end, size_t most, uint64_t *value)
{
	const uint8_t *from = *p;
	size_t room = (size_t)(end - from), i;
	uint64_t result = 0;

	if (room > most)
		room = most;
	for (i = 0; i < room; i++) {
		result |= (uint64_t)(from[i] & 0x7f) << 7 * i;
		if (from[i] < 0x80)
			break;
	}
	if (i == room)
		return -EBADMSG;
	/* The tenth byte has room for one bit: Go refuses what others cut off. */
	if (i == 9 && from[9] > 1)
		return -EBADMSG;
	*p = from + i + 1;
	*value = result;
	return 0;
}
