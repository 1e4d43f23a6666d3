/* SPDX-License-Identifier: Apache-2.0 */
/* The OTLP sink against a server that answers as it is told, on a port of its own. */
#include "exporter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "otlp_encode.h"
#include "span_builder.h"
#include "wire.h"

#define CLOSE "close"
#define HANG "hang"
#define OVERSIZE "oversize"

/* Serves one connection after the other; each request gets the next answer, or the last one. */
struct server {
	const char *answers[8];
	size_t sizes[8]; /* of the answers; 0: a string */
	size_t n_answers;

	int listener, stop[2];
	uint16_t port;
	pthread_t thread;
	size_t requests, connections;
	char head[4096]; /* of the last request */
	uint8_t body[65536];
	size_t body_size;
};

/* Waits for data; false: the test is over. */
static bool await_data(struct server *server, int fd)
{
	struct pollfd fds[] = {{fd, POLLIN, 0}, {server->stop[0], POLLIN, 0}};

	return poll(fds, 2, 20000) > 0 && !fds[1].revents;
}

static bool read_request(struct server *server, int fd)
{
	size_t size = 0, length = 0;
	char *end = NULL, *field;
	ssize_t n;

	while (!end) {
		if (!await_data(server, fd))
			return false;
		n = read(fd, server->head + size, sizeof(server->head) - 1 - size);
		if (n <= 0)
			return false;
		size += (size_t)n;
		server->head[size] = '\0';
		end = strstr(server->head, "\r\n\r\n");
	}
	end += 4;
	field = strcasestr(server->head, "Content-Length:");
	if (field)
		length = strtoul(field + 15, NULL, 10);
	server->body_size = size - (size_t)(end - server->head);
	memcpy(server->body, end, server->body_size);
	*end = '\0';
	while (server->body_size < length) {
		if (!await_data(server, fd))
			return false;
		n = read(fd, server->body + server->body_size,
			 sizeof(server->body) - server->body_size);
		if (n <= 0)
			return false;
		server->body_size += (size_t)n;
	}
	return true;
}

static void send_oversize(int fd)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 5242880\r\n\r\n";
	static char zeros[65536];

	if (send(fd, head, sizeof(head) - 1, MSG_NOSIGNAL) < 0)
		return;
	for (int i = 0; i < 80; i++) {
		if (send(fd, zeros, sizeof(zeros), MSG_NOSIGNAL) < 0)
			return;
	}
}

static void serve_connection(struct server *server, int fd)
{
	while (read_request(server, fd)) {
		size_t i = server->requests < server->n_answers ? server->requests
								: server->n_answers - 1;
		const char *answer = server->answers[i];
		size_t size = server->sizes[i] ? server->sizes[i] : strlen(answer);

		server->requests++;
		if (!strcmp(answer, HANG)) {
			await_data(server, fd);
			return;
		}
		if (!strcmp(answer, OVERSIZE)) {
			send_oversize(fd);
			return;
		}
		if (!strcmp(answer, CLOSE))
			return;
		if (send(fd, answer, size, MSG_NOSIGNAL) < 0)
			return;
	}
}

static void *serve(void *argument)
{
	struct server *server = argument;

	while (await_data(server, server->listener)) {
		int fd = accept(server->listener, NULL, NULL);

		assert_true(fd >= 0);
		server->connections++;
		serve_connection(server, fd);
		close(fd);
	}
	return NULL;
}

static void server_start(struct server *server)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(server->listener, 8), 0);
	assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
	server->port = ntohs(address.sin_port);
	assert_int_equal(pipe(server->stop), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
	assert_int_equal(write(server->stop[1], "", 1), 1);
	pthread_join(server->thread, NULL);
	close(server->stop[0]);
	close(server->stop[1]);
	close(server->listener);
}

/* ---- One request against a script -------------------------------------------------------------*/

static struct resource *resource;
static struct scope *scope;

