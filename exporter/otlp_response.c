/* SPDX-License-Identifier: Apache-2.0 */
#include "otlp_response.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "wire.h"

/* Appends what a stranger wrote, as one line that is safe on a terminal. */
static void append_text(char *message, size_t room, struct bytes text)
{
	size_t size = strlen(message);

	while (text.size && text.data[text.size - 1] <= ' ')
		text.size--;
	for (size_t i = 0; i < text.size && size + 1 < room; i++) {
		uint8_t c = text.data[i];

		message[size++] = c >= ' ' && c < 0x7f ? (char)c : c == '\n' ? ' ' : '?';
	}
	message[size] = '\0';
}

/* google.rpc.Status: its message is field 2. False if it is no such thing. */
static bool read_status(struct bytes body, struct bytes *message)
{
	struct wire_reader reader = wire_reader(body);
	struct wire_field field;
	int found;

	*message = (struct bytes){0};
	while ((found = wire_next(&reader, &field)) == 1) {
		if (field.number == 2 && field.type == WIRE_BYTES)
			*message = field.bytes;
		else if (field.number > 3)
			return false;
	}
	return found == 0;
}

static const char *reason(long status)
{
	static const struct {
		long status;
		const char *reason;
	} reasons[] = {
		{400, " Bad Request"},
		{401, " Unauthorized"},
		{403, " Forbidden"},
		{404, " Not Found"},
		{405, " Method Not Allowed"},
		{413, " Content Too Large"},
		{415, " Unsupported Media Type"},
		{429, " Too Many Requests"},
		{500, " Internal Server Error"},
		{502, " Bad Gateway"},
		{503, " Service Unavailable"},
		{504, " Gateway Timeout"},
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
		if (reasons[i].status == status)
			return reasons[i].reason;
	}
	return "";
}

static void describe(const struct otlp_response *response, struct delivery *out)
{
	const char *type = response->content_type ? response->content_type : "";
	struct bytes text = response->body;
	size_t room = sizeof(out->message), size;

	snprintf(out->message, room, "%.120s answers %ld%s", response->url, response->status,
		 reason(response->status));
	if (response->status >= 300 && response->status < 400) {
		size = strlen(out->message);
		snprintf(out->message + size, room - size, "; redirects are not followed");
		return;
	}
	if (!strncasecmp(type, "text/html", 9))
		return;
	if (!strncasecmp(type, "application/x-protobuf", 22) && !read_status(text, &text))
		return;
	if (!text.size)
		return;
	size = strlen(out->message);
	snprintf(out->message + size, room - size, ": ");
	append_text(out->message, room, text);
}

/* ExportTraceServiceResponse{1: partial_success{1: rejected_spans, 2: error_message}} */
static int read_success(struct bytes body, uint64_t *rejected, struct bytes *message)
{
	struct wire_reader reader = wire_reader(body), partial;
	struct wire_field field;
	int found, inner;

	*rejected = 0;
	*message = (struct bytes){0};
	while ((found = wire_next(&reader, &field)) == 1) {
		if (field.number != 1 || field.type != WIRE_BYTES)
			continue;
		partial = wire_reader(field.bytes);
		while ((inner = wire_next(&partial, &field)) == 1) {
			if (field.number == 1 && field.type == WIRE_VARINT)
				*rejected = field.value;
			else if (field.number == 2 && field.type == WIRE_BYTES)
				*message = field.bytes;
		}
		if (inner < 0)
			return inner;
	}
	return found;
}

int otlp_response_judge(const struct otlp_response *response, size_t n, struct delivery *out)
{
	const char *type = response->content_type ? response->content_type : "";
	struct bytes message;
	uint64_t rejected;

	switch (response->status) {
	case 200:
	case 202: /* of some gateways */
	case 204:
		break;
	case 429:
	case 502:
	case 503:
	case 504:
		describe(response, out);
		out->retry_after_ms = response->retry_after_ms;
		return -EAGAIN;
	case 413:
		describe(response, out);
		return -EMSGSIZE;
	case 401:
	case 403:
		describe(response, out);
		return -EACCES;
	default:
		describe(response, out);
		return -EPROTO;
	}
	/* The spans are there, whatever the receiver says about it in a language of its own. */
	if (*type && strncasecmp(type, "application/x-protobuf", 22) != 0)
		return 0;
	if (read_success(response->body, &rejected, &message)) {
		snprintf(out->message, sizeof(out->message),
			 "%.120s answers %ld, but not as OTLP says", response->url,
			 response->status);
		return 0;
	}
	/* A negative number of them makes no sense, and is huge here. */
	out->rejected = rejected <= n ? (size_t)rejected : (int64_t)rejected < 0 ? 0 : n;
	append_text(out->message, sizeof(out->message), message);
	return 0;
}
