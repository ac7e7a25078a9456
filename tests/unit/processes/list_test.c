/* Those that announce themselves, and the one that listens to them. */
#include "support/redis_fixture.h"
#include "processes/list.h"

/* What comes twice as late as it asks is a standstill to it, and lets all who are missing
 * rejoin: so it asks seldom enough for a machine that stops for a moment now and then. */
static const struct pl_process_list_times fast = {
    .ask_ms = 200, .missing_ms = 1500, .rejoin_ms = 3000};

/* Longer than it takes a process to find a Redis again. */
static const struct pl_process_list_times patient = {
    .ask_ms = 50, .missing_ms = 1500, .rejoin_ms = 20000};

/* Nobody goes by being missing. */
static const struct pl_process_list_times trusting = {
    .ask_ms = 50, .missing_ms = 3600000, .rejoin_ms = 3600000};

struct process {
	struct pl_redis *redis;
	struct pl_announcement *announcement;
	int renamed;
};

struct follower {
	struct wires wires;
	struct pl_process_list *list;
	int changes;
	struct pl_buf text;
};

static void
on_renamed(void *arg, const char *name)
{
	struct process *p = arg;

	p->renamed++;
	assert_string_equal(name, pl_announcement_name(p->announcement));
}

static void
process_start(struct fixture *f, struct process *p, const char *name, const char *listen)
{
	struct pl_announcement_config config = {.service = "presence",
	    .name = name,
	    .listen = listen,
	    .on_renamed = on_renamed,
	    .arg = p};

	*p = (struct process){.redis = fixture_redis(f)};
	p->announcement = pl_announcement_new(f->loop, p->redis, &config);
}

static void
process_die(struct process *p)
{
	pl_announcement_free(p->announcement);
	pl_redis_free(p->redis);
}

static void
on_change(void *arg)
{
	struct follower *w = arg;

	w->changes++;
}

static void
follower_start_timed(
    struct fixture *f, struct follower *w, struct pl_process_list_times times)
{
	*w = (struct follower){.wires = wires_open(f)};
	w->list = pl_process_list_new_timed(
	    f->loop, w->wires.redis, w->wires.bus, times, on_change, w);
	pl_buf_init(&w->text, PL_BUF_UNLIMITED);
	WAIT_FOR(f, pl_bus_is_up(w->wires.bus));
}

static void
follower_start(struct fixture *f, struct follower *w)
{
	follower_start_timed(f, w, fast);
}

static void
follower_stop(struct follower *w)
{
	pl_process_list_free(w->list);
	wires_close(&w->wires);
	pl_buf_fini(&w->text);
}

static bool
sees(struct follower *w, const char *text)
{
	pl_buf_clear(&w->text);
	pl_process_list_print(w->list, &w->text);
	return pl_str_eq(pl_buf_str(&w->text), pl_str(text));
}

static void
who_comes_drains_and_leaves_is_seen(void **state)
{
	struct fixture *f = *state;
	struct process a, b;
	struct follower w;

	follower_start_timed(f, &w, trusting);
	process_start(f, &b, "p2", "[::1]:4002");
	WAIT_FOR(f, sees(&w, "presence p2 [::1]:4002 up\n"));
	process_start(f, &a, "p1", "127.0.0.1:4001");
	WAIT_FOR(
	    f, sees(&w, "presence p1 127.0.0.1:4001 up\npresence p2 [::1]:4002 up\n"));
	pl_announcement_drain(a.announcement);
	WAIT_FOR(
	    f, sees(&w, "presence p1 127.0.0.1:4001 drain\npresence p2 [::1]:4002 up\n"));
	assert_int_equal(w.changes, 3);
	pl_announcement_leave(a.announcement);
	WAIT_FOR(f, sees(&w, "presence p2 [::1]:4002 up\n")); /* told */
	process_die(&a);
	process_die(&b);
	follower_stop(&w);
}

/* A line of a process that is not there, under a lease until ends. */
static void
pretend(struct fixture *f, const char *name, const char *ends)
{
	char command[256];

	snprintf(command, sizeof(command),
	    "EVAL redis.call('HSET',KEYS[1],'presence\\032'..ARGV[1],"
	    "ARGV[2]..'\\032127.0.0.9:9\\032up') 1 parley:members %s %s",
	    name, ends);
	redis_server_ask(&f->server, command);
}

