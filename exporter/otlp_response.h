/* SPDX-License-Identifier: Apache-2.0 */
/* What a receiver of OTLP over HTTP answered, and what follows from that. */
#ifndef OTEL_BPF_OTLP_RESPONSE_H
#define OTEL_BPF_OTLP_RESPONSE_H

#include <stddef.h>

#include "exporter.h"
#include "span.h"

struct otlp_response {
	const char *url; /* for messages: without password */
	long status;
	const char *content_type; /* may be NULL */
	struct bytes body;
	uint64_t retry_after_ms; /* 0: did not say */
};

/** The result of sink->write() for @n spans; fills in @out. */
int otlp_response_judge(const struct otlp_response *response, size_t n, struct delivery *out);

#endif
