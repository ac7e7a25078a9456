/*
 * exchange: the inside of a request: its place between kore's struct http_request and
 * ours.
 *
 *   OPEN      kore's request is parked or in its handler; req is there
 *   GONE      the client left first: req NULL; the bytes are kept until the answer
 *   ended     by pl_exchange_end(): ours is freed, kore's is left to kore
 *
 * Only http/ and sockets/ use it.  Threads: the loop's. Source: kore 4.1.0, src/http.c.
 */
#ifndef PL_HTTP_EXCHANGE_H
#define PL_HTTP_EXCHANGE_H

#include <strings.h>

#include <kore.h>
#include <http.h>

#include "base/buf.h"
#include "http/request.h"
#include "http/service.h"

/* These follow from kore's feature flags; without them its structs would not be these. */
_Static_assert(sizeof(struct http_request) == 608, "built without kore's feature flags");

/* kore takes 24 lines of a head, the request line among them, and drops the rest without
 * a word. With at most this many headers, Host included, none was dropped. */
#define PL_EXCHANGE_HEADERS_MAX 22

struct pl_exchange_header {
	const char *name;
	const char *value;
};

struct pl_stream;

struct pl_request_impl {
	struct pl_request rq;
	struct http_request *req;
	struct pl_list link; /* in flight */
	const struct pl_route *route;
	int64_t began_mono_us;
	const char *caching; /* Cache-Control; NULL: nobody keeps the answer */
	bool *ended; /* tells pl_dispatch() on the stack; NULL after it returned */
	struct pl_json *json;
	struct pl_stream *stream;
	struct pl_trace trace; /* none until it is asked for */
	char *param;           /* decoded */
	struct pl_buf head;    /* the answer's headers, as lines */
	char peer[INET6_ADDRSTRLEN];
	/* GONE: the memory that the slices point into, taken from kore */
	u_int8_t *kept_head;
	struct kore_buf *kept_body;
	size_t header_count;
	struct pl_exchange_header headers[]; /* with Host */
};

static inline struct pl_request_impl *
pl_exchange_of(const struct pl_request *rq)
{
	return rq->impl;
}

/* For a complete request of kore, in its handler. */
struct pl_request_impl *pl_exchange_new(struct http_request *req);
/* The connection to answer on; NULL if the client has gone. */
struct connection *pl_exchange_connection(const struct pl_request *rq);
/* Its Cache-Control. */
static inline const char *
pl_exchange_caching(const struct pl_request *rq)
{
	const char *caching = pl_exchange_of(rq)->caching;

	return caching != NULL ? caching : "no-store";
}
/* Give kore the answer's head and the body's beginning, and count it. */
void pl_exchange_respond(struct pl_request_impl *x, int status, struct pl_str body);
/* All is sent or queued: end rq, and let kore free its own request. */
void pl_exchange_end(struct pl_request *rq);
/* Is it called name, in lower case? Most are not, and their first character says so. */
static inline bool
pl_exchange_header_is(const struct pl_exchange_header *h, const char *name)
{
	return (h->name[0] | ('a' - 'A')) == name[0] && strcasecmp(h->name, name) == 0;
}
/* How often name occurs, in lower case. */
size_t pl_exchange_header_count(const struct pl_request_impl *x, const char *name);
size_t pl_exchange_in_flight(void);
uint64_t pl_exchange_count(void); /* of all so far */

#endif
