/* SPDX-License-Identifier: Apache-2.0 */
/* An exporter with a spool, and a receiver that comes and goes. */
#ifndef SPOOL_RECEIVER_H
#define SPOOL_RECEIVER_H

#include "exporter.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "folder.h"
#include "span_builder.h"
#include "spool.h"
#include "spool_file.h"
#include "wire.h"

#define MIB (1u << 20)
#define SPANS_MAX 100000

enum mode {
	TAKES,
	REFUSES,	  /* for now: surely nothing arrived */
	TAKES_IN_SILENCE, /* the spans are there, the answer is lost */
	HANGS,
	REJECTS, /* for good */
	REJECTS_ONE,
	TAKES_TWICE, /* the sink has sent it again by itself */
};

/* Takes requests, and remembers the ids of the spans in them. */
struct receiver {
	struct sink sink;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum mode mode;
	bool interrupted;
	atomic_bool hung; /* a request is under way and gets no answer */
	struct bytes request;

	atomic_size_t tries;
	uint32_t ids[SPANS_MAX]; /* in the order in which they came */
	size_t n;
};

static inline struct receiver *of(struct sink *sink)
{
	return (struct receiver *)sink;
}

/* For each span in a request (or a part of one, at @depth), its id. */
static inline void take_ids(struct receiver *receiver, struct bytes message, int depth)
{
	struct wire_reader reader = wire_reader(message);
	struct wire_field field;
	uint32_t id;
	int found;

	while ((found = wire_next(&reader, &field)) == 1) {
		if (depth < 3 && field.number == (depth ? 2 : 1) && field.type == WIRE_BYTES)
			take_ids(receiver, field.bytes, depth + 1);
		if (depth == 3 && field.number == 2) {
			assert_int_equal(field.bytes.size, 8);
			memcpy(&id, field.bytes.data + 4, 4);
			assert_true(receiver->n < SPANS_MAX);
			receiver->ids[receiver->n++] = be32toh(id);
		}
	}
	assert_int_equal(found, 0);
}

static inline void receiver_post(struct sink *sink, struct bytes request, size_t n)
{
	(void)n;
	of(sink)->request = request;
}

static inline int receiver_poll(struct sink *sink, uint64_t timeout_ms, struct delivery *out)
{
	struct receiver *receiver = of(sink);
	int result = 0;

	pthread_mutex_lock(&receiver->lock);
	receiver->hung = receiver->mode == HANGS;
	if (receiver->hung && !receiver->interrupted) {
		pthread_cond_broadcast(&receiver->changed);
		pthread_mutex_unlock(&receiver->lock);
		usleep((useconds_t)(timeout_ms < 5 ? timeout_ms : 5) * 1000);
		return -EINPROGRESS;
	}
	receiver->tries++;
	if (receiver->interrupted) {
		result = -EAGAIN;
		out->unanswered = true;
	} else if (receiver->mode == REFUSES) {
		result = -EAGAIN;
	} else if (receiver->mode == REJECTS) {
		result = -EPROTO;
	} else {
		take_ids(receiver, receiver->request, 0);
		out->rejected = receiver->mode == REJECTS_ONE;
		out->resends = receiver->mode == TAKES_TWICE;
		if (receiver->mode == TAKES_IN_SILENCE) {
			result = -EAGAIN;
			out->unanswered = true;
		}
	}
	pthread_cond_broadcast(&receiver->changed);
	pthread_mutex_unlock(&receiver->lock);
	return result;
}

static inline void receiver_interrupt(struct sink *sink)
{
	struct receiver *receiver = of(sink);

	pthread_mutex_lock(&receiver->lock);
	receiver->interrupted = true;
	pthread_mutex_unlock(&receiver->lock);
}

static inline void receiver_init(struct receiver *receiver, enum mode mode)
{
	memset(receiver, 0, sizeof(*receiver));
	receiver->sink = (struct sink){.name = "fake",
				       .post = receiver_post,
				       .poll = receiver_poll,
				       .interrupt = receiver_interrupt};
	receiver->mode = mode;
	pthread_mutex_init(&receiver->lock, NULL);
	pthread_cond_init(&receiver->changed, NULL);
}

static inline void becomes(struct receiver *receiver, enum mode mode)
{
	pthread_mutex_lock(&receiver->lock);
	receiver->mode = mode;
	pthread_mutex_unlock(&receiver->lock);
}

/* ---- Around a test --------------------------------------------------------------------------- */

static char folder[64], path[80];
static struct scope *scope;
static struct resource *shop, *kitchen;
static struct account *shops, *kitchens;
static struct receiver receiver;

static const struct exporter_options defaults = {
	.queue_bytes = 8 * MIB,
	.batch_spans = 100,
	.schedule_ms = 5,
	.retry_initial_ms = 20,
	.spool_after_ms = 50,
};

