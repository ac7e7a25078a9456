/*
 * Each script of shared/redis/lua alone, by the real Redis: what it gives, what it leaves
 * behind, and that it refuses another number of keys or arguments, or no number, before
 * it changes anything.
 */
#include "base/buf.h"
#include "redis/reply.h"
#include "support/redis_fixture.h"

PL_REDIS_LUA(limit_rule, "limit_rule");
PL_REDIS_LUA(limit_window, "limit_window");
PL_REDIS_LUA(limit_day, "limit_day");
PL_REDIS_LUA(online_ask, "online_ask");
PL_REDIS_LUA(process_announce, "process_announce");
PL_REDIS_LUA(process_leave, "process_leave");
PL_REDIS_LUA(process_list, "process_list");
PL_REDIS_LUA(online_announce, "online_announce");
PL_REDIS_LUA(online_renew, "online_renew");
PL_REDIS_LUA(online_retire, "online_retire");
PL_REDIS_LUA(online_list, "online_list");
PL_REDIS_LUA(online_read, "online_read");
PL_REDIS_LUA(held_tell, "held_tell");
PL_REDIS_LUA(held_keep, "held_keep");
PL_REDIS_LUA(parting_note, "parting_note");
PL_REDIS_LUA(parting_find, "parting_find");

#define WORDS_MAX 12
#define ID_A      "65a000000000000000000001"
#define ID_B      "65a000000000000000000002"
#define SHORT_MS  "150"

struct world {
	struct fixture *f;
	struct pl_redis *redis;
	char text[512]; /* the last reply */
	bool is_done;
};

/* 7, "text", [1 [2 x]], nil: an array in brackets, an error after "-". */
static void
print(struct pl_buf *out, const struct redisReply *reply)
{
	if (pl_redis_reply_is(reply, REDIS_REPLY_INTEGER)) {
		pl_buf_printf(out, "%lld", reply->integer);
	} else if (pl_redis_reply_is(reply, REDIS_REPLY_ARRAY)) {
		pl_buf_add_char(out, '[');
		for (size_t i = 0; i < reply->elements; i++) {
			if (i > 0)
				pl_buf_add_char(out, ' ');
			print(out, reply->element[i]);
		}
		pl_buf_add_char(out, ']');
	} else if (pl_redis_reply_is(reply, REDIS_REPLY_NIL)) {
		pl_buf_add_cstr(out, "nil");
	} else {
		if (pl_redis_reply_is(reply, REDIS_REPLY_ERROR))
			pl_buf_add_char(out, '-');
		pl_buf_add_str(out, pl_redis_reply_str(reply));
	}
}

static void
on_done(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct world *w = arg;
	struct pl_buf out;

	assert_true(err == PL_OK || err == PL_E_IO);
	pl_buf_init(&out, PL_BUF_UNLIMITED);
	print(&out, reply);
	snprintf(w->text, sizeof(w->text), "%.*s", (int)out.len, out.len ? out.data : "");
	pl_buf_fini(&out);
	w->is_done = true;
}

static size_t
split(const char *text, struct pl_str out[WORDS_MAX])
{
	struct pl_str rest = pl_str(text);
	size_t count = 0;

	while (rest.len > 0 && pl_str_split(&rest, '|', &out[count]))
		count++;
	if (rest.len > 0)
		out[count++] = rest;
	return count;
}

/* Keys and arguments with '|' between them. */
static const char *
run(struct world *w, const char *lua, const char *keys, const char *args)
{
	struct pl_str key_words[WORDS_MAX], arg_words[WORDS_MAX];
	size_t key_count = split(keys, key_words), arg_count = split(args, arg_words);
	struct pl_redis_script script;
	struct pl_redis_call call;

	pl_redis_script_init(&script, lua);
	pl_redis_call_init(&call, on_done, w);
	w->is_done = false;
	pl_redis_eval(
	    w->redis, &script, key_words, key_count, arg_words, arg_count, &call);
	WAIT_FOR(w->f, w->is_done);
	return w->text;
}

static const char *
ask(struct world *w, const char *command)
{
	return redis_server_ask(&w->f->server, command);
}

static int
world_setup(void **state)
{
	struct world *w = pl_mem_zalloc(sizeof(*w));
	void *f;

	if (fixture_setup(&f) != 0)
		return -1;
	w->f = f;
	w->redis = fixture_redis(w->f);
	WAIT_FOR(w->f, pl_redis_is_up(w->redis));
	*state = w;
	return 0;
}

