#include "limits/shared_limit.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "redis/reply.h"

PL_REDIS_LUA(rule_lua, "limit_rule");
PL_REDIS_LUA(window_lua, "limit_window");
PL_REDIS_LUA(day_lua, "limit_day");

#define DAY_MS        (86400 * INT64_C(1000))
#define KEY_BYTES_MAX 4096
#define SLOTS         8192 /* a power of two */
#define CLOSED_MS     1000 /* the wait that a limit answers when it is freed */

/* What the limits differ in. Each script takes a time in microseconds, a count, and "1"
 * to take one; it gives the milliseconds to wait, 0: allowed. */
struct kind {
	const char *lua;
	const char *prefix; /* of its keys */
	/* The same when Redis is away. */
	int64_t (*check_alone)(struct pl_shared_limit *l, size_t slot, bool takes);
	/* Redis has allowed one; may be NULL. */
	void (*note_taken)(struct pl_shared_limit *l);
};

struct pl_shared_limit {
	const struct kind *kind;
	struct pl_loop *loop;
	struct pl_redis *redis;
	char *name;
	struct pl_bucket_rule rule; /* without Redis */
	struct pl_redis_script script;
	char script_args[2][24];
	/*
	 * While Redis is away: a bucket for all keys of one hash. Nobody can push a key
	 * out by bringing others, and its size is fixed. Two keys that share one are held
	 * back sooner, never later. NULL until first needed.
	 */
	struct pl_bucket *slots;
	uint64_t hash_seed;
	/* By the day, over all keys: the day, and how many this process has taken in it. */
	int64_t day;
	int64_t day_count;
	struct pl_list asks;
};

/* ---- without Redis, by a rule or a window ---- */

/* FNV-1a from a secret start, then mixed, so that keys are not easily made to collide. */
static size_t
slot_of(const struct pl_shared_limit *l, struct pl_str key)
{
	uint64_t hash = l->hash_seed;

	for (size_t i = 0; i < key.len; i++)
		hash = (hash ^ (uint8_t)key.ptr[i]) * UINT64_C(0x100000001b3);
	hash ^= hash >> 32;
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(hash >> 40) & (SLOTS - 1);
}

static int64_t
check_bucket(struct pl_shared_limit *l, size_t slot, bool takes)
{
	int64_t now = pl_loop_now_ms(l->loop);
	struct pl_bucket copy;

	if (l->slots == NULL)
		l->slots = pl_mem_zalloc(SLOTS * sizeof(*l->slots));
	if (takes)
		return pl_bucket_take(&l->slots[slot], &l->rule, now);
	copy = l->slots[slot];
	return pl_bucket_take(&copy, &l->rule, now);
}

/* ---- without Redis, by the day ---- */

static void
note_taken_today(struct pl_shared_limit *l)
{
	int64_t day = pl_clock_unix_ms() / DAY_MS;

	if (day != l->day)
		l->day_count = 0;
	l->day = day;
	l->day_count++;
}

static int64_t
check_day(struct pl_shared_limit *l, size_t slot, bool takes)
{
	int64_t now = pl_clock_unix_ms();

	(void)slot;
	if (now / DAY_MS == l->day && l->day_count >= l->rule.burst)
		return DAY_MS - now % DAY_MS;
	if (takes)
		note_taken_today(l);
	return 0;
}

/* ---- with Redis ---- */

static void
answer(struct pl_limit_ask *ask, int64_t wait_ms)
{
	pl_shared_limit_cancel(ask);
	ask->on_answer(ask->arg, wait_ms);
}

static void
on_checked(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct pl_limit_ask *ask = arg;
	struct pl_shared_limit *l = ask->limit;
	int64_t wait_ms;

	(void)err;
	if (!pl_redis_reply_is(reply, REDIS_REPLY_INTEGER)) {
		answer(ask, l->kind->check_alone(l, ask->slot, ask->takes));
		return;
	}
	wait_ms = reply->integer;
	if (wait_ms == 0 && ask->takes && l->kind->note_taken != NULL)
		l->kind->note_taken(l);
	answer(ask, wait_ms);
}

static void
ask_redis(struct pl_shared_limit *l, struct pl_str key, struct pl_limit_ask *ask)
{
	struct pl_buf name;

	pl_buf_init(&name, PL_BUF_UNLIMITED);
	pl_buf_printf(&name, "%s%s", l->kind->prefix, l->name);
	if (key.len > 0)
		pl_buf_add_char(&name, ':');
	pl_buf_add_str(&name, key);
	pl_redis_eval(l->redis, &l->script, (struct pl_str[]){pl_buf_str(&name)}, 1,
	    (struct pl_str[]){pl_str(l->script_args[0]), pl_str(l->script_args[1]),
		ask->takes ? PL_STR("1") : PL_STR("0")},
	    3, &ask->call);
	pl_buf_fini(&name);
}

