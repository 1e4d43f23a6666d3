/* SPDX-License-Identifier: Apache-2.0 */
#include "detach.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#define WORKERS_MAX 16u

struct job {
	struct job *next;
	struct probe *probe;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t idle;
	struct job *first;
	unsigned workers;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .idle = PTHREAD_COND_INITIALIZER};

/* Until there is no more to do. */
static void *work(void *unused)
{
	struct job *job;

	(void)unused;
	pthread_mutex_lock(&pool.lock);
	while ((job = pool.first)) {
		pool.first = job->next;
		pthread_mutex_unlock(&pool.lock);
		probe_free(job->probe);
		free(job);
		pthread_mutex_lock(&pool.lock);
	}
	if (!--pool.workers)
		pthread_cond_broadcast(&pool.idle);
	pthread_mutex_unlock(&pool.lock);
	return NULL;
}

void detach_later(struct probe *probe)
{
	struct job *job = probe ? malloc(sizeof(*job)) : NULL;
	pthread_t thread;
	bool started = true;

	if (!job) {
		probe_free(probe);
		return;
	}
	pthread_mutex_lock(&pool.lock);
	*job = (struct job){.next = pool.first, .probe = probe};
	pool.first = job;
	if (pool.workers < WORKERS_MAX) {
		started = !pthread_create(&thread, NULL, work, NULL);
		pool.workers += started;
		if (started)
			pthread_detach(thread);
	}
	started = started || pool.workers;
	if (!started)
		pool.first = job->next;
	pthread_mutex_unlock(&pool.lock);
	if (started)
		return;
	probe_free(probe);
	free(job);
}

void detach_wait(void)
{
	pthread_mutex_lock(&pool.lock);
	while (pool.workers)
		pthread_cond_wait(&pool.idle, &pool.lock);
	pthread_mutex_unlock(&pool.lock);
}
