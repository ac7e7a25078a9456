#include "support/redis_fixture.h"
#include "limits/shared_limit.h"

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

/* An asker that is gone once it has its answer. */
struct asker {
	struct pl_limit_ask ask;
	struct tally *tally;
};

static void
on_answer(void *arg, int64_t wait_ms)
{
	struct asker *a = arg;

	count(a->tally, wait_ms);
	pl_mem_free(a);
}

static struct pl_limit_ask *
asker(struct tally *tally)
{
	struct asker *a = pl_mem_zalloc(sizeof(*a));

	a->tally = tally;
	a->ask.on_answer = on_answer;
	a->ask.arg = a;
	return &a->ask;
}

static void
take(struct pl_shared_limit *l, struct pl_str key, struct tally *tally)
{
	pl_shared_limit_take(l, key, asker(tally));
}

static void
look(struct pl_shared_limit *l, struct pl_str key, struct tally *tally)
{
	pl_shared_limit_look(l, key, asker(tally));
}

#define ASKED(t) ((t).allowed + (t).refused)

static void
two_processes_share_one_exact_limit(void **state)
{
	struct fixture *f = *state;
	struct pl_bucket_rule rule =
	    pl_bucket_rule(1, 60000, 50); /* one a minute, 50 at once */
	struct pl_redis *redis[2];
	struct pl_shared_limit *limits[2];
	struct tally sum = {0};

	for (int i = 0; i < 2; i++) {
		redis[i] = fixture_redis(f);
		limits[i] = pl_shared_limit_new(f->loop, redis[i], "login", rule);
		WAIT_FOR(f, pl_redis_is_up(redis[i]));
	}
	for (int i = 0; i < 500; i++)
		take(limits[i % 2], PL_STR("10.0.0.1"), &sum);
	assert_int_equal(ASKED(sum), 0);
	WAIT_FOR(f, ASKED(sum) == 500);
	assert_int_equal(sum.allowed, 50);
	assert_true(sum.wait_ms > 59000 - 10000 && sum.wait_ms <= 60000);
	for (int i = 0; i < 2; i++) {
		pl_shared_limit_free(limits[i]);
		pl_redis_free(redis[i]);
	}
}

static void
a_look_takes_nothing_and_keys_are_apart(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = fixture_redis(f);
	struct pl_bucket_rule rule = pl_bucket_rule(1, 60000, 2);
	struct pl_shared_limit *t = pl_shared_limit_new(f->loop, redis, "a", rule);
	struct pl_shared_limit *other = pl_shared_limit_new(f->loop, redis, "b", rule);
	struct tally looks = {0}, takes = {0}, apart = {0};
	struct pl_str key = pl_str_n("\xff\0 \r\n", 5);

	WAIT_FOR(f, pl_redis_is_up(redis));
	for (int i = 0; i < 10; i++)
		look(t, key, &looks);
	pl_shared_limit_take(t, key, NULL);
	take(t, key, &takes);
	take(t, key, &takes);
	look(t, key, &takes);
	take(t, PL_STR("else"), &apart);
	take(other, key, &apart);
	WAIT_FOR(f, ASKED(apart) == 2);
	assert_int_equal(looks.allowed, 10);
	assert_int_equal(takes.allowed, 1);
	assert_int_equal(takes.refused, 2);
	assert_int_equal(apart.allowed, 2);
	pl_shared_limit_free(t);
	pl_shared_limit_free(other);
	pl_redis_free(redis);
}

/* Asks again and again, until `allowed` were. */
static void
take_until(struct fixture *f, struct pl_shared_limit *t, int allowed, struct tally *sum)
{
	while (sum->allowed < allowed) {
		int asked = ASKED(*sum);

		take(t, PL_STR("ann"), sum);
		WAIT_FOR(f, ASKED(*sum) > asked);
	}
}

static void
a_window_never_has_more_than_its_number(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = fixture_redis(f);
	struct pl_shared_limit *t =
	    pl_shared_limit_new_window(f->loop, redis, "w", 6, 60000);
	struct pl_shared_limit *brief =
	    pl_shared_limit_new_window(f->loop, redis, "b", 2, 300);
	struct tally sum = {0}, looks = {0}, sums = {0};
	int64_t begun;

	WAIT_FOR(f, pl_redis_is_up(redis));
	for (int i = 0; i < 10; i++)
		look(t, PL_STR("ann"), &looks);
	for (int i = 0; i < 10; i++)
		take(t, PL_STR("ann"), &sum);
	WAIT_FOR(f, ASKED(sum) == 10);
	assert_int_equal(looks.allowed, 10);
	assert_int_equal(sum.allowed, 6);
	/* The first has to be a minute old; a rule would give one back after 10 s. */
	assert_in_range(sum.wait_ms, 30000, 60000);
	begun = pl_clock_mono_ms();
	take_until(f, brief, 5, &sums); /* the fifth when the first four are out of it */
	/* By Redis' clock, which need not run as ours to the millisecond. */
	assert_true(pl_clock_mono_ms() - begun >= 600 - 10);
	pl_shared_limit_free(t);
	pl_shared_limit_free(brief);
	pl_redis_free(redis);
}

