#include <stdio.h>

#include "base/map.h"
#include "base/mem.h"
#include "bus/events.h"
#include "online/rule.h"
#include "redis/reply.h"
#include "online/note.h"

PL_REDIS_LUA(ask_lua, "online_ask");

#define FRESH_MS        1000 /* how long a yes holds, and a request need not be reported again */
#define SECOND_MS       100 /* after which a no is checked by a second question */
#define ARRIVAL_MOST_MS 600 /* for a connection, which comes again after 200 */
#define ARRIVAL_STEP_MS 50
#define ARRIVAL_KEPT_MS 60000  /* once nobody waits for it */
#define ARRIVAL_REST_MS 1000   /* and it is tried so often */
#define RECORDS_MAX     100000 /* users of the last second, at most */
#define KEY_MARK        "parley:online-known"
#define EPOCH_MAX       31
#define KEY_SEEN        "parley:seen:"
#define KEY_SEEN_LEN    (sizeof(KEY_SEEN) - 1 + PL_OID_HEX_LEN)

/* What this process knows of a user; dropped a second after it was last of use. */
struct record {
	struct pl_oid user;
	struct pl_list link; /* the oldest first */
	int64_t used_mono_ms;
	int64_t yes_until_mono_ms;
	int64_t seen_until_mono_ms;
};

struct pl_online {
	struct pl_loop *loop;
	struct pl_redis *redis;
	struct pl_bus *bus;
	char ttl_ms[24];
	struct pl_map records; /* raw id -> struct record */
	struct pl_list by_age;
	struct pl_bus_listener leaves;
	struct pl_timer first; /* question */
	struct pl_redis_script ask_script;
	char epoch[EPOCH_MAX + 1]; /* of the mark, as it was found last; "" at first */
	struct pl_list questions;
	struct pl_list arrivals;
};

struct question {
	struct pl_list link;
	struct pl_online *online;
	struct pl_redis_call call;
	struct pl_oid user;
	int64_t asked_mono_ms;
	struct pl_timer second;
	bool is_second;
	void (*on_answer)(void *arg, bool is_online);
	void *arg;
};

/* ---- records ---- */

static void
forget(struct pl_online *o, struct record *rec)
{
	pl_list_unlink(&rec->link);
	pl_map_del(&o->records, pl_oid_str(&rec->user));
	pl_mem_free(rec);
}

static void
forget_old(struct pl_online *o, int64_t now)
{
	while (!pl_list_is_empty(&o->by_age)) {
		struct record *rec = PL_CONTAINER(o->by_age.next, struct record, link);

		if (rec->used_mono_ms + FRESH_MS > now && o->records.count < RECORDS_MAX)
			return;
		forget(o, rec);
	}
}

static struct record *
find(const struct pl_online *o, const struct pl_oid *user)
{
	return pl_map_get(&o->records, pl_oid_str(user));
}

/* The user's record, made if there is none; now the youngest. */
static struct record *
use(struct pl_online *o, const struct pl_oid *user)
{
	int64_t now = pl_loop_now_ms(o->loop);
	struct record *rec = find(o, user);

	if (rec == NULL) {
		forget_old(o, now);
		rec = pl_mem_zalloc(sizeof(*rec));
		rec->user = *user;
		pl_map_put(&o->records, pl_oid_str(&rec->user), rec);
	} else {
		pl_list_unlink(&rec->link);
	}
	rec->used_mono_ms = now;
	pl_list_push(&o->by_age, &rec->link);
	return rec;
}

/* ---- what presence says ---- */

static void
drop_every_yes(struct pl_online *o)
{
	pl_list_for_each(it, &o->by_age) PL_CONTAINER(it, struct record, link)
	    ->yes_until_mono_ms = 0;
}

static void
on_note(void *arg, struct pl_str channel, struct pl_str payload)
{
	struct pl_online *o = arg;
	struct pl_online_note note;
	struct pl_oid user;
	bool is_join;

	(void)channel;
	if (!pl_online_note_parse(payload, &note))
		return;
	if (note.is_retired)
		drop_every_yes(o);
	while (pl_online_note_next(&note.changes, &is_join, &user)) {
		struct record *rec = is_join ? NULL : find(o, &user);

		if (rec != NULL)
			rec->yes_until_mono_ms = 0;
	}
}

/* ---- requests ---- */

static void
format_seen_key(const struct pl_oid *user, char out[KEY_SEEN_LEN + 1])
{
	memcpy(out, KEY_SEEN, sizeof(KEY_SEEN) - 1);
	pl_oid_format(user, out + sizeof(KEY_SEEN) - 1);
}

static void
say_seen(struct pl_online *o, const struct pl_oid *user, struct pl_redis_call *call)
{
	char key[KEY_SEEN_LEN + 1];

	format_seen_key(user, key);
	pl_redis_command(o->redis,
	    (struct pl_str[]){PL_STR("SET"), pl_str_n(key, KEY_SEEN_LEN), PL_STR("1"),
		PL_STR("PX"), pl_str(o->ttl_ms)},
	    5, call);
}

