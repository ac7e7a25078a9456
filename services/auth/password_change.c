/*
 * POST /api/auth/password: another password, for who knows the one of now. All other
 * sessions end, this one stays:
 *
 *   the user ──► the limits ──► is it right? ──► hash the new one ──► store it, if the old hash still stands
 *      ▲                                                                 │ another one: from the start
 *      └─────────────────────────────────────────────────────────────────┘
 *   ──► the list of sessions ──► revoke each but this one, and all that no list has
 *
 * A wrong password counts as a failed login of this account from this address, and is
 * 403: at a 401 a page takes its user for logged out. A session that is in no list itself
 * (its token is the MERN app's, or an older version's) cannot be told from those, and
 * goes on under a new cookie.
 */
#include "account.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "handlers.h"
#include "hasher.h"
#include "login_limits.h"
#include "http/reply.h"
#include "http/service.h"
#include "session/sessions.h"

#define TRIES 3 /* a login may store a fresh hash of the same password meanwhile */

/* One write for each revocation. */
struct ending {
	struct pl_store_write_call call;
	struct change *change;
};

struct change {
	struct pl_request *rq; /* holds the bytes of form */
	struct pl_password_change form;
	struct pl_limit_ask ask;
	struct auth_try try;
	bool is_trying; /* from auth_try_begin() to _end() */
	int tries;
	struct pl_store_read_call lookup;
	struct pl_user user;
	struct auth_hash hash;
	struct pl_store_write_call call;
	struct pl_session_list list;
	struct ending *endings;
	size_t waits; /* how many are not stored yet */
	enum pl_err err;
};

static void
change_free(struct change *c, enum auth_outcome outcome)
{
	if (c->is_trying)
		auth_try_end(&c->try, outcome);
	if (c->hash.fresh != NULL)
		pl_mem_wipe_free(c->hash.fresh, strlen(c->hash.fresh));
	pl_user_fini(&c->user);
	pl_mem_free(c->endings);
	pl_mem_free(c);
}

static void
fail(struct change *c, enum pl_err err)
{
	account_reply_err(c->rq, err);
	change_free(c, AUTH_TRY_NEITHER);
}

static void start_lookup(struct change *c);

/* ---- the other sessions ---- */

static void
finish(struct change *c)
{
	if (c->err != PL_OK) {
		/* The new password counts; the same request, with it as both, ends the
		 * others. */
		pl_log_warn("password was changed, not all other sessions were ended",
		    PL_L_REQUEST(c->rq), PL_L_OID("user", &c->user.id), PL_L_ERR(c->err));
		pl_reply_err(c->rq, c->err);
	} else if (c->rq->claims.is_listed) {
		auth_reply_user(c->rq, 200, &c->user);
	} else {
		auth_reply_session(c->rq, 200, &c->user);
	}
	change_free(c, AUTH_TRY_RIGHT);
}

static void
on_ended(struct pl_store_write_call *call)
{
	struct change *c = PL_CONTAINER(call, struct ending, call)->change;

	if (call->write.err == PL_OK)
		pl_sessions_revoked(pl_app.sessions, &call->write.u.revoke);
	else
		c->err = call->write.err;
	if (--c->waits == 0)
		finish(c);
}

static struct pl_revocation *
add_ending(struct change *c)
{
	struct ending *e = &c->endings[c->waits++];

	e->change = c;
	e->call.write.kind = PL_WRITE_REVOKE;
	e->call.done = on_ended;
	return &e->call.write.u.revoke;
}

static void
on_list(struct pl_store_read_call *call)
{
	struct change *c = PL_CONTAINER(call, struct change, lookup);
	const struct pl_jwt_claims *own = &c->rq->claims;
	size_t count;

	if (call->err != PL_OK) {
		c->err = call->err;
		finish(c);
		return;
	}
	c->endings = pl_mem_zalloc((c->list.count + 1) * sizeof(*c->endings));
	for (size_t i = 0; i < c->list.count; i++)
		if (memcmp(c->list.items[i].token_id, own->token_id, PL_JWT_ID_LEN) != 0)
			pl_session_list_revocation(
			    &c->list, &c->list.items[i], add_ending(c));
	pl_revocation_of_unlisted(
	    add_ending(c), &own->user, pl_clock_unix_ms() / 1000 + 1);
	count = c->waits; /* the last answer may free c, but never from within the call */
	for (size_t i = 0; i < count; i++)
		pl_store_async_write_or_done(pl_app.store, &c->endings[i].call);
}

static enum pl_err
list_run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct change *c = PL_CONTAINER(call, struct change, lookup);

	return pl_store_sessions_of(s, &c->user.id, &c->list);
}

/* ---- the password ---- */

