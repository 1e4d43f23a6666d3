/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chaos_check TRUTH SPANS: holds what the lives of chaos.c noted against the spans that arrived, as
 * otlp_file writes them. A span whose end call had returned has arrived, once, and is not cut short; one
 * whose start call had returned and whose end was not called has arrived as cut short, and says how the
 * life ended; what was in between may be either. Says what is wrong, and counts, by way to die:
 *
 *     KIND LIVES ended N open N lost N duplicated N wrong N
 */
#include "chaos.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMPLAINTS_MAX 20
#define ID 16 /* digits of a span's */

/* What arrived. */
struct span {
	unsigned times;
	bool cut_short, incomplete, written;
	bool resource_right, status_unset, status_right;
	char id[ID + 1], parent[ID + 1];
};

struct counts {
	unsigned lives, ended, open, lost, duplicated, wrong, after;
};

static const char *const names[] = KIND_NAMES;
static struct counts counts[KINDS];
static const char *truth;
static size_t each, lives;
static struct span *spans; /* in the order of the notes, and one more for each life */
static unsigned complaints, strangers;

#define SPANS_OF_LIFE (THREADS * NOTES + 1)

static const struct life *life_at(size_t i)
{
	return (const struct life *)(const void *)(truth + i * each);
}

static void complain(size_t at, unsigned place, const char *what)
{
	const struct life *life = life_at(at);
	const struct note *note = place < THREADS * NOTES ? &life->notes[0][0] + place : NULL;

	if (complaints++ < COMPLAINTS_MAX)
		printf("life %zu (%s%s, after %u us or %u operations, status %#x) span %u.%u in state %u: %s\n", at,
		       names[life->kind], life->from_outside ? " from outside" : "", life->after_us, life->fuse,
		       (unsigned)life->status, place / NOTES, place % NOTES, note ? note->state : 0u, what);
}

/* ---- What arrived --------------------------------------------------------------------------- */

/* How the spans of a life that are open say that it died; false: they do not. */
static bool death_of(const struct life *life, char type[32], char message[96])
{
	int status = life->status;

	if (WIFSIGNALED(status)) {
		snprintf(type, 32, "SIG%s", sigabbrev_np(WTERMSIG(status)));
		snprintf(message, 96, "process killed by %s", type);
		if (life->kind == OOM) {
			strcpy(type, "OOMKilled");
			strcpy(message, "process killed by SIGKILL: out of memory");
		}
		return true;
	}
	strcpy(type, "exit");
	snprintf(message, 96, "process exited with status %d before the span ended", WEXITSTATUS(status));
	return WEXITSTATUS(status) != 0;
}

/* The text behind @key in @text, up to the next quote; "" if it is not there. */
static void value(const char *text, const char *key, char *out, size_t room)
{
	const char *at = strstr(text, key), *end;

	out[0] = '\0';
	if (!at)
		return;
	at += strlen(key);
	end = strchr(at, '"');
	if (end && (size_t)(end - at) < room) {
		memcpy(out, at, (size_t)(end - at));
		out[end - at] = '\0';
	}
}

static bool says_death(const char *text, const struct life *life)
{
	char type[32], message[96], expected[256], time[32];
	const char *event = strstr(text, "\"name\":\"exception\"");

	death_of(life, type, message);
	if (!event || strstr(event + 1, "\"name\":\"exception\""))
		return false;
	value(text, "\"endTimeUnixNano\":\"", time, sizeof(time));
	snprintf(expected, sizeof(expected), "{\"timeUnixNano\":\"%s\",\"name\":\"exception\"", time);
	if (!strstr(text, expected))
		return false;
	snprintf(expected, sizeof(expected), "\"exception.type\",\"value\":{\"stringValue\":\"%s\"}", type);
	if (!strstr(event, expected))
		return false;
	snprintf(expected, sizeof(expected), "\"exception.message\",\"value\":{\"stringValue\":\"%s\"}", message);
	if (!strstr(event, expected))
		return false;
	snprintf(expected, sizeof(expected), "\"status\":{\"message\":\"%s\",\"code\":2}", message);
	if (strstr(text, expected))
		return true;
	snprintf(expected, sizeof(expected), "\"status\":{\"code\":2,\"message\":\"%s\"}", message);
	return strstr(text, expected);
}

/* @text: from its trace id to the next span's. */
static void take(const char *text, const char *service)
{
	unsigned at, thread, note;
	char name[64], expected[32];
	struct span *span;
	bool after;

	value(text, "\"name\":\"", name, sizeof(name));
	after = sscanf(name, "%u.%u.%u", &at, &thread, &note) != 3;
	if (after) {
		size_t size = strlen(name);

		thread = THREADS, note = 0;
		if (size < 6 || strcmp(name + size - 6, ".after") || sscanf(name, "%u", &at) != 1)
			at = (unsigned)lives;
	}
	if (at >= lives || (!after && (thread >= THREADS || note >= NOTES))) {
		strangers++;
		return;
	}
	span = &spans[at * SPANS_OF_LIFE + thread * NOTES + note];
	snprintf(expected, sizeof(expected), "life-%u", at);
	span->times++;
	span->resource_right = !strcmp(service, expected);
	span->cut_short = strstr(text, "otelbpf.cut_short");
	span->incomplete = strstr(text, "otelbpf.incomplete");
	span->written = strstr(text, "\"written\"");
	span->status_unset = !strstr(text, "\"status\"") && !strstr(text, "\"exception\"");
	span->status_right = says_death(text, life_at(at));
	value(text, "\"spanId\":\"", span->id, sizeof(span->id));
	value(text, "\"parentSpanId\":\"", span->parent, sizeof(span->parent));
}