void
pl_online_seen(struct pl_online *o, const struct pl_oid *user)
{
	int64_t now = pl_loop_now_ms(o->loop);
	struct record *rec;

	if (!pl_redis_is_up(o->redis))
		return;
	rec = use(o, user);
	if (rec->seen_until_mono_ms > now)
		return;
	rec->seen_until_mono_ms = now + FRESH_MS;
	rec->yes_until_mono_ms = now + FRESH_MS;
	say_seen(o, user, NULL);
}

struct arrival {
	struct pl_list link;
	struct pl_online *online;
	struct pl_oid user;
	int64_t until_mono_ms; /* it is waited for, then it is kept */
	struct pl_timer again;
	struct pl_redis_call call;
	void (*on_known)(void *arg); /* NULL: nobody waits any more */
	void *arg;
};

static void
tell_arrival(struct arrival *a)
{
	void (*on_known)(void *arg) = a->on_known;

	a->on_known = NULL;
	if (on_known != NULL)
		on_known(a->arg);
}

static void
end_arrival(struct arrival *a)
{
	pl_list_unlink(&a->link);
	pl_timer_stop(a->online->loop, &a->again);
	pl_redis_call_cancel(&a->call);
	tell_arrival(a);
	pl_mem_free(a);
}

/* Who waits for it does so for a moment alone. Without Redis nobody is refused for being
 * offline; but once it is back this user would be, who has made no other request. */
static void
try_arrival_later(struct arrival *a)
{
	int64_t late_ms = pl_loop_now_ms(a->online->loop) - a->until_mono_ms;

	if (late_ms >= ARRIVAL_KEPT_MS) {
		end_arrival(a);
		return;
	}
	pl_timer_start(
	    a->online->loop, &a->again, late_ms < 0 ? ARRIVAL_STEP_MS : ARRIVAL_REST_MS);
	if (late_ms >= 0)
		tell_arrival(a);
}

/* This process may have just started, or lost its connection, while others have theirs,
 * and would refuse this user for being offline. */
static void
try_arrival(struct arrival *a)
{
	struct pl_online *o = a->online;

	if (pl_redis_is_up(o->redis))
		say_seen(o, &a->user, &a->call);
	else
		try_arrival_later(a);
}

static void
on_arrival_again(struct pl_timer *t)
{
	try_arrival(t->arg);
}

static void
on_arrival_taken(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct arrival *a = arg;

	(void)reply;
	if (err == PL_OK || err == PL_E_CANCELLED)
		end_arrival(a);
	else
		try_arrival_later(a);
}

void
pl_online_arrived(struct pl_online *o, const struct pl_oid *user,
    void (*on_known)(void *arg), void *arg)
{
	struct arrival *a = pl_mem_zalloc(sizeof(*a));

	a->online = o;
	a->user = *user;
	a->until_mono_ms = pl_loop_now_ms(o->loop) + ARRIVAL_MOST_MS;
	a->again = (struct pl_timer){.on_fire = on_arrival_again, .arg = a};
	a->on_known = on_known;
	a->arg = arg;
	pl_redis_call_init(&a->call, on_arrival_taken, a);
	pl_list_push(&o->arrivals, &a->link);
	try_arrival(a);
}

static void
end_arrivals_of(struct pl_online *o, const struct pl_oid *user)
{
	pl_list_for_each_safe(link, &o->arrivals)
	{
		struct arrival *a = PL_CONTAINER(link, struct arrival, link);

		if (a->on_known == NULL && pl_oid_eq(&a->user, user))
			end_arrival(a);
	}
}

void
pl_online_logged_out(struct pl_online *o, const struct pl_oid *user)
{
	struct record *rec = find(o, user);
	char key[KEY_SEEN_LEN + 1];

	if (rec != NULL)
		forget(o, rec);
	end_arrivals_of(o, user);
	if (!pl_redis_is_up(o->redis))
		return;
	format_seen_key(user, key);
	pl_redis_command(o->redis,
	    (struct pl_str[]){PL_STR("DEL"), pl_str_n(key, KEY_SEEN_LEN)}, 2, NULL);
}

/* ---- the question ---- */

static void ask(struct pl_online *o, struct question *q);

static void
on_second(struct pl_timer *t)
{
	struct question *q = t->arg;

	q->is_second = true;
	ask(q->online, q);
}

static void
note_epoch(struct pl_online *o, struct pl_str epoch)
{
	if (epoch.len == 0 || epoch.len > EPOCH_MAX)
		return;
	memcpy(o->epoch, epoch.ptr, epoch.len);
	o->epoch[epoch.len] = '\0';
}

static void
answer(struct question *q, bool is_online)
{
	pl_list_unlink(&q->link);
	pl_timer_stop(q->online->loop, &q->second);
	pl_redis_call_cancel(&q->call);
	q->on_answer(q->arg, is_online);
	pl_mem_free(q);
}

