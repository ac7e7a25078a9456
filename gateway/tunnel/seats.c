#include "seats.h"

struct seats {
	ngx_rbtree_t tree;
	ngx_rbtree_node_t sentinel;
};

struct seat {
	ngx_str_node_t of; /* its text stands behind this struct */
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

/* A new one, of nobody yet; the zone is locked. */
static struct seat *
add_locked(ngx_slab_pool_t *pool, struct seats *seats, ngx_str_t *key, uint32_t hash)
{
	struct seat *seat = ngx_slab_alloc_locked(pool, sizeof(*seat) + key->len);

	if (seat == NULL)
		return NULL;
	seat->taken = 0;
	seat->of.node.key = hash;
	seat->of.str.len = key->len;
	seat->of.str.data = (u_char *)(seat + 1);
	ngx_memcpy(seat->of.str.data, key->data, key->len);
	ngx_rbtree_insert(&seats->tree, &seat->of.node);
	return seat;
}

struct seat *
seats_take(ngx_shm_zone_t *zone, ngx_str_t *key, ngx_uint_t most)
{
	ngx_slab_pool_t *pool = (ngx_slab_pool_t *)(void *)zone->shm.addr;
	struct seats *seats = zone->data;
	uint32_t hash = ngx_crc32_short(key->data, key->len);
	struct seat *seat;

	ngx_shmtx_lock(&pool->mutex);
	seat = (struct seat *)ngx_str_rbtree_lookup(&seats->tree, key, hash);
	if (seat == NULL)
		seat = add_locked(pool, seats, key, hash);
	if (seat != NULL && seat->taken >= most)
		seat = NULL;
	if (seat != NULL)
		seat->taken++;
	ngx_shmtx_unlock(&pool->mutex);
	return seat;
}

void
seats_leave(ngx_shm_zone_t *zone, struct seat *seat)
{
	ngx_slab_pool_t *pool = (ngx_slab_pool_t *)(void *)zone->shm.addr;
	struct seats *seats = zone->data;

	ngx_shmtx_lock(&pool->mutex);
	if (--seat->taken == 0) {
		ngx_rbtree_delete(&seats->tree, &seat->of.node);
		ngx_slab_free_locked(pool, seat);
	}
	ngx_shmtx_unlock(&pool->mutex);
}
