/*
 * timer: the started timers of a loop, as a binary heap by due time: start and stop cost
 * O(log n) at any number of sockets, the first is always at hand. Only loop/ uses it.
 * Threads: the loop's.
 */
#ifndef PL_LOOP_TIMER_H
#define PL_LOOP_TIMER_H

#include "loop/loop.h"

/* A timer and its due time: comparing two reads neither timer, which is in some socket's
 * memory that nobody has touched for long. */
struct pl_timer_slot {
	int64_t due_mono_ms;
	struct pl_timer *timer;
};

/* Zeroed is empty. items[t->heap_index - 1].timer == t for each started timer t. */
struct pl_timer_heap {
	struct pl_timer_slot *items;
	size_t count;
	size_t cap;
};

void pl_timer_heap_fini(struct pl_timer_heap *h);
/* Add t, or move it if it is in already. */
void pl_timer_heap_set(struct pl_timer_heap *h, struct pl_timer *t, int64_t due_mono_ms);
void pl_timer_heap_remove(
    struct pl_timer_heap *h, struct pl_timer *t); /* twice is fine */
/* The one due first; NULL when empty. */
static inline struct pl_timer *
pl_timer_heap_first(const struct pl_timer_heap *h)
{
	return h->count > 0 ? h->items[0].timer : NULL;
}

#endif
