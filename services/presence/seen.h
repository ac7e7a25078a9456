/*
 * seen: the last messages that a socket got, so that it gets none twice: what the bus brings,
 * what is replayed and what is read from the store while the bus is away may overlap.
 *
 * Grows with use up to SEEN_MAX, then the oldest is forgotten.  Threads: the loop's.
 */
#ifndef PRESENCE_SEEN_H
#define PRESENCE_SEEN_H

#include "base/oid.h"

#define SEEN_MAX 256 /* above what one socket gets while the store is read again */

/* Zeroed is empty. */
struct seen {
	struct pl_oid *ids; /* a ring, from next on the oldest */
	unsigned count;
	unsigned cap;
	unsigned next;
};

/* False where id is among them already. */
bool seen_add(struct seen *s, const struct pl_oid *id);
void seen_fini(struct seen *s);

#endif
