/*
 * map: bytes -> pointer, a hash table with open addressing.
 *
 * Keys are borrowed: they usually live in the value, and must stay put and unchanged
 * while they are in the map. The hash is SipHash under a key drawn once a process, so
 * that a peer who chooses keys cannot make them collide.  Threads: one at a time.
 */
#ifndef PL_BASE_MAP_H
#define PL_BASE_MAP_H

#include "base/str.h"

struct pl_map_slot;

struct pl_map {
	struct pl_map_slot *slots; /* NULL while empty */
	size_t cap;                /* a power of two, or 0 */
	size_t count;
	size_t used; /* slots in use, removed values included */
};

void pl_map_init(struct pl_map *m);
void pl_map_fini(struct pl_map *m); /* frees the table, never a value */
void *pl_map_get(const struct pl_map *m, struct pl_str key); /* NULL when absent */
/* Set key to value (not NULL); the value it had before, or NULL. */
void *pl_map_put(struct pl_map *m, struct pl_str key, void *value);
void *pl_map_del(struct pl_map *m, struct pl_str key); /* the value it had, or NULL */
/* Walk all values in no order: *it starts at 0; NULL at the end. A walk survives the
 * removal of the value it just gave, and no other change. */
void *pl_map_next(const struct pl_map *m, size_t *it);

#endif
