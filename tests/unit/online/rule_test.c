#include "support/redis_fixture.h"
#include "online/rule.h"
#include "online/set_impl.h"

#define TTL_MS 60000
#define TRIES  10

struct answer {
	int count;
	bool is_online;
};

static void
note_answer(void *arg, bool is_online)
{
	struct answer *a = arg;

	a->count++;
	a->is_online = is_online;
}

static void
ignore(void *arg)
{
	(void)arg;
}

static void
ignore_change(void *arg, const struct pl_oid *user, bool is_online)
{
	(void)arg;
	(void)user;
	(void)is_online;
}

/* Number of a command's calls so far. */
static int
calls_of(const struct fixture *f, const char *command)
{
	char field[64];
	const char *at;

	snprintf(field, sizeof(field), "cmdstat_%s:calls=", command);
	at = strstr(redis_server_ask(&f->server, "INFO commandstats"), field);
	return at != NULL ? atoi(at + strlen(field)) : 0;
}

/* A service with the online rule. */
struct service {
	struct fixture *f;
	struct wires wires;
	struct pl_online *online;
};

static void
service_start(struct fixture *f, struct service *s, int64_t ttl_ms)
{
	int before = calls_of(f, "get");

	s->f = f;
	s->wires = wires_open(f);
	s->online = pl_online_new(f->loop, s->wires.redis, s->wires.bus, ttl_ms);
	WAIT_FOR(f, pl_bus_is_up(s->wires.bus));
	/* Its first question, for nobody, is answered. */
	WAIT_FOR(f, calls_of(f, "get") > before);
	TURN_FOR(f, 20);
}

static void
service_stop(struct service *s)
{
	pl_online_free(s->online);
	wires_close(&s->wires);
}

static bool
is_online(struct service *s, const struct pl_oid *user)
{
	struct answer a = {0};

	pl_online_ask(s->online, user, note_answer, &a);
	WAIT_FOR(s->f, a.count == 1);
	return a.is_online;
}

static void
a_request_makes_online_everywhere_until_logout(void **state)
{
	struct fixture *f = *state;
	struct service a, b;
	struct pl_oid user, other;

	pl_oid_new(&user);
	pl_oid_new(&other);
	service_start(f, &a, TTL_MS);
	service_start(f, &b, TTL_MS);
	assert_false(is_online(&a, &user));
	pl_online_seen(a.online, &user);
	WAIT_FOR(f, is_online(&b, &user));
	assert_true(is_online(&a, &user));
	assert_false(is_online(&b, &other));
	pl_online_logged_out(a.online, &user);
	assert_false(is_online(&a, &user));
	/* b may say yes out of memory for a second, and no longer. */
	TURN_FOR(f, 1000);
	assert_false(is_online(&b, &user));
	/* A login right after counts at once. */
	pl_online_seen(a.online, &user);
	assert_true(is_online(&a, &user));
	pl_online_logged_out(a.online, &user);
	pl_online_seen(a.online, &user);
	WAIT_FOR(f, is_online(&b, &user));
	service_stop(&a);
	service_stop(&b);
}

static void
a_request_counts_for_ttl(void **state)
{
	struct fixture *f = *state;
	struct service a, b;
	struct pl_oid user;

	pl_oid_new(&user);
	service_start(f, &a, 300);
	service_start(f, &b, 300);
	WAIT_FOR(f, (pl_online_seen(a.online, &user), is_online(&b, &user)));
	TURN_FOR(f, 1400);
	assert_false(is_online(&a, &user));
	assert_false(is_online(&b, &user));
	service_stop(&a);
	service_stop(&b);
}

