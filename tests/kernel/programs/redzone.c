/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Callers of the API that keep values below their stack pointer. A probe that writes there at the
 * wrong place changes them: every sum here is checked.
 */
#include <otel/trace.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static otel_tracer tracer = OTEL_TRACER("redzone", "1");
static long bad;

#if defined(__x86_64__)
/* Fills its 128 bytes of red zone, and checks them. No stack frame, no call. */
long leaf(long seed);
__asm__(".text\n"
	".type leaf, @function\n"
	"leaf:\n"
	"mov $16, %ecx\n"
	"1: lea (%rdi,%rcx), %rax\n"
	"mov %rcx, %rdx\n"
	"neg %rdx\n"
	"mov %rax, (%rsp,%rdx,8)\n"
	"dec %ecx\n"
	"jnz 1b\n"
	"xor %eax, %eax\n"
	"mov $16, %ecx\n"
	"2: lea (%rdi,%rcx), %rsi\n"
	"mov %rcx, %rdx\n"
	"neg %rdx\n"
	"sub (%rsp,%rdx,8), %rsi\n"
	"or %rsi, %rax\n"
	"dec %ecx\n"
	"jnz 2b\n"
	"ret\n"
	".size leaf, .-leaf\n"
	".section .note.GNU-stack, \"\", %progbits\n"
	".text\n");
#else
static long leaf(long seed)
{
	return seed - seed;
}
#endif

/* What a compiler keeps in the red zone at -O2: a small array in a function that calls nothing. */
static __attribute__((noinline)) long mixed(long seed)
{
	volatile long kept[12];
	long sum = 0;

	for (long i = 0; i < 12; i++)
		kept[i] = seed * i;
	for (long i = 0; i < 12; i++)
		sum += kept[i];
	return sum - seed * 66;
}

/* Looks like a leaf while nobody listens: the calls stand in cold paths between uses of the array. */
static __attribute__((noinline)) long almost_leaf(long seed)
{
	volatile long kept[12];
	long sum = 0;
	otel_span span = otel_start(&tracer, "almost a leaf");

	for (long i = 0; i < 12; i++) {
		kept[i] = seed + i;
		if (i % 4 == 0)
			otel_set(span, otel_int("i", i));
	}
	otel_event(span, "between");
	otel_set_status(span, OTEL_ERROR, "none");
	otel_end(span);
	for (long i = 0; i < 12; i++)
		sum += kept[i] - seed - i;
	return sum;
}

static __attribute__((noinline)) double numbers(long seed)
{
	double a = (double)seed, b = a + 1, c = a + 2, d = a + 3;
	OTEL_SPAN(span, &tracer, "numbers", otel_double("a", a));

	otel_set(span, otel_double("b", b), otel_double("c", c));
	return a + b + c + d - 4 * (double)seed - 6;
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? atol(argv[1]) : 1;

	for (long i = 0; i < rounds; i++) {
		bad += leaf(i) != 0;
		bad += mixed(i) != 0;
		bad += almost_leaf(i) != 0;
		bad += numbers(i) < 0 || numbers(i) > 0;
		bad += leaf(i) != 0;
	}
	printf("bad %ld\n", bad);
	return bad != 0;
}
