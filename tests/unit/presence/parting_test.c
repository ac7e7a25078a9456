#include "support/redis_fixture.h"
#include "services/presence/delivery/parting.h"

#define PID PL_STR("6b042c8abbdc1423222dd7cc.AAAAAAAAAAAAAAAAAAAAAA")
#define KEY "parley:left:6b042c8abbdc1423222dd7cc.AAAAAAAAAAAAAAAAAAAAAA"

struct answer {
	int count;
	int64_t ago_ms;
};

static void
on_answer(void *arg, int64_t ago_ms)
{
	struct answer *a = arg;

	a->count++;
	a->ago_ms = ago_ms;
}

static struct pl_redis *
open_redis(struct fixture *f)
{
	struct pl_redis *redis = fixture_redis(f);

	WAIT_FOR(f, pl_redis_is_up(redis));
	return redis;
}

static int64_t
take(struct fixture *f, struct pl_redis *redis)
{
	struct answer a = {0};
	struct parting_ask ask = {.on_answer = on_answer, .arg = &a};

	parting_take(redis, PID, &ask);
	WAIT_FOR(f, a.count == 1);
	return a.ago_ms;
}

static void
tells_once_how_long_ago_it_was(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);
	int64_t ago_ms;

	parting_note(redis, PID, false);
	ago_ms = take(f, redis);
	assert_in_range(ago_ms, 0, 5000);
	assert_int_equal(take(f, redis), PARTING_UNKNOWN_AGO);
	pl_redis_free(redis);
}

static void
one_that_ended_for_good_is_long_past(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);

	parting_note(redis, PID, true);
	assert_true(take(f, redis) > PARTING_KEPT_MS);
	pl_redis_free(redis);
}

static void
a_note_is_not_kept_for_ever(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);
	long left_ms;

	parting_note(redis, PID, false);
	WAIT_FOR(f, strcmp(redis_server_ask(&f->server, "EXISTS " KEY), "1") == 0);
	left_ms = atol(redis_server_ask(&f->server, "PTTL " KEY));
	assert_in_range(left_ms, PARTING_KEPT_MS - 10000, PARTING_KEPT_MS);
	pl_redis_free(redis);
}

static void
who_cancels_hears_nothing(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);
	struct answer a = {0};
	struct parting_ask ask = {.on_answer = on_answer, .arg = &a};

	parting_cancel(&ask); /* never asked */
	parting_note(redis, PID, false);
	parting_take(redis, PID, &ask);
	parting_cancel(&ask);
	parting_cancel(&ask);
	/* The note was taken all the same. */
	assert_int_equal(take(f, redis), PARTING_UNKNOWN_AGO);
	assert_int_equal(a.count, 0);
	pl_redis_free(redis);
}

static void
strange_notes_tell_nothing(void **state)
{
	static const char *const commands[] = {"SET " KEY " soon", "SET " KEY " -5",
	    "SET " KEY " 99999999999999999999", "RPUSH " KEY " 1"};
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		(void)redis_server_ask(&f->server, commands[i]);
		assert_int_equal(take(f, redis), PARTING_UNKNOWN_AGO);
	}
	pl_redis_free(redis);
}

static void
a_time_to_come_is_now(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);

	(void)redis_server_ask(&f->server, "SET " KEY " 9999999999999");
	assert_int_equal(take(f, redis), 0);
	pl_redis_free(redis);
}

static void
knows_nothing_without_redis(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = NULL;

	parting_note(redis, PID, false);
	assert_int_equal(take(f, redis), PARTING_UNKNOWN_AGO);
	redis = open_redis(f);
	redis_server_kill(&f->server);
	WAIT_FOR(f, !pl_redis_is_up(redis));
	parting_note(redis, PID, false);
	assert_int_equal(take(f, redis), PARTING_UNKNOWN_AGO);
	pl_redis_free(redis);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(tells_once_how_long_ago_it_was),
	    FIXTURE_TEST(one_that_ended_for_good_is_long_past),
	    FIXTURE_TEST(a_note_is_not_kept_for_ever),
	    FIXTURE_TEST(who_cancels_hears_nothing),
	    FIXTURE_TEST(strange_notes_tell_nothing),
	    FIXTURE_TEST(a_time_to_come_is_now),
	    FIXTURE_TEST(knows_nothing_without_redis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
