/*
 * POST /api/auth/signup: the form, the limit, the invite (SIGNUP=invite), the hash, the
 * store. The cookie is set once the user is stored.
 *
 * A code is looked at before the password is hashed, so that guessing one costs us
 * little; the store looks again when it stores the user, and uses it up. Each guess
 * counts as a sign-up.
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
	struct pl_str invite; /* as it came; empty: none is needed */
	uint8_t code_id[PL_INVITE_ID_LEN];
	struct pl_store_read_call look;
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
refuse(struct signup *s, enum pl_problem problem)
{
	pl_reply_problem(s->rq, problem);
	auth_try_end(&s->try, AUTH_TRY_NEITHER);
	signup_free(s);
}

/* ---- the user ---- */

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
	case PL_E_NOT_FOUND: /* somebody else has used it up meanwhile */
		pl_reply_problem(s->rq, PL_PROBLEM_INVITE_NEEDED);
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
	if (s->invite.len > 0) {
		s->call.write.kind = PL_WRITE_INVITED;
		s->call.write.u.invited.user = &s->user;
		memcpy(s->call.write.u.invited.code_id, s->code_id, PL_INVITE_ID_LEN);
	} else {
		s->call.write.kind = PL_WRITE_USER;
		s->call.write.u.user = &s->user;
	}
	s->call.done = on_written;
	pl_store_async_write_or_done(pl_app.store, &s->call);
}

static void
hash(struct signup *s)
{
	enum pl_err err;

	s->hash.password = s->form.password;
	s->hash.done = on_hashed;
	err = auth_hasher_submit(&s->hash);
	if (err != PL_OK)
		fail(s, err);
}

/* ---- the invite ---- */

static enum pl_err
look_run(struct pl_store_read_call *call, struct pl_store *store)
{
	return pl_store_invite_look(
	    store, PL_CONTAINER(call, struct signup, look)->code_id);
}

static void
look_done(struct pl_store_read_call *call)
{
	struct signup *s = PL_CONTAINER(call, struct signup, look);

	if (call->err == PL_OK)
		hash(s);
	else if (call->err == PL_E_NOT_FOUND)
		refuse(s, PL_PROBLEM_INVITE_NEEDED);
	else
		fail(s, call->err);
}

static void
look_at_invite(struct signup *s)
{
	if (!pl_invite_id(s->invite, s->code_id)) {
		refuse(s, PL_PROBLEM_INVITE_NEEDED);
		return;
	}
	s->look.run = look_run;
	s->look.done = look_done;
	pl_store_async_read_or_done(pl_app.store, &s->look);
}

/* ---- the request ---- */

static void
on_limit(void *arg, int64_t wait_ms)
{
	struct signup *s = arg;

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
	if (s->invite.len > 0)
		look_at_invite(s);
	else
		hash(s);
}

/* False: the request is answered. *invite is empty if none is needed. */
static bool
check_mode(struct pl_request *rq, const struct pl_json *body, struct pl_str *invite)
{
	struct pl_invalid why;

	*invite = PL_STR_NONE;
	if (pl_settings.signup != PL_SIGNUP_INVITE)
		return true;
	if (pl_signup_invite_parse(body, invite, &why) != PL_OK) {
		pl_reply_invalid(rq, &why);
		return false;
	}
	if (invite->len == 0) {
		pl_reply_problem(rq, PL_PROBLEM_INVITE_NEEDED);
		return false;
	}
	return true;
}

void
auth_signup_post(struct pl_request *rq)
{
	const struct pl_json *body = pl_request_json(rq);
	struct pl_signup form;
	struct pl_invalid why;
	struct pl_str invite;
	struct signup *s;

	if (body == NULL)
		return;
	if (pl_settings.signup == PL_SIGNUP_CLOSED) {
		pl_reply_problem(rq, PL_PROBLEM_SIGNUP_CLOSED);
		return;
	}
	if (pl_signup_parse(
		body, (unsigned)pl_settings.password_min_length, &form, &why) != PL_OK) {
		pl_reply_invalid(rq, &why);
		return;
	}
	if (!check_mode(rq, body, &invite))
		return;
	s = pl_mem_zalloc(sizeof(*s));
	s->rq = rq;
	s->form = form;
	s->invite = invite;
	if (auth_try_begin(&s->try, rq, PL_STR_NONE, on_limit, s) != PL_OK) {
		pl_reply_problem(rq, PL_PROBLEM_BUSY);
		signup_free(s);
	}
}
