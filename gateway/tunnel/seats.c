#include "seats.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>

struct seats {
	ngx_rbtree_t tree;
	ngx_rbtree_node_t sentinel;
};

/* An address. */
struct place {
	ngx_str_node_t of; /* its text stands behind this struct */
	struct seat *first;
};

struct seat {
	struct seat *next;
	struct place *place;
	ngx_pid_t pid; /* the worker's */
	ngx_uint_t taken;
};

ngx_int_t
seats_zone_init(ngx_shm_zone_t *zone, void *old)
{
	ngx_slab_pool_t *pool = (ngx_slab_pool_t *)(void *)zone->shm.addr;
	struct seats *seats;

	if (old != NULL || zone->shm.exists) {
		zone->data = old != NULL ? old : pool->data;
		return NGX_OK;
	}
	seats = ngx_slab_alloc(pool, sizeof(*seats));
	if (seats == NULL)
		return NGX_ERROR;
	ngx_rbtree_init(&seats->tree, &seats->sentinel, ngx_str_rbtree_insert_value);
	/* A full zone refuses those that come; it has no line in the log for each. */
	pool->log_nomem = 0;
	pool->data = zone->data = seats;
	return NGX_OK;
}

/* ---- the zone is locked ------------------------------------------------------------ */

static struct place *
add_place(ngx_slab_pool_t *pool, struct seats *seats, ngx_str_t *key, uint32_t hash)
{
	struct place *place = ngx_slab_alloc_locked(pool, sizeof(*place) + key->len);

	if (place == NULL)
		return NULL;
	place->first = NULL;
	place->of.node.key = hash;
	place->of.str.len = key->len;
	place->of.str.data = (u_char *)(place + 1);
	ngx_memcpy(place->of.str.data, key->data, key->len);
	ngx_rbtree_insert(&seats->tree, &place->of.node);
	return place;
}

static void
free_if_empty(ngx_slab_pool_t *pool, struct seats *seats, struct place *place)
{
	if (place->first != NULL)
		return;
	ngx_rbtree_delete(&seats->tree, &place->of.node);
	ngx_slab_free_locked(pool, place);
}

static struct seat *
add_seat(ngx_slab_pool_t *pool, struct place *place)
{
	struct seat *seat = ngx_slab_alloc_locked(pool, sizeof(*seat));

	if (seat == NULL)
		return NULL;
	*seat = (struct seat){place->first, place, ngx_pid, 0};
	place->first = seat;
	return seat;
}

static void
free_seat(ngx_slab_pool_t *pool, struct seat *seat)
{
	struct seat **at = &seat->place->first;

	while (*at != seat)
		at = &(*at)->next;
	*at = seat->next;
	ngx_slab_free_locked(pool, seat);
}

static struct seat *
own_seat(const struct place *place)
{
	struct seat *seat = place->first;

	while (seat != NULL && seat->pid != ngx_pid)
		seat = seat->next;
	return seat;
}

/* Who is gone. Of many seats there are few workers, so the last one's answer is kept. */
struct roll {
	ngx_pid_t begun; /* just now: a seat of that number is another's; 0: none has */
	ngx_pid_t asked;
	bool is_dead;
};

static bool
is_dead(struct roll *roll, ngx_pid_t pid)
{
	if (pid == roll->begun)
		return true;
	if (pid != roll->asked) {
		roll->asked = pid;
		roll->is_dead = kill(pid, 0) == -1 && errno == ESRCH;
	}
	return roll->is_dead;
}

static void
free_those_of_the_dead(ngx_slab_pool_t *pool, struct place *place, struct roll *roll)
{
	struct seat *next, *seat = place->first;

	for (; seat != NULL; seat = next) {
		next = seat->next;
		if (is_dead(roll, seat->pid))
			free_seat(pool, seat);
	}
}

static ngx_uint_t
taken_at(const struct place *place)
{
	ngx_uint_t sum = 0;

	for (const struct seat *seat = place->first; seat != NULL; seat = seat->next)
		sum += seat->taken;
	return sum;
}

static struct seat *
take(ngx_slab_pool_t *pool, struct place *place, ngx_uint_t most)
{
	struct seat *seat;

	if (taken_at(place) >= most) {
		free_those_of_the_dead(pool, place, &(struct roll){0});
		if (taken_at(place) >= most)
			return NULL;
	}
	seat = own_seat(place);
	if (seat == NULL)
		seat = add_seat(pool, place);
	if (seat != NULL)
		seat->taken++;
	return seat;
}

/* ---- what workers do --------------------------------------------------------------- */

static ngx_slab_pool_t *
lock(ngx_shm_zone_t *zone)
{
	ngx_slab_pool_t *pool = (ngx_slab_pool_t *)(void *)zone->shm.addr;

	ngx_shmtx_lock(&pool->mutex);
	return pool;
}

void
seats_begin(ngx_shm_zone_t *zone)
{
	ngx_slab_pool_t *pool = lock(zone);
	struct roll roll = {.begun = ngx_pid};
	struct seats *seats = zone->data;
	ngx_rbtree_t *tree = &seats->tree;
	ngx_rbtree_node_t *next, *node = tree->root != tree->sentinel
					     ? ngx_rbtree_min(tree->root, tree->sentinel)
					     : NULL;

	for (; node != NULL; node = next) {
		struct place *place = (struct place *)(void *)node;

		next = ngx_rbtree_next(tree, node);
		free_those_of_the_dead(pool, place, &roll);
		free_if_empty(pool, seats, place);
	}
	ngx_shmtx_unlock(&pool->mutex);
}

struct seat *
seats_take(ngx_shm_zone_t *zone, ngx_str_t *key, ngx_uint_t most)
{
	ngx_slab_pool_t *pool = lock(zone);
	struct seats *seats = zone->data;
	uint32_t hash = ngx_crc32_short(key->data, key->len);
	struct place *place =
	    (struct place *)ngx_str_rbtree_lookup(&seats->tree, key, hash);
	struct seat *seat = NULL;

	if (place == NULL)
		place = add_place(pool, seats, key, hash);
	if (place != NULL) {
		seat = take(pool, place, most);
		free_if_empty(pool, seats, place);
	}
	ngx_shmtx_unlock(&pool->mutex);
	return seat;
}

void
seats_leave(ngx_shm_zone_t *zone, struct seat *seat)
{
	ngx_slab_pool_t *pool = lock(zone);
	struct place *place = seat->place;

	if (--seat->taken == 0) {
		free_seat(pool, seat);
		free_if_empty(pool, zone->data, place);
	}
	ngx_shmtx_unlock(&pool->mutex);
}
