/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what is found in a spool. The input is a list of files: a byte that says what to do with
 * one, a number for its name, a length, and its bytes. Some get a header whose checksums are right,
 * so that what is behind them is reached, too. Whatever is there: it opens, what is read back is
 * what the checksum says, the counts add up, and all can be removed.
 *
 *     clang -fsanitize=fuzzer,address,undefined ... spool_fuzz.c; ./spool_fuzz corpus
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../exporter/spool.h"
#include "../../exporter/spool_file.h"
#include "../unit/folder.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES_MAX = 16, FILE_BYTES_MAX = 4096 };

static char folder[64];

static void end(void)
{
	folder_remove(folder);
}

/* How the name of a file is made. */
static void name_file(char *name, struct input *in, uint8_t how)
{
	uint8_t number = take_u8(in);

	if ((how & 7) == 7)
		snprintf(name, 128, "%s/writing", folder);
	else if ((how & 7) == 6)
		snprintf(name, 128, "%s/0000ffffffffff%02x.otlp", folder, number);
	else
		snprintf(name, 128, "%s/00000000000000%02x.otlp", folder, number & 15);
}

static void put_file(struct input *in)
{
	static uint8_t bytes[SPOOL_HEADER_BYTES + FILE_BYTES_MAX];
	uint8_t how = take_u8(in);
	char name[128];
	size_t size;
	int fd;

	name_file(name, in, how);
	size = (size_t)take_u8(in) << 8 | take_u8(in);
	size %= FILE_BYTES_MAX;
	if (size > (size_t)(in->end - in->p))
		size = (size_t)(in->end - in->p);
	memcpy(bytes + SPOOL_HEADER_BYTES, in->p, size);
	in->p += size;
	spool_header_write(bytes, (struct bytes){bytes + SPOOL_HEADER_BYTES, size}, take_u8(in),
			   take_u8(in) & 1);
	if (how & 8) /* the header is nearly right */
		bytes[take_u8(in) % SPOOL_HEADER_BYTES] ^= take_u8(in);
	if ((how & 0xf0) == 0xf0) {
		mkdir(name, 0700);
		return;
	}
	fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	if (fd < 0)
		return; /* is a directory from before */
	if (how & 16)	/* without a header of ours */
		CHECK(write(fd, bytes + SPOOL_HEADER_BYTES, size) == (ssize_t)size);
	else
		CHECK(write(fd, bytes, size + SPOOL_HEADER_BYTES) ==
		      (ssize_t)size + SPOOL_HEADER_BYTES);
	close(fd);
}

static void check_counts(const struct spool *spool)
{
	uint64_t spans = 0, batches = 0;
	struct spool_counts counts;

	for (struct spool_entry *it = spool_first(spool); it; it = spool_next(spool, it)) {
		struct spool_entry *next = spool_next(spool, it);

		CHECK(!next || next->number > it->number);
		spans += it->spans;
		batches++;
	}
	spool_counts(spool, &counts);
	CHECK(counts.spans == spans && counts.batches == batches);
	CHECK(counts.bytes >= 4096 * batches);
	CHECK((batches == 0) == (counts.bytes == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, data + size};
	struct tally tally = {0};
	struct spool_entry *entry;
	struct spool *spool = NULL;
	struct bytes request;
	uint64_t corrupt;
	int err;

	if (!*folder) {
		folder_make(folder);
		atexit(end);
	}
	for (int i = 0; i < FILES_MAX && in.p < in.end; i++)
		put_file(&in);
	CHECK(!spool_open(folder, 1u << 20, &spool));
	check_counts(spool);
	err = spool_append(spool, (struct bytes){(const uint8_t *)"new", 3}, 1, false, &tally,
			   &entry);
	CHECK(err == -EOVERFLOW || (!err && !spool_next(spool, entry)));
	check_counts(spool);
	corrupt = spool_found_corrupt(spool);
	while ((entry = spool_first(spool))) {
		err = spool_read(spool, entry, &request);
		CHECK(!err || err == -EBADMSG);
		CHECK(err || request.size == entry->size);
		if (err)
			corrupt += entry->spans;
		spool_mark(spool, entry, true);
		spool_remove(spool, entry, &tally);
		check_counts(spool);
	}
	CHECK(corrupt <= spool_found(spool));
	spool_close(spool);
	/* Nothing but directories and what has another name is left. */
	CHECK(!spool_open(folder, 1u << 20, &spool));
	CHECK(spool_found(spool) == 0);
	CHECK(!spool_first(spool));
	spool_close(spool);
	return 0;
}
