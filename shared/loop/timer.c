#include "loop/timer.h"

#include "base/mem.h"

#define CAP_FIRST 16

void
pl_timer_heap_fini(struct pl_timer_heap *h)
{
	if (h == NULL)
		return;
	pl_mem_free(h->items);
	*h = (struct pl_timer_heap){0};
}

static void
place(struct pl_timer_heap *h, size_t index, struct pl_timer_slot slot)
{
	h->items[index] = slot;
	slot.timer->heap_index = index + 1;
}

static void
sift_up(struct pl_timer_heap *h, size_t index)
{
	struct pl_timer_slot slot = h->items[index];

	while (index > 0) {
		size_t parent = (index - 1) / 2;

		if (h->items[parent].due_mono_ms <= slot.due_mono_ms)
			break;
		place(h, index, h->items[parent]);
		index = parent;
	}
	place(h, index, slot);
}

static void
sift_down(struct pl_timer_heap *h, size_t index)
{
	struct pl_timer_slot slot = h->items[index];

	for (;;) {
		size_t child = index * 2 + 1;

		if (child >= h->count)
			break;
		if (child + 1 < h->count &&
		    h->items[child + 1].due_mono_ms < h->items[child].due_mono_ms)
			child++;
		if (slot.due_mono_ms <= h->items[child].due_mono_ms)
			break;
		place(h, index, h->items[child]);
		index = child;
	}
	place(h, index, slot);
}

/* Move the timer at index to its place, after its due time has changed. */
static void
sift(struct pl_timer_heap *h, size_t index)
{
	sift_up(h, index);
	sift_down(h, index);
}

void
pl_timer_heap_set(struct pl_timer_heap *h, struct pl_timer *t, int64_t due_mono_ms)
{
	t->due_mono_ms = due_mono_ms;
	if (t->heap_index == 0) {
		if (h->count == h->cap) {
			h->cap = h->cap ? h->cap * 2 : CAP_FIRST;
			h->items = pl_mem_realloc(h->items, h->cap * sizeof(*h->items));
		}
		t->heap_index = ++h->count;
	}
	h->items[t->heap_index - 1] = (struct pl_timer_slot){due_mono_ms, t};
	sift(h, t->heap_index - 1);
}

void
pl_timer_heap_remove(struct pl_timer_heap *h, struct pl_timer *t)
{
	size_t index;
	struct pl_timer_slot last;

	if (t->heap_index == 0)
		return;
	index = t->heap_index - 1;
	t->heap_index = 0;
	last = h->items[--h->count];
	if (last.timer == t)
		return;
	place(h, index, last);
	sift(h, index);
}
