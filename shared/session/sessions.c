#include "session/sessions.h"

#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "ops/settings.h"
#include "session/last_use.h"
#include "session/revoked.h"

#define TICK_MS       1000
#define USER_KNOWN_MS 5000 /* how long it is remembered that a user exists */
/* Without the bus, revocations are known as of the last read; if that is older than this,
 * no token is good. */
#define STALE_MS   3000
#define LEEWAY_S   (2 * PL_JWT_LEEWAY_S) /* more than an expired token gets */
#define OVERLAP_MS 60000 /* clocks differ, and a commit comes after its time stamp */

_Static_assert(STALE_MS >= 3 * TICK_MS, "one read that fails locks nobody out");

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

/* A call that tells the store of a session's use. It outlives its pl_sessions. */
struct telling {
	struct pl_list link; /* in pl_sessions */
	struct pl_store_write_call call;
	struct pl_sessions *ss; /* NULL: gone */
};

/* The read of revocations, one at a time. */
struct reading {
	struct pl_store_read_call call;
	struct pl_revocation_list list;
	int64_t since_unix_ms;
	int64_t begun_unix_ms;
	int64_t begun_mono_ms;
	uint64_t begun_clock; /* of revoked */
	bool is_under_way;
	bool is_wanted; /* again, once this one is done */
	bool
	    is_behind_bus; /* begun after the bus was ready: nothing lies between the two */
};

/* A call that asks the store when the secrets were switched. It outlives its pl_sessions. */
struct switching {
	struct pl_store_write_call call;
	struct pl_sessions *ss; /* NULL: gone */
};

struct pl_sessions {
	struct pl_loop *loop;
	struct pl_store_async *store;
	struct pl_bus *bus;
	struct pl_bus_listener listener;
	struct pl_timer tick;
	struct pl_known_tokens *known;
	struct pl_revoked revoked;
	struct pl_map users;
	struct pl_last_use last_use;
	struct pl_list tellings;
	struct reading reading;
	struct switching *switching; /* NULL: none under way */
	bool switch_is_known;
	int64_t switched_unix_s;
	int64_t read_to_unix_ms;    /* 0: never yet */
	int64_t current_at_mono_ms; /* as of when all revocations were known */
	bool bus_is_ready;
	bool bus_tells_all; /* ready, and what came before was read */
	void (*on_revoked)(void *arg, const struct pl_revocation *r);
	void *on_revoked_arg;
};

static int64_t
unix_now_s(void)
{
	return pl_clock_unix_ms() / 1000;
}

/* ---- the revoked ---- */

static void start_reading(struct pl_sessions *ss);

static void
remember_revoked(struct pl_sessions *ss, const struct pl_revocation *r)
{
	if (pl_revocation_is_of_key(r))
		return; /* of no token in particular */
	if (pl_revoked_add(&ss->revoked, r) && ss->on_revoked != NULL)
		ss->on_revoked(ss->on_revoked_arg, r);
	if (pl_revoked_is_crowded(&ss->revoked))
		start_reading(ss); /* the store has merged some of them */
}

static void
remember_read(struct pl_sessions *ss, const struct reading *r)
{
	bool *is_new = pl_mem_alloc((r->list.list_count + 1) * sizeof(*is_new));

	for (size_t i = 0; i < r->list.list_count; i++)
		is_new[i] =
		    pl_revoked_merge(&ss->revoked, &r->list.lists[i], r->begun_clock);
	for (size_t i = 0; i < r->list.count; i++)
		remember_revoked(ss, &r->list.items[i]);
	for (size_t i = 0; i < r->list.list_count; i++) {
		struct pl_revocation some = {.user = r->list.lists[i].user};

		pl_revoked_settle(&ss->revoked, &some.user);
		if (is_new[i] && ss->on_revoked != NULL)
			ss->on_revoked(ss->on_revoked_arg, &some);
	}
	pl_mem_free(is_new);
}

static enum pl_err
reading_run(struct pl_store_read_call *call, struct pl_store *s)
{
	struct reading *r = PL_CONTAINER(call, struct reading, call);

	return pl_store_revocations_since(s, r->since_unix_ms, &r->list);
}

