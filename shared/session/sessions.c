#include "session/sessions_impl.h"

#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define TICK_MS 1000
/* Without the bus, revocations are known as of the last read; if that is older than this,
 * no token is good. */
#define STALE_MS   3000
#define LEEWAY_S   (2 * PL_JWT_LEEWAY_S) /* more than an expired token gets */
#define OVERLAP_MS 60000 /* clocks differ, and a commit comes after its time stamp */

_Static_assert(STALE_MS >= 3 * TICK_MS, "one read that fails locks nobody out");

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
		/* A millisecond for each: many logged out in the last OVERLAP_MS. */
		ss->read_again_mono_ms = pl_loop_now_ms(ss->loop) +
					 (int64_t)(r->list.count + r->list.list_count);
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

bool
pl_sessions_refuse(const struct pl_sessions *ss, const struct pl_jwt_claims *claims)
{
	return pl_revoked_has(&ss->revoked, claims) ||
	       (claims->is_of_previous && ss->switch_is_known &&
		   !pl_jwt_is_from_before(claims, ss->switched_unix_s));
}

bool
pl_sessions_needs_switch(const struct pl_sessions *ss)
{
	return !ss->switch_is_known && pl_jwt_previous_key_id()[0] != '\0';
}

bool
pl_sessions_know_revocations(const struct pl_sessions *ss)
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
	ss->reading.is_behind_bus = false; /* one that is under way began too early */
	start_reading(ss);
}

static void
on_tick(struct pl_timer *t)
{
	struct pl_sessions *ss = t->arg;
	int64_t now = pl_loop_now_ms(ss->loop);

	if (!pl_bus_is_up(ss->bus))
		ss->bus_is_ready = ss->bus_tells_all = false;
	/* What the bus has told stays true when it goes away: the read that follows has
	 * some time. */
	if (ss->bus_tells_all)
		ss->current_at_mono_ms = now;
	/* Who revoked some may have died, or lost the bus, before it told of them. */
	if (!ss->bus_tells_all || now >= ss->read_again_mono_ms)
		start_reading(ss);
	ask_for_switch(ss);
	pl_sessions_users_forget(ss);
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

/* ---- what is refused ---- */

static bool
is_refused_by(const void *ss, const struct pl_jwt_claims *claims)
{
	return pl_sessions_refuse(ss, claims);
}

void
pl_sessions_drop_revoked(const struct pl_sessions *ss, struct pl_credentials *c)
{
	pl_credentials_drop(c, is_refused_by, ss);
}

int64_t
pl_sessions_valid_after(const struct pl_sessions *ss, const struct pl_oid *user)
{
	return pl_revoked_valid_after(&ss->revoked, user);
}

bool
pl_sessions_are_current(const struct pl_sessions *ss)
{
	return pl_sessions_know_revocations(ss) && !pl_sessions_needs_switch(ss);
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
	pl_sessions_uses_init(ss);
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
	if (ss == NULL)
		return;
	assert(!ss->reading.is_under_way);
	if (ss->switching != NULL)
		ss->switching->ss = NULL;
	pl_bus_unsubscribe(ss->bus, &ss->listener);
	pl_timer_stop(ss->loop, &ss->tick);
	pl_known_tokens_free(ss->known);
	pl_revoked_fini(&ss->revoked);
	pl_sessions_users_fini(ss);
	pl_sessions_uses_fini(ss);
	pl_mem_free(ss);
}
