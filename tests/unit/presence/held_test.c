/* What Redis is told of the sockets that a process has. */
#include "support/redis_fixture.h"
#include "services/presence/delivery/held.h"

struct process {
	struct fixture *f;
	struct pl_app app;
	struct held held;
	char command[128];
};

static void
begin(struct process *p, struct fixture *f)
{
	*p =
	    (struct process){.f = f, .app = {.loop = f->loop, .redis = fixture_redis(f)}};
	p->held.app = &p->app;
	WAIT_FOR(f, pl_redis_is_up(p->app.redis));
	held_start(&p->held, "p1");
	WAIT_FOR(f, p->held.is_synced && !pl_redis_call_is_waiting(&p->held.sending));
}

static void
end(struct process *p)
{
	held_stop(&p->held);
	pl_redis_free(p->app.redis);
}

/* A command about its set. */
static const char *
ask(struct process *p, const char *verb, const char *rest)
{
	snprintf(p->command, sizeof(p->command), "%s %s%s", verb, p->held.key, rest);
	return redis_server_ask(&p->f->server, p->command);
}

static bool
has(struct process *p, const char *socket_id)
{
	char rest[64];

	snprintf(rest, sizeof(rest), " %s", socket_id);
	return strcmp(ask(p, "SISMEMBER", rest), "1") == 0;
}

/* Renewals come in real time; this one does not wait for its time. It has begun once it
 * has set the time of the next. */
static void
renew_now(struct process *p)
{
	int64_t due;

	pl_timer_start(p->f->loop, &p->held.renew, 0);
	due = p->held.renew.due_mono_ms;
	WAIT_FOR(p->f, p->held.renew.due_mono_ms > due);
	WAIT_FOR(p->f, !pl_redis_call_is_waiting(&p->held.renewing) &&
			   !pl_redis_call_is_waiting(&p->held.sending));
}

static const char *
since(struct process *p)
{
	return redis_server_ask(&p->f->server, "GET parley:held-since");
}

static void
set_since(struct process *p)
{
	assert_string_equal(
	    redis_server_ask(&p->f->server, "SET parley:held-since 1000"), "OK");
}

static void
tells_what_it_has_and_has_no_more(void **state)
{
	struct process p;

	begin(&p, *state);
	held_add(&p.held, "one");
	held_add(&p.held, "two");
	WAIT_FOR(p.f, has(&p, "one") && has(&p, "two"));
	assert_in_range(
	    atol(ask(&p, "PTTL", "")), HELD_KEPT_MS - HELD_RENEW_MS, HELD_KEPT_MS);
	held_drop(&p.held, "one");
	WAIT_FOR(p.f, !has(&p, "one"));
	assert_true(has(&p, "two"));
	set_since(&p);
	renew_now(&p);
	assert_string_equal(since(&p), "1000"); /* nothing was lost */
	held_drop(&p.held, "two");
	WAIT_FOR(p.f, strcmp(ask(&p, "EXISTS", ""), "0") == 0);
	end(&p);
}

static void
an_id_of_two_connections_goes_with_the_last(void **state)
{
	struct process p;

	begin(&p, *state);
	assert_false(held_is_shared(&p.held, "one"));
	held_add(&p.held, "one");
	assert_false(held_is_shared(&p.held, "one"));
	held_add(&p.held, "one");
	assert_true(held_is_shared(&p.held, "one"));
	held_drop(&p.held, "one");
	TURN_FOR(p.f, 50);
	assert_true(has(&p, "one"));
	held_drop(&p.held, "one");
	WAIT_FOR(p.f, !has(&p, "one"));
	end(&p);
}

static void
tells_all_anew_when_redis_was_away(void **state)
{
	struct process p;

	begin(&p, *state);
	held_add(&p.held, "before");
	held_add(&p.held, "dropped");
	WAIT_FOR(p.f, has(&p, "dropped"));
	redis_server_kill(&p.f->server);
	WAIT_FOR(p.f, !pl_redis_is_up(p.app.redis));
	held_add(&p.held, "meanwhile");
	held_drop(&p.held, "dropped");
	redis_server_start(&p.f->server);
	/* As if it had come back with a set of the past that is as large. */
	(void)ask(&p, "SADD", " dropped before");
	set_since(&p);
	WAIT_FOR(p.f, pl_redis_is_up(p.app.redis));
	WAIT_FOR(p.f, has(&p, "before") && has(&p, "meanwhile"));
	assert_false(has(&p, "dropped"));
	assert_string_not_equal(since(&p), "1000");
	end(&p);
}

