#include "presence/delivery/parting.h"

#include <stdio.h>

#include "base/clock.h"
#include "redis/reply.h"

#define KEY          "parley:left:"
#define KEY_MAX      (sizeof(KEY) - 1 + PARTING_PID_MAX)
#define UNIX_MS_MAX  INT64_C(9999999999999)
#define NUMBER_BYTES 24

static struct pl_str
key_of(struct pl_str pid, char out[KEY_MAX])
{
	size_t len = pid.len < PARTING_PID_MAX ? pid.len : PARTING_PID_MAX;

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
parting_note(struct pl_redis *redis, struct pl_str pid, bool is_for_good)
{
	char key[KEY_MAX], now[NUMBER_BYTES], kept[NUMBER_BYTES];

	if (!pl_redis_is_up(redis))
		return;
	pl_redis_command(redis,
	    (struct pl_str[]){PL_STR("SET"), key_of(pid, key),
		number(is_for_good ? 0 : pl_clock_unix_ms(), now), PL_STR("PX"),
		number(PARTING_KEPT_MS, kept)},
	    5, NULL);
}

static void
on_reply(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct parting_ask *ask = arg;
	uint64_t at;
	int64_t ago_ms = PARTING_UNKNOWN_AGO;

	(void)err;
	if (pl_str_to_u64(pl_redis_reply_str(reply), UNIX_MS_MAX, &at)) {
		ago_ms = pl_clock_unix_ms() - (int64_t)at;
		if (ago_ms < 0)
			ago_ms = 0;
	}
	ask->on_answer(ask->arg, ago_ms);
}

void
parting_take(struct pl_redis *redis, struct pl_str pid, struct parting_ask *ask)
{
	char key[KEY_MAX];

	if (!pl_redis_is_up(redis)) {
		ask->on_answer(ask->arg, PARTING_UNKNOWN_AGO);
		return;
	}
	pl_redis_call_init(&ask->call, on_reply, ask);
	pl_redis_command(
	    redis, (struct pl_str[]){PL_STR("GETDEL"), key_of(pid, key)}, 2, &ask->call);
}

void
parting_cancel(struct parting_ask *ask)
{
	pl_redis_call_cancel(&ask->call);
}
