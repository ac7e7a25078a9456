#include <openssl/evp.h>
#include <stdio.h>

#include "base/mem.h"
#include "redis/client.h"
#include "redis/reply.h"

#define WORDS_BEFORE_KEYS 3 /* EVALSHA, script, number of keys */
#define SHA1_BYTES        20

/* One run, kept until it is answered: the server may ask for the whole script. */
struct run {
	struct pl_redis *redis;
	const char *lua;
	struct pl_redis_flight flight; /* for the caller */
	struct pl_redis_call call;     /* EVALSHA, then perhaps EVAL */
	char key_count[12];
	size_t argc;
	struct pl_str words[]; /* and after them, their bytes */
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
copy_words(struct run *run, char *to, const struct pl_str *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (words[i].len > 0)
			memcpy(to, words[i].ptr, words[i].len);
		run->words[run->argc++] = pl_str_n(to, words[i].len);
		to += words[i].len;
	}
	return to;
}

static struct run *
run_new(const struct pl_str *keys, size_t key_count, const struct pl_str *args,
    size_t arg_count)
{
	size_t argc = WORDS_BEFORE_KEYS + key_count + arg_count;
	size_t table = sizeof(struct run) + argc * sizeof(struct pl_str);
	struct run *run =
	    pl_mem_zalloc(table + bytes_of(keys, key_count) + bytes_of(args, arg_count));
	char *to = (char *)run + table;

	snprintf(run->key_count, sizeof(run->key_count), "%zu", key_count);
	run->words[2] = pl_str(run->key_count);
	run->argc = WORDS_BEFORE_KEYS;
	to = copy_words(run, to, keys, key_count);
	copy_words(run, to, args, arg_count);
	return run;
}

static void
on_evaluated(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct run *run = arg;

	if (pl_redis_reply_is_error(reply, PL_STR("NOSCRIPT"))) {
		run->words[0] = PL_STR("EVAL");
		run->words[1] = pl_str(run->lua);
		pl_redis_command(run->redis, run->words, run->argc, &run->call);
		return;
	}
	pl_redis_flight_land(&run->flight, err, reply);
	pl_mem_free(run);
}

void
pl_redis_eval(struct pl_redis *r, const struct pl_redis_script *script,
    const struct pl_str *keys, size_t key_count, const struct pl_str *args,
    size_t arg_count, struct pl_redis_call *call)
{
	struct run *run = run_new(keys, key_count, args, arg_count);

	run->redis = r;
	run->lua = script->lua;
	pl_redis_flight_start(&run->flight, call);
	pl_redis_call_init(&run->call, on_evaluated, run);
	run->words[0] = PL_STR("EVALSHA");
	run->words[1] = pl_str(script->sha1_hex);
	pl_redis_command(r, run->words, run->argc, &run->call);
}
