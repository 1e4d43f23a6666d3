/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sampling WHAT [N]: roots with children, and children of remote parents, as fast as they go; says
 * how many were sampled, and what goes downstream. sampling_test.py compares.
 */
#include <otel/propagation.h>
#include <otel/trace.h>
#include <stdatomic.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static otel_tracer tracer = OTEL_TRACER("sampling", "1");

/* A root and its child; returns whether they are sampled, and dies if they disagree. */
static int root(void)
{
	char downstream[256];
	otel_context context;
	int sampled;

	OTEL_SPAN(span, &tracer, "root");
	OTEL_SPAN(child, &tracer, "child");
	context = otel_context_of(child);
	sampled = otel_is_sampled(&context);
	context = otel_context_of(span);
	if (otel_is_sampled(&context) != sampled || !otel_is_valid(&context) ||
	    otel_is_recording(span) != sampled) {
		puts("a root and its child do not agree");
		exit(1);
	}
	otel_inject_text(downstream, sizeof(downstream));
	if (strstr(downstream, sampled ? "-03\r\n" : "-02\r\n") == NULL) {
		printf("downstream goes %s\n", downstream);
		exit(1);
	}
	return sampled;
}

static int remote(const char *flags)
{
	char line[80];
	const char *lines[] = {line};
	otel_context parent, context;

	snprintf(line, sizeof(line),
		 "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-%s", flags);
	parent = otel_extract_lines(lines, 1);
	OTEL_SPAN(span, &tracer, flags, otel_parent(parent));
	context = otel_context_of(span);
	otel_context_release(&parent);
	return otel_is_sampled(&context);
}

static atomic_int stop;

static void *listen(void *unused)
{
	(void)getchar();
	stop = 1;
	return unused;
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 1, sampled = 0;
	pthread_t listener;

	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "roots")) {
		for (int i = 0; i < n; i++)
			sampled += root();
		printf("sampled %d\n", sampled);
	} else if (!strcmp(argv[1], "remote")) {
		printf("sampled %d\n", remote("01"));
		printf("not sampled %d\n", remote("00"));
	} else if (!strcmp(argv[1], "windows")) {
		/* Of every N roots, how many were sampled, until told to stop. */
		pthread_create(&listener, NULL, listen, NULL);
		while (!stop) {
			sampled = 0;
			for (int i = 0; i < n; i++)
				sampled += root();
			printf("window %d\n", sampled);
			fflush(stdout);
		}
		pthread_join(listener, NULL);
	}
	return 0;
}