static void
seen_costs_one_command_a_second_a_user(void **state)
{
	struct fixture *f = *state;
	struct service a;
	struct pl_oid user, other;
	int before, sets;
	int64_t begun_ms, took_ms;

	pl_oid_new(&user);
	pl_oid_new(&other);
	service_start(f, &a, TTL_MS);
	before = calls_of(f, "set");
	begun_ms = pl_clock_mono_ms();
	for (int i = 0; i < 100; i++)
		pl_online_seen(a.online, &user);
	took_ms = pl_clock_mono_ms() - begun_ms;
	pl_online_seen(a.online, &other);
	WAIT_FOR(f, calls_of(f, "set") - before >= 2);
	TURN_FOR(f, 50);
	sets = calls_of(f, "set") - before;
	assert_in_range(sets, 2, 2 + took_ms / 1000);
	TURN_FOR(f, 1000);
	pl_online_seen(a.online, &user);
	WAIT_FOR(f, calls_of(f, "set") - before > sets);
	TURN_FOR(f, 50);
	assert_int_equal(calls_of(f, "set") - before, sets + 1);
	service_stop(&a);
}

static void
note_known(void *arg)
{
	*(bool *)arg = true;
}

static void
who_arrived_is_online_everywhere_once_it_is_known(void **state)
{
	struct fixture *f = *state;
	struct service a, b;
	struct pl_oid user;
	bool is_known = false;

	pl_oid_new(&user);
	service_start(f, &a, TTL_MS);
	service_start(f, &b, TTL_MS);
	pl_online_arrived(a.online, &user, note_known, &is_known);
	WAIT_FOR(f, is_known);
	assert_true(is_online(&b, &user));
	service_stop(&a);
	service_stop(&b);
}

static void
who_arrives_at_a_process_without_a_connection_is_known_once_it_has_one(void **state)
{
	struct fixture *f = *state;
	struct service a, b;
	struct pl_oid user;
	bool is_known = false;

	pl_oid_new(&user);
	service_start(f, &b, TTL_MS);
	a = (struct service){.f = f, .wires = wires_open(f)};
	a.online = pl_online_new(f->loop, a.wires.redis, a.wires.bus, TTL_MS);
	assert_false(pl_redis_is_up(a.wires.redis));
	pl_online_arrived(a.online, &user, note_known, &is_known);
	assert_false(is_known);
	WAIT_FOR(f, is_known);
	assert_true(is_online(&b, &user));
	service_stop(&a);
	service_stop(&b);
}

static void
who_arrives_without_redis_does_not_wait_for_long(void **state)
{
	struct fixture *f = *state;
	struct service a;
	struct pl_oid user;
	bool is_known = false;

	pl_oid_new(&user);
	service_start(f, &a, TTL_MS);
	redis_server_kill(&f->server);
	pl_online_arrived(a.online, &user, note_known, &is_known);
	WAIT_FOR(f, is_known);
	service_stop(&a);
}

/* One who arrives between the two questions about them. */
static bool
is_found_when_overtaken(struct service *a, struct service *b)
{
	struct answer answer = {0};
	struct pl_oid user;

	pl_oid_new(&user);
	pl_online_ask(b->online, &user, note_answer, &answer);
	TURN_FOR(a->f, 50); /* Redis has said no */
	pl_online_seen(a->online, &user);
	WAIT_FOR(a->f, answer.count == 1);
	return answer.is_online;
}

static void
who_arrives_while_redis_stands_still_is_known_when_it_goes_on(void **state)
{
	struct fixture *f = *state;
	struct service a, b;
	struct pl_oid user;
	bool is_known = false;

	pl_oid_new(&user);
	service_start(f, &a, TTL_MS);
	service_start(f, &b, TTL_MS);
	redis_server_pause(&f->server);
	WAIT_FOR(f, !pl_redis_is_up(a.wires.redis));
	pl_online_arrived(a.online, &user, note_known, &is_known);
	WAIT_FOR(f, is_known);
	redis_server_resume(&f->server);
	WAIT_FOR(f, pl_redis_is_up(b.wires.redis) && is_online(&b, &user));
	service_stop(&a);
	service_stop(&b);
}

