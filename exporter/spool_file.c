/* SPDX-License-Identifier: Apache-2.0 */
#include "spool_file.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <zlib.h>

static const char magic[8] = "otelspl1";

static void put_u32(uint8_t *p, uint32_t value)
{
	value = htole32(value);
	memcpy(p, &value, sizeof(value));
}

static uint32_t get_u32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return le32toh(value);
}

static uint32_t checksum(const void *data, size_t size)
{
	return (uint32_t)crc32_z(0, data, size);
}

void spool_header_write(uint8_t out[SPOOL_HEADER_BYTES], struct bytes request, uint32_t spans,
			bool sent)
{
	memset(out, 0, SPOOL_HEADER_BYTES);
	memcpy(out, magic, sizeof(magic));
	put_u32(out + 12, checksum(request.data, request.size));
	put_u32(out + 16, spans);
	put_u32(out + 20, (uint32_t)request.size);
	put_u32(out + 8, checksum(out + 12, 16));
	out[SPOOL_SENT_OFFSET] = sent;
}

int spool_header_read(const uint8_t in[SPOOL_HEADER_BYTES], uint64_t file_size,
		      struct spool_header *out)
{
	if (file_size < SPOOL_HEADER_BYTES || memcmp(in, magic, sizeof(magic)) != 0 ||
	    get_u32(in + 8) != checksum(in + 12, 16))
		return -EBADMSG;
	*out = (struct spool_header){
		.checksum = get_u32(in + 12),
		.spans = get_u32(in + 16),
		.size = get_u32(in + 20),
		.sent = in[SPOOL_SENT_OFFSET],
	};
	if (!out->spans || out->spans > out->size || out->size > SPOOL_REQUEST_MOST)
		return -EBADMSG;
	return file_size == (uint64_t)SPOOL_HEADER_BYTES + out->size ? 0 : -ENODATA;
}

int spool_request_check(const struct spool_header *header, struct bytes request)
{
	if (request.size != header->size ||
	    checksum(request.data, request.size) != header->checksum)
		return -EBADMSG;
	return 0;
}