static void
reading_done(struct pl_store_read_call *call)
{
	struct reading *r = PL_CONTAINER(call, struct reading, call);
	struct pl_sessions *ss = PL_CONTAINER(r, struct pl_sessions, reading);

	if (call->err == PL_OK) {
		remember_read(ss, r); /* one that is wanted meanwhile waits for its end */
		pl_revocation_list_fini(&r->list);
		ss->read_to_unix_ms = r->begun_unix_ms;
		ss->current_at_mono_ms = r->begun_mono_ms;
		if (r->is_behind_bus && ss->bus_is_ready)
			ss->bus_tells_all = true;
	}
	r->is_under_way = false;
	if (r->is_wanted)
		start_reading(ss);
}

static void
start_reading(struct pl_sessions *ss)
{
	struct reading *r = &ss->reading;

	r->is_wanted = r->is_under_way;
	if (r->is_under_way)
		return;
	r->call = (struct pl_store_read_call){.run = reading_run, .done = reading_done};
	r->list = (struct pl_revocation_list){0};
	r->since_unix_ms = ss->read_to_unix_ms > 0 ? ss->read_to_unix_ms - OVERLAP_MS : 0;
	r->begun_unix_ms = pl_clock_unix_ms();
	r->begun_mono_ms = pl_loop_now_ms(ss->loop);
	r->begun_clock = ss->revoked.clock;
	r->is_behind_bus = ss->bus_is_ready;
	/* If the queue is full, the tick tries again. */
	r->is_under_way = pl_store_async_read(ss->store, &r->call) == PL_OK;
}

/* ---- the switch of secrets ---- */

static void
switching_done(struct pl_store_write_call *call)
{
	struct switching *sw = PL_CONTAINER(call, struct switching, call);
	struct pl_sessions *ss = sw->ss;

	if (ss != NULL) {
		ss->switching = NULL;
		ss->switch_is_known = call->write.err == PL_OK;
		ss->switched_unix_s = call->write.u.key.switched_unix_ms / 1000;
	}
	pl_mem_free(sw);
}

/* Until the store has answered once. */
static void
ask_for_switch(struct pl_sessions *ss)
{
	struct switching *sw;
	struct pl_write *w;

	if (ss->switch_is_known || ss->switching != NULL)
		return;
	sw = pl_mem_zalloc(sizeof(*sw));
	sw->ss = ss;
	sw->call.done = switching_done;
	w = &sw->call.write;
	w->kind = PL_WRITE_SWITCH;
	snprintf(w->u.key.current, sizeof(w->u.key.current), "%s", pl_jwt_key_id());
	snprintf(
	    w->u.key.previous, sizeof(w->u.key.previous), "%s", pl_jwt_previous_key_id());
	ss->switching = sw;
	if (pl_store_async_write(ss->store, &sw->call) == PL_OK)
		return;
	ss->switching = NULL; /* its queue is full: the tick tries again */
	pl_mem_free(sw);
}

static bool
is_refused(const struct pl_sessions *ss, const struct pl_jwt_claims *claims)
{
	return pl_revoked_has(&ss->revoked, claims) ||
	       (claims->is_of_previous && ss->switch_is_known &&
		   !pl_jwt_is_from_before(claims, ss->switched_unix_s));
}

static bool
needs_switch(const struct pl_sessions *ss)
{
	return !ss->switch_is_known && pl_jwt_previous_key_id()[0] != '\0';
}

static bool
revocations_are_current(const struct pl_sessions *ss)
{
	return ss->bus_tells_all ||
	       (ss->read_to_unix_ms > 0 &&
		   pl_loop_now_ms(ss->loop) - ss->current_at_mono_ms < STALE_MS);
}

/* ---- the bus ---- */

static void
on_message(void *arg, struct pl_str channel, struct pl_str payload)
{
	struct pl_revocation r;

	(void)channel;
	if (pl_event_revoked_parse(payload, &r))
		remember_revoked(arg, &r);
}

static void
on_ready(void *arg, bool is_again)
{
	struct pl_sessions *ss = arg;

	(void)is_again;
	ss->bus_is_ready = true;
	ss->bus_tells_all = false;
	start_reading(ss);
}

static void
forget_users(struct pl_sessions *ss)
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