static void
gives_back_at_the_rate(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = fixture_redis(f);
	struct pl_shared_limit *t =
	    pl_shared_limit_new(f->loop, redis, "a", pl_bucket_rule(10, 2000, 1));
	struct tally sum = {0}, later = {0};

	WAIT_FOR(f, pl_redis_is_up(redis));
	while (sum.refused == 0) { /* the second, unless it stands still between them */
		int asked = ASKED(sum);

		take(t, PL_STR("k"), &sum);
		WAIT_FOR(f, ASKED(sum) > asked);
	}
	assert_true(sum.allowed > 0);
	assert_true(sum.wait_ms > 0 && sum.wait_ms <= 200);
	TURN_FOR(f, sum.wait_ms + 5);
	take(t, PL_STR("k"), &later);
	WAIT_FOR(f, ASKED(later) == 1);
	assert_int_equal(later.allowed, 1);
	/* A bucket that is full again is no longer kept. */
	WAIT_FOR(f, !strcmp(redis_server_ask(&f->server, "DBSIZE"), "0"));
	pl_shared_limit_free(t);
	pl_redis_free(redis);
}

static void
counts_for_itself_while_redis_is_down(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = fixture_redis(f);
	struct pl_shared_limit *t =
	    pl_shared_limit_new(f->loop, redis, "a", pl_bucket_rule(1, 60000, 5));
	struct tally looks = {0}, sum = {0}, others = {0};

	WAIT_FOR(f, pl_redis_is_up(redis));
	redis_server_kill(&f->server);
	WAIT_FOR(f, !pl_redis_is_up(redis));
	for (int i = 0; i < 10; i++)
		look(t, PL_STR("k"), &looks);
	assert_int_equal(looks.allowed, 10);
	for (int i = 0; i < 20; i++)
		take(t, PL_STR("k"), &sum);
	assert_int_equal(sum.allowed, 5);
	assert_int_equal(sum.refused, 15);
	/* Very many others change nothing for it, and cost no memory. */
	for (int i = 0; i < 100000; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%d", i);
		take(t, pl_str(key), &others);
	}
	assert_int_equal(ASKED(others), 100000);
	take(t, PL_STR("k"), &sum);
	assert_int_equal(sum.allowed, 5);
	redis_server_start(&f->server);
	WAIT_FOR(f, pl_redis_is_up(redis));
	take(t, PL_STR("k"), &sum);
	WAIT_FOR(f, sum.allowed == 6);
	pl_shared_limit_free(t);
	pl_redis_free(redis);
}

static void
counts_for_itself_when_redis_does_not_answer(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = fixture_redis(f);
	struct pl_shared_limit *t =
	    pl_shared_limit_new(f->loop, redis, "a", pl_bucket_rule(1, 60000, 5));
	struct tally sum = {0};

	WAIT_FOR(f, pl_redis_is_up(redis));
	redis_server_pause(&f->server);
	for (int i = 0; i < 20; i++)
		take(t, PL_STR("k"), &sum);
	WAIT_FOR(f, ASKED(sum) == 20);
	assert_int_equal(sum.allowed, 5);
	redis_server_resume(&f->server);
	pl_shared_limit_free(t);
	pl_redis_free(redis);
}

static void
counts_for_itself_when_redis_refuses(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = fixture_redis(f);
	struct pl_shared_limit *t =
	    pl_shared_limit_new(f->loop, redis, "a", pl_bucket_rule(1, 60000, 5));
	struct tally sum = {0};

	WAIT_FOR(f, pl_redis_is_up(redis));
	redis_server_ask(&f->server, "CONFIG SET maxmemory 1");
	for (int i = 0; i < 20; i++)
		take(t, PL_STR("k"), &sum);
	WAIT_FOR(f, ASKED(sum) == 20);
	assert_int_equal(sum.allowed, 5);
	pl_shared_limit_free(t);
	pl_redis_free(redis);
}

static void
a_lifted_rule_answers_at_once(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = fixture_redis(f);
	struct pl_shared_limit *t =
	    pl_shared_limit_new(f->loop, redis, "a", pl_bucket_rule(0, 1, 1));
	struct tally sum = {0};

	for (int i = 0; i < 100; i++)
		take(t, PL_STR("k"), &sum);
	pl_shared_limit_take(t, PL_STR("k"), NULL);
	assert_int_equal(sum.allowed, 100);
	pl_shared_limit_free(t);
	pl_redis_free(redis);
}

static void
free_lets_nobody_through(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = fixture_redis(f);
	struct pl_shared_limit *t =
	    pl_shared_limit_new(f->loop, redis, "a", pl_bucket_rule(1, 60000, 5));
	struct tally sum = {0};

	WAIT_FOR(f, pl_redis_is_up(redis));
	take(t, PL_STR("k"), &sum);
	pl_shared_limit_take(t, PL_STR("k"), NULL);
	pl_shared_limit_free(t);
	assert_int_equal(sum.refused, 1);
	pl_redis_free(redis);
	assert_int_equal(ASKED(sum), 1);
	pl_shared_limit_free(NULL);
}

/* ---- by the day ---- */

