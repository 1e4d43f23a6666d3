/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's side of otel-bpf status: a unix socket PID.sock in a directory of the agent's user,
 * on which it answers one word, "text" or "json", with what status.h writes. It never waits for a
 * client: an answer is made at once and leaves as the client reads it, and who does not read makes
 * room for the next one. An agent that is ending answers no more: its socket is then called
 * PID.ending.sock.
 *
 * Single-threaded.
 */
#ifndef OTEL_BPF_SERVER_H
#define OTEL_BPF_SERVER_H

#include <stddef.h>

#include "overview.h"

#define SERVER_CLIENTS_MAX 4
#define SERVER_SOCKET ".sock"
#define SERVER_ENDING ".ending.sock"

struct server;

/**
 * Listens in @directory, which is made if it is not there; sockets of dead agents are removed.
 * Returns 0 or a negative errno. Free with server_free().
 */
int server_new(const char *directory, overview_fn look, void *self, struct server **out);

/** Nobody will serve it any more: who asks for the agent is to know why. NULL is allowed. */
void server_ending(struct server *server);

/** NULL is allowed. */
void server_free(struct server *server);

/** A descriptor for epoll: readable when server_serve() has something to do. */
int server_fd(const struct server *server);
void server_serve(void *server);

/**
 * Where the sockets of agents of this user are: /run/otel-bpf for root, else otel-bpf in
 * $XDG_RUNTIME_DIR. Returns 0, or -ENOENT if there is no such place.
 */
int server_directory(char *path, size_t room);

/** Connects to the socket at @path, not blocking. Returns a descriptor or a negative errno; who is
 *  -ECONNREFUSED is dead. */
int server_connect(const char *path);

#endif
