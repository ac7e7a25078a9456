/*
 * ops: what an operator asks each process, on its own port; the gateway does not pass
 * these on.
 *
 *   GET /healthz   200 as long as the loop turns; touches nothing else
 *   GET /readyz    may it be given work? See health.h
 *   GET /metrics   what it counted, for Prometheus; see ops/metrics.h
 *
 * Threads: the loop's.
 */
#ifndef PL_HTTP_OPS_H
#define PL_HTTP_OPS_H

#include "http/request.h"

/* True if rq is one of these: it is answered, now or later. */
bool pl_ops_handle(struct pl_request *rq);

#endif
