#include "heads.h"

#include <stdbool.h>
#include <sys/random.h>

#define ID_BYTES   16
#define POOL_BYTES 4096 /* 256 ids */

#define ID_DIGITS     (2 * ID_BYTES)
#define PARENT_DIGITS 16
#define TRACE_BYTES   (3 + ID_DIGITS + 1 + PARENT_DIGITS + 3) /* 00-ID-PARENT-00 */

static ngx_int_t id_variable, trace_variable;

ngx_int_t
heads_init(ngx_conf_t *cf)
{
	static ngx_str_t id = ngx_string("request_id_in_force");
	static ngx_str_t trace = ngx_string("traceparent_sent");

	id_variable = ngx_http_get_variable_index(cf, &id);
	trace_variable = ngx_http_get_variable_index(cf, &trace);
	return id_variable == NGX_ERROR || trace_variable == NGX_ERROR ? NGX_ERROR
								       : NGX_OK;
}

/* ---- heads ------------------------------------------------------------------------ */

#define NAMED(text)                                                                      \
	{                                                                                \
		sizeof(text) - 1, (u_char *)(text)                                       \
	}

/* What no plain head has twice: ONCE of members.lua and two lists, and then what it has
 * not at all. */
static const ngx_str_t names[] = {
    NAMED("content-type"),
    NAMED("idempotency-key"),
    NAMED("origin"),
    NAMED("sec-fetch-site"),
    NAMED("sec-websocket-key"),
    NAMED("sec-websocket-protocol"),
    NAMED("sec-websocket-version"),
    NAMED("upgrade"),
    NAMED("x-socket-id"),
    NAMED("transfer-encoding"),
    NAMED("traceparent"),
    NAMED("x-request-id"),
};

enum {
	EMPTY_KEY = 1,
	COUNTS_ONCE = 9,
	NAMES = sizeof(names) / sizeof(names[0]),
};

/* Which of names it is; NAMES for others. */
static int
find(const ngx_table_elt_t *header)
{
	int i = 0;

	while (i < NAMES &&
	       (names[i].len != header->key.len ||
		   ngx_memcmp(names[i].data, header->lowcase_key, header->key.len) != 0))
		i++;
	return i;
}

/* seen: bits of the names so far. */
static bool
may_follow(const ngx_table_elt_t *header, unsigned *seen)
{
	int name = find(header);
	unsigned bit = 1U << name;

	if (name == NAMES)
		return true;
	if (name >= COUNTS_ONCE || (*seen & bit) != 0)
		return false;
	*seen |= bit;
	return name != EMPTY_KEY || header->value.len > 0;
}

static bool
is_plain(ngx_http_request_t *r)
{
	ngx_list_part_t *part = &r->headers_in.headers.part;
	unsigned seen = 0;

	for (; part != NULL; part = part->next) {
		ngx_table_elt_t *headers = part->elts;

		for (ngx_uint_t i = 0; i < part->nelts; i++)
			if (!may_follow(&headers[i], &seen))
				return false;
	}
	return r->stream == NULL && !r->headers_in.chunked;
}

ngx_int_t
parley_plain_body(ngx_http_request_t *r)
{
	if (!is_plain(r))
		return -1;
	return r->headers_in.content_length_n > 0 ? r->headers_in.content_length_n : 0;
}

ngx_int_t
parley_is_body_here(ngx_http_request_t *r)
{
	off_t bytes = r->headers_in.content_length_n;

	return bytes > 0 && !r->headers_in.chunked && r->stream == NULL &&
	       r->header_in->last - r->header_in->pos >= bytes;
}

/* ---- ids -------------------------------------------------------------------------- */

/* Bytes that nobody else gets; NULL if the kernel has none. */
static u_char *
draw(void)
{
	static u_char pool[POOL_BYTES]; /* of this worker: the master draws none */
	static size_t left;

	if (left == 0) {
		if (getrandom(pool, sizeof(pool), 0) != (ssize_t)sizeof(pool))
			return NULL;
		left = sizeof(pool);
	}
	left -= ID_BYTES;
	return pool + left;
}

ngx_int_t
parley_draw_id(ngx_http_request_t *r)
{
	u_char *bytes = draw();
	u_char *trace = ngx_pnalloc(r->pool, TRACE_BYTES), *id = trace + 3;

	if (bytes == NULL || trace == NULL)
		return 0;
	ngx_memcpy(trace, "00-", 3);
	(void)ngx_hex_dump(id, bytes, ID_BYTES);
	id[ID_DIGITS] = '-';
	ngx_memcpy(id + ID_DIGITS + 1, id, PARENT_DIGITS);
	ngx_memcpy(id + ID_DIGITS + 1 + PARENT_DIGITS, "-00", 3);
	r->variables[id_variable] =
	    (ngx_http_variable_value_t){.len = ID_DIGITS, .valid = 1, .data = id};
	r->variables[trace_variable] =
	    (ngx_http_variable_value_t){.len = TRACE_BYTES, .valid = 1, .data = trace};
	return 1;
}
