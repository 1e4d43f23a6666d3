/* SPDX-License-Identifier: Apache-2.0 */
/* host SCENE LIBRARY...: opens libraries, each for itself; see images_test.py. */
#include <dlfcn.h>
#include <otel/trace.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static otel_tracer tracer = OTEL_TRACER("host", "1");

struct library {
	void *handle;
	void (*make_span)(void (*inside)(void));
	uint64_t (*thread_address)(void);
	uint64_t (*anchor_address)(void);
	int (*enabled)(void);
	void (*write_current)(const char *key);
};

static struct library libraries[8];
static int count;

static void find(struct library *library, const char *name, void *to)
{
	void *symbol = dlsym(library->handle, name);

	if (!symbol)
		abort();
	memcpy(to, &symbol, sizeof(symbol));
}

static void open_library(const char *path)
{
	struct library *it = &libraries[count++];

	it->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!it->handle) {
		fprintf(stderr, "%s\n", dlerror());
		exit(3);
	}
	find(it, "make_span", &it->make_span);
	find(it, "thread_address", &it->thread_address);
	find(it, "anchor_address", &it->anchor_address);
	find(it, "enabled", &it->enabled);
	find(it, "write_current", &it->write_current);
}

/* Until the agent has seen it. */
static void wait_for(const struct library *it)
{
	for (int i = 0; !it->enabled(); i++) {
		if (i > 10000) {
			fprintf(stderr, "a library was not attached\n");
			exit(4);
		}
		usleep(1000);
	}
}

static void in_host(void)
{
	OTEL_SPAN(span, &tracer, "in host again");
	(void)span;
}

static void last(void)
{
	libraries[count - 1].write_current("written by");
	libraries[count - 1].make_span(in_host);
}

static void *once_through_all(void *data)
{
	OTEL_SPAN(span, &tracer, "in host", otel_str("thread", (const char *)data));

	libraries[0].make_span(last);
	for (int i = 0; i < count; i++)
		printf("%s %s thread %d anchor %d\n", (const char *)data, i ? "second" : "first",
		       libraries[i].thread_address() == (uint64_t)(uintptr_t)otel_bpf_thread_v1,
		       libraries[i].anchor_address() == otel_bpf_anchor_v1);
	(void)span;
	return data;
}

static void *buffers(void *data)
{
	once_through_all(data);
	printf("%s buffer %llu and %d others\n", (const char *)data,
	       (unsigned long long)((const struct otel_buffer *)otel_bpf_thread_v1->buffers[0])->buffer_id,
	       (otel_bpf_thread_v1->buffers[1] != 0) + (otel_bpf_thread_v1->buffers[2] != 0));
	return data;
}

static void share(void)
{
	pthread_t thread;
	static char name[] = "other", first[] = "main";

	for (int i = 0; i < count; i++)
		wait_for(&libraries[i]);
	buffers(first);
	pthread_create(&thread, NULL, buffers, name);
	pthread_join(thread, NULL);
}

static pthread_barrier_t barrier;

static void *uses_and_outlives(void *data)
{
	for (int i = 0; i < count; i++)
		libraries[i].make_span(NULL);
	pthread_barrier_wait(&barrier);
	/* The libraries are closed here. */
	pthread_barrier_wait(&barrier);
	OTEL_SPAN(span, &tracer, "after the libraries");
	(void)span;
	return data;
}

static void closing(void)
{
	enum { THREADS = 4 };
	pthread_t threads[THREADS];

	for (int i = 0; i < count; i++)
		wait_for(&libraries[i]);
	for (int round = 0; round < 3; round++) {
		pthread_barrier_init(&barrier, NULL, THREADS + 1);
		for (int i = 0; i < THREADS; i++)
			pthread_create(&threads[i], NULL, uses_and_outlives, NULL);
		pthread_barrier_wait(&barrier);
		for (int i = 0; i < count; i++)
			dlclose(libraries[i].handle);
		pthread_barrier_wait(&barrier);
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		/* What they kept open is gone now, and comes back, maybe elsewhere. */
		for (int i = 0; i < count; i++) {
			char path[4096];

			snprintf(path, sizeof(path), "%s", getenv("LIBRARY"));
			count = 0;
			open_library(path);
			wait_for(&libraries[0]);
		}
	}
}

static void apart(void)
{
	{
		OTEL_SPAN(span, &tracer, "in host");
		(void)span;
		for (int i = 0; i < count; i++)
			libraries[i].make_span(in_host);
	}
	for (int i = 0; i < count; i++) {
		libraries[i].write_current("nobody");
		printf("enabled %d\n", libraries[i].enabled());
		dlclose(libraries[i].handle);
	}
	in_host();
}

int main(int argc, char **argv)
{
	for (int i = 2; i < argc; i++)
		open_library(argv[i]);
	if (argc < 3)
		return 2;
	setenv("LIBRARY", argv[2], 1);
	if (!strcmp(argv[1], "share"))
		share();
	else if (!strcmp(argv[1], "closing"))
		closing();
	else if (!strcmp(argv[1], "apart"))
		apart();
	return 0;
}
