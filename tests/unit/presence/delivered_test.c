#include "rig.h"

#include "bus/events.h"
#include "presence/delivered.h"

struct fixture {
	struct rig rig;
	struct delivered delivered;
	struct hub hub;
	struct hub_user bob;
	struct hub_socket page, phone; /* Bob's */
	struct pl_oid ann;             /* who wrote */
	struct ack ack;                /* of what is said */
	struct pl_bus_listener listener;
	struct pl_oid heard[8]; /* up to which message, by Ann's sockets */
	size_t heard_count;
};

static void
on_event(void *arg, struct pl_str channel, struct pl_str payload)
{
	struct fixture *f = arg;
	struct pl_event event;
	const char *up_to;

	(void)channel;
	assert_true(pl_event_parse(payload, &event));
	assert_true(pl_str_eq(event.name, PL_STR("messagesDelivered")));
	up_to = memmem(payload.ptr, payload.len, "\"upTo\":\"", 8);
	assert_non_null(up_to);
	assert_true(pl_oid_parse(
	    pl_str_n(up_to + 8, PL_OID_HEX_LEN), &f->heard[f->heard_count++]));
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char channel[PL_CHANNEL_USER_LEN + 1];

	rig_init(&f->rig);
	f->ann = rig_add_user(&f->rig, "ann");
	f->bob.id = rig_add_user(&f->rig, "bob");
	f->hub.app = &f->rig.app;
	f->bob.hub = &f->hub;
	f->page.user = f->phone.user = &f->bob;
	pl_settings.limit_marks_per_second = 2;
	f->ack.id = PL_SIO_NO_ACK;
	f->delivered = (struct delivered){.app = &f->rig.app};
	delivered_start(&f->delivered);
	f->listener = (struct pl_bus_listener){.on_message = on_event, .arg = f};
	pl_channel_user(&f->ann, channel);
	pl_bus_subscribe(f->rig.app.bus, pl_str(channel), &f->listener);
	rig_send(&f->rig, &f->ann, &f->bob.id, "hello", 5);
	*state = f;
	return 0;
}

static void
stop(void *arg)
{
	struct fixture *f = arg;

	delivered_stop(&f->delivered);
	pl_bus_unsubscribe(f->rig.app.bus, &f->listener);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	int left = rig_fini(&f->rig, stop, f);

	free(f);
	return left;
}

/* NULL, or the code of the refusal. */
static const char *
say(struct fixture *f, struct hub_socket *socket, const char *text)
{
	static struct pl_invalid why;
	struct pl_json *said;
	bool is_done;

	assert_int_equal(pl_json_parse(pl_str(text), &said, NULL), PL_OK);
	is_done = delivered_said(&f->delivered, socket, said, &f->ack, &why);
	pl_json_free(said);
	return is_done ? NULL : why.code;
}

static const char *
say_from(struct fixture *f, struct hub_socket *socket, const struct pl_oid *from,
    const struct pl_oid *up_to)
{
	char text[128], a[PL_OID_HEX_LEN + 1], b[PL_OID_HEX_LEN + 1];

	pl_oid_format(from, a);
	pl_oid_format(up_to, b);
	snprintf(text, sizeof(text), "{\"from\":\"%s\",\"upTo\":\"%s\"}", a, b);
	return say(f, socket, text);
}

static const char *
say_got(struct fixture *f, struct hub_socket *socket, size_t message)
{
	return say_from(f, socket, &f->ann, &f->rig.sent[message]);
}

static void
until_written(struct fixture *f)
{
	RIG_UNTIL(&f->rig, f->delivered.writing == 0);
	fake_loop_run(f->rig.app.loop);
}

/* The next second, and what is written in it. */
static void
a_second_later(struct fixture *f)
{
	fake_loop_advance(f->rig.app.loop, DELIVERED_REST_MS);
	until_written(f);
}

static void
check_heard(struct fixture *f, size_t message)
{
	assert_int_equal(f->heard_count, 1);
	assert_true(pl_oid_eq(&f->heard[0], &f->rig.sent[message]));
	f->heard_count = 0;
}

static void
the_first_is_told_at_once_and_then_the_newest_of_each_second(void **state)
{
	struct fixture *f = *state;

	assert_null(say_got(f, &f->page, 0));
	until_written(f);
	check_heard(f, 0);
	assert_null(say_got(f, &f->page, 1));
	assert_null(say_got(f, &f->page, 3));
	assert_null(say_got(f, &f->phone, 2)); /* a slow one does not set it back */
	fake_loop_advance(f->rig.app.loop, DELIVERED_REST_MS - 1);
	until_written(f);
	assert_int_equal(f->heard_count, 0);
	fake_loop_advance(f->rig.app.loop, 1);
	until_written(f);
	check_heard(f, 3);
	a_second_later(f);
	assert_int_equal(f->heard_count, 0);
	assert_int_equal(f->delivered.pairs.count, 0); /* nothing is remembered */
}

