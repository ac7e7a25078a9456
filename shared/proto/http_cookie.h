/*
 * http_cookie: one cookie out of a raw Cookie header.
 *
 *   Cookie: SID=31d4; lang=en-US; jwt="eyJ..."      find "jwt": eyJ...
 *
 * Pairs are split at ';', a pair at its first '='. Spaces and tabs around name and value
 * and one pair of double quotes around the value are not part of them. Names are compared
 * exactly. A piece without '=' is no cookie. Nothing is decoded.
 *
 * A name that occurs twice is reported and never guessed at: whoever can set a cookie on
 * a parent domain or a longer path could otherwise choose which one we read. A request
 * with several Cookie headers: join them with "; " first (RFC 9113 §8.2.3).
 *
 * Source: RFC 6265 §4.2.1, §5.4.  Threads: any.
 */
#ifndef PL_PROTO_HTTP_COOKIE_H
#define PL_PROTO_HTTP_COOKIE_H

#include "base/err.h"
#include "base/str.h"

/* The value of the cookie `name`, borrowed from header. PL_E_NOT_FOUND; PL_E_CONFLICT
 * when the name occurs more than once, even with equal values. */
enum pl_err pl_http_cookie_find(
    struct pl_str header, struct pl_str name, struct pl_str *value) PL_MUST_CHECK;

#endif
