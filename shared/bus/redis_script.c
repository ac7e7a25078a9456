#include <openssl/evp.h>
#include <stdio.h>

#include "base/mem.h"
#include "bus/redis.h"
#include "bus/redis_reply.h"

#define WORDS_BEFORE_KEYS 3 /* EVALSHA, script, number of keys */
#define SHA1_BYTES        20

/* One call, kept until it is answered: the server may ask for the whole script. */
struct call {
	struct pl_redis *redis;
	const struct pl_redis_script *script;
	pl_redis_on_reply *on_reply;
	void *arg;
	char key_count[12];
	size_t argc;
	struct pl_str words[]; /* and behind them, their bytes */
};

void
pl_redis_script_init(struct pl_redis_script *script, const char *lua)
{
	unsigned char sha1[EVP_MAX_MD_SIZE];

	script->lua = lua;
	EVP_Digest(lua, strlen(lua), sha1, NULL, EVP_sha1(), NULL);
	for (size_t i = 0; i < SHA1_BYTES; i++)
		snprintf(script->sha1_hex + 2 * i, 3, "%02x", sha1[i]);
}

static size_t
bytes_of(const struct pl_str *words, size_t count)
{
	size_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += words[i].len;
	return sum;
}

static char *
copy_words(struct call *c, char *to, const struct pl_str *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (words[i].len > 0)
			memcpy(to, words[i].ptr, words[i].len);
		c->words[c->argc++] = pl_str_n(to, words[i].len);
		to += words[i].len;
	}
	return to;
}

static struct call *
call_new(const struct pl_str *keys, size_t key_count, const struct pl_str *args,
    size_t arg_count)
{
	size_t argc = WORDS_BEFORE_KEYS + key_count + arg_count;
	size_t table = sizeof(struct call) + argc * sizeof(struct pl_str);
	struct call *c =
	    pl_mem_zalloc(table + bytes_of(keys, key_count) + bytes_of(args, arg_count));
	char *to = (char *)c + table;

	snprintf(c->key_count, sizeof(c->key_count), "%zu", key_count);
	c->words[2] = pl_str(c->key_count);
	c->argc = WORDS_BEFORE_KEYS;
	to = copy_words(c, to, keys, key_count);
	copy_words(c, to, args, arg_count);
	return c;
}

static void
finish(struct call *c, const struct redisReply *reply)
{
	if (c->on_reply != NULL)
		c->on_reply(c->arg, reply);
	pl_mem_free(c);
}

static void
on_eval(void *arg, const struct redisReply *reply)
{
	finish(arg, reply);
}

static void
on_evalsha(void *arg, const struct redisReply *reply)
{
	struct call *c = arg;

	if (!pl_redis_reply_is_error(reply, PL_STR("NOSCRIPT"))) {
		finish(c, reply);
		return;
	}
	c->words[0] = PL_STR("EVAL");
	c->words[1] = pl_str(c->script->lua);
	pl_redis_command(c->redis, c->words, c->argc, on_eval, c);
}

void
pl_redis_eval(struct pl_redis *r, const struct pl_redis_script *script,
    const struct pl_str *keys, size_t key_count, const struct pl_str *args,
    size_t arg_count, pl_redis_on_reply *on_reply, void *arg)
{
	struct call *c = call_new(keys, key_count, args, arg_count);

	c->redis = r;
	c->script = script;
	c->on_reply = on_reply;
	c->arg = arg;
	c->words[0] = PL_STR("EVALSHA");
	c->words[1] = pl_str(script->sha1_hex);
	pl_redis_command(r, c->words, c->argc, on_evalsha, c);
}
