/*
 * fuzz_http: what a request line and its headers hold for us. The input is lines: Cookie,
 * the cookie's name; Origin, scheme, Host, the allowed list; query, the parameter's name;
 * the handshake's Upgrade, Connection, key and version; traceparent; a URL; a host:port;
 * and If-None-Match, with a tag.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/url.h"
#include "proto/http_cookie.h"
#include "proto/http_etag.h"
#include "proto/http_origin.h"
#include "proto/http_query.h"
#include "proto/trace.h"
#include "proto/ws_handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next line, in a block of its exact size for ASan to guard. */
static struct pl_str
next_line(struct pl_str *rest)
{
	struct pl_str line = {0};
	char *copy;

	pl_str_split(rest, '\n', &line);
	copy = pl_mem_alloc(line.len ? line.len : 1);
	if (line.len > 0)
		memcpy(copy, line.ptr, line.len);
	return pl_str_n(copy, line.len);
}

static void
drop(struct pl_str line)
{
	pl_mem_free((void *)(uintptr_t)line.ptr);
}

static void
try_cookie(struct pl_str *rest)
{
	struct pl_str header = next_line(rest), name = next_line(rest), value = {0};
	struct pl_str left = header;

	while (pl_http_cookie_next(&left, name, &value)) {
		if (value.len == 0)
			continue;
		assert(value.ptr >= header.ptr);
		assert(value.ptr + value.len <= header.ptr + header.len);
		assert(memchr(value.ptr, ';', value.len) == NULL);
	}
	drop(header);
	drop(name);
}

static void
try_origin(struct pl_str *rest)
{
	struct pl_http_origin_rq rq = {.origin = next_line(rest)};
	struct pl_str allowed;
	enum pl_http_origin verdict;

	rq.scheme = next_line(rest);
	rq.host = next_line(rest);
	allowed = next_line(rest);
	verdict = pl_http_origin_check(&rq, allowed);
	assert(verdict != PL_ORIGIN_NONE);
	if (verdict == PL_ORIGIN_SAME)
		assert(pl_str_starts(
		    pl_str_n(rq.origin.ptr + rq.scheme.len, 3), PL_STR("://")));
	if (verdict == PL_ORIGIN_LISTED)
		assert(
		    allowed.len > 0 && memchr(rq.origin.ptr, ',', rq.origin.len) == NULL);
	rq.repeated = true;
	assert(pl_http_origin_check(&rq, allowed) == PL_ORIGIN_REFUSED);
	drop(rq.origin);
	drop(rq.scheme);
	drop(rq.host);
	drop(allowed);
}

static void
try_query(struct pl_str *rest)
{
	struct pl_str query = next_line(rest), name = next_line(rest), value, again;
	char room[32], *exact;
	enum pl_err err;

	err = pl_http_query_get(query, name, room, sizeof(room), &value);
	if (err == PL_OK) {
		assert(value.ptr == room && value.len <= sizeof(room));
		exact = pl_mem_alloc(value.len + 1);
		assert(pl_http_query_get(query, name, exact, value.len, &again) == PL_OK);
		assert(pl_str_eq(value, again));
		if (value.len > 0)
			assert(pl_http_query_get(query, name, exact, value.len - 1,
				   &again) == PL_E_TOO_BIG);
		pl_mem_free(exact);
	}
	drop(query);
	drop(name);
}

static void
try_handshake(struct pl_str *rest)
{
	struct pl_ws_request rq = {.method = PL_STR("GET"),
	    .http_major = 1,
	    .http_minor = 1,
	    .host = PL_STR("a")};
	struct pl_buf answer;

	rq.upgrade = next_line(rest);
	rq.connection = next_line(rest);
	rq.key = next_line(rest);
	rq.version = next_line(rest);
	pl_buf_init(&answer, 512);
	if (pl_ws_handshake_check(&rq) == PL_WS_HS_ACCEPTED &&
	    pl_ws_handshake_answer(&answer, &rq) != PL_OK)
		abort();
	pl_buf_fini(&answer);
	drop(rq.upgrade);
	drop(rq.connection);
	drop(rq.key);
	drop(rq.version);
}

/* What is taken goes into headers, logs and events as it is. */
static void
try_trace(struct pl_str *rest)
{
	struct pl_str header = next_line(rest);
	struct pl_trace trace = {0}, again = {0};

	if (pl_trace_parse(header, &trace)) {
		assert(strlen(trace.text) == PL_TRACE_LEN);
		assert(strspn(trace.text, "0123456789abcdef-") == PL_TRACE_LEN);
		assert(memcmp(trace.text + 2, header.ptr + 2, PL_TRACE_LEN - 4) == 0);
		assert(pl_trace_parse(pl_str(trace.text), &again));
		assert(strcmp(trace.text, again.text) == 0);
	} else {
		assert(pl_trace_is_none(&trace));
	}
	drop(header);
}

/* The parts of a URL stand in it in this order, and nothing is left out but its marks. */
static void
try_url(struct pl_str *rest)
{
	struct pl_str text = next_line(rest), place = next_line(rest);
	struct pl_host_port at;
	struct pl_url url;

	if (pl_url_parse(text, &url)) {
		assert(url.scheme.ptr == text.ptr && url.scheme.len > 0);
		assert(url.at.host.len > 0 && url.at.host.ptr > text.ptr);
		assert(url.path.ptr >= url.at.host.ptr + url.at.host.len);
		assert(url.query.ptr == url.path.ptr + url.path.len);
		assert(url.query.ptr + url.query.len == text.ptr + text.len);
	}
	if (pl_host_port_parse(place, &at)) {
		assert(at.host.ptr == place.ptr + (at.is_v6 ? 1 : 0));
		assert(at.has_port || at.port == 0);
		assert(at.is_v6 || memchr(at.host.ptr, ':', at.host.len) == NULL);
	}
	drop(text);
	drop(place);
}

/* Behind another tag the same are found. */
static void
try_etag(struct pl_str *rest)
{
	struct pl_str header = next_line(rest), tag = next_line(rest);
	bool is_star = pl_str_eq(pl_str_trim(header), PL_STR("*"));
	bool matches = pl_http_etag_matches(header, tag);
	struct pl_buf later;

	pl_buf_init(&later, PL_BUF_UNLIMITED);
	(void)pl_buf_add_cstr(&later, "W/\"x\", ");
	(void)pl_buf_add_str(&later, header);
	assert(is_star || pl_str_eq(tag, PL_STR("x")) ||
	       pl_http_etag_matches(pl_buf_str(&later), tag) == matches);
	pl_buf_fini(&later);
	drop(header);
	drop(tag);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pl_str rest = pl_str_n(data, size);

	try_cookie(&rest);
	try_origin(&rest);
	try_query(&rest);
	try_handshake(&rest);
	try_trace(&rest);
	try_url(&rest);
	try_etag(&rest);
	return 0;
}