static void
on_asked(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct question *q = arg;
	struct pl_online *o = q->online;
	const struct redisReply *found = pl_redis_reply_at(reply, 0);
	bool is_known = pl_redis_reply_is(found, REDIS_REPLY_INTEGER);
	bool is_online = !is_known || found->integer == 1;

	(void)err;
	note_epoch(o, pl_redis_reply_str(pl_redis_reply_at(reply, 1)));
	/* A question may overtake what another process has just written to Redis. */
	if (!is_online && !q->is_second) {
		pl_timer_start(o->loop, &q->second, SECOND_MS);
		return;
	}
	if (is_known && is_online)
		use(o, &q->user)->yes_until_mono_ms = q->asked_mono_ms + FRESH_MS;
	answer(q, is_online);
}

static void
ask(struct pl_online *o, struct question *q)
{
	char key[KEY_SEEN_LEN + 1];
	char hex[PL_OID_HEX_LEN + 1];

	format_seen_key(&q->user, key);
	pl_oid_format(&q->user, hex);
	pl_redis_eval(o->redis, &o->ask_script,
	    (struct pl_str[]){PL_STR(KEY_MARK), PL_STR("parley:instances"),
		pl_str_n(key, KEY_SEEN_LEN)},
	    3,
	    (struct pl_str[]){
		pl_str(o->epoch), pl_str(o->ttl_ms), pl_str_n(hex, PL_OID_HEX_LEN)},
	    3, &q->call);
}

static struct question *
question_new(struct pl_online *o, const struct pl_oid *user)
{
	struct question *q = pl_mem_zalloc(sizeof(*q));

	q->online = o;
	q->user = *user;
	q->asked_mono_ms = pl_loop_now_ms(o->loop);
	q->second.on_fire = on_second;
	q->second.arg = q;
	pl_redis_call_init(&q->call, on_asked, q);
	pl_list_push(&o->questions, &q->link);
	return q;
}

void
pl_online_ask(struct pl_online *o, const struct pl_oid *user,
    void (*on_answer)(void *arg, bool is_online), void *arg)
{
	int64_t now = pl_loop_now_ms(o->loop);
	const struct record *rec = find(o, user);
	struct question *q;

	if (!pl_redis_is_up(o->redis) || (rec != NULL && rec->yes_until_mono_ms > now)) {
		on_answer(arg, true);
		return;
	}
	q = question_new(o, user);
	q->on_answer = on_answer;
	q->arg = arg;
	ask(o, q);
}

/* ---- the first question ---- */

#define FIRST_AGAIN_MS 100

static void
on_first_answer(void *arg, bool is_online)
{
	(void)arg;
	(void)is_online;
}

/* Asked for no user, as soon as Redis is there: only a process that knows the epoch from
 * before notices that Redis has lost all that it knew. */
static void
on_first_due(struct pl_timer *t)
{
	static const struct pl_oid nobody;
	struct pl_online *o = t->arg;
	struct question *q;

	if (o->epoch[0] != '\0')
		return;
	if (!pl_redis_is_up(o->redis)) {
		pl_timer_start(o->loop, t, FIRST_AGAIN_MS);
		return;
	}
	q = question_new(o, &nobody);
	q->on_answer = on_first_answer;
	q->is_second = true; /* so no second one follows */
	ask(o, q);
}

/* ---- life ---- */

struct pl_online *
pl_online_new(
    struct pl_loop *loop, struct pl_redis *redis, struct pl_bus *bus, int64_t ttl_ms)
{
	struct pl_online *o = pl_mem_zalloc(sizeof(*o));

	o->loop = loop;
	o->redis = redis;
	o->bus = bus;
	snprintf(o->ttl_ms, sizeof(o->ttl_ms), "%lld", (long long)ttl_ms);
	pl_map_init(&o->records);
	pl_list_init(&o->by_age);
	pl_list_init(&o->questions);
	pl_list_init(&o->arrivals);
	pl_redis_script_init(&o->ask_script, ask_lua);
	o->first = (struct pl_timer){.on_fire = on_first_due, .arg = o};
	if (redis != NULL)
		pl_timer_start(loop, &o->first, 0);
	o->leaves = (struct pl_bus_listener){.on_message = on_note, .arg = o};
	pl_bus_subscribe(bus, PL_STR(PL_CHANNEL_ONLINE), &o->leaves);
	return o;
}

void
pl_online_free(struct pl_online *o)
{
	struct pl_list *link;

	if (o == NULL)
		return;
	pl_timer_stop(o->loop, &o->first);
	pl_bus_unsubscribe(o->bus, &o->leaves);
	while (!pl_list_is_empty(&o->by_age))
		forget(o, PL_CONTAINER(o->by_age.next, struct record, link));
	pl_map_fini(&o->records);
	while ((link = pl_list_pop(&o->questions)) != NULL)
		answer(PL_CONTAINER(link, struct question, link), true);
	while ((link = pl_list_pop(&o->arrivals)) != NULL)
		end_arrival(PL_CONTAINER(link, struct arrival, link));
	pl_mem_free(o);
}
