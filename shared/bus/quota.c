#include "bus/quota.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bus/redis_reply.h"

PL_REDIS_LUA(take_lua, "limit_day");

#define DAY_MS   (86400 * INT64_C(1000))
#define NAME_MAX 64

struct pl_quota {
	struct pl_redis *redis;
	int64_t per_day;
	char key[NAME_MAX];
	char limit[24];
	struct pl_redis_script script;
	int64_t day; /* what this process has taken: when, and how many */
	int64_t count;
};

static void
note(struct pl_quota *q)
{
	int64_t day = pl_clock_unix_ms() / DAY_MS;

	if (day != q->day)
		q->count = 0;
	q->day = day;
	q->count++;
}

static bool
take_local(struct pl_quota *q)
{
	if (pl_clock_unix_ms() / DAY_MS == q->day && q->count >= q->per_day)
		return false;
	note(q);
	return true;
}

static void
on_reply(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct pl_quota_ask *ask = arg;
	bool is_known = pl_redis_reply_is(reply, REDIS_REPLY_INTEGER);
	bool is_granted = is_known && reply->integer > 0;

	(void)err;
	if (is_granted)
		note(ask->quota);
	else if (!is_known)
		is_granted = take_local(ask->quota);
	ask->on_answer(ask->arg, is_granted);
}

void
pl_quota_take(struct pl_quota *q, struct pl_quota_ask *ask)
{
	if (q->per_day == 0) {
		ask->on_answer(ask->arg, true);
		return;
	}
	if (!pl_redis_is_up(q->redis)) {
		ask->on_answer(ask->arg, take_local(q));
		return;
	}
	ask->quota = q;
	pl_redis_call_init(&ask->call, on_reply, ask);
	pl_redis_eval(q->redis, &q->script, (struct pl_str[]){pl_str(q->key)}, 1,
	    (struct pl_str[]){pl_str(q->limit)}, 1, &ask->call);
}

void
pl_quota_cancel(struct pl_quota_ask *ask)
{
	pl_redis_call_cancel(&ask->call);
}

struct pl_quota *
pl_quota_new(struct pl_redis *redis, const char *name, int64_t per_day)
{
	struct pl_quota *q = pl_mem_zalloc(sizeof(*q));

	q->redis = redis;
	q->per_day = per_day;
	snprintf(q->key, sizeof(q->key), "parley:quota:%s", name);
	snprintf(q->limit, sizeof(q->limit), "%lld", (long long)per_day);
	pl_redis_script_init(&q->script, take_lua);
	return q;
}

void
pl_quota_free(struct pl_quota *q)
{
	pl_mem_free(q);
}
