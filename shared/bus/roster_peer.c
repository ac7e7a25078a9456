#include "base/log.h"
#include "base/mem.h"
#include "bus/events.h"
#include "redis/reply.h"
#include "bus/roster.h"

PL_REDIS_LUA(list_lua, "roster_list");
PL_REDIS_LUA(read_lua, "roster_read");

#define PEERS_MAX         1000
#define BACKLOG_BYTES_MAX ((size_t)1 << 20)
#define READ_AGAIN_MS     1000

struct peer {
	struct pl_roster *roster;
	char *name;
	struct pl_map users;   /* raw id -> the struct pl_roster_member */
	uint64_t number;       /* of the last note that users has in it */
	struct pl_buf backlog; /* notes heard while reading, each with '\n' behind it */
	struct pl_timer lease_timer;
	struct pl_redis_call reading;
};

static void read_peer(struct peer *p);
static void on_read(void *arg, enum pl_err err, const struct redisReply *reply);

static bool
is_reading(const struct peer *p)
{
	return pl_redis_call_is_waiting(&p->reading);
}

/* ---- users ---- */

static void
user_add(struct peer *p, const struct pl_oid *user)
{
	struct pl_roster_member *m;

	if (pl_map_get(&p->users, pl_oid_str(user)) != NULL)
		return;
	m = pl_roster_member_add(p->roster, user);
	pl_map_put(&p->users, pl_oid_str(&m->user), m);
}

static void
user_drop(struct peer *p, const struct pl_oid *user)
{
	struct pl_roster_member *m = pl_map_del(&p->users, pl_oid_str(user));

	if (m != NULL)
		pl_roster_member_drop(p->roster, m);
}

static void
users_drop_all(struct pl_roster *r, struct pl_map *users)
{
	struct pl_roster_member *m;
	size_t it = 0;

	while ((m = pl_map_next(users, &it)) != NULL)
		pl_roster_member_drop(r, m);
	pl_map_fini(users);
}

/* The new ones are added before the old ones go, so that who stays never counts as gone. */
static void
users_replace(struct peer *p, const struct redisReply *ids)
{
	struct pl_map old = p->users;
	const struct redisReply *id;
	struct pl_oid user;

	pl_map_init(&p->users);
	for (size_t i = 0; (id = pl_redis_reply_at(ids, i)) != NULL; i++)
		if (pl_oid_parse(pl_redis_reply_str(id), &user))
			user_add(p, &user);
	users_drop_all(p->roster, &old);
}

/* ---- peers ---- */

static void
peer_drop(struct peer *p)
{
	struct pl_roster *r = p->roster;

	pl_timer_stop(r->loop, &p->lease_timer);
	pl_map_del(&r->peers, pl_str(p->name));
	users_drop_all(r, &p->users);
	pl_redis_call_cancel(&p->reading);
	pl_buf_fini(&p->backlog);
	pl_mem_free(p->name);
	pl_mem_free(p);
}

/* No renewal was heard for a whole lease: ask Redis before believing it. */
static void
on_lease_timer(struct pl_timer *t)
{
	read_peer(t->arg);
}

static struct peer *
peer_new(struct pl_roster *r, struct pl_str name)
{
	struct peer *p = pl_mem_zalloc(sizeof(*p));

	p->roster = r;
	p->name = pl_mem_strndup(name.ptr, name.len);
	pl_map_init(&p->users);
	pl_buf_init(&p->backlog, BACKLOG_BYTES_MAX);
	pl_redis_call_init(&p->reading, on_read, p);
	p->lease_timer = (struct pl_timer){.on_fire = on_lease_timer, .arg = p};
	pl_map_put(&r->peers, pl_str(p->name), p);
	return p;
}

/* ---- notes ---- */

static void
apply(struct peer *p, struct pl_roster_note note)
{
	uint64_t due = p->number + (note.changes.len > 0 ? 1 : 0);
	struct pl_oid user;
	bool is_join;

	if (note.number != due) {
		read_peer(p);
		return;
	}
	p->number = note.number;
	while (pl_roster_note_next(&note.changes, &is_join, &user)) {
		if (is_join)
			user_add(p, &user);
		else
			user_drop(p, &user);
	}
}

static bool
is_us(const struct pl_roster *r, struct pl_str name)
{
	return pl_str_eq(name, pl_str(r->instance));
}

static void
on_note(void *arg, struct pl_str channel, struct pl_str payload)
{
	struct pl_roster *r = arg;
	struct pl_roster_note note;
	struct peer *p;

	(void)channel;
	if (!pl_roster_note_parse(payload, &note) || is_us(r, note.instance))
		return;
	p = pl_map_get(&r->peers, note.instance);
	if (note.is_retired) {
		if (p != NULL)
			peer_drop(p);
		return;
	}
	if (p == NULL) {
		if (r->peers.count < PEERS_MAX)
			read_peer(peer_new(r, note.instance));
		return;
	}
	pl_timer_start(r->loop, &p->lease_timer, r->times.lease_ms);
	if (is_reading(p)) {
		pl_buf_add_str(&p->backlog, payload);
		pl_buf_add_char(&p->backlog, '\n');
	} else {
		apply(p, note);
	}
}

