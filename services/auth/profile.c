/* PATCH /api/auth/me: another name, another gender. Who watches the user is told. One
 * that names neither changes nothing, and is told to nobody. */
#include "account.h"
#include "base/log.h"
#include "base/mem.h"
#include "handlers.h"
#include "http/reply.h"
#include "http/service.h"

struct profile {
	struct pl_request *rq; /* holds the bytes of the change */
	struct pl_limit_ask ask;
	struct pl_store_write_call call;
};

static void
on_written(struct pl_store_write_call *call)
{
	struct profile *p = PL_CONTAINER(call, struct profile, call);
	struct pl_write_profile *w = &call->write.u.profile;

	if (call->write.err == PL_OK) {
		pl_log_info("user changed their profile", PL_L_REQUEST(p->rq),
		    PL_L_OID("user", &w->user));
		account_reply_updated(p->rq, &w->after);
		pl_user_fini(&w->after);
	} else {
		account_reply_err(p->rq, call->write.err);
	}
	pl_mem_free(p);
}

static void
on_limit(void *arg, int64_t wait_ms)
{
	struct profile *p = arg;

	if (wait_ms > 0) {
		pl_reply_retry(p->rq, PL_PROBLEM_TOO_MANY, wait_ms);
		pl_mem_free(p);
		return;
	}
	p->call.write.kind = PL_WRITE_PROFILE;
	p->call.done = on_written;
	pl_store_async_write_or_done(pl_app.store, &p->call);
}

void
auth_me_patch(struct pl_request *rq)
{
	const struct pl_json *body = pl_request_json(rq);
	struct pl_profile_change change;
	struct pl_invalid why;
	struct profile *p;

	if (body == NULL)
		return;
	if (pl_profile_change_parse(body, &change, &why) != PL_OK) {
		pl_reply_invalid(rq, &why);
		return;
	}
	if (!change.has_full_name && !change.has_gender) {
		auth_reply_unchanged(rq);
		return;
	}
	p = pl_mem_zalloc(sizeof(*p));
	p->rq = rq;
	p->call.write.u.profile.user = rq->claims.user;
	p->call.write.u.profile.change = change;
	p->ask.on_answer = on_limit;
	p->ask.arg = p;
	account_take(ACCOUNT_PROFILE, rq, &p->ask);
}