static void
check(struct pl_shared_limit *l, struct pl_str key, bool takes, struct pl_limit_ask *ask)
{
	if (key.len > KEY_BYTES_MAX)
		key.len = KEY_BYTES_MAX;
	ask->limit = l;
	ask->takes = takes;
	ask->slot = slot_of(l, key);
	pl_redis_call_init(&ask->call, on_checked, ask);
	pl_list_push(&l->asks, &ask->link);
	if (l->rule.interval_us == 0)
		answer(ask, 0);
	else if (!pl_redis_is_up(l->redis))
		answer(ask, l->kind->check_alone(l, ask->slot, takes));
	else
		ask_redis(l, key, ask);
}

void
pl_shared_limit_look(
    struct pl_shared_limit *l, struct pl_str key, struct pl_limit_ask *ask)
{
	check(l, key, false, ask);
}

static void
free_ask(void *arg, int64_t wait_ms)
{
	(void)wait_ms;
	pl_mem_free(arg);
}

void
pl_shared_limit_take(
    struct pl_shared_limit *l, struct pl_str key, struct pl_limit_ask *ask)
{
	if (ask == NULL) {
		ask = pl_mem_zalloc(sizeof(*ask));
		ask->on_answer = free_ask;
		ask->arg = ask;
	}
	check(l, key, true, ask);
}

void
pl_shared_limit_cancel(struct pl_limit_ask *ask)
{
	if (ask->limit == NULL)
		return;
	ask->limit = NULL;
	pl_list_unlink(&ask->link);
	pl_redis_call_cancel(&ask->call);
}

/* ---- life ---- */

static struct pl_shared_limit *
limit_new(struct pl_loop *loop, struct pl_redis *redis, const char *name,
    struct pl_bucket_rule rule, const struct kind *kind, const int64_t args[2])
{
	struct pl_shared_limit *l = pl_mem_zalloc(sizeof(*l));

	l->kind = kind;
	l->loop = loop;
	l->redis = redis;
	l->name = pl_mem_strdup(name);
	l->rule = rule;
	for (int i = 0; i < 2; i++)
		snprintf(l->script_args[i], sizeof(l->script_args[i]), "%lld",
		    (long long)args[i]);
	pl_redis_script_init(&l->script, kind->lua);
	pl_random_bytes(&l->hash_seed, sizeof(l->hash_seed));
	pl_list_init(&l->asks);
	return l;
}

struct pl_shared_limit *
pl_shared_limit_new(struct pl_loop *loop, struct pl_redis *redis, const char *name,
    struct pl_bucket_rule rule)
{
	static const struct kind kind = {
	    .lua = rule_lua, .prefix = "parley:limit:", .check_alone = check_bucket};

	return limit_new(
	    loop, redis, name, rule, &kind, (int64_t[]){rule.interval_us, rule.burst});
}

struct pl_shared_limit *
pl_shared_limit_new_window(struct pl_loop *loop, struct pl_redis *redis, const char *name,
    int64_t count, int64_t window_ms)
{
	static const struct kind kind = {
	    .lua = window_lua, .prefix = "parley:limit:", .check_alone = check_bucket};

	return limit_new(loop, redis, name, pl_bucket_rule(count, window_ms, count),
	    &kind, (int64_t[]){window_ms * 1000, count});
}

struct pl_shared_limit *
pl_shared_limit_new_day(
    struct pl_loop *loop, struct pl_redis *redis, const char *name, int64_t count)
{
	static const struct kind kind = {.lua = day_lua,
	    .prefix = "parley:quota:",
	    .check_alone = check_day,
	    .note_taken = note_taken_today};

	return limit_new(loop, redis, name, pl_bucket_rule(count, DAY_MS, count), &kind,
	    (int64_t[]){DAY_MS * 1000, count});
}

void
pl_shared_limit_free(struct pl_shared_limit *l)
{
	struct pl_list *link;

	if (l == NULL)
		return;
	while ((link = pl_list_pop(&l->asks)) != NULL)
		answer(PL_CONTAINER(link, struct pl_limit_ask, link), CLOSED_MS);
	pl_mem_free(l->slots);
	pl_mem_free(l->name);
	pl_mem_free(l);
}
