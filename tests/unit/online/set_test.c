#include "support/redis_fixture.h"
#include "bus/events.h"
#include "redis/reply.h"
#include "online/set_impl.h"

/* No lease ends by a standstill. */
static const struct pl_online_set_times steady = {.lease_ms = 600000, .renew_ms = 250};
static const struct pl_online_set_times fast = {.lease_ms = 1000, .renew_ms = 250};

/* One presence process. */
struct node {
	struct wires wires;
	struct pl_online_set *set;
	int changes; /* that were told */
	int told;    /* users online by what was told */
	int retired;
};

static void
note_change(void *arg, const struct pl_oid *user, bool is_online)
{
	struct node *n = arg;

	(void)user;
	n->changes++;
	n->told += is_online ? 1 : -1;
}

static void
note_retired(void *arg)
{
	struct node *n = arg;

	n->retired++;
}

static void
node_start_timed(
    struct fixture *f, struct node *n, const char *name, struct pl_online_set_times times)
{
	*n = (struct node){.wires = wires_open(f)};
	n->set = pl_online_set_new_timed(
	    f->loop, n->wires.redis, n->wires.bus, name, times, note_change, n);
}

static void
node_start(struct fixture *f, struct node *n, const char *name)
{
	node_start_timed(f, n, name, steady);
}

static void
node_stop(struct node *n)
{
	pl_online_set_free(n->set);
	wires_close(&n->wires);
	*n = (struct node){0};
}

static struct pl_oid
user(unsigned number)
{
	char hex[PL_OID_HEX_LEN + 1];
	struct pl_oid id;

	snprintf(hex, sizeof(hex), "65a0000000000000%08x", number);
	assert_true(pl_oid_parse(pl_str(hex), &id));
	return id;
}

static void
join(struct node *n, unsigned number)
{
	struct pl_oid id = user(number);

	pl_online_set_join(n->set, &id);
}

static void
leave(struct node *n, unsigned number)
{
	struct pl_oid id = user(number);

	pl_online_set_leave(n->set, &id);
}

static bool
has(const struct node *n, unsigned number)
{
	struct pl_oid id = user(number);
	const struct pl_oid *at;
	size_t it = 0;
	int found = 0;

	while ((at = pl_online_set_next(n->set, &it)) != NULL)
		found += pl_oid_eq(at, &id);
	assert_true(found <= 1);
	return found == 1;
}

static size_t
count(const struct node *n)
{
	const struct pl_oid *at;
	size_t it = 0, sum = 0;

	while ((at = pl_online_set_next(n->set, &it)) != NULL)
		sum++;
	assert_int_equal(sum, n->told);
	return sum;
}

static void
two_processes_see_each_other(void **state)
{
	struct fixture *f = *state;
	struct node a, b;

	node_start(f, &a, "a");
	join(&a, 1); /* before there is a connection */
	assert_true(has(&a, 1));
	assert_int_equal(a.changes, 1);
	WAIT_FOR(f, pl_bus_is_up(a.wires.bus));
	join(&a, 2);
	node_start(f, &b, "b");
	join(&b, 3);
	WAIT_FOR(f, count(&a) == 3 && count(&b) == 3);
	join(&b, 1); /* on both processes: counts once */
	TURN_FOR(f, 50);
	assert_int_equal(count(&a), 3);
	leave(&a, 1);
	TURN_FOR(f, 50);
	assert_true(has(&a, 1) && has(&b, 1));
	leave(&b, 1);
	WAIT_FOR(f, !has(&a, 1) && !has(&b, 1));
	join(&a, 2);  /* twice is once */
	leave(&b, 2); /* not his */
	TURN_FOR(f, 50);
	assert_true(has(&b, 2));
	node_stop(&a);
	node_stop(&b);
}

static void
each_of_many_changes_is_told_once(void **state)
{
	struct fixture *f = *state;
	struct node a, b;
	int before;

	node_start(f, &a, "a");
	node_start(f, &b, "b");
	join(&a, 1);
	WAIT_FOR(f, has(&b, 1));
	before = b.changes;
	for (unsigned i = 2; i <= 2000; i++)
		join(&a, i);
	WAIT_FOR(f, count(&b) == 2000);
	assert_int_equal(b.changes - before, 1999);
	assert_string_equal(
	    redis_server_ask(&f->server, "SCARD parley:online:a"), "2000");
	for (unsigned i = 1; i < 2000; i++)
		leave(&a, i);
	WAIT_FOR(f, count(&b) == 1);
	assert_true(has(&b, 2000));
	node_stop(&a);
	node_stop(&b);
}