static void
what_was_said_before_is_told_to_nobody(void **state)
{
	struct fixture *f = *state;

	assert_null(say_got(f, &f->page, 4));
	until_written(f);
	check_heard(f, 4);
	a_second_later(f);
	for (size_t i = 0; i < 5; i++) {
		assert_null(say_got(f, &f->phone, i));
		until_written(f);
		a_second_later(f);
	}
	assert_int_equal(f->heard_count, 0);
}

static void
what_is_no_message_of_the_two_moves_nothing(void **state)
{
	struct fixture *f = *state;
	struct pl_oid eve = rig_add_user(&f->rig, "eve"), none;

	pl_oid_new(&none);
	rig_send(&f->rig, &f->ann, &eve, "not to Bob", 1);
	assert_null(say_from(f, &f->page, &f->ann, &none));
	until_written(f);
	a_second_later(f);
	assert_null(say_got(f, &f->page, 5)); /* Eve's */
	until_written(f);
	a_second_later(f);
	assert_int_equal(f->heard_count, 0);
}

/* It wrote nothing, and so nobody waits for the next second. */
static void
what_was_refused_holds_nothing_back(void **state)
{
	struct fixture *f = *state;
	struct pl_oid none;

	pl_oid_new(&none);
	assert_null(say_from(f, &f->page, &f->ann, &none));
	until_written(f);
	assert_int_equal(f->delivered.pairs.count, 0);
	assert_null(say_from(f, &f->page, &f->ann, &none));
	assert_null(say_got(f, &f->page, 2)); /* kept, while that is written */
	until_written(f);
	until_written(f);
	check_heard(f, 2);
}

/* Says it asking for an answer, and is gone when that comes: it goes nowhere. */
static void
ask_from(struct fixture *f, const struct pl_oid *up_to)
{
	f->ack.id = 7;
	assert_null(say_from(f, &f->page, &f->ann, up_to));
	f->ack.id = PL_SIO_NO_ACK;
	delivered_end_socket(&f->delivered, &f->page);
	RIG_UNTIL(&f->rig, pl_list_is_empty(&f->delivered.looks));
}

static void
what_is_looked_up_and_refused_takes_no_others_place(void **state)
{
	struct fixture *f = *state;
	struct pl_oid none;

	assert_null(say_got(f, &f->page, 0));
	until_written(f);
	check_heard(f, 0);
	ask_from(f, &f->rig.sent[3]);
	pl_oid_new(&none);
	ask_from(f, &none);
	a_second_later(f);
	check_heard(f, 3);
}

/* The pair has been forgotten when the store answers. */
static void
what_is_looked_up_longer_than_its_pair_rests_begins_anew(void **state)
{
	struct fixture *f = *state;

	assert_null(say_got(f, &f->page, 0));
	until_written(f);
	check_heard(f, 0);
	f->ack.id = 7;
	assert_null(say_got(f, &f->page, 4));
	delivered_end_socket(&f->delivered, &f->page);
	assert_false(delivered_has_left(&f->delivered));
	fake_loop_advance(f->rig.app.loop, DELIVERED_REST_MS);
	RIG_UNTIL(&f->rig, pl_list_is_empty(&f->delivered.looks));
	until_written(f);
	check_heard(f, 4);
}

/* One who asks without end costs no more looks than a user may have; what they say is
 * kept. */
static void
beyond_the_looks_of_a_user_it_is_kept_unseen(void **state)
{
	const size_t burst = 2 * DELIVERED_BURST_S;
	struct fixture *f = *state;

	assert_null(say_got(f, &f->page, 0));
	until_written(f);
	check_heard(f, 0);
	for (size_t i = 0; i < burst; i++)
		ask_from(f, &f->rig.sent[1]);
	assert_null(say_got(f, &f->page, 2));
	assert_true(pl_list_is_empty(&f->delivered.looks));
	a_second_later(f);
	check_heard(f, 2);
}

