/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint.h"

#include <errno.h>

#include "hash.h"
#include "open_save.h"
#include "resource.h"

#define MAGIC UINT32_C(0x4354544f) /* OTTC */
#define VERSION 3

/* A reminder for who gives one of them another field: what becomes of that over a restart is said here. */
_Static_assert(sizeof(struct process) == 544, "save_process() and load_process() have all fields");
_Static_assert(sizeof(struct stream) == 240, "save_stream() and load_stream() have all fields");

struct header {
	uint32_t magic;
	uint32_t version;
	uint64_t size; /* of what follows */
	uint64_t checksum;
};

/* ---- Streams -------------------------------------------------------------------------------- */

enum { FRESH = 1, JOINING = 2, SKIPPING = 4 };

static void save_stream(const struct stream *stream, struct pack *pack)
{
	pack_u64(pack, stream->buffer_id);
	pack_u64(pack, stream->expected);
	pack_u64(pack, stream->gaps);
	pack_u64(pack, stream->time);
	pack_u64(pack, stream->started);
	pack_u64(pack, stream->lost);
	pack_u64(pack, stream->since);
	pack_u64(pack, stream->started_since);
	pack_u64(pack, stream->not_sampled);
	pack_u64(pack, stream->dropped_starts);
	pack_u64(pack, (stream->fresh ? FRESH : 0) | (stream->joining ? JOINING : 0) |
			       (stream->skipping ? SKIPPING : 0));
	pack_text(pack, stream->exception);
	pack_u64(pack, stream->exception_position);
	if (!stream->joining)
		return;
	pack_raw(pack, &stream->first.header, sizeof(stream->first.header));
	pack_u64(pack, stream->first.span_id);
	pack_blob(pack, &stream->pieces);
}

static void load_pieces(struct processes *processes, struct stream *stream, struct unpack *unpack)
{
	struct bytes header = unpack_raw(unpack, sizeof(stream->first.header));

	if (header.size)
		memcpy(&stream->first.header, header.data, header.size);
	stream->first.span_id = unpack_u64(unpack);
	unpack_blob(unpack, &stream->pieces);
	processes->pieces += stream->pieces.room;
	*stream->pieces_of_process += stream->pieces.room;
	stream->joining = true;
	/* Its beginning has been counted; the books have it as started here, and its fate is to
	 * come. */
	if (stream->first.header.kind == OTEL_RECORD_START)
		books_add(stream->process->books, BOOK_STARTED, 1);
}

static void load_stream(struct processes *processes, struct process *process, struct unpack *unpack)
{
	uint64_t id = unpack_u64(unpack), bits;
	struct stream *stream = unpack->failed ? NULL : process_stream(processes, process, id);

	if (!stream || stream->expected != UINT64_MAX) {
		unpack->failed = true;
		return;
	}
	stream->expected = unpack_u64(unpack);
	stream->gaps = unpack_u64(unpack);
	stream->time = unpack_u64(unpack);
	stream->started = unpack_u64(unpack);
	/* In the books of the agent before. */
	(void)unpack_u64(unpack);
	stream->since = unpack_u64(unpack);
	stream->started_since = unpack_u64(unpack);
	stream->not_sampled = unpack_u64(unpack);
	stream->dropped_starts = unpack_u64(unpack);
	bits = unpack_u64(unpack);
	stream->fresh = bits & FRESH;
	stream->skipping = bits & SKIPPING;
	stream->exception = unpack_text(unpack);
	stream->exception_position = unpack_u64(unpack);
	if (bits & JOINING)
		load_pieces(processes, stream, unpack);
}

/* ---- Processes ------------------------------------------------------------------------------ */

enum {
	WHOLE = 1,
	ENDED = 2,
	OUT_OF_MEMORY = 4,
	SAME_CLOCK = 8,
	SEEN = 16,
	REPORTED = 32,
	TOLD = 64, /* times enum oddity */
};

static void save_process(const struct process *process, struct pack *pack)
{
	const struct facts *facts = &process->facts;
	const struct list *link;

	pack_raw(pack, &process->id, sizeof(process->id));
	pack_u64(pack, (process->whole ? WHOLE : 0) | (process->ended ? ENDED : 0) |
			       (process->out_of_memory ? OUT_OF_MEMORY : 0) |
			       (facts->same_clock ? SAME_CLOCK : 0) | (facts->seen ? SEEN : 0) |
			       (process->reported ? REPORTED : 0) | (uint64_t)process->told * TOLD);
	pack_u64(pack, process->heard);
	pack_u64(pack, (uint64_t)process->exit_status);
	pack_u64(pack, process->ended_at);
	pack_u64(pack, process->gaps);
	pack_u64(pack, (uint64_t)process->shift.least);
	pack_u64(pack, process->shift.known);
	pack_u64(pack, process->shift.same);
	pack_text(pack, facts->executable);
	pack_text(pack, facts->command);
	pack_raw(pack, facts->container, sizeof(facts->container));
	pack_u64(pack, facts->parent_pid);
	pack_u64(pack, process->language);
	pack_blob(pack, &process->environment);
	attributes_save(&process->by_program, pack);
	pack_raw(pack, process->instance, sizeof(process->instance));
	pack_u64(pack, process->lost_unknown);
	pack_u64(pack, process->forgotten_buffer);
	pack_u64(pack, process->rejected);
	pack_u64(pack, process->n_streams);
	for (link = process->streams.next; link != &process->streams; link = link->next)
		save_stream(list_entry(link, struct stream, sibling), pack);
	pack_u64(pack, process->n_open);
	for (link = process->open.next; link != &process->open; link = link->next) {
		const struct open_span *span = list_entry(link, struct open_span, sibling);

		pack_u64(pack, span->id);
		open_save(span, pack);
	}
}

