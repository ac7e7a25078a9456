/*
 * router: which row of a service's table a request belongs to.
 *
 *   "/api/users/:id"   matches /api/users/6a...  and /api/users/6a.../   param "6a..."
 *
 * Segments are compared as they were sent, byte by byte; one that starts with ':' takes
 * any that is not empty. One slash at the end does not count. The first row that matches
 * wins. Pure: no kore.  Threads: any.
 */
#ifndef PL_HTTP_ROUTER_H
#define PL_HTTP_ROUTER_H

#include "base/str.h"

struct pl_route;

enum pl_route_verdict {
	PL_ROUTE_FOUND,
	PL_ROUTE_NO_PATH,   /* 404 */
	PL_ROUTE_NO_METHOD, /* 405, or 204 for OPTIONS */
};

#define PL_ROUTE_ALLOW_MAX 64

struct pl_route_match {
	const struct pl_route *route; /* FOUND */
	struct pl_str param; /* FOUND: of the ":" segment, not decoded; borrowed */
	/* NO_METHOD: "GET, HEAD, OPTIONS" */
	char allow[PL_ROUTE_ALLOW_MAX];
};

/* HEAD is answered by GET's row, if it has none of its own. */
enum pl_route_verdict pl_router_match(const struct pl_route *routes, size_t count,
    struct pl_str method, struct pl_str path, struct pl_route_match *out);
/* Percent-decode text into out, which has text.len bytes; false for a bad escape. */
bool pl_router_decode(struct pl_str text, char *out, size_t *len);

#endif
