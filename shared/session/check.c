#include "session/sessions_impl.h"

#include "base/clock.h"
#include "base/mem.h"

#define USER_KNOWN_MS 5000 /* how long it is remembered that a user exists */

/* A user that exists, or is being looked up. */
struct known_user {
	struct pl_oid id;
	int64_t until_mono_ms;
	struct lookup *lookup; /* NULL: none under way */
};

struct check {
	struct pl_list link;
	struct pl_jwt_claims claims;
	void (*on_verdict)(void *arg, enum pl_session_verdict verdict,
	    const struct pl_jwt_claims *claims);
	void *arg;
};

struct lookup {
	struct pl_store_read_call call;
	struct pl_sessions *ss;
	struct pl_oid user;
	struct pl_list checks;        /* wait for it */
	struct pl_session_list *list; /* NULL: it is not read */
};

/* ---- is there such a user ---- */

static enum pl_err
lookup_run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct lookup *l = PL_CONTAINER(call, struct lookup, call);
	struct pl_user user;
	enum pl_err err = pl_store_user_by_id(s, &l->user, &user);

	if (err == PL_OK) {
		if (user.is_disabled) /* whose revocation was not stored yet, or not told */
			err = PL_E_NOT_FOUND;
		pl_user_fini(&user);
	}
	if (err == PL_OK && l->list != NULL)
		err = pl_store_sessions_of(s, &l->user, l->list);
	return err;
}

static enum pl_session_verdict
verdict_of(const struct pl_sessions *ss, const struct check *check, enum pl_err err)
{
	if (err == PL_E_NOT_FOUND || pl_sessions_refuse(ss, &check->claims))
		return PL_SESSION_BAD_TOKEN;
	if (err != PL_OK)
		return PL_SESSION_UNKNOWN;
	return pl_sessions_judge_use(ss, &check->claims) == PL_LAST_USE_GOOD
		   ? PL_SESSION_OK
		   : PL_SESSION_EXPIRED;
}

static void
check_end(struct pl_sessions *ss, struct check *check, enum pl_session_verdict verdict)
{
	if (verdict == PL_SESSION_OK)
		pl_sessions_used(ss, &check->claims);
	check->on_verdict(
	    check->arg, verdict, verdict == PL_SESSION_OK ? &check->claims : NULL);
	pl_mem_free(check);
}

static void ask_store(struct pl_sessions *ss, struct check *check);

static void
lookup_end(struct lookup *l, enum pl_err err)
{
	struct pl_list *link;

	while ((link = pl_list_pop(&l->checks)) != NULL) {
		struct check *check = PL_CONTAINER(link, struct check, link);

		if (err == PL_OK && l->list != NULL && check->claims.is_listed)
			pl_last_use_learn(&l->ss->last_use, &check->claims, l->list,
			    pl_loop_now_ms(l->ss->loop));
		if (err == PL_OK && l->list == NULL &&
		    pl_sessions_judge_use(l->ss, &check->claims) == PL_LAST_USE_ASK)
			ask_store(l->ss, check);
		else
			check_end(l->ss, check, verdict_of(l->ss, check, err));
	}
	pl_mem_free(l->list);
	pl_mem_free(l);
}

static void
lookup_done(struct pl_store_read_call *call)
{
	struct lookup *l = PL_CONTAINER(call, struct lookup, call);
	struct pl_sessions *ss = l->ss;
	struct known_user *u = pl_map_get(&ss->users, pl_oid_str(&l->user));

	u->lookup = NULL;
	if (call->err == PL_OK) {
		u->until_mono_ms = pl_loop_now_ms(ss->loop) + USER_KNOWN_MS;
	} else {
		pl_map_del(&ss->users, pl_oid_str(&u->id));
		pl_mem_free(u);
	}
	lookup_end(l, call->err);
}

static struct known_user *
user_entry(struct pl_sessions *ss, const struct pl_oid *id)
{
	struct known_user *u = pl_map_get(&ss->users, pl_oid_str(id));

	if (u == NULL) {
		u = pl_mem_zalloc(sizeof(*u));
		u->id = *id;
		u->until_mono_ms = INT64_MIN;
		pl_map_put(&ss->users, pl_oid_str(&u->id), u);
	}
	return u;
}

