/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "status.h"

#define ROOTS_DIRECTORY "/run/otel-bpf"
#define REQUEST_MAX 16
#define LISTENER SERVER_CLIENTS_MAX /* among the epoll instance's numbers */

struct client {
	int fd;		/* -1: nobody */
	uint64_t since; /* which connection it is */
	char request[REQUEST_MAX];
	size_t request_size;
	struct text answer;
	size_t sent;
};

struct server {
	overview_fn look;
	void *self;
	int epoll;
	int listener;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	uint64_t connections;
	struct client clients[SERVER_CLIENTS_MAX];
};

int server_directory(char *path, size_t room)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int n;

	if (!geteuid())
		n = snprintf(path, room, "%s", ROOTS_DIRECTORY);
	else if (runtime && *runtime == '/')
		n = snprintf(path, room, "%s/otel-bpf", runtime);
	else
		return -ENOENT;
	return n > 0 && (size_t)n < room ? 0 : -ENOENT;
}

static int address_of(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	strcpy(address->sun_path, path);
	return 0;
}

int server_connect(const char *path)
{
	struct sockaddr_un address;
	int err = address_of(path, &address), fd;

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* ---- Clients -------------------------------------------------------------------------------- */

static void drop(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	client->request_size = 0;
	client->sent = 0;
	text_free(&client->answer);
}

/* Who has been here the longest makes room. */
static struct client *place(struct server *server)
{
	struct client *oldest = server->clients;

	for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++) {
		struct client *client = &server->clients[i];

		if (client->fd < 0)
			return client;
		if (client->since < oldest->since)
			oldest = client;
	}
	drop(oldest);
	return oldest;
}

static void welcome(struct server *server)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct client *client;
	int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	client = place(server);
	client->fd = fd;
	client->since = server->connections++;
	event.data.u64 = (uint64_t)(client - server->clients);
	if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event))
		drop(client);
}

static void answer(struct server *server, struct client *client)
{
	struct epoll_event event = {
		.events = EPOLLOUT,
		.data.u64 = (uint64_t)(client - server->clients),
	};
	struct overview overview;

	server->look(server->self, &overview);
	if (!strcmp(client->request, "json"))
		status_json(&overview, &client->answer);
	else if (!strcmp(client->request, "text"))
		status_text(&overview, &client->answer);
	if (client->answer.failed || epoll_ctl(server->epoll, EPOLL_CTL_MOD, client->fd, &event))
		drop(client);
}

static void hear(struct server *server, struct client *client)
{
	ssize_t n = read(client->fd, client->request + client->request_size,
			 sizeof(client->request) - client->request_size);
	char *end;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		drop(client);
		return;
	}
	client->request_size += (size_t)n;
	end = memchr(client->request, '\n', client->request_size);
	if (end) {
		*end = '\0';
		answer(server, client);
	} else if (client->request_size == sizeof(client->request)) {
		drop(client);
	}
}

static void tell(struct client *client)
{
	ssize_t n = send(client->fd, client->answer.data + client->sent,
			 client->answer.size - client->sent, MSG_NOSIGNAL);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0)
		client->sent += (size_t)n;
	if (n <= 0 || client->sent == client->answer.size)
		drop(client);
}

void server_serve(void *self)
{
	struct server *server = self;
	struct epoll_event events[SERVER_CLIENTS_MAX + 1];
	int n = epoll_wait(server->epoll, events, SERVER_CLIENTS_MAX + 1, 0);

	for (int i = 0; i < n; i++) {
		uint64_t at = events[i].data.u64;
		struct client *client = &server->clients[at];

		if (at == LISTENER)
			continue;
		if (events[i].events & EPOLLOUT)
			tell(client);
		else
			hear(server, client);
	}
	/* Last: who comes may push out one that has just been told of. */
	for (int i = 0; i < n; i++)
		if (events[i].data.u64 == LISTENER)
			welcome(server);
}

int server_fd(const struct server *server)
{
	return server->epoll;
}

/* ---- Start and end -------------------------------------------------------------------------- */

static void remove_dead(const char *directory)
{
	DIR *dir = opendir(directory);
	char path[PATH_MAX + NAME_MAX + 2];
	struct dirent *entry;
	int fd;

	while (dir && (entry = readdir(dir))) {
		size_t size = strlen(entry->d_name);

		if (size < 6 || strcmp(entry->d_name + size - 5, ".sock"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		fd = server_connect(path);
		if (fd >= 0)
			close(fd);
		else if (fd == -ECONNREFUSED)
			unlink(path);
	}
	if (dir)
		closedir(dir);
}

/* Under another name first: a socket that nobody listens on, yet, is taken for that of a dead
 * agent. */
static int listen_at(struct server *server, const char *directory)
{
	char path[PATH_MAX + 32];
	struct sockaddr_un address;
	int err;

	snprintf(path, sizeof(path), "%s/%d.new", directory, (int)getpid());
	err = address_of(path, &address);
	if (err)
		return err;
	/* As long as the name under which it will be known. */
	snprintf(server->path, sizeof(server->path), "%.90s/%d.sock", directory, (int)getpid());
	server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->listener < 0)
		return -errno;
	unlink(path);
	if (fchmod(server->listener, 0600) ||
	    bind(server->listener, (const struct sockaddr *)&address, sizeof(address)))
		return -errno;
	if (listen(server->listener, SERVER_CLIENTS_MAX) || rename(path, server->path)) {
		err = -errno;
		unlink(path);
		return err;
	}
	return 0;
}

int server_new(const char *directory, overview_fn look, void *self, struct server **out)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = LISTENER};
	struct server *server;
	struct stat stat;
	int err;

	if (mkdir(directory, geteuid() ? 0700 : 0755) && errno != EEXIST)
		return -errno;
	/* Nobody else's, who could give out sockets of their own as ours. */
	if (lstat(directory, &stat))
		return -errno;
	if (!S_ISDIR(stat.st_mode) || stat.st_uid != geteuid() || stat.st_mode & 022)
		return -EPERM;
	server = calloc(1, sizeof(*server));
	if (!server)
		return -ENOMEM;
	server->look = look;
	server->self = self;
	server->listener = -1;
	for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++)
		server->clients[i].fd = -1;
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	err = server->epoll < 0 ? -errno : 0;
	remove_dead(directory);
	if (!err)
		err = listen_at(server, directory);
	if (!err && epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->listener, &event))
		err = -errno;
	if (err) {
		server_free(server);
		return err;
	}
	*out = server;
	return 0;
}

void server_ending(struct server *server)
{
	char path[sizeof(server->path)];
	size_t size = server ? strlen(server->path) - strlen(SERVER_SOCKET) : 0;

	if (!server || size + sizeof(SERVER_ENDING) > sizeof(path))
		return;
	memcpy(path, server->path, size);
	memcpy(path + size, SERVER_ENDING, sizeof(SERVER_ENDING));
	if (!rename(server->path, path))
		memcpy(server->path, path, sizeof(path));
}

void server_free(struct server *server)
{
	if (!server)
		return;
	for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++)
		drop(&server->clients[i]);
	if (server->listener >= 0) {
		close(server->listener);
		if (*server->path)
			unlink(server->path);
	}
	if (server->epoll >= 0)
		close(server->epoll);
	free(server);
}
