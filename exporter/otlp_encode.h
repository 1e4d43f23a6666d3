/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spans as OTLP's ExportTraceServiceRequest in protobuf.
 *
 * One pass computes the sizes, the second copies: attributes, events and links of a span are
 * encoded already.
 */
#ifndef OTEL_BPF_OTLP_ENCODE_H
#define OTEL_BPF_OTLP_ENCODE_H

#include <stddef.h>

#include "span.h"

struct otlp_encoder;

/** Returns NULL with ENOMEM. Single-threaded; free with otlp_encoder_free(). */
struct otlp_encoder *otlp_encoder_new(void);
void otlp_encoder_free(struct otlp_encoder *encoder);

/**
 * Encodes @n spans. *@out is valid until the next call. Returns 0, -ENOMEM, or -EMSGSIZE if the
 * request would have more than @most bytes.
 */
int otlp_encode(struct otlp_encoder *encoder, struct span *const *spans, size_t n, size_t most,
		struct bytes *out);

#endif
