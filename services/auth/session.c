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

/* An answer that waits until its session is listed, and its user counts as online
 * everywhere. */
struct arrival {
	struct pl_request *rq;
	int status;
	struct pl_buf body;
	struct pl_jwt_name name;
	struct pl_store_write_call call;
	/* Of a log-in. */
	char *password_hash; /* that the password was checked against */
	void (*again)(struct pl_request *rq);
	struct pl_store_read_call look;
	int64_t issued_unix_s; /* from before the look */
};

static void
arrival_free(struct arrival *a)
{
	pl_buf_fini(&a->body);
	if (a->password_hash != NULL)
		pl_mem_wipe_free(a->password_hash, strlen(a->password_hash));
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

/* If the store cannot list it now it is as good a session as any, but no merging knows of
 * it. */
static enum pl_err
sign(const struct arrival *a, struct pl_buf *token, struct pl_jwt_claims *claims)
{
	const struct pl_write_session *s = &a->call.write.u.session;

	return a->call.write.err == PL_OK
		   ? pl_jwt_sign_listed(
			 &s->user, &a->name, s->issued_unix_s, token, claims)
		   : pl_jwt_sign(&s->user, a->issued_unix_s, token, claims);
}

static void
begin_session(struct arrival *a)
{
	/* a may be gone before it was told of */
	struct pl_oid user = a->call.write.u.session.user;
	struct pl_jwt_claims claims;
	struct pl_buf token;

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

/* err: what became of the user since the password was checked. */
static void
begin_or_refuse(struct arrival *a, enum pl_err err)
{
	struct pl_request *rq = a->rq;

	if (err == PL_OK) {
		begin_session(a);
		return;
	}
	if (err == PL_E_CONFLICT && a->again != NULL)
		a->again(rq);
	else if (err == PL_E_NOT_FOUND)
		pl_reply_problem(rq, PL_PROBLEM_DISABLED);
	else
		pl_reply_err(rq, err);
	arrival_free(a);
}

/* ---- a session that is not listed ---- */

static enum pl_err
look_run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct arrival *a = PL_CONTAINER(call, struct arrival, look);
	struct pl_user user;
	enum pl_err err = pl_store_user_by_id(s, &a->call.write.u.session.user, &user);

	if (err != PL_OK)
		return err == PL_E_NOT_FOUND ? PL_E_CONFLICT : err;
	if (strcmp(user.password_hash, a->password_hash) != 0)
		err = PL_E_CONFLICT;
	else if (user.is_disabled)
		err = PL_E_NOT_FOUND;
	pl_user_fini(&user);
	return err;
}

static void
look_done(struct pl_store_read_call *call)
{
	begin_or_refuse(PL_CONTAINER(call, struct arrival, look), call->err);
}

/* No list tells whoever changes the password of it. So its time is from before it is seen
 * that the password is the same: who changes it after that refuses all unlisted ones up
 * to their own time. */
static void
begin_unlisted(struct arrival *a)
{
	pl_log_warn_sampled("session was not listed, it begins all the same",
	    PL_L_REQUEST(a->rq), PL_L_ERR(a->call.write.err));
	a->issued_unix_s = issue_time(&a->call.write.u.session.user);
	if (a->password_hash == NULL) {
		begin_session(a);
		return;
	}
	a->look.run = look_run;
	a->look.done = look_done;
	pl_store_async_read_or_done(pl_app.store, &a->look);
}

static void
on_listed(struct pl_store_write_call *call)
{
	struct arrival *a = PL_CONTAINER(call, struct arrival, call);
	enum pl_err err = call->write.err;

	if (err == PL_OK && call->write.u.session.has_ended)
		pl_sessions_revoked(pl_app.sessions, &call->write.u.session.ended);
	if (err == PL_OK || err == PL_E_NOT_FOUND || err == PL_E_CONFLICT)
		begin_or_refuse(a, err);
	else
		begin_unlisted(a);
}

static struct arrival *
arrival_new(struct pl_request *rq, int status, const struct pl_user *user)
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
	return a;
}

void
auth_reply_session(struct pl_request *rq, int status, const struct pl_user *user)
{
	struct arrival *a = arrival_new(rq, status, user);

	pl_store_async_write_or_done(pl_app.store, &a->call);
}

void
auth_reply_login(struct pl_request *rq, const struct pl_user *user,
    void (*again)(struct pl_request *rq))
{
	struct arrival *a = arrival_new(rq, 200, user);

	a->password_hash = pl_mem_strdup(user->password_hash);
	a->again = again;
	a->call.write.u.session.password_hash = a->password_hash;
	pl_store_async_write_or_done(pl_app.store, &a->call);
}
