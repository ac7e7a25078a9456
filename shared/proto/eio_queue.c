#include "proto/eio_queue.h"

#include "base/mem.h"

#define CAP_FIRST 4

static void
grow(struct pl_eio_queue *q)
{
	uint32_t cap = q->cap ? q->cap * 2 : CAP_FIRST;
	struct pl_eio_item *items = pl_mem_alloc(cap * sizeof(*items));

	for (uint32_t i = 0; i < q->count; i++)
		items[i] = q->items[(q->head + i) & (q->cap - 1)];
	pl_mem_free(q->items);
	q->items = items;
	q->cap = cap;
	q->head = 0;
}

void
pl_eio_queue_push(struct pl_eio_queue *q, struct pl_eio_item item)
{
	if (q->count == q->cap)
		grow(q);
	q->items[(q->head + q->count) & (q->cap - 1)] = item;
	q->count++;
	q->bytes += item.packet->len + PL_EIO_QUEUE_ITEM_COST;
}

bool
pl_eio_queue_pop(struct pl_eio_queue *q, struct pl_eio_item *item)
{
	if (q->count == 0)
		return false;
	*item = q->items[q->head];
	q->head = (q->head + 1) & (q->cap - 1);
	q->count--;
	q->bytes -= item->packet->len + PL_EIO_QUEUE_ITEM_COST;
	if (q->count == 0) {
		pl_mem_free(q->items);
		*q = (struct pl_eio_queue){0};
	}
	return true;
}

const struct pl_eio_item *
pl_eio_queue_at(const struct pl_eio_queue *q, uint32_t at)
{
	return at < q->count ? &q->items[(q->head + at) & (q->cap - 1)] : NULL;
}

void
pl_eio_queue_clear(struct pl_eio_queue *q)
{
	struct pl_eio_item item;

	while (pl_eio_queue_pop(q, &item))
		pl_ref_drop(item.packet);
}