static void
a_late_process_reads_a_big_set(void **state)
{
	struct fixture *f = *state;
	struct node a, b;

	node_start(f, &a, "a");
	for (unsigned i = 1; i <= 5000; i++)
		join(&a, i);
	WAIT_FOR(
	    f, !strcmp(redis_server_ask(&f->server, "SCARD parley:online:a"), "5000"));
	node_start(f, &b, "b");
	/* Changes go on while the set is read. */
	for (unsigned i = 5001; count(&b) < 5000; i++) {
		join(&a, i);
		leave(&a, i - 5000);
		pl_loop_epoll_step(f->loop, 10);
		assert_true(i < 10000);
	}
	join(&a, 20000);
	WAIT_FOR(f, has(&b, 20000));
	assert_int_equal(count(&b), count(&a));
	node_stop(&a);
	node_stop(&b);
}

static void
the_dead_go_when_their_lease_ends(void **state)
{
	struct fixture *f = *state;
	struct node a, b;
	int64_t died, died_awake, took_awake;

	node_start_timed(f, &a, "a", fast);
	node_start_timed(f, &b, "b", fast);
	join(&a, 1);
	join(&a, 2);
	join(&b, 2);
	WAIT_FOR(f, count(&b) == 2 && count(&a) == 2);
	TURN_FOR(f, 3 * fast.lease_ms); /* a lease is renewed */
	WAIT_FOR(f, count(&b) == 2);
	node_stop(&a); /* says nothing: as good as kill -9 */
	died_awake = awake_ms();
	died = pl_clock_mono_ms();
	WAIT_FOR(f, !has(&b, 1));
	took_awake = awake_ms() - died_awake;
	assert_true(took_awake <= fast.lease_ms + patient_ms(300) ||
		    pl_clock_mono_ms() - died > took_awake + 500); /* it stood still */
	assert_true(has(&b, 2));
	WAIT_FOR(f,
	    !strcmp(redis_server_ask(&f->server, "ZRANGE parley:instances 0 -1"), "b"));
	node_stop(&b);
}

static void
a_process_that_comes_back_has_its_new_users(void **state)
{
	struct fixture *f = *state;
	struct node a, b;

	node_start(f, &a, "a");
	node_start(f, &b, "b");
	join(&a, 1);
	WAIT_FOR(f, has(&b, 1));
	node_stop(&a);
	node_start(f, &a, "a"); /* within its old lease */
	join(&a, 2);
	WAIT_FOR(f, has(&b, 2) && !has(&b, 1));
	node_stop(&a);
	node_stop(&b);
}

static void
retire_takes_all_users_out_at_once(void **state)
{
	struct fixture *f = *state;
	struct node a, b;

	node_start(f, &a, "a");
	node_start(f, &b, "b");
	join(&a, 1);
	join(&b, 2);
	WAIT_FOR(f, count(&a) == 2 && count(&b) == 2);
	pl_online_set_retire(a.set, 0, note_retired, &a);
	assert_int_equal(a.retired, 0);
	WAIT_FOR(f, a.retired == 1 && !has(&b, 1));
	assert_string_equal(redis_server_ask(&f->server, "EXISTS parley:online:a"), "0");
	join(&a, 3); /* too late: not announced */
	TURN_FOR(f, 2 * steady.renew_ms);
	assert_int_equal(count(&b), 1);
	assert_string_equal(redis_server_ask(&f->server, "EXISTS parley:online:a"), "0");
	assert_int_equal(a.retired, 1);
	node_stop(&a);
	node_stop(&b);
}

#define KEPT_MS 600000 /* of a lease; no test waits so long */

/* Of what was kept of its lease ms are left, and everybody looks. */
static void
shorten_lease(struct fixture *f, const char *process, int64_t ms)
{
	char command[256];

	snprintf(command, sizeof(command),
	    "EVAL redis.call('ZADD',KEYS[1],'XX',ARGV[1],ARGV[2]);"
	    "redis.call('PUBLISH','parley:online',ARGV[2]..'\\032999')"
	    " 1 parley:instances %lld %s",
	    (long long)(pl_clock_unix_ms() + ms), process);
	redis_server_ask(&f->server, command);
}