static void
who_logs_out_before_redis_goes_on_is_offline_then(void **state)
{
	struct fixture *f = *state;
	struct service a;
	struct pl_oid user;
	bool is_known = false;

	pl_oid_new(&user);
	service_start(f, &a, TTL_MS);
	redis_server_pause(&f->server);
	WAIT_FOR(f, !pl_redis_is_up(a.wires.redis));
	pl_online_arrived(a.online, &user, note_known, &is_known);
	WAIT_FOR(f, is_known);
	pl_online_logged_out(a.online, &user);
	redis_server_resume(&f->server);
	WAIT_FOR(f, pl_redis_is_up(a.wires.redis));
	TURN_FOR(f, 700);
	assert_false(is_online(&a, &user));
	service_stop(&a);
}

static void
a_question_that_overtakes_the_arrival_is_asked_again(void **state)
{
	struct fixture *f = *state;
	struct service a, b;
	int tries = 1;

	service_start(f, &a, TTL_MS);
	service_start(f, &b, TTL_MS);
	while (
	    !is_found_when_overtaken(&a, &b)) /* who stands still there asks too soon */
		assert_true(++tries <= TRIES);
	service_stop(&a);
	service_stop(&b);
}

/* Are five questions answered at once, out of memory? */
static bool
is_remembered(struct service *s, const struct pl_oid *user)
{
	int before = calls_of(s->f, "evalsha"), at_once;
	struct answer now = {0};

	for (int i = 0; i < 5; i++)
		pl_online_ask(s->online, user, note_answer, &now);
	at_once = now.count;
	WAIT_FOR(s->f, now.count == 5);
	assert_true(now.is_online);
	return at_once == 5 && calls_of(s->f, "evalsha") == before;
}

static void
a_yes_is_remembered_and_a_no_is_not(void **state)
{
	struct fixture *f = *state;
	struct service a, b;
	struct pl_oid user;
	int before, tries = 1;

	pl_oid_new(&user);
	service_start(f, &a, TTL_MS);
	service_start(f, &b, TTL_MS);
	is_online(&b, &user); /* the script is known from here on */
	before = calls_of(f, "evalsha");
	for (int i = 0; i < 5; i++)
		assert_false(is_online(&b, &user));
	assert_int_equal(calls_of(f, "evalsha") - before, 10); /* each asked again */
	pl_online_seen(a.online, &user);
	do { /* for a second, in which it may stand still */
		assert_true(tries++ <= TRIES);
		WAIT_FOR(f, is_online(&b, &user));
	} while (!is_remembered(&b, &user));
	service_stop(&a);
	service_stop(&b);
}

/* Is the user not online any more long before a yes out of memory would be over? */
static bool
goes_at_once(struct service *s, const struct pl_oid *user)
{
	int64_t limit = awake_ms() + 500;

	WAIT_FOR(s->f, !is_online(s, user));
	return awake_ms() < limit;
}

static void
a_live_socket_counts_until_it_goes(void **state)
{
	struct fixture *f = *state;
	struct pl_online_set_times times = {.lease_ms = 600, .renew_ms = 200};
	struct service a;
	struct wires wires;
	struct pl_online_set *roster;
	struct pl_oid user;
	int64_t limit;
	int tries = 1;

	pl_oid_new(&user);
	service_start(f, &a, TTL_MS);
	wires = wires_open(f);
	roster = pl_online_set_new_timed(
	    f->loop, wires.redis, wires.bus, "p1", times, ignore_change, NULL);
	pl_online_set_join(roster, &user);
	WAIT_FOR(f, is_online(&a, &user));
	/* Logging out one session does not end another's socket. */
	pl_online_logged_out(a.online, &user);
	assert_true(is_online(&a, &user));
	TURN_FOR(f, 1200);
	WAIT_FOR(f, is_online(&a, &user)); /* still, or again after a standstill */
	/* The leave is heard: no yes out of memory after it. */
	pl_online_set_leave(roster, &user);
	while (!goes_at_once(&a, &user)) { /* unless somebody stands still */
		assert_true(tries++ <= TRIES);
		pl_online_set_join(roster, &user);
		WAIT_FOR(f, is_online(&a, &user));
		pl_online_set_leave(roster, &user);
	}
	/* A dead process counts out with its lease, Redis' clock says when. */
	pl_online_set_join(roster, &user);
	WAIT_FOR(f, is_online(&a, &user));
	pl_online_set_free(roster);
	wires_close(&wires);
	limit = awake_ms() + patient_ms(times.lease_ms + 1300);
	WAIT_FOR(f, !is_online(&a, &user));
	assert_true(awake_ms() < limit);
	service_stop(&a);
}

