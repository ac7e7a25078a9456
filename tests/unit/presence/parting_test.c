#include "support/redis_fixture.h"
#include "services/presence/delivery/parting.h"

#define ID  "hAAAAAAAAAAAAAAAAAAAAAA"
#define PID PL_STR("6b042c8abbdc1423222dd7cc." ID)
#define KEY "parley:left:6b042c8abbdc1423222dd7cc." ID
/* Of a process of the version before. */
#define OLD_ID  "AAAAAAAAAAAAAAAAAAAAAA"
#define OLD_PID PL_STR("6b042c8abbdc1423222dd7cc." OLD_ID)

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
find_of(struct fixture *f, struct pl_redis *redis, struct pl_str pid, const char *id)
{
	struct answer a = {0};
	struct parting_ask ask = {.on_answer = on_answer, .arg = &a};

	parting_find(redis, pid, id, &ask);
	WAIT_FOR(f, a.count == 1);
	return a.ago_ms;
}

static int64_t
find(struct fixture *f, struct pl_redis *redis)
{
	return find_of(f, redis, PID, ID);
}

/* All sockets have been known for so long. */
static void
set_known_for(struct fixture *f, int64_t ms)
{
	char command[64];

	snprintf(command, sizeof(command), "SET parley:held-since %lld",
	    (long long)(pl_clock_unix_ms() - ms));
	assert_string_equal(redis_server_ask(&f->server, command), "OK");
}

static void
tells_how_long_ago_it_was_until_it_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);

	parting_note(redis, PID, false);
	assert_in_range(find(f, redis), 0, 5000);
	/* Who is not let in after this comes once more. */
	assert_in_range(find(f, redis), 0, 5000);
	parting_forget(redis, PID);
	assert_int_equal(find(f, redis), PARTING_UNKNOWN_AGO);
	pl_redis_free(redis);
}

static void
one_that_ended_for_good_is_long_past(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);

	parting_note(redis, PID, true);
	assert_true(find(f, redis) > PARTING_KEPT_MS);
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

/* However many come and go, what they leave is gone when they may not come back any more. */
static void
many_that_come_and_go_leave_nothing_for_long(void **state)
{
	enum { COUNT = 1000 };
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);
	char pid[PARTING_PID_MAX + 1], command[128];

	for (int i = 0; i < COUNT; i++) {
		snprintf(pid, sizeof(pid), "6b042c8abbdc1423222dd7cc.%023d", i);
		parting_note(redis, pl_str(pid), i % 2 == 0);
		if (i % 10 == 0)
			pl_loop_epoll_step(f->loop, 0);
	}
	snprintf(command, sizeof(command), "EXISTS parley:left:%s", pid);
	WAIT_FOR(f, strcmp(redis_server_ask(&f->server, command), "1") == 0);
	assert_int_equal(atoi(redis_server_ask(&f->server, "DBSIZE")), COUNT);
	for (int i = 0; i < COUNT; i += 97) {
		snprintf(command, sizeof(command),
		    "PTTL parley:left:6b042c8abbdc1423222dd7cc.%023d", i);
		assert_in_range(
		    atol(redis_server_ask(&f->server, command)), 1, PARTING_KEPT_MS);
	}
	assert_in_range(PARTING_KEPT_MS, 120000, 180000);
	pl_redis_free(redis);
}

static void
who_has_no_note_is_late_once_all_is_known_for_long(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);

	/* Redis is empty: nothing is known from before now. */
	assert_int_equal(find(f, redis), PARTING_UNKNOWN_AGO);
	assert_int_equal(find(f, redis), PARTING_UNKNOWN_AGO);
	set_known_for(f, PARTING_KEPT_MS - 5000);
	assert_int_equal(find(f, redis), PARTING_UNKNOWN_AGO);
	set_known_for(f, PARTING_KEPT_MS);
	assert_true(find(f, redis) > 1000 * INT64_C(86400000));
	/* Whoever was on a process that tells nobody what it has may be in time. */
	assert_int_equal(find_of(f, redis, OLD_PID, OLD_ID), PARTING_UNKNOWN_AGO);
	pl_redis_free(redis);
}

static void
who_is_still_held_is_in_time(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);
	struct pl_app app = {.loop = f->loop, .redis = redis};
	struct held held = {.app = &app};

	held_start(&held, "p1");
	held_add(&held, ID);
	WAIT_FOR(f,
	    strcmp(redis_server_ask(&f->server, "EXISTS parley:held-since"), "1") == 0);
	set_known_for(f, PARTING_KEPT_MS);
	assert_int_equal(find(f, redis), PARTING_UNKNOWN_AGO);
	/* An earlier process sees only now that the connection to it broke: no news. */
	(void)redis_server_ask(&f->server, "SET " KEY " 1000");
	assert_int_equal(find(f, redis), PARTING_UNKNOWN_AGO);
	/* But a goodbye is one, and that break does not undo it. */
	parting_note(redis, PID, true);
	parting_note(redis, PID, false);
	assert_true(find(f, redis) > PARTING_KEPT_MS);
	parting_forget(redis, PID);
	/* Its process is killed. */
	held_stop(&held);
	assert_int_equal(find(f, redis), PARTING_UNKNOWN_AGO);
	(void)redis_server_ask(&f->server, "DEL parley:held");
	assert_true(find(f, redis) > PARTING_KEPT_MS);
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
	parting_find(redis, PID, ID, &ask);
	parting_cancel(&ask);
	parting_cancel(&ask);
	assert_in_range(find(f, redis), 0, 5000);
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
		assert_int_equal(find(f, redis), PARTING_UNKNOWN_AGO);
	}
	pl_redis_free(redis);
}

static void
a_time_to_come_is_now(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);

	(void)redis_server_ask(&f->server, "SET " KEY " 9999999999999");
	assert_int_equal(find(f, redis), 0);
	pl_redis_free(redis);
}

static void
knows_nothing_without_redis(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = NULL;

	parting_note(redis, PID, false);
	assert_int_equal(find(f, redis), PARTING_UNKNOWN_AGO);
	redis = open_redis(f);
	redis_server_kill(&f->server);
	WAIT_FOR(f, !pl_redis_is_up(redis));
	parting_note(redis, PID, false);
	assert_int_equal(find(f, redis), PARTING_UNKNOWN_AGO);
	pl_redis_free(redis);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(tells_how_long_ago_it_was_until_it_is_forgotten),
	    FIXTURE_TEST(one_that_ended_for_good_is_long_past),
	    FIXTURE_TEST(a_note_is_not_kept_for_ever),
	    FIXTURE_TEST(many_that_come_and_go_leave_nothing_for_long),
	    FIXTURE_TEST(who_has_no_note_is_late_once_all_is_known_for_long),
	    FIXTURE_TEST(who_is_still_held_is_in_time),
	    FIXTURE_TEST(who_cancels_hears_nothing),
	    FIXTURE_TEST(strange_notes_tell_nothing),
	    FIXTURE_TEST(a_time_to_come_is_now),
	    FIXTURE_TEST(knows_nothing_without_redis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
