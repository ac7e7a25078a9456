#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/random.h"
#include "bus/redis_reply.h"
#include "bus/throttle.h"

PL_REDIS_LUA(rule_lua, "limit_rule");
PL_REDIS_LUA(window_lua, "limit_window");

#define KEY_BYTES_MAX 4096
#define SLOTS         8192 /* a power of two */
#define CLOSED_MS     1000 /* the answer of a throttle that goes away */

struct pl_throttle {
	struct pl_loop *loop;
	struct pl_redis *redis;
	char *name;
	struct pl_bucket_rule rule; /* without Redis */
	struct pl_redis_script script;
	char script_args[2][24]; /* interval and burst, or window and how many */
	/*
	 * While Redis is away: a bucket for all keys of one hash. Nobody can push a key out of
	 * it by bringing others, and what it takes is fixed. Two keys that share one are held
	 * back sooner, never later. NULL until first needed.
	 */
	struct pl_bucket *slots;
	uint64_t hash_seed;
	struct pl_list questions;
};

struct question {
	struct pl_list link;
	struct pl_throttle *throttle;
	struct pl_redis_call call;
	bool take;
	size_t slot; /* its bucket, should Redis not answer */
	void (*on_answer)(void *arg, int64_t wait_ms); /* NULL: nobody asks */
	void *arg;
};

/* ---- without Redis ---- */

/* FNV-1a from a secret start, then mixed, so that keys are not easily made to collide. */
static size_t
slot_of(const struct pl_throttle *t, struct pl_str key)
{
	uint64_t hash = t->hash_seed;

	for (size_t i = 0; i < key.len; i++)
		hash = (hash ^ (uint8_t)key.ptr[i]) * UINT64_C(0x100000001b3);
	hash ^= hash >> 32;
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(hash >> 40) & (SLOTS - 1);
}

static int64_t
check_local(struct pl_throttle *t, size_t slot, bool take)
{
	int64_t now = pl_loop_now_ms(t->loop);
	struct pl_bucket copy;

	if (t->slots == NULL)
		t->slots = pl_mem_zalloc(SLOTS * sizeof(*t->slots));
	if (take)
		return pl_bucket_take(&t->slots[slot], &t->rule, now);
	copy = t->slots[slot];
	return pl_bucket_take(&copy, &t->rule, now);
}

/* ---- with Redis ---- */

static void
answer(struct question *q, int64_t wait_ms)
{
	pl_list_unlink(&q->link);
	pl_redis_call_cancel(&q->call);
	if (q->on_answer != NULL)
		q->on_answer(q->arg, wait_ms);
	pl_mem_free(q);
}

static void
on_checked(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct question *q = arg;

	(void)err;
	if (pl_redis_reply_is(reply, REDIS_REPLY_INTEGER))
		answer(q, reply->integer);
	else
		answer(q, check_local(q->throttle, q->slot, q->take));
}

static void
ask(struct pl_throttle *t, struct pl_str key, struct question *q)
{
	struct pl_buf name;

	pl_buf_init(&name, PL_BUF_UNLIMITED);
	pl_buf_printf(&name, "parley:limit:%s:", t->name);
	pl_buf_add_str(&name, key);
	pl_redis_eval(t->redis, &t->script, (struct pl_str[]){pl_buf_str(&name)}, 1,
	    (struct pl_str[]){pl_str(t->script_args[0]), pl_str(t->script_args[1]),
		q->take ? PL_STR("1") : PL_STR("0")},
	    3, &q->call);
	pl_buf_fini(&name);
}

void
pl_throttle_check(struct pl_throttle *t, struct pl_str key, bool take,
    void (*on_answer)(void *arg, int64_t wait_ms), void *arg)
{
	struct question *q;
	int64_t wait_ms = 0;

	if (key.len > KEY_BYTES_MAX)
		key.len = KEY_BYTES_MAX;
	if (t->rule.interval_us == 0 || !pl_redis_is_up(t->redis)) {
		if (t->rule.interval_us != 0)
			wait_ms = check_local(t, slot_of(t, key), take);
		if (on_answer != NULL)
			on_answer(arg, wait_ms);
		return;
	}
	q = pl_mem_zalloc(sizeof(*q));
	*q = (struct question){.throttle = t,
	    .take = take,
	    .slot = slot_of(t, key),
	    .on_answer = on_answer,
	    .arg = arg};
	pl_redis_call_init(&q->call, on_checked, q);
	pl_list_push(&t->questions, &q->link);
	ask(t, key, q);
}

/* ---- life ---- */

static struct pl_throttle *
throttle_new(struct pl_loop *loop, struct pl_redis *redis, const char *name,
    struct pl_bucket_rule rule, const char *lua, const int64_t args[2])
{
	struct pl_throttle *t = pl_mem_zalloc(sizeof(*t));

	t->loop = loop;
	t->redis = redis;
	t->name = pl_mem_strdup(name);
	t->rule = rule;
	for (int i = 0; i < 2; i++)
		snprintf(t->script_args[i], sizeof(t->script_args[i]), "%lld",
		    (long long)args[i]);
	pl_redis_script_init(&t->script, lua);
	pl_random_bytes(&t->hash_seed, sizeof(t->hash_seed));
	pl_list_init(&t->questions);
	return t;
}

struct pl_throttle *
pl_throttle_new(struct pl_loop *loop, struct pl_redis *redis, const char *name,
    struct pl_bucket_rule rule)
{
	return throttle_new(
	    loop, redis, name, rule, rule_lua, (int64_t[]){rule.interval_us, rule.burst});
}

struct pl_throttle *
pl_throttle_new_window(struct pl_loop *loop, struct pl_redis *redis, const char *name,
    int64_t count, int64_t window_ms)
{
	return throttle_new(loop, redis, name, pl_bucket_rule(count, window_ms, count),
	    window_lua, (int64_t[]){window_ms * 1000, count});
}

void
pl_throttle_free(struct pl_throttle *t)
{
	struct pl_list *link;

	if (t == NULL)
		return;
	while ((link = pl_list_pop(&t->questions)) != NULL)
		answer(PL_CONTAINER(link, struct question, link), CLOSED_MS);
	pl_mem_free(t->slots);
	pl_mem_free(t->name);
	pl_mem_free(t);
}
