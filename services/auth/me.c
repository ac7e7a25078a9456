/* GET /api/auth/me: who the caller is. */
#include "base/mem.h"
#include "handlers.h"
#include "http/reply.h"
#include "http/service.h"

struct me {
	struct pl_request *rq;
	struct pl_store_read_call call;
	struct pl_user user;
};

static enum pl_err
me_run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct me *m = PL_CONTAINER(call, struct me, call);

	return pl_store_user_by_id(s, &m->rq->claims.user, &m->user);
}

static void
me_done(struct pl_store_read_call *call)
{
	struct me *m = PL_CONTAINER(call, struct me, call);

	if (call->err == PL_OK)
		auth_reply_user(m->rq, 200, &m->user);
	else if (call->err == PL_E_NOT_FOUND)
		pl_reply_problem(m->rq, PL_PROBLEM_BAD_TOKEN);
	else
		pl_reply_err(m->rq, call->err);
	pl_user_fini(&m->user);
	pl_mem_free(m);
}

void
auth_me_get(struct pl_request *rq)
{
	struct me *m = pl_mem_zalloc(sizeof(*m));

	m->rq = rq;
	m->call.run = me_run;
	m->call.done = me_done;
	pl_store_async_read_or_done(pl_app.store, &m->call);
}
