/* SPDX-License-Identifier: Apache-2.0 */
#include "utf8.h"

#include <string.h>

static bool is_tail(uint8_t byte)
{
	return (byte & 0xc0) == 0x80;
}

/* Bytes of the character at @p, 0 if there is none. */
static size_t character(const uint8_t *p, size_t room)
{
	uint8_t low = 0x80, high = 0xbf;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	if (p[0] < 0xe0)
		return room >= 2 && is_tail(p[1]) ? 2 : 0;
	/* Only the second byte tells overlong forms, surrogates and what is above U+10FFFF. */
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (room < 3 || p[1] < low || p[1] > high || !is_tail(p[2]))
		return 0;
	if (p[0] < 0xf0)
		return 3;
	return room >= 4 && is_tail(p[3]) ? 4 : 0;
}

bool utf8_valid(const void *text, size_t size)
{
	const uint8_t *p = text;
	uint64_t word;
	size_t n;

	while (size >= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		if (word & UINT64_C(0x8080808080808080))
			break;
		p += sizeof(word);
		size -= sizeof(word);
	}
	while (size) {
		n = character(p, size);
		if (!n)
			return false;
		p += n;
		size -= n;
	}
	return true;
}

size_t utf8_prefix(const void *text, size_t size, size_t most)
{
	const uint8_t *p = text;
	size_t at = 0;

	if (size <= most)
		return size;
	for (; at < size; at++)
		if (!is_tail(p[at]) && !most--)
			break;
	return at;
}

size_t utf8_repaired_size(const void *text, size_t size)
{
	const uint8_t *p = text;
	size_t result = 0, n;

	while (size) {
		n = character(p, size);
		result += n ? n : 3;
		n = n ? n : 1;
		p += n;
		size -= n;
	}
	return result;
}

uint8_t *utf8_repair(uint8_t *out, const void *text, size_t size)
{
	const uint8_t *p = text;
	size_t n;

	while (size) {
		n = character(p, size);
		if (n) {
			memcpy(out, p, n);
			out += n;
		} else {
			memcpy(out, "\xef\xbf\xbd", 3);
			out += 3;
			n = 1;
		}
		p += n;
		size -= n;
	}
	return out;
}
