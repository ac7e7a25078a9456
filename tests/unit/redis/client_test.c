#include "support/redis_fixture.h"
#include "redis/client.h"
#include "redis/reply.h"
#include "support/capture.h"

struct answer {
	struct pl_redis_call call;
	int count; /* replies, and not-replies */
	int none;
	enum pl_err err; /* of the last */
	char text[256];
	struct pl_redis *then_free;
};

static void
note_reply(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct answer *a = arg;

	a->count++;
	a->err = err;
	if (reply == NULL) {
		a->none++;
	} else if (reply->type == REDIS_REPLY_INTEGER) {
		snprintf(a->text, sizeof(a->text), "%lld", reply->integer);
	} else {
		struct pl_str s = pl_redis_reply_str(reply);

		snprintf(a->text, sizeof(a->text), "%.*s", (int)s.len, s.ptr);
	}
	pl_redis_free(a->then_free);
	a->then_free = NULL;
}

struct states {
	int ups, downs, pushes;
};

static void
note_state(void *arg, bool is_up)
{
	struct states *s = arg;

	if (is_up)
		s->ups++;
	else
		s->downs++;
}

static void
note_push(void *arg, const struct redisReply *reply)
{
	struct states *s = arg;

	(void)reply;
	s->pushes++;
}

static struct pl_redis_call *
call_of(struct answer *a)
{
	if (a->call.on_done == NULL)
		pl_redis_call_init(&a->call, note_reply, a);
	return &a->call;
}

static struct pl_redis *
open_redis(struct fixture *f, struct states *states)
{
	struct pl_redis_config config = {
	    .url = f->server.url, .role = "test", .on_state = note_state, .arg = states};

	return pl_redis_new(f->loop, &config);
}

static void
send1(struct pl_redis *r, const char *a, struct answer *answer)
{
	struct pl_str words[1] = {pl_str(a)};

	pl_redis_command(r, words, 1, call_of(answer));
}

static void
send3(struct pl_redis *r, const char *a, const char *b, struct pl_str c,
    struct answer *answer)
{
	struct pl_str words[3] = {pl_str(a), pl_str(b), c};

	pl_redis_command(r, words, c.ptr != NULL ? 3 : 2, call_of(answer));
}

static void
carries_any_bytes_and_keeps_their_order(void **state)
{
	struct fixture *f = *state;
	struct states st = {0};
	struct answer set = {0}, get = {0}, wrong = {0};
	struct pl_redis *r = open_redis(f, &st);

	assert_false(pl_redis_is_up(r));
	WAIT_FOR(f, pl_redis_is_up(r));
	assert_int_equal(st.ups, 1);
	send3(r, "SET", "k", pl_str_n("a\0\r\n$1", 6), &set);
	send3(r, "STRLEN", "k", PL_STR_NONE, &get);
	send1(r, "NOSUCH", &wrong);
	assert_int_equal(set.count + get.count + wrong.count, 0);
	WAIT_FOR(f, wrong.count == 1);
	assert_string_equal(set.text, "OK");
	assert_string_equal(get.text, "6");
	assert_int_equal(strncmp(wrong.text, "ERR unknown command", 19), 0);
	pl_redis_free(r);
}

static void
takes_a_big_pipeline(void **state)
{
	struct fixture *f = *state;
	struct states st = {0};
	struct answer a = {0};
	struct pl_redis *r = open_redis(f, &st);
	char *big = pl_mem_zalloc(1 << 20);

	memset(big, 'x', 1 << 20);
	WAIT_FOR(f, pl_redis_is_up(r));
	for (int i = 0; i < 10000; i++)
		send3(r, "INCR", "n", PL_STR_NONE, &a);
	send3(r, "SET", "big", pl_str_n(big, 1 << 20), &a);
	WAIT_FOR(f, a.count == 10001);
	assert_int_equal(a.none, 0);
	assert_string_equal(redis_server_ask(&f->server, "GET n"), "10000");
	assert_string_equal(redis_server_ask(&f->server, "STRLEN big"), "1048576");
	pl_mem_free(big);
	pl_redis_free(r);
}

