/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP/1.1 service that does what the W3C Trace Context suite asks of one: the body of a POST is a
 * JSON array of {"url": ..., "arguments": ...}, and it sends a POST with the arguments to each url, one
 * span each, in the context that the request came with.
 *
 *     service          listens on a free port of 127.0.0.1 and prints it
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <otel/propagation.h>
#include <otel/trace.h>

enum { HEADERS = 128, REQUEST_MAX = 256 * 1024 };

static otel_tracer tracer = OTEL_TRACER("w3c.service", "1");

struct request {
	char *text;  /* the head, cut into lines, and the body */
	char *body;
	const char *headers[HEADERS];
	size_t header_count;
};

/* ---- HTTP --------------------------------------------------------------------------------------- */

/* Cuts the head into lines. Returns the length of the body, or -EBADMSG. */
static long parse_head(struct request *request)
{
	char *line = strstr(request->text, "\r\n");
	long length = 0;

	request->header_count = 0;
	for (line += 2; line < request->body - 2; line += strlen(line) + 2) {
		char *end = strstr(line, "\r\n");

		*end = 0;
		if (request->header_count == HEADERS)
			return -EBADMSG;
		request->headers[request->header_count++] = line;
		if (!strncasecmp(line, "content-length:", 15))
			length = strtol(line + 15, NULL, 10);
	}
	return length >= 0 && length < REQUEST_MAX ? length : -EBADMSG;
}

/* Reads a request; its text is to be freed. */
static int read_request(int fd, struct request *request)
{
	size_t size = 0;
	long length = -1;
	char *text = calloc(1, REQUEST_MAX + 1);

	request->text = text;
	if (!text)
		return -ENOMEM;
	while (length < 0 || size < (size_t)(request->body - text) + (size_t)length) {
		ssize_t got = size < REQUEST_MAX ? read(fd, text + size, REQUEST_MAX - size) : 0;
		char *end;

		if (got <= 0)
			return -EBADMSG;
		size += (size_t)got;
		end = length < 0 ? strstr(text, "\r\n\r\n") : NULL;
		if (end) {
			request->body = end + 4;
			length = parse_head(request);
			if (length < 0)
				return -EBADMSG;
		}
	}
	request->body[length] = 0;
	return 0;
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t put = send(fd, data, size, MSG_NOSIGNAL);

		if (put < 0)
			return -errno;
		data += put;
		size -= (size_t)put;
	}
	return 0;
}

/* ---- Calls -------------------------------------------------------------------------------------- */

/* "http://ADDRESS:PORT/PATH"; returns the path. */
static const char *parse_url(const char *url, struct sockaddr_in *out)
{
	char host[64];
	unsigned port;
	int used = 0;

	if (sscanf(url, "http://%63[0-9.]:%u%n", host, &port, &used) != 2 || url[used] != '/')
		return NULL;
	memset(out, 0, sizeof(*out));
	out->sin_family = AF_INET;
	out->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &out->sin_addr) == 1 ? url + used : NULL;
}

static int call(const char *url, const char *arguments)
{
	OTEL_SPAN(span, &tracer, "POST", otel_kind(OTEL_CLIENT), otel_str("url.full", url));
	struct sockaddr_in address;
	const char *path = parse_url(url, &address);
	char context[9400], head[10240], reply[4096];
	int fd, err, size;

	if (!path)
		return otel_fail(span, EINVAL);
	otel_inject_text(context, sizeof(context));
	size = snprintf(head, sizeof(head),
			"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
			"Content-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n",
			path, strlen(arguments), context);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return otel_fail(span, errno);
	err = connect(fd, (const struct sockaddr *)(const void *)&address, sizeof(address)) ? -errno : 0;
	if (!err)
		err = write_all(fd, head, (size_t)size);
	if (!err)
		err = write_all(fd, arguments, strlen(arguments));
	while (!err && read(fd, reply, sizeof(reply)) > 0)
		;
	close(fd);
	return otel_fail(span, err);
}