/* ---- reading a set ---- */

/* Apply the notes that came while the set was read and are not in it. */
static void
catch_up(struct peer *p)
{
	struct pl_buf backlog = p->backlog;
	struct pl_str rest = pl_buf_str(&backlog);
	struct pl_roster_note note;
	struct pl_str line;

	pl_buf_init(&p->backlog, BACKLOG_BYTES_MAX);
	if (backlog.overflowed)
		read_peer(p);
	while (!is_reading(p) && pl_str_split(&rest, '\n', &line))
		if (pl_roster_note_parse(line, &note) && note.number > p->number)
			apply(p, note);
	pl_buf_fini(&backlog);
}

/* Redis does not list this instance. After an outage, its set may be on its way. */
static void
peer_missing(struct peer *p)
{
	int64_t wait_ms = p->roster->trust_mono_ms - pl_loop_now_ms(p->roster->loop);

	if (wait_ms > 0 && p->users.count > 0)
		pl_timer_start(p->roster->loop, &p->lease_timer, wait_ms);
	else
		peer_drop(p);
}

/* Redis was away: each instance must find it again, and then renews. */
static void
distrust(struct pl_roster *r)
{
	r->trust_mono_ms =
	    pl_loop_now_ms(r->loop) + PL_REDIS_RECONNECT_MOST_MS + 2 * r->times.renew_ms;
}

static void
take_set(struct peer *p, const struct redisReply *reply)
{
	const struct redisReply *left = pl_redis_reply_at(reply, 0);
	struct pl_str number = pl_redis_reply_str(pl_redis_reply_at(reply, 1));
	struct pl_roster *r = p->roster;

	if (!pl_redis_reply_is(left, REDIS_REPLY_INTEGER) ||
	    !pl_str_to_u64(number, PL_ROSTER_NUMBER_MAX, &p->number)) {
		distrust(r);
		pl_timer_start(r->loop, &p->lease_timer, READ_AGAIN_MS);
		return;
	}
	if (left->integer <= 0) {
		peer_missing(p);
		return;
	}
	users_replace(p, pl_redis_reply_at(reply, 2));
	pl_timer_start(r->loop, &p->lease_timer, left->integer + 1);
	catch_up(p);
}

static void
on_read(void *arg, enum pl_err err, const struct redisReply *reply)
{
	(void)err;
	take_set(arg, reply);
}

static void
read_peer(struct peer *p)
{
	struct pl_roster *r = p->roster;
	char set[PL_ROSTER_KEY_MAX + 1], number[PL_ROSTER_KEY_MAX + 1];

	if (is_reading(p))
		return;
	pl_buf_clear(&p->backlog);
	pl_roster_key(set, "parley:online:", p->name);
	pl_roster_key(number, "parley:number:", p->name);
	pl_redis_eval(r->redis, &r->read_script,
	    (struct pl_str[]){
		PL_STR(PL_ROSTER_KEY_INSTANCES), pl_str(set), pl_str(number)},
	    3, (struct pl_str[]){pl_str(p->name)}, 1, &p->reading);
}

/* ---- who is there ---- */

static void
on_listed(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct pl_roster *r = arg;
	const struct redisReply *element;

	(void)err;
	for (size_t i = 0; (element = pl_redis_reply_at(reply, i)) != NULL; i++) {
		struct pl_str name = pl_redis_reply_str(element);

		if (!pl_roster_name_check(name) || is_us(r, name) ||
		    pl_map_get(&r->peers, name) != NULL || r->peers.count >= PEERS_MAX)
			continue;
		read_peer(peer_new(r, name));
	}
}

/* We hear the notes now, perhaps again. What was said before is read from the sets. */
static void
on_ready(void *arg, bool is_again)
{
	struct pl_roster *r = arg;
	struct peer *p;
	size_t it = 0;

	if (is_again)
		distrust(r);
	while ((p = pl_map_next(&r->peers, &it)) != NULL)
		read_peer(p);
	pl_redis_eval(r->redis, &r->list_script,
	    (struct pl_str[]){PL_STR(PL_ROSTER_KEY_INSTANCES)}, 1, NULL, 0, &r->listing);
	pl_roster_renew_soon(r);
}

void
pl_roster_peers_init(struct pl_roster *r)
{
	pl_map_init(&r->peers);
	pl_redis_call_init(&r->listing, on_listed, r);
	pl_redis_script_init(&r->list_script, list_lua);
	pl_redis_script_init(&r->read_script, read_lua);
	r->notes = (struct pl_bus_listener){
	    .on_message = on_note, .on_ready = on_ready, .arg = r};
	if (r->redis != NULL)
		pl_bus_subscribe(r->bus, PL_STR(PL_CHANNEL_ONLINE), &r->notes);
}

void
pl_roster_peers_fini(struct pl_roster *r)
{
	struct peer *p;
	size_t it = 0;

	pl_bus_unsubscribe(r->bus, &r->notes);
	pl_redis_call_cancel(&r->listing);
	while ((p = pl_map_next(&r->peers, &it)) != NULL)
		peer_drop(p);
	pl_map_fini(&r->peers);
}
