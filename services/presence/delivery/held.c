#include "presence/delivery/held.h"

#include <assert.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/random.h"
#include "redis/reply.h"

PL_REDIS_LUA(held_tell_lua, "held_tell");
PL_REDIS_LUA(held_keep_lua, "held_keep");

#define ID_PREFIX     "h"
#define ID_LEN        23
#define IDS_A_COMMAND HELD_SAID_MAX
#define ARGS_BEFORE   9
#define NUMBER_BYTES  24

struct id {
	unsigned count;
	char text[HUB_SOCKET_ID_LEN + 1];
};

static struct pl_str
text_of(const struct id *id)
{
	return pl_str(id->text);
}

/* ---- ids ----------------------------------------------------------------------------- */

void
held_id_new(char out[HUB_SOCKET_ID_LEN + 1])
{
	pl_eio_sid_new(ID_PREFIX, out);
	assert(strlen(out) == ID_LEN);
}

bool
held_id_is_told(const char *socket_id)
{
	return strlen(socket_id) == ID_LEN && socket_id[0] == ID_PREFIX[0];
}

/* ---- what Redis is told ---------------------------------------------------------------- */

static void
fell_out(struct held *h)
{
	h->is_synced = false;
	pl_timer_start(h->app->loop, &h->renew, HELD_RENEW_MS / 5);
}

static void
on_sent(void *arg, enum pl_err err, const struct redisReply *reply)
{
	(void)reply;
	if (err != PL_OK)
		fell_out(arg);
}

/* The first ARGS_BEFORE of args are set here. By EVAL, which is carried out before the
 * changes that are sent next; EVALSHA may need a second try. */
static void
tell_set(struct held *h, bool is_anew, struct pl_str *args, size_t id_count)
{
	char kept[NUMBER_BYTES];
	int len = snprintf(kept, sizeof(kept), "%d", HELD_KEPT_MS);
	const struct pl_str before[ARGS_BEFORE] = {PL_STR("EVAL"), pl_str(held_tell_lua),
	    PL_STR("3"), PL_STR(HELD_KEY), pl_str(h->key), PL_STR(HELD_KEY_SINCE),
	    pl_str(h->life), pl_str_n(kept, (size_t)len),
	    is_anew ? PL_STR("1") : PL_STR("0")};

	memcpy(args, before, sizeof(before));
	pl_redis_command(h->app->redis, args, ARGS_BEFORE + id_count, &h->sending);
}

/* May single changes be told? If not, they are with the whole set, which is due. */
static bool
is_current(struct held *h)
{
	const struct pl_redis *redis = h->app->redis;

	if (!pl_redis_is_up(redis) || pl_redis_times_up(redis) != h->times_up)
		h->is_synced = false;
	return h->is_synced;
}

static void
send_keep(struct held *h)
{
	struct pl_str keys[] = {PL_STR(HELD_KEY), pl_str(h->key)};
	char kept[NUMBER_BYTES], count[NUMBER_BYTES];

	snprintf(kept, sizeof(kept), "%d", HELD_KEPT_MS);
	snprintf(count, sizeof(count), "%zu", h->sockets.count);
	pl_redis_eval(h->app->redis, &h->keep_script, keys, 2,
	    (struct pl_str[]){pl_str(h->life), pl_str(kept), pl_str(count)}, 3,
	    &h->renewing);
}

static void
send_all(struct held *h)
{
	struct pl_str args[ARGS_BEFORE + IDS_A_COMMAND];
	const struct id *id;
	size_t it = 0, count = 0;
	bool is_anew = true;

	h->word_count = 0; /* the set says it */
	h->is_synced = true;
	h->times_up = pl_redis_times_up(h->app->redis);
	while ((id = pl_map_next(&h->sockets, &it)) != NULL) {
		args[ARGS_BEFORE + count++] = text_of(id);
		if (count < IDS_A_COMMAND)
			continue;
		tell_set(h, is_anew, args, count);
		is_anew = false;
		count = 0;
	}
	tell_set(h, is_anew, args, count);
}

/* What neighbours of count words say alike, from the given one on: in one command. A
 * script would cost Redis several times as much. How many those were. */
static size_t
say_alike(struct held *h, size_t from, size_t count)
{
	struct pl_str args[2 + HELD_SAID_MAX] = {PL_STR("SADD"), pl_str(h->key)};
	char sign = h->words[from][0];
	size_t n = 0;

	if (sign == '-')
		args[0] = PL_STR("SREM");
	for (; from + n < count && h->words[from + n][0] == sign; n++)
		args[2 + n] = pl_str(h->words[from + n] + 1);
	pl_redis_command(h->app->redis, args, 2 + n, &h->sending);
	return n;
}

