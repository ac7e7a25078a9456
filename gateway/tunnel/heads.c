#include "heads.h"

#include <stdbool.h>
#include <sys/random.h>

#include "variables.h"

#define ID_BYTES   16
#define POOL_BYTES 4096 /* 256 ids */

#define ID_DIGITS     (2 * ID_BYTES)
#define PARENT_DIGITS 16
#define TRACE_BYTES   (3 + ID_DIGITS + 1 + PARENT_DIGITS + 3) /* 00-ID-PARENT-00 */

extern ngx_module_t parley_tunnel_module;

/* ---- variables -------------------------------------------------------------------- */

enum variable {
	AGENT_LOGGED,
	AGENT_SENT,
	CODINGS_SENT,
	CONNECTION_SENT,
	COOKIE_SENT,
	LENGTH_SENT,
	PATH_LOGGED,
	REQUEST_ID,
	TRACEPARENT,
	TRACE_ID,
	UPGRADE_SENT,
};

static const ngx_str_t variables[HEADS_VARIABLES] = {
    [AGENT_LOGGED] = ngx_string("user_agent_logged"),
    [AGENT_SENT] = ngx_string("user_agent_sent"),
    [CODINGS_SENT] = ngx_string("codings_sent"),
    [CONNECTION_SENT] = ngx_string("connection_sent"),
    [COOKIE_SENT] = ngx_string("cookie_sent"),
    [LENGTH_SENT] = ngx_string("content_length_sent"),
    [PATH_LOGGED] = ngx_string("path_logged"),
    [REQUEST_ID] = ngx_string("request_id_in_force"),
    [TRACEPARENT] = ngx_string("traceparent_sent"),
    [TRACE_ID] = ngx_string("trace_id"),
    [UPGRADE_SENT] = ngx_string("upgrade_sent"),
};

static const struct heads *
heads_of(ngx_http_request_t *r)
{
	return ngx_http_get_module_main_conf(r, parley_tunnel_module);
}

/* As if its map had been asked, or a "set". */
static void
set(ngx_http_request_t *r, enum variable variable, ngx_str_t text)
{
	r->variables[heads_of(r)->variables[variable]] = value_of(text);
}

/* ---- usual ------------------------------------------------------------------------ */

/* Of what checks.conf takes: 1,997 bytes of a target, 4,000 of cookies, 300 of an agent, a
 * length that needs no look at the route, and 5,001 bytes of what goes on. */
#define TARGET_BYTES_MAX 500
#define HEAD_BYTES_MAX   2000
#define AGENT_BYTES_MAX  300
#define LENGTH_DIGITS    3
#define WITH_BODY        (NGX_HTTP_POST | NGX_HTTP_PUT | NGX_HTTP_PATCH)
/* Of a line of the access log, as request.conf cuts them. */
#define PATH_LOGGED_MAX  200
#define AGENT_LOGGED_MAX 100
#define WITHOUT_BODY     (NGX_HTTP_GET | NGX_HTTP_HEAD | NGX_HTTP_DELETE)

static bool
is_text(const ngx_str_t *value, ngx_str_t text)
{
	return value->len == text.len &&
	       ngx_strncasecmp(value->data, text.data, text.len) == 0;
}

static bool
is_named(const ngx_table_elt_t *header, ngx_str_t name)
{
	return header->key.len == name.len &&
	       ngx_memcmp(header->lowcase_key, name.data, name.len) == 0;
}

#define OF_EACH(byte) (0x0101010101010101 * (uint64_t)(byte))

/* The highest bit of some byte, if one of the eight is no ' ' to '~': those above have it
 * or get it by one more, and those below borrow it. */
static uint64_t
invisible(uint64_t eight)
{
	return (eight | (eight + OF_EACH(1)) | (~eight & (eight - OF_EACH(' ')))) &
	       OF_EACH(0x80);
}

static bool
is_visible(const ngx_str_t *value)
{
	const u_char *at = value->data, *end = at + value->len;
	uint64_t eight, found = 0;

	for (; end - at >= (ptrdiff_t)sizeof(eight); at += sizeof(eight)) {
		ngx_memcpy(&eight, at, sizeof(eight));
		found |= invisible(eight);
	}
	eight = OF_EACH(' ');
	ngx_memcpy(&eight, at, (size_t)(end - at));
	return (found | invisible(eight)) == 0;
}