static int
world_teardown(void **state)
{
	struct world *w = *state;
	void *f = w->f;

	pl_redis_free(w->redis);
	pl_mem_free(w);
	return fixture_teardown(&f);
}

/* ---- what all promise ---- */

struct script {
	const char *name, *lua;
	int keys, args;
	int numbers; /* the arguments that are: a bit each, the first is 1 */
	bool takes_more;
};

static const struct script all[] = {
    {"limit_rule", limit_rule, 1, 3, 3, false},
    {"limit_window", limit_window, 1, 3, 3, false},
    {"limit_day", limit_day, 1, 3, 3, false},
    {"online_ask", online_ask, 3, 3, 2, false},
    {"process_announce", process_announce, 1, 5, 8, false},
    {"process_leave", process_leave, 1, 3, 0, false},
    {"process_list", process_list, 1, 0, 0, false},
    {"online_announce", online_announce, 3, 5, 2, true},
    {"online_renew", online_renew, 3, 6, 2 | 32, false},
    {"online_retire", online_retire, 3, 5, 2, false},
    {"online_list", online_list, 1, 0, 0, false},
    {"online_read", online_read, 3, 1, 0, false},
    {"held_tell", held_tell, 3, 3, 2, true},
    {"held_keep", held_keep, 2, 3, 2 | 4, false},
    {"parting_note", parting_note, 1, 1, 1, false},
    {"parting_find", parting_find, 3, 2, 2, false},
};

#define SCRIPTS (sizeof(all) / sizeof(all[0]))

/* count words, "1" each but the bad one (counted from 0). */
static void
words(char out[4 * WORDS_MAX], int count, int bad)
{
	out[0] = '\0';
	for (int i = 0; i < count; i++) {
		size_t len = strlen(out);

		snprintf(out + len, 4 * WORDS_MAX - len, "%s%s", i > 0 ? "|" : "",
		    i == bad ? "x" : "1");
	}
}

static void
refuses(struct world *w, const struct script *s, int keys, int args, int bad)
{
	char key_text[4 * WORDS_MAX], arg_text[4 * WORDS_MAX];
	const char *said;

	words(key_text, keys, -1);
	words(arg_text, args, bad);
	said = run(w, s->lua, key_text, arg_text);
	if (said[0] != '-' || strstr(said, s->name) == NULL)
		fail_msg(
		    "%s with %d keys and %d arguments: %s", s->name, keys, args, said);
	assert_string_equal(ask(w, "DBSIZE"), "0");
}

static void
refuses_another_number_of_keys_or_arguments(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < SCRIPTS; i++) {
		const struct script *s = &all[i];

		refuses(w, s, s->keys - 1, s->args, -1);
		refuses(w, s, s->keys + 1, s->args, -1);
		if (s->args > 0)
			refuses(w, s, s->keys, s->args - 1, -1);
		if (!s->takes_more)
			refuses(w, s, s->keys, s->args + 1, -1);
	}
}

static void
refuses_what_is_no_number(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < SCRIPTS; i++)
		for (int arg = 0; arg < all[i].args; arg++)
			if (all[i].numbers & (1 << arg))
				refuses(w, &all[i], all[i].keys, all[i].args, arg);
}

/* A key of another kind is Redis' error, and no crash of ours. */
static void
tells_of_a_key_of_another_kind(void **state)
{
	struct world *w = *state;

	(void)ask(w, "RPUSH k x");
	assert_int_equal(run(w, limit_rule, "k", "1000|1|1")[0], '-');
	assert_int_equal(run(w, limit_day, "k", "1000|1|1")[0], '-');
	assert_int_equal(run(w, process_list, "k", "")[0], '-');
	assert_int_equal(run(w, online_list, "k", "")[0], '-');
	assert_int_equal(run(w, process_announce, "k", "a b|x|up|1|c")[0], '-');
	assert_string_equal(ask(w, "LRANGE k 0 -1"), "x");
}

/* ---- limits ---- */

static void
the_rule_allows_a_burst_and_tells_how_long_to_wait(void **state)
{
	struct world *w = *state;
	int wait;

	for (int i = 0; i < 3; i++) /* a look takes nothing */
		assert_string_equal(run(w, limit_rule, "k", "60000000|2|0"), "0");
	assert_string_equal(ask(w, "EXISTS k"), "0");
	assert_string_equal(run(w, limit_rule, "k", "60000000|2|1"), "0");
	assert_string_equal(run(w, limit_rule, "k", "60000000|2|1"), "0");
	wait = atoi(run(w, limit_rule, "k", "60000000|2|1"));
	assert_in_range(wait, 50000, 60000);
	assert_in_range(atoi(ask(w, "PTTL k")), 110000, 120000);
	assert_string_equal(run(w, limit_rule, "other", "60000000|2|1"), "0");
}

