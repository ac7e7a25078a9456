#include "bus/quota.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bus/redis_reply.h"

#define DAY_MS   (86400 * INT64_C(1000))
#define NAME_MAX 64

/* KEYS: the hash. ARGV: the quota. Gives the count taken with this one, or 0: none is left. */
static const char take_lua[] =
    "local day = tostring(math.floor(redis.call('TIME')[1] / 86400))\n"
    "local known = redis.call('HMGET', KEYS[1], 'day', 'count')\n"
    "local count = known[1] == day and tonumber(known[2]) or 0\n"
    "if count >= tonumber(ARGV[1]) then return 0 end\n"
    "redis.call('HSET', KEYS[1], 'day', day, 'count', count + 1)\n"
    "redis.call('EXPIRE', KEYS[1], 172800)\n"
    "return count + 1\n";

struct pl_quota {
	struct pl_bus *bus;
	int64_t per_day;
	char key[NAME_MAX];
	char limit[24];
	struct pl_redis_script script;
	int64_t day; /* what this process has taken: when, and how many */
	int64_t count;
};

/* Lives until Redis' reply, or its absence. */
struct pl_quota_question {
	struct pl_quota *quota;
	struct pl_quota_ask *ask; /* NULL: it was cancelled */
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
on_reply(void *arg, const struct redisReply *reply)
{
	struct pl_quota_question *question = arg;
	struct pl_quota_ask *ask = question->ask;
	bool is_known = pl_redis_reply_is(reply, REDIS_REPLY_INTEGER);
	bool is_granted = is_known && reply->integer > 0;

	if (ask != NULL) {
		ask->question = NULL;
		if (is_granted)
			note(question->quota);
		else if (!is_known)
			is_granted = take_local(question->quota);
		ask->on_answer(ask->arg, is_granted);
	}
	pl_mem_free(question);
}

void
pl_quota_take(struct pl_quota *q, struct pl_quota_ask *ask)
{
	struct pl_redis *redis = pl_bus_redis(q->bus);

	if (q->per_day == 0) {
		ask->on_answer(ask->arg, true);
		return;
	}
	if (!pl_redis_is_up(redis)) {
		ask->on_answer(ask->arg, take_local(q));
		return;
	}
	ask->question = pl_mem_alloc(sizeof(*ask->question));
	*ask->question = (struct pl_quota_question){q, ask};
	pl_redis_eval(redis, &q->script, (struct pl_str[]){pl_str(q->key)}, 1,
	    (struct pl_str[]){pl_str(q->limit)}, 1, on_reply, ask->question);
}

void
pl_quota_cancel(struct pl_quota_ask *ask)
{
	if (ask->question != NULL)
		ask->question->ask = NULL;
	ask->question = NULL;
}

struct pl_quota *
pl_quota_new(struct pl_bus *bus, const char *name, int64_t per_day)
{
	struct pl_quota *q = pl_mem_zalloc(sizeof(*q));

	q->bus = bus;
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
