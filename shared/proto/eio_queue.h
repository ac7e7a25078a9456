/*
 * eio_queue: the packets a session, or the frames a socket, still has to send, in order,
 * as counted references.
 *
 * Each packet counts its bytes and PL_EIO_QUEUE_ITEM_COST more, so that a flood of tiny
 * packets meets the owner's ceiling too. Empty, it holds nothing on the heap.
 * Threads: one at a time.
 */
#ifndef PL_PROTO_EIO_QUEUE_H
#define PL_PROTO_EIO_QUEUE_H

#include "base/ref.h"

#define PL_EIO_QUEUE_ITEM_COST                                                           \
	32 /* bytes: our item, the reference, its malloc header                          \
	    */

struct pl_eio_item {
	struct pl_ref *packet;
	int64_t queued_mono_ms;
	bool is_binary;
};

struct pl_eio_queue {
	struct pl_eio_item *items; /* a ring of cap, a power of two; NULL while empty */
	uint32_t head;
	uint32_t count;
	uint32_t cap;
	size_t bytes;
};

/* Zeroed is empty. Takes item.packet. */
void pl_eio_queue_push(struct pl_eio_queue *q, struct pl_eio_item item);
/* Hand out the oldest, whose packet the caller then owns; false when empty. */
bool pl_eio_queue_pop(struct pl_eio_queue *q, struct pl_eio_item *item);
/* The one that is at from the oldest, 0, on, borrowed until the next change; NULL beyond the newest. */
const struct pl_eio_item *pl_eio_queue_at(const struct pl_eio_queue *q, uint32_t at);
/* Drop everything. */
void pl_eio_queue_clear(struct pl_eio_queue *q);

#endif
