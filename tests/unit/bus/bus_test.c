#include "support/redis_fixture.h"

#define NEWS PL_STR("parley:news")

struct ear {
	struct pl_bus *bus;
	struct pl_bus_listener l;
	int readies, agains, count;
	char last[64];
	struct ear *then_leaves; /* unsubscribed by the next message */
	struct ear *then_joins;
};

static void
hear(void *arg, struct pl_str channel, struct pl_str payload)
{
	struct ear *e = arg;

	assert_true(pl_str_eq(channel, NEWS));
	e->count++;
	snprintf(e->last, sizeof(e->last), "%.*s", (int)payload.len, payload.ptr);
	if (e->then_leaves != NULL)
		pl_bus_unsubscribe(e->bus, &e->then_leaves->l);
	if (e->then_joins != NULL)
		pl_bus_subscribe(e->bus, NEWS, &e->then_joins->l);
	e->then_leaves = e->then_joins = NULL;
}

static void
ready(void *arg, bool is_again)
{
	struct ear *e = arg;

	if (is_again)
		e->agains++;
	else
		e->readies++;
}

static void
ear_init(struct ear *e, struct pl_bus *bus)
{
	*e = (struct ear){
	    .bus = bus, .l = {.on_message = hear, .on_ready = ready, .arg = e}};
}

struct outcome {
	struct pl_redis_call call;
	int good, bad;
};

static void
published(void *arg, enum pl_err err, const struct redisReply *reply)
{
	struct outcome *o = arg;

	(void)reply;
	if (err == PL_OK)
		o->good++;
	else if (err == PL_E_UNAVAILABLE || err == PL_E_CANCELLED)
		o->bad++;
}

static void
outcome_init(struct outcome *o)
{
	*o = (struct outcome){0};
	pl_redis_call_init(&o->call, published, o);
}

static void
say(struct pl_bus *bus, const char *text)
{
	pl_bus_publish(bus, NEWS, pl_str(text), NULL);
}

/* ---- what both buses promise ---- */

static void
check_delivery(struct fixture *f, struct pl_bus *bus)
{
	struct ear a, b;
	struct outcome o;

	outcome_init(&o);
	ear_init(&a, bus);
	ear_init(&b, bus);
	pl_bus_subscribe(bus, NEWS, &a.l);
	assert_int_equal(a.readies, 0);
	WAIT_FOR(f, a.readies == 1);
	pl_bus_subscribe(bus, NEWS, &b.l); /* the channel is ready already */
	assert_int_equal(b.readies, 0);
	WAIT_FOR(f, b.readies == 1);
	assert_int_equal(a.readies, 1);
	pl_bus_publish(bus, NEWS, PL_STR("one"), &o.call);
	assert_int_equal(o.good + a.count, 0);
	WAIT_FOR(f, o.good == 1 && a.count == 1 && b.count == 1);
	assert_string_equal(a.last, "one");
	pl_bus_unsubscribe(bus, &a.l);
	pl_bus_unsubscribe(bus, &a.l);
	say(bus, "two");
	WAIT_FOR(f, b.count == 2);
	assert_int_equal(a.count, 1);
	pl_bus_unsubscribe(bus, &b.l);
}

