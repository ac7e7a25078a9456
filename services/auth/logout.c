/*
 * POST /api/auth/logout: every token that the request brings is refused from now on. The
 * store keeps that, and the bus carries it to all processes. It is every token, whoever's
 * it is, because the second would count once the first is refused. A client without a
 * good token is logged out already, and gets the same 200; nothing but the cookie
 * changes. A token that has logged out ends nothing, or whoever kept one could keep its
 * user offline.
 *
 * POST /api/auth/logout-all: every token of the user that was issued until now is
 * refused, also those of other browsers and those that somebody stole.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cookie.h"
#include "handlers.h"
#include "http/reply.h"
#include "http/service.h"
#include "session/sessions.h"

/* One write for each revocation. */
struct revoking {
	struct pl_store_write_call call;
	struct logout *logout;
};

struct logout {
	struct pl_request *rq;
	enum pl_err err; /* of the last that failed, or PL_OK */
	size_t waits;    /* how many are not stored yet */
	struct revoking of[];
};

static void
reply_logged_out(struct pl_request *rq)
{
	auth_cookie_clear(rq);
	pl_reply_json(rq, 200, PL_STR("{\"message\":\"Logged out successfully\"}"));
}

static void
note_revoked(const struct logout *l, const struct pl_revocation *r)
{
	int64_t before;

	pl_sessions_revoked(pl_app.sessions, r);
	pl_online_logged_out(pl_app.online, &r->user);
	pl_log_info(pl_revocation_is_of_all(r, &before) ? "user logged out everywhere"
							: "user logged out",
	    PL_L_REQUEST(l->rq), PL_L_OID("user", &r->user));
}

/* Another process revoked it, and this one had not heard of it. Nobody has, if the other
 * one died in between. The user may have come back since, and stays online. */
static void
tell_again(const struct pl_revocation *r)
{
	pl_sessions_revoked(pl_app.sessions, r);
}

static void
on_revoked(struct pl_store_write_call *call)
{
	struct logout *l = PL_CONTAINER(call, struct revoking, call)->logout;

	if (call->write.err == PL_OK && call->write.is_new)
		note_revoked(l, &call->write.u.revoke);
	else if (call->write.err == PL_OK)
		tell_again(&call->write.u.revoke);
	else
		l->err = call->write.err;
	if (--l->waits > 0)
		return;
	if (l->err == PL_OK)
		reply_logged_out(l->rq);
	else
		pl_reply_err(l->rq, l->err);
	pl_mem_free(l);
}

static void
revoke(struct pl_request *rq, const struct pl_revocation *revocations, size_t count)
{
	struct logout *l = pl_mem_zalloc(sizeof(*l) + count * sizeof(l->of[0]));

	l->rq = rq;
	l->waits = count;
	for (size_t i = 0; i < count; i++) {
		struct pl_store_write_call *call = &l->of[i].call;

		l->of[i].logout = l;
		call->write.kind = PL_WRITE_REVOKE;
		call->write.u.revoke = revocations[i];
		call->done = on_revoked;
		pl_store_async_write_or_done(pl_app.store, call);
	}
}

void
auth_logout_post(struct pl_request *rq)
{
	struct pl_revocation revocations[PL_CREDENTIALS_MAX];
	struct pl_credentials c;
	size_t count;

	if (!pl_request_is_no_form(rq))
		return;
	pl_request_credentials(rq, &c);
	count = c.count;
	for (size_t i = 0; i < count; i++)
		pl_revocation_of_token(&revocations[i], &c.items[i].claims);
	pl_credentials_fini(&c);
	if (count > 0)
		revoke(rq, revocations, count);
	else
		reply_logged_out(rq);
}

void
auth_logout_all_post(struct pl_request *rq)
{
	struct pl_revocation revocation;
	int64_t last = pl_clock_unix_ms() / 1000;

	if (!pl_request_is_no_form(rq))
		return;
	/* The caller's own token may be from the next second (session.c). */
	if (rq->claims.issued_unix_s > last)
		last = rq->claims.issued_unix_s;
	pl_revocation_of_all(&revocation, &rq->claims.user, last + 1);
	revoke(rq, &revocation, 1);
}