static inline struct exporter *start_with(enum mode mode, uint64_t budget,
				   const struct exporter_options *more)
{
	struct exporter_options options = *more;
	struct exporter *exporter;

	receiver_init(&receiver, mode);
	assert_int_equal(spool_open(path, budget, &options.spool), 0);
	exporter = exporter_new(&receiver.sink, &options);
	assert_non_null(exporter);
	assert_string_equal(exporter_spool(exporter), path);
	return exporter;
}

static inline struct exporter *start(enum mode mode)
{
	return start_with(mode, 64 * MIB, &defaults);
}

static inline void submit(struct exporter *exporter, struct resource *resource, uint32_t from, uint32_t to,
		   size_t attribute_bytes)
{
	char *text = calloc(1, attribute_bytes + 1);

	memset(text, 'x', attribute_bytes);
	for (uint32_t id = from; id <= to; id++) {
		struct draft draft = {
			.resource = resource, .scope = scope, .id = id, .name = "span"};
		struct span *span;
		uint32_t number;

		if (attribute_bytes)
			piece_attribute(&draft.attributes, 9, "text", value_string(text));
		span = make_span(&draft);
		memset(span->span_id, 0, 4);
		number = htobe32(id);
		memcpy(span->span_id + 4, &number, 4);
		exporter_submit(exporter, span);
		span_unref(span);
	}
	free(text);
}

static inline struct exporter_counts counts_of(struct exporter *exporter)
{
	struct exporter_counts c;

	exporter_counts(exporter, &c);
	if (c.submitted + c.found != c.exported + c.queue_full + c.rejected + c.undelivered +
					     c.spool_dropped + c.spool_corrupt + c.spooled +
					     c.waiting)
		print_message("submitted %lu found %lu exported %lu full %lu rejected %lu "
			      "undelivered %lu dropped %lu corrupt %lu spooled %lu waiting %lu\n",
			      c.submitted, c.found, c.exported, c.queue_full, c.rejected,
			      c.undelivered, c.spool_dropped, c.spool_corrupt, c.spooled,
			      c.waiting);
	assert_int_equal(c.submitted + c.found, c.exported + c.queue_full + c.rejected +
							c.undelivered + c.spool_dropped +
							c.spool_corrupt + c.spooled + c.waiting);
	return c;
}

/* Waits until the condition on the counts @c is true. */
#define await(exporter, condition)                                                                 \
	do {                                                                                       \
		struct exporter_counts c = {0};                                                    \
		int tries_ = 0;                                                                    \
		do {                                                                               \
			usleep(2000);                                                              \
			c = counts_of(exporter);                                                   \
			(void)c;                                                                   \
		} while (!(condition) && ++tries_ < 5000);                                         \
		if (!(condition))                                                                  \
			print_message("after 10 s not: %s\n", #condition);                         \
		assert_true(condition);                                                            \
	} while (0)

static inline struct exporter_counts finish(struct exporter *exporter, uint64_t ms)
{
	struct exporter_counts counts;

	exporter_stop(exporter, ms);
	counts = counts_of(exporter);
	assert_int_equal(counts.waiting, 0);
	exporter_free(exporter);
	return counts;
}

/* What arrived is these, in order, each once. */
static inline void assert_received(uint32_t from, uint32_t to)
{
	assert_int_equal(receiver.n, to - from + 1);
	for (uint32_t i = 0; i < receiver.n; i++)
		assert_int_equal(receiver.ids[i], from + i);
}

static inline size_t files(void)
{
	struct spool *spool = NULL;
	struct spool_counts counts;

	assert_int_equal(spool_open(path, MIB, &spool), 0);
	spool_counts(spool, &counts);
	spool_close(spool);
	return counts.batches;
}

static inline uint64_t of_account(const struct account *account, enum account_count what)
{
	return account_read(account, 0, what);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static inline int make_shared(void **state)
{
	struct piece nothing = {0};

	(void)state;
	folder_make(folder);
	snprintf(path, sizeof(path), "%s/spool", folder);
	scope = make_scope(NULL, NULL, nothing); /* of several processes */
	shop = make_resource("shop", nothing);
	kitchen = make_resource("kitchen", nothing);
	shops = account_new(1, "shop", 1);
	kitchens = account_new(2, "kitchen", 1);
	shop->account = account_ref(shops);
	kitchen->account = account_ref(kitchens);
	return 0;
}

static inline int free_shared(void **state)
{
	(void)state;
	/* Whoever still has a span would keep them alive. */
	assert_int_equal(shop->references, 1);
	assert_int_equal(scope->references, 1);
	resource_unref(shop);
	resource_unref(kitchen);
	scope_unref(scope);
	assert_true(account_is_settled(shops));
	assert_true(account_is_settled(kitchens));
	account_unref(shops);
	account_unref(kitchens);
	folder_remove(folder);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_shared, free_shared)

#endif