static void
on_tick(struct pl_timer *t)
{
	struct pl_sessions *ss = t->arg;

	if (!pl_bus_is_up(ss->bus))
		ss->bus_is_ready = ss->bus_tells_all = false;
	/* What the bus has told stays true when it goes away: the read that follows has
	 * some time. */
	if (ss->bus_tells_all)
		ss->current_at_mono_ms = pl_loop_now_ms(ss->loop);
	else
		start_reading(ss);
	ask_for_switch(ss);
	forget_users(ss);
	pl_last_use_forget(&ss->last_use, pl_loop_now_ms(ss->loop));
	pl_revoked_forget(&ss->revoked, unix_now_s() - LEEWAY_S);
	pl_timer_start(ss->loop, t, TICK_MS);
}

void
pl_sessions_revoked(struct pl_sessions *ss, const struct pl_revocation *r)
{
	struct pl_buf payload;

	remember_revoked(ss, r);
	pl_buf_init(&payload, 4096);
	pl_event_revoked_write(&payload, r);
	pl_bus_publish(ss->bus, PL_STR(PL_CHANNEL_REVOKED), pl_buf_str(&payload), NULL);
	pl_buf_fini(&payload);
}

void
pl_sessions_on_revoked(struct pl_sessions *ss,
    void (*on_revoked)(void *arg, const struct pl_revocation *r), void *arg)
{
	ss->on_revoked = on_revoked;
	ss->on_revoked_arg = arg;
}

/* ---- the last use ---- */

static void
telling_done(struct pl_store_write_call *call)
{
	struct telling *t = PL_CONTAINER(call, struct telling, call);
	const struct pl_write *w = &call->write;

	if (t->ss != NULL) {
		pl_list_unlink(&t->link);
		if (w->err != PL_OK && w->err != PL_E_NOT_FOUND)
			pl_last_use_untold(&t->ss->last_use, w->u.seen.token_id);
	}
	pl_mem_free(t);
}

void
pl_sessions_used(struct pl_sessions *ss, const struct pl_jwt_claims *claims)
{
	int64_t now_s = unix_now_s();
	struct telling *t;
	struct pl_write_seen *seen;

	if (!pl_last_use_note(&ss->last_use, claims, now_s, pl_loop_now_ms(ss->loop)))
		return;
	t = pl_mem_zalloc(sizeof(*t));
	t->ss = ss;
	t->call.done = telling_done;
	t->call.write.kind = PL_WRITE_SEEN;
	seen = &t->call.write.u.seen;
	seen->user = claims->user;
	memcpy(seen->token_id, claims->token_id, PL_JWT_ID_LEN);
	seen->seen_unix_s = now_s;
	seen->step_s = pl_last_use_step_s(ss->last_use.limit_s);
	pl_list_push(&ss->tellings, &t->link);
	pl_store_async_write_or_done(ss->store, &t->call);
}

static enum pl_last_use_verdict
judge_use(const struct pl_sessions *ss, const struct pl_jwt_claims *claims)
{
	return pl_last_use_judge(
	    &ss->last_use, claims, unix_now_s(), pl_loop_now_ms(ss->loop));
}

int64_t
pl_sessions_use_step_ms(const struct pl_sessions *ss)
{
	int64_t limit_s = ss->last_use.limit_s;

	return limit_s > 0 ? pl_last_use_step_s(limit_s) * 1000 : 0;
}

int64_t
pl_sessions_end_unix_s(const struct pl_sessions *ss, const struct pl_jwt_claims *claims)
{
	int64_t idle_unix_s = pl_last_use_end_unix_s(&ss->last_use, claims);

	return idle_unix_s < claims->expires_unix_s ? idle_unix_s
						    : claims->expires_unix_s;
}

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
	if (err == PL_E_NOT_FOUND || is_refused(ss, &check->claims))
		return PL_SESSION_BAD_TOKEN;
	if (err != PL_OK)
		return PL_SESSION_UNKNOWN;
	return judge_use(ss, &check->claims) == PL_LAST_USE_GOOD ? PL_SESSION_OK
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

static void look_up_or_end(struct pl_sessions *ss, struct check *check);

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
		    judge_use(l->ss, &check->claims) == PL_LAST_USE_ASK)
			look_up_or_end(l->ss, check);
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

