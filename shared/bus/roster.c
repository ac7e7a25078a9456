#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "bus/events.h"
#include "redis/reply.h"
#include "bus/roster.h"

PL_REDIS_LUA(announce_lua, "roster_announce");
PL_REDIS_LUA(renew_lua, "roster_renew");
PL_REDIS_LUA(retire_lua, "roster_retire");

#define CHANGES_A_NOTE 500
#define IDS_A_COMMAND  1000
#define RETIRE_WAIT_MS 500
#define NUMBER_DIGITS  24

/* ---- members ---- */

static void
changed(struct pl_roster *r, const struct pl_oid *user, bool is_online)
{
	if (!r->is_closed)
		r->on_change(r->arg, user, is_online);
}

struct pl_roster_member *
pl_roster_member_add(struct pl_roster *r, const struct pl_oid *user)
{
	struct pl_roster_member *m = pl_map_get(&r->members, pl_oid_str(user));

	if (m == NULL) {
		m = pl_mem_zalloc(sizeof(*m));
		m->user = *user;
		pl_map_put(&r->members, pl_oid_str(&m->user), m);
		changed(r, user, true);
	}
	m->instances++;
	return m;
}

void
pl_roster_member_drop(struct pl_roster *r, struct pl_roster_member *m)
{
	if (--m->instances > 0)
		return;
	pl_map_del(&r->members, pl_oid_str(&m->user));
	changed(r, &m->user, false);
	pl_mem_free(m);
}

const struct pl_oid *
pl_roster_next(const struct pl_roster *r, size_t *it)
{
	const struct pl_roster_member *m = pl_map_next(&r->members, it);

	return m != NULL ? &m->user : NULL;
}

bool
pl_roster_has(const struct pl_roster *r, const struct pl_oid *user)
{
	return pl_map_get(&r->members, pl_oid_str(user)) != NULL;
}

/* ---- what we announce ---- */

void
pl_roster_key(char out[PL_ROSTER_KEY_MAX + 1], const char *prefix, const char *instance)
{
	snprintf(out, PL_ROSTER_KEY_MAX + 1, "%s%s", prefix, instance);
}

static void
fell_out(struct pl_roster *r)
{
	r->is_synced = false;
	if (!r->is_retired)
		pl_timer_start(r->loop, &r->renew_timer, r->times.renew_ms / 5);
}

static void
on_sent(void *arg, enum pl_err err, const struct redisReply *reply)
{
	(void)reply;
	if (err != PL_OK)
		fell_out(arg);
}

static void
run_script(struct pl_roster *r, const struct pl_redis_script *script,
    const struct pl_str *args, size_t arg_count, struct pl_redis_call *call)
{
	struct pl_str keys[3] = {
	    PL_STR(PL_ROSTER_KEY_INSTANCES), pl_str(r->key_set), pl_str(r->key_number)};

	pl_redis_eval(r->redis, script, keys, 3, args, arg_count, call);
}

/* Send the first count of r->changes under the next number. */
static void
announce(struct pl_roster *r, size_t count)
{
	struct pl_str args[5 + CHANGES_A_NOTE];
	char lease[NUMBER_DIGITS], number[NUMBER_DIGITS];
	struct pl_buf note;

	assert(count <= CHANGES_A_NOTE);
	snprintf(lease, sizeof(lease), "%lld", (long long)r->times.lease_ms);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)++r->number);
	pl_buf_init(&note, PL_BUF_UNLIMITED);
	pl_buf_printf(&note, "%s %s", r->instance, number);
	pl_buf_add(&note, r->changes.data, count * PL_ROSTER_CHANGE_LEN);
	args[0] = pl_str(r->instance);
	args[1] = pl_str(lease);
	args[2] = pl_str(number);
	args[3] = PL_STR(PL_CHANNEL_ONLINE);
	args[4] = pl_buf_str(&note);
	for (size_t i = 0; i < count; i++)
		args[5 + i] = pl_str_n(r->changes.data + i * PL_ROSTER_CHANGE_LEN + 1,
		    PL_ROSTER_CHANGE_LEN - 1);
	run_script(r, &r->announce_script, args, 5 + count, &r->sending);
	pl_buf_fini(&note);
	pl_buf_consume(&r->changes, count * PL_ROSTER_CHANGE_LEN);
}

static void
flush(struct pl_roster *r)
{
	if (!pl_redis_is_up(r->redis))
		r->is_synced = false;
	if (!r->is_synced || r->is_retired) {
		pl_buf_clear(&r->changes); /* rebuild() sends all */
		return;
	}
	while (r->changes.len > 0) {
		size_t count = r->changes.len / PL_ROSTER_CHANGE_LEN;

		announce(r, count < CHANGES_A_NOTE ? count : CHANGES_A_NOTE);
	}
}

static void
on_flush_timer(struct pl_timer *t)
{
	flush(t->arg);
}

