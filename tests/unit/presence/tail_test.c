/* The tail over a real store and the local bus, by a clock set by hand. Messages are
 * dated by the real clock, so that a test which needs some to be older waits a few
 * milliseconds. */
#include "rig.h"

#include "bus/gap.h"
#include "presence/delivery/tail.h"
#include "support/redis_server.h"

#define TICK_MS PL_BUS_ASK_MS
/* How long a doubt lasts after its last cause. */
#define DOUBT_MS (PL_REDIS_RECONNECT_MOST_MS + 2 * PL_REDIS_DEADLINE_MS)

struct fixture {
	struct rig rig;
	struct tail tail;
	struct pl_oid ann, bob;
	struct pl_oid got[1024];
	size_t count;
	size_t stop_after; /* so many messages; 0: never */
};

static void
deliver(void *arg, const struct pl_message *m)
{
	struct fixture *f = arg;

	assert_true(f->count < sizeof(f->got) / sizeof(f->got[0]));
	f->got[f->count++] = m->id;
	if (f->count == f->stop_after)
		tail_stop(&f->tail);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	f->ann = rig_add_user(&f->rig, "ann");
	f->bob = rig_add_user(&f->rig, "bob");
	f->tail = (struct tail){.app = &f->rig.app, .deliver = deliver, .arg = f};
	tail_start(&f->tail);
	*state = f;
	return 0;
}

static void
stop(void *arg)
{
	struct fixture *f = arg;

	if (!f->tail.is_stopped)
		tail_stop(&f->tail);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	int left = rig_fini(&f->rig, stop, f);

	free(f);
	return left;
}

static void
send_to_bob(struct fixture *f, size_t count)
{
	rig_send(&f->rig, &f->ann, &f->bob, "hello", count);
}

/* Let the clock go on in steps, in each of which reads come to an end. */
static void
pass(struct fixture *f, int64_t ms)
{
	for (; ms > 0; ms -= TICK_MS) {
		fake_loop_advance(f->rig.app.loop, ms < TICK_MS ? ms : TICK_MS);
		RIG_UNTIL(&f->rig, !f->tail.is_reading);
	}
}

/* Was each message that was sent since first delivered since from, in the order of the
 * store? A message may come again, for who has it already knows it (delivery/seen). */
static bool
got_all(const struct fixture *f, size_t first, size_t from)
{
	size_t next = first;

	for (size_t i = from; i < f->count && next < f->rig.sent_count; i++)
		next += pl_oid_eq(&f->got[i], &f->rig.sent[next]);
	return next == f->rig.sent_count;
}

static bool
has_got(const struct fixture *f, size_t number)
{
	for (size_t i = 0; i < f->count; i++)
		if (pl_oid_eq(&f->got[i], &f->rig.sent[number]))
			return true;
	return false;
}

static void
publish_note(struct fixture *f, const char *note)
{
	pl_bus_publish(f->rig.app.bus, PL_STR(PL_CHANNEL_GAP), pl_str(note), NULL);
}

static void
publish_gap(struct fixture *f, int64_t since_unix_ms)
{
	char note[24];

	snprintf(note, sizeof(note), "%lld", (long long)since_unix_ms);
	publish_note(f, note);
}

/* ---- trust ------------------------------------------------------------------------- */

static void
a_bus_that_is_well_hands_on_its_messages_itself(void **state)
{
	struct fixture *f = *state;

	send_to_bob(f, 3);
	pass(f, 20000);
	assert_false(tail_takes_message(&f->tail));
	assert_int_equal(f->count, 0);
}

static void
a_doubt_reads_what_may_have_been_missed_in_its_order(void **state)
{
	struct fixture *f = *state;

	send_to_bob(f, 20);
	tail_doubt(&f->tail);
	assert_true(tail_takes_message(&f->tail));
	assert_int_equal(f->count, 0); /* not from within the call */
	RIG_UNTIL(&f->rig, f->count == 20);
	assert_true(got_all(f, 0, 0));
}

static void
more_than_a_page_comes_whole_and_once(void **state)
{
	struct fixture *f = *state;

	send_to_bob(f, 700);
	tail_doubt(&f->tail);
	RIG_UNTIL(&f->rig, f->count >= 700 && !f->tail.is_reading);
	assert_int_equal(f->count, 700);
	assert_true(got_all(f, 0, 0));
}

static void
trusts_again_when_nothing_was_in_doubt_for_a_while(void **state)
{
	struct fixture *f = *state;

	tail_doubt(&f->tail);
	pass(f, DOUBT_MS - TICK_MS);
	assert_true(tail_takes_message(&f->tail));
	RIG_UNTIL(&f->rig, !f->tail.is_reading);
	pass(f, 2 * TICK_MS);
	assert_false(tail_takes_message(&f->tail));
}

