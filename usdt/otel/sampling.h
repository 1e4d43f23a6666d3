/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internal to otel/trace.h: which spans are recorded, and the trace state and baggage that they take over,
 * of which the threshold of the sampling is a part.
 */
#ifndef OTEL_SAMPLING_H
#define OTEL_SAMPLING_H

#include "attributes.h"
#include "members.h"
#include "store.h"

/* ---- Texts of contexts: trace state and baggage --------------------------------------------------- */

/* With any of these in its state the handles in a context mean something. */
#define OTEL_CONTEXT_TEXTS_ (OTEL_CONTEXT_VALID | OTEL_CONTEXT_BORROWED | OTEL_CONTEXT_OWNS)

OTEL_INLINE_ int otel_has_texts_(const otel_context *context)
{
	return (otel_state_(context) & OTEL_CONTEXT_TEXTS_) && (context->tracestate | context->baggage);
}

/* Makes @context, a copy of another one, hold references of its own. */
OTEL_COLD_ void otel_hold_(otel_context *context)
{
	int texts = otel_has_texts_(context);

	context->tracestate = texts ? otel_text_ref_(context->tracestate) : 0;
	context->baggage = texts ? otel_text_ref_(context->baggage) : 0;
	context->state &= (otel_u8)~OTEL_CONTEXT_OWNS;
	if (context->tracestate | context->baggage)
		context->state |= OTEL_CONTEXT_OWNS;
}

OTEL_COLD_ void otel_let_go_(otel_context *context)
{
	otel_text_unref_(context->tracestate);
	otel_text_unref_(context->baggage);
	context->tracestate = context->baggage = 0;
	context->state &= (otel_u8)~OTEL_CONTEXT_OWNS;
}

/* ---- Sampling ----------------------------------------------------------------------------------- */

/* The rate bits, to be read by more than one at a time; anew, since the kernel writes there. */
OTEL_INLINE_ const otel_u16 *otel_rates_(void)
{
	const otel_u16 *rates;

	__asm__ volatile("" : "=r"(rates) : "0"(otel_bpf_controls_v1 + OTEL_CONTROL_RATE_1));
	return rates;
}

/*
 * How many of 65536 roots are sampled, by the rate bits. Four of them at a time: each u16 that is not 0
 * becomes one bit, and the multiplication gathers these, the first on top.
 */
OTEL_INLINE_ otel_u32 otel_rate_(void)
{
	otel_u64 low = 0x7fff7fff7fff7fffull, four;
	const otel_u16 *rates = otel_rates_();
	otel_u32 rate = 0;

	for (unsigned i = 0; i < 16; i += 4) {
		__builtin_memcpy(&four, rates + i, sizeof(four));
		four = ((((four & low) + low) | four) & ~low) >> 15;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		four = four * (1ull << 51 | 1ull << 34 | 1ull << 17 | 1) >> 48 & 15;
#else
#error "otel_rate_() gathers bits of little-endian words"
#endif
		rate = rate << 4 | (otel_u32)four;
	}
	return rate;
}

/* Is any rate bit set? Where none is, which is cheaper to know than how many. */
OTEL_INLINE_ int otel_has_rate_(void)
{
	const otel_u16 *rates = otel_rates_();
	otel_u64 four, any = 0;

	for (unsigned i = 0; i < 16; i += 4) {
		__builtin_memcpy(&four, rates + i, sizeof(four));
		any |= four;
	}
	return any != 0;
}

/* The upper 16 of the trace id's random bits, the lowest 56: what they are in its second half. */
OTEL_INLINE_ otel_u32 otel_randomness_(otel_u64 trace_id_2)
{
	return (otel_u32)(__builtin_bswap64(trace_id_2) >> 40 & 0xffff);
}

/*
 * OpenTelemetry: ProbabilitySampler over the trace id's random bits, the lowest 56, or what @tracestate
 * has in their place: sampled if they are not below the threshold, which is the span's trace state then.
 * Any subset of control bits is a valid answer, so that the operator may change them one by one.
 */
OTEL_COLD_ int otel_sampled_root_(const otel_u8 *trace_id, otel_u64 tracestate, otel_u64 *threshold)
{
	otel_u32 rate = otel_rate_(), random;
	otel_u64 half;

	__builtin_memcpy(&half, trace_id + 8, 8);
	random = otel_randomness_(half);
	if (__builtin_expect(tracestate != 0, 0)) {
		char text[OTEL_TEXT_SMALL_];
		otel_u32 size = otel_text_copy_(tracestate, text, sizeof(text));

		random = otel_ot_randomness_(text, size, random);
	}
	if (random < 0x10000u - rate)
		return 0;
	*threshold = otel_threshold_handle_(0x10000u - rate);
	return 1;
}

/*
 * What a span takes over from @parent, which has texts. @context->tracestate is the threshold that it was
 * sampled with, if it was decided here, else 0.
 */
OTEL_COLD_ void otel_inherit_(otel_context *context, const otel_context *parent, int sampled)
{
	char scratch[OTEL_THRESHOLD_ROOM_], text[OTEL_TEXT_SMALL_], changed[OTEL_MEMBERS_SIZE_ + 1];
	otel_u64 threshold = context->tracestate;
	otel_u32 size;

	context->baggage = otel_text_ref_(parent->baggage);
	if (!otel_valid_(parent) || !parent->tracestate)
		return;
	if (sampled && !threshold) {
		context->tracestate = otel_text_ref_(parent->tracestate);
		return;
	}
	/* The threshold of the parent is not that of this span, but the other members stay. */
	if (otel_is_threshold_(parent->tracestate))
		return;
	size = otel_text_copy_(parent->tracestate, text, sizeof(text));
	if (threshold)
		size = otel_ot_rewrite_(text, size, scratch + 3, otel_threshold_text_(threshold, scratch) - 3,
					changed);
	else
		size = otel_ot_rewrite_(text, size, scratch, 0, changed);
	if (!threshold && !__builtin_strcmp(text, changed))
		context->tracestate = otel_text_ref_(parent->tracestate);
	else
		context->tracestate = otel_text_new_(changed, size);
}

#endif