static void
check_coming_and_going(struct fixture *f, struct pl_bus *bus)
{
	struct ear a, b, c;

	ear_init(&a, bus);
	ear_init(&b, bus);
	ear_init(&c, bus);
	/* Each before the one before is confirmed: only the last counts. */
	for (int i = 0; i < 5; i++) {
		pl_bus_subscribe(bus, NEWS, &a.l);
		pl_bus_unsubscribe(bus, &a.l);
	}
	pl_bus_subscribe(bus, NEWS, &a.l);
	WAIT_FOR(f, a.readies == 1);
	TURN_FOR(f, 50);
	assert_int_equal(a.readies, 1);
	assert_int_equal(a.agains, 0);
	/* The one who hears takes out the next, and brings another. */
	pl_bus_subscribe(bus, NEWS, &b.l);
	WAIT_FOR(f, b.readies == 1);
	a.then_leaves = &b;
	a.then_joins = &c;
	say(bus, "x");
	WAIT_FOR(f, a.count == 1 && c.readies == 1);
	assert_int_equal(b.count, 0);
	/* One who takes himself out, the last on the channel. */
	pl_bus_unsubscribe(bus, &c.l);
	a.then_leaves = &a;
	say(bus, "y");
	WAIT_FOR(f, a.count == 2);
	say(bus, "z");
	TURN_FOR(f, 50);
	assert_int_equal(a.count, 2);
	/* And comes back. */
	pl_bus_subscribe(bus, NEWS, &a.l);
	WAIT_FOR(f, a.readies == 2);
	say(bus, "back");
	WAIT_FOR(f, a.count == 3);
	pl_bus_unsubscribe(bus, &a.l);
}

static void
check_free(struct fixture *f, struct pl_bus *bus, struct pl_redis *redis)
{
	struct ear a, b;
	struct outcome o;

	outcome_init(&o);
	ear_init(&a, bus);
	ear_init(&b, bus);
	pl_bus_subscribe(bus, NEWS, &a.l);
	WAIT_FOR(f, a.readies == 1 && pl_bus_is_up(bus));
	pl_bus_subscribe(bus, PL_STR("other"), &b.l);
	pl_bus_publish(bus, NEWS, PL_STR("late"), &o.call);
	pl_bus_free(bus);
	pl_redis_free(redis);
	assert_int_equal(o.good, 0);
	assert_int_equal(o.bad, 1);
	assert_null(a.l.channel);
	pl_bus_unsubscribe(bus, &a.l);
	pl_bus_free(NULL);
}

static void
redis_delivers_to_every_listener(void **state)
{
	struct fixture *f = *state;
	struct wires w = wires_open(f);
	struct pl_bus *bus = w.bus;

	check_delivery(f, bus);
	wires_close(&w);
}

static void
local_delivers_to_every_listener(void **state)
{
	struct fixture *f = *state;
	struct pl_bus *bus = bus_local_new(f->loop);

	check_delivery(f, bus);
	assert_true(pl_bus_is_up(bus));
	pl_bus_free(bus);
}

static void
redis_lets_listeners_come_and_go(void **state)
{
	struct fixture *f = *state;
	struct wires w = wires_open(f);
	struct pl_bus *bus = w.bus;

	WAIT_FOR(f, pl_bus_is_up(bus));
	check_coming_and_going(f, bus);
	wires_close(&w);
}

static void
local_lets_listeners_come_and_go(void **state)
{
	struct fixture *f = *state;
	struct pl_bus *bus = bus_local_new(f->loop);

	check_coming_and_going(f, bus);
	pl_bus_free(bus);
}

static void
redis_free_answers_publishers(void **state)
{
	struct fixture *f = *state;
	struct wires w = wires_open(f);

	check_free(f, w.bus, w.redis);
}

static void
local_free_answers_publishers(void **state)
{
	struct fixture *f = *state;

	check_free(f, bus_local_new(f->loop), NULL);
}

/* ---- Redis alone ---- */

static void
crosses_processes(void **state)
{
	struct fixture *f = *state;
	struct wires at[2] = {wires_open(f), wires_open(f)};
	struct pl_bus *here = at[0].bus, *there = at[1].bus;
	struct ear a;

	ear_init(&a, here);
	pl_bus_subscribe(here, NEWS, &a.l); /* before it is up */
	WAIT_FOR(f, a.readies == 1 && pl_bus_is_up(there));
	for (int i = 0; i < 1000; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", i);
		say(there, text);
	}
	WAIT_FOR(f, a.count == 1000);
	assert_string_equal(a.last, "999");
	wires_close(&at[0]);
	wires_close(&at[1]);
}