/* A process that takes from the quota. */
struct taker {
	struct fixture *f;
	struct pl_redis *redis;
	struct pl_shared_limit *quota;
};

static int
setup_by_day(void **state)
{
	avoid_midnight();
	return fixture_setup(state);
}

static struct taker
start(struct fixture *f, int64_t per_day)
{
	struct taker t = {.f = f, .redis = fixture_redis(f)};

	t.quota = pl_shared_limit_new_day(f->loop, t.redis, "test", per_day);
	WAIT_FOR(f, pl_redis_is_up(t.redis));
	return t;
}

static void
stop(struct taker *t)
{
	pl_redis_free(t->redis);
	pl_shared_limit_free(t->quota);
}

static bool
granted(struct taker *t)
{
	struct tally one = {0};

	take(t->quota, PL_STR_NONE, &one);
	WAIT_FOR(t->f, ASKED(one) == 1);
	return one.allowed == 1;
}

static void
all_processes_share_it_and_a_restart_does_not_renew_it(void **state)
{
	struct fixture *f = *state;
	struct taker a = start(f, 5), b = start(f, 5);

	assert_true(granted(&a) && granted(&b) && granted(&a) && granted(&b));
	stop(&a);
	a = start(f, 5);
	assert_true(granted(&a));
	assert_false(granted(&a));
	assert_false(granted(&b));
	stop(&a);
	stop(&b);
}

static void
a_new_day_renews_it(void **state)
{
	struct fixture *f = *state;
	struct taker a = start(f, 1);

	assert_true(granted(&a));
	assert_false(granted(&a));
	(void)redis_server_ask(&f->server, "HSET parley:quota:test day 3");
	assert_true(granted(&a));
	assert_false(granted(&a));
	stop(&a);
}

static void
without_redis_each_process_goes_on_by_what_it_took_itself(void **state)
{
	struct fixture *f = *state;
	struct taker a = start(f, 3);

	assert_true(granted(&a));
	redis_server_kill(&f->server);
	WAIT_FOR(f, !pl_redis_is_up(a.redis));
	assert_true(granted(&a));
	assert_true(granted(&a));
	assert_false(granted(&a));
	stop(&a);
}

static void
a_day_of_zero_is_no_limit(void **state)
{
	struct fixture *f = *state;
	struct taker a = start(f, 0);

	for (int i = 0; i < 100; i++)
		assert_true(granted(&a));
	stop(&a);
}

static void
a_day_ends_at_midnight_and_a_look_takes_nothing(void **state)
{
	struct fixture *f = *state;
	struct taker a = start(f, 1);
	struct tally looks = {0}, late = {0};
	int64_t left_ms;

	for (int i = 0; i < 3; i++)
		look(a.quota, PL_STR_NONE, &looks);
	WAIT_FOR(f, looks.allowed == 3);
	assert_true(granted(&a));
	left_ms = DAY_MS - pl_clock_unix_ms() % DAY_MS;
	look(a.quota, PL_STR_NONE, &late);
	WAIT_FOR(f, late.refused == 1);
	assert_in_range(
	    late.wait_ms, DAY_MS - pl_clock_unix_ms() % DAY_MS - 1, left_ms + 1);
	stop(&a);
}

static void
each_key_has_a_day_of_its_own(void **state)
{
	struct fixture *f = *state;
	struct taker a = start(f, 1);
	struct tally sum = {0};

	take(a.quota, PL_STR("ann"), &sum);
	take(a.quota, PL_STR("bob"), &sum);
	take(a.quota, PL_STR("bob"), &sum);
	WAIT_FOR(f, ASKED(sum) == 3);
	assert_int_equal(sum.allowed, 2);
	assert_string_equal(
	    redis_server_ask(&f->server, "EXISTS parley:quota:test:bob"), "1");
	stop(&a);
}

static void
who_cancels_hears_nothing_and_it_stays_taken(void **state)
{
	struct fixture *f = *state;
	struct taker a = start(f, 1);
	struct tally tally = {0};
	struct pl_limit_ask ask = {.on_answer = count, .arg = &tally};

	pl_shared_limit_cancel(&ask); /* never asked */
	pl_shared_limit_take(a.quota, PL_STR_NONE, &ask);
	pl_shared_limit_cancel(&ask);
	pl_shared_limit_cancel(&ask);
	/* What comes after it is answered, so it was, too. */
	assert_false(granted(&a));
	assert_int_equal(ASKED(tally), 0);
	stop(&a);
}

#define DAY_TEST(name)                                                                   \
	cmocka_unit_test_setup_teardown(name, setup_by_day, fixture_teardown)

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
	    DAY_TEST(all_processes_share_it_and_a_restart_does_not_renew_it),
	    DAY_TEST(a_new_day_renews_it),
	    DAY_TEST(without_redis_each_process_goes_on_by_what_it_took_itself),
	    DAY_TEST(a_day_of_zero_is_no_limit),
	    DAY_TEST(a_day_ends_at_midnight_and_a_look_takes_nothing),
	    DAY_TEST(each_key_has_a_day_of_its_own),
	    DAY_TEST(who_cancels_hears_nothing_and_it_stays_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