/* Let check wait for the answer of the store. False if its queue is full. */
static bool
look_up(struct pl_sessions *ss, struct known_user *u, struct check *check)
{
	struct lookup *l = u->lookup;

	if (l == NULL) {
		l = pl_mem_zalloc(sizeof(*l));
		l->ss = ss;
		l->user = u->id;
		if (judge_use(ss, &check->claims) == PL_LAST_USE_ASK)
			l->list = pl_mem_zalloc(sizeof(*l->list));
		l->call.run = lookup_run;
		l->call.done = lookup_done;
		pl_list_init(&l->checks);
		if (pl_store_async_read(ss->store, &l->call) != PL_OK) {
			pl_mem_free(l->list);
			pl_mem_free(l);
			return false;
		}
		u->lookup = l;
	}
	pl_list_push(&l->checks, &check->link);
	return true;
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

static void
look_up_or_end(struct pl_sessions *ss, struct check *check)
{
	if (!look_up(ss, user_entry(ss, &check->claims.user), check))
		check_end(ss, check, PL_SESSION_UNKNOWN);
}

void
pl_sessions_user_is_gone(struct pl_sessions *ss, const struct pl_oid *user)
{
	struct known_user *u = pl_map_get(&ss->users, pl_oid_str(user));

	if (u != NULL)
		u->until_mono_ms = INT64_MIN;
}

/* ---- the check ---- */

typedef void verdict_fn(
    void *arg, enum pl_session_verdict verdict, const struct pl_jwt_claims *claims);

/* Check claims, which a verified token holds. */
static void
check_claims(struct pl_sessions *ss, const struct pl_jwt_claims *claims,
    verdict_fn *on_verdict, void *arg)
{
	enum pl_last_use_verdict use = judge_use(ss, claims);
	struct known_user *u;
	struct check *check;

	if (is_refused(ss, claims)) {
		on_verdict(arg, PL_SESSION_BAD_TOKEN, NULL);
		return;
	}
	if (!revocations_are_current(ss) ||
	    (claims->is_of_previous && needs_switch(ss))) {
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
	look_up_or_end(ss, check);
}

struct pl_known_tokens *
pl_sessions_known_tokens(struct pl_sessions *ss)
{
	return ss->known;
}

void
pl_sessions_check(
    struct pl_sessions *ss, struct pl_str token, verdict_fn *on_verdict, void *arg)
{
	struct pl_jwt_claims claims;
	enum pl_err err = pl_known_tokens_verify(ss->known, token, unix_now_s(), &claims);

	if (err == PL_OK)
		check_claims(ss, &claims, on_verdict, arg);
	else
		on_verdict(arg,
		    err == PL_E_TIMEOUT ? PL_SESSION_EXPIRED : PL_SESSION_BAD_TOKEN,
		    NULL);
}

/* ---- one of several ---- */

/* Checks one token after the other, each with its own wait for the store. */
struct choice {
	struct pl_sessions *ss;
	const struct pl_credential *found; /* the first that is good; NULL: none yet */
	size_t next;
	bool has_expired;
	verdict_fn *on_verdict;
	void *arg;
	size_t count;
	struct pl_credential items[];
};

static void
choice_end(struct choice *ch, enum pl_session_verdict verdict)
{
	ch->on_verdict(
	    ch->arg, verdict, verdict == PL_SESSION_OK ? &ch->found->claims : NULL);
	pl_mem_free(ch);
}

/* Can this token change the choice? */
static bool
matters(const struct choice *ch, const struct pl_credential *it)
{
	return ch->found == NULL ||
	       (it->place == ch->found->place &&
		   !pl_oid_eq(&it->claims.user, &ch->found->claims.user));
}

static void choice_go_on(struct choice *ch);

static void
on_looked_at(
    void *arg, enum pl_session_verdict verdict, const struct pl_jwt_claims *claims)
{
	struct choice *ch = arg;

	(void)claims; /* those of the item */
	if (verdict == PL_SESSION_UNKNOWN) {
		choice_end(ch, PL_SESSION_UNKNOWN);
	} else if (verdict != PL_SESSION_OK) {
		choice_go_on(ch);
	} else if (ch->found != NULL) {
		choice_end(ch, PL_SESSION_AMBIGUOUS);
	} else {
		ch->found = &ch->items[ch->next - 1];
		choice_go_on(ch);
	}
}

static void
choice_go_on(struct choice *ch)
{
	while (ch->next < ch->count) {
		const struct pl_credential *it = &ch->items[ch->next++];

		if (!matters(ch, it) || is_refused(ch->ss, &it->claims))
			continue;
		if (!pl_jwt_is_over(&it->claims, unix_now_s())) {
			check_claims(ch->ss, &it->claims, on_looked_at, ch);
			return;
		}
		ch->has_expired = true;
	}
	if (ch->found != NULL)
		choice_end(ch, PL_SESSION_OK);
	else
		choice_end(
		    ch, ch->has_expired ? PL_SESSION_EXPIRED : PL_SESSION_BAD_TOKEN);
}

void
pl_sessions_choose(struct pl_sessions *ss, const struct pl_credentials *c,
    verdict_fn *on_verdict, void *arg)
{
	struct choice *ch;

	if (!c->has_token) {
		on_verdict(arg, PL_SESSION_NO_TOKEN, NULL);
		return;
	}
	ch = pl_mem_zalloc(sizeof(*ch) + c->count * sizeof(ch->items[0]));
	ch->ss = ss;
	ch->has_expired = c->has_expired;
	ch->on_verdict = on_verdict;
	ch->arg = arg;
	ch->count = c->count;
	if (c->count > 0)
		memcpy(ch->items, c->items, c->count * sizeof(ch->items[0]));
	choice_go_on(ch);
}

static bool
is_refused_by(const void *ss, const struct pl_jwt_claims *claims)
{
	return is_refused(ss, claims);
}

void
pl_sessions_drop_revoked(const struct pl_sessions *ss, struct pl_credentials *c)
{
	pl_credentials_drop(c, is_refused_by, ss);
}

bool
pl_sessions_refuse(const struct pl_sessions *ss, const struct pl_jwt_claims *claims)
{
	return is_refused(ss, claims);
}

int64_t
pl_sessions_valid_after(const struct pl_sessions *ss, const struct pl_oid *user)
{
	return pl_revoked_valid_after(&ss->revoked, user);
}

bool
pl_sessions_are_current(const struct pl_sessions *ss)
{
	return revocations_are_current(ss) && !needs_switch(ss);
}

/* ---- life ---- */

struct pl_sessions *
pl_sessions_new(struct pl_loop *loop, struct pl_store_async *store, struct pl_bus *bus)
{
	struct pl_sessions *ss = pl_mem_zalloc(sizeof(*ss));

	ss->loop = loop;
	ss->store = store;
	ss->bus = bus;
	ss->known = pl_known_tokens_new();
	pl_revoked_init(&ss->revoked);
	pl_map_init(&ss->users);
	pl_last_use_init(&ss->last_use, pl_settings.session_idle_s);
	pl_list_init(&ss->tellings);
	ss->listener.on_message = on_message;
	ss->listener.on_ready = on_ready;
	ss->listener.arg = ss;
	pl_bus_subscribe(bus, PL_STR(PL_CHANNEL_REVOKED), &ss->listener);
	ss->tick.on_fire = on_tick;
	ss->tick.arg = ss;
	on_tick(&ss->tick);
	return ss;
}

void
pl_sessions_free(struct pl_sessions *ss)
{
	struct known_user *u;
	struct pl_list *link;

	if (ss == NULL)
		return;
	assert(!ss->reading.is_under_way);
	if (ss->switching != NULL)
		ss->switching->ss = NULL;
	pl_bus_unsubscribe(ss->bus, &ss->listener);
	pl_timer_stop(ss->loop, &ss->tick);
	pl_known_tokens_free(ss->known);
	pl_revoked_fini(&ss->revoked);
	for (size_t it = 0; (u = pl_map_next(&ss->users, &it)) != NULL;)
		pl_mem_free(u);
	pl_map_fini(&ss->users);
	pl_last_use_fini(&ss->last_use);
	while ((link = pl_list_pop(&ss->tellings)) != NULL)
		PL_CONTAINER(link, struct telling, link)->ss = NULL;
	pl_mem_free(ss);
}