static void
another_doubt_makes_it_last(void **state)
{
	struct fixture *f = *state;

	tail_doubt(&f->tail);
	pass(f, DOUBT_MS - TICK_MS);
	tail_doubt(&f->tail);
	pass(f, DOUBT_MS - TICK_MS);
	assert_true(f->tail.is_doubted);
	pass(f, 2 * TICK_MS);
	assert_false(f->tail.is_doubted);
}

/* Messages that never stop coming would hold the doubt up for ever. */
static void
a_stream_of_messages_ends_the_doubt_at_last(void **state)
{
	struct fixture *f = *state;
	int64_t ms = 0;

	tail_doubt(&f->tail);
	for (; f->tail.is_doubted && ms < 60000; ms += 5) {
		(void)tail_takes_message(&f->tail);
		fake_loop_advance(f->rig.app.loop, 5);
		while (f->tail.is_reading) {
			(void)tail_takes_message(&f->tail);
			fake_loop_run(f->rig.app.loop);
			(void)poll(NULL, 0, 1);
		}
	}
	/* How soon depends on whether a read is under way when the time is over. */
	assert_in_range(ms, DOUBT_MS, DOUBT_MS + 6000);
}

/* ---- causes ------------------------------------------------------------------------ */

static void
a_bus_that_is_down_is_in_doubt_until_it_was_up_for_a_while(void **state)
{
	struct fixture *f = *state;

	bus_local_set_up(f->rig.app.bus, false);
	pass(f, TICK_MS);
	assert_true(f->tail.is_doubted);
	pass(f, 5 * DOUBT_MS);
	assert_true(f->tail.is_doubted);
	bus_local_set_up(f->rig.app.bus, true);
	pass(f, DOUBT_MS - 2 * TICK_MS);
	assert_true(f->tail.is_doubted);
	pass(f, 3 * TICK_MS);
	assert_false(f->tail.is_doubted);
}

static void
a_process_that_stood_still_is_in_doubt(void **state)
{
	struct fixture *f = *state;
	struct pl_timer *tick = &f->tail.tick;

	for (int64_t late_ms = 500; late_ms <= 600; late_ms += 100) {
		fake_loop_advance(f->rig.app.loop, TICK_MS);
		assert_false(f->tail.is_doubted);
		/* The tick comes late: fires only after 700 and then 800 ms. */
		pl_timer_start(f->rig.app.loop, tick, TICK_MS + late_ms);
		fake_loop_advance(f->rig.app.loop, TICK_MS + late_ms);
	}
	assert_true(f->tail.is_doubted);
}

/* Each tick asks Redis, which is real here, and answers in real time. */
static void
tick_and_hear(struct fixture *f)
{
	fake_loop_advance(f->rig.app.loop, TICK_MS);
	RIG_UNTIL(&f->rig, !pl_redis_call_is_waiting(&f->tail.asking));
}

static void
a_redis_that_answers_slowly_is_in_doubt(void **state)
{
	struct fixture *f = *state;
	struct redis_server server;
	struct pl_redis_config config = {.url = server.url, .role = "commands"};
	int64_t well_unix_ms = f->tail.well_unix_ms;

	redis_server_init(&server, NULL);
	redis_server_start(&server);
	f->rig.app.redis = pl_redis_new(f->rig.app.loop, &config);
	RIG_UNTIL(&f->rig, pl_redis_is_up(f->rig.app.redis));
	rig_sleep(2);
	for (int i = 0; i < 5; i++)
		tick_and_hear(f);
	assert_true(
	    f->tail.well_unix_ms > well_unix_ms); /* so far there is nothing to read */
	assert_false(f->tail.is_doubted);
	redis_server_pause(&server);
	fake_loop_advance(f->rig.app.loop, TICK_MS + PL_BUS_SLOW_MS - 1);
	assert_false(f->tail.is_doubted);
	fake_loop_advance(f->rig.app.loop, 1);
	assert_true(f->tail.is_doubted);
	redis_server_resume(&server);
	pl_redis_free(f->rig.app.redis);
	f->rig.app.redis = NULL;
	redis_server_fini(&server);
}

static void
a_note_of_a_gap_is_read_from_its_time_on(void **state)
{
	struct fixture *f = *state;

	send_to_bob(f, 1);
	rig_sleep(20);
	publish_gap(f, pl_clock_unix_ms() - 10);
	send_to_bob(f, 2);
	pass(f, 1200);
	assert_true(got_all(f, 1, 0));
	assert_false(has_got(f, 0));
}