static void
who_died_goes_once_its_lease_has_ended(void **state)
{
	struct fixture *f = *state;
	struct follower w;

	follower_start(f, &w);
	pretend(f, "p1", "9999999999999");
	WAIT_FOR(f, sees(&w, "presence p1 127.0.0.9:9 up\n"));
	pretend(f, "p1", "1");
	WAIT_FOR(f, sees(&w, ""));
	assert_string_equal(redis_server_ask(&f->server, "EXISTS parley:members"), "0");
	follower_stop(&w);
}

static void
a_redis_that_forgets_or_is_away_takes_nobody_out(void **state)
{
	struct fixture *f = *state;
	struct process a;
	struct follower w;

	follower_start_timed(f, &w, patient);
	process_start(f, &a, "p1", "127.0.0.1:4001");
	WAIT_FOR(f, sees(&w, "presence p1 127.0.0.1:4001 up\n"));
	redis_server_ask(&f->server, "FLUSHALL");
	WAIT_FOR(
	    f, strcmp(redis_server_ask(&f->server, "EXISTS parley:members"), "1") == 0);
	redis_server_kill(&f->server);
	WAIT_FOR(f, !pl_redis_is_up(a.redis) && !pl_bus_is_up(w.wires.bus));
	TURN_FOR(f, fast.missing_ms + 500);
	assert_int_equal(w.changes, 1);
	redis_server_start(&f->server);
	WAIT_FOR(
	    f, strcmp(redis_server_ask(&f->server, "EXISTS parley:members"), "1") == 0);
	TURN_FOR(f, fast.missing_ms);
	assert_int_equal(w.changes, 1);
	assert_true(sees(&w, "presence p1 127.0.0.1:4001 up\n"));
	process_die(&a);
	follower_stop(&w);
}

/* Nobody renews a lease meanwhile, and Redis' clock goes on. */
static void
a_standstill_takes_nobody_out(void **state)
{
	struct fixture *f = *state;
	struct follower w;

	follower_start(f, &w);
	pretend(f, "p1", "9999999999999");
	WAIT_FOR(f, sees(&w, "presence p1 127.0.0.9:9 up\n"));
	TURN_FOR(f, fast.rejoin_ms);
	usleep((useconds_t)fast.missing_ms * 1000 + 100000);
	pretend(f, "p1", "1");
	TURN_FOR(f, 300);
	pretend(f, "p1", "9999999999999");
	TURN_FOR(f, 300);
	assert_true(sees(&w, "presence p1 127.0.0.9:9 up\n"));
	assert_int_equal(w.changes, 1);
	/* Who does not come back goes after all. */
	pretend(f, "p1", "1");
	WAIT_FOR(f, sees(&w, ""));
	follower_stop(&w);
}

static void
who_comes_back_at_the_same_place_has_its_name_at_once(void **state)
{
	struct fixture *f = *state;
	struct process a, b;
	struct follower w;

	follower_start(f, &w);
	process_start(f, &a, "p1", "127.0.0.1:4001");
	WAIT_FOR(f, sees(&w, "presence p1 127.0.0.1:4001 up\n"));
	pl_announcement_drain(a.announcement);
	WAIT_FOR(f, sees(&w, "presence p1 127.0.0.1:4001 drain\n"));
	process_die(&a);
	process_start(f, &b, "p1", "127.0.0.1:4001");
	WAIT_FOR(f, sees(&w, "presence p1 127.0.0.1:4001 up\n"));
	process_die(&b);
	follower_stop(&w);
}

static void
a_name_that_was_given_is_waited_for(void **state)
{
	struct fixture *f = *state;
	struct process a, b;
	struct follower w;

	follower_start(f, &w);
	process_start(f, &a, "p1", "127.0.0.1:4001");
	WAIT_FOR(f, sees(&w, "presence p1 127.0.0.1:4001 up\n"));
	process_start(f, &b, "p1", "127.0.0.1:4002");
	WAIT_FOR(f, pl_redis_is_up(b.redis));
	TURN_FOR(f, 300);
	assert_true(sees(&w, "presence p1 127.0.0.1:4001 up\n"));
	pl_announcement_leave(a.announcement);
	WAIT_FOR(f, sees(&w, "presence p1 127.0.0.1:4002 up\n"));
	assert_int_equal(b.renamed, 0);
	/* What the first one says late does not hurt the second. */
	pl_announcement_leave(a.announcement);
	TURN_FOR(f, 200);
	assert_true(sees(&w, "presence p1 127.0.0.1:4002 up\n"));
	process_die(&a);
	process_die(&b);
	follower_stop(&w);
}

