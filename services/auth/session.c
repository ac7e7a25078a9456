#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cookie.h"
#include "handlers.h"
#include "http/reply.h"
#include "http/service.h"
#include "session/sessions.h"

static void
write_user(struct pl_buf *body, const struct pl_user *user)
{
	struct pl_json_out o;

	pl_buf_init(body, PL_BUF_UNLIMITED); /* the model bounds a user */
	pl_jo_init(&o, body);
	pl_user_write(&o, user, 0);
}

void
auth_reply_user(struct pl_request *rq, int status, const struct pl_user *user)
{
	struct pl_buf body;

	write_user(&body, user);
	pl_reply_json(rq, status, pl_buf_str(&body));
	pl_buf_fini(&body);
}

/* An answer that waits until its session is listed, and its user counts as online everywhere. */
struct arrival {
	struct pl_request *rq;
	int status;
	struct pl_buf body;
	struct pl_jwt_name name;
	struct pl_store_write_call call;
};

static void
arrival_free(struct arrival *a)
{
	pl_buf_fini(&a->body);
	pl_mem_free(a);
}

static void
on_known(void *arg)
{
	struct arrival *a = arg;

	pl_reply_json(a->rq, a->status, pl_buf_str(&a->body));
	arrival_free(a);
}

/* Now, or the next second, so that a login right after a logout everywhere is not refused
 * by it. */
static int64_t
issue_time(const struct pl_oid *user)
{
	int64_t now = pl_clock_unix_ms() / 1000;
	int64_t valid_after = pl_sessions_valid_after(pl_app.sessions, user);

	return valid_after > now ? valid_after : now;
}

/* If the store cannot list it now it is as good a session as any, but no merging knows of it. */
static enum pl_err
sign(const struct arrival *a, struct pl_buf *token, struct pl_jwt_claims *claims)
{
	const struct pl_write_session *s = &a->call.write.u.session;

	return a->call.write.err == PL_OK
		   ? pl_jwt_sign_listed(
			 &s->user, &a->name, s->issued_unix_s, token, claims)
		   : pl_jwt_sign(&s->user, issue_time(&s->user), token, claims);
}

static void
on_listed(struct pl_store_write_call *call)
{
	struct arrival *a = PL_CONTAINER(call, struct arrival, call);
	const struct pl_write_session *s = &call->write.u.session;
	struct pl_oid user = s->user; /* a may be gone before it was told of */
	struct pl_jwt_claims claims;
	struct pl_buf token;

	if (call->write.err == PL_E_NOT_FOUND) { /* since the password was checked */
		pl_reply_problem(a->rq, PL_PROBLEM_DISABLED);
		arrival_free(a);
		return;
	}
	if (call->write.err != PL_OK)
		pl_log_warn_sampled("session was not listed, it begins all the same",
		    PL_L_REQUEST(a->rq), PL_L_ERR(call->write.err));
	else if (s->has_ended)
		pl_sessions_revoked(pl_app.sessions, &s->ended);
	pl_buf_init(&token, PL_JWT_BYTES_MAX);
	if (sign(a, &token, &claims) == PL_OK) {
		auth_cookie_set(a->rq, pl_buf_str(&token));
		pl_online_arrived(pl_app.online, &user, on_known, a);
	} else {
		pl_reply_problem(a->rq, PL_PROBLEM_INTERNAL);
		arrival_free(a);
	}
	pl_mem_wipe_free(token.data, token.cap);
}

void
auth_reply_session(struct pl_request *rq, int status, const struct pl_user *user)
{
	struct arrival *a = pl_mem_zalloc(sizeof(*a));
	struct pl_write_session *s = &a->call.write.u.session;

	a->rq = rq;
	a->status = status;
	write_user(&a->body, user);
	pl_jwt_draw_name(&a->name);
	a->call.write.kind = PL_WRITE_SESSION;
	s->user = user->id;
	memcpy(s->token_id, a->name.token_id, PL_JWT_ID_LEN);
	s->issued_unix_s = issue_time(&user->id);
	a->call.done = on_listed;
	pl_store_async_write_or_done(pl_app.store, &a->call);
}
