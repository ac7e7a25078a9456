/* Who is remembered as heard by nobody, and until when; with a real Redis between. */
#include "support/redis_fixture.h"

#include "bus/events.h"
#include "sending/publish.h"
#include "support/fake_loop.h"

static struct pl_oid
user(unsigned n)
{
	struct pl_oid id = {{0}};

	for (size_t i = 1; i <= sizeof(n); i++, n >>= 8)
		id.bytes[PL_OID_LEN - i] = (uint8_t)n;
	return id;
}

static bool
note(struct pl_unheard *u, const struct pl_oid *id)
{
	pl_unheard_note(u, id, pl_unheard_changes(u, id));
	return pl_unheard_has(u, id);
}

static void
say_heard(struct pl_bus *bus, const struct pl_oid *id)
{
	char hex[PL_OID_HEX_LEN + 1];

	pl_oid_format(id, hex);
	pl_bus_publish(bus, PL_STR(PL_CHANNEL_HEARS), pl_str(hex), NULL);
}

static void
is_remembered_until_somebody_begins_to_listen(void **state)
{
	struct fixture *f = *state;
	struct wires publisher = wires_open(f), presence = wires_open(f);
	struct pl_unheard *u = pl_unheard_new(f->loop, publisher.bus);
	struct pl_oid ann = user(1), bob = user(2), far = user(1 | 1 << 16);

	WAIT_FOR(f, note(u, &ann)); /* not before the bus is heard */
	assert_true(note(u, &bob));
	WAIT_FOR(f, pl_bus_is_up(presence.bus));
	say_heard(
	    presence.bus, &far); /* who shares a slot with nobody of them, or with Ann */
	pl_bus_publish(presence.bus, PL_STR(PL_CHANNEL_HEARS), PL_STR("nobody"), NULL);
	say_heard(presence.bus, &bob);
	WAIT_FOR(f, !pl_unheard_has(u, &bob));
	assert_true(pl_unheard_has(u, &ann));
	say_heard(presence.bus, &ann);
	WAIT_FOR(f, !pl_unheard_has(u, &ann));
	pl_unheard_free(u);
	wires_close(&presence);
	wires_close(&publisher);
}

static void
what_was_published_before_somebody_began_says_nothing(void **state)
{
	struct fixture *f = *state;
	struct wires w = wires_open(f);
	struct pl_unheard *u = pl_unheard_new(f->loop, w.bus);
	struct pl_oid ann = user(1);
	uint64_t before;

	WAIT_FOR(f, note(u, &ann));
	before = pl_unheard_changes(u, &ann);
	say_heard(w.bus, &ann);
	WAIT_FOR(f, !pl_unheard_has(u, &ann));
	pl_unheard_note(u, &ann, before); /* the answer was late */
	assert_false(pl_unheard_has(u, &ann));
	pl_unheard_free(u);
	wires_close(&w);
}

static void
nobody_is_while_the_bus_is_away_nor_once_it_is_back(void **state)
{
	struct fixture *f = *state;
	struct wires w = wires_open(f);
	struct pl_unheard *u = pl_unheard_new(f->loop, w.bus);
	struct pl_oid ann = user(1), bob = user(2);

	WAIT_FOR(f, note(u, &ann));
	redis_server_kill(&f->server);
	WAIT_FOR(f, !pl_unheard_has(u, &ann));
	assert_false(note(u, &bob));
	redis_server_start(&f->server);
	WAIT_FOR(f, note(u, &bob));
	assert_false(pl_unheard_has(u, &ann));
	pl_unheard_free(u);
	wires_close(&w);
}

static void
is_remembered_for_a_while(void **state)
{
	struct pl_loop *loop = fake_loop_new();
	struct pl_bus *bus = bus_local_new(loop);
	struct pl_unheard *u = pl_unheard_new(loop, bus);
	struct pl_oid ann = user(1);

	(void)state;
	fake_loop_run(loop);
	assert_true(note(u, &ann));
	fake_loop_advance(loop, PL_UNHEARD_MS - 1);
	assert_true(pl_unheard_has(u, &ann));
	fake_loop_advance(loop, 1);
	assert_false(pl_unheard_has(u, &ann));
	pl_unheard_free(u);
	pl_bus_free(bus);
	fake_loop_free(loop);
}