/* a goes; of its users 1 does not come back, 2 has always been on b, too, 3 comes to b in
 * time, and 4 has just said goodbye. */
static void
who_comes_back_elsewhere_in_time_stays_online_throughout(void **state)
{
	struct fixture *f = *state;
	struct node a, b, c;
	int before;

	node_start(f, &a, "a");
	node_start(f, &b, "b");
	for (unsigned i = 1; i <= 4; i++)
		join(&a, i);
	join(&b, 2);
	WAIT_FOR(f, count(&b) == 4 && count(&a) == 4);
	leave(&a, 4);
	pl_online_set_retire(a.set, KEPT_MS, note_retired, &a);
	WAIT_FOR(f, a.retired == 1 && !has(&b, 4));
	node_stop(&a);
	before = b.changes;
	TURN_FOR(f, 200);
	assert_true(has(&b, 1) && has(&b, 2) && has(&b, 3));
	join(&b, 3);
	node_start(f, &a, "a.2"); /* what comes next disturbs nobody */
	node_start(f, &c, "c");   /* and who comes late is told the same */
	WAIT_FOR(f, count(&c) == 3);
	assert_true(has(&b, 1));
	shorten_lease(f, "a", 300);
	WAIT_FOR(f, !has(&b, 1) && !has(&c, 1) && !has(&a, 1));
	assert_int_equal(b.changes - before, 1); /* 1 went; 2 and 3 never did */
	TURN_FOR(f, 2 * steady.renew_ms);
	assert_int_equal(count(&b), 2);
	assert_int_equal(count(&c), 2);
	assert_in_range(
	    atoi(redis_server_ask(&f->server, "PTTL parley:online:a")), 1, 2 * KEPT_MS);
	node_stop(&a);
	node_stop(&b);
	node_stop(&c);
}

static void
one_without_users_is_gone_at_once(void **state)
{
	struct fixture *f = *state;
	struct node a;

	node_start(f, &a, "a");
	join(&a, 1);
	WAIT_FOR(f, !strcmp(redis_server_ask(&f->server, "ZCARD parley:instances"), "1"));
	leave(&a, 1);
	pl_online_set_retire(a.set, 60000, note_retired, &a);
	WAIT_FOR(f, a.retired == 1);
	assert_string_equal(redis_server_ask(&f->server, "ZCARD parley:instances"), "0");
	node_stop(&a);
}

/* Two lives of one name, as a service begins them. */
static void
a_successor_of_the_same_name_takes_nobody_out(void **state)
{
	struct fixture *f = *state;
	struct node first = {.wires = wires_open(f)};
	struct node second = {.wires = wires_open(f)};
	struct node b;
	char name[PL_ONLINE_NAME_MAX + 1];

	node_start(f, &b, "b");
	first.set = pl_online_set_new(
	    f->loop, first.wires.redis, first.wires.bus, "p1", note_change, &first);
	join(&first, 1);
	WAIT_FOR(f, has(&b, 1));
	snprintf(name, sizeof(name), "%s", first.set->process);
	pl_online_set_retire(first.set, KEPT_MS, note_retired, &first);
	WAIT_FOR(f, first.retired == 1);
	node_stop(&first);
	second.set = pl_online_set_new(
	    f->loop, second.wires.redis, second.wires.bus, "p1", note_change, &second);
	join(&second, 2);
	WAIT_FOR(f, has(&b, 2));
	assert_true(has(&b, 1));
	shorten_lease(f, name, 300);
	WAIT_FOR(f, !has(&b, 1));
	assert_true(has(&b, 2));
	node_stop(&second);
	node_stop(&b);
}

static void
retire_does_not_wait_for_a_redis_that_is_away(void **state)
{
	struct fixture *f = *state;
	struct node a;
	int64_t asked, asked_awake;

	node_start(f, &a, "a");
	join(&a, 1);
	WAIT_FOR(f, pl_bus_is_up(a.wires.bus));
	redis_server_pause(&f->server);
	asked_awake = awake_ms();
	asked = pl_clock_mono_ms();
	pl_online_set_retire(a.set, 0, note_retired, &a);
	WAIT_FOR(f, a.retired == 1);
	assert_true(pl_clock_mono_ms() - asked >= 500);
	assert_true(awake_ms() - asked_awake < 500 + patient_ms(400));
	redis_server_resume(&f->server);
	TURN_FOR(f, 200);
	assert_int_equal(a.retired, 1);
	node_stop(&a);
}

