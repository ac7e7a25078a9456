/*
 * dispatch: the way of every request: guards against what kore lets through, route,
 * origin, session, handler. kore finds pl_dispatch() by its name.  Threads: the loop's.
 */
#ifndef PL_HTTP_DISPATCH_H
#define PL_HTTP_DISPATCH_H

struct http_request;

#define PL_DISPATCH_NAME "pl_dispatch"

int pl_dispatch(struct http_request *req);

#endif
