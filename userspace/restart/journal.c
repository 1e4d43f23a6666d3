/* SPDX-License-Identifier: Apache-2.0 */
#include "journal.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_NAME "journal"
#define LOOKS_NAME "looks"
#define PAGE 4096u
#define LOOKS_MAX 16384u

struct looked {
	uint64_t end;
	uint64_t started;
};

struct look_key {
	struct process_id process;
	uint64_t buffer_id;
};

/* Zero: nobody has ever written it. */
struct page {
	_Atomic uint32_t written; /* 1 + which of the entries is the last */
	uint32_t in_order;
	struct {
		struct journal_entry entry;
		struct journal_look look; /* .buffer_id 0: none */
	} entries[2];
	struct exporter_trace traces[JOURNAL_EXPORTERS];
	char names[JOURNAL_EXPORTERS][32];
};
_Static_assert(sizeof(struct page) <= PAGE, "one page");

struct journal {
	struct page *page;
	int looks; /* a map */
};

static int open_map(const struct pin *pin, const char *name, enum bpf_map_type type, uint32_t key,
		    uint32_t value, uint32_t entries, uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);
	int fd = pin_get(pin, name), err;

	if (fd != -ENOENT)
		return fd;
	fd = bpf_map_create(type, name, key, value, entries, &options);
	if (fd < 0)
		return -errno;
	err = pin_put(pin, name, fd);
	if (!err)
		return fd;
	close(fd);
	return err;
}

static uint64_t drop_below(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static void read_past(const struct page *page, uint64_t consumed, struct journal_past *past)
{
	uint32_t written = atomic_load(&page->written);
	const struct journal_entry *entry;

	*past = (struct journal_past){.known = written == 1 || written == 2};
	if (!past->known)
		return;
	entry = &page->entries[written - 1].entry;
	past->time = entry->time;
	/* It was killed before it gave the event back: it comes again, and this is of before. */
	if (entry->event != UINT64_MAX && entry->event >= consumed)
		entry = &page->entries[2 - written].entry;
	past->in_order = page->in_order;
	past->open = entry->open;
	past->lost = entry->lost;
	for (size_t i = 0; i < JOURNAL_EXPORTERS && *page->names[i]; i++) {
		uint64_t state = atomic_load(&page->traces[i].state);
		uint64_t under_way = state & EXPORTER_TRACE_UNDER_WAY,
			 waiting =
				 drop_below(entry->handed, state / (EXPORTER_TRACE_UNDER_WAY + 1));

		memcpy(past->exporters[i].name, page->names[i], sizeof(page->names[i]) - 1);
		past->exporters[i].under_way = under_way < waiting ? under_way : waiting;
		past->exporters[i].waiting = waiting - past->exporters[i].under_way;
		past->exporters[i].dropped = atomic_load(&page->traces[i].dropped);
		past->n++;
	}
}

int journal_open(const struct pin *pin, uint64_t consumed, struct journal **out,
		 struct journal_past *past)
{
	struct journal *journal = calloc(1, sizeof(*journal));
	void *page = MAP_FAILED;
	int fd, err = 0;

	if (!journal)
		return -ENOMEM;
	fd = open_map(pin, PAGE_NAME, BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), PAGE, 1,
		      BPF_F_MMAPABLE);
	if (fd >= 0)
		page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || page == MAP_FAILED)
		err = fd < 0 ? fd : -errno;
	if (fd >= 0)
		close(fd);
	journal->looks =
		err ? -1
		    : open_map(pin, LOOKS_NAME, BPF_MAP_TYPE_LRU_HASH, sizeof(struct look_key),
			       sizeof(struct looked), LOOKS_MAX, 0);
	if (!err && journal->looks < 0)
		err = journal->looks;
	journal->page = page != MAP_FAILED ? page : NULL;
	if (err) {
		journal_close(journal);
		return err;
	}
	read_past(journal->page, consumed, past);
	*out = journal;
	return 0;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	if (journal->page)
		munmap(journal->page, PAGE);
	if (journal->looks >= 0)
		close(journal->looks);
	free(journal);
}

static void note_look(const struct journal *journal, const struct journal_look *look)
{
	const struct look_key key = {look->process, look->buffer_id};
	const struct looked value = {look->end, look->started};

	bpf_map_update_elem(journal->looks, &key, &value, BPF_ANY);
}

void journal_looks(const struct journal *journal,
		   void (*known)(void *self, const struct journal_look *look), void *self)
{
	uint32_t written = atomic_load(&journal->page->written);
	struct look_key key, *previous = NULL;
	struct looked value;

	/* It may have been killed before it has noted the last one there. */
	if ((written == 1 || written == 2) && journal->page->entries[written - 1].look.buffer_id)
		note_look(journal, &journal->page->entries[written - 1].look);
	while (!bpf_map_get_next_key(journal->looks, previous, &key)) {
		if (!bpf_map_lookup_elem(journal->looks, &key, &value)) {
			const struct journal_look look = {key.process, key.buffer_id, value.end,
							  value.started};

			known(self, &look);
		}
		previous = &key;
	}
}

void journal_begin(struct journal *journal, uint64_t open)
{
	const struct journal_entry entry = {.event = UINT64_MAX, .open = open};
	struct page *page = journal->page;

	for (size_t i = 0; i < JOURNAL_EXPORTERS; i++) {
		atomic_store(&page->traces[i].state, 0);
		atomic_store(&page->traces[i].dropped, 0);
		page->names[i][0] = '\0';
	}
	journal_write(journal, &entry, NULL);
	page->in_order = false;
}

struct exporter_trace *journal_exporters(struct journal *journal)
{
	return journal->page->traces;
}

void journal_name(struct journal *journal, size_t slot, const char *name)
{
	if (slot < JOURNAL_EXPORTERS)
		strncpy(journal->page->names[slot], name, sizeof(journal->page->names[slot]) - 1);
}

void journal_write(struct journal *journal, const struct journal_entry *entry,
		   const struct journal_look *look)
{
	struct page *page = journal->page;
	uint32_t next = atomic_load_explicit(&page->written, memory_order_relaxed) == 1;

	page->entries[next].entry = *entry;
	if (look)
		page->entries[next].look = *look;
	else
		page->entries[next].look.buffer_id = 0;
	atomic_store_explicit(&page->written, next + 1, memory_order_release);
	if (look)
		note_look(journal, look);
}

void journal_end(struct journal *journal)
{
	journal->page->in_order = true;
}
