#include "lines.h"

#include <stdbool.h>

#include "variables.h"

#define ZONE_BYTES (1024 * 1024) /* some 8,000 addresses */

#define NS_IN_MS     UINT64_C(1000000)
#define NS_IN_SECOND (1000 * NS_IN_MS)
#define BURST_NS     (10 * NS_IN_SECOND)
#define ALL_TIMES    5 /* what all together may, in those of an address */

extern ngx_module_t parley_tunnel_module;

/* What failed has as many lines again, which no flood of what went well can use up. */
enum kind { REQUEST, FAILURE, KINDS };

/* Of each kind the time at which its lines so far would be even with its rate. */
struct lines_so_far {
	uint64_t even_at_ns[KINDS];
};

struct address {
	ngx_str_node_t of; /* its text stands behind this struct */
	ngx_queue_t seen;
	struct lines_so_far lines;
	ngx_uint_t left_out; /* requests without a line, since the last one */
};

struct book {
	ngx_rbtree_t tree;
	ngx_rbtree_node_t sentinel;
	ngx_queue_t seen;          /* addresses, the last one first */
	struct lines_so_far lines; /* of all */
	ngx_uint_t left_out;
};

/* ---- the book --------------------------------------------------------------------- */

static ngx_slab_pool_t *
pool_of(const ngx_shm_zone_t *zone)
{
	return (ngx_slab_pool_t *)(void *)zone->shm.addr;
}

static ngx_int_t
init_zone(ngx_shm_zone_t *zone, void *old)
{
	ngx_slab_pool_t *pool = pool_of(zone);
	struct book *book;

	if (old != NULL || zone->shm.exists) {
		zone->data = old != NULL ? old : pool->data;
		return NGX_OK;
	}
	book = ngx_slab_calloc(pool, sizeof(*book));
	if (book == NULL)
		return NGX_ERROR;
	ngx_rbtree_init(&book->tree, &book->sentinel, ngx_str_rbtree_insert_value);
	ngx_queue_init(&book->seen);
	pool->log_nomem = 0; /* a full zone is no news */
	pool->data = zone->data = book;
	return NGX_OK;
}

static void
forget_oldest(ngx_slab_pool_t *pool, struct book *book)
{
	struct address *oldest =
	    ngx_queue_data(ngx_queue_last(&book->seen), struct address, seen);

	ngx_queue_remove(&oldest->seen);
	ngx_rbtree_delete(&book->tree, &oldest->of.node);
	ngx_slab_free_locked(pool, oldest);
}

/* A new one; NULL if there is no room, whoever is forgotten. The zone is locked. */
static struct address *
add(ngx_slab_pool_t *pool, struct book *book, const ngx_str_t *key, uint32_t hash)
{
	size_t bytes = sizeof(struct address) + key->len;
	struct address *address = ngx_slab_calloc_locked(pool, bytes);

	while (address == NULL && !ngx_queue_empty(&book->seen)) {
		forget_oldest(pool, book);
		address = ngx_slab_calloc_locked(pool, bytes);
	}
	if (address == NULL)
		return NULL;
	address->of.node.key = hash;
	address->of.str = (ngx_str_t){key->len, (u_char *)(address + 1)};
	ngx_memcpy(address->of.str.data, key->data, key->len);
	ngx_rbtree_insert(&book->tree, &address->of.node);
	ngx_queue_insert_head(&book->seen, &address->seen);
	return address;
}

/* The zone is locked. */
static struct address *
find(ngx_slab_pool_t *pool, struct book *book, ngx_str_t *key)
{
	uint32_t hash = ngx_crc32_short(key->data, key->len);
	struct address *address =
	    (struct address *)ngx_str_rbtree_lookup(&book->tree, key, hash);

	if (address == NULL)
		return add(pool, book, key, hash);
	ngx_queue_remove(&address->seen);
	ngx_queue_insert_head(&book->seen, &address->seen);
	return address;
}

static bool
is_within(struct lines_so_far *lines, enum kind kind, ngx_uint_t per_second)
{
	uint64_t now = ngx_current_msec * NS_IN_MS;
	uint64_t even_at = ngx_max(lines->even_at_ns[kind], now);

	if (even_at - now > BURST_NS)
		return false;
	lines->even_at_ns[kind] = even_at + NS_IN_SECOND / per_second;
	return true;
}

