#include "support/redis_fixture.h"
#include "bus/wake.h"

struct sleeper {
	struct pl_wake *wake;
	int woken; /* messages */
	int calls;
	struct pl_oid last;
	bool leaves; /* frees itself when woken */
};

static void
on_wake(void *arg, const struct pl_oid *messages, size_t count)
{
	struct sleeper *s = arg;

	assert_true(count > 0);
	s->calls++;
	s->woken += (int)count;
	s->last = messages[count - 1];
	if (s->leaves) {
		pl_wake_free(s->wake);
		s->wake = NULL;
	}
}

static void
sleeper_start(struct fixture *f, struct sleeper *s, const char *name)
{
	*s = (struct sleeper){0};
	s->wake = pl_wake_new(f->loop, f->server.url, name, on_wake, s);
}

/* The number of those who wait in XREADGROUP. */
static int
waiting(const struct fixture *f)
{
	const char *at =
	    strstr(redis_server_ask(&f->server, "INFO clients"), "blocked_clients:");

	return at != NULL ? atoi(at + strlen("blocked_clients:")) : 0;
}

static struct pl_redis *
open_redis(struct fixture *f)
{
	struct pl_redis *redis = fixture_redis(f);

	WAIT_FOR(f, pl_redis_is_up(redis));
	return redis;
}

static void
wakes_exactly_one(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);
	struct sleeper a, b;
	struct pl_oid id;

	sleeper_start(f, &a, "a");
	sleeper_start(f, &b, "b");
	WAIT_FOR(f, waiting(f) == 2);
	pl_oid_new(&id);
	pl_wake_send(redis, &id);
	WAIT_FOR(f, a.woken + b.woken == 1);
	assert_true(pl_oid_eq(a.woken ? &a.last : &b.last, &id));
	for (int i = 0; i < 500; i++) {
		pl_oid_new(&id);
		pl_wake_send(redis, &id);
		if (i % 10 == 0)
			pl_loop_epoll_step(f->loop, 0);
	}
	WAIT_FOR(f, a.woken + b.woken == 501);
	TURN_FOR(f, 100);
	assert_int_equal(a.woken + b.woken, 501);
	assert_true(a.woken > 0 && b.woken > 0);
	/* Nothing stays behind for anybody to claim. */
	assert_int_equal(
	    strncmp(redis_server_ask(&f->server, "XPENDING parley:replies responders"),
		"0", 1),
	    0);
	pl_wake_free(a.wake);
	pl_wake_free(b.wake);
	pl_redis_free(redis);
}

static void
reads_what_was_sent_before_anybody_was_there(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);
	struct sleeper a;
	struct pl_oid id;

	pl_oid_new(&id);
	pl_wake_send(redis, &id);
	WAIT_FOR(f, !strcmp(redis_server_ask(&f->server, "XLEN parley:replies"), "1"));
	sleeper_start(f, &a, "a");
	WAIT_FOR(f, a.woken == 1);
	assert_true(pl_oid_eq(&a.last, &id));
	pl_wake_free(a.wake);
	pl_redis_free(redis);
}

static void
goes_on_after_flushall(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);
	struct sleeper a;
	struct pl_oid id;
	int64_t sent;

	sleeper_start(f, &a, "a");
	WAIT_FOR(f, waiting(f) == 1);
	redis_server_ask(&f->server, "FLUSHALL");
	pl_oid_new(&id);
	pl_wake_send(redis, &id);
	sent = awake_ms();
	WAIT_FOR(f, a.woken == 1);
	assert_true(awake_ms() - sent < patient_ms(1000)); /* not a BLOCK's 5 s */
	assert_true(pl_oid_eq(&a.last, &id));
	pl_wake_free(a.wake);
	pl_redis_free(redis);
}

static void
goes_on_after_kill_and_restart(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);
	struct sleeper a;
	struct pl_oid id;

	sleeper_start(f, &a, "a");
	WAIT_FOR(f, waiting(f) == 1);
	redis_server_kill(&f->server);
	WAIT_FOR(f, !pl_redis_is_up(redis));
	pl_oid_new(&id);
	pl_wake_send(redis, &id); /* lost, and that is all right */
	redis_server_start(&f->server);
	WAIT_FOR(f, pl_redis_is_up(redis) && waiting(f) == 1);
	pl_oid_new(&id);
	pl_wake_send(redis, &id);
	WAIT_FOR(f, a.woken == 1);
	assert_true(pl_oid_eq(&a.last, &id));
	pl_wake_free(a.wake);
	pl_redis_free(redis);
}