static void
of_more_than_fit_the_last_are_remembered(void **state)
{
	struct pl_loop *loop = fake_loop_new();
	struct pl_bus *bus = bus_local_new(loop);
	struct pl_unheard *u = pl_unheard_new(loop, bus);
	size_t count = 0;

	(void)state;
	fake_loop_run(loop);
	for (unsigned n = 0; n < 100000; n++) {
		struct pl_oid id = user(n);

		assert_true(note(u, &id));
	}
	for (unsigned n = 0; n < 100000; n++) {
		struct pl_oid id = user(n);

		count += pl_unheard_has(u, &id);
	}
	assert_in_range(count, 1, PL_UNHEARD_USERS);
	pl_unheard_free(u);
	pl_bus_free(bus);
	fake_loop_free(loop);
}

/* ---- what the publisher makes of it ------------------------------------------------ */

static void
count_event(void *arg, struct pl_str channel, struct pl_str payload)
{
	(void)channel;
	(void)payload;
	++*(unsigned *)arg;
}

static void
count_end(void *arg, enum pl_err err)
{
	assert_int_equal(err, PL_OK);
	++*(unsigned *)arg;
}

static void
publish(struct fixture *f, struct pl_publisher *by, const struct pl_message *m)
{
	unsigned ended = 0;

	pl_publish_message(
	    by, m, PL_STR("{}"), &(struct pl_trace){0}, PL_STR_NONE, count_end, &ended);
	WAIT_FOR(f, ended == 1);
}

static void
messageSent_is_published_once_to_find_that_nobody_listens_and_again_once_somebody_does(
    void **state)
{
	struct fixture *f = *state;
	struct wires message = wires_open(f), presence = wires_open(f);
	struct pl_publisher by = {0};
	struct pl_message m = {.id = user(9), .sender = user(1), .receiver = user(2)};
	char channel[PL_CHANNEL_USER_LEN + 1];
	unsigned heard = 0, received = 0;
	struct pl_bus_listener sent = {.on_message = count_event, .arg = &heard},
			       news = {.on_message = count_event, .arg = &received};

	pl_publisher_start(&by, f->loop, message.bus);
	pl_channel_user(&m.receiver, channel);
	pl_bus_subscribe(presence.bus, pl_str(channel), &news);
	WAIT_FOR(f, pl_bus_is_listening(&news) && note(by.unheard, &m.receiver));
	publish(f, &by, &m);
	assert_true(pl_unheard_has(by.unheard, &m.sender));
	pl_channel_sent(&m.sender, channel);
	pl_bus_subscribe(presence.bus, pl_str(channel), &sent);
	WAIT_FOR(f, pl_bus_is_listening(&sent));
	publish(f, &by, &m);
	WAIT_FOR(f, received == 2);
	assert_int_equal(heard, 0); /* who listens has not said so */
	say_heard(presence.bus, &m.sender);
	WAIT_FOR(f, !pl_unheard_has(by.unheard, &m.sender));
	publish(f, &by, &m);
	publish(f, &by, &m);
	WAIT_FOR(f, received == 4 && heard == 2);
	assert_false(pl_unheard_has(by.unheard, &m.sender));
	wires_close(&presence);
	pl_publisher_stop(&by);
	wires_close(&message);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    FIXTURE_TEST(is_remembered_until_somebody_begins_to_listen),
	    FIXTURE_TEST(what_was_published_before_somebody_began_says_nothing),
	    FIXTURE_TEST(nobody_is_while_the_bus_is_away_nor_once_it_is_back),
	    cmocka_unit_test(is_remembered_for_a_while),
	    cmocka_unit_test(of_more_than_fit_the_last_are_remembered),
	    FIXTURE_TEST(
		messageSent_is_published_once_to_find_that_nobody_listens_and_again_once_somebody_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