/* Let check wait for the answer of the store. It may come before this returns: whether
 * there is such a user is one row, which is read at once. A full queue is an answer, too. */
static void
ask_store(struct pl_sessions *ss, struct check *check)
{
	struct known_user *u = user_entry(ss, &check->claims.user);
	struct lookup *l = u->lookup;

	if (l != NULL) {
		pl_list_push(&l->checks, &check->link);
		return;
	}
	u->lookup = l = pl_mem_zalloc(sizeof(*l));
	l->ss = ss;
	l->user = u->id;
	if (pl_sessions_judge_use(ss, &check->claims) == PL_LAST_USE_ASK)
		l->list = pl_mem_zalloc(sizeof(*l->list));
	l->call.run = lookup_run;
	l->call.done = lookup_done;
	pl_list_init(&l->checks);
	pl_list_push(&l->checks, &check->link);
	if (l->list == NULL)
		pl_store_async_read_now_or_done(ss->store, &l->call);
	else
		pl_store_async_read_or_done(ss->store, &l->call);
}

void
pl_sessions_users_forget(struct pl_sessions *ss)
{
	int64_t now = pl_loop_now_ms(ss->loop);
	struct known_user *u;

	for (size_t it = 0; (u = pl_map_next(&ss->users, &it)) != NULL;) {
		if (u->lookup != NULL || u->until_mono_ms > now)
			continue;
		pl_map_del(&ss->users, pl_oid_str(&u->id));
		pl_mem_free(u);
	}
}

void
pl_sessions_users_fini(struct pl_sessions *ss)
{
	struct known_user *u;

	for (size_t it = 0; (u = pl_map_next(&ss->users, &it)) != NULL;)
		pl_mem_free(u);
	pl_map_fini(&ss->users);
}

void
pl_sessions_user_is_gone(struct pl_sessions *ss, const struct pl_oid *user)
{
	struct known_user *u = pl_map_get(&ss->users, pl_oid_str(user));

	if (u != NULL)
		u->until_mono_ms = INT64_MIN;
}

/* ---- the check ---- */

void
pl_sessions_check_claims(struct pl_sessions *ss, const struct pl_jwt_claims *claims,
    pl_verdict_fn *on_verdict, void *arg)
{
	enum pl_last_use_verdict use = pl_sessions_judge_use(ss, claims);
	struct known_user *u;
	struct check *check;

	if (pl_sessions_refuse(ss, claims)) {
		on_verdict(arg, PL_SESSION_BAD_TOKEN, NULL);
		return;
	}
	if (!pl_sessions_know_revocations(ss) ||
	    (claims->is_of_previous && pl_sessions_needs_switch(ss))) {
		on_verdict(arg, PL_SESSION_UNKNOWN, NULL);
		return;
	}
	if (use == PL_LAST_USE_OVER) {
		on_verdict(arg, PL_SESSION_EXPIRED, NULL);
		return;
	}
	u = user_entry(ss, &claims->user);
	if (use == PL_LAST_USE_GOOD && u->until_mono_ms > pl_loop_now_ms(ss->loop)) {
		pl_sessions_used(ss, claims);
		on_verdict(arg, PL_SESSION_OK, claims);
		return;
	}
	check = pl_mem_zalloc(sizeof(*check));
	*check = (struct check){.claims = *claims, .on_verdict = on_verdict, .arg = arg};
	ask_store(ss, check);
}

struct pl_known_tokens *
pl_sessions_known_tokens(struct pl_sessions *ss)
{
	return ss->known;
}

void
pl_sessions_check(
    struct pl_sessions *ss, struct pl_str token, pl_verdict_fn *on_verdict, void *arg)
{
	struct pl_jwt_claims claims;
	enum pl_err err =
	    pl_known_tokens_verify(ss->known, token, pl_clock_unix_ms() / 1000, &claims);

	if (err == PL_OK)
		pl_sessions_check_claims(ss, &claims, on_verdict, arg);
	else
		on_verdict(arg,
		    err == PL_E_TIMEOUT ? PL_SESSION_EXPIRED : PL_SESSION_BAD_TOKEN,
		    NULL);
}
