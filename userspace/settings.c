/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define MAX_RULES 256
#define MAX_NAME 256
#define MAX_BYTES (64 * 1024)

struct rule {
	char glob[MAX_NAME];
	bool on;
};

/* What one reading of environment and file says. */
struct values {
	struct sampling sampling;
	unsigned count;
	struct rule rules[MAX_RULES];
};

struct settings {
	const char *path;
	int watch;
	struct values values;
};

static void from_environment(struct values *values)
{
	const char *name = getenv("OTEL_TRACES_SAMPLER"), *argument = getenv("OTEL_TRACES_SAMPLER_ARG");
	const char *why;

	values->sampling = sampling_default();
	values->count = 0;
	if (!name || !*name || !sampling_parse(name, argument, &values->sampling, &why))
		return;
	/* OpenTelemetry, Configuration: an argument that makes no sense is as if there were none. */
	if (!sampling_parse(name, NULL, &values->sampling, &why))
		log_error("OTEL_TRACES_SAMPLER_ARG=%s ignored: the ratio is a number from 0 to 1; it is 1 now",
			  argument);
	else
		log_error("OTEL_TRACES_SAMPLER=%s ignored: %s", name, why);
}

static int read_line(struct values *values, char *line, const char **why)
{
	char *word = strtok(line, " \t\r\n"), *first, *second;
	struct rule *rule;

	if (!word || *word == '#')
		return 0;
	first = strtok(NULL, " \t\r\n");
	second = first ? strtok(NULL, " \t\r\n") : NULL;
	if (strtok(NULL, " \t\r\n")) {
		*why = "too many words";
		return -EINVAL;
	}
	if (!strcmp(word, "sampler")) {
		if (first)
			return sampling_parse(first, second, &values->sampling, why);
		*why = "sampler needs a name, as in: sampler parentbased_traceidratio 0.1";
		return -EINVAL;
	}
	if (strcmp(word, "tracer")) {
		*why = "lines begin with sampler or tracer";
		return -EINVAL;
	}
	if (!second || (strcmp(second, "on") && strcmp(second, "off")) || strlen(first) >= MAX_NAME) {
		*why = "tracer needs a name and on or off, as in: tracer noisy.* off";
		return -EINVAL;
	}
	if (values->count == MAX_RULES) {
		*why = "more than 256 tracer lines";
		return -E2BIG;
	}
	rule = &values->rules[values->count++];
	snprintf(rule->glob, sizeof(rule->glob), "%s", first);
	rule->on = !strcmp(second, "on");
	return 0;
}

/* A pipe, a device or a file without end would hold the agent up. */
static int open_file(const char *path, FILE **out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int err = 0;

	if (fd < 0 || fstat(fd, &st))
		err = -errno;
	if (err)
		log_error("cannot read settings %s: %s", path, strerror(-err));
	else if (!S_ISREG(st.st_mode) || st.st_size > MAX_BYTES) {
		log_error("settings %s: not a regular file of at most %d KiB", path, MAX_BYTES / 1024);
		err = -EINVAL;
	}
	*out = err ? NULL : fdopen(fd, "r");
	if (!err && !*out)
		err = -errno;
	if (err && fd >= 0)
		close(fd);
	return err;
}

static int read_file(const char *path, struct values *values)
{
	FILE *file;
	char line[1024];
	const char *why;
	int err = open_file(path, &file);

	if (err)
		return err;
	for (unsigned n = 1; !err && fgets(line, sizeof(line), file); n++) {
		err = read_line(values, line, &why);
		if (err)
			log_error("%s:%u: %s; no line of it counts", path, n, why);
	}
	fclose(file);
	return err;
}

/* Editors replace files: the directory tells of that, too. */
static int watch_directory(const char *path)
{
	char copy[PATH_MAX];
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0)
		return -errno;
	snprintf(copy, sizeof(copy), "%s", path);
	if (inotify_add_watch(fd, dirname(copy), IN_CLOSE_WRITE | IN_MOVED_TO) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

int settings_new(const char *path, struct settings **out)
{
	struct settings *settings = calloc(1, sizeof(*settings));
	int err = 0;

	if (!settings)
		return -ENOMEM;
	settings->path = path;
	settings->watch = -1;
	from_environment(&settings->values);
	if (path)
		err = read_file(path, &settings->values);
	if (path && !err) {
		settings->watch = watch_directory(path);
		if (settings->watch < 0) {
			err = settings->watch;
			log_error("cannot watch settings %s: %s", path, strerror(-err));
		}
	}
	if (err) {
		settings_free(settings);
		return err;
	}
	*out = settings;
	return 0;
}

void settings_free(struct settings *settings)
{
	if (settings && settings->watch >= 0)
		close(settings->watch);
	free(settings);
}

int settings_fd(const struct settings *settings)
{
	return settings->watch;
}

bool settings_reload(struct settings *settings)
{
	static struct values fresh;
	char events[4096];

	while (read(settings->watch, events, sizeof(events)) > 0)
		;
	memset(&fresh, 0, sizeof(fresh));
	from_environment(&fresh);
	if (read_file(settings->path, &fresh) || !memcmp(&fresh, &settings->values, sizeof(fresh)))
		return false;
	settings->values = fresh;
	return true;
}

const struct sampling *settings_sampling(const struct settings *settings)
{
	return &settings->values.sampling;
}

bool settings_tracer_on(const struct settings *settings, struct bytes name)
{
	char text[MAX_NAME];

	if (!settings->values.count || name.size >= sizeof(text))
		return true;
	memcpy(text, name.data, name.size);
	text[name.size] = 0;
	for (unsigned i = 0; i < settings->values.count; i++)
		if (!fnmatch(settings->values.rules[i].glob, text, 0))
			return settings->values.rules[i].on;
	return true;
}
