/* SPDX-License-Identifier: Apache-2.0 */
/* otel-bpf status: shows the books of agents that run. */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands.h"
#include "log.h"
#include "server.h"
#include "text.h"

#define PATIENCE_MS 5000
#define NO_AGENT 1 /* to be shown: the exit status */

static const char usage[] =
	"usage: otel-bpf status [OPTIONS]\n"
	"\n"
	"Shows what running agents of this user have recorded, exported and lost.\n"
	"\n"
	"      --pid PID            of the agent with this pid only\n"
	"      --json               a list of JSON objects, one for each agent\n"
	"  -h, --help               this text\n"
	"\n"
	"Exit status: 0, 1 if no agent runs or answers, 125 if otel-bpf failed.\n";

struct options {
	bool json;
	unsigned long pid; /* 0: all */
};

static int parse(int argc, char **argv, struct options *options, int *status)
{
	enum { PID = 256, JSON };
	static const struct option known[] = {
		{"pid", required_argument, NULL, PID},
		{"json", no_argument, NULL, JSON},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	char *end;
	int c;

	*status = EXIT_AGENT_FAILED;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", known, NULL)) != -1) {
		switch (c) {
		case PID:
			options->pid = strtoul(optarg, &end, 10);
			if (*optarg >= '1' && *optarg <= '9' && !*end && options->pid <= INT_MAX)
				break;
			log_error("--pid %s: not a pid", optarg);
			return -1;
		case JSON:
			options->json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			*status = 0;
			return -1;
		case ':':
			log_error("%s needs an argument; see otel-bpf status --help",
				  argv[optind - 1]);
			return -1;
		default:
			log_error("unknown option %s; see otel-bpf status --help",
				  argv[optind - 1]);
			return -1;
		}
	}
	if (optind < argc) {
		log_error("unknown argument %s; see otel-bpf status --help", argv[optind]);
		return -1;
	}
	return 0;
}

/* Returns 0 when there is something to do with @fd, else -ETIMEDOUT. */
static int wait_for(int fd, short events)
{
	struct pollfd what = {.fd = fd, .events = events};

	return poll(&what, 1, PATIENCE_MS) > 0 ? 0 : -ETIMEDOUT;
}

static int ask(const char *path, bool json, struct text *out)
{
	const char *request = json ? "json\n" : "text\n";
	char part[65536];
	int fd = server_connect(path), err = 0;
	ssize_t n;

	if (fd < 0)
		return fd;
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		err = -errno;
	while (!err) {
		err = wait_for(fd, POLLIN);
		if (err)
			break;
		n = read(fd, part, sizeof(part));
		if (n < 0)
			err = -errno;
		if (n <= 0)
			break;
		text_put(out, part, (size_t)n);
	}
	close(fd);
	if (!err && (out->failed || !out->size))
		err = out->failed ? -ENOMEM : -ECONNRESET;
	return err;
}

/* Says so if it is. */
static bool is_ending(const char *directory, int pid)
{
	char path[PATH_MAX + 32];
	int fd;

	snprintf(path, sizeof(path), "%s/%d" SERVER_ENDING, directory, pid);
	fd = server_connect(path);
	/* -EAGAIN: others wait there already. */
	if (fd < 0 && fd != -EAGAIN)
		return false;
	if (fd >= 0)
		close(fd);
	log_error("agent %d is ending: it waits for its exporters", pid);
	return true;
}

/* Shows one agent. Returns 1, 0 if there is none, or a negative errno if it does not answer. */
static int show(const struct options *options, const char *directory, int pid, size_t before)
{
	char path[PATH_MAX + 32];
	struct text text = {0};
	int err;

	snprintf(path, sizeof(path), "%s/%d" SERVER_SOCKET, directory, pid);
	err = ask(path, options->json, &text);
	if (err && err != -ECONNREFUSED && is_ending(directory, pid))
		err = -EBUSY;
	/* It has just ended, or it was killed and nobody has cleaned up. */
	else if (err == -ECONNREFUSED || err == -ENOENT)
		err = -ENOENT;
	else if (err)
		log_error("agent %d does not answer: %s", pid, strerror(-err));
	if (!err) {
		if (options->json)
			fputs(before ? ",\n" : "[", stdout);
		else if (before)
			fputc('\n', stdout);
		fwrite(text.data, 1, text.size, stdout);
	}
	text_free(&text);
	return err == -ENOENT ? 0 : err ? err : 1;
}

static int only_sockets(const struct dirent *entry)
{
	size_t size = strlen(entry->d_name);

	return size > strlen(SERVER_SOCKET) &&
	       !strcmp(entry->d_name + size - strlen(SERVER_SOCKET), SERVER_SOCKET);
}

/* Returns how many it has shown; *@silent: there are others, of which it has said why not. */
static size_t show_all(const struct options *options, const char *directory, bool *silent)
{
	struct dirent **entries;
	int n = scandir(directory, &entries, only_sockets, versionsort);
	size_t shown = 0;
	int last = 0;

	for (int i = 0; i < n; i++) {
		int pid = (int)strtoul(entries[i]->d_name, NULL, 10), found = 0;

		/* One that ended between two looks at the directory is there twice. */
		if (pid != last && (!options->pid || (unsigned long)pid == options->pid))
			found = show(options, directory, pid, shown);
		last = pid;
		shown += found > 0;
		*silent |= found < 0;
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return shown;
}

int cmd_status(int argc, char **argv)
{
	struct options options = {0};
	char directory[PATH_MAX];
	bool silent = false;
	int status;
	size_t n;

	if (parse(argc, argv, &options, &status))
		return status;
	if (server_directory(directory, sizeof(directory))) {
		log_error("no place for agents' sockets: XDG_RUNTIME_DIR is not set; agents of "
			  "root are shown "
			  "to root");
		return EXIT_AGENT_FAILED;
	}
	n = show_all(&options, directory, &silent);
	if (options.json)
		fputs(n ? "]\n" : "[]\n", stdout);
	if (fflush(stdout) || ferror(stdout))
		return EXIT_AGENT_FAILED;
	if (n)
		return 0;
	if (silent)
		return NO_AGENT;
	if (options.pid)
		log_error("no agent with pid %lu runs (looked in %s)", options.pid, directory);
	else
		log_error("no agent runs (looked in %s)%s", directory,
			  geteuid() ? "; agents of root are shown to root" : "");
	return NO_AGENT;
}
