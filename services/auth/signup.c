/*
 * POST /api/auth/signup: the form, the limit, the hash, the store. The cookie is set once
 * the user is stored.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "handlers.h"
#include "hasher.h"
#include "login_limits.h"
#include "http/reply.h"
#include "http/service.h"

struct signup {
	struct pl_request *rq; /* holds the bytes of form */
	struct pl_signup form;
	struct auth_try try;
	struct auth_hash hash;
	struct pl_user user;
	struct pl_store_write_call call;
};

static void
signup_free(struct signup *s)
{
	pl_user_fini(&s->user);
	pl_mem_free(s);
}

static void
fail(struct signup *s, enum pl_err err)
{
	pl_reply_err(s->rq, err);
	auth_try_end(&s->try, AUTH_TRY_NEITHER);
	signup_free(s);
}

static void
on_written(struct pl_store_write_call *call)
{
	struct signup *s = PL_CONTAINER(call, struct signup, call);

	switch (call->write.err) {
	case PL_OK:
		pl_log_info(
		    "user signed up", PL_L_REQUEST(s->rq), PL_L_OID("user", &s->user.id));
		auth_reply_session(s->rq, 201, &s->user);
		break;
	case PL_E_CONFLICT:
		pl_reply_problem(s->rq, PL_PROBLEM_USERNAME_TAKEN);
		break;
	default:
		pl_reply_err(s->rq, call->write.err);
		break;
	}
	auth_try_end(&s->try, AUTH_TRY_NEITHER);
	signup_free(s);
}

static void
on_hashed(struct auth_hash *h, enum pl_err err)
{
	struct signup *s = PL_CONTAINER(h, struct signup, hash);

	if (err == PL_OK && h->fresh == NULL)
		err = PL_E_UNAVAILABLE; /* no memory to hash in */
	if (err != PL_OK) {
		fail(s, err);
		return;
	}
	pl_user_from_signup(&s->user, &s->form, h->fresh, pl_clock_unix_ms());
	s->call.write.kind = PL_WRITE_USER;
	s->call.write.u.user = &s->user;
	s->call.done = on_written;
	pl_store_async_write_or_done(pl_app.store, &s->call);
}

static void
on_limit(void *arg, int64_t wait_ms)
{
	struct signup *s = arg;
	enum pl_err err;

	if (wait_ms == AUTH_LIMITS_LATE) {
		fail(s, PL_E_BUSY);
		return;
	}
	if (wait_ms > 0) {
		pl_log_warn_sampled("sign-up throttled", PL_L_REQUEST(s->rq),
		    PL_L_STR("address", pl_request_client_address(s->rq)),
		    PL_L_INT("wait_ms", wait_ms));
		pl_reply_retry(s->rq, PL_PROBLEM_TOO_MANY, wait_ms);
		auth_try_end(&s->try, AUTH_TRY_NEITHER);
		signup_free(s);
		return;
	}
	s->hash.password = s->form.password;
	s->hash.done = on_hashed;
	err = auth_hasher_submit(&s->hash);
	if (err != PL_OK)
		fail(s, err);
}

void
auth_signup_post(struct pl_request *rq)
{
	const struct pl_json *body = pl_request_json(rq);
	struct pl_signup form;
	struct pl_invalid why;
	struct signup *s;

	if (body == NULL)
		return;
	if (pl_signup_parse(
		body, (unsigned)pl_settings.password_min_length, &form, &why) != PL_OK) {
		pl_reply_invalid(rq, &why);
		return;
	}
	s = pl_mem_zalloc(sizeof(*s));
	s->rq = rq;
	s->form = form;
	if (auth_try_begin(&s->try, rq, PL_STR_NONE, on_limit, s) != PL_OK) {
		pl_reply_problem(rq, PL_PROBLEM_BUSY);
		signup_free(s);
	}
}
