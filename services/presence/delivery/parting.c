#include "presence/delivery/parting.h"

#include <stdio.h>

#include "redis/reply.h"

PL_REDIS_LUA(parting_note_lua, "parting_note");
PL_REDIS_LUA(parting_find_lua, "parting_find");

#define KEY          "parley:left:"
#define KEY_MAX      (sizeof(KEY) - 1 + PARTING_PID_MAX)
#define NUMBER_BYTES 24

static struct pl_str
key_of(struct pl_str pid, char out[KEY_MAX])
{
	size_t len = pid.len < PARTING_PID_MAX ? pid.len : PARTING_PID_MAX;

	memcpy(out, KEY, sizeof(KEY) - 1);
	memcpy(out + sizeof(KEY) - 1, pid.ptr, len);
	return pl_str_n(out, sizeof(KEY) - 1 + len);
}

/* By EVAL, which is carried out before whatever is sent next; EVALSHA may need a second
 * try. What is for good needs neither the time nor the note before: so it is a plain
 * command, which costs Redis a fraction of a script. */
void
parting_note(struct pl_redis *redis, struct pl_str pid, bool is_for_good)
{
	char key[KEY_MAX], kept[NUMBER_BYTES];

	if (!pl_redis_is_up(redis))
		return;
	snprintf(kept, sizeof(kept), "%d", PARTING_KEPT_MS);
	if (is_for_good)
		pl_redis_command(redis,
		    (struct pl_str[]){PL_STR("SET"), key_of(pid, key), PL_STR("0"),
			PL_STR("PX"), pl_str(kept)},
		    5, NULL);
	else
		pl_redis_command(redis,
		    (struct pl_str[]){PL_STR("EVAL"), pl_str(parting_note_lua),
			PL_STR("1"), key_of(pid, key), pl_str(kept)},
		    5, NULL);
}

static void
on_reply(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct parting_ask *ask = arg;
	bool is_known = pl_redis_reply_is(reply, REDIS_REPLY_INTEGER);

	(void)err;
	ask->on_answer(ask->arg,
	    is_known && reply->integer >= 0 ? reply->integer : PARTING_UNKNOWN_AGO);
}

void
parting_find(struct pl_redis *redis, struct pl_str pid, const char *socket_id,
    struct parting_ask *ask)
{
	struct pl_str keys[] = {PL_STR_NONE, PL_STR(HELD_KEY), PL_STR(HELD_KEY_SINCE)};
	struct pl_redis_script script;
	char key[KEY_MAX], sure[NUMBER_BYTES];

	if (!pl_redis_is_up(redis)) {
		ask->on_answer(ask->arg, PARTING_UNKNOWN_AGO);
		return;
	}
	keys[0] = key_of(pid, key);
	snprintf(
	    sure, sizeof(sure), "%d", held_id_is_told(socket_id) ? PARTING_KEPT_MS : 0);
	pl_redis_call_init(&ask->call, on_reply, ask);
	pl_redis_script_init(&script, parting_find_lua);
	pl_redis_eval(redis, &script, keys, 3,
	    (struct pl_str[]){pl_str(socket_id), pl_str(sure)}, 2, &ask->call);
}

void
parting_forget(struct pl_redis *redis, struct pl_str pid)
{
	char key[KEY_MAX];

	if (pl_redis_is_up(redis))
		pl_redis_command(
		    redis, (struct pl_str[]){PL_STR("DEL"), key_of(pid, key)}, 2, NULL);
}

void
parting_cancel(struct parting_ask *ask)
{
	pl_redis_call_cancel(&ask->call);
}
