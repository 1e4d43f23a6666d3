/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fuzzers share: the input, taken byte by byte, and what must be so.
 */
#ifndef OTEL_BPF_FUZZ_INPUT_H
#define OTEL_BPF_FUZZ_INPUT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* On standard output: make fuzz has what the agent complains about thrown away. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #condition);                     \
			fflush(stdout);                                                            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* At the end, all bytes are 0. */
struct input {
	const uint8_t *p;
	const uint8_t *end;
};

static inline uint8_t take_u8(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

#endif
