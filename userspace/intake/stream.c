/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

int stream_advance(struct stream *stream, const struct flush *flush, struct stream_news *news)
{
	uint64_t position = flush->header.position, end = position + flush->records.size;

	*news = (struct stream_news){0};
	if (position > stream->expected && position - stream->expected > STREAM_GAP_MAX) {
		stream->expected = end;
		return -EBADMSG;
	}
	if (position > stream->expected) {
		news->gap = position - stream->expected;
		stream->gaps++;
	} else if (end <= stream->expected) {
		news->seen = true;
		return 0;
	} else {
		news->overlap = (size_t)(stream->expected - position);
	}
	stream->expected = end;
	return 0;
}

bool stream_drop(struct stream *stream, size_t *memory)
{
	bool joining = stream->joining;

	*memory -= stream->pieces.room;
	*stream->pieces_of_process -= stream->pieces.room;
	blob_reset(&stream->pieces, 0);
	stream->joining = false;
	return joining;
}

static int append(struct stream *stream, struct bytes payload, size_t *memory)
{
	size_t room = stream->pieces.room;
	int err = 0;

	if (payload.size > STREAM_VALUE_MAX - stream->pieces.size)
		err = -EFBIG;
	else if (blob_append(&stream->pieces, payload.data, payload.size))
		err = -EFBIG;
	*memory += stream->pieces.room - room;
	*stream->pieces_of_process += stream->pieces.room - room;
	if (err) {
		stream_drop(stream, memory);
		stream->skipping = true;
	}
	return err;
}

int stream_join(struct stream *stream, struct record *record, size_t *memory)
{
	const struct otel_record *header = &record->header;
	bool more = header->flags & OTEL_RECORD_MORE;
	int err;

	if (!(header->flags & OTEL_RECORD_CONTINUED)) {
		stream->skipping = false;
		if (!more)
			return 1;
		stream->joining = true;
		stream->first = *record;
		stream->first.payload = (struct bytes){0};
		return append(stream, record->payload, memory);
	}
	if (!stream->joining) {
		bool known = stream->skipping;

		stream->skipping = true;
		return known ? 0 : -EBADMSG;
	}
	if (header->kind != stream->first.header.kind || record->span_id != stream->first.span_id) {
		stream_drop(stream, memory);
		stream->skipping = true;
		return -EBADMSG;
	}
	err = append(stream, record->payload, memory);
	if (err || more)
		return err;
	*record = stream->first;
	record->payload = blob_bytes(&stream->pieces);
	stream->joining = false;
	return 1;
}