static void take_line(char *line)
{
	static const char trace[] = "{\"traceId\":\"", resource[] = "{\"resource\":{";
	char service[64] = "", *at = line, *next, *group;

	while (at) {
		char saved = 0;

		next = strstr(at + 1, trace);
		group = strstr(at + 1, resource);
		if (group && (!next || group < next))
			next = group;
		if (next) {
			saved = *next;
			*next = '\0';
		}
		if (!strncmp(at, trace, strlen(trace)))
			take(at, service);
		else
			value(at, "\"service.name\",\"value\":{\"stringValue\":\"", service, sizeof(service));
		if (next)
			*next = saved;
		at = next;
	}
}

/* ---- What should have ----------------------------------------------------------------------- */

static void check_span(size_t at, unsigned place)
{
	const struct life *life = life_at(at);
	const struct note *note = &life->notes[0][0] + place;
	const struct span *span = &spans[at * SPANS_OF_LIFE + place], *parent;
	struct counts *count = &counts[life->kind];
	const char *wrong = NULL;
	char type[32], message[96];

	count->ended += note->state == ENDED;
	count->open += note->state >= STARTED && note->state < ENDING;
	if (!span->times) {
		if (note->state >= STARTED) {
			count->lost++;
			complain(at, place, "lost");
		}
		return;
	}
	parent = note->parent ? &spans[at * SPANS_OF_LIFE + note->parent - 1] : NULL;
	if (span->times > 1) {
		count->duplicated++;
		complain(at, place, "duplicated");
	}
	if (note->state == ENDED && span->cut_short)
		wrong = "had ended, and is marked as cut short";
	else if (note->state < ENDING && !span->cut_short)
		wrong = "was open, and is not marked as cut short";
	else if (strcmp(span->parent, parent ? parent->id : ""))
		wrong = "wrong parent";
	else if (note->written && !span->written)
		wrong = "an attribute is lost";
	else if (span->incomplete)
		wrong = "marked as incomplete";
	else if (!span->resource_right)
		wrong = "wrong service.name";
	else if (span->cut_short && death_of(life, type, message) ? !span->status_right : !span->status_unset)
		wrong = "wrong status or exception";
	if (wrong) {
		count->wrong++;
		complain(at, place, wrong);
	}
}

static void check_life(size_t at)
{
	const struct life *life = life_at(at);
	const struct span *after = &spans[at * SPANS_OF_LIFE + THREADS * NOTES];
	struct counts *count = &counts[life->kind];
	static const int statuses[KINDS] = {
		SIGKILL, SIGSEGV, SIGABRT, SIGBUS, 0, 3 << 8, 4 << 8, 0, 0, SIGKILL,
	};
	unsigned executed = life->kind == EXEC || life->kind == EXEC_THREAD;

	count->lives++;
	for (unsigned place = 0; place < THREADS * NOTES; place++)
		check_span(at, place);
	if (life->status != statuses[life->kind]) {
		count->wrong++;
		complain(at, THREADS * NOTES, "died otherwise than it should");
	}
	if (after->times != executed || (executed && (!after->resource_right || !after->status_unset))) {
		count->wrong++;
		complain(at, THREADS * NOTES, "the span of the program that it executed");
	}
}

int main(int argc, char **argv)
{
	struct counts sum = {0};
	struct stat st;
	char *line = NULL;
	size_t room = 0;
	FILE *file;
	int fd;

	if (argc != 3)
		return 2;
	each = (sizeof(struct life) + 4095) / 4096 * 4096;
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || !(file = fopen(argv[2], "re"))) {
		perror("chaos_check");
		return 2;
	}
	lives = (size_t)st.st_size / each;
	truth = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	spans = calloc(lives * SPANS_OF_LIFE, sizeof(*spans));
	if (truth == MAP_FAILED || !spans)
		return 2;
	while (getline(&line, &room, file) > 0)
		take_line(line);
	for (size_t i = 0; i < lives; i++)
		check_life(i);
	for (unsigned i = 0; i < KINDS; i++) {
		const struct counts *it = &counts[i];

		if (!it->lives)
			continue;
		printf("%-11s lives %4u ended %u open %u lost %u duplicated %u wrong %u\n", names[i], it->lives,
		       it->ended, it->open, it->lost, it->duplicated, it->wrong);
		sum.lives += it->lives;
		sum.ended += it->ended;
		sum.open += it->open;
		sum.lost += it->lost;
		sum.duplicated += it->duplicated;
		sum.wrong += it->wrong;
	}
	printf("all lives %u ended %u open %u lost %u duplicated %u wrong %u strangers %u\n", sum.lives, sum.ended,
	       sum.open, sum.lost, sum.duplicated, sum.wrong, strangers);
	return sum.lost || sum.duplicated || sum.wrong || strangers;
}