static void
subscribes_again_after_kill_and_restart(void **state)
{
	struct fixture *f = *state;
	struct wires w = wires_open(f);
	struct pl_bus *bus = w.bus;
	struct ear a, b, gone;
	struct outcome o;

	outcome_init(&o);
	ear_init(&a, bus);
	ear_init(&b, bus);
	ear_init(&gone, bus);
	pl_bus_subscribe(bus, NEWS, &a.l);
	pl_bus_subscribe(bus, PL_STR("gone"), &gone.l);
	WAIT_FOR(f, a.readies == 1 && gone.readies == 1);
	redis_server_kill(&f->server);
	WAIT_FOR(f, !pl_bus_is_up(bus));
	pl_bus_publish(bus, NEWS, PL_STR("lost"), &o.call);
	WAIT_FOR(f, o.bad == 1);
	pl_bus_unsubscribe(bus, &gone.l);
	pl_bus_subscribe(bus, NEWS, &b.l); /* while it is down */
	redis_server_start(&f->server);
	WAIT_FOR(f, a.agains == 1 && b.readies == 1 && pl_bus_is_up(bus));
	assert_int_equal(a.readies, 1);
	assert_int_equal(b.agains, 0);
	say(bus, "again");
	WAIT_FOR(f, a.count == 1 && b.count == 1);
	assert_string_equal(
	    redis_server_ask(&f->server, "PUBSUB CHANNELS"), "parley:news");
	wires_close(&w);
}

static void
subscribes_again_when_the_server_cuts_it_off(void **state)
{
	struct fixture *f = *state;
	struct wires w = wires_open(f);
	struct pl_bus *bus = w.bus;
	struct ear a;

	ear_init(&a, bus);
	pl_bus_subscribe(bus, NEWS, &a.l);
	WAIT_FOR(f, a.readies == 1);
	redis_server_ask(&f->server, "CLIENT KILL TYPE pubsub");
	WAIT_FOR(f, a.agains == 1);
	wires_close(&w);
}

static void
subscribes_to_very_many_channels(void **state)
{
	struct fixture *f = *state;
	struct wires w = wires_open(f);
	struct pl_bus *bus = w.bus;
	struct ear *ears = pl_mem_zalloc(5000 * sizeof(*ears));
	int up = 0;

	for (int i = 0; i < 5000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "parley:user:%d", i);
		ear_init(&ears[i], bus);
		pl_bus_subscribe(bus, pl_str(name), &ears[i].l);
	}
	for (int i = 0; i < 5000; i++)
		WAIT_FOR(f, ears[i].readies == 1);
	redis_server_ask(&f->server, "CLIENT KILL TYPE pubsub");
	for (int i = 0; i < 5000; i++) {
		WAIT_FOR(f, ears[i].agains == 1);
		up++;
	}
	assert_int_equal(up, 5000);
	for (int i = 0; i < 5000; i++)
		pl_bus_unsubscribe(bus, &ears[i].l);
	WAIT_FOR(f, redis_server_ask(&f->server, "PUBSUB CHANNELS")[0] == '\0');
	wires_close(&w);
	pl_mem_free(ears);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(redis_delivers_to_every_listener),
	    FIXTURE_TEST(local_delivers_to_every_listener),
	    FIXTURE_TEST(redis_lets_listeners_come_and_go),
	    FIXTURE_TEST(local_lets_listeners_come_and_go),
	    FIXTURE_TEST(redis_free_answers_publishers),
	    FIXTURE_TEST(local_free_answers_publishers),
	    FIXTURE_TEST(crosses_processes),
	    FIXTURE_TEST(subscribes_again_after_kill_and_restart),
	    FIXTURE_TEST(subscribes_again_when_the_server_cuts_it_off),
	    FIXTURE_TEST(subscribes_to_very_many_channels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
