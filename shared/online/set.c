#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "bus/events.h"
#include "redis/reply.h"
#include "online/set_impl.h"

PL_REDIS_LUA(announce_lua, "online_announce");
PL_REDIS_LUA(renew_lua, "online_renew");
PL_REDIS_LUA(retire_lua, "online_retire");

#define CHANGES_A_NOTE 500
#define IDS_A_COMMAND  1000
#define RETIRE_WAIT_MS 500
#define NUMBER_DIGITS  24

/* ---- users ---- */

static void
changed(struct pl_online_set *set, const struct pl_oid *user, bool is_online)
{
	if (!set->is_closed)
		set->on_change(set->arg, user, is_online);
}

struct pl_online_user *
pl_online_user_add(struct pl_online_set *set, const struct pl_oid *user)
{
	struct pl_online_user *u = pl_map_get(&set->users, pl_oid_str(user));

	if (u == NULL) {
		u = pl_mem_zalloc(sizeof(*u));
		u->user = *user;
		pl_map_put(&set->users, pl_oid_str(&u->user), u);
		changed(set, user, true);
	}
	u->processes++;
	return u;
}

void
pl_online_user_drop(struct pl_online_set *set, struct pl_online_user *u)
{
	if (--u->processes > 0)
		return;
	pl_map_del(&set->users, pl_oid_str(&u->user));
	changed(set, &u->user, false);
	pl_mem_free(u);
}

const struct pl_oid *
pl_online_set_next(const struct pl_online_set *set, size_t *it)
{
	const struct pl_online_user *u = pl_map_next(&set->users, it);

	return u != NULL ? &u->user : NULL;
}

bool
pl_online_set_has(const struct pl_online_set *set, const struct pl_oid *user)
{
	return pl_map_get(&set->users, pl_oid_str(user)) != NULL;
}

/* ---- what we announce ---- */

void
pl_online_key(char out[PL_ONLINE_KEY_MAX + 1], const char *prefix, const char *process)
{
	snprintf(out, PL_ONLINE_KEY_MAX + 1, "%s%s", prefix, process);
}

static void
fell_out(struct pl_online_set *set)
{
	set->is_synced = false;
	if (!set->is_retired)
		pl_timer_start(set->loop, &set->renew_timer, set->times.renew_ms / 5);
}

static void
on_sent(void *arg, enum pl_err err, const struct redisReply *reply)
{
	(void)reply;
	if (err != PL_OK)
		fell_out(arg);
}

static void
run_script(struct pl_online_set *set, const struct pl_redis_script *script,
    const struct pl_str *args, size_t arg_count, struct pl_redis_call *call)
{
	struct pl_str keys[3] = {PL_STR(PL_ONLINE_KEY_PROCESSES), pl_str(set->key_set),
	    pl_str(set->key_number)};

	pl_redis_eval(set->redis, script, keys, 3, args, arg_count, call);
}

/* Send the first count of set->changes under the next number. */
static void
announce(struct pl_online_set *set, size_t count)
{
	struct pl_str args[5 + CHANGES_A_NOTE];
	char lease[NUMBER_DIGITS], number[NUMBER_DIGITS];
	struct pl_buf note;

	assert(count <= CHANGES_A_NOTE);
	snprintf(lease, sizeof(lease), "%lld", (long long)set->times.lease_ms);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)++set->number);
	pl_buf_init(&note, PL_BUF_UNLIMITED);
	pl_buf_printf(&note, "%s %s", set->process, number);
	pl_buf_add(&note, set->changes.data, count * PL_ONLINE_CHANGE_LEN);
	args[0] = pl_str(set->process);
	args[1] = pl_str(lease);
	args[2] = pl_str(number);
	args[3] = PL_STR(PL_CHANNEL_ONLINE);
	args[4] = pl_buf_str(&note);
	for (size_t i = 0; i < count; i++)
		args[5 + i] = pl_str_n(set->changes.data + i * PL_ONLINE_CHANGE_LEN + 1,
		    PL_ONLINE_CHANGE_LEN - 1);
	run_script(set, &set->announce_script, args, 5 + count, &set->sending);
	pl_buf_fini(&note);
	pl_buf_consume(&set->changes, count * PL_ONLINE_CHANGE_LEN);
}

static void
flush(struct pl_online_set *set)
{
	if (!pl_redis_is_up(set->redis))
		set->is_synced = false;
	if (!set->is_synced || set->is_retired) {
		pl_buf_clear(&set->changes); /* rebuild() sends all */
		return;
	}
	while (set->changes.len > 0) {
		size_t count = set->changes.len / PL_ONLINE_CHANGE_LEN;

		announce(set, count < CHANGES_A_NOTE ? count : CHANGES_A_NOTE);
	}
}

static void
on_flush_timer(struct pl_timer *t)
{
	flush(t->arg);
}