static void
free_ends_a_retirement(void **state)
{
	struct fixture *f = *state;
	struct node a;
	struct pl_online_set *set;

	node_start(f, &a, "a");
	WAIT_FOR(f, pl_bus_is_up(a.wires.bus));
	set = a.set;
	pl_online_set_retire(set, 0, note_retired, &a);
	pl_online_set_free(set);
	assert_int_equal(a.retired, 1);
	a.set = NULL;
	node_stop(&a);
}

static void
flushall_is_made_good_at_the_next_renewal(void **state)
{
	struct fixture *f = *state;
	struct node a, b;

	node_start(f, &a, "a");
	node_start(f, &b, "b");
	join(&a, 1);
	join(&b, 2);
	WAIT_FOR(f, count(&a) == 2 && count(&b) == 2);
	redis_server_ask(&f->server, "FLUSHALL");
	join(&a, 3); /* right into the gap */
	WAIT_FOR(
	    f, !strcmp(redis_server_ask(&f->server, "SCARD parley:online:a"), "2") &&
		   !strcmp(redis_server_ask(&f->server, "SCARD parley:online:b"), "1") &&
		   !strcmp(redis_server_ask(&f->server, "ZCARD parley:instances"), "2"));
	WAIT_FOR(f, count(&b) == 3 && count(&a) == 3);
	node_stop(&a);
	node_stop(&b);
}

static void
restart_loses_nobody_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct node a, b;
	int64_t limit;

	node_start_timed(f, &a, "a", fast);
	node_start_timed(f, &b, "b", fast);
	join(&a, 1);
	join(&b, 2);
	WAIT_FOR(f, count(&a) == 2 && count(&b) == 2);
	redis_server_kill(&f->server);
	WAIT_FOR(f, !pl_bus_is_up(a.wires.bus) && !pl_bus_is_up(b.wires.bus));
	leave(&a, 1); /* while nobody can be told */
	join(&a, 3);
	TURN_FOR(f, 2 * fast.lease_ms);
	assert_true(has(&b, 1)); /* the last that was known */
	redis_server_start(&f->server);
	limit = awake_ms() + WAIT_LIMIT_MS;
	while (!has(&b, 3) || has(&b, 1)) {
		assert_true(awake_ms() < limit);
		assert_true(has(&b, 1) || has(&b, 3)); /* a never counts out whole */
		assert_true(has(&b, 2) && has(&a, 2));
		pl_loop_epoll_step(f->loop, 10);
	}
	assert_int_equal(count(&a), 2);
	TURN_FOR(f, 2 * steady.renew_ms);
	assert_int_equal(count(&b), 2);
	node_stop(&a);
	node_stop(&b);
}

static void
one_who_died_with_redis_goes_too(void **state)
{
	struct fixture *f = *state;
	struct node a, b;

	node_start_timed(f, &a, "a", fast);
	node_start_timed(f, &b, "b", fast);
	join(&a, 1);
	WAIT_FOR(f, has(&b, 1));
	redis_server_kill(&f->server);
	node_stop(&a);
	WAIT_FOR(f, !pl_bus_is_up(b.wires.bus));
	redis_server_start(&f->server);
	WAIT_FOR(f, !has(&b, 1));
	node_stop(&b);
}

/* a comes back as the process of a machine that stood still does: after its lease. */
static void
after_a_standstill_the_others_have_time_to_come_back(void **state)
{
	struct fixture *f = *state;
	struct node a, b;
	int before;

	node_start_timed(f, &a, "a", fast);
	node_start_timed(f, &b, "b", fast);
	join(&a, 1);
	WAIT_FOR(f, has(&b, 1));
	node_stop(&a);
	usleep((useconds_t)(2 * fast.lease_ms + 100) * 1000);
	before = b.changes;
	TURN_FOR(f, 300);
	assert_true(has(&b, 1));
	node_start_timed(f, &a, "a", fast);
	join(&a, 1);
	TURN_FOR(f, 2 * fast.lease_ms);
	assert_int_equal(b.changes, before);
	node_stop(&a);
	WAIT_FOR(f, !has(&b, 1));
	node_stop(&b);
}