/* A process that has just begun, or come back to Redis, does not wait for its next
 * renewal. */
static void
tells_all_with_the_first_that_comes_or_asks(void **state)
{
	struct fixture *f = *state;
	struct process p = {.f = f, .app = {.loop = f->loop, .redis = fixture_redis(f)}};

	p.held.app = &p.app;
	held_start(&p.held, "p1");
	pl_timer_stop(f->loop, &p.held.renew);
	set_since(&p);
	held_add(&p.held, "before");
	WAIT_FOR(f, pl_redis_is_up(p.app.redis));
	assert_string_equal(since(&p), "1000");
	held_add(&p.held, "one");
	WAIT_FOR(f, has(&p, "before") && has(&p, "one"));
	assert_string_not_equal(since(&p), "1000");
	set_since(&p);
	held_catch_up(&p.held); /* nothing is new */
	TURN_FOR(f, 50);
	assert_string_equal(since(&p), "1000");
	redis_server_kill(&f->server);
	WAIT_FOR(f, !pl_redis_is_up(p.app.redis));
	held_catch_up(&p.held);
	redis_server_start(&f->server);
	WAIT_FOR(f, pl_redis_is_up(p.app.redis));
	set_since(&p);
	held_catch_up(&p.held);
	WAIT_FOR(f, has(&p, "one"));
	assert_string_not_equal(since(&p), "1000");
	end(&p);
}

static void
finds_that_redis_has_lost_some(void **state)
{
	struct process p;

	begin(&p, *state);
	for (int i = 0; i < 1201; i++) {
		char id[HUB_SOCKET_ID_LEN + 1];

		snprintf(id, sizeof(id), "%d", i);
		held_add(&p.held, id);
	}
	WAIT_FOR(p.f, has(&p, "1200"));
	(void)ask(&p, "SREM", " 700");
	set_since(&p);
	renew_now(&p);
	WAIT_FOR(p.f, strcmp(ask(&p, "SCARD", ""), "1201") == 0);
	assert_string_not_equal(since(&p), "1000");
	(void)redis_server_ask(&p.f->server, "FLUSHALL");
	renew_now(&p);
	WAIT_FOR(p.f, strcmp(ask(&p, "SCARD", ""), "1201") == 0);
	assert_true(has(&p, "700"));
	end(&p);
}

static void
sweeps_out_the_dead(void **state)
{
	struct process p;

	begin(&p, *state);
	assert_string_equal(
	    redis_server_ask(&p.f->server, "ZADD parley:held 1000 p2.0badcafe"), "1");
	renew_now(&p);
	assert_string_equal(
	    redis_server_ask(&p.f->server, "ZRANGE parley:held 0 -1"), p.held.life);
	end(&p);
}

static void
many_that_come_and_go_leave_nothing(void **state)
{
	struct process p;

	begin(&p, *state);
	for (int i = 0; i < 1000; i++) {
		char id[HUB_SOCKET_ID_LEN + 1];

		held_id_new(id);
		assert_true(held_id_is_told(id));
		held_add(&p.held, id);
		held_drop(&p.held, id);
		if (i % 10 == 0)
			pl_loop_epoll_step(p.f->loop, 0);
	}
	held_catch_up(&p.held);
	WAIT_FOR(p.f, !pl_redis_call_is_waiting(&p.held.sending));
	assert_string_equal(ask(&p, "EXISTS", ""), "0");
	assert_int_equal(p.held.sockets.count, 0);
	/* The list of lives, and since when. */
	assert_string_equal(redis_server_ask(&p.f->server, "DBSIZE"), "2");
	end(&p);
}

/* How many commands Redis has carried out, but for those that ask so. */
static long
commands_of(struct process *p, const char *name)
{
	const char *stats = redis_server_ask(&p->f->server, "INFO commandstats");
	char what[64];
	const char *found;

	snprintf(what, sizeof(what), "cmdstat_%s:calls=", name);
	found = strstr(stats, what);
	return found ? atol(found + strlen(what)) : 0;
}

