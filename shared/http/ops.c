#include "http/ops.h"

#include "ops/metrics.h"
#include "http/exchange.h"
#include "health/health.h"
#include "http/reply.h"
#include "http/service.h"
#include "session/sessions.h"

#define METRICS_BYTES_MAX ((size_t)1 << 20)

static void
reply_health(void *arg, int status, struct pl_str body)
{
	pl_reply_json(arg, status, body);
}

/* Without the revocations every token is refused: no better than without a database. */
static bool
knows_revocations(void)
{
	return pl_sessions_are_current(pl_app.sessions);
}

static void
handle_readyz(struct pl_request *rq)
{
	pl_health_ask(&(struct pl_health_question){
	    .loop = pl_app.loop,
	    .store = pl_app.store,
	    .bus = pl_app.bus,
	    .is_draining = pl_app.is_draining,
	    .is_current = knows_revocations,
	    .on_answer = reply_health,
	    .arg = rq,
	});
}

static void
handle_metrics(struct pl_request *rq)
{
	struct pl_buf body;

	pl_buf_init(&body, METRICS_BYTES_MAX);
	pl_metrics_set(PL_M_HTTP_IN_FLIGHT, NULL, (int64_t)pl_exchange_in_flight() - 1);
	pl_metrics_print(&body, pl_service.bit);
	pl_reply_bytes(rq, 200, PL_METRICS_CONTENT_TYPE, pl_buf_str(&body));
	pl_buf_fini(&body);
}

bool
pl_ops_handle(struct pl_request *rq)
{
	if (!pl_str_eq(rq->method, PL_STR("GET")) &&
	    !pl_str_eq(rq->method, PL_STR("HEAD")))
		return false;
	if (pl_str_eq(rq->path, PL_STR("/healthz")))
		pl_reply_json(rq, 200, PL_STR("{\"status\":\"ok\"}"));
	else if (pl_str_eq(rq->path, PL_STR("/readyz")))
		handle_readyz(rq);
	else if (pl_str_eq(rq->path, PL_STR("/metrics")))
		handle_metrics(rq);
	else
		return false;
	return true;
}
