/*
 * ops_routes: what an operator asks each process, on its own port; the gateway does not pass
 * these on.
 *
 *   GET /healthz   200 as long as the loop turns; touches nothing else
 *   GET /readyz    200 {"status":"ok","db":"up","redis":"up"}; redis away: still 200, with
 *                  "status":"degraded:redis"; database away, or ending: 503
 *
 * Threads: the loop's.
 */
#ifndef PL_WEB_OPS_ROUTES_H
#define PL_WEB_OPS_ROUTES_H

#include "web/request.h"

#define PL_OPS_DB_WAIT_MS 500

/* Answers rq, now or later, where it is one of these; else false. */
bool pl_ops_handle(struct pl_request *rq);

#endif