/* Announced with what else this turn of the loop brings. */
static void
add_change(struct pl_roster *r, char sign, const struct pl_oid *user)
{
	char hex[PL_OID_HEX_LEN + 1];

	pl_oid_format(user, hex);
	pl_buf_printf(&r->changes, " %c%s", sign, hex);
	if (!pl_timer_is_started(&r->flush_timer))
		pl_timer_start(r->loop, &r->flush_timer, 0);
}

void
pl_roster_join(struct pl_roster *r, const struct pl_oid *user)
{
	struct pl_roster_member *m = pl_map_get(&r->members, pl_oid_str(user));

	if (m != NULL && m->is_ours)
		return;
	pl_roster_member_add(r, user)->is_ours = true;
	r->own_count++;
	add_change(r, '+', user);
}

void
pl_roster_leave(struct pl_roster *r, const struct pl_oid *user)
{
	struct pl_roster_member *m = pl_map_get(&r->members, pl_oid_str(user));

	if (m == NULL || !m->is_ours)
		return;
	add_change(r, '-', user); /* first: user may point into the member */
	m->is_ours = false;
	r->own_count--;
	pl_roster_member_drop(r, m);
}

/* ---- the lease ---- */

/* SADD our users, from *it on, as many as one command takes; false at the end. */
static bool
send_some(struct pl_roster *r, size_t *it)
{
	char hex[IDS_A_COMMAND][PL_OID_HEX_LEN + 1];
	struct pl_str words[2 + IDS_A_COMMAND] = {PL_STR("SADD"), pl_str(r->key_set)};
	const struct pl_roster_member *m;
	size_t count = 0;

	while (count < IDS_A_COMMAND && (m = pl_map_next(&r->members, it)) != NULL) {
		if (!m->is_ours)
			continue;
		pl_oid_format(&m->user, hex[count]);
		words[2 + count] = pl_str_n(hex[count], PL_OID_HEX_LEN);
		count++;
	}
	if (count == 0)
		return false;
	pl_redis_command(r->redis, words, 2 + count, &r->sending);
	return true;
}

/* Write our whole set anew. The number that is left out makes all others read it. */
static void
rebuild(struct pl_roster *r)
{
	struct pl_str words[2] = {PL_STR("DEL"), pl_str(r->key_set)};
	size_t it = 0;

	pl_buf_clear(&r->changes);
	r->is_synced = true;
	pl_redis_command(r->redis, words, 2, &r->sending);
	while (send_some(r, &it))
		continue;
	r->number++;
	announce(r, 0);
}

static void
on_renewed(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct pl_roster *r = arg;

	(void)err;
	if (!pl_redis_reply_is(reply, REDIS_REPLY_INTEGER))
		fell_out(r);
	else if (reply->integer == 0 && !r->is_retired)
		rebuild(r);
}

static void
renew(struct pl_roster *r)
{
	char lease[NUMBER_DIGITS], number[NUMBER_DIGITS], count[NUMBER_DIGITS];
	char note[PL_ROSTER_NAME_MAX + NUMBER_DIGITS + 2];
	struct pl_str args[6];

	snprintf(lease, sizeof(lease), "%lld", (long long)r->times.lease_ms);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)r->number);
	snprintf(count, sizeof(count), "%zu", r->own_count);
	snprintf(note, sizeof(note), "%s %s", r->instance, number);
	args[0] = pl_str(r->instance);
	args[1] = pl_str(lease);
	args[2] = pl_str(number);
	args[3] = PL_STR(PL_CHANNEL_ONLINE);
	args[4] = pl_str(note);
	args[5] = pl_str(count);
	run_script(r, &r->renew_script, args, 6, &r->renewing);
}

static void
on_renew_timer(struct pl_timer *t)
{
	struct pl_roster *r = t->arg;

	pl_timer_start(r->loop, &r->renew_timer, r->times.renew_ms);
	flush(r);
	if (!pl_redis_is_up(r->redis))
		return;
	if (r->is_synced)
		renew(r);
	else
		rebuild(r);
}

void
pl_roster_renew_soon(struct pl_roster *r)
{
	if (!r->is_retired)
		pl_timer_start(r->loop, &r->renew_timer, 0);
}

/* ---- the end ---- */

static void
finish_retire(struct pl_roster *r)
{
	void (*on_retired)(void *arg) = r->on_retired;

	pl_timer_stop(r->loop, &r->retire_timer);
	r->on_retired = NULL;
	if (on_retired != NULL)
		on_retired(r->retired_arg);
}

static void
on_retire_timer(struct pl_timer *t)
{
	finish_retire(t->arg);
}

static void
on_retired(void *arg, enum pl_err err, const struct redisReply *reply)
{
	(void)err, (void)reply;
	finish_retire(arg);
}

/* The last note. Users who are kept: a number that does not follow makes all others read our set,
 * and when its lease ends. */
