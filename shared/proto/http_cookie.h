/*
 * http_cookie: the cookies of one name out of a raw Cookie header.
 *
 *   Cookie: SID=31d4; jwt="eyJ..."; jwt=x           of "jwt": eyJ..., then x
 *
 * Pairs are split at ';', a pair at its first '='. Spaces and tabs around name and value
 * and one pair of double quotes around the value are not part of them. Names are compared
 * exactly. A piece without '=' is no cookie. Nothing is decoded.
 *
 * A name may occur more than once: anyone who can set a cookie for a parent domain or a
 * longer path puts theirs beside ours, and the order says nothing (RFC 6265 §4.2.2). So
 * all are given, and the caller must have another way to find ours. If a request has
 * several Cookie lines, each is read like this.
 *
 * Source: RFC 6265 §4.2, §5.4.  Threads: any.
 */
#ifndef PL_PROTO_HTTP_COOKIE_H
#define PL_PROTO_HTTP_COOKIE_H

#include "base/str.h"

/* The value of the next cookie `name` in *rest, borrowed from it; *rest is then what
 * follows. False if there is none: *value is untouched then, and *rest is at its end. */
bool pl_http_cookie_next(struct pl_str *rest, struct pl_str name, struct pl_str *value);

#endif