static void load_text(struct unpack *unpack, char *to, size_t room)
{
	struct bytes found = unpack_raw(unpack, room);

	if (!found.size)
		return;
	memcpy(to, found.data, room);
	to[room - 1] = '\0';
}

static void load_facts(struct process *process, struct unpack *unpack)
{
	process->facts.executable = unpack_text(unpack);
	process->facts.command = unpack_text(unpack);
	load_text(unpack, process->facts.container, sizeof(process->facts.container));
	process->facts.parent_pid = (uint32_t)unpack_u64(unpack);
	process->language = (uint16_t)unpack_u64(unpack);
	unpack_blob(unpack, &process->environment);
	attributes_load(&process->by_program, RESOURCE_TAG, unpack);
	load_text(unpack, process->instance, sizeof(process->instance));
}

static void load_spans(struct assembler *as, struct process *process, struct unpack *unpack,
		       uint64_t now, uint64_t *open)
{
	uint64_t n = unpack_u64(unpack);
	struct scope *scope = NULL;

	for (uint64_t i = 0; i < n && !unpack->failed; i++) {
		int found = assembler_load(as, process, unpack, &scope, now);

		if (found < 0)
			unpack->failed = true;
		else
			*open += (uint64_t)found;
	}
	scope_unref(scope);
}

static void load_process(struct processes *processes, struct assembler *as, struct unpack *unpack,
			 uint64_t now, uint64_t *open)
{
	struct process_id id = {0};
	struct bytes found = unpack_raw(unpack, sizeof(id));
	struct process *process;
	uint64_t bits, n;
	bool ended;

	if (found.size)
		memcpy(&id, found.data, sizeof(id));
	if (unpack->failed || processes->n >= PROCESSES_MAX || process_find(processes, &id)) {
		unpack->failed = true;
		return;
	}
	process = process_add(processes, &id);
	if (!process) {
		unpack->failed = true;
		return;
	}
	bits = unpack_u64(unpack);
	ended = bits & ENDED;
	process->whole = bits & WHOLE;
	process->out_of_memory = bits & OUT_OF_MEMORY;
	process->facts.same_clock = bits & SAME_CLOCK;
	process->facts.seen = bits & SEEN;
	process->reported = bits & REPORTED;
	process->told = (unsigned)(bits / TOLD);
	process->heard = unpack_u64(unpack);
	process->exit_status = (int)unpack_u64(unpack);
	process->ended_at = unpack_u64(unpack);
	/* In which stream the last one was is not kept: as if it had been in others. */
	process->gaps = process->gaps_elsewhere = unpack_u64(unpack);
	process->shift.least = (int64_t)unpack_u64(unpack);
	process->shift.known = (uint8_t)unpack_u64(unpack);
	process->shift.same = (uint8_t)unpack_u64(unpack);
	load_facts(process, unpack);
	process->lost_unknown = process->kept_unknown = unpack_u64(unpack);
	process->forgotten_buffer = unpack_u64(unpack);
	process->rejected = unpack_u64(unpack);
	n = unpack_u64(unpack);
	for (uint64_t i = 0; i < n && !unpack->failed; i++)
		load_stream(processes, process, unpack);
	load_spans(as, process, unpack, now, open);
	process_weigh(processes, process);
	if (ended)
		process_end(processes, process, process->ended_at);
}

/* ---- All of it ------------------------------------------------------------------------------ */

static uint64_t save_list(const struct list *list, struct pack *pack)
{
	uint64_t n = 0;

	for (const struct list *link = list->next; link != list; link = link->next, n++)
		save_process(list_entry(link, struct process, order), pack);
	return n;
}

int checkpoint_save(const struct processes *processes, struct blob *out)
{
	struct header header = {.magic = MAGIC, .version = VERSION};
	size_t begin = out->size;
	struct pack pack = {.blob = *out};

	pack_raw(&pack, &header, sizeof(header));
	pack_u64(&pack, processes->n);
	save_list(&processes->ended, &pack);
	save_list(&processes->living, &pack);
	*out = pack.blob;
	if (pack.failed)
		return -ENOMEM;
	header.size = out->size - begin - sizeof(header);
	header.checksum = hash_bytes(VERSION, out->data + begin + sizeof(header), header.size);
	memcpy(out->data + begin, &header, sizeof(header));
	return 0;
}

int checkpoint_load(struct processes *processes, struct assembler *as, struct bytes data,
		    uint64_t now, uint64_t *open)
{
	struct unpack unpack = {.rest = data};
	struct bytes found = unpack_raw(&unpack, sizeof(struct header));
	struct header header = {0};
	uint64_t n;

	*open = 0;
	if (found.size)
		memcpy(&header, found.data, sizeof(header));
	if (header.magic != MAGIC)
		return -EBADMSG;
	if (header.version != VERSION)
		return -EPROTONOSUPPORT;
	if (header.size > unpack.rest.size ||
	    header.checksum != hash_bytes(VERSION, unpack.rest.data, header.size))
		return -EBADMSG;
	unpack.rest.size = header.size;
	n = unpack_u64(&unpack);
	for (uint64_t i = 0; i < n && !unpack.failed; i++)
		load_process(processes, as, &unpack, now, open);
	return unpack.failed ? -EBADMSG : 0;
}