static void
fails_fast_and_later_while_down(void **state)
{
	struct fixture *f = *state;
	struct states st = {0};
	struct answer a = {0};
	struct pl_redis *r = open_redis(f, &st);
	int64_t asked;

	redis_server_kill(&f->server);
	asked = awake_ms();
	send1(r, "PING", &a);
	assert_int_equal(a.count, 0);
	WAIT_FOR(f, a.count == 1);
	assert_int_equal(a.none, 1);
	assert_true(awake_ms() - asked < PL_REDIS_DEADLINE_MS);
	pl_redis_free(r);
}

static void
waits_for_a_server_that_is_away_at_start_and_says_so_once(void **state)
{
	struct fixture *f = *state;
	struct states st = {0};
	struct pl_redis *r;
	char *log;

	redis_server_kill(&f->server);
	capture_stderr();
	r = open_redis(f, &st);
	TURN_FOR(f, 1500);
	redis_server_start(&f->server);
	WAIT_FOR(f, pl_redis_is_up(r));
	pl_redis_free(r);
	log = capture_end();
	assert_non_null(strstr(log, "redis went away"));
	assert_non_null(strstr(log, "redis connected"));
	assert_null(strstr(strstr(log, "redis went away") + 1, "redis went away"));
	assert_null(strstr(strstr(log, "redis connected") + 1, "redis connected"));
	free(log);
	assert_int_equal(st.ups, 1);
	assert_int_equal(st.downs, 0);
}

static void
answers_what_waits_and_connects_again_after_kill(void **state)
{
	struct fixture *f = *state;
	struct states st = {0};
	struct answer lost = {0}, again = {0};
	struct pl_redis *r = open_redis(f, &st);

	WAIT_FOR(f, pl_redis_is_up(r));
	redis_server_pause(&f->server);
	send1(r, "PING", &lost);
	redis_server_kill(&f->server);
	WAIT_FOR(f, lost.count == 1);
	assert_int_equal(lost.none, 1);
	assert_int_equal(st.downs, 1);
	redis_server_start(&f->server);
	WAIT_FOR(f, st.ups == 2);
	send1(r, "PING", &again);
	WAIT_FOR(f, again.count == 1);
	assert_string_equal(again.text, "PONG");
	pl_redis_free(r);
}

static void
gives_up_a_server_that_does_not_answer_in_time(void **state)
{
	struct fixture *f = *state;
	struct states st = {0};
	struct answer a = {0};
	struct pl_redis *r = open_redis(f, &st);
	int64_t asked, asked_awake;

	WAIT_FOR(f, pl_redis_is_up(r));
	redis_server_pause(&f->server);
	asked_awake = awake_ms();
	asked = pl_clock_mono_ms();
	send1(r, "PING", &a);
	WAIT_FOR(f, a.count == 1);
	assert_int_equal(a.none, 1);
	assert_true(pl_clock_mono_ms() - asked >= PL_REDIS_DEADLINE_MS);
	assert_true(awake_ms() - asked_awake < patient_ms(3 * PL_REDIS_DEADLINE_MS));
	assert_false(pl_redis_is_up(r));
	/* Its kernel still takes connections; that alone is not up. */
	TURN_FOR(f, 300);
	assert_int_equal(st.ups, 1);
	redis_server_resume(&f->server);
	WAIT_FOR(f, st.ups == 2);
	pl_redis_free(r);
}

static void
a_process_that_stood_still_reads_before_it_gives_up(void **state)
{
	struct fixture *f = *state;
	struct states st = {0};
	struct answer a = {0};
	struct pl_redis *r = open_redis(f, &st);

	WAIT_FOR(f, pl_redis_is_up(r));
	send1(r, "PING", &a);
	pl_loop_epoll_step(
	    f->loop, 0); /* it is sent; then the loop is not turned for long */
	usleep((PL_REDIS_DEADLINE_MS + 300) * 1000);
	WAIT_FOR(f, a.count == 1);
	assert_string_equal(a.text, "PONG");
	assert_int_equal(st.downs, 0);
	pl_redis_free(r);
}

