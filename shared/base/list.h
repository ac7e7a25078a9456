/*
 * list: a doubly linked list whose links live in its members.
 *
 *   struct room { struct pl_list members; };
 *   struct guest { struct pl_list link; };
 *   pl_list_for_each(it, &room->members) {
 *           struct guest *g = PL_CONTAINER(it, struct guest, link); ... }
 *
 * A head and an unlinked member both point at themselves.  Threads: one at a time.
 */
#ifndef PL_BASE_LIST_H
#define PL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct pl_list {
	struct pl_list *prev;
	struct pl_list *next;
};

#define PL_CONTAINER(ptr, type, member)                                                  \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define pl_list_for_each(it, head)                                                       \
	for (struct pl_list *it = (head)->next; it != (head); it = it->next)

/* The body may unlink or free `it`, but not the member after it. */
#define pl_list_for_each_safe(it, head)                                                  \
	for (struct pl_list *it = (head)->next, *it##_next = it->next; it != (head);     \
	     it = it##_next, it##_next = it->next)

static inline void
pl_list_init(struct pl_list *head)
{
	head->prev = head->next = head;
}

static inline bool
pl_list_is_empty(const struct pl_list *head)
{
	return head->next == head;
}

static inline void
pl_list_insert_before(struct pl_list *at, struct pl_list *link)
{
	link->prev = at->prev;
	link->next = at;
	at->prev->next = link;
	at->prev = link;
}

static inline void
pl_list_push(struct pl_list *head, struct pl_list *link) /* at the end */
{
	pl_list_insert_before(head, link);
}

static inline void
pl_list_unlink(struct pl_list *link) /* twice is harmless */
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->prev = link->next = link;
}

static inline struct pl_list *
pl_list_pop(struct pl_list *head) /* from the front; NULL when empty */
{
	struct pl_list *first = head->next;

	if (first == head)
		return NULL;
	pl_list_unlink(first);
	return first;
}

/* Move all members of from to the end of to; from is empty then. */
static inline void
pl_list_splice(struct pl_list *to, struct pl_list *from)
{
	if (pl_list_is_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	pl_list_init(from);
}

#endif