/* ---- JSON: as much of it as the suite sends ------------------------------------------------------- */

static char *skip_space(char *at)
{
	return at + strspn(at, " \t\r\n");
}

/* The end of the value that begins at @at, or NULL. */
static char *skip_value(char *at)
{
	unsigned depth = 0;
	int in_string = 0;

	for (; *at; at++) {
		if (in_string) {
			if (*at == '\\' && at[1])
				at++;
			else if (*at == '"' && !(in_string = 0) && !depth)
				return at + 1;
		} else if (*at == '"') {
			in_string = 1;
		} else if (*at == '[' || *at == '{') {
			depth++;
		} else if (*at == ']' || *at == '}') {
			if (!depth)
				return at;
			if (!--depth)
				return at + 1;
		} else if (!depth && *at == ',') {
			return at;
		}
	}
	return NULL;
}

/* Makes the calls that the object at @at asks for; returns its end, or NULL. */
static char *run_action(char *at)
{
	char *url = NULL, *arguments = NULL, *url_end = NULL, *arguments_end = NULL;

	for (at = skip_space(at + 1); *at != '}';) {
		char *key = at, *value = skip_value(at);

		if (!value || *(value = skip_space(value)) != ':')
			return NULL;
		value = skip_space(value + 1);
		at = skip_value(value);
		if (!at)
			return NULL;
		if (!strncmp(key, "\"url\"", 5) && *value == '"') {
			url = value + 1;
			url_end = at - 1;
		} else if (!strncmp(key, "\"arguments\"", 11)) {
			arguments = value;
			arguments_end = at;
		}
		at = skip_space(at);
		if (*at == ',')
			at = skip_space(at + 1);
		else if (*at != '}')
			return NULL;
	}
	if (url) {
		char saved_url = *url_end, saved = arguments_end ? *arguments_end : 0;

		*url_end = 0;
		if (arguments_end)
			*arguments_end = 0;
		call(url, arguments ? arguments : "[]");
		*url_end = saved_url;
		if (arguments_end)
			*arguments_end = saved;
	}
	return at + 1;
}

static int run_actions(char *at)
{
	at = skip_space(at);
	if (*at != '[')
		return -EBADMSG;
	at = skip_space(at + 1);
	while (*at == '{') {
		at = run_action(at);
		if (!at)
			return -EBADMSG;
		at = skip_space(at);
		if (*at == ',')
			at = skip_space(at + 1);
	}
	return *at == ']' ? 0 : -EBADMSG;
}

/* ---- The service -------------------------------------------------------------------------------- */

static int answer(int fd, struct request *request)
{
	static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
				    "Content-Length: 4\r\nConnection: close\r\n\r\nnull";
	otel_context remote = otel_extract_lines(request->headers, request->header_count);
	OTEL_SPAN(span, &tracer, "POST /test", otel_kind(OTEL_SERVER), otel_parent(remote),
		  otel_str("http.request.method", "POST"));
	int err = run_actions(request->body);

	otel_context_release(&remote);
	if (!err)
		err = write_all(fd, reply, sizeof(reply) - 1);
	return otel_fail(span, err);
}

static void *serve(void *data)
{
	int fd = (int)(intptr_t)data;
	struct request request;

	if (!read_request(fd, &request))
		answer(fd, &request);
	free(request.text);
	close(fd);
	return NULL;
}

int main(void)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address;
	socklen_t size = sizeof(address);

	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (listener < 0 || bind(listener, (struct sockaddr *)(void *)&address, sizeof(address)) ||
	    listen(listener, 64) || getsockname(listener, (struct sockaddr *)(void *)&address, &size)) {
		perror("service");
		return 1;
	}
	printf("%u\n", ntohs(address.sin_port));
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		pthread_t thread;

		if (fd < 0)
			continue;
		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd))
			close(fd);
		else
			pthread_detach(thread);
	}
}