static int write_one(struct sink *sink, struct delivery *out)
{
	struct draft draft = {
		.resource = resource, .scope = scope, .id = 1, .trace = 1, .name = "GET /menu"};
	struct span *span = make_span(&draft), *spans[] = {span};
	struct otlp_encoder *encoder = otlp_encoder_new();
	struct bytes request;
	int err;

	*out = (struct delivery){0};
	assert_int_equal(otlp_encode(encoder, spans, 1, 65536, &request), 0);
	sink->post(sink, request, 1);
	while ((err = sink->poll(sink, 100, out)) == -EINPROGRESS)
		;
	otlp_encoder_free(encoder);
	span_unref(span);
	return err;
}

static struct sink *sink_for(const struct server *server)
{
	struct sink *sink;
	char url[128];

	snprintf(url, sizeof(url), "http://user:secret@127.0.0.1:%u/v1/traces", server->port);
	assert_int_equal(sink_otlp_http_new(url, &sink), 0);
	assert_string_equal(sink->name, "otlp");
	return sink;
}

static int ask(const char *answer, size_t size, struct delivery *out)
{
	struct server server = {.answers = {answer}, .sizes = {size}, .n_answers = 1};
	struct sink *sink;
	int err;

	server_start(&server);
	sink = sink_for(&server);
	err = write_one(sink, out);
	sink->free(sink);
	server_stop(&server);
	if (*out->message)
		print_message("%s\n", out->message);
	assert_null(strstr(out->message, "secret"));
	return err;
}

#define ASK(answer, out) ask(answer, sizeof(answer) - 1, out)

static void spans_are_posted_as_the_specification_says(void **state)
{
	struct server server = {.answers = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
				.n_answers = 1};
	struct delivery delivery;
	struct wire_reader reader;
	struct wire_field field;
	struct sink *sink;

	(void)state;
	server_start(&server);
	sink = sink_for(&server);
	assert_int_equal(write_one(sink, &delivery), 0);
	assert_int_equal(write_one(sink, &delivery), 0);
	assert_string_equal(delivery.message, "");
	sink->free(sink);
	server_stop(&server);
	assert_int_equal(server.requests, 2);
	assert_int_equal(server.connections, 1);
	print_message("%s", server.head);
	assert_non_null(strstr(server.head, "POST /v1/traces HTTP/1.1\r\n"));
	assert_non_null(strstr(server.head, "Content-Type: application/x-protobuf\r\n"));
	assert_non_null(strstr(server.head, "User-Agent: otel-bpf/"));
	assert_non_null(strstr(server.head, " OTel-OTLP-Exporter-C/"));
	assert_null(strcasestr(server.head, "Expect:"));
	reader = wire_reader((struct bytes){server.body, server.body_size});
	assert_int_equal(wire_next(&reader, &field), 1);
	assert_int_equal(field.number, 1);
	assert_int_equal(wire_next(&reader, &field), 0);
	assert_non_null(memmem(server.body, server.body_size, "GET /menu", 9));
}

static void a_partial_success_is_told_and_counted(void **state)
{
	struct delivery delivery;

	(void)state;
	assert_int_equal(ASK("HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n"
			     "Content-Length: 12\r\n\r\n\x0a\x0a\x08\x01\x12\x06no sun",
			     &delivery),
			 0);
	assert_int_equal(delivery.rejected, 1);
	assert_string_equal(delivery.message, "no sun");
	/* More than there were, and a number below zero. */
	assert_int_equal(
		ASK("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\x0a\x02\x08\x63", &delivery), 0);
	assert_int_equal(delivery.rejected, 1);
	assert_int_equal(ASK("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n\x0a\x0b\x08"
			     "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
			     &delivery),
			 0);
	assert_int_equal(delivery.rejected, 0);
}