/* One of a path. What is encoded is for checks.conf to judge. */
static bool
is_plain_byte(u_char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
	       (byte >= 'A' && byte <= 'Z') || byte == '/' || byte == '-' ||
	       byte == '_' || byte == '.';
}

static bool
is_usual_target(const ngx_str_t *target)
{
	const u_char *at = target->data, *end = at + target->len;

	if (target->len == 0 || target->len > TARGET_BYTES_MAX || *at != '/')
		return false;
	for (; at < end && *at != '?'; at++)
		if (!is_plain_byte(*at) ||
		    (*at == '/' && at + 1 < end && (at[1] == '/' || at[1] == '.')))
			return false;
	for (; at < end; at++)
		if (*at <= ' ' || *at > '~')
			return false;
	return true;
}

/* "METHOD target HTTP/1.1", with one space each: also nothing before the target. */
static bool
is_usual_line(ngx_http_request_t *r)
{
	return r->stream == NULL && r->http_version == NGX_HTTP_VERSION_11 &&
	       r->request_line.len ==
		   r->method_name.len + r->unparsed_uri.len + sizeof("  HTTP/1.1") - 1 &&
	       is_usual_target(&r->unparsed_uri);
}

static bool
is_usual_body(ngx_http_request_t *r)
{
	const ngx_table_elt_t *length = r->headers_in.content_length;

	if (r->headers_in.transfer_encoding != NULL)
		return false;
	if ((r->method & WITH_BODY) != 0)
		return length == NULL || length->value.len <= LENGTH_DIGITS;
	return (r->method & WITHOUT_BODY) != 0 && length == NULL;
}

static bool
is_usual_header(const ngx_table_elt_t *header)
{
	const ngx_str_t *value = &header->value;

	if (!is_visible(value) || is_named(header, TEXT("content-encoding")))
		return false;
	if (is_named(header, TEXT("user-agent")))
		return value->len <= AGENT_BYTES_MAX;
	return !is_named(header, TEXT("accept-encoding")) ||
	       is_text(value, TEXT("gzip, deflate")) ||
	       is_text(value, TEXT("gzip, deflate, br")) ||
	       is_text(value, TEXT("gzip, deflate, br, zstd"));
}

/* *cookie: the line of cookies, or NULL. Several, of which nginx makes one, are not usual. */
static bool
are_usual_headers(ngx_http_request_t *r, const ngx_table_elt_t **cookie)
{
	ngx_list_part_t *part = &r->headers_in.headers.part;
	size_t bytes = 0;

	if (r->headers_in.host == NULL || r->headers_in.host->value.len == 0)
		return false;
	*cookie = NULL;
	for (; part != NULL; part = part->next) {
		const ngx_table_elt_t *headers = part->elts;

		for (ngx_uint_t i = 0; i < part->nelts; i++) {
			bool is_cookie = is_named(&headers[i], TEXT("cookie"));

			if (!is_usual_header(&headers[i]) ||
			    (is_cookie && *cookie != NULL))
				return false;
			if (is_cookie)
				*cookie = &headers[i];
			bytes += headers[i].key.len + headers[i].value.len;
		}
	}
	return bytes <= HEAD_BYTES_MAX;
}

/* As Chromium, or as Firefox says it. */
static bool
asks_for_upgrade(const ngx_str_t *value)
{
	return is_text(value, TEXT("upgrade")) ||
	       is_text(value, TEXT("keep-alive, upgrade"));
}

/* The first Connection, as $http_connection has it; nginx keeps none in headers_in. */
static bool
is_connection_upgrade(ngx_http_request_t *r)
{
	ngx_list_part_t *part = &r->headers_in.headers.part;

	for (; part != NULL; part = part->next) {
		const ngx_table_elt_t *headers = part->elts;

		for (ngx_uint_t i = 0; i < part->nelts; i++)
			if (is_named(&headers[i], TEXT("connection")))
				return asks_for_upgrade(&headers[i].value);
	}
	return false;
}

