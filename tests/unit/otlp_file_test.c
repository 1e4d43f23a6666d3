/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "span_builder.h"

static char directory[] = "/tmp/otlp_file_test.XXXXXX";
static char path[64];
static struct resource *resource;
static struct scope *scope;

static int write_spans(struct sink *sink, size_t n, struct delivery *out)
{
	struct span *spans[512] = {0};
	int err;

	for (uint32_t i = 0; i < n; i++) {
		struct draft draft = {
			.resource = resource, .scope = scope, .id = i + 1, .name = "span"};

		spans[i] = make_span(&draft);
	}
	*out = (struct delivery){0};
	err = sink->write(sink, spans, n, out);
	for (size_t i = 0; i < n; i++)
		span_unref(spans[i]);
	if (*out->message)
		print_message("%s\n", out->message);
	return err;
}

/* Lines in the file; each must be a whole one. */
static size_t count_lines(void)
{
	char *line = NULL;
	size_t room = 0, lines = 0;
	ssize_t size;
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	while ((size = getline(&line, &room, file)) > 0) {
		assert_true(size > 20);
		assert_memory_equal(line, "{\"resourceSpans\":[", 18);
		assert_memory_equal(line + size - 4, "}]}\n", 4);
		lines++;
	}
	free(line);
	fclose(file);
	return lines;
}

static void each_batch_is_a_line_behind_what_is_there(void **state)
{
	struct delivery delivery;
	struct sink *sink;
	struct stat status;

	(void)state;
	for (size_t round = 0; round < 2; round++) {
		assert_int_equal(sink_otlp_file_new(path, &sink), 0);
		assert_string_equal(sink->name, "otlp_file");
		assert_int_equal(write_spans(sink, 3, &delivery), 0);
		assert_int_equal(write_spans(sink, 1, &delivery), 0);
		sink->free(sink);
	}
	assert_int_equal(count_lines(), 4);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0644);
}

static void a_file_that_cannot_be_opened_is_told_at_once(void **state)
{
	struct sink *sink;

	(void)state;
	assert_int_equal(sink_otlp_file_new("/nonexistent/spans.jsonl", &sink), -ENOENT);
	assert_int_equal(sink_otlp_file_new(directory, &sink), -EISDIR);
}

static void a_full_disk_leaves_no_half_of_a_line(void **state)
{
	struct rlimit before, limit;
	struct delivery delivery;
	struct sink *sink;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(sink_otlp_file_new(path, &sink), 0);
	assert_int_equal(write_spans(sink, 100, &delivery), 0);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = 20000; /* in the middle of the second line: one is about 14,000 bytes */
	setrlimit(RLIMIT_FSIZE, &limit);
	assert_int_equal(write_spans(sink, 100, &delivery), -EFBIG);
	assert_non_null(strstr(delivery.message, path));
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(count_lines(), 1);
	assert_int_equal(write_spans(sink, 100, &delivery), 0);
	assert_int_equal(count_lines(), 2);
	sink->free(sink);
}

static void *interrupt_soon(void *sink)
{
	usleep(50000);
	((struct sink *)sink)->interrupt(sink);
	return NULL;
}

static void a_pipe_that_nobody_reads_can_be_interrupted(void **state)
{
	struct delivery delivery;
	pthread_t thread;
	struct sink *sink;
	int reader, err;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(sink_otlp_file_new(path, &sink), -ENXIO);
	reader = open(path, O_RDONLY | O_NONBLOCK);
	assert_true(reader >= 0);
	assert_int_equal(sink_otlp_file_new(path, &sink), 0);
	assert_int_equal(pthread_create(&thread, NULL, interrupt_soon, sink), 0);
	do {
		err = write_spans(sink, 100, &delivery);
	} while (!err);
	assert_int_equal(err, -EAGAIN);
	pthread_join(thread, NULL);
	sink->free(sink);
	close(reader);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/spans.jsonl", directory);
	unlink(path);
	return 0;
}

static int make_shared(void **state)
{
	struct piece nothing = {0};

	(void)state;
	resource = make_resource("test", nothing);
	scope = make_scope("test", NULL, nothing);
	umask(022);
	return mkdtemp(directory) ? 0 : -1;
}

static int free_shared(void **state)
{
	(void)state;
	unlink(path);
	rmdir(directory);
	resource_unref(resource);
	scope_unref(scope);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_batch_is_a_line_behind_what_is_there, set_up),
		cmocka_unit_test_setup(a_file_that_cannot_be_opened_is_told_at_once, set_up),
		cmocka_unit_test_setup(a_full_disk_leaves_no_half_of_a_line, set_up),
		cmocka_unit_test_setup(a_pipe_that_nobody_reads_can_be_interrupted, set_up),
	};

	return cmocka_run_group_tests(tests, make_shared, free_shared);
}