static void a_warning_does_not_make_it_a_failure(void **state)
{
	struct delivery delivery;

	(void)state;
	assert_int_equal(
		ASK("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\x0a\x06\x12\x04slow", &delivery),
		0);
	assert_int_equal(delivery.rejected, 0);
	assert_string_equal(delivery.message, "slow");
	assert_int_equal(ASK("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\x0a\x7f??", &delivery),
			 0);
	assert_non_null(strstr(delivery.message, "not as OTLP"));
	assert_int_equal(ASK("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
			     "Content-Length: 2\r\n\r\nok",
			     &delivery),
			 0);
	assert_string_equal(delivery.message, "");
}

static void what_the_specification_calls_final_is_not_retried(void **state)
{
	static const struct {
		const char *answer;
		const char *told;
	} cases[] = {
		{"HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-protobuf\r\n"
		 "Content-Length: 12\r\n\r\n\x08\x03\x12\x08"
		 "bad\x1b[1m.",
		 "/v1/traces answers 400 Bad Request: bad?[1m."},
		{"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "401 Unauthorized"},
		{"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n"
		 "Content-Length: 19\r\n\r\n404 page not found\n",
		 "404 Not Found: 404 page not found"},
		{"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", "413"},
		{"HTTP/1.1 500 Oops\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
		 "500 Internal Server Error"},
		{"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
		 "Content-Length: 0\r\n\r\n",
		 "302; redirects are not followed"},
		{"HTTP/1.1 206 Partial\r\nContent-Length: 0\r\n\r\n", "206"},
	};
	struct delivery delivery;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int err = ask(cases[i].answer, 0, &delivery);

		assert_true(err < 0 && err != -EAGAIN);
		assert_non_null(strstr(delivery.message, "http://127.0.0.1:"));
		assert_non_null(strstr(delivery.message, cases[i].told));
	}
}

static void what_may_pass_is_retried(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n",
		CLOSE,
	};
	struct delivery delivery;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(ask(answers[i], 0, &delivery), -EAGAIN);
		assert_int_equal(delivery.retry_after_ms, 0);
		assert_true(*delivery.message);
		assert_false(delivery.unanswered);
	}
	assert_int_equal(ask(answers[4], 0, &delivery), -EAGAIN);
	assert_non_null(strstr(delivery.message, "closed without an answer"));
	/* Who closed the connection may have taken the spans. */
	assert_true(delivery.unanswered);
}

static void retry_after_is_understood_as_seconds_and_as_a_date(void **state)
{
	struct delivery delivery;
	char answer[256], date[64];
	time_t at = time(NULL) + 30;
	struct tm utc;

	(void)state;
	assert_int_equal(ask("HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 0,
			     &delivery),
			 -EAGAIN);
	assert_int_equal(delivery.retry_after_ms, 7000);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&at, &utc));
	snprintf(answer, sizeof(answer),
		 "HTTP/1.1 503 Busy\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n", date);
	assert_int_equal(ask(answer, 0, &delivery), -EAGAIN);
	assert_in_range(delivery.retry_after_ms, 27000, 30000);
	assert_int_equal(ask("HTTP/1.1 503 Busy\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n"
			     "Content-Length: 0\r\n\r\n",
			     0, &delivery),
			 -EAGAIN);
	assert_int_equal(delivery.retry_after_ms, 0);
	assert_int_equal(ask("HTTP/1.1 503 Busy\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n",
			     0, &delivery),
			 -EAGAIN);
	assert_int_equal(delivery.retry_after_ms, 0);
}

static void a_reply_without_end_is_not_read_to_its_end(void **state)
{
	struct delivery delivery;

	(void)state;
	assert_int_equal(ask(OVERSIZE, 0, &delivery), -EFBIG);
	assert_non_null(strstr(delivery.message, "more than 4 MiB"));
}

