/*
 * request: one HTTP request, from the route table to its answer.
 *
 * A handler answers with one pl_reply_*() call (http/reply.h), now or later from a
 * callback. Until then the request is valid, even if its client has gone: the answer is
 * then dropped. Exactly one answer ends it; it must not be touched afterwards. Slices are
 * borrowed from the request.  Threads: the loop's.
 */
#ifndef PL_HTTP_REQUEST_H
#define PL_HTTP_REQUEST_H

#include "base/json.h"
#include "proto/trace.h"
#include "session/credentials.h"

struct pl_request {
	struct pl_str method;
	struct pl_str path;  /* as sent, without the query */
	struct pl_str query; /* raw, without "?" */
	struct pl_str param; /* the ":id" segment, decoded */
	struct pl_str body;
	struct pl_jwt_claims claims; /* with PL_ROUTE_AUTH */
	bool is_gone;                /* the client has left */
	/* Called when the client leaves before the answer; the handler may set it. The
	 * request must still be answered. */
	void (*on_gone)(struct pl_request *rq);
	void *arg; /* the handler's own */
	struct pl_request_impl *impl;
};

/* A header's value, trimmed; ptr NULL if absent. Name in lower case. */
struct pl_str pl_request_header(const struct pl_request *rq, const char *name);
/* Does it come more than once? The call above gives the first. */
bool pl_request_header_repeats(const struct pl_request *rq, const char *name);
/* The address of the client as the gateway saw it: X-Forwarded-For, which the gateway
 * always sets anew. */
struct pl_str pl_request_client_address(const struct pl_request *rq);
/* Did the client speak https? X-Forwarded-Proto, which the gateway always sets anew. */
bool pl_request_is_https(const struct pl_request *rq);
/* The tokens it brings that may count, without those known to be revoked. The caller
 * finis them. */
void pl_request_credentials(const struct pl_request *rq, struct pl_credentials *out);
/* As pl_request_header(), but each call gives the next line of that name; *it starts at
 * 0. ptr NULL: no more. */
struct pl_str pl_request_header_next(
    const struct pl_request *rq, const char *name, size_t *it);
/* X-Request-Id, for logs. */
struct pl_str pl_request_id(const struct pl_request *rq);
/* Its traceparent; if it brings none, one that begins here, the same at each call. */
const struct pl_trace *pl_request_trace(const struct pl_request *rq);
/* Both ids, which every line about a request has. */
#define PL_L_REQUEST(rq_)                                                                \
	PL_L_STR("req", pl_request_id(rq_)), PL_L_TRACE(pl_request_trace(rq_))
/* The body as a JSON object, the same each time, freed with the request. NULL: it was
 * none, and the request has been answered (400, 413 or 415): return at once. */
const struct pl_json *pl_request_json(struct pl_request *rq) PL_MUST_CHECK;
/* For a route that needs no body, and changes something: is its type JSON, or not given?
 * A form on any page could send other types. A page that says its origin, which has been
 * judged by now, may call an empty body what it likes: axios.post(url, null) says form.
 * False: answered with 415. */
bool pl_request_is_no_form(struct pl_request *rq) PL_MUST_CHECK;
/* rq->param as an ObjectId. False: answered with 400. */
bool pl_request_oid(struct pl_request *rq, struct pl_oid *out) PL_MUST_CHECK;

#endif
