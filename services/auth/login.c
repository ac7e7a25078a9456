/*
 * POST /api/auth/login: the limits, the user, the hash. A name that nobody has takes the
 * same way as a wrong password. Both get the same answer, at the end of a period in which
 * the slowest check fits (even_time.h).
 */
#include "even_time.h"
#include "password.h"
#include "base/log.h"
#include "base/mem.h"
#include "handlers.h"
#include "hasher.h"
#include "login_limits.h"
#include "http/reply.h"
#include "http/service.h"

struct login {
	struct pl_request *rq; /* holds the bytes of form */
	struct pl_login form;
	struct auth_try try;
	struct pl_store_read_call lookup;
	struct pl_user user;
	struct auth_hash hash;
	int64_t began_mono_ms; /* when the limits had let it in */
	struct pl_timer refusal;
	struct pl_store_write_call rehash;
};

static void
login_free(struct login *l)
{
	pl_mem_free(l->hash.fresh);
	pl_user_fini(&l->user);
	pl_mem_free(l);
}

static void
fail(struct login *l, enum pl_err err)
{
	pl_reply_err(l->rq, err);
	auth_try_end(&l->try, AUTH_TRY_NEITHER);
	login_free(l);
}

/* ---- a hash of an older kind ---- */

static void
on_rehashed(struct pl_store_write_call *call)
{
	struct login *l = PL_CONTAINER(call, struct login, rehash);

	if (call->write.err != PL_OK)
		pl_log_warn_sampled(
		    "password was not hashed anew, the next login will try again",
		    PL_L_OID("user", &l->user.id), PL_L_ERR(call->write.err));
	login_free(l);
}

/* The user has the answer by now. */
static void
store_fresh_hash(struct login *l)
{
	l->rehash.write.kind = PL_WRITE_PASSWORD;
	l->rehash.write.u.password.user = l->user.id;
	l->rehash.write.u.password.old_hash = l->user.password_hash;
	l->rehash.write.u.password.new_hash = l->hash.fresh;
	l->rehash.done = on_rehashed;
	if (pl_store_async_write(pl_app.store, &l->rehash) != PL_OK)
		login_free(l);
}

/* ---- the verdict ---- */

/* The next login of this address starts only now: by its own time it would give away how
 * long this check took. */
static void
refuse(struct pl_timer *t)
{
	struct login *l = t->arg;

	pl_log_info("login failed", PL_L_REQUEST(l->rq),
	    PL_L_STR("address", pl_request_client_address(l->rq)));
	pl_reply_problem(l->rq, PL_PROBLEM_BAD_LOGIN);
	auth_try_end(&l->try, AUTH_TRY_WRONG);
	login_free(l);
}

static void
refuse_in_time(struct login *l)
{
	int64_t left_ms = even_time_left(
	    l->began_mono_ms, pl_loop_now_ms(pl_app.loop), password_period_ms());

	l->refusal.on_fire = refuse;
	l->refusal.arg = l;
	pl_timer_start(pl_app.loop, &l->refusal, left_ms);
}

/* Only who knows the password learns that there is such a user. */
static void
refuse_disabled(struct login *l)
{
	pl_log_info("login of a disabled user refused", PL_L_REQUEST(l->rq),
	    PL_L_OID("user", &l->user.id));
	pl_reply_problem(l->rq, PL_PROBLEM_DISABLED);
	auth_try_end(&l->try, AUTH_TRY_RIGHT);
	login_free(l);
}

static void
on_checked(struct auth_hash *h, enum pl_err err)
{
	struct login *l = PL_CONTAINER(h, struct login, hash);

	if (err != PL_OK) {
		fail(l, err);
		return;
	}
	if (!h->matches) {
		refuse_in_time(l);
		return;
	}
	if (l->user.is_disabled) {
		refuse_disabled(l);
		return;
	}
	pl_log_info("user logged in", PL_L_REQUEST(l->rq), PL_L_OID("user", &l->user.id));
	auth_try_end(&l->try, AUTH_TRY_RIGHT);
	auth_reply_login(l->rq, &l->user, auth_login_post);
	if (h->fresh != NULL)
		store_fresh_hash(l);
	else
		login_free(l);
}

/* ---- the user ---- */

static enum pl_err
lookup_run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct login *l = PL_CONTAINER(call, struct login, lookup);

	return pl_store_user_by_username(s, l->form.username, &l->user);
}

static void
lookup_done(struct pl_store_read_call *call)
{
	struct login *l = PL_CONTAINER(call, struct login, lookup);
	enum pl_err err = call->err;

	if (err == PL_OK || err == PL_E_NOT_FOUND) {
		l->hash.is_login = true;
		l->hash.password = l->form.password;
		l->hash.stored = err == PL_OK ? l->user.password_hash : NULL;
		l->hash.done = on_checked;
		err = auth_hasher_submit(&l->hash);
	}
	if (err != PL_OK)
		fail(l, err);
}

/* ---- the request ---- */

static void
on_limit(void *arg, int64_t wait_ms)
{
	struct login *l = arg;

	if (wait_ms == AUTH_LIMITS_LATE) {
		fail(l, PL_E_BUSY);
		return;
	}
	if (wait_ms > 0) {
		pl_log_warn_sampled("login throttled", PL_L_REQUEST(l->rq),
		    PL_L_STR("address", pl_request_client_address(l->rq)),
		    PL_L_INT("wait_ms", wait_ms));
		pl_reply_retry(l->rq, PL_PROBLEM_TOO_MANY, wait_ms);
		auth_try_end(&l->try, AUTH_TRY_NEITHER);
		login_free(l);
		return;
	}
	l->began_mono_ms = pl_loop_now_ms(pl_app.loop);
	l->lookup.run = lookup_run;
	l->lookup.done = lookup_done;
	pl_store_async_read_or_done(pl_app.store, &l->lookup);
}

void
auth_login_post(struct pl_request *rq)
{
	const struct pl_json *body = pl_request_json(rq);
	struct pl_login form;
	struct pl_invalid why;
	struct login *l;

	if (body == NULL)
		return;
	if (pl_login_parse(body, &form, &why) != PL_OK) {
		pl_reply_invalid(rq, &why);
		return;
	}
	l = pl_mem_zalloc(sizeof(*l));
	l->rq = rq;
	l->form = form;
	if (auth_try_begin(&l->try, rq, form.username, on_limit, l) != PL_OK) {
		pl_reply_problem(rq, PL_PROBLEM_BUSY);
		login_free(l);
	}
}
