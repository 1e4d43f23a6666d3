/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces: what every followed process has mapped as code, and since when; for a while also
 * of those that have ended.
 */
#ifndef OTEL_BPF_STACKS_SPACES_H
#define OTEL_BPF_STACKS_SPACES_H

#include "../../bpf/event.h"
#include "files.h"

#define SPACES_BUCKETS 1024

struct place {
	uint64_t begin, end;
	uint64_t offset; /* in the file */
	uint64_t since;
	struct file *file; /* NULL: code that is in none */
};

/* What is mapped; those that forked share it until one of them maps something else. */
struct places {
	unsigned references;
	size_t n;
	size_t room;
	struct place list[];
};

struct space {
	struct space *next_hash;
	struct list order;
	uint32_t pid;
	uint64_t since; /* of this process; its pid may have been another's before */
	uint64_t ended; /* 0: it lives */
	uint64_t asked; /* when /proc was last asked */
	struct places *places;
};

struct spaces {
	struct files *files;
	struct space *buckets[SPACES_BUCKETS];
	size_t n_spaces;
	size_t n_places;
	struct list living; /* least recently mapped or forked first */
	struct list ended;
};

/** @files must outlive @spaces. */
void spaces_init(struct spaces *spaces, struct files *files);
void spaces_free(struct spaces *spaces);

/** See stacks_map(), stacks_event(), stacks_tick(). */
void spaces_map(struct spaces *spaces, const struct mapping *mapping);
void spaces_event(struct spaces *spaces, const struct event *event);
void spaces_tick(struct spaces *spaces, uint64_t now);

/** Of the process that had @pid at this time, or had it last; NULL: none. */
struct space *space_find(struct spaces *spaces, uint32_t pid, uint64_t at);

/** The same, after asking /proc, now and then, for what a process that lives has mapped. */
struct space *space_ask(struct spaces *spaces, const struct process_id *process, uint64_t at);

/**
 * What was mapped at @address last by @at; else, if clocks are a little apart, what was soon after.
 * NULL: nothing. @space may be NULL.
 */
const struct place *place_find(const struct space *space, uint64_t address, uint64_t at);

#endif
