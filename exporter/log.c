/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool verbose;

void log_verbose(bool on)
{
	verbose = on;
}

static void log_line(const char *format, va_list arguments)
{
	char line[1024] = "otel-bpf: ";
	size_t size = strlen(line), room = sizeof(line) - size - 1;
	int n = vsnprintf(line + size, room, format, arguments);

	if (n < 0)
		return;
	size += (size_t)n < room ? (size_t)n : room - 1;
	line[size++] = '\n';
	if (write(STDERR_FILENO, line, size) < 0)
		return; /* nobody to tell */
}

void log_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_line(format, arguments);
	va_end(arguments);
}

void log_info(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_line(format, arguments);
	va_end(arguments);
}

void log_debug(const char *format, ...)
{
	va_list arguments;

	if (!verbose)
		return;
	va_start(arguments, format);
	log_line(format, arguments);
	va_end(arguments);
}
