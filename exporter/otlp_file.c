/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP as JSON lines, appended to a file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter.h"
#include "log.h"
#include "otlp_json.h"
#include "output.h"

struct file_sink {
	struct sink sink;
	struct output output;
	struct grouping grouping;
	struct text line;
	char *path;
};

static struct file_sink *of(struct sink *sink)
{
	return (struct file_sink *)sink; /* it is the first member */
}

static int file_write(struct sink *sink, struct span *const *spans, size_t n, struct delivery *out)
{
	struct file_sink *fs = of(sink);
	int err;

	text_clear(&fs->line);
	err = otlp_json(&fs->grouping, spans, n, &fs->line);
	if (!err)
		err = output_write(&fs->output, fs->line.data, fs->line.size);
	if (err == -ECANCELED)
		return -EAGAIN;
	/* Not worth another try: a disk that is full seldom has room again soon. */
	if (err)
		snprintf(out->message, sizeof(out->message), "cannot write to %s: %s",
			 fs->output.name, strerror(-err));
	return err;
}

static void file_interrupt(struct sink *sink)
{
	output_interrupt(&of(sink)->output);
}

static void file_free(struct sink *sink)
{
	struct file_sink *fs = of(sink);

	output_close(&fs->output);
	group_clear(&fs->grouping);
	text_free(&fs->line);
	free(fs->path);
	free(fs);
}

int sink_otlp_file_new(const char *path, struct sink **out)
{
	struct file_sink *fs = calloc(1, sizeof(*fs));
	int err = -ENOMEM;

	if (!fs)
		goto no_memory;
	fs->sink = (struct sink){
		.name = "otlp_file",
		.write = file_write,
		.interrupt = file_interrupt,
		.free = file_free,
	};
	fs->path = strdup(path);
	if (!fs->path)
		goto free_sink;
	err = output_open(&fs->output, fs->path);
	if (err)
		goto free_path;
	*out = &fs->sink;
	return 0;

free_path:
	free(fs->path);
free_sink:
	free(fs);
no_memory:
	if (err == -ENOMEM)
		log_error("cannot write to %s: out of memory", path);
	return err;
}