static void
on_written(struct pl_store_write_call *call)
{
	struct change *c = PL_CONTAINER(call, struct change, call);
	enum pl_err err = call->write.err;

	if (err == PL_E_CONFLICT && ++c->tries < TRIES) {
		start_lookup(c);
		return;
	}
	if (err != PL_OK) {
		fail(c, err == PL_E_CONFLICT ? PL_E_BUSY : err);
		return;
	}
	pl_log_info("user changed their password", PL_L_REQUEST(c->rq),
	    PL_L_OID("user", &c->user.id));
	c->lookup.run = list_run;
	c->lookup.done = on_list;
	pl_store_async_read_or_done(pl_app.store, &c->lookup);
}

static void
on_hashed(struct auth_hash *h, enum pl_err err)
{
	struct change *c = PL_CONTAINER(h, struct change, hash);
	struct pl_write *w = &c->call.write;

	if (err == PL_OK && h->fresh == NULL)
		err = PL_E_UNAVAILABLE; /* no memory to hash in */
	if (err != PL_OK) {
		fail(c, err);
		return;
	}
	w->kind = PL_WRITE_PASSWORD;
	w->u.password.user = c->user.id;
	w->u.password.old_hash = c->user.password_hash;
	w->u.password.new_hash = h->fresh;
	c->call.done = on_written;
	pl_store_async_write_or_done(pl_app.store, &c->call);
}

static void
submit(struct change *c, bool is_login, struct pl_str password,
    void (*done)(struct auth_hash *h, enum pl_err err))
{
	enum pl_err err;

	pl_mem_free(c->hash.fresh);
	c->hash.fresh = NULL;
	c->hash.is_login = is_login;
	c->hash.password = password;
	c->hash.stored = c->user.password_hash;
	c->hash.done = done;
	err = auth_hasher_submit(&c->hash);
	if (err != PL_OK)
		fail(c, err);
}

static void
on_checked(struct auth_hash *h, enum pl_err err)
{
	struct change *c = PL_CONTAINER(h, struct change, hash);

	if (err != PL_OK) {
		fail(c, err);
		return;
	}
	if (!h->matches) {
		pl_log_info("password was not changed, the old one was wrong",
		    PL_L_REQUEST(c->rq), PL_L_OID("user", &c->user.id));
		pl_reply_problem(c->rq, PL_PROBLEM_BAD_PASSWORD);
		change_free(c, AUTH_TRY_WRONG);
		return;
	}
	submit(c, false, c->form.new_password, on_hashed);
}

/* ---- the limits ---- */

static void
on_login_limit(void *arg, int64_t wait_ms)
{
	struct change *c = arg;

	if (wait_ms == AUTH_LIMITS_LATE) {
		fail(c, PL_E_BUSY);
	} else if (wait_ms > 0) {
		pl_reply_retry(c->rq, PL_PROBLEM_TOO_MANY, wait_ms);
		change_free(c, AUTH_TRY_NEITHER);
	} else {
		submit(c, true, c->form.password, on_checked);
	}
}

static void
begin_try(struct change *c)
{
	c->is_trying = true;
	if (auth_try_begin(&c->try, c->rq, pl_str(c->user.username), on_login_limit, c) ==
	    PL_OK)
		return;
	c->is_trying = false;
	fail(c, PL_E_BUSY);
}

static enum pl_err
lookup_run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct change *c = PL_CONTAINER(call, struct change, lookup);

	return pl_store_user_by_id(s, &c->rq->claims.user, &c->user);
}

static void
on_found(struct pl_store_read_call *call)
{
	struct change *c = PL_CONTAINER(call, struct change, lookup);
	struct pl_invalid why;

	if (call->err != PL_OK) {
		fail(c, call->err);
	} else if (c->is_trying) {
		submit(c, true, c->form.password, on_checked);
	} else if (pl_password_change_suits(&c->form, pl_str(c->user.username), &why) !=
		   PL_OK) {
		pl_reply_invalid(c->rq, &why);
		change_free(c, AUTH_TRY_NEITHER);
	} else {
		begin_try(c);
	}
}

static void
start_lookup(struct change *c)
{
	pl_user_fini(&c->user);
	c->lookup.run = lookup_run;
	c->lookup.done = on_found;
	pl_store_async_read_or_done(pl_app.store, &c->lookup);
}

/* ---- the request ---- */

static void
on_limit(void *arg, int64_t wait_ms)
{
	struct change *c = arg;

	if (wait_ms > 0) {
		pl_reply_retry(c->rq, PL_PROBLEM_TOO_MANY, wait_ms);
		change_free(c, AUTH_TRY_NEITHER);
		return;
	}
	start_lookup(c);
}

void
auth_password_post(struct pl_request *rq)
{
	const struct pl_json *body = pl_request_json(rq);
	struct pl_password_change form;
	struct pl_invalid why;
	struct change *c;

	if (body == NULL)
		return;
	if (pl_password_change_parse(
		body, (unsigned)pl_settings.password_min_length, &form, &why) != PL_OK) {
		pl_reply_invalid(rq, &why);
		return;
	}
	c = pl_mem_zalloc(sizeof(*c));
	c->rq = rq;
	c->form = form;
	c->ask.on_answer = on_limit;
	c->ask.arg = c;
	account_take(ACCOUNT_PROFILE, rq, &c->ask);
}