/* True if there is a line for it, that says of how many there was none. */
static bool
take(const struct lines *lines, ngx_str_t *key, enum kind kind, ngx_uint_t *left_out)
{
	ngx_slab_pool_t *pool = pool_of(lines->zone);
	struct book *book = lines->zone->data;
	struct address *address;
	bool has_room;

	ngx_shmtx_lock(&pool->mutex);
	address = find(pool, book, key);
	has_room = address != NULL &&
		   is_within(&address->lines, kind, lines->per_second) &&
		   is_within(&book->lines, kind, ALL_TIMES * lines->per_second);
	if (has_room) {
		*left_out = address->left_out;
		address->left_out = 0;
	}
	ngx_shmtx_unlock(&pool->mutex);
	return has_room;
}

static void
leave_out(const struct lines *lines, ngx_str_t *key)
{
	ngx_slab_pool_t *pool = pool_of(lines->zone);
	struct book *book = lines->zone->data;
	struct address *address;

	ngx_shmtx_lock(&pool->mutex);
	address = find(pool, book, key);
	if (address != NULL)
		address->left_out++;
	book->left_out++;
	ngx_shmtx_unlock(&pool->mutex);
}

/* ---- requests --------------------------------------------------------------------- */

static ngx_str_t
address_of(ngx_http_request_t *r, const struct lines *lines)
{
	const ngx_http_variable_value_t *value =
	    ngx_http_get_indexed_variable(r, (ngx_uint_t)lines->address);

	return value != NULL ? (ngx_str_t){value->len, value->data} : TEXT("");
}

/* Of what was chosen nothing is left to its map, so its value is there. */
static bool
is_chosen(ngx_http_request_t *r, const struct lines *lines)
{
	return r->variables[lines->is_logged].valid;
}

static bool
has_line(ngx_http_request_t *r, const struct lines *lines)
{
	const ngx_http_variable_value_t *value = &r->variables[lines->is_logged];

	return value->valid && value->len == 1 && value->data[0] == '1';
}

static ngx_str_t
in_digits(ngx_http_request_t *r, ngx_uint_t number)
{
	u_char *text = number > 0 ? ngx_pnalloc(r->pool, NGX_INT_T_LEN) : NULL;

	if (text == NULL)
		return TEXT("0");
	return (ngx_str_t){(size_t)(ngx_sprintf(text, "%ui", number) - text), text};
}

static void
choose(ngx_http_request_t *r, const struct lines *lines, enum kind kind)
{
	ngx_str_t address = address_of(r, lines);
	ngx_uint_t left_out = 0;
	bool has_room = lines->per_second == 0 || take(lines, &address, kind, &left_out);

	r->variables[lines->is_logged] = value_of(has_room ? TEXT("1") : TEXT("0"));
	r->variables[lines->left_out] = value_of(in_digits(r, left_out));
}

/* Or was passed on to another process. */
static bool
has_failed(ngx_http_request_t *r)
{
	return r->headers_out.status >= NGX_HTTP_INTERNAL_SERVER_ERROR ||
	       (r->upstream_states != NULL && r->upstream_states->nelts > 1);
}

void
lines_choose(ngx_http_request_t *r, const struct lines *lines)
{
	if (lines->zone != NULL && !is_chosen(r, lines))
		choose(r, lines, REQUEST);
}

void
lines_choose_again(ngx_http_request_t *r, const struct lines *lines)
{
	lines_choose(r, lines);
	if (lines->zone != NULL && !has_line(r, lines) && has_failed(r))
		choose(r, lines, FAILURE);
}

void
lines_note(ngx_http_request_t *r, const struct lines *lines)
{
	ngx_str_t address;

	if (lines->zone == NULL || has_line(r, lines))
		return;
	address = address_of(r, lines);
	leave_out(lines, &address);
}

ngx_uint_t
lines_left_out(const struct lines *lines)
{
	const struct book *book = lines->zone != NULL ? lines->zone->data : NULL;

	return book != NULL ? book->left_out : 0;
}

/* ---- configuration ---------------------------------------------------------------- */

static ngx_int_t
index_of(ngx_conf_t *cf, ngx_str_t name)
{
	return ngx_http_get_variable_index(cf, &name);
}

ngx_int_t
lines_init(ngx_conf_t *cf, struct lines *lines, ngx_uint_t per_second)
{
	static ngx_str_t name = ngx_string("log_lines");

	lines->per_second = per_second;
	lines->address = index_of(cf, TEXT("address_group"));
	lines->is_logged = index_of(cf, TEXT("is_logged"));
	lines->left_out = index_of(cf, TEXT("lines_left_out"));
	lines->zone = ngx_shared_memory_add(cf, &name, ZONE_BYTES, &parley_tunnel_module);
	if (lines->address == NGX_ERROR || lines->is_logged == NGX_ERROR ||
	    lines->left_out == NGX_ERROR || lines->zone == NULL)
		return NGX_ERROR;
	lines->zone->init = init_zone;
	return NGX_OK;
}