static bool
is_for_websocket(ngx_http_request_t *r)
{
	return r->method == NGX_HTTP_GET &&
	       is_text(&r->headers_in.upgrade->value, TEXT("websocket")) &&
	       is_connection_upgrade(r);
}

/* The first bytes_max of text, and dots for what else there is. Where no room is for them
 * nothing is set, and its map finds as much. */
static void
set_cut(ngx_http_request_t *r, enum variable variable, ngx_str_t text, size_t bytes_max)
{
	static const u_char dots[] = {'.', '.', '.'};
	ngx_str_t cut = {bytes_max + sizeof(dots), NULL};

	if (text.len <= bytes_max) {
		set(r, variable, text);
		return;
	}
	cut.data = ngx_pnalloc(r->pool, cut.len);
	if (cut.data == NULL)
		return;
	ngx_memcpy(cut.data, text.data, bytes_max);
	ngx_memcpy(cut.data + bytes_max, dots, sizeof(dots));
	set(r, variable, cut);
}

/* Without a length kore answers 411 where a method has a body. One that is told goes on in
 * the form in which nginx writes it. */
static void
set_length(ngx_http_request_t *r)
{
	bool has_body = (r->method & (WITH_BODY | NGX_HTTP_DELETE)) != 0;
	off_t bytes = r->headers_in.content_length_n;
	u_char *text;

	if (bytes < 0) {
		set(r, LENGTH_SENT, has_body ? TEXT("0") : TEXT(""));
		return;
	}
	text = ngx_pnalloc(r->pool, LENGTH_DIGITS);
	if (text != NULL)
		set(r, LENGTH_SENT,
		    (ngx_str_t){(size_t)(ngx_sprintf(text, "%O", bytes) - text), text});
}

static ngx_str_t
path_of(const ngx_str_t *target)
{
	u_char *end = ngx_strlchr(target->data, target->data + target->len, '?');

	return (ngx_str_t){
	    end != NULL ? (size_t)(end - target->data) : target->len, target->data};
}

static ngx_str_t
value_in(const ngx_table_elt_t *header)
{
	return header != NULL ? header->value : TEXT("");
}

static void
set_usual(ngx_http_request_t *r, const ngx_table_elt_t *cookie, bool has_upgrade)
{
	ngx_str_t agent = value_in(r->headers_in.user_agent);

	set_cut(r, PATH_LOGGED, path_of(&r->unparsed_uri), PATH_LOGGED_MAX);
	set_cut(r, AGENT_LOGGED, agent, AGENT_LOGGED_MAX);
	set(r, AGENT_SENT, agent);
	set(r, CODINGS_SENT, TEXT(""));
	set(r, COOKIE_SENT, value_in(cookie));
	set(r, UPGRADE_SENT, has_upgrade ? TEXT("websocket") : TEXT(""));
	set(r, CONNECTION_SENT, has_upgrade ? TEXT("upgrade") : TEXT(""));
	set_length(r);
}

static ngx_int_t
is_head_usual(ngx_http_request_t *r, ngx_http_variable_value_t *value, uintptr_t data)
{
	static u_char one[] = "1", two[] = "2";
	bool has_upgrade = r->headers_in.upgrade != NULL;
	const ngx_table_elt_t *cookie;

	(void)data;
	*value = (ngx_http_variable_value_t){.len = 0, .valid = 1, .data = one};
	if (is_usual_line(r) && is_usual_body(r) && are_usual_headers(r, &cookie) &&
	    (!has_upgrade || is_for_websocket(r))) {
		value->len = 1;
		value->data = has_upgrade ? two : one;
		set_usual(r, cookie, has_upgrade);
	}
	return NGX_OK;
}

/* ---- plain ------------------------------------------------------------------------ */

/* What no plain head has twice: ONCE of members.lua and two lists, and then what it has
 * not at all. */