static void
a_window_never_has_more_in_it(void **state)
{
	struct world *w = *state;
	int wait_ms;

	assert_string_equal(run(w, limit_window, "k", "60000000|2|0"), "0");
	assert_string_equal(ask(w, "EXISTS k"), "0");
	assert_string_equal(run(w, limit_window, "k", "60000000|2|1"), "0");
	assert_string_equal(run(w, limit_window, "k", "60000000|2|1"), "0");
	assert_in_range(atoi(run(w, limit_window, "k", "60000000|2|1")), 50000, 60000);
	assert_string_equal(ask(w, "LLEN k"), "2");
	assert_in_range(atoi(ask(w, "PTTL k")), 50000, 60000);
	/* Once the first has left it there is room for one. */
	do /* more than one, if it stands still for longer than the window */
		wait_ms = atoi(run(w, limit_window, "short", "150000|1|1"));
	while (wait_ms == 0);
	assert_in_range(wait_ms, 1, 150);
	TURN_FOR(w->f, 160);
	assert_string_equal(run(w, limit_window, "short", "150000|1|1"), "0");
}

static void
a_day_counts_up_to_its_most(void **state)
{
	struct world *w = *state;
	const char *takes = "86400000000|2|1";

	avoid_midnight();
	assert_string_equal(run(w, limit_day, "k", "86400000000|2|0"), "0");
	assert_string_equal(ask(w, "EXISTS k"), "0");
	assert_string_equal(run(w, limit_day, "k", takes), "0");
	assert_string_equal(run(w, limit_day, "k", takes), "0");
	assert_in_range(atoi(run(w, limit_day, "k", takes)), 1, 86400000);
	assert_string_equal(ask(w, "HGET k count"), "2");
	assert_in_range(atoi(ask(w, "TTL k")), 172000, 172800);
	(void)ask(w, "HSET k day 3"); /* long ago */
	assert_string_equal(run(w, limit_day, "k", takes), "0");
	assert_string_equal(ask(w, "HGET k count"), "1");
	(void)ask(w, "HSET k count strange");
	assert_string_equal(run(w, limit_day, "k", takes), "0");
	/* A new period begins by itself. */
	assert_string_equal(run(w, limit_day, "short", "300000|1|1"), "0");
	TURN_FOR(w->f, 310);
	assert_string_equal(run(w, limit_day, "short", "300000|1|1"), "0");
}

/* ---- who is online ---- */

#define ONLINE_KEYS "mark|instances|seen"

static void
asks_the_mark_the_request_and_each_process_that_lives(void **state)
{
	struct world *w = *state;
	char epoch[64], args[128];

	/* [0 <epoch>]: nobody, and a first mark that tells of no loss. */
	snprintf(
	    epoch, sizeof(epoch), "%s", run(w, online_ask, ONLINE_KEYS, "|50|" ID_A));
	assert_int_equal(strncmp(epoch, "[0 ", 3), 0);
	memmove(epoch, epoch + 3, strlen(epoch) - 2);
	epoch[strlen(epoch) - 1] = '\0';
	snprintf(args, sizeof(args), "0 %s", epoch);
	assert_string_equal(ask(w, "GET mark"), args);
	(void)ask(w, "SET seen 1");
	assert_int_equal(
	    strncmp(run(w, online_ask, ONLINE_KEYS, "|50|" ID_A), "[1 ", 3), 0);
	(void)ask(w, "DEL seen");
	/* A process counts while its lease lasts. */
	(void)ask(w, "SADD parley:online:p1 " ID_A);
	(void)ask(w, "ZADD instances 9999999999999 p1");
	assert_int_equal(
	    strncmp(run(w, online_ask, ONLINE_KEYS, "|50|" ID_A), "[1 ", 3), 0);
	assert_int_equal(
	    strncmp(run(w, online_ask, ONLINE_KEYS, "|50|" ID_B), "[0 ", 3), 0);
	(void)ask(w, "ZADD instances 1 p1");
	assert_int_equal(
	    strncmp(run(w, online_ask, ONLINE_KEYS, "|50|" ID_A), "[0 ", 3), 0);
}