static void
a_gap_in_the_numbers_is_read_again(void **state)
{
	struct fixture *f = *state;
	struct node a, b;

	node_start(f, &a, "a");
	node_start(f, &b, "b");
	join(&a, 1);
	WAIT_FOR(f, has(&b, 1));
	/* What a says never reached b. */
	redis_server_ask(&f->server, "SADD parley:online:a 65a000000000000000000077");
	redis_server_ask(&f->server, "PUBLISH parley:online garbage");
	redis_server_ask(&f->server, "PUBLISH parley:online a");
	TURN_FOR(f, 30);
	assert_false(has(&b, 0x77));
	redis_server_ask(&f->server,
	    "EVAL "
	    "return(redis.call('PUBLISH','parley:online','a\t5'))"
	    " 0"); /* a tab: no note */
	leave(&a, 1);
	join(&a, 1);
	WAIT_FOR(f, has(&b, 1));
	/* At the next renewal a sees a set that is not its own, writes it anew, and its
	 * number jumps. */
	WAIT_FOR(f, !strcmp(redis_server_ask(&f->server, "SCARD parley:online:a"), "1"));
	WAIT_FOR(f, count(&b) == 1);
	node_stop(&a);
	node_stop(&b);
}

static void
strange_notes_do_no_harm(void **state)
{
	struct fixture *f = *state;
	static const char *const notes[] = {"", "x", "ghost 1 +65a000000000000000000001",
	    "ghost 2", "ghost 3 .", "b 1 .", "b 1 +65a000000000000000000009",
	    "a 1 +65a000000000000000000008", "a 1", "\xff\xff\xff 1"};
	struct node a, b;

	node_start(f, &a, "a");
	node_start(f, &b, "b");
	join(&a, 1);
	join(&b, 2);
	WAIT_FOR(f, count(&a) == 2 && count(&b) == 2);
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
			pl_bus_publish(a.wires.bus, PL_STR(PL_CHANNEL_ONLINE),
			    pl_str(notes[i]), NULL);
			pl_loop_epoll_step(f->loop, 1);
		}
	/* The set in Redis is what counts. */
	WAIT_FOR(f, count(&a) == 2 && count(&b) == 2);
	TURN_FOR(f, 2 * steady.renew_ms);
	assert_true(has(&a, 1) && has(&a, 2) && has(&b, 1) && has(&b, 2));
	assert_int_equal(count(&a) + count(&b), 4);
	node_stop(&a);
	node_stop(&b);
}

static void
alone_on_a_local_bus(void **state)
{
	struct fixture *f = *state;
	struct node a = {.wires.bus = bus_local_new(f->loop)};

	a.set = pl_online_set_new(f->loop, NULL, a.wires.bus,
	    "a process\nwith a strange name", note_change, &a);
	join(&a, 1);
	join(&a, 2);
	leave(&a, 1);
	assert_int_equal(a.changes, 3);
	assert_int_equal(count(&a), 1);
	pl_online_set_retire(a.set, 0, note_retired, &a);
	WAIT_FOR(f, a.retired == 1);
	node_stop(&a);
	pl_online_set_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(two_processes_see_each_other),
	    FIXTURE_TEST(each_of_many_changes_is_told_once),
	    FIXTURE_TEST(a_late_process_reads_a_big_set),
	    FIXTURE_TEST(the_dead_go_when_their_lease_ends),
	    FIXTURE_TEST(a_process_that_comes_back_has_its_new_users),
	    FIXTURE_TEST(retire_takes_all_users_out_at_once),
	    FIXTURE_TEST(who_comes_back_elsewhere_in_time_stays_online_throughout),
	    FIXTURE_TEST(one_without_users_is_gone_at_once),
	    FIXTURE_TEST(a_successor_of_the_same_name_takes_nobody_out),
	    FIXTURE_TEST(retire_does_not_wait_for_a_redis_that_is_away),
	    FIXTURE_TEST(free_ends_a_retirement),
	    FIXTURE_TEST(flushall_is_made_good_at_the_next_renewal),
	    FIXTURE_TEST(restart_loses_nobody_meanwhile),
	    FIXTURE_TEST(one_who_died_with_redis_goes_too),
	    FIXTURE_TEST(after_a_standstill_the_others_have_time_to_come_back),
	    FIXTURE_TEST(a_gap_in_the_numbers_is_read_again),
	    FIXTURE_TEST(strange_notes_do_no_harm),
	    FIXTURE_TEST(alone_on_a_local_bus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
