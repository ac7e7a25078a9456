#include <assert.h>
#include <pthread.h>
#include <sodium.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/random.h"

#define CAP_LEAST 16

/*
 * Linear probing. A removed value leaves the mark `removed`, so that a search for values
 * stored past it goes on; the next rebuild drops these marks. At least a quarter of the
 * slots is empty, so every search ends.
 */
struct pl_map_slot {
	struct pl_str key;
	uint64_t hash;
	void *value; /* NULL: empty; &removed: was used */
};

static char removed;
static unsigned char hash_key[crypto_shorthash_KEYBYTES];

static void
draw_hash_key(void)
{
	pl_random_bytes(hash_key, sizeof(hash_key));
}

static uint64_t
hash_of(struct pl_str key)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint64_t hash;

	pthread_once(&once, draw_hash_key);
	crypto_shorthash(
	    (unsigned char *)&hash, (const unsigned char *)key.ptr, key.len, hash_key);
	return hash;
}

static bool
is_held(const struct pl_map_slot *slot)
{
	return slot->value != NULL && slot->value != &removed;
}

/* The slot that holds key, or NULL. */
static struct pl_map_slot *
find(const struct pl_map *m, struct pl_str key, uint64_t hash)
{
	if (m->cap == 0)
		return NULL;
	for (size_t i = hash;; i++) {
		struct pl_map_slot *slot = &m->slots[i & (m->cap - 1)];

		if (slot->value == NULL)
			return NULL;
		if (slot->value != &removed && slot->hash == hash &&
		    pl_str_eq(slot->key, key))
			return slot;
	}
}

static void
insert_new(struct pl_map *m, struct pl_map_slot entry)
{
	size_t i = entry.hash & (m->cap - 1);

	while (m->slots[i].value != NULL)
		i = (i + 1) & (m->cap - 1);
	m->slots[i] = entry;
	m->count++;
	m->used++;
}

/* Move to a table so large that one more value fills at most half of its slots. */
static void
rebuild(struct pl_map *m)
{
	struct pl_map old = *m;
	size_t cap = CAP_LEAST;

	while (cap < (old.count + 1) * 2)
		cap *= 2;
	*m = (struct pl_map){.slots = pl_mem_zalloc(cap * sizeof(*m->slots)), .cap = cap};
	for (size_t i = 0; i < old.cap; i++)
		if (is_held(&old.slots[i]))
			insert_new(m, old.slots[i]);
	pl_mem_free(old.slots);
}

void
pl_map_init(struct pl_map *m)
{
	*m = (struct pl_map){0};
}

void
pl_map_fini(struct pl_map *m)
{
	pl_mem_free(m->slots);
	pl_map_init(m);
}

void *
pl_map_get(const struct pl_map *m, struct pl_str key)
{
	struct pl_map_slot *slot = find(m, key, hash_of(key));

	return slot != NULL ? slot->value : NULL;
}

void *
pl_map_put(struct pl_map *m, struct pl_str key, void *value)
{
	uint64_t hash = hash_of(key);
	struct pl_map_slot *slot = find(m, key, hash);
	void *before;

	assert(value != NULL);
	if (slot != NULL) {
		before = slot->value;
		slot->key = key; /* the old one may go with the old value */
		slot->value = value;
		return before;
	}
	if ((m->used + 1) * 4 > m->cap * 3)
		rebuild(m);
	insert_new(m, (struct pl_map_slot){key, hash, value});
	return NULL;
}

void *
pl_map_del(struct pl_map *m, struct pl_str key)
{
	struct pl_map_slot *slot = find(m, key, hash_of(key));
	void *value;

	if (slot == NULL)
		return NULL;
	value = slot->value;
	*slot = (struct pl_map_slot){.value = &removed};
	m->count--;
	return value;
}

void *
pl_map_next(const struct pl_map *m, size_t *it)
{
	while (*it < m->cap) {
		const struct pl_map_slot *slot = &m->slots[(*it)++];

		if (is_held(slot))
			return slot->value;
	}
	return NULL;
}
