/*
 * http_query: one parameter out of a raw query string.
 *
 *   EIO=4&transport=polling&sid=lv_VI97HAXpY6yYWAAAB      without the '?'
 *
 * Pairs are split at '&', a pair at its first '='; a piece without '=' is a name with an
 * empty value. Names and values are decoded: %41 is 'A', '+' is a space (the form
 * encoding that browsers use). A decoded value may hold any byte, NUL too.
 *
 * Source: RFC 3986 §2.1, §3.4; WHATWG URL §5.1.  Threads: any.
 */
#ifndef PL_PROTO_HTTP_QUERY_H
#define PL_PROTO_HTTP_QUERY_H

#include "base/err.h"
#include "base/str.h"

/* Decode the parameter `name` into out, which has cap bytes; *value is the slice of out
 * that was filled (no NUL after it).
 *   PL_E_NOT_FOUND  no such parameter
 *   PL_E_CONFLICT   it occurs more than once
 *   PL_E_INVALID    its value has a '%' without two hex digits
 *   PL_E_TOO_BIG    its value is longer than cap
 * After a failure *value is untouched, and the bytes of out mean nothing. */
enum pl_err pl_http_query_get(struct pl_str query, struct pl_str name, char *out,
    size_t cap, struct pl_str *value) PL_MUST_CHECK;

#endif
