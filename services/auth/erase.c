/*
 * DELETE /api/auth/me {"password"}: the caller is gone. Their password is checked as at a
 * log-in, and a wrong one counts like a wrong log-in. The store takes the user away and
 * notes that what they wrote has to go (store/store_erase.h); all their tokens are
 * refused from then on, and their sockets end. A person may have written very many
 * messages: their correspondents' sockets are told that they are gone, and of the newest
 * messages alone (presence/erased.h).
 */
#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bus/events.h"
#include "cookie.h"
#include "handlers.h"
#include "hasher.h"
#include "login_limits.h"
#include "http/reply.h"
#include "http/service.h"
#include "session/sessions.h"
#include "store/store_erase.h"

#define TRIES 3 /* if the password is changed, or hashed anew, meanwhile */

struct erase {
	struct pl_request *rq; /* holds the bytes of password */
	int tries;
	struct pl_str password;
	struct pl_store_read_call lookup;
	struct pl_user user;
	struct auth_try try;
	bool is_trying; /* from auth_try_begin() to _end() */
	struct auth_hash hash;
	struct pl_store_write_call call;
};

static void
erase_free(struct erase *e, enum auth_outcome outcome)
{
	if (e->is_trying)
		auth_try_end(&e->try, outcome);
	pl_mem_free(e->hash.fresh);
	pl_user_fini(&e->user);
	pl_mem_free(e);
}

static void
fail(struct erase *e, enum pl_err err)
{
	pl_reply_err(e->rq, err);
	erase_free(e, AUTH_TRY_NEITHER);
}

/* ---- who is told ---------------------------------------------------------------------- */

