#include "rig.h"

#include "bus/events.h"
#include "presence/typing.h"

struct fixture {
	struct rig rig;
	struct typing typing;
	struct hub hub;
	struct hub_user ann, bob;
	struct hub_socket page, phone, bobs; /* two of Ann's, and Bob's */
	/* What Eve hears. */
	struct pl_oid eve;
	struct pl_bus_listener listener;
	char heard[256];
	unsigned sent; /* of what Ann sends, as far as somebody listens */
};

/* "+Ann " when she types, "-Ann " when she does not any more. */
static void
on_event(void *arg, struct pl_str channel, struct pl_str payload)
{
	struct fixture *f = arg;
	char hex[PL_OID_HEX_LEN + 1];
	struct pl_event event;
	size_t len;

	(void)channel;
	assert_true(pl_event_parse(payload, &event));
	assert_true(pl_str_eq(event.name, PL_STR("typing")));
	pl_oid_format(&f->ann.id, hex);
	len = strlen(f->heard);
	snprintf(f->heard + len, sizeof(f->heard) - len, "%s%s ",
	    memmem(payload.ptr, payload.len, ":true", 5) ? "+" : "-",
	    memmem(payload.ptr, payload.len, hex, PL_OID_HEX_LEN) ? "Ann" : "Bob");
}

static void
on_sent(void *arg, const struct pl_oid *user)
{
	struct fixture *f = arg;

	assert_true(pl_oid_eq(user, &f->ann.id));
	f->sent++;
}

static const struct hub_events hub_events = {.on_sent = on_sent};

/* The store has said to whom one may write. */
static void
let_check(struct fixture *f)
{
	RIG_UNTIL(&f->rig, f->typing.checks == 0);
}

static const char *
heard(struct fixture *f)
{
	static char text[sizeof(f->heard)];

	let_check(f);
	memcpy(text, f->heard, sizeof(text));
	f->heard[0] = '\0';
	return text;
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char channel[PL_CHANNEL_USER_LEN + 1];

	rig_init(&f->rig);
	f->ann.id = rig_add_user(&f->rig, "ann");
	f->bob.id = rig_add_user(&f->rig, "bob");
	f->eve = rig_add_user(&f->rig, "eve");
	f->hub = (struct hub){.app = &f->rig.app, .events = &hub_events, .arg = f};
	f->ann.hub = f->bob.hub = &f->hub;
	pl_list_init(&f->ann.sockets);
	pl_list_init(&f->bob.sockets);
	f->page.user = f->phone.user = &f->ann;
	f->bobs.user = &f->bob;
	f->typing = (struct typing){.app = &f->rig.app};
	typing_start(&f->typing);
	f->listener = (struct pl_bus_listener){.on_message = on_event, .arg = f};
	pl_channel_user(&f->eve, channel);
	pl_bus_subscribe(f->rig.app.bus, pl_str(channel), &f->listener);
	*state = f;
	return 0;
}

static void
stop(void *arg)
{
	struct fixture *f = arg;

	typing_stop(&f->typing);
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
	is_done = typing_said(&f->typing, socket, said, &why);
	pl_json_free(said);
	return is_done ? NULL : why.code;
}

static const char *
say_to(struct fixture *f, struct hub_socket *socket, const struct pl_oid *to,
    const char *is_typing)
{
	char text[96], hex[PL_OID_HEX_LEN + 1];

	pl_oid_format(to, hex);
	snprintf(text, sizeof(text), "{\"to\":\"%s\",\"isTyping\":%s}", hex, is_typing);
	return say(f, socket, text);
}

static void
ends_when_it_is_said(void **state)
{
	struct fixture *f = *state;

	assert_null(say_to(f, &f->page, &f->eve, "true"));
	assert_string_equal(heard(f), "+Ann ");
	assert_null(say_to(f, &f->page, &f->eve, "false"));
	assert_string_equal(heard(f), "-Ann ");
	assert_null(say_to(f, &f->page, &f->eve, "false")); /* nothing to end */
	assert_string_equal(heard(f), "");
}

static void
ends_by_itself_unless_it_is_said_again(void **state)
{
	struct fixture *f = *state;

	assert_null(say_to(f, &f->page, &f->eve, "true"));
	fake_loop_advance(f->rig.app.loop, TYPING_MS - 1);
	assert_null(say_to(f, &f->page, &f->eve, "true"));
	assert_string_equal(heard(f), "+Ann "); /* once */
	fake_loop_advance(f->rig.app.loop, TYPING_MS - 1);
	assert_string_equal(heard(f), "");
	fake_loop_advance(f->rig.app.loop, 1);
	assert_string_equal(heard(f), "-Ann ");
	fake_loop_advance(f->rig.app.loop, TYPING_MS);
	assert_string_equal(heard(f), "");
}

static void
ann_sends(struct fixture *f)
{
	char channel[PL_CHANNEL_USER_LEN + 1];

	pl_channel_sent(&f->ann.id, channel);
	pl_bus_publish(f->rig.app.bus, pl_str(channel),
	    PL_STR("{\"name\":\"messageSent\"}\n2[\"messageSent\",{}]"), NULL);
	fake_loop_run(f->rig.app.loop);
}