static void
refuses_more_than_its_queue_holds(void **state)
{
	struct fixture *f = *state;
	struct states st = {0};
	struct answer a = {0};
	struct pl_redis *r = open_redis(f, &st);
	char *big = pl_mem_zalloc(6 << 20);

	WAIT_FOR(f, pl_redis_is_up(r));
	for (int i = 0; i < 4; i++)
		send3(r, "SET", "k", pl_str_n(big, 6 << 20), &a);
	WAIT_FOR(f, a.count == 4);
	assert_int_equal(a.none, 2);
	assert_true(pl_redis_is_up(r));
	pl_mem_free(big);
	pl_redis_free(r);
}

static void
free_answers_what_waits(void **state)
{
	struct fixture *f = *state;
	struct states st = {0};
	struct answer a = {0};
	struct pl_redis *r = open_redis(f, &st);

	send1(r, "PING", &a); /* not up yet */
	WAIT_FOR(f, pl_redis_is_up(r));
	send1(r, "PING", &a);
	pl_redis_free(r);
	assert_int_equal(a.count, 2);
	assert_int_equal(a.none, a.count - (a.text[0] != '\0'));
	pl_redis_free(NULL);
	assert_false(pl_redis_is_up(NULL));
}

static void
may_be_freed_by_a_callback(void **state)
{
	struct fixture *f = *state;
	struct states st = {0};
	struct answer first = {0}, second = {0};
	struct pl_redis *r = open_redis(f, &st);

	WAIT_FOR(f, pl_redis_is_up(r));
	first.then_free = r;
	send1(r, "PING", &first);
	send1(r, "PING", &second);
	WAIT_FOR(f, first.count == 1);
	assert_int_equal(second.count, 1);
	assert_int_equal(second.none, 1);
}

static void
pings_a_quiet_connection(void **state)
{
	struct fixture *f = *state;
	struct states st = {0};
	struct pl_redis *r = open_redis(f, &st);
	int64_t limit;

	WAIT_FOR(f, pl_redis_is_up(r));
	redis_server_pause(&f->server);
	limit = awake_ms() + patient_ms(8000);
	WAIT_FOR(f, st.downs == 1);
	assert_true(awake_ms() < limit);
	redis_server_resume(&f->server);
	pl_redis_free(r);
}

/* How many PINGs the server has answered since it started. */
static long
pings(const struct fixture *f)
{
	const char *at = strstr(
	    redis_server_ask(&f->server, "INFO commandstats"), "cmdstat_ping:calls=");

	return at == NULL ? 0 : strtol(at + strlen("cmdstat_ping:calls="), NULL, 10);
}

/* The PONG of a connection that subscribes is an array, unlike that of others. */
static void
pings_a_quiet_subscription(void **state)
{
	struct fixture *f = *state;
	struct states st = {0};
	struct answer joined = {0};
	struct pl_redis_config config = {.url = f->server.url,
	    .role = "test",
	    .on_state = note_state,
	    .on_push = note_push,
	    .arg = &st};
	struct pl_redis *r = pl_redis_new(f->loop, &config);
	long before;

	WAIT_FOR(f, pl_redis_is_up(r));
	send3(r, "SUBSCRIBE", "news", PL_STR_NONE, &joined);
	WAIT_FOR(f, joined.count == 1);
	before = pings(f);
	WAIT_FOR(f, pings(f) > before);
	/* Had its PONG not counted, the connection would be given up in this time. */
	TURN_FOR(f, PL_REDIS_DEADLINE_MS + 500);
	assert_int_equal(st.downs, 0);
	redis_server_ask(&f->server, "PUBLISH news x");
	WAIT_FOR(f, st.pushes == 1);
	redis_server_pause(&f->server);
	WAIT_FOR(f, st.downs == 1);
	redis_server_resume(&f->server);
	WAIT_FOR(f, st.ups == 2);
	pl_redis_free(r);
}

static void
finds_a_server_by_name(void **state)
{
	struct fixture *f = *state;
	struct states st = {0};
	struct pl_redis *r;

	snprintf(
	    f->server.url, sizeof(f->server.url), "redis://localhost:%d", f->server.port);
	r = open_redis(f, &st);
	WAIT_FOR(f, pl_redis_is_up(r));
	pl_redis_free(r);
}