static void a_receiver_that_is_not_there_is_named(void **state)
{
	struct server server = {.n_answers = 0};
	struct delivery delivery;
	struct sink *sink;

	(void)state;
	server_start(&server);
	sink = sink_for(&server);
	server_stop(&server);
	assert_int_equal(write_one(sink, &delivery), -EAGAIN);
	print_message("%s\n", delivery.message);
	assert_non_null(strstr(delivery.message, "cannot reach http://127.0.0.1:"));
	assert_non_null(strstr(delivery.message, "Connection refused"));
	assert_false(delivery.unanswered);
	sink->free(sink);
}

static void a_request_on_a_connection_that_dies_is_sent_again_and_counted(void **state)
{
	struct server server = {
		.answers = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", CLOSE,
			    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		.n_answers = 3,
	};
	struct delivery delivery;
	struct sink *sink;

	(void)state;
	server_start(&server);
	sink = sink_for(&server);
	assert_int_equal(write_one(sink, &delivery), 0);
	assert_int_equal(delivery.resends, 0);
	assert_int_equal(write_one(sink, &delivery), 0);
	assert_int_equal(server.requests, 3);
	/* The server has read it twice. */
	assert_int_equal(delivery.resends, 1);
	sink->free(sink);
	server_stop(&server);
}

static void *interrupt_soon(void *sink)
{
	usleep(100000);
	((struct sink *)sink)->interrupt(sink);
	return NULL;
}

static void a_server_that_hangs_can_be_interrupted(void **state)
{
	struct server server = {.answers = {HANG}, .n_answers = 1};
	struct timespec before, after;
	struct delivery delivery;
	pthread_t thread;
	struct sink *sink;

	(void)state;
	server_start(&server);
	sink = sink_for(&server);
	clock_gettime(CLOCK_MONOTONIC, &before);
	assert_int_equal(pthread_create(&thread, NULL, interrupt_soon, sink), 0);
	assert_int_equal(write_one(sink, &delivery), -EAGAIN);
	pthread_join(thread, NULL);
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec < 3);
	assert_true(delivery.unanswered);
	/* And stays so. */
	assert_int_equal(write_one(sink, &delivery), -EAGAIN);
	sink->free(sink);
	server_stop(&server);
}

static void an_url_that_cannot_work_is_refused_at_once(void **state)
{
	static const char *const urls[] = {
		"",
		"localhost:4318",
		"/v1/traces",
		"ftp://localhost/v1/traces",
		"file:///etc/passwd",
		"http://",
		"http:///v1/traces",
		"http://host:99999/",
		"http://ho st/",
		"https//host/",
	};
	struct sink *sink = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++)
		assert_int_equal(sink_otlp_http_new(urls[i], &sink), -EINVAL);
	assert_null(sink);
}

static int make_shared(void **state)
{
	struct piece nothing = {0};

	(void)state;
	/* What the environment says about proxies is not what is tested here. */
	setenv("no_proxy", "127.0.0.1", 1);
	resource = make_resource("test", nothing);
	scope = make_scope("test", NULL, nothing);
	return 0;
}

static int free_shared(void **state)
{
	(void)state;
	assert_int_equal(resource->references, 1);
	resource_unref(resource);
	scope_unref(scope);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_are_posted_as_the_specification_says),
		cmocka_unit_test(a_partial_success_is_told_and_counted),
		cmocka_unit_test(a_warning_does_not_make_it_a_failure),
		cmocka_unit_test(what_the_specification_calls_final_is_not_retried),
		cmocka_unit_test(what_may_pass_is_retried),
		cmocka_unit_test(retry_after_is_understood_as_seconds_and_as_a_date),
		cmocka_unit_test(a_reply_without_end_is_not_read_to_its_end),
		cmocka_unit_test(a_receiver_that_is_not_there_is_named),
		cmocka_unit_test(a_request_on_a_connection_that_dies_is_sent_again_and_counted),
		cmocka_unit_test(a_server_that_hangs_can_be_interrupted),
		cmocka_unit_test(an_url_that_cannot_work_is_refused_at_once),
	};

	return cmocka_run_group_tests(tests, make_shared, free_shared);
}