/* Nobody hears what a user sends who does not type, so that it costs nothing. */
static void
hears_what_a_user_sends_while_they_type(void **state)
{
	struct fixture *f = *state;

	ann_sends(f);
	assert_int_equal(f->sent, 0);
	assert_null(say_to(f, &f->page, &f->eve, "true"));
	assert_null(say_to(f, &f->phone, &f->bob.id, "true"));
	fake_loop_run(f->rig.app.loop);
	ann_sends(f);
	assert_int_equal(f->sent, 1);
	typing_end_socket(&f->typing, &f->page);
	ann_sends(f);
	assert_int_equal(f->sent, 2);
	typing_end_socket(&f->typing, &f->phone);
	ann_sends(f);
	assert_int_equal(f->sent, 2);
}

static void
ends_for_one_user_alone_when_that_user_sends(void **state)
{
	struct fixture *f = *state;

	assert_null(say_to(f, &f->page, &f->eve, "true"));
	assert_null(say_to(f, &f->bobs, &f->eve, "true"));
	assert_string_equal(heard(f), "+Ann +Bob ");
	typing_end_all(&f->typing, &f->ann.id);
	assert_string_equal(heard(f), "-Ann ");
	fake_loop_advance(f->rig.app.loop, TYPING_MS);
	assert_string_equal(heard(f), "-Bob ");
}

/* A user who types on the phone does not stop because an old page goes. */
static void
ends_with_the_socket_that_said_it_last(void **state)
{
	struct fixture *f = *state;

	assert_null(say_to(f, &f->page, &f->eve, "true"));
	assert_null(say_to(f, &f->phone, &f->eve, "true"));
	typing_end_socket(&f->typing, &f->page);
	assert_string_equal(heard(f), "+Ann ");
	typing_end_socket(&f->typing, &f->phone);
	assert_string_equal(heard(f), "-Ann ");
}

static void
a_user_types_to_eight_at_once_and_no_more(void **state)
{
	struct fixture *f = *state;
	struct pl_oid others[TYPING_PAIRS_MAX];

	for (size_t i = 0; i < TYPING_PAIRS_MAX; i++) {
		pl_oid_new(&others[i]);
		/* From two sockets: it is the user who is counted. */
		assert_null(say_to(f, i % 2 ? &f->page : &f->phone, &others[i], "true"));
	}
	assert_string_equal(say_to(f, &f->page, &f->eve, "true"), "TOO_MANY_REQUESTS");
	assert_null(say_to(f, &f->page, &others[3], "true")); /* again is no other */
	assert_null(say_to(f, &f->bobs, &f->eve, "true"));
	assert_string_equal(heard(f), "+Bob ");
	assert_null(say_to(f, &f->page, &others[0], "false"));
	assert_null(say_to(f, &f->page, &f->eve, "true"));
	assert_string_equal(heard(f), "+Ann ");
}

static void
begins_and_ends_without_pause_are_heard_a_few_times_a_second(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 1000; i++) {
		/* From two sockets, to two people: it is the user who is counted. */
		struct hub_socket *socket = i % 2 ? &f->page : &f->phone;

		assert_null(say_to(f, socket, &f->eve, "true"));
		let_check(f);
		assert_null(say_to(f, socket, &f->eve, "false"));
	}
	assert_string_equal(heard(f),
	    "+Ann -Ann +Ann -Ann +Ann -Ann +Ann -Ann +Ann -Ann "
	    "+Ann -Ann +Ann -Ann +Ann -Ann +Ann -Ann +Ann -Ann ");
	assert_null(say_to(f, &f->bobs, &f->eve, "true"));
	assert_string_equal(heard(f), "+Bob "); /* does not notice */
	fake_loop_advance(f->rig.app.loop, 1000 / TYPING_BEGINS_PER_SECOND);
	assert_null(say_to(f, &f->page, &f->eve, "true"));
	let_check(f);
	assert_null(say_to(f, &f->page, &f->eve, "false"));
	assert_null(say_to(f, &f->page, &f->eve, "true"));
	assert_string_equal(heard(f), "+Ann -Ann ");
}

/* ---- to whom one may write ---- */

static void
write_block(struct fixture *f, const struct pl_oid *user, const struct pl_oid *other)
{
	struct pl_store_config config = {.data_dir = f->rig.dir};
	struct pl_write w = {.kind = PL_WRITE_BLOCK,
	    .u.block = {.user = *user, .other = *other, .is_blocked = true, .limit = 9}};
	struct pl_store *s;

	assert_int_equal(pl_store_open(&config, &s), PL_OK);
	pl_store_write(s, &(struct pl_write *){&w}, 1);
	assert_int_equal(w.err, PL_OK);
	pl_store_close(s);
}

static void
tell_block(struct fixture *f, const struct pl_oid *user, const struct pl_oid *other)
{
	struct pl_buf event;

	pl_buf_init(&event, PL_BUF_UNLIMITED);
	pl_event_blocked_write(&event, user, other);
	pl_bus_publish(
	    f->rig.app.bus, PL_STR(PL_CHANNEL_BLOCKS), pl_buf_str(&event), NULL);
	pl_buf_fini(&event);
}