static void
send_retirement(struct pl_roster *r, int64_t keep_ms)
{
	char keep[NUMBER_DIGITS], number[NUMBER_DIGITS];
	char note[PL_ROSTER_NAME_MAX + NUMBER_DIGITS + 4];
	struct pl_str args[5];

	r->number += 2;
	snprintf(keep, sizeof(keep), "%lld", (long long)keep_ms);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)r->number);
	snprintf(
	    note, sizeof(note), "%s %s%s", r->instance, number, keep_ms > 0 ? "" : " .");
	args[0] = pl_str(r->instance);
	args[1] = pl_str(keep);
	args[2] = pl_str(number);
	args[3] = PL_STR(PL_CHANNEL_ONLINE);
	args[4] = pl_str(note);
	run_script(r, &r->retire_script, args, 5, &r->retiring);
}

void
pl_roster_retire(struct pl_roster *r, int64_t keep_ms, void (*done)(void *arg), void *arg)
{
	bool is_up = pl_redis_is_up(r->redis);

	assert(!r->is_retired);
	if (is_up && r->is_synced)
		flush(r); /* who has left by now is not kept */
	else if (is_up && keep_ms > 0)
		rebuild(r);
	r->is_retired = true;
	r->on_retired = done;
	r->retired_arg = arg;
	pl_timer_stop(r->loop, &r->renew_timer);
	pl_timer_start(r->loop, &r->retire_timer, is_up ? RETIRE_WAIT_MS : 0);
	if (is_up)
		send_retirement(r, r->own_count > 0 ? keep_ms : 0);
}

/* ---- life ---- */

/* A name that can stand in a note and a key. */
static char *
clean_name(const char *instance)
{
	char *name = pl_mem_strndup(instance, strnlen(instance, PL_ROSTER_NAME_MAX));

	for (char *c = name; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~')
			*c = '_';
	return name;
}

struct pl_roster *
pl_roster_new_timed(struct pl_loop *loop, struct pl_redis *redis, struct pl_bus *bus,
    const char *instance, struct pl_roster_times times, pl_roster_on_change *on_change,
    void *arg)
{
	struct pl_roster *r = pl_mem_zalloc(sizeof(*r));

	r->loop = loop;
	r->bus = bus;
	r->redis = redis;
	r->times = times;
	r->on_change = on_change;
	r->arg = arg;
	pl_map_init(&r->members);
	r->flush_timer = (struct pl_timer){.on_fire = on_flush_timer, .arg = r};
	r->renew_timer = (struct pl_timer){.on_fire = on_renew_timer, .arg = r};
	r->retire_timer = (struct pl_timer){.on_fire = on_retire_timer, .arg = r};
	r->instance = clean_name(instance);
	pl_roster_key(r->key_set, "parley:online:", r->instance);
	pl_roster_key(r->key_number, "parley:number:", r->instance);
	/* Ahead of whatever a process of this name said before. */
	r->number = (uint64_t)pl_clock_unix_ms() * 1000;
	pl_buf_init(&r->changes, PL_BUF_UNLIMITED);
	pl_redis_call_init(&r->sending, on_sent, r);
	pl_redis_call_init(&r->renewing, on_renewed, r);
	pl_redis_call_init(&r->retiring, on_retired, r);
	pl_redis_script_init(&r->announce_script, announce_lua);
	pl_redis_script_init(&r->renew_script, renew_lua);
	pl_redis_script_init(&r->retire_script, retire_lua);
	pl_roster_peers_init(r);
	if (r->redis != NULL)
		pl_roster_renew_soon(r);
	return r;
}

/* A successor of the same name must not write its own set over ours, whose users may be on their
 * way to another instance: so each life has a name of its own. */
struct pl_roster *
pl_roster_new(struct pl_loop *loop, struct pl_redis *redis, struct pl_bus *bus,
    const char *instance, pl_roster_on_change *on_change, void *arg)
{
	struct pl_roster_times times = {PL_ONLINE_LEASE_MS, PL_ONLINE_RENEW_MS};
	char name[PL_ROSTER_NAME_MAX + 1];
	uint32_t life;

	pl_random_bytes(&life, sizeof(life));
	snprintf(name, sizeof(name), "%.*s.%08x", PL_ROSTER_NAME_MAX - 9, instance, life);
	return pl_roster_new_timed(loop, redis, bus, name, times, on_change, arg);
}

void
pl_roster_free(struct pl_roster *r)
{
	struct pl_roster_member *m;
	size_t it = 0;

	if (r == NULL || r->is_closed)
		return;
	r->is_closed = true;
	pl_redis_call_cancel(&r->sending);
	pl_redis_call_cancel(&r->renewing);
	pl_redis_call_cancel(&r->retiring);
	pl_roster_peers_fini(r);
	pl_timer_stop(r->loop, &r->flush_timer);
	pl_timer_stop(r->loop, &r->renew_timer);
	finish_retire(r);
	pl_buf_fini(&r->changes);
	while ((m = pl_map_next(&r->members, &it)) != NULL)
		pl_mem_free(m);
	pl_map_fini(&r->members);
	pl_mem_free(r->instance);
	pl_mem_free(r);
}
