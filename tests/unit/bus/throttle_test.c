#include "fixture.h"
#include "bus/throttle.h"

struct tally {
	int allowed, refused;
	int64_t wait_ms; /* the last */
};

static void
count(void *arg, int64_t wait_ms)
{
	struct tally *t = arg;

	if (wait_ms == 0)
		t->allowed++;
	else
		t->refused++;
	t->wait_ms = wait_ms;
}

#define ASKED(t) ((t).allowed + (t).refused)

static void
two_processes_share_one_exact_limit(void **state)
{
	struct fixture *f = *state;
	struct pl_bucket_rule rule =
	    pl_bucket_rule(1, 60000, 50); /* one a minute, 50 at once */
	struct pl_redis *redis[2];
	struct pl_throttle *throttles[2];
	struct tally sum = {0};

	for (int i = 0; i < 2; i++) {
		redis[i] = fixture_redis(f);
		throttles[i] = pl_throttle_new(f->loop, redis[i], "login", rule);
		WAIT_FOR(f, pl_redis_is_up(redis[i]));
	}
	for (int i = 0; i < 500; i++)
		pl_throttle_check(
		    throttles[i % 2], PL_STR("10.0.0.1"), true, count, &sum);
	assert_int_equal(ASKED(sum), 0);
	WAIT_FOR(f, ASKED(sum) == 500);
	assert_int_equal(sum.allowed, 50);
	assert_true(sum.wait_ms > 59000 - 10000 && sum.wait_ms <= 60000);
	for (int i = 0; i < 2; i++) {
		pl_throttle_free(throttles[i]);
		pl_redis_free(redis[i]);
	}
}

static void
a_look_takes_nothing_and_keys_are_apart(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = fixture_redis(f);
	struct pl_bucket_rule rule = pl_bucket_rule(1, 60000, 2);
	struct pl_throttle *t = pl_throttle_new(f->loop, redis, "a", rule);
	struct pl_throttle *other = pl_throttle_new(f->loop, redis, "b", rule);
	struct tally looks = {0}, takes = {0}, apart = {0};
	struct pl_str key = pl_str_n("\xff\0 \r\n", 5);

	WAIT_FOR(f, pl_redis_is_up(redis));
	for (int i = 0; i < 10; i++)
		pl_throttle_check(t, key, false, count, &looks);
	pl_throttle_check(t, key, true, NULL, NULL);
	pl_throttle_check(t, key, true, count, &takes);
	pl_throttle_check(t, key, true, count, &takes);
	pl_throttle_check(t, key, false, count, &takes);
	pl_throttle_check(t, PL_STR("else"), true, count, &apart);
	pl_throttle_check(other, key, true, count, &apart);
	WAIT_FOR(f, ASKED(apart) == 2);
	assert_int_equal(looks.allowed, 10);
	assert_int_equal(takes.allowed, 1);
	assert_int_equal(takes.refused, 2);
	assert_int_equal(apart.allowed, 2);
	pl_throttle_free(t);
	pl_throttle_free(other);
	pl_redis_free(redis);
}

/* Asks again and again, until `allowed` were. */
static void
take_until(struct fixture *f, struct pl_throttle *t, int allowed, struct tally *sum)
{
	while (sum->allowed < allowed) {
		int asked = ASKED(*sum);

		pl_throttle_check(t, PL_STR("ann"), true, count, sum);
		WAIT_FOR(f, ASKED(*sum) > asked);
	}
}

static void
a_window_never_has_more_than_its_number(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = fixture_redis(f);
	struct pl_throttle *t = pl_throttle_new_window(f->loop, redis, "w", 6, 60000);
	struct pl_throttle *brief = pl_throttle_new_window(f->loop, redis, "b", 2, 300);
	struct tally sum = {0}, looks = {0}, sums = {0};
	int64_t begun;

	WAIT_FOR(f, pl_redis_is_up(redis));
	for (int i = 0; i < 10; i++)
		pl_throttle_check(t, PL_STR("ann"), false, count, &looks);
	for (int i = 0; i < 10; i++)
		pl_throttle_check(t, PL_STR("ann"), true, count, &sum);
	WAIT_FOR(f, ASKED(sum) == 10);
	assert_int_equal(looks.allowed, 10);
	assert_int_equal(sum.allowed, 6);
	/* The first has to be a minute old; a rule would give one back after 10 s. */
	assert_in_range(sum.wait_ms, 30000, 60000);
	begun = pl_clock_mono_ms();
	take_until(f, brief, 5, &sums); /* the fifth when the first four are out of it */
	assert_true(pl_clock_mono_ms() - begun >= 600);
	assert_true(sums.refused > 0);
	pl_throttle_free(t);
	pl_throttle_free(brief);
	pl_redis_free(redis);
}

static void
gives_back_at_the_rate(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = fixture_redis(f);
	struct pl_throttle *t =
	    pl_throttle_new(f->loop, redis, "a", pl_bucket_rule(10, 2000, 1));
	struct tally sum = {0};

	WAIT_FOR(f, pl_redis_is_up(redis));
	pl_throttle_check(t, PL_STR("k"), true, count, &sum);
	pl_throttle_check(t, PL_STR("k"), true, count, &sum);
	WAIT_FOR(f, ASKED(sum) == 2);
	assert_int_equal(sum.allowed, 1);
	assert_true(sum.wait_ms > 0 && sum.wait_ms <= 200);
	TURN_FOR(f, sum.wait_ms + 5);
	pl_throttle_check(t, PL_STR("k"), true, count, &sum);
	WAIT_FOR(f, ASKED(sum) == 3);
	assert_int_equal(sum.allowed, 2);
	/* A bucket that is full again is no longer kept. */
	TURN_FOR(f, 300);
	assert_string_equal(redis_server_ask(&f->server, "DBSIZE"), "0");
	pl_throttle_free(t);
	pl_redis_free(redis);
}

