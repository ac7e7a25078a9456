#include "fixture.h"
#include "bus/quota.h"

struct answer {
	int count;
	bool is_granted;
};

static void
on_answer(void *arg, bool is_granted)
{
	struct answer *a = arg;

	a->count++;
	a->is_granted = is_granted;
}

/* A process that takes from the quota. */
struct taker {
	struct fixture *f;
	struct pl_redis *redis;
	struct pl_quota *quota;
};

static struct taker
start(struct fixture *f, int64_t per_day)
{
	struct taker t = {.f = f, .redis = fixture_redis(f)};

	t.quota = pl_quota_new(t.redis, "test", per_day);
	WAIT_FOR(f, pl_redis_is_up(t.redis));
	return t;
}

static void
stop(struct taker *t)
{
	pl_redis_free(t->redis);
	pl_quota_free(t->quota);
}

static bool
take(struct taker *t)
{
	struct answer a = {0};
	struct pl_quota_ask ask = {.on_answer = on_answer, .arg = &a};

	pl_quota_take(t->quota, &ask);
	WAIT_FOR(t->f, a.count == 1);
	return a.is_granted;
}

static void
all_processes_share_it_and_a_restart_does_not_renew_it(void **state)
{
	struct fixture *f = *state;
	struct taker a = start(f, 5), b = start(f, 5);

	assert_true(take(&a) && take(&b) && take(&a) && take(&b));
	stop(&a);
	a = start(f, 5);
	assert_true(take(&a));
	assert_false(take(&a));
	assert_false(take(&b));
	stop(&a);
	stop(&b);
}

static void
a_new_day_renews_it(void **state)
{
	struct fixture *f = *state;
	struct taker a = start(f, 1);

	assert_true(take(&a));
	assert_false(take(&a));
	(void)redis_server_ask(&f->server, "HSET parley:quota:test day 3");
	assert_true(take(&a));
	assert_false(take(&a));
	stop(&a);
}

static void
without_redis_each_process_goes_on_by_what_it_took_itself(void **state)
{
	struct fixture *f = *state;
	struct taker a = start(f, 3);

	assert_true(take(&a));
	redis_server_kill(&f->server);
	WAIT_FOR(f, !pl_redis_is_up(a.redis));
	assert_true(take(&a));
	assert_true(take(&a));
	assert_false(take(&a));
	stop(&a);
}

static void
zero_is_no_limit(void **state)
{
	struct fixture *f = *state;
	struct taker a = start(f, 0);

	for (int i = 0; i < 100; i++)
		assert_true(take(&a));
	stop(&a);
}

static void
who_cancels_hears_nothing(void **state)
{
	struct fixture *f = *state;
	struct taker a = start(f, 1);
	struct answer answer = {0};
	struct pl_quota_ask ask = {.on_answer = on_answer, .arg = &answer};

	pl_quota_take(a.quota, &ask);
	pl_quota_cancel(&ask);
	pl_quota_cancel(&ask);
	/* What comes behind it is answered, so it was, too. */
	assert_false(take(&a));
	assert_int_equal(answer.count, 0);
	stop(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(all_processes_share_it_and_a_restart_does_not_renew_it),
	    FIXTURE_TEST(a_new_day_renews_it),
	    FIXTURE_TEST(without_redis_each_process_goes_on_by_what_it_took_itself),
	    FIXTURE_TEST(zero_is_no_limit),
	    FIXTURE_TEST(who_cancels_hears_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