/* A set that was empty has no end until this. */
static void
say_kept(struct held *h)
{
	char kept[NUMBER_BYTES];

	snprintf(kept, sizeof(kept), "%d", HELD_KEPT_MS);
	pl_redis_command(h->app->redis,
	    (struct pl_str[]){PL_STR("PEXPIRE"), pl_str(h->key), pl_str(kept)}, 3,
	    &h->sending);
}

/* What is gathered, now. */
static void
say(struct held *h)
{
	size_t count = h->word_count;

	h->word_count = 0;
	if (count == 0 || !is_current(h))
		return;
	for (size_t i = 0; i < count;)
		i += say_alike(h, i, count);
	say_kept(h);
	pl_timer_start(h->app->loop, &h->saying, HELD_GATHER_MS);
}

static void
on_saying(struct pl_timer *t)
{
	say(t->arg);
}

static void
gather(struct held *h, char sign, const char *socket_id)
{
	if (h->word_count == HELD_SAID_MAX)
		say(h);
	snprintf(h->words[h->word_count++], HELD_WORD_BYTES, "%c%s", sign, socket_id);
	if (!pl_timer_is_started(&h->saying))
		say(h);
}

void
held_catch_up(struct held *h)
{
	const struct pl_redis *redis = h->app->redis;

	say(h);
	if (pl_redis_is_up(redis) && pl_redis_times_up(redis) != h->times_up)
		send_all(h);
}

static void
on_renewed(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct held *h = arg;

	(void)err;
	if (!pl_redis_reply_is(reply, REDIS_REPLY_INTEGER))
		fell_out(h);
	else if (reply->integer == 0)
		send_all(h);
}

static void
on_renew(struct pl_timer *t)
{
	struct held *h = t->arg;

	pl_timer_start(h->app->loop, t, HELD_RENEW_MS);
	say(h); /* or Redis would count others than we do */
	if (is_current(h))
		send_keep(h);
	else if (pl_redis_is_up(h->app->redis))
		send_all(h);
	else
		pl_timer_start(h->app->loop, t, HELD_RENEW_MS / 5);
}

/* ---- what is held ---------------------------------------------------------------------- */

static struct id *
find(const struct held *h, const char *socket_id)
{
	return pl_map_get(&h->sockets, pl_str(socket_id));
}

static void
tell_one(struct held *h, const struct id *id, char sign)
{
	if (is_current(h))
		gather(h, sign, id->text);
	else
		held_catch_up(h);
}

void
held_add(struct held *h, const char *socket_id)
{
	struct id *id = find(h, socket_id);

	if (id) {
		id->count++;
		return;
	}
	id = pl_mem_zalloc(sizeof(*id));
	id->count = 1;
	snprintf(id->text, sizeof(id->text), "%s", socket_id);
	pl_map_put(&h->sockets, text_of(id), id);
	tell_one(h, id, '+');
}

void
held_drop(struct held *h, const char *socket_id)
{
	struct id *id = find(h, socket_id);

	assert(id);
	if (--id->count > 0)
		return;
	pl_map_del(&h->sockets, text_of(id));
	tell_one(h, id, '-');
	pl_mem_free(id);
}

bool
held_is_shared(const struct held *h, const char *socket_id)
{
	const struct id *id = find(h, socket_id);

	return id && id->count > 1;
}

/* ---- life ------------------------------------------------------------------------------ */

void
held_start(struct held *h, const char *process)
{
	uint32_t life;

	pl_random_bytes(&life, sizeof(life));
	snprintf(
	    h->life, sizeof(h->life), "%.*s.%08x", PL_PROCESS_NAME_MAX, process, life);
	snprintf(h->key, sizeof(h->key), HELD_KEY ":%s", h->life);
	pl_map_init(&h->sockets);
	pl_redis_call_init(&h->sending, on_sent, h);
	pl_redis_call_init(&h->renewing, on_renewed, h);
	pl_redis_script_init(&h->keep_script, held_keep_lua);
	h->renew = (struct pl_timer){.on_fire = on_renew, .arg = h};
	h->saying = (struct pl_timer){.on_fire = on_saying, .arg = h};
	if (h->app->redis)
		pl_timer_start(h->app->loop, &h->renew, 0);
}

void
held_stop(struct held *h)
{
	struct id *id;
	size_t it = 0;

	say(h);
	pl_timer_stop(h->app->loop, &h->saying);
	pl_redis_call_cancel(&h->sending);
	pl_redis_call_cancel(&h->renewing);
	pl_timer_stop(h->app->loop, &h->renew);
	while ((id = pl_map_next(&h->sockets, &it)) != NULL)
		pl_mem_free(id);
	pl_map_fini(&h->sockets);
}