static void
counts_for_itself_while_redis_is_down(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = fixture_redis(f);
	struct pl_throttle *t =
	    pl_throttle_new(f->loop, redis, "a", pl_bucket_rule(1, 60000, 5));
	struct tally looks = {0}, sum = {0}, others = {0};

	WAIT_FOR(f, pl_redis_is_up(redis));
	redis_server_kill(&f->server);
	WAIT_FOR(f, !pl_redis_is_up(redis));
	for (int i = 0; i < 10; i++)
		pl_throttle_check(t, PL_STR("k"), false, count, &looks);
	assert_int_equal(looks.allowed, 10);
	for (int i = 0; i < 20; i++)
		pl_throttle_check(t, PL_STR("k"), true, count, &sum);
	assert_int_equal(sum.allowed, 5);
	assert_int_equal(sum.refused, 15);
	/* Very many others change nothing for it, and cost no memory. */
	for (int i = 0; i < 100000; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%d", i);
		pl_throttle_check(t, pl_str(key), true, count, &others);
	}
	assert_int_equal(ASKED(others), 100000);
	pl_throttle_check(t, PL_STR("k"), true, count, &sum);
	assert_int_equal(sum.allowed, 5);
	redis_server_start(&f->server);
	WAIT_FOR(f, pl_redis_is_up(redis));
	pl_throttle_check(t, PL_STR("k"), true, count, &sum);
	WAIT_FOR(f, sum.allowed == 6);
	pl_throttle_free(t);
	pl_redis_free(redis);
}

static void
counts_for_itself_when_redis_does_not_answer(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = fixture_redis(f);
	struct pl_throttle *t =
	    pl_throttle_new(f->loop, redis, "a", pl_bucket_rule(1, 60000, 5));
	struct tally sum = {0};

	WAIT_FOR(f, pl_redis_is_up(redis));
	redis_server_pause(&f->server);
	for (int i = 0; i < 20; i++)
		pl_throttle_check(t, PL_STR("k"), true, count, &sum);
	WAIT_FOR(f, ASKED(sum) == 20);
	assert_int_equal(sum.allowed, 5);
	redis_server_resume(&f->server);
	pl_throttle_free(t);
	pl_redis_free(redis);
}

static void
counts_for_itself_when_redis_refuses(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = fixture_redis(f);
	struct pl_throttle *t =
	    pl_throttle_new(f->loop, redis, "a", pl_bucket_rule(1, 60000, 5));
	struct tally sum = {0};

	WAIT_FOR(f, pl_redis_is_up(redis));
	redis_server_ask(&f->server, "CONFIG SET maxmemory 1");
	for (int i = 0; i < 20; i++)
		pl_throttle_check(t, PL_STR("k"), true, count, &sum);
	WAIT_FOR(f, ASKED(sum) == 20);
	assert_int_equal(sum.allowed, 5);
	pl_throttle_free(t);
	pl_redis_free(redis);
}

static void
a_lifted_rule_answers_at_once(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = fixture_redis(f);
	struct pl_throttle *t =
	    pl_throttle_new(f->loop, redis, "a", pl_bucket_rule(0, 1, 1));
	struct tally sum = {0};

	for (int i = 0; i < 100; i++)
		pl_throttle_check(t, PL_STR("k"), true, count, &sum);
	pl_throttle_check(t, PL_STR("k"), true, NULL, NULL);
	assert_int_equal(sum.allowed, 100);
	pl_throttle_free(t);
	pl_redis_free(redis);
}

static void
free_lets_nobody_through(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = fixture_redis(f);
	struct pl_throttle *t =
	    pl_throttle_new(f->loop, redis, "a", pl_bucket_rule(1, 60000, 5));
	struct tally sum = {0};

	WAIT_FOR(f, pl_redis_is_up(redis));
	pl_throttle_check(t, PL_STR("k"), true, count, &sum);
	pl_throttle_check(t, PL_STR("k"), true, NULL, NULL);
	pl_throttle_free(t);
	assert_int_equal(sum.refused, 1);
	pl_redis_free(redis);
	assert_int_equal(ASKED(sum), 1);
	pl_throttle_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(two_processes_share_one_exact_limit),
	    FIXTURE_TEST(a_look_takes_nothing_and_keys_are_apart),
	    FIXTURE_TEST(a_window_never_has_more_than_its_number),
	    FIXTURE_TEST(gives_back_at_the_rate),
	    FIXTURE_TEST(counts_for_itself_while_redis_is_down),
	    FIXTURE_TEST(counts_for_itself_when_redis_does_not_answer),
	    FIXTURE_TEST(counts_for_itself_when_redis_refuses),
	    FIXTURE_TEST(a_lifted_rule_answers_at_once),
	    FIXTURE_TEST(free_lets_nobody_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