static bool
goes_at_once_when_its_process_retires(struct fixture *f, struct service *a)
{
	struct pl_online_set_times times = {.lease_ms = 5000, .renew_ms = 1000};
	struct wires wires = wires_open(f);
	struct pl_online_set *roster;
	struct pl_oid user;
	bool goes;

	pl_oid_new(&user);
	roster = pl_online_set_new_timed(
	    f->loop, wires.redis, wires.bus, "p1", times, ignore_change, NULL);
	pl_online_set_join(roster, &user);
	WAIT_FOR(f, is_online(a, &user));
	pl_online_set_retire(roster, 0, ignore, NULL);
	goes = goes_at_once(a, &user);
	pl_online_set_free(roster);
	wires_close(&wires);
	return goes;
}

static void
retirement_drops_what_is_remembered(void **state)
{
	struct fixture *f = *state;
	struct service a;
	int tries = 1;

	service_start(f, &a, TTL_MS);
	while (!goes_at_once_when_its_process_retires(f, &a))
		assert_true(tries++ <= TRIES);
	service_stop(&a);
}

static void
where_redis_does_not_answer_everybody_is_online(void **state)
{
	struct fixture *f = *state;
	struct service a;
	struct pl_oid user;
	struct answer hung = {0}, down = {0};

	pl_oid_new(&user);
	service_start(f, &a, TTL_MS);
	redis_server_pause(&f->server);
	pl_online_ask(a.online, &user, note_answer, &hung);
	assert_int_equal(hung.count, 0);
	WAIT_FOR(f, hung.count == 1);
	assert_true(hung.is_online);
	redis_server_resume(&f->server);
	WAIT_FOR(f, pl_bus_is_up(a.wires.bus));
	assert_false(is_online(&a, &user)); /* that yes was no knowledge */
	redis_server_kill(&f->server);
	WAIT_FOR(f, !pl_redis_is_up(a.wires.redis));
	pl_online_ask(a.online, &user, note_answer, &down);
	assert_int_equal(down.count, 1);
	assert_true(down.is_online);
	pl_online_seen(a.online, &user);
	pl_online_logged_out(a.online, &user);
	redis_server_start(&f->server); /* with nothing in it */
	WAIT_FOR(f, pl_bus_is_up(a.wires.bus));
	assert_true(is_online(&a, &user));
	service_stop(&a);
}

static void
free_answers_what_is_asked(void **state)
{
	struct fixture *f = *state;
	struct service a;
	struct pl_oid user;
	struct answer first = {0}, second = {0};

	pl_oid_new(&user);
	service_start(f, &a, TTL_MS);
	pl_online_ask(a.online, &user, note_answer, &first);
	pl_online_free(a.online);
	assert_int_equal(first.count, 1);
	TURN_FOR(f, 50); /* Redis' reply comes to nobody */
	a.online = pl_online_new(f->loop, a.wires.redis, a.wires.bus, TTL_MS);
	pl_online_ask(a.online, &user, note_answer, &second);
	service_stop(&a);
	assert_int_equal(first.count, 1);
	assert_int_equal(second.count, 1);
	pl_online_free(NULL);
}

static void
on_a_local_bus_everybody_is_online(void **state)
{
	struct fixture *f = *state;
	struct pl_bus *bus = bus_local_new(f->loop);
	struct pl_online *o = pl_online_new(f->loop, NULL, bus, TTL_MS);
	struct answer a = {0};
	struct pl_oid user;

	pl_oid_new(&user);
	pl_online_seen(o, &user);
	pl_online_logged_out(o, &user);
	pl_online_ask(o, &user, note_answer, &a);
	assert_int_equal(a.count, 1);
	assert_true(a.is_online);
	pl_online_free(o);
	pl_bus_free(bus);
}