struct telling {
	struct pl_task task;
	struct pl_revocation r; /* its user alone if is_erased */
	bool is_erased;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool has_loop; /* guarded by lock */

static void
set_has_loop(bool is)
{
	pthread_mutex_lock(&lock);
	has_loop = is;
	pthread_mutex_unlock(&lock);
}

static bool
get_has_loop(void)
{
	bool is;

	pthread_mutex_lock(&lock);
	is = has_loop;
	pthread_mutex_unlock(&lock);
	return is;
}

void
auth_erase_start(void)
{
	set_has_loop(true);
}

void
auth_erase_stop(void)
{
	set_has_loop(false);
}

static void
tell(const struct pl_revocation *r)
{
	pl_sessions_revoked(pl_app.sessions, r);
	pl_sessions_user_is_gone(pl_app.sessions, &r->user);
	pl_online_logged_out(pl_app.online, &r->user);
}

static void
tell_erased(const struct pl_oid *user)
{
	struct pl_buf event;

	pl_buf_init(&event, PL_BUF_UNLIMITED);
	pl_event_user_deleted(&event, user);
	pl_bus_publish(pl_app.bus, PL_STR(PL_CHANNEL_ALL), pl_buf_str(&event), NULL);
	pl_buf_fini(&event);
}

/* The loop still turns when the sessions are freed already. */
static void
run_telling(struct pl_task *t)
{
	struct telling *telling = PL_CONTAINER(t, struct telling, task);
	bool is_late = !get_has_loop();

	if (!is_late && telling->is_erased)
		tell_erased(&telling->r.user);
	else if (!is_late)
		tell(&telling->r);
	pl_mem_free(telling);
}

static void
post(struct telling *telling)
{
	telling->task.run = run_telling;
	pthread_mutex_lock(&lock);
	if (has_loop)
		pl_loop_post(pl_app.loop, &telling->task);
	else
		pl_mem_free(telling);
	pthread_mutex_unlock(&lock);
}

/* What is told too late, for the process ends, the next one reads in the store. */
void
auth_erasing(const struct pl_revocation *r)
{
	struct telling *telling = pl_mem_zalloc(sizeof(*telling));

	telling->r = *r;
	post(telling);
}

void
auth_erased(const struct pl_oid *user)
{
	struct telling *telling = pl_mem_zalloc(sizeof(*telling));

	telling->r.user = *user;
	telling->is_erased = true;
	post(telling);
}

/* ---- the store ------------------------------------------------------------------------ */

static void start_lookup(struct erase *e);

static void
reply_erased(struct erase *e)
{
	const struct pl_revocation *r = &e->call.write.u.erase.revocation;

	tell(r);
	pl_store_erase_wake();
	pl_log_info("user was erased, what they wrote follows", PL_L_REQUEST(e->rq),
	    PL_L_OID("user", &r->user));
	auth_cookie_clear(e->rq);
	pl_reply_json(e->rq, 200, PL_STR("{\"success\":true}"));
}

static void
on_erased(struct pl_store_write_call *call)
{
	struct erase *e = PL_CONTAINER(call, struct erase, call);
	enum pl_err err = call->write.err;

	if (err == PL_E_CONFLICT && ++e->tries < TRIES) {
		start_lookup(e);
		return;
	}
	if (err == PL_OK)
		reply_erased(e);
	else if (err == PL_E_NOT_FOUND)
		pl_reply_problem(e->rq, PL_PROBLEM_BAD_TOKEN);
	else
		pl_reply_err(e->rq, err == PL_E_CONFLICT ? PL_E_BUSY : err);
	erase_free(e, AUTH_TRY_RIGHT);
}

static void
write_note(struct erase *e)
{
	struct pl_write_erase *w = &e->call.write.u.erase;
	int64_t last = pl_clock_unix_ms() / 1000;

	/* A token may be from the next second (session.c). */
	if (e->rq->claims.issued_unix_s > last)
		last = e->rq->claims.issued_unix_s;
	e->call.write.kind = PL_WRITE_ERASE;
	w->user = e->user.id;
	w->password_hash = e->user.password_hash;
	pl_revocation_of_all(&w->revocation, &e->user.id, last + 2);
	e->call.done = on_erased;
	pl_store_async_write_or_done(pl_app.store, &e->call);
}

/* ---- the password --------------------------------------------------------------------- */

static void
on_checked(struct auth_hash *h, enum pl_err err)
{
	struct erase *e = PL_CONTAINER(h, struct erase, hash);

	if (err != PL_OK) {
		fail(e, err);
		return;
	}
	if (h->matches) {
		write_note(e);
		return;
	}
	pl_log_info("erasure was refused, the password is wrong", PL_L_REQUEST(e->rq),
	    PL_L_OID("user", &e->user.id));
	pl_reply_problem(e->rq, PL_PROBLEM_BAD_PASSWORD);
	erase_free(e, AUTH_TRY_WRONG);
}

static void
check_password(struct erase *e)
{
	enum pl_err err;

	pl_mem_free(e->hash.fresh);
	e->hash = (struct auth_hash){.is_login = true,
	    .password = e->password,
	    .stored = e->user.password_hash,
	    .done = on_checked};
	err = auth_hasher_submit(&e->hash);
	if (err != PL_OK)
		fail(e, err);
}

static void
on_limit(void *arg, int64_t wait_ms)
{
	struct erase *e = arg;

	e->is_trying = true;
	if (wait_ms > 0) {
		pl_reply_retry(e->rq, PL_PROBLEM_TOO_MANY, wait_ms);
		erase_free(e, AUTH_TRY_NEITHER);
	} else if (wait_ms == AUTH_LIMITS_LATE) {
		fail(e, PL_E_BUSY);
	} else {
		check_password(e);
	}
}

/* ---- the user ------------------------------------------------------------------------- */

static enum pl_err
lookup_run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct erase *e = PL_CONTAINER(call, struct erase, lookup);

	return pl_store_user_by_id(s, &e->rq->claims.user, &e->user);
}

static void
lookup_done(struct pl_store_read_call *call)
{
	struct erase *e = PL_CONTAINER(call, struct erase, lookup);
	enum pl_err err = call->err;

	if (err == PL_OK && e->is_trying) {
		check_password(e);
		return;
	}
	if (err == PL_OK)
		err =
		    auth_try_begin(&e->try, e->rq, pl_str(e->user.username), on_limit, e);
	if (err == PL_OK)
		return;
	if (err == PL_E_NOT_FOUND)
		pl_reply_problem(e->rq, PL_PROBLEM_BAD_TOKEN);
	else
		pl_reply_err(e->rq, err);
	erase_free(e, AUTH_TRY_NEITHER);
}

static void
start_lookup(struct erase *e)
{
	pl_user_fini(&e->user);
	e->lookup.run = lookup_run;
	e->lookup.done = lookup_done;
	pl_store_async_read_or_done(pl_app.store, &e->lookup);
}

void
auth_me_delete(struct pl_request *rq)
{
	const struct pl_json *body = pl_request_json(rq);
	struct pl_invalid why;
	struct pl_str password;
	struct erase *e;

	if (body == NULL)
		return;
	if (pl_password_parse(body, &password, &why) != PL_OK) {
		pl_reply_invalid(rq, &why);
		return;
	}
	e = pl_mem_zalloc(sizeof(*e));
	e->rq = rq;
	e->password = password;
	start_lookup(e);
}
