/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Receives OTLP over HTTP, for tests and benchmarks:
 *
 *     receiver PORT [FILE]
 *
 * listens on 127.0.0.1 (port 0: any) and prints the port on a line of its own. The body of each
 * POST is appended to FILE, behind its length as 32 bits of this machine; receiver_dump.py reads
 * that. SIGTERM and SIGINT end it; then it prints "requests N bytes N". After SIGUSR1 it answers 503
 * and wants a second's patience, after SIGUSR2 it takes requests and closes the connection without an
 * answer; after SIGHUP all is well again.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_CONNECTIONS 64
#define MOST_BODY (64u << 20)
#define MOST_HEAD 16384u

struct connection {
	int fd;
	uint8_t *data; /* a request, as far as it is here */
	size_t size, capacity;
	size_t needed; /* of the whole request; 0: its head is not complete */
	size_t head;
};

static struct connection connections[MOST_CONNECTIONS];
static size_t n_connections;
static uint64_t requests, received;
static enum { WELL, BUSY, SILENT } mood;
static FILE *file;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void drop(size_t i)
{
	close(connections[i].fd);
	free(connections[i].data);
	connections[i] = connections[--n_connections];
}

static bool reply(struct connection *c, const char *text)
{
	size_t size = strlen(text);

	return send(c->fd, text, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* The value of a field of the head, or NULL. */
static const char *field(const char *head, const char *name)
{
	const char *line = head;
	size_t size = strlen(name);

	while ((line = strstr(line, "\r\n"))) {
		line += 2;
		if (!strncasecmp(line, name, size) && line[size] == ':')
			return line + size + 1;
	}
	return NULL;
}

/* Looks at the head once it is complete. Returns false if the connection is to be closed. */
static bool parse_head(struct connection *c)
{
	uint8_t *end = memmem(c->data, c->size, "\r\n\r\n", 4);
	const char *length;
	size_t body;

	if (!end)
		return c->size < MOST_HEAD;
	end[2] = '\0'; /* the head is a string now */
	c->head = (size_t)(end - c->data) + 4;
	length = field((const char *)c->data, "Content-Length");
	if (strncmp((const char *)c->data, "POST /v1/traces ", 16) != 0) {
		reply(c,
		      "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
		return false;
	}
	if (!length) {
		reply(c, "HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\n"
			 "Connection: close\r\n\r\n");
		return false;
	}
	body = strtoul(length, NULL, 10);
	if (body > MOST_BODY) {
		reply(c, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n"
			 "Connection: close\r\n\r\n");
		return false;
	}
	c->needed = c->head + body;
	if (field((const char *)c->data, "Expect") && c->size < c->needed)
		return reply(c, "HTTP/1.1 100 Continue\r\n\r\n");
	return true;
}

static bool finish_request(struct connection *c)
{
	uint32_t size = (uint32_t)(c->needed - c->head);

	if (mood == BUSY) {
		reply(c, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
			 "Content-Length: 0\r\nConnection: close\r\n\r\n");
		return false;
	}
	requests++;
	received += size;
	if (file && (fwrite(&size, sizeof(size), 1, file) != 1 ||
		     fwrite(c->data + c->head, 1, size, file) != size || fflush(file)))
		fail("write");
	if (mood == SILENT)
		return false;
	/* What was sent behind it is the next one. */
	c->size -= c->needed;
	memmove(c->data, c->data + c->needed, c->size);
	c->needed = 0;
	return reply(c, "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n"
			"Content-Length: 0\r\n\r\n");
}

static bool serve(struct connection *c)
{
	size_t wanted = c->needed > c->size ? c->needed - c->size : 65536;
	ssize_t n;

	if (c->capacity - c->size < wanted) {
		c->capacity = c->size + wanted;
		c->data = realloc(c->data, c->capacity);
		if (!c->data)
			fail("realloc");
	}
	n = recv(c->fd, c->data + c->size, c->capacity - c->size, 0);
	if (n <= 0)
		return n < 0 && errno == EINTR;
	c->size += (size_t)n;
	while (c->size) {
		if (!c->needed && !parse_head(c))
			return false;
		if (!c->needed || c->size < c->needed)
			return true;
		if (!finish_request(c))
			return false;
	}
	return true;
}

static int listen_on(const char *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((uint16_t)atoi(port));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, 64) ||
	    getsockname(fd, (struct sockaddr *)&address, &size))
		fail("listen");
	printf("%u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static int open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		fail("signalfd");
	return fd;
}

/* Returns false if it is the end. */
static bool take_signal(int signals)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		fail("signalfd");
	if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
		return false;
	mood = info.ssi_signo == SIGUSR1 ? BUSY : info.ssi_signo == SIGUSR2 ? SILENT : WELL;
	return true;
}

static void take_connection(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (n_connections == MOST_CONNECTIONS) {
		close(fd);
		return;
	}
	connections[n_connections++] = (struct connection){.fd = fd};
}

int main(int argc, char **argv)
{
	int listener, signals;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: receiver PORT [FILE]\n");
		return 2;
	}
	signals = open_signals();
	if (argc == 3) {
		file = fopen(argv[2], "ae");
		if (!file)
			fail(argv[2]);
	}
	listener = listen_on(argv[1]);
	for (;;) {
		struct pollfd fds[2 + MOST_CONNECTIONS] = {{listener, POLLIN, 0},
							   {signals, POLLIN, 0}};
		size_t n = n_connections;

		for (size_t i = 0; i < n; i++)
			fds[2 + i] = (struct pollfd){connections[i].fd, POLLIN, 0};
		if (poll(fds, 2 + n, -1) < 0)
			continue;
		/* From the end, since the last one takes the place of one that is dropped. */
		for (size_t i = n; i-- > 0;) {
			if (fds[2 + i].revents && !serve(&connections[i]))
				drop(i);
		}
		if (fds[0].revents)
			take_connection(listener);
		if (fds[1].revents && !take_signal(signals))
			break;
	}
	printf("requests %" PRIu64 " bytes %" PRIu64 "\n", requests, received);
	while (n_connections)
		drop(0);
	if (file && fclose(file))
		fail("close");
	return 0;
}
