/*
 * POST /api/auth/logout: the token is refused from now on, durably, and then everywhere at
 * once by the bus. Whoever has no good token is logged out already: 200 all the same.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cookie.h"
#include "handlers.h"
#include "web/reply.h"
#include "web/service.h"
#include "web/sessions.h"

struct logout {
	struct pl_request *rq;
	struct pl_store_write_call call;
};

static void
reply_logged_out(struct pl_request *rq)
{
	auth_cookie_clear(rq);
	pl_reply_json(rq, 200, PL_STR("{\"message\":\"Logged out successfully\"}"));
}

static void
on_revoked(struct pl_store_write_call *call)
{
	struct logout *l = PL_CONTAINER(call, struct logout, call);
	const struct pl_revocation *r = &call->write.u.revoke;
	struct pl_event_revoked e = {
	    .user = r->user, .expires_unix_s = r->expires_unix_s};

	if (call->write.err == PL_OK) {
		memcpy(e.token_id, r->token_id, sizeof(e.token_id));
		pl_sessions_revoked(pl_app.sessions, &e);
		pl_online_logged_out(pl_app.online, &r->user);
		pl_log_info(
		    "user logged out", PL_L_REQUEST(l->rq), PL_L_OID("user", &r->user));
		reply_logged_out(l->rq);
	} else {
		pl_reply_err(l->rq, call->write.err);
	}
	pl_mem_free(l);
}

static void
revoke(struct pl_request *rq, const struct pl_jwt_claims *claims)
{
	struct logout *l = pl_mem_zalloc(sizeof(*l));
	struct pl_revocation *r = &l->call.write.u.revoke;
	enum pl_err err;

	l->rq = rq;
	l->call.write.kind = PL_WRITE_REVOKE;
	l->call.done = on_revoked;
	memcpy(r->token_id, claims->token_id, sizeof(r->token_id));
	r->user = claims->user;
	r->expires_unix_s = claims->expires_unix_s;
	err = pl_store_async_write(pl_app.store, &l->call);
	if (err != PL_OK) { /* else the call is the store thread's by now */
		l->call.write.err = err;
		on_revoked(&l->call);
	}
}

void
auth_logout_post(struct pl_request *rq)
{
	struct pl_jwt_claims claims;
	struct pl_str token;

	if (!pl_request_is_no_form(rq))
		return;
	if (pl_request_token(rq, &token) == PL_OK &&
	    pl_jwt_verify(token, pl_clock_unix_ms() / 1000, &claims) == PL_OK)
		revoke(rq, &claims);
	else
		reply_logged_out(rq);
}