static void
an_older_gap_that_is_noted_during_a_read_is_read_next(void **state)
{
	struct fixture *f = *state;
	int64_t begin_unix_ms = pl_clock_unix_ms() - 1, between_unix_ms;

	send_to_bob(f, 1);
	rig_sleep(20);
	between_unix_ms = pl_clock_unix_ms() - 10;
	send_to_bob(f, 1);
	publish_gap(f, between_unix_ms); /* the read of this one is under way */
	publish_gap(f, begin_unix_ms);   /* when this one comes */
	fake_loop_run(f->rig.app.loop);
	RIG_UNTIL(&f->rig, f->count == 3);
	assert_true(pl_oid_eq(&f->got[0], &f->rig.sent[1]));
	assert_true(got_all(f, 0, 1));
}

static void
a_malformed_note_changes_nothing(void **state)
{
	static const char *const notes[] = {
	    "", "soon", "-5", "1e12", "99999999999999999999999", "1769860000000x"};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++)
		publish_note(f, notes[i]);
	fake_loop_run(f->rig.app.loop);
	assert_false(f->tail.is_doubted);
}

/* ---- reads ------------------------------------------------------------------------- */

static void
a_message_that_the_bus_tells_of_is_read_at_once(void **state)
{
	struct fixture *f = *state;

	tail_doubt(&f->tail);
	RIG_UNTIL(&f->rig, !f->tail.is_reading);
	send_to_bob(f, 1);
	assert_true(tail_takes_message(&f->tail));
	fake_loop_advance(f->rig.app.loop, 25); /* not a READ_MS later */
	RIG_UNTIL(&f->rig, f->count == 1);
}

static void
what_nothing_tells_of_is_read_within_a_second(void **state)
{
	struct fixture *f = *state;

	tail_doubt(&f->tail);
	RIG_UNTIL(&f->rig, !f->tail.is_reading);
	send_to_bob(f, 1);
	pass(f, 1000 + TICK_MS);
	assert_int_equal(f->count, 1);
}

static void
a_read_that_fails_is_tried_again_from_the_same_place(void **state)
{
	struct pl_store_config nowhere = {.data_dir = "/dev/null/data"};
	struct fixture *f = *state;
	struct pl_store_async *store = f->rig.app.store;

	send_to_bob(f, 5);
	f->rig.app.store = pl_store_async_new(f->rig.app.loop, &nowhere, 1);
	tail_doubt(&f->tail);
	pass(f, DOUBT_MS + 2000);
	assert_true(f->tail.is_doubted); /* for longer: nothing was read */
	assert_int_equal(f->count, 0);
	pl_store_async_free(f->rig.app.store);
	f->rig.app.store = store;
	pass(f, 1000 + TICK_MS);
	assert_int_equal(f->count, 5);
	assert_true(got_all(f, 0, 0));
}

static void
nothing_is_delivered_after_the_stop(void **state)
{
	struct fixture *f = *state;

	send_to_bob(f, 10);
	f->stop_after = 4;
	tail_doubt(&f->tail);
	RIG_UNTIL(&f->rig, !f->tail.is_reading);
	assert_int_equal(f->count, 4);
}

#define TAIL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TAIL_TEST(a_bus_that_is_well_hands_on_its_messages_itself),
	    TAIL_TEST(a_doubt_reads_what_may_have_been_missed_in_its_order),
	    TAIL_TEST(more_than_a_page_comes_whole_and_once),
	    TAIL_TEST(trusts_again_when_nothing_was_in_doubt_for_a_while),
	    TAIL_TEST(another_doubt_makes_it_last),
	    TAIL_TEST(a_stream_of_messages_ends_the_doubt_at_last),
	    TAIL_TEST(a_bus_that_is_down_is_in_doubt_until_it_was_up_for_a_while),
	    TAIL_TEST(a_process_that_stood_still_is_in_doubt),
	    TAIL_TEST(a_redis_that_answers_slowly_is_in_doubt),
	    TAIL_TEST(a_note_of_a_gap_is_read_from_its_time_on),
	    TAIL_TEST(an_older_gap_that_is_noted_during_a_read_is_read_next),
	    TAIL_TEST(a_malformed_note_changes_nothing),
	    TAIL_TEST(a_message_that_the_bus_tells_of_is_read_at_once),
	    TAIL_TEST(what_nothing_tells_of_is_read_within_a_second),
	    TAIL_TEST(a_read_that_fails_is_tried_again_from_the_same_place),
	    TAIL_TEST(nothing_is_delivered_after_the_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