static void
another_epoch_means_a_loss_and_everybody_is_online_for_a_ttl(void **state)
{
	struct world *w = *state;
	const char *said = run(w, online_ask, ONLINE_KEYS, "1.1|60000|" ID_A);

	assert_int_equal(strncmp(said, "[1 ", 3), 0);
	assert_int_equal(
	    strncmp(run(w, online_ask, ONLINE_KEYS, "|60000|" ID_A), "[1 ", 3), 0);
	(void)ask(w, "FLUSHALL");
	said = run(w, online_ask, ONLINE_KEYS, "1.1|300|" ID_A);
	assert_int_equal(strncmp(said, "[1 ", 3), 0);
	TURN_FOR(w->f, 320);
	assert_int_equal(
	    strncmp(run(w, online_ask, ONLINE_KEYS, "|300|" ID_A), "[0 ", 3), 0);
}

/* ---- processes ---- */

static void
a_process_is_announced_listed_and_leaves(void **state)
{
	struct world *w = *state;
	const char *p1 = "presence p1|10.0.0.7:80|up|500000|changes";

	assert_string_equal(run(w, process_list, "m", ""), "[]");
	assert_string_equal(run(w, process_announce, "m", p1), "1");
	assert_string_equal(run(w, process_announce, "m", p1), "1");
	assert_in_range(atoi(ask(w, "PTTL m")), 900000, 1000000);
	assert_string_equal(
	    run(w, process_list, "m", ""), "[presence p1 10.0.0.7:80 up]");
	/* Another, under its name: no. */
	assert_string_equal(
	    run(w, process_announce, "m", "presence p1|10.0.0.8:80|up|500000|changes"),
	    "0");
	assert_string_equal(
	    run(w, process_announce, "m", "presence p1|10.0.0.7:80|drain|500000|changes"),
	    "1");
	assert_string_equal(
	    run(w, process_list, "m", ""), "[presence p1 10.0.0.7:80 drain]");
	assert_string_equal(
	    run(w, process_leave, "m", "presence p1|10.0.0.8:80|changes"), "0");
	assert_string_equal(
	    run(w, process_leave, "m", "presence p1|10.0.0.7:80|changes"), "1");
	assert_string_equal(
	    run(w, process_leave, "m", "presence p1|10.0.0.7:80|changes"), "0");
	assert_string_equal(run(w, process_list, "m", ""), "[]");
}

static void
a_lease_that_ended_is_swept_out_and_its_name_is_free(void **state)
{
	struct world *w = *state;

	(void)run(
	    w, process_announce, "m", "presence p1|10.0.0.7:80|up|" SHORT_MS "|changes");
	(void)run(w, process_announce, "m", "presence p2|10.0.0.9:80|up|500000|changes");
	(void)ask(w, "HSET m strange x");
	TURN_FOR(w->f, 170);
	assert_string_equal(
	    run(w, process_list, "m", ""), "[presence p2 10.0.0.9:80 up]");
	assert_string_equal(ask(w, "HKEYS m"), "presence p2");
	(void)run(
	    w, process_announce, "m", "presence p1|10.0.0.7:80|up|" SHORT_MS "|changes");
	TURN_FOR(w->f, 170);
	assert_string_equal(
	    run(w, process_announce, "m", "presence p1|10.0.0.8:80|up|500000|changes"),
	    "1");
}

/* ---- who is online ---- */

#define SET_KEYS "instances|set|number"

static void
a_set_is_announced_read_renewed_and_retired(void **state)
{
	struct world *w = *state;
	const char *said;

	assert_string_equal(run(w, online_read, SET_KEYS, "p1"), "[0 0 []]");
	assert_string_equal(run(w, online_announce, SET_KEYS,
				"p1|500000|7|notes|p1 7|+" ID_A "|+" ID_B "|-" ID_A),
	    "1");
	assert_string_equal(run(w, online_list, "instances", ""), "[p1]");
	said = run(w, online_read, SET_KEYS, "p1");
	assert_in_range(atoi(said + 1), 400000, 500000);
	assert_string_equal(strchr(said, ' '), " 7 [" ID_B "]]");
	assert_in_range(atoi(ask(w, "PTTL set")), 900000, 1000000);
	assert_in_range(atoi(ask(w, "PTTL number")), 900000, 1000000);
	/* What it has is what Redis has, or else it must say all anew. */
	assert_string_equal(
	    run(w, online_renew, SET_KEYS, "p1|900000|7|notes|p1 7|1"), "1");
	assert_in_range(atoi(ask(w, "PTTL set")), 1700000, 1800000);
	assert_string_equal(
	    run(w, online_renew, SET_KEYS, "p1|900000|7|notes|p1 7|2"), "0");
	assert_string_equal(
	    run(w, online_renew, SET_KEYS, "p1|900000|8|notes|p1 8|1"), "0");
	assert_string_equal(
	    run(w, online_retire, SET_KEYS, "p1|60000|9|notes|p1 9"), "1");
	assert_string_equal(ask(w, "ZCARD instances"), "1");
	assert_string_equal(ask(w, "GET number"), "9");
	assert_string_equal(
	    run(w, online_retire, SET_KEYS, "p1|0|10|notes|p1 10 ."), "1");
	assert_string_equal(ask(w, "DBSIZE"), "0");
	assert_string_equal(
	    run(w, online_renew, SET_KEYS, "p1|900000|7|notes|p1 7|1"), "0");
}

