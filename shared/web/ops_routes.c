#include "web/ops_routes.h"

#include "base/json_out.h"
#include "base/mem.h"
#include "web/reply.h"
#include "web/service.h"
#include "web/sessions.h"

/* One question to the database; it may be answered after the request was. */
struct probe {
	struct pl_store_read_call call;
	struct pl_timer deadline;
	struct pl_request *rq; /* NULL once answered */
};

static void
reply_ready(struct pl_request *rq, bool db_is_up)
{
	bool redis_is_up = pl_bus_is_up(pl_app.bus);
	bool is_ready = db_is_up && !pl_app.is_draining;
	struct pl_json_out o;
	struct pl_buf body;

	pl_buf_init(&body, 1024);
	pl_jo_init(&o, &body);
	pl_jo_object(&o);
	pl_jo_key(&o, "status");
	pl_jo_cstr(&o, pl_app.is_draining ? "draining"
		       : !db_is_up        ? "unavailable"
		       : redis_is_up      ? "ok"
					  : "degraded:redis");
	pl_jo_key(&o, "db");
	pl_jo_cstr(&o, db_is_up ? "up" : "down");
	pl_jo_key(&o, "redis");
	pl_jo_cstr(&o, redis_is_up ? "up" : "down");
	pl_jo_end_object(&o);
	pl_reply_json(rq, is_ready ? 200 : 503, pl_buf_str(&body));
	pl_buf_fini(&body);
}

static void
probe_answer(struct probe *p, bool db_is_up)
{
	struct pl_request *rq = p->rq;

	pl_timer_stop(pl_app.loop, &p->deadline);
	p->rq = NULL;
	if (rq != NULL)
		reply_ready(rq, db_is_up);
}

static enum pl_err
probe_run(struct pl_store_read_call *call, struct pl_store *s)
{
	(void)call;
	return pl_store_ping(s);
}

static void
probe_done(struct pl_store_read_call *call)
{
	struct probe *p = PL_CONTAINER(call, struct probe, call);

	/* Without the revocations every token is refused: as good as no database. */
	probe_answer(p, call->err == PL_OK && pl_sessions_are_current(pl_app.sessions));
	pl_mem_free(p);
}

static void
probe_late(struct pl_timer *t)
{
	probe_answer(t->arg, false);
}

static void
handle_readyz(struct pl_request *rq)
{
	struct probe *p;

	if (pl_app.is_draining) {
		reply_ready(rq, pl_store_async_is_up(pl_app.store));
		return;
	}
	p = pl_mem_zalloc(sizeof(*p));
	p->rq = rq;
	p->call.run = probe_run;
	p->call.done = probe_done;
	p->deadline.on_fire = probe_late;
	p->deadline.arg = p;
	if (pl_store_async_read(pl_app.store, &p->call) == PL_OK) {
		pl_timer_start(pl_app.loop, &p->deadline, PL_OPS_DB_WAIT_MS);
		return;
	}
	reply_ready(rq, false);
	pl_mem_free(p);
}

bool
pl_ops_handle(struct pl_request *rq)
{
	if (!pl_str_eq(rq->method, PL_STR("GET")) &&
	    !pl_str_eq(rq->method, PL_STR("HEAD")))
		return false;
	if (pl_str_eq(rq->path, PL_STR("/healthz"))) {
		pl_reply_json(rq, 200, PL_STR("{\"status\":\"ok\"}"));
		return true;
	}
	if (pl_str_eq(rq->path, PL_STR("/readyz"))) {
		handle_readyz(rq);
		return true;
	}
	return false;
}