static const struct {
	ngx_str_t name, variable;
} names[HEADS_NAMES] = {
    {ngx_string("content-type"), ngx_string("http_content_type")},
    {ngx_string("idempotency-key"), ngx_string("http_idempotency_key")},
    {ngx_string("origin"), ngx_string("http_origin")},
    {ngx_string("sec-fetch-site"), ngx_string("http_sec_fetch_site")},
    {ngx_string("sec-websocket-key"), ngx_string("http_sec_websocket_key")},
    {ngx_string("sec-websocket-protocol"), ngx_string("http_sec_websocket_protocol")},
    {ngx_string("sec-websocket-version"), ngx_string("http_sec_websocket_version")},
    {ngx_string("upgrade"), ngx_string("http_upgrade")},
    {ngx_string("x-socket-id"), ngx_string("http_x_socket_id")},
    {ngx_string("access-control-request-method"),
	ngx_string("http_access_control_request_method")},
    {ngx_string("access-control-request-headers"),
	ngx_string("http_access_control_request_headers")},
    {ngx_string("transfer-encoding"), ngx_string("http_transfer_encoding")},
    {ngx_string("traceparent"), ngx_string("http_traceparent")},
    {ngx_string("x-request-id"), ngx_string("http_x_request_id")},
};

enum {
	EMPTY_KEY = 1,
	COUNTS_ONCE = 11,
	NAMES = HEADS_NAMES,
};

/* Which of names it is; NAMES for others. */
static int
find(const ngx_table_elt_t *header)
{
	int i = 0;

	while (i < NAMES && (names[i].name.len != header->key.len ||
				ngx_memcmp(names[i].name.data, header->lowcase_key,
				    header->key.len) != 0))
		i++;
	return i;
}

/* seen: bits of the names so far. What is there is set as nginx would find it. */
static bool
may_follow(ngx_http_request_t *r, const ngx_table_elt_t *header, unsigned *seen)
{
	int name = find(header);
	unsigned bit = 1U << name;

	if (name == NAMES)
		return true;
	if (name >= COUNTS_ONCE || (*seen & bit) != 0)
		return false;
	*seen |= bit;
	r->variables[heads_of(r)->headers[name]] = value_of(header->value);
	return name != EMPTY_KEY || header->value.len > 0;
}

/* nginx would go through all headers for each of these that is asked for. */
static void
note_absent(ngx_http_request_t *r, unsigned seen)
{
	for (int i = 0; i < NAMES; i++)
		if ((seen & (1U << i)) == 0)
			r->variables[heads_of(r)->headers[i]] =
			    (ngx_http_variable_value_t){.not_found = 1};
}

/* seen: as above, of all its headers. */
static bool
is_plain(ngx_http_request_t *r, unsigned *seen)
{
	ngx_list_part_t *part = &r->headers_in.headers.part;

	for (; part != NULL; part = part->next) {
		ngx_table_elt_t *headers = part->elts;

		for (ngx_uint_t i = 0; i < part->nelts; i++)
			if (!may_follow(r, &headers[i], seen))
				return false;
	}
	return r->stream == NULL && !r->headers_in.chunked;
}

ngx_int_t
parley_plain_body(ngx_http_request_t *r)
{
	unsigned seen = 0;

	if (!is_plain(r, &seen))
		return -1;
	note_absent(r, seen);
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
	set(r, REQUEST_ID, (ngx_str_t){ID_DIGITS, id});
	set(r, TRACE_ID, (ngx_str_t){ID_DIGITS, id});
	set(r, TRACEPARENT, (ngx_str_t){TRACE_BYTES, trace});
	return 1;
}

/* ---- configuration ---------------------------------------------------------------- */

static bool
find_variable(ngx_conf_t *cf, ngx_str_t name, ngx_int_t *index)
{
	*index = ngx_http_get_variable_index(cf, &name);
	return *index != NGX_ERROR;
}

ngx_int_t
heads_init(ngx_conf_t *cf)
{
	static ngx_str_t usual = ngx_string("is_head_usual");
	ngx_http_variable_t *variable = ngx_http_add_variable(cf, &usual, 0);
	struct heads *heads =
	    ngx_http_conf_get_module_main_conf(cf, parley_tunnel_module);
	bool are_there = variable != NULL;

	for (int i = 0; i < HEADS_VARIABLES && are_there; i++)
		are_there = find_variable(cf, variables[i], &heads->variables[i]);
	for (int i = 0; i < NAMES && are_there; i++)
		are_there = find_variable(cf, names[i].variable, &heads->headers[i]);
	if (!are_there)
		return NGX_ERROR;
	variable->get_handler = is_head_usual;
	return NGX_OK;
}
