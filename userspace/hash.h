/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashing with a secret, since applications choose what is hashed and could otherwise make every
 * look-up a walk through all of a table.
 */
#ifndef OTEL_BPF_HASH_H
#define OTEL_BPF_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_u64(uint64_t secret, uint64_t a, uint64_t b)
{
	return hash_mix(hash_mix(a ^ secret, UINT64_C(0x9e3779b97f4a7c15)) ^ b, secret | 1);
}

static inline uint64_t hash_bytes(uint64_t secret, const void *data, size_t size)
{
	const uint8_t *p = data;
	uint64_t hash = secret ^ size, word;

	while (size >= 8) {
		memcpy(&word, p, 8);
		hash = hash_mix(hash ^ word, UINT64_C(0xa0761d6478bd642f));
		p += 8;
		size -= 8;
	}
	word = 0;
	if (size)
		memcpy(&word, p, size);
	return hash_mix(hash ^ word, UINT64_C(0xe7037ed1a0b428db));
}

/** One that nobody outside can know; never 0. */
static inline uint64_t hash_secret(void)
{
	uint64_t secret = 0;

	if (getrandom(&secret, sizeof(secret), GRND_NONBLOCK) != (ssize_t)sizeof(secret))
		secret ^= (uint64_t)(uintptr_t)&secret;
	return secret | 1;
}

#endif
