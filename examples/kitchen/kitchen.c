/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small order service: a waiter takes orders, cooks in other threads prepare them. Shows all that
 * most programs need: tracers, nested spans, attributes, events, errors, and a context that goes to
 * another thread with the work.
 *
 *     otel-bpf run --exporter console -- ./kitchen
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <otel/trace.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define COOKS 2

/* Who makes the spans: one tracer per component. */
static otel_tracer waiter = OTEL_TRACER("kitchen.waiter", "1.0.0");
static otel_tracer stove = OTEL_TRACER("kitchen.stove", "1.0.0");

struct order {
	const char *dish;
	int minutes;
	double price;
	otel_context context; /* of the span that took the order */
	struct order *next;
};

static struct order *queue;
static int closed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void take_time(int milliseconds)
{
	struct timespec time = {0, milliseconds * 1000000L};

	nanosleep(&time, NULL);
}

/* ---- The cooks ---- */

static int heat(const struct order *order)
{
	/* A child of whatever is current: here of "cook". */
	OTEL_SPAN(span, &stove, "heat", otel_int("minutes", order->minutes));

	take_time(order->minutes);
	if (order->minutes > 20) {
		/* The one line of an error path: an exception event, and the status Error. */
		return otel_fail(span, -ETIMEDOUT);
	}
	otel_event(span, "done", otel_double("temperature", 71.5));
	return 0;
}

static int cook(struct order *order)
{
	/* What was current where the order was taken is current here, until this block ends. */
	OTEL_USE(order->context);
	OTEL_SPAN(span, &stove, "cook", otel_kind(OTEL_CONSUMER), otel_str("dish", order->dish));
	int err;

	take_time(2);
	otel_event(span, "chopped", otel_int("knives", 1));
	err = heat(order);
	if (err)
		otel_set_status(span, OTEL_ERROR, "burnt");
	otel_context_release(&order->context);
	return err;
}

static void *run_cook(void *unused)
{
	struct order *order;

	(void)unused;
	for (;;) {
		pthread_mutex_lock(&lock);
		while (!queue && !closed)
			pthread_cond_wait(&changed, &lock);
		order = queue;
		if (order)
			queue = order->next;
		pthread_mutex_unlock(&lock);
		if (!order)
			return NULL;
		printf("%s: %s\n", order->dish, cook(order) ? "burnt" : "served");
	}
}

/* ---- The waiter ---- */

static void charge(const struct order *order)
{
	OTEL_SPAN(span, &waiter, "charge", otel_kind(OTEL_CLIENT), otel_double("amount", order->price));

	take_time(3);
	otel_set(span, otel_bool("paid", 1));
}

static void take(struct order *order)
{
	OTEL_SPAN(span, &waiter, "POST /order", otel_kind(OTEL_SERVER),
		  otel_str("http.request.method", "POST"), otel_str("http.route", "/order"));

	charge(order);
	order->context = otel_context_of(span);
	pthread_mutex_lock(&lock);
	order->next = queue;
	queue = order;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
	otel_event(span, "enqueued", otel_str("dish", order->dish));
	otel_set(span, otel_int("http.response.status_code", 202));
}

int main(void)
{
	struct order orders[] = {
		{.dish = "soup", .minutes = 8, .price = 6.5},
		{.dish = "pizza", .minutes = 12, .price = 11},
		{.dish = "roast", .minutes = 25, .price = 19.9},
	};
	pthread_t cooks[COOKS];

	for (int i = 0; i < COOKS; i++)
		pthread_create(&cooks[i], NULL, run_cook, NULL);
	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++)
		take(&orders[i]);
	pthread_mutex_lock(&lock);
	closed = 1;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < COOKS; i++)
		pthread_join(cooks[i], NULL);
	return 0;
}
