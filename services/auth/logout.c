/*
 * POST /api/auth/logout: the token is refused from now on, durably, and then everywhere at
 * once by the bus. Whoever has no good token is logged out already: 200 all the same.
 *
 * POST /api/auth/logout-all: so are all tokens of the user that were issued until now: those of
 * other browsers, and those that somebody stole.
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
	int64_t before;

	if (call->write.err == PL_OK) {
		pl_sessions_revoked(pl_app.sessions, r);
		pl_online_logged_out(pl_app.online, &r->user);
		pl_log_info(pl_revocation_is_of_all(r, &before)
				? "user logged out everywhere"
				: "user logged out",
		    PL_L_REQUEST(l->rq), PL_L_OID("user", &r->user));
		reply_logged_out(l->rq);
	} else {
		pl_reply_err(l->rq, call->write.err);
	}
	pl_mem_free(l);
}

static void
revoke(struct pl_request *rq, const struct pl_revocation *revocation)
{
	struct logout *l = pl_mem_zalloc(sizeof(*l));
	enum pl_err err;

	l->rq = rq;
	l->call.write.kind = PL_WRITE_REVOKE;
	l->call.write.u.revoke = *revocation;
	l->call.done = on_revoked;
	err = pl_store_async_write(pl_app.store, &l->call);
	if (err != PL_OK) { /* else the call is the store thread's by now */
		l->call.write.err = err;
		on_revoked(&l->call);
	}
}

void
auth_logout_post(struct pl_request *rq)
{
	struct pl_revocation revocation;
	struct pl_jwt_claims claims;
	struct pl_str token;

	if (!pl_request_is_no_form(rq))
		return;
	if (pl_request_token(rq, &token) != PL_OK ||
	    pl_jwt_verify(token, pl_clock_unix_ms() / 1000, &claims) != PL_OK) {
		reply_logged_out(rq);
		return;
	}
	pl_revocation_of_token(&revocation, &claims);
	revoke(rq, &revocation);
}

void
auth_logout_all_post(struct pl_request *rq)
{
	struct pl_revocation revocation;
	int64_t last = pl_clock_unix_ms() / 1000;

	if (!pl_request_is_no_form(rq))
		return;
	/* The caller's own may be a second ahead (session.c). */
	if (rq->claims.issued_unix_s > last)
		last = rq->claims.issued_unix_s;
	pl_revocation_of_all(&revocation, &rq->claims.user, last + 1);
	revoke(rq, &revocation);
}