#define LOSS_TTL_MS 8000 /* longer than it takes to start one, though it stands still */

/* FLUSHALL, or a disk that was lost. */
static void
where_redis_has_lost_everything_everybody_is_online_for_a_ttl(void **state)
{
	struct fixture *f = *state;
	struct service old, fresh;
	struct pl_oid user;

	pl_oid_new(&user);
	service_start(f, &old, LOSS_TTL_MS);
	assert_false(is_online(&old, &user));
	(void)redis_server_ask(&f->server, "FLUSHALL");
	assert_true(is_online(&old, &user));
	service_start(f, &fresh, LOSS_TTL_MS);
	assert_true(is_online(&fresh, &user));
	WAIT_FOR(f, !is_online(&fresh, &user));
	WAIT_FOR(f, !is_online(&old, &user));
	service_stop(&old);
	service_stop(&fresh);
}

/* It cannot know that there was more in Redis; whoever can tells all. */
static void
a_process_that_began_around_a_loss_hears_of_it_from_an_older_one(void **state)
{
	struct fixture *f = *state;
	struct answer answer = {0};
	struct service old, fresh;
	struct pl_oid user;

	pl_oid_new(&user);
	service_start(f, &old, TTL_MS);
	assert_false(is_online(&old, &user));
	(void)redis_server_ask(&f->server, "FLUSHALL");
	service_start(f, &fresh, TTL_MS);
	pl_online_ask(fresh.online, &user, note_answer, &answer);
	WAIT_FOR(f,
	    strcmp(redis_server_ask(&f->server, "EXISTS parley:online-known"), "1") == 0);
	assert_true(is_online(&old, &user));
	WAIT_FOR(f, answer.count == 1);
	assert_true(answer.is_online);
	service_stop(&old);
	service_stop(&fresh);
}

static void
a_process_that_nobody_asked_before_a_loss_notices_it(void **state)
{
	struct fixture *f = *state;
	struct service s;
	struct pl_oid user;

	pl_oid_new(&user);
	service_start(f, &s, TTL_MS);
	(void)redis_server_ask(&f->server, "FLUSHALL");
	assert_true(is_online(&s, &user));
	service_stop(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(a_request_makes_online_everywhere_until_logout),
	    FIXTURE_TEST(a_request_counts_for_ttl),
	    FIXTURE_TEST(seen_costs_one_command_a_second_a_user),
	    FIXTURE_TEST(who_arrived_is_online_everywhere_once_it_is_known),
	    FIXTURE_TEST(
		who_arrives_at_a_process_without_a_connection_is_known_once_it_has_one),
	    FIXTURE_TEST(who_arrives_without_redis_does_not_wait_for_long),
	    FIXTURE_TEST(who_arrives_while_redis_stands_still_is_known_when_it_goes_on),
	    FIXTURE_TEST(who_logs_out_before_redis_goes_on_is_offline_then),
	    FIXTURE_TEST(a_question_that_overtakes_the_arrival_is_asked_again),
	    FIXTURE_TEST(a_yes_is_remembered_and_a_no_is_not),
	    FIXTURE_TEST(a_live_socket_counts_until_it_goes),
	    FIXTURE_TEST(retirement_drops_what_is_remembered),
	    FIXTURE_TEST(where_redis_does_not_answer_everybody_is_online),
	    FIXTURE_TEST(free_answers_what_is_asked),
	    FIXTURE_TEST(where_redis_has_lost_everything_everybody_is_online_for_a_ttl),
	    FIXTURE_TEST(
		a_process_that_began_around_a_loss_hears_of_it_from_an_older_one),
	    FIXTURE_TEST(a_process_that_nobody_asked_before_a_loss_notices_it),
	    FIXTURE_TEST(on_a_local_bus_everybody_is_online),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
