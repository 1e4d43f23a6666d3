/* SPDX-License-Identifier: Apache-2.0 */
/* Doubly linked lists through a member of what is in them. */
#ifndef OTEL_BPF_LIST_H
#define OTEL_BPF_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *previous;
	struct list *next;
};

#define list_entry(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
	list->previous = list;
	list->next = list;
}

static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

/** At the end of @list. */
static inline void list_add(struct list *list, struct list *link)
{
	link->previous = list->previous;
	link->next = list;
	list->previous->next = link;
	list->previous = link;
}

/** Leaves @link as a list of its own: removing it again does no harm. */
static inline void list_remove(struct list *link)
{
	link->previous->next = link->next;
	link->next->previous = link->previous;
	list_init(link);
}

/** To the end of @list, from wherever it is. */
static inline void list_move(struct list *list, struct list *link)
{
	link->previous->next = link->next;
	link->next->previous = link->previous;
	list_add(list, link);
}

#endif