static void
logs_in_and_selects(void **state)
{
	struct fixture *f = *state;
	struct redis_server guarded;
	struct states st = {0}, wrong = {0};
	struct answer a = {0};
	struct pl_redis *r;
	char *log;

	redis_server_init(&guarded, "p@ss/word");
	redis_server_start(&guarded);
	snprintf(f->server.url, sizeof(f->server.url),
	    "redis://default:p%%40ss%%2Fword@127.0.0.1:%d/5", guarded.port);
	r = open_redis(f, &st);
	WAIT_FOR(f, pl_redis_is_up(r));
	send3(r, "SET", "k", PL_STR("v"), &a);
	WAIT_FOR(f, a.count == 1);
	pl_redis_free(r);
	assert_non_null(
	    strstr(redis_server_ask(&guarded, "INFO keyspace"), "db5:keys=1"));

	snprintf(f->server.url, sizeof(f->server.url), "redis://:hunter2@127.0.0.1:%d",
	    guarded.port);
	capture_stderr();
	r = open_redis(f, &wrong);
	WAIT_FOR(f, strstr(redis_server_ask(&guarded, "INFO errorstats"), "_WRONGPASS"));
	TURN_FOR(f, 500);
	pl_redis_free(r);
	log = capture_end();
	assert_int_equal(wrong.ups, 0);
	assert_non_null(strstr(log, "WRONGPASS"));
	assert_null(strstr(log, "hunter2"));
	free(log);
	redis_server_fini(&guarded);
}

static void
runs_a_script_that_the_server_forgot(void **state)
{
	struct fixture *f = *state;
	struct states st = {0};
	struct answer a = {0};
	struct pl_redis_script script;
	struct pl_str key[1] = {PL_STR("k")}, args[1] = {pl_str_n("a\0b", 3)};
	struct pl_redis *r = open_redis(f, &st);

	pl_redis_script_init(&script, "return #KEYS[1] * 100 + #ARGV[1]");
	WAIT_FOR(f, pl_redis_is_up(r));
	for (int i = 1; i <= 3; i++) {
		a.text[0] = '\0';
		pl_redis_eval(r, &script, key, 1, args, 1, call_of(&a));
		WAIT_FOR(f, a.count == i);
		assert_string_equal(a.text, "103");
		if (i == 2)
			redis_server_ask(&f->server, "SCRIPT FLUSH");
	}
	pl_redis_eval(r, &script, key, 1, args, 1, NULL);
	pl_redis_eval(r, &script, key, 1, args, 1, call_of(&a));
	pl_redis_free(r);
	assert_int_equal(a.count, 4);
	assert_int_equal(a.none, 1);
}

static void
sha1_is_that_of_the_standard(void **state)
{
	struct pl_redis_script script;

	(void)state;
	pl_redis_script_init(&script, "abc"); /* FIPS 180, example A.1 */
	assert_string_equal(script.sha1_hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(carries_any_bytes_and_keeps_their_order),
	    FIXTURE_TEST(takes_a_big_pipeline),
	    FIXTURE_TEST(fails_fast_and_later_while_down),
	    FIXTURE_TEST(waits_for_a_server_that_is_away_at_start_and_says_so_once),
	    FIXTURE_TEST(answers_what_waits_and_connects_again_after_kill),
	    FIXTURE_TEST(gives_up_a_server_that_does_not_answer_in_time),
	    FIXTURE_TEST(a_process_that_stood_still_reads_before_it_gives_up),
	    FIXTURE_TEST(refuses_more_than_its_queue_holds),
	    FIXTURE_TEST(free_answers_what_waits),
	    FIXTURE_TEST(may_be_freed_by_a_callback),
	    FIXTURE_TEST(pings_a_quiet_connection),
	    FIXTURE_TEST(pings_a_quiet_subscription),
	    FIXTURE_TEST(finds_a_server_by_name),
	    FIXTURE_TEST(logs_in_and_selects),
	    FIXTURE_TEST(runs_a_script_that_the_server_forgot),
	    cmocka_unit_test(sha1_is_that_of_the_standard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
