#include "fixture.h"
#include "bus/parting.h"

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

static struct pl_bus *
open_bus(struct fixture *f)
{
	struct pl_bus *bus = pl_bus_redis_new(f->loop, f->server.url);

	WAIT_FOR(f, pl_bus_is_up(bus));
	return bus;
}

static int64_t
take(struct fixture *f, struct pl_bus *bus)
{
	struct answer a = {0};

	pl_parting_take(bus, PID, on_answer, &a);
	WAIT_FOR(f, a.count == 1);
	return a.ago_ms;
}

static void
tells_once_how_long_ago_it_was(void **state)
{
	struct fixture *f = *state;
	struct pl_bus *bus = open_bus(f);
	int64_t ago_ms;

	pl_parting_note(bus, PID, false);
	ago_ms = take(f, bus);
	assert_in_range(ago_ms, 0, 5000);
	assert_int_equal(take(f, bus), PL_PARTING_UNKNOWN_AGO);
	pl_bus_free(bus);
}

static void
one_that_ended_for_good_is_long_past(void **state)
{
	struct fixture *f = *state;
	struct pl_bus *bus = open_bus(f);

	pl_parting_note(bus, PID, true);
	assert_true(take(f, bus) > PL_PARTING_KEPT_MS);
	pl_bus_free(bus);
}

static void
a_note_is_not_kept_for_ever(void **state)
{
	struct fixture *f = *state;
	struct pl_bus *bus = open_bus(f);
	long left_ms;

	pl_parting_note(bus, PID, false);
	WAIT_FOR(f, strcmp(redis_server_ask(&f->server, "EXISTS " KEY), "1") == 0);
	left_ms = atol(redis_server_ask(&f->server, "PTTL " KEY));
	assert_in_range(left_ms, PL_PARTING_KEPT_MS - 10000, PL_PARTING_KEPT_MS);
	pl_bus_free(bus);
}

static void
strange_notes_tell_nothing(void **state)
{
	static const char *const commands[] = {"SET " KEY " soon", "SET " KEY " -5",
	    "SET " KEY " 99999999999999999999", "RPUSH " KEY " 1"};
	struct fixture *f = *state;
	struct pl_bus *bus = open_bus(f);

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		(void)redis_server_ask(&f->server, commands[i]);
		assert_int_equal(take(f, bus), PL_PARTING_UNKNOWN_AGO);
	}
	pl_bus_free(bus);
}

static void
a_time_to_come_is_now(void **state)
{
	struct fixture *f = *state;
	struct pl_bus *bus = open_bus(f);

	(void)redis_server_ask(&f->server, "SET " KEY " 9999999999999");
	assert_int_equal(take(f, bus), 0);
	pl_bus_free(bus);
}

static void
knows_nothing_without_redis(void **state)
{
	struct fixture *f = *state;
	struct pl_bus *bus = pl_bus_local_new(f->loop);

	pl_parting_note(bus, PID, false);
	assert_int_equal(take(f, bus), PL_PARTING_UNKNOWN_AGO);
	pl_bus_free(bus);
	bus = open_bus(f);
	redis_server_kill(&f->server);
	WAIT_FOR(f, !pl_bus_is_up(bus));
	pl_parting_note(bus, PID, false);
	assert_int_equal(take(f, bus), PL_PARTING_UNKNOWN_AGO);
	pl_bus_free(bus);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(tells_once_how_long_ago_it_was),
	    FIXTURE_TEST(one_that_ended_for_good_is_long_past),
	    FIXTURE_TEST(a_note_is_not_kept_for_ever),
	    FIXTURE_TEST(strange_notes_tell_nothing),
	    FIXTURE_TEST(a_time_to_come_is_now),
	    FIXTURE_TEST(knows_nothing_without_redis),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
