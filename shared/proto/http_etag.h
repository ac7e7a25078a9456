/*
 * http_etag: does the client already have what it asks for?
 *
 *   If-None-Match: W/"6f1d", "a,b"     has the answers of these tags
 *   If-None-Match: *                   has some answer
 *
 * Tags are compared weakly: W/ does not count, so that an answer which the gateway has
 * compressed since is still the same. A header that breaks the grammar matches nothing
 * from there on.
 *
 * Source: RFC 9110 §8.8.3, §13.1.2.  Threads: any.
 */
#ifndef PL_PROTO_HTTP_ETAG_H
#define PL_PROTO_HTTP_ETAG_H

#include "base/str.h"

/* opaque: the tag without W/ and quotes; header: the value of If-None-Match. */
bool pl_http_etag_matches(struct pl_str header, struct pl_str opaque);

#endif