static void
waits_longer_than_one_read(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);
	struct sleeper a;
	struct pl_oid id;

	sleeper_start(f, &a, "a");
	WAIT_FOR(f, waiting(f) == 1);
	TURN_FOR(f, 5500); /* past one BLOCK */
	WAIT_FOR(f, waiting(f) == 1);
	pl_oid_new(&id);
	pl_wake_send(redis, &id);
	WAIT_FOR(f, a.woken == 1);
	pl_wake_free(a.wake);
	pl_redis_free(redis);
}

static void
passes_over_strange_entries(void **state)
{
	static const char *const entries[] = {"XADD parley:replies * x y",
	    "XADD parley:replies * message y", "XADD parley:replies * message",
	    "XADD parley:replies * y message",
	    "XADD parley:replies * message 65a0000000000000000000011"};
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);
	struct sleeper a;
	struct pl_oid id;

	sleeper_start(f, &a, "a");
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		redis_server_ask(&f->server, entries[i]);
	pl_oid_new(&id);
	pl_wake_send(redis, &id);
	WAIT_FOR(f, a.woken == 1);
	assert_true(pl_oid_eq(&a.last, &id));
	pl_wake_free(a.wake);
	pl_redis_free(redis);
}

static void
asks_again_where_the_key_is_of_another_kind(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);
	struct sleeper a;
	struct pl_oid id;

	redis_server_ask(&f->server, "SET parley:replies x");
	sleeper_start(f, &a, "a");
	TURN_FOR(f, 300);
	redis_server_ask(&f->server, "DEL parley:replies");
	WAIT_FOR(f, waiting(f) == 1);
	pl_oid_new(&id);
	pl_wake_send(redis, &id);
	WAIT_FOR(f, a.woken == 1);
	pl_wake_free(a.wake);
	pl_redis_free(redis);
}

/* How often anybody was told to wake, after 100 times more; what a Redis that stands still
 * does not take in time is lost. */
static int
told_by_100(struct fixture *f, struct pl_redis *redis)
{
	const char *at;
	struct pl_oid id;

	pl_oid_new(&id);
	for (int i = 0; i < 100; i++)
		pl_wake_send(redis, &id);
	at = strstr(redis_server_ask(&f->server, "INFO commandstats"), "_xadd:calls=");
	return at != NULL ? atoi(at + strlen("_xadd:calls=")) : 0;
}

static void
the_stream_stays_bounded(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);
	int len;

	WAIT_FOR(f, told_by_100(f, redis) >= 15000);
	len = atoi(redis_server_ask(&f->server, "XLEN parley:replies"));
	assert_true(len >= 10000 && len < 11000);
	pl_redis_free(redis);
}

static void
may_be_freed_when_woken(void **state)
{
	struct fixture *f = *state;
	struct pl_redis *redis = open_redis(f);
	struct sleeper a;
	struct pl_oid id;

	pl_oid_new(&id);
	pl_wake_send(redis, &id);
	pl_wake_send(redis, &id);
	WAIT_FOR(f, !strcmp(redis_server_ask(&f->server, "XLEN parley:replies"), "2"));
	sleeper_start(f, &a, "a");
	a.leaves = true;
	WAIT_FOR(f, a.calls == 1);
	TURN_FOR(f, 50);
	assert_int_equal(a.calls, 1);
	pl_redis_free(redis);
	pl_wake_free(NULL);
}

static void
without_redis_nobody_is_woken(void **state)
{
	struct pl_oid id;

	(void)state;
	pl_oid_new(&id);
	pl_wake_send(NULL, &id);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(wakes_exactly_one),
	    FIXTURE_TEST(reads_what_was_sent_before_anybody_was_there),
	    FIXTURE_TEST(goes_on_after_flushall),
	    FIXTURE_TEST(goes_on_after_kill_and_restart),
	    FIXTURE_TEST(waits_longer_than_one_read),
	    FIXTURE_TEST(passes_over_strange_entries),
	    FIXTURE_TEST(asks_again_where_the_key_is_of_another_kind),
	    FIXTURE_TEST(the_stream_stays_bounded),
	    FIXTURE_TEST(may_be_freed_when_woken),
	    cmocka_unit_test(without_redis_nobody_is_woken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
