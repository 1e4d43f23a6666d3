/* SPDX-License-Identifier: Apache-2.0 */
#include "scrape.h"

#include <ctype.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "metrics.h"

#define CLIENTS_MAX 8u
#define CLIENT_SECONDS 5u
#define CLIENT_BYTES ((size_t)16384)
#define ROUNDS_MAX 8

struct scrape {
	struct MHD_Daemon *daemon;
	overview_fn look;
	void *self;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned int status,
			      const char *type, struct text *text)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(text->size, text->data, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	if (!response) {
		text_free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result on_request(void *self, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *size, void **state)
{
	struct scrape *scrape = self;
	struct overview overview;
	struct text text = {0};

	(void)version;
	(void)data;
	(void)state;
	if (*size)
		return MHD_NO; /* a body: nothing here takes one */
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD)) {
		text_put_literal(&text, "only GET and HEAD\n");
		return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", &text);
	}
	if (strcmp(url, "/metrics")) {
		text_put_literal(&text, "otel-bpf: see /metrics\n");
		return answer(connection, MHD_HTTP_NOT_FOUND, "text/plain", &text);
	}
	scrape->look(scrape->self, &overview);
	metrics_prometheus(&overview, &text);
	if (text.failed) {
		text_free(&text);
		return MHD_NO;
	}
	return answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &text);
}

/* "host:port", "[host]:port". Returns 0 or -EINVAL. */
static int split(const char *address, char *host, size_t room, const char **port)
{
	const char *colon = strrchr(address, ':');
	size_t size = colon ? (size_t)(colon - address) : 0;
	unsigned long number;
	char *end;

	if (!size || !colon[1])
		return -EINVAL;
	*port = colon + 1;
	errno = 0;
	number = strtoul(*port, &end, 10);
	/* 0 would be a port that nobody knows; getaddrinfo() takes larger ones modulo 65536. */
	if (errno || *end || !isdigit((unsigned char)**port) || !number || number > 65535)
		return -EINVAL;
	if (address[0] == '[' && address[size - 1] == ']') {
		address++;
		size -= 2;
	} else if (memchr(address, ':', size)) {
		return -EINVAL; /* an IPv6 address without brackets */
	}
	if (!size || size >= room)
		return -EINVAL;
	memcpy(host, address, size);
	host[size] = '\0';
	return 0;
}

static int listen_on(struct scrape *scrape, const struct addrinfo *where)
{
	unsigned int flags = MHD_USE_EPOLL | (where->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0);

	errno = 0;
	scrape->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, scrape, MHD_OPTION_SOCK_ADDR, where->ai_addr,
		MHD_OPTION_CONNECTION_LIMIT, CLIENTS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		CLIENT_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CLIENT_BYTES, MHD_OPTION_END);
	if (scrape->daemon)
		return 0;
	return errno ? -errno : -EADDRNOTAVAIL;
}

int scrape_new(const char *address, overview_fn look, void *self, struct scrape **out)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *where = NULL;
	struct scrape *scrape;
	const char *port;
	char host[256];
	int err;

	if (split(address, host, sizeof(host), &port) || getaddrinfo(host, port, &hints, &where)) {
		log_error("--metrics %s: not an address and a port, as in 127.0.0.1:9464", address);
		return -EINVAL;
	}
	scrape = calloc(1, sizeof(*scrape));
	err = scrape ? 0 : -ENOMEM;
	if (scrape) {
		scrape->look = look;
		scrape->self = self;
		err = listen_on(scrape, where);
	}
	freeaddrinfo(where);
	if (err) {
		log_error("--metrics %s: cannot listen there: %s", address, strerror(-err));
		free(scrape);
		return err;
	}
	*out = scrape;
	return 0;
}

void scrape_free(struct scrape *scrape)
{
	if (!scrape)
		return;
	MHD_stop_daemon(scrape->daemon);
	free(scrape);
}

int scrape_fd(const struct scrape *scrape)
{
	return MHD_get_daemon_info(scrape->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

void scrape_serve(void *self)
{
	struct scrape *scrape = self;
	MHD_UNSIGNED_LONG_LONG timeout;

	for (int i = 0; i < ROUNDS_MAX; i++) {
		MHD_run(scrape->daemon);
		/* 0: it knows of something that its descriptors will not tell. */
		if (MHD_get_timeout(scrape->daemon, &timeout) != MHD_YES || timeout)
			return;
	}
}