static void
refuses_what_it_does_not_understand(void **state)
{
#define GOOD "65a000000000000000000001"
	static const struct {
		const char *said, *code;
	} rows[] = {{"{}", "BAD_ID"}, {"null", "BAD_ID"}, {"[]", "BAD_ID"},
	    {"\"" GOOD "\"", "BAD_ID"}, {"{\"upTo\":\"" GOOD "\"}", "BAD_ID"},
	    {"{\"from\":1,\"upTo\":\"" GOOD "\"}", "BAD_ID"},
	    {"{\"from\":\"" GOOD "0\",\"upTo\":\"" GOOD "\"}", "BAD_ID"},
	    {"{\"from\":\"" GOOD "\"}", "BAD_MESSAGE"},
	    {"{\"from\":\"" GOOD "\",\"upTo\":null}", "BAD_MESSAGE"},
	    {"{\"from\":\"" GOOD "\",\"upTo\":[\"" GOOD "\"]}", "BAD_MESSAGE"},
	    {"{\"from\":\"" GOOD "\",\"upTo\":\"\"}", "BAD_MESSAGE"}};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *code = say(f, &f->page, rows[i].said);

		if (code == NULL || strcmp(code, rows[i].code) != 0)
			fail_msg("%s: %s", rows[i].said, code ? code : "taken");
	}
	assert_int_equal(f->delivered.pairs.count, 0);
}

/* Whom a user names costs a write each; how often they say it does not. */
static void
a_user_who_names_everybody_is_refused_after_some(void **state)
{
	const size_t burst = 2 * DELIVERED_BURST_S;
	struct fixture *f = *state;
	struct pl_oid from[1000];
	size_t taken = 0;

	for (size_t i = 0; i < 1000; i++) {
		const char *code;

		pl_oid_new(&from[i]);
		code = say_from(f, &f->page, &from[i], &f->rig.sent[0]);
		taken += code == NULL;
		if (code != NULL)
			assert_string_equal(code, "TOO_MANY_REQUESTS");
	}
	assert_int_equal(taken, burst);
	for (size_t i = 0; i < 1000; i++)
		assert_null(say_from(f, &f->page, &from[i % burst], &f->rig.sent[i % 5]));
	/* Kept alive by saying it again and again they end all the same. */
	for (int second = 0; second < 2 * DELIVERED_TRIES; second++) {
		until_written(f);
		fake_loop_advance(f->rig.app.loop, DELIVERED_REST_MS);
	}
	until_written(f);
	a_second_later(f);
	assert_int_equal(f->delivered.pairs.count, 0);
	assert_null(say_got(f, &f->page, 0));
	until_written(f);
	check_heard(f, 0);
}

static void
a_drain_writes_what_is_kept(void **state)
{
	struct fixture *f = *state;

	assert_null(say_got(f, &f->page, 0));
	until_written(f);
	check_heard(f, 0);
	assert_null(say_got(f, &f->page, 4));
	delivered_leave(&f->delivered);
	assert_false(delivered_has_left(&f->delivered));
	RIG_UNTIL(&f->rig, delivered_has_left(&f->delivered));
	fake_loop_run(f->rig.app.loop);
	check_heard(f, 4);
	assert_int_equal(f->delivered.pairs.count, 0);
}

/* It has no client by then. */
static void
a_socket_that_goes_gets_no_answer_and_what_it_said_is_written(void **state)
{
	struct fixture *f = *state;

	f->ack.id = 7;
	assert_null(say_got(f, &f->page, 2));
	assert_int_equal(pl_list_is_empty(&f->delivered.asking), false);
	delivered_end_socket(&f->delivered, &f->phone);
	assert_int_equal(pl_list_is_empty(&f->delivered.asking), false);
	delivered_end_socket(&f->delivered, &f->page);
	assert_int_equal(pl_list_is_empty(&f->delivered.asking), true);
	until_written(f);
	check_heard(f, 2);
}

static void
an_end_in_the_middle_of_a_write_leaves_nothing(void **state)
{
	struct fixture *f = *state;

	assert_null(say_got(f, &f->page, 0));
	assert_null(say_got(f, &f->page, 1)); /* teardown frees the store, then stops */
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_first_is_told_at_once_and_then_the_newest_of_each_second),
	    TEST(what_was_said_before_is_told_to_nobody),
	    TEST(what_is_no_message_of_the_two_moves_nothing),
	    TEST(what_was_refused_holds_nothing_back),
	    TEST(what_is_looked_up_and_refused_takes_no_others_place),
	    TEST(what_is_looked_up_longer_than_its_pair_rests_begins_anew),
	    TEST(beyond_the_looks_of_a_user_it_is_kept_unseen),
	    TEST(refuses_what_it_does_not_understand),
	    TEST(a_user_who_names_everybody_is_refused_after_some),
	    TEST(a_drain_writes_what_is_kept),
	    TEST(a_socket_that_goes_gets_no_answer_and_what_it_said_is_written),
	    TEST(an_end_in_the_middle_of_a_write_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
