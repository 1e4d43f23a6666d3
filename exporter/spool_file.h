/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One batch in a file: a header, then an ExportTraceServiceRequest. Numbers are little-endian.
 *
 *     offset  bytes
 *      0       8    "otelspl1"
 *      8       4    CRC-32 of bytes 12 to 27
 *     12       4    CRC-32 of the request
 *     16       4    spans in it
 *     20       4    bytes of the request, which ends with the file
 *     24       4    0
 *     28       4    0: not sent; anything else: sent, and whether it arrived is not known
 *
 * The last field is the only one that changes, and in no checksum: it is one write of one byte.
 */
#ifndef OTEL_BPF_SPOOL_FILE_H
#define OTEL_BPF_SPOOL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "span.h"

#define SPOOL_HEADER_BYTES 32
#define SPOOL_SENT_OFFSET 28
#define SPOOL_REQUEST_MOST (64u << 20)

struct spool_header {
	uint32_t spans;
	uint32_t size; /* of the request */
	uint32_t checksum;
	bool sent; /* once, and the answer was lost */
};

/** The header of a file that holds @request, of @spans spans. */
void spool_header_write(uint8_t out[SPOOL_HEADER_BYTES], struct bytes request, uint32_t spans,
			bool sent);

/**
 * Reads the header of a file of @file_size bytes. Returns 0; -EBADMSG: it is none; -ENODATA: it
 * is one, and *@out filled in, but the file has not the size that it says.
 */
int spool_header_read(const uint8_t in[SPOOL_HEADER_BYTES], uint64_t file_size,
		      struct spool_header *out);

/** Returns 0, or -EBADMSG if it is not what was written. */
int spool_request_check(const struct spool_header *header, struct bytes request);

#endif