static void
types_to_nobody_who_has_blocked_or_is_blocked(void **state)
{
	struct fixture *f = *state;

	write_block(f, &f->eve, &f->ann.id);
	write_block(f, &f->bob.id, &f->eve);
	assert_null(say_to(f, &f->page, &f->eve, "true"));
	assert_null(say_to(f, &f->bobs, &f->eve, "true"));
	assert_string_equal(heard(f), "");
	assert_true(pl_list_is_empty(&f->typing.pairs));
	assert_null(say_to(f, &f->page, &f->eve, "false"));
	assert_string_equal(heard(f), ""); /* what nobody saw begin has no end */
}

static void
types_to_nobody_who_is_no_user(void **state)
{
	struct fixture *f = *state;
	struct pl_oid nobody;

	pl_oid_new(&nobody);
	assert_null(say_to(f, &f->page, &nobody, "true"));
	let_check(f);
	assert_true(pl_list_is_empty(&f->typing.pairs));
}

static void
says_nothing_of_what_ended_while_the_store_was_asked(void **state)
{
	struct fixture *f = *state;

	assert_null(say_to(f, &f->page, &f->eve, "true"));
	assert_null(say_to(f, &f->page, &f->eve, "false"));
	assert_string_equal(heard(f), "");
	assert_null(say_to(f, &f->page, &f->eve, "true"));
	typing_end_socket(&f->typing, &f->page);
	assert_string_equal(heard(f), "");
	assert_true(pl_list_is_empty(&f->typing.pairs));
}

static void
ends_when_either_blocks_the_other(void **state)
{
	struct fixture *f = *state;

	assert_null(say_to(f, &f->page, &f->eve, "true"));
	assert_null(say_to(f, &f->bobs, &f->eve, "true"));
	assert_string_equal(heard(f), "+Ann +Bob ");
	tell_block(f, &f->eve, &f->ann.id);
	assert_string_equal(heard(f), "-Ann ");
	tell_block(f, &f->bob.id, &f->eve);
	assert_string_equal(heard(f), "-Bob ");
	tell_block(f, &f->ann.id, &f->bob.id);
	pl_bus_publish(f->rig.app.bus, PL_STR(PL_CHANNEL_BLOCKS), PL_STR("{}"), NULL);
	assert_string_equal(heard(f), "");
}

static void
the_stop_ends_all(void **state)
{
	struct fixture *f = *state;

	assert_null(say_to(f, &f->page, &f->eve, "true"));
	assert_null(say_to(f, &f->bobs, &f->eve, "true"));
	let_check(f);
	typing_stop(&f->typing);
	assert_string_equal(heard(f), "+Ann +Bob -Ann -Bob ");
}

static void
refuses_what_is_not_its_form(void **state)
{
	static const struct {
		const char *said, *code;
	} cases[] = {
	    {"null", "BAD_ID"},
	    {"[]", "BAD_ID"},
	    {"\"65a00000000000000000000a\"", "BAD_ID"},
	    {"{}", "BAD_ID"},
	    {"{\"isTyping\":true}", "BAD_ID"},
	    {"{\"to\":7,\"isTyping\":true}", "BAD_ID"},
	    {"{\"to\":\"65a0\",\"isTyping\":true}", "BAD_ID"},
	    {"{\"to\":\"65a00000000000000000000g\",\"isTyping\":true}", "BAD_ID"},
	    {"{\"to\":\"65a00000000000000000000a\"}", "INVALID_FIELD"},
	    {"{\"to\":\"65a00000000000000000000a\",\"isTyping\":1}", "INVALID_FIELD"},
	    {"{\"to\":\"65a00000000000000000000a\",\"isTyping\":\"true\"}",
		"INVALID_FIELD"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(say(f, &f->page, cases[i].said), cases[i].code);
	assert_true(pl_list_is_empty(&f->typing.pairs));
}

#define TYPING_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TYPING_TEST(ends_when_it_is_said),
	    TYPING_TEST(ends_by_itself_unless_it_is_said_again),
	    TYPING_TEST(hears_what_a_user_sends_while_they_type),
	    TYPING_TEST(ends_for_one_user_alone_when_that_user_sends),
	    TYPING_TEST(ends_with_the_socket_that_said_it_last),
	    TYPING_TEST(a_user_types_to_eight_at_once_and_no_more),
	    TYPING_TEST(begins_and_ends_without_pause_are_heard_a_few_times_a_second),
	    TYPING_TEST(types_to_nobody_who_has_blocked_or_is_blocked),
	    TYPING_TEST(types_to_nobody_who_is_no_user),
	    TYPING_TEST(says_nothing_of_what_ended_while_the_store_was_asked),
	    TYPING_TEST(ends_when_either_blocks_the_other),
	    TYPING_TEST(the_stop_ends_all),
	    TYPING_TEST(refuses_what_is_not_its_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