static void
what_comes_together_is_told_in_one_command(void **state)
{
	enum { COUNT = 100 };
	struct process p;
	char ids[COUNT][HUB_SOCKET_ID_LEN + 1];

	begin(&p, *state);
	pl_timer_stop(p.f->loop, &p.held.renew); /* which is a command, too */
	assert_string_equal(redis_server_ask(&p.f->server, "CONFIG RESETSTAT"), "OK");
	for (int i = 0; i < COUNT; i++) {
		held_id_new(ids[i]);
		held_add(&p.held, ids[i]);
	}
	for (int i = 1; i < COUNT; i += 2)
		held_drop(&p.held, ids[i]);
	WAIT_FOR(p.f, has(&p, ids[COUNT - 2]) && !has(&p, ids[COUNT - 1]));
	assert_int_equal(commands_of(&p, "sadd"), 2); /* the first at once */
	assert_int_equal(commands_of(&p, "srem"), 1);
	assert_int_equal(commands_of(&p, "evalsha"), 0);
	assert_string_equal(ask(&p, "SCARD", ""), "50");
	/* More than fit into one. */
	for (int i = 0; i < 2 * HELD_SAID_MAX + 1; i++) {
		held_add(&p.held, "again");
		held_drop(&p.held, "again");
	}
	held_add(&p.held, "last");
	WAIT_FOR(p.f, has(&p, "last"));
	assert_false(has(&p, "again"));
	/* Four that are full, the rest, and perhaps the first at once. */
	assert_in_range(commands_of(&p, "pexpire"), 2 + 5, 2 + 6);
	end(&p);
}

static void
what_is_gathered_is_told_before_redis_is_asked(void **state)
{
	struct process p;

	begin(&p, *state);
	held_add(&p.held, "first"); /* which is told at once */
	assert_int_equal(p.held.word_count, 0);
	held_add(&p.held, "one");
	assert_int_equal(p.held.word_count, 1);
	held_catch_up(&p.held);
	assert_int_equal(p.held.word_count, 0);
	WAIT_FOR(p.f, has(&p, "one"));
	held_drop(&p.held, "first");
	held_drop(&p.held, "one");
	set_since(&p);
	renew_now(&p); /* and before it counts */
	assert_string_equal(since(&p), "1000");
	assert_string_equal(ask(&p, "EXISTS", ""), "0");
	held_add(&p.held, "two");
	held_stop(&p.held); /* as it ends, too */
	WAIT_FOR(p.f, has(&p, "two"));
	pl_redis_free(p.app.redis);
}

static void
ids_of_the_version_before_are_told_apart(void **state)
{
	(void)state;
	assert_false(held_id_is_told("AAAAAAAAAAAAAAAAAAAAAA"));
	assert_false(held_id_is_told("hAAAAAAAAAAAAAAAAAAAAA"));
	assert_false(held_id_is_told("AAAAAAAAAAAAAAAAAAAAAAA"));
	assert_false(held_id_is_told(""));
	assert_true(held_id_is_told("hAAAAAAAAAAAAAAAAAAAAAA"));
}

static void
without_redis_it_only_counts(void **state)
{
	struct fixture *f = *state;
	struct pl_app app = {.loop = f->loop};
	struct held held = {.app = &app};

	held_start(&held, "p1");
	held_add(&held, "one");
	held_add(&held, "one");
	assert_true(held_is_shared(&held, "one"));
	held_drop(&held, "one");
	held_stop(&held);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(tells_what_it_has_and_has_no_more),
	    FIXTURE_TEST(an_id_of_two_connections_goes_with_the_last),
	    FIXTURE_TEST(tells_all_anew_when_redis_was_away),
	    FIXTURE_TEST(tells_all_with_the_first_that_comes_or_asks),
	    FIXTURE_TEST(finds_that_redis_has_lost_some),
	    FIXTURE_TEST(sweeps_out_the_dead),
	    FIXTURE_TEST(many_that_come_and_go_leave_nothing),
	    FIXTURE_TEST(what_comes_together_is_told_in_one_command),
	    FIXTURE_TEST(what_is_gathered_is_told_before_redis_is_asked),
	    FIXTURE_TEST(ids_of_the_version_before_are_told_apart),
	    FIXTURE_TEST(without_redis_it_only_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