/* Announced together with all that this turn of the loop brings. */
static void
add_change(struct pl_online_set *set, char sign, const struct pl_oid *user)
{
	char hex[PL_OID_HEX_LEN + 1];

	pl_oid_format(user, hex);
	pl_buf_printf(&set->changes, " %c%s", sign, hex);
	if (!pl_timer_is_started(&set->flush_timer))
		pl_timer_start(set->loop, &set->flush_timer, 0);
}

void
pl_online_set_join(struct pl_online_set *set, const struct pl_oid *user)
{
	struct pl_online_user *u = pl_map_get(&set->users, pl_oid_str(user));

	if (u != NULL && u->is_ours)
		return;
	pl_online_user_add(set, user)->is_ours = true;
	set->own_count++;
	add_change(set, '+', user);
}

void
pl_online_set_leave(struct pl_online_set *set, const struct pl_oid *user)
{
	struct pl_online_user *u = pl_map_get(&set->users, pl_oid_str(user));

	if (u == NULL || !u->is_ours)
		return;
	add_change(set, '-', user); /* first: user may point into *u */
	u->is_ours = false;
	set->own_count--;
	pl_online_user_drop(set, u);
}

/* ---- the lease ---- */

/* SADD our users, from *it on, as many as one command takes; false at the end. */
static bool
send_some(struct pl_online_set *set, size_t *it)
{
	char hex[IDS_A_COMMAND][PL_OID_HEX_LEN + 1];
	struct pl_str words[2 + IDS_A_COMMAND] = {PL_STR("SADD"), pl_str(set->key_set)};
	const struct pl_online_user *u;
	size_t count = 0;

	while (count < IDS_A_COMMAND && (u = pl_map_next(&set->users, it)) != NULL) {
		if (!u->is_ours)
			continue;
		pl_oid_format(&u->user, hex[count]);
		words[2 + count] = pl_str_n(hex[count], PL_OID_HEX_LEN);
		count++;
	}
	if (count == 0)
		return false;
	pl_redis_command(set->redis, words, 2 + count, &set->sending);
	return true;
}

/* Write our whole set anew. A number is left out, which makes all others read it. */
static void
rebuild(struct pl_online_set *set)
{
	struct pl_str words[2] = {PL_STR("DEL"), pl_str(set->key_set)};
	size_t it = 0;

	pl_buf_clear(&set->changes);
	set->is_synced = true;
	pl_redis_command(set->redis, words, 2, &set->sending);
	while (send_some(set, &it))
		continue;
	set->number++;
	announce(set, 0);
}

static void
on_renewed(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct pl_online_set *set = arg;

	(void)err;
	if (!pl_redis_reply_is(reply, REDIS_REPLY_INTEGER))
		fell_out(set);
	else if (reply->integer == 0 && !set->is_retired)
		rebuild(set);
}

static void
renew(struct pl_online_set *set)
{
	char lease[NUMBER_DIGITS], number[NUMBER_DIGITS], count[NUMBER_DIGITS];
	char note[PL_ONLINE_NAME_MAX + NUMBER_DIGITS + 2];
	struct pl_str args[6];

	snprintf(lease, sizeof(lease), "%lld", (long long)set->times.lease_ms);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)set->number);
	snprintf(count, sizeof(count), "%zu", set->own_count);
	snprintf(note, sizeof(note), "%s %s", set->process, number);
	args[0] = pl_str(set->process);
	args[1] = pl_str(lease);
	args[2] = pl_str(number);
	args[3] = PL_STR(PL_CHANNEL_ONLINE);
	args[4] = pl_str(note);
	args[5] = pl_str(count);
	run_script(set, &set->renew_script, args, 6, &set->renewing);
}

static void
on_renew_timer(struct pl_timer *t)
{
	struct pl_online_set *set = t->arg;

	pl_timer_start(set->loop, &set->renew_timer, set->times.renew_ms);
	flush(set);
	if (!pl_redis_is_up(set->redis))
		return;
	if (set->is_synced)
		renew(set);
	else
		rebuild(set);
}

void
pl_online_set_renew_soon(struct pl_online_set *set)
{
	if (!set->is_retired)
		pl_timer_start(set->loop, &set->renew_timer, 0);
}

/* ---- the end ---- */

static void
finish_retire(struct pl_online_set *set)
{
	void (*tell)(void *arg) = set->on_retired;

	pl_timer_stop(set->loop, &set->retire_timer);
	set->on_retired = NULL;
	if (tell != NULL)
		tell(set->retired_arg);
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

/* The last note. If users are kept, a number that does not follow makes all others read
 * our set, and when its lease ends. */
static void
send_retirement(struct pl_online_set *set, int64_t keep_ms)
{
	char keep[NUMBER_DIGITS], number[NUMBER_DIGITS];
	char note[PL_ONLINE_NAME_MAX + NUMBER_DIGITS + 4];
	struct pl_str args[5];

	set->number += 2;
	snprintf(keep, sizeof(keep), "%lld", (long long)keep_ms);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)set->number);
	snprintf(
	    note, sizeof(note), "%s %s%s", set->process, number, keep_ms > 0 ? "" : " .");
	args[0] = pl_str(set->process);
	args[1] = pl_str(keep);
	args[2] = pl_str(number);
	args[3] = PL_STR(PL_CHANNEL_ONLINE);
	args[4] = pl_str(note);
	run_script(set, &set->retire_script, args, 5, &set->retiring);
}

