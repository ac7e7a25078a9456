/*
 * heads: what Lua would have to make a table of all headers for, and what checks.conf needs
 * a dozen expressions for, said of most requests in one look. Lua finds its part by name
 * (gateway/heads.lua); it and checks.conf do without if there is no such module.
 *
 *   usual    the variable $is_head_usual: 1 if checks.conf would let the head pass, and let
 *            all of its headers go on as they are; 2 if it also asks for a WebSocket, as
 *            request.conf has it. Empty means nothing: checks.conf is to look itself. Only
 *            the short and plain is usual: HTTP/1.1, a target of letters, a few signs and a
 *            query, values in ASCII, HEAD_BYTES_MAX in all. What checks.conf and the maps
 *            of request.conf would make of such a one, nginx is told at once: what goes on
 *            of it ($cookie_sent, $content_length_sent, ...), and what is logged
 *            ($path_logged, $user_agent_logged).
 *   plain    a head is plain if it says nothing twice that counts once (what
 *            members.lua names), no empty Idempotency-Key, no id and no trace of its own,
 *            and how long its body is, over HTTP/1. Of any other Lua knows what to make.
 *            Of these headers nginx is told what they are, or that they are not there: it
 *            need not look for each ($http_origin, ...) again.
 *   id       32 hexadecimal digits that nobody can foresee, of the kernel's random bytes,
 *            a page at a time. The variables that go on with it are $request_id_in_force,
 *            $traceparent_sent and $trace_id.
 *
 * Threads: none.
 */
#ifndef PARLEY_GATEWAY_HEADS_H
#define PARLEY_GATEWAY_HEADS_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#define HEADS_NAMES     14 /* headers that a plain head is looked through for */
#define HEADS_VARIABLES 11 /* that the module sets */

/* The first part of the module's main configuration: indices of variables, of this
 * configuration alone. */
struct heads {
	ngx_int_t variables[HEADS_VARIABLES];
	ngx_int_t headers[HEADS_NAMES];
};

/* Before the configuration is read: its variables are there. */
ngx_int_t heads_init(ngx_conf_t *cf);

/* For Lua: bytes of the body, 0 for none; -1 if the head is not plain. */
ngx_int_t parley_plain_body(ngx_http_request_t *r);

/* For Lua: 1 if the whole body has come with the head, so that nginx reads no further; 0
 * also where the module cannot tell (chunks, HTTP/2). */
ngx_int_t parley_is_body_here(ngx_http_request_t *r);

/* For Lua: a plain request has an id. 0 if there is no room or no random. */
ngx_int_t parley_draw_id(ngx_http_request_t *r);

#endif
