/* SPDX-License-Identifier: Apache-2.0 */
/* For tests that feed an intake: two threads of a process, and what came out of it. */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "collect.h"
#include "producer.h"

#define SPAN UINT64_C(0x1122334455667788)

static struct producer one, two;
static struct collected out;
static struct intake *intake;

static inline int begin(void **state)
{
	(void)state;
	intake = collect_new(&out, 100);
	producer_init(&one, 1);
	producer_init(&two, 2);
	return intake ? 0 : -1;
}

/* Whatever a test did: every span is accounted for. */
static inline int finish(void **state)
{
	struct intake_counts counts;
	int err = 0;

	(void)state;
	intake_finish(intake);
	intake_counts(intake, &counts);
	if (counts.books[BOOK_OPEN] || books_difference(counts.books)) {
		for (int i = 0; i < BOOKS; i++)
			fprintf(stderr, "book %d: %lu\n", i, counts.books[i]);
		err = -1;
	}
	intake_free(intake);
	collected_free(&out);
	return err;
}

static inline struct intake_counts counted(void)
{
	struct intake_counts counts;

	intake_counts(intake, &counts);
	return counts;
}

static inline const struct span *only(void)
{
	assert_int_equal(out.n, 1);
	return out.spans[0];
}

static inline void assert_text(struct bytes bytes, const char *text)
{
	if (!bytes_are(bytes, text))
		fprintf(stderr, "\"%.*s\" is not \"%s\"\n", (int)bytes.size,
			(const char *)bytes.data, text);
	assert_true(bytes_are(bytes, text));
}

/* When a process started, as the kernel's files have it. */
static inline uint64_t start_time_of(pid_t pid)
{
	unsigned long long ticks = 0;
	char text[1024], *p;
	FILE *file;

	snprintf(text, sizeof(text), "/proc/%d/stat", pid);
	file = fopen(text, "r");
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	/* Field 22; the second ends with the last ')'. */
	p = strrchr(text, ')') + 1;
	for (int i = 3; i < 22; i++)
		p = strchr(p + 1, ' ');
	assert_int_equal(sscanf(p, "%llu", &ticks), 1);
	return ticks * (SECOND / (uint64_t)sysconf(_SC_CLK_TCK));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

#endif
