/*
 * seen: the messages that a socket got: so that it gets none twice, whether the bus, a
 * replay or the tail of the store brings it; and the recovery offset, by which its client
 * tells another process, or this one after a kill, which they were.
 *
 *      floor ──┐           ┌── ids: the last ones, in the order in which they were sent
 *   ───────────┼──x──x─────x──x──x───────►  (createdAt, _id)
 *
 * What stands up to the floor the socket got, or was not meant to; of what stands after
 * it, it got what is in the ring. A position alone would not do as an offset: messages
 * are not told in their order when two processes write at once, and one that is told late
 * stands ahead of others that the client has already.
 *
 * Changes of messages stand among them, each at a place of its own
 * (pl_message_change_pos()).
 *
 * Offset: "<floor>" or "<floor>.<id><id>...": a position as of model/message.h, and the
 * ends of at most SEEN_OFFSET_MAX ids as base64url. To clients it is a word.
 * Threads: the loop's.
 */
#ifndef PRESENCE_DELIVERY_SEEN_H
#define PRESENCE_DELIVERY_SEEN_H

#include "base/buf.h"
#include "model/message.h"

#define SEEN_KEEP_MS    60000 /* how far behind the newest the oldest may stand */
#define SEEN_MAX        4096  /* 96 KiB; grows with use only */
#define SEEN_OFFSET_MAX 128   /* 1 KiB at most */
#define SEEN_ID_BYTES   6     /* the end of an id: two in a minute are never the same */

/* Zeroed is empty, at a floor before all. */
struct seen {
	struct pl_message_pos *ring;
	unsigned first; /* the oldest */
	unsigned count;
	unsigned cap; /* a power of two, or 0 */
	struct pl_message_pos floor;
	/* By these, what comes in order is not looked for among all that came. The later one of
	 * both floors is the offset's. */
	struct pl_message_pos offset_floor;
	int64_t newest_unix_ms; /* nothing in the ring is newer */
};

/* The floor of a socket that begins now: a little earlier, for the clock of whoever dates
 * messages may not be ours. */
void seen_floor_now(struct pl_message_pos *floor);
/* Forget all, and begin at floor. */
void seen_start(struct seen *s, const struct pl_message_pos *floor);
void seen_fini(struct seen *s);
/* False if the message is in the ring. */
bool seen_add(struct seen *s, const struct pl_message_pos *pos);
/* Is this message in the ring? */
bool seen_has(const struct seen *s, const struct pl_oid *message);
/* Is a change of message in the ring that came after that time? */
bool seen_has_change(
    const struct seen *s, const struct pl_oid *message, int64_t after_unix_ms);
static inline bool
seen_is_past_floor(const struct seen *s, const struct pl_message_pos *pos)
{
	return pl_message_pos_compare(pos, &s->floor) > 0;
}
void seen_write_offset(const struct seen *s, struct pl_buf *out);
size_t seen_offset_room(const struct seen *s); /* bytes that it writes at most */

/* ---- what comes back from a client ---- */
struct seen_offset {
	struct pl_message_pos floor;
	unsigned count;
	uint8_t ids[SEEN_OFFSET_MAX][SEEN_ID_BYTES];
};

/* Strict; takes any bytes. *out is untouched if it gives false. */
bool seen_offset_parse(struct pl_str text, struct seen_offset *out) PL_MUST_CHECK;
bool seen_offset_has(const struct seen_offset *offset, const struct pl_oid *id);

#endif