static void
a_renewal_sweeps_out_the_dead(void **state)
{
	struct world *w = *state;

	(void)ask(w, "ZADD instances 1 dead");
	assert_string_equal(run(w, online_list, "instances", ""), "[]");
	assert_string_equal(run(w, online_read, SET_KEYS, "dead"), "[0 0 []]");
	(void)run(w, online_announce, SET_KEYS, "p1|500000|7|notes|p1 7");
	assert_string_equal(ask(w, "ZCARD instances"), "2");
	assert_string_equal(
	    run(w, online_renew, SET_KEYS, "p1|500000|7|notes|p1 7|0"), "1");
	assert_string_equal(ask(w, "ZRANGE instances 0 -1"), "p1");
}

static void
sockets_are_told_kept_and_asked_for(void **state)
{
	struct world *w = *state;
	const char *keys = "lives|parley:held:p1.1|since";

	assert_string_equal(run(w, held_tell, keys, "p1.1|900000|1|a|b"), "1");
	assert_string_equal(ask(w, "SREM parley:held:p1.1 b"), "1");
	assert_string_equal(run(w, held_tell, keys, "p1.1|900000|0|c"), "1");
	assert_in_range(atoi(ask(w, "PTTL parley:held:p1.1")), 800000, 900000);
	assert_string_equal(
	    run(w, held_keep, "lives|parley:held:p1.1", "p1.1|3000000|2"), "1");
	assert_in_range(atoi(ask(w, "PTTL parley:held:p1.1")), 2900000, 3000000);
	assert_string_equal(
	    run(w, held_keep, "lives|parley:held:p1.1", "p1.1|3000000|3"), "0");
	(void)ask(w, "SET since 1000");
	assert_string_equal(run(w, parting_find, "note|lives|since", "a|500000"), "-1");
	assert_string_equal(run(w, parting_find, "note|lives|since", "c|500000"), "-1");
	assert_int_equal(
	    strlen(run(w, parting_find, "note|lives|since", "b|500000")), 13);
	assert_string_equal(run(w, parting_find, "note|lives|since", "b|0"), "-1");
	assert_string_equal(run(w, held_tell, keys, "p1.1|900000|1"), "1");
	assert_string_equal(run(w, parting_find, "note|lives|since", "b|500000"), "-1");
	assert_string_equal(ask(w, "EXISTS parley:held:p1.1"), "0");
}

#define WORLD_TEST(name)                                                                 \
	cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WORLD_TEST(refuses_another_number_of_keys_or_arguments),
	    WORLD_TEST(refuses_what_is_no_number),
	    WORLD_TEST(tells_of_a_key_of_another_kind),
	    WORLD_TEST(the_rule_allows_a_burst_and_tells_how_long_to_wait),
	    WORLD_TEST(a_window_never_has_more_in_it),
	    WORLD_TEST(a_day_counts_up_to_its_most),
	    WORLD_TEST(asks_the_mark_the_request_and_each_process_that_lives),
	    WORLD_TEST(another_epoch_means_a_loss_and_everybody_is_online_for_a_ttl),
	    WORLD_TEST(a_process_is_announced_listed_and_leaves),
	    WORLD_TEST(a_lease_that_ended_is_swept_out_and_its_name_is_free),
	    WORLD_TEST(a_set_is_announced_read_renewed_and_retired),
	    WORLD_TEST(a_renewal_sweeps_out_the_dead),
	    WORLD_TEST(sockets_are_told_kept_and_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