static void
a_name_that_was_drawn_gives_way(void **state)
{
	struct fixture *f = *state;
	char first[PL_PROCESS_NAME_MAX + 1], expected[256];
	struct process a;
	struct follower w;

	process_start(f, &a, "presence-7d9f8b6c5-x2x9z", "127.0.0.1:4001");
	snprintf(first, sizeof(first), "%s", pl_announcement_name(a.announcement));
	assert_int_equal(strlen(first), PL_PROCESS_NAME_MAX);
	pretend(f, first, "9999999999999");
	WAIT_FOR(f, a.renamed == 1);
	assert_string_not_equal(pl_announcement_name(a.announcement), first);
	follower_start(f, &w);
	snprintf(expected, sizeof(expected), "presence %s 127.0.0.1:4001 up",
	    pl_announcement_name(a.announcement));
	WAIT_FOR(f, w.changes > 0);
	pl_process_list_print(w.list, &w.text);
	assert_non_null(strstr(w.text.data, expected));
	process_die(&a);
	follower_stop(&w);
}

static void
who_listens_everywhere_tells_the_address_towards_redis(void **state)
{
	static const char *const listens[] = {
	    "0.0.0.0:4001", "[::]:4001", "localhost:4001"};
	struct fixture *f = *state;
	struct process a;
	struct follower w;

	for (size_t i = 0; i < sizeof(listens) / sizeof(listens[0]); i++) {
		process_start(f, &a, "p1", listens[i]);
		follower_start(f, &w);
		WAIT_FOR(f, sees(&w, "presence p1 127.0.0.1:4001 up\n"));
		pl_announcement_leave(a.announcement);
		WAIT_FOR(f, sees(&w, ""));
		process_die(&a);
		follower_stop(&w);
	}
}

static void
what_is_no_line_is_passed_over(void **state)
{
	struct fixture *f = *state;
	struct follower w;

	redis_server_ask(&f->server, "HSET parley:members x y 1 2");
	pretend(f, "P;}", "9999999999999");
	follower_start(f, &w);
	pretend(f, "p2", "9999999999999");
	WAIT_FOR(f, sees(&w, "presence p2 127.0.0.9:9 up\n"));
	redis_server_ask(&f->server, "PUBLISH parley:members presence");
	redis_server_ask(&f->server, "DEL parley:members");
	redis_server_ask(&f->server, "SET parley:members x");
	TURN_FOR(f, fast.missing_ms);
	assert_true(sees(&w, "presence p2 127.0.0.9:9 up\n"));
	follower_stop(&w);
}

static void
drawn_names_differ(void **state)
{
	struct fixture *f = *state;
	struct process a, b;

	process_start(f, &a, NULL, "127.0.0.1:4001");
	process_start(f, &b, NULL, "127.0.0.1:4002");
	assert_string_not_equal(
	    pl_announcement_name(a.announcement), pl_announcement_name(b.announcement));
	process_die(&a);
	process_die(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(who_comes_drains_and_leaves_is_seen),
	    FIXTURE_TEST(who_died_goes_once_its_lease_has_ended),
	    FIXTURE_TEST(a_redis_that_forgets_or_is_away_takes_nobody_out),
	    FIXTURE_TEST(a_standstill_takes_nobody_out),
	    FIXTURE_TEST(who_comes_back_at_the_same_place_has_its_name_at_once),
	    FIXTURE_TEST(a_name_that_was_given_is_waited_for),
	    FIXTURE_TEST(a_name_that_was_drawn_gives_way),
	    FIXTURE_TEST(who_listens_everywhere_tells_the_address_towards_redis),
	    FIXTURE_TEST(what_is_no_line_is_passed_over),
	    FIXTURE_TEST(drawn_names_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
