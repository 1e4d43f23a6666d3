/* SPDX-License-Identifier: Apache-2.0 */
/* The waterfall: collects spans into traces and prints those that are due. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "console_draw.h"
#include "exporter.h"
#include "log.h"
#include "output.h"

#define MOST_SPANS 100000
#define MOST_BYTES (64u << 20)
#define WIDTH_LEAST 60
#define WIDTH_MOST 240
#define WIDTH_WITHOUT_TERMINAL 80
#define PRINT_EVERY_MS 100

struct console {
	struct sink sink;
	struct output output;
	struct console_traces *traces;
	struct terminal terminal;
	struct text text;
	char *path;
	uint64_t printed_ms;
	bool interrupted; /* for good */
};

static struct console *of(struct sink *sink)
{
	return (struct console *)sink; /* it is the first member */
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static size_t terminal_width(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) || !size.ws_col)
		return WIDTH_WITHOUT_TERMINAL;
	return size.ws_col < WIDTH_LEAST  ? WIDTH_LEAST
	       : size.ws_col > WIDTH_MOST ? WIDTH_MOST
					  : size.ws_col;
}

/* See no-color.org: set and not empty. */
static bool wants_colours(int fd)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
}

static void settle(struct console *console, struct span *const *spans, size_t n, int err)
{
	char message[256] = "";

	if (!console->sink.settle)
		return;
	if (err)
		snprintf(message, sizeof(message), "cannot print spans on %s: %s",
			 console->output.name, strerror(-err));
	console->sink.settle(console->sink.exporter, spans, n, err, message);
}

static int print_trace(struct console *console, const struct trace *trace)
{
	int err;

	if (console->interrupted)
		return -ECANCELED;
	text_clear(&console->text);
	err = console_draw(&console->terminal, trace);
	if (!err)
		err = output_write(&console->output, console->text.data, console->text.size);
	console->interrupted = err == -ECANCELED;
	return err;
}

/* Prints what is due. What that fails for is gone. */
static int print(struct console *console, bool all)
{
	uint64_t now = now_ms();
	struct trace *trace;
	int err, result = 0;

	console->printed_ms = now;
	console->terminal.width = terminal_width(console->output.fd);
	while ((trace = console_traces_take(console->traces, now, all))) {
		err = print_trace(console, trace);
		settle(console, trace->spans, trace->n, err);
		trace_free(trace);
		result = err ? err : result;
	}
	return result;
}

static int console_write(struct sink *sink, struct span *const *spans, size_t n,
			 struct delivery *out)
{
	struct console *console = of(sink);
	uint64_t now = now_ms();

	(void)out;
	for (size_t i = 0; i < n; i++) {
		int err = console_traces_add(console->traces, spans[i], now);

		if (err)
			settle(console, spans + i, 1, err);
	}
	/* Under load the queue is never empty, and flush() never called. */
	if (now - console->printed_ms >= PRINT_EVERY_MS)
		print(console, false);
	return 0;
}

/* Wants to be called again when the next trace is due. */
static int console_flush(struct sink *sink, bool last)
{
	struct console *console = of(sink);
	int err = print(console, last);
	uint64_t due = console_traces_next_due(console->traces), now = now_ms();

	if (last || !due)
		return err;
	return due > now ? (int)(due - now) : 1;
}

static void console_interrupt(struct sink *sink)
{
	output_interrupt(&of(sink)->output);
}

static void console_free(struct sink *sink)
{
	struct console *console = of(sink);

	console_traces_free(console->traces);
	output_close(&console->output);
	text_free(&console->text);
	free(console->path);
	free(console);
}

int sink_console_new(const char *path, struct sink **out)
{
	struct console *console = calloc(1, sizeof(*console));
	int err = -ENOMEM;

	if (!console)
		goto no_memory;
	console->sink = (struct sink){
		.name = "console",
		.write = console_write,
		.flush = console_flush,
		.interrupt = console_interrupt,
		.free = console_free,
		.keeps = true,
	};
	console->traces = console_traces_new(MOST_SPANS, MOST_BYTES);
	console->path = path ? strdup(path) : NULL;
	if (!console->traces || (path && !console->path))
		goto free_console;
	err = output_open(&console->output, console->path);
	if (err)
		goto free_console;
	console->terminal = (struct terminal){
		.out = &console->text,
		.width = WIDTH_WITHOUT_TERMINAL,
		.colours = wants_colours(console->output.fd),
	};
	*out = &console->sink;
	return 0;

free_console:
	console_traces_free(console->traces);
	free(console->path);
	free(console);
no_memory:
	if (err == -ENOMEM)
		log_error("cannot print spans: out of memory");
	return err;
}