void
pl_online_set_retire(
    struct pl_online_set *set, int64_t keep_ms, void (*done)(void *arg), void *arg)
{
	bool is_up = pl_redis_is_up(set->redis);

	assert(!set->is_retired);
	if (is_up && set->is_synced)
		flush(set); /* users who have left by now are not kept */
	else if (is_up && keep_ms > 0)
		rebuild(set);
	set->is_retired = true;
	set->on_retired = done;
	set->retired_arg = arg;
	pl_timer_stop(set->loop, &set->renew_timer);
	pl_timer_start(set->loop, &set->retire_timer, is_up ? RETIRE_WAIT_MS : 0);
	if (is_up)
		send_retirement(set, set->own_count > 0 ? keep_ms : 0);
}

/* ---- life ---- */

/* A name that can stand in a note and a key. */
static char *
clean_name(const char *process)
{
	char *name = pl_mem_strndup(process, strnlen(process, PL_ONLINE_NAME_MAX));

	for (char *c = name; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~')
			*c = '_';
	return name;
}

struct pl_online_set *
pl_online_set_new_timed(struct pl_loop *loop, struct pl_redis *redis, struct pl_bus *bus,
    const char *process, struct pl_online_set_times times,
    pl_online_set_on_change *on_change, void *arg)
{
	struct pl_online_set *set = pl_mem_zalloc(sizeof(*set));

	set->loop = loop;
	set->bus = bus;
	set->redis = redis;
	set->times = times;
	set->on_change = on_change;
	set->arg = arg;
	pl_map_init(&set->users);
	set->flush_timer = (struct pl_timer){.on_fire = on_flush_timer, .arg = set};
	set->renew_timer = (struct pl_timer){.on_fire = on_renew_timer, .arg = set};
	set->retire_timer = (struct pl_timer){.on_fire = on_retire_timer, .arg = set};
	set->process = clean_name(process);
	pl_online_key(set->key_set, "parley:online:", set->process);
	pl_online_key(set->key_number, "parley:number:", set->process);
	/* Above any number that an earlier process of this name used. */
	set->number = (uint64_t)pl_clock_unix_ms() * 1000;
	pl_buf_init(&set->changes, PL_BUF_UNLIMITED);
	pl_redis_call_init(&set->sending, on_sent, set);
	pl_redis_call_init(&set->renewing, on_renewed, set);
	pl_redis_call_init(&set->retiring, on_retired, set);
	pl_redis_script_init(&set->announce_script, announce_lua);
	pl_redis_script_init(&set->renew_script, renew_lua);
	pl_redis_script_init(&set->retire_script, retire_lua);
	pl_online_set_processes_init(set);
	if (set->redis != NULL)
		pl_online_set_renew_soon(set);
	return set;
}

/* A successor of the same name must not overwrite our set, whose users may be on their
 * way to another process: so each life has a name of its own. */
struct pl_online_set *
pl_online_set_new(struct pl_loop *loop, struct pl_redis *redis, struct pl_bus *bus,
    const char *process, pl_online_set_on_change *on_change, void *arg)
{
	struct pl_online_set_times times = {PL_ONLINE_LEASE_MS, PL_ONLINE_RENEW_MS};
	char name[PL_ONLINE_NAME_MAX + 1];
	uint32_t life;

	pl_random_bytes(&life, sizeof(life));
	snprintf(name, sizeof(name), "%.*s.%08x", PL_ONLINE_NAME_MAX - 9, process, life);
	return pl_online_set_new_timed(loop, redis, bus, name, times, on_change, arg);
}

void
pl_online_set_free(struct pl_online_set *set)
{
	struct pl_online_user *u;
	size_t it = 0;

	if (set == NULL || set->is_closed)
		return;
	set->is_closed = true;
	pl_redis_call_cancel(&set->sending);
	pl_redis_call_cancel(&set->renewing);
	pl_redis_call_cancel(&set->retiring);
	pl_online_set_processes_fini(set);
	pl_timer_stop(set->loop, &set->flush_timer);
	pl_timer_stop(set->loop, &set->renew_timer);
	finish_retire(set);
	pl_buf_fini(&set->changes);
	while ((u = pl_map_next(&set->users, &it)) != NULL)
		pl_mem_free(u);
	pl_map_fini(&set->users);
	pl_mem_free(set->process);
	pl_mem_free(set);
}
