#include "bus/parting.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bus/redis_reply.h"

#define KEY          "parley:left:"
#define KEY_MAX      (sizeof(KEY) - 1 + PL_PARTING_PID_MAX)
#define UNIX_MS_MAX  INT64_C(9999999999999)
#define NUMBER_BYTES 24

struct question {
	void (*on_answer)(void *arg, int64_t ago_ms);
	void *arg;
};

static struct pl_str
key_of(struct pl_str pid, char out[KEY_MAX])
{
	size_t len = pid.len < PL_PARTING_PID_MAX ? pid.len : PL_PARTING_PID_MAX;

	memcpy(out, KEY, sizeof(KEY) - 1);
	memcpy(out + sizeof(KEY) - 1, pid.ptr, len);
	return pl_str_n(out, sizeof(KEY) - 1 + len);
}

static struct pl_str
number(int64_t value, char out[NUMBER_BYTES])
{
	snprintf(out, NUMBER_BYTES, "%lld", (long long)value);
	return pl_str(out);
}

void
pl_parting_note(struct pl_bus *bus, struct pl_str pid, bool is_for_good)
{
	struct pl_redis *redis = pl_bus_redis(bus);
	char key[KEY_MAX], now[NUMBER_BYTES], kept[NUMBER_BYTES];

	if (!pl_redis_is_up(redis))
		return;
	pl_redis_command(redis,
	    (struct pl_str[]){PL_STR("SET"), key_of(pid, key),
		number(is_for_good ? 0 : pl_clock_unix_ms(), now), PL_STR("PX"),
		number(PL_PARTING_KEPT_MS, kept)},
	    5, NULL, NULL);
}

static void
on_reply(void *arg, const struct redisReply *reply)
{
	struct question *q = arg;
	uint64_t at;
	int64_t ago_ms = PL_PARTING_UNKNOWN_AGO;

	if (pl_str_to_u64(pl_redis_reply_str(reply), UNIX_MS_MAX, &at)) {
		ago_ms = pl_clock_unix_ms() - (int64_t)at;
		if (ago_ms < 0)
			ago_ms = 0;
	}
	q->on_answer(q->arg, ago_ms);
	pl_mem_free(q);
}

void
pl_parting_take(struct pl_bus *bus, struct pl_str pid,
    void (*on_answer)(void *arg, int64_t ago_ms), void *arg)
{
	struct pl_redis *redis = pl_bus_redis(bus);
	struct question *q;
	char key[KEY_MAX];

	if (!pl_redis_is_up(redis)) {
		on_answer(arg, PL_PARTING_UNKNOWN_AGO);
		return;
	}
	q = pl_mem_zalloc(sizeof(*q));
	q->on_answer = on_answer;
	q->arg = arg;
	pl_redis_command(
	    redis, (struct pl_str[]){PL_STR("GETDEL"), key_of(pid, key)}, 2, on_reply, q);
}
