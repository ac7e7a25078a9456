#include "rig.h"

#include "presence/send.h"

struct fixture {
	struct rig rig;
	struct typing typing;
	struct sends sends;
	struct hub hub;
	struct hub_user ann;
	struct hub_socket page, phone; /* Ann's */
	struct pl_sio_client page_client, phone_client;
	struct pl_sio_settings settings;
	struct eio_trace trace;
	struct pl_oid bob;
};

static const struct pl_sio_app no_app;

/* A socket that is let in, so that acknowledgements stay in its queue. */
static void
let_in(struct fixture *f, struct hub_socket *socket, struct pl_sio_client *client)
{
	pl_sio_conn_init(&client->conn, &f->settings, &no_app, "sid", true, 0);
	client->conn.in = 1;
	socket->client = client;
	socket->user = &f->ann;
	snprintf(socket->id, sizeof(socket->id), "a-socket");
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	rig_init(&f->rig);
	f->ann.id = rig_add_user(&f->rig, "ann");
	f->bob = rig_add_user(&f->rig, "bob");
	f->hub.app = &f->rig.app;
	f->ann.hub = &f->hub;
	eio_trace_init(&f->trace);
	f->settings = (struct pl_sio_settings)PL_SIO_SETTINGS_DEFAULT;
	let_in(f, &f->page, &f->page_client);
	let_in(f, &f->phone, &f->phone_client);
	pl_settings.chat_requires_online = PL_ONLINE_OFF;
	pl_settings.message_bytes_max = 65536;
	pl_settings.body_bytes_max = 102400;
	pl_settings.limit_messages_per_second = 0;
	f->typing = (struct typing){.app = &f->rig.app};
	typing_start(&f->typing);
	f->sends = (struct sends){.app = &f->rig.app, .typing = &f->typing};
	sends_start(&f->sends);
	*state = f;
	return 0;
}

static void
stop(void *arg)
{
	struct fixture *f = arg;

	fake_loop_run(f->rig.app.loop);
	sends_stop(&f->sends);
	typing_stop(&f->typing);
	pl_sio_conn_fini(&f->page_client.conn);
	pl_sio_conn_fini(&f->phone_client.conn);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	int left = rig_fini(&f->rig, stop, f);

	eio_trace_fini(&f->trace);
	free(f);
	return left;
}

/* The event with this text, len times filling it up. */
static void
say(struct fixture *f, struct hub_socket *socket, const char *text, size_t fill)
{
	static char json[70000];
	struct pl_sio_event event = {0};
	struct ack ack = {.id = 7};
	struct pl_json *args = NULL;
	char to[PL_OID_HEX_LEN + 1];
	int at;

	pl_oid_format(&f->bob, to);
	at = snprintf(json, sizeof(json),
	    "[\"sendMessage\",{\"to\":\"%s\",\"message\":\"%s", to, text);
	memset(json + at, 'x', fill);
	strcpy(json + at + fill, "\"}]");
	assert_int_equal(pl_json_parse(pl_str(json), &args, NULL), PL_OK);
	event.args = args;
	event.payload = pl_str(json);
	send_said(&f->sends, socket, &event, &ack);
	pl_json_free(args);
}

/* All that was sent to it since the last time. */
static const char *
sent_to(struct fixture *f, struct pl_sio_client *client)
{
	return rig_sent(&f->trace, &client->conn);
}

static void
until_done(struct fixture *f)
{
	RIG_UNTIL(&f->rig, f->sends.waiting == 0);
	assert_int_equal(f->sends.bytes, 0);
	assert_int_equal(f->sends.sending.under_way, 0);
}

/* ---- what is stored ---- */

/* The texts of the pair, each followed by a space. */
struct reading {
	struct pl_store_read_call call;
	const struct fixture *f;
	char texts[1024];
	bool is_done;
};

static enum pl_err
run(struct pl_store_read_call *call, struct pl_store *store)
{
	struct reading *r = PL_CONTAINER(call, struct reading, call);
	struct pl_message_list list = {0};
	enum pl_err err = pl_store_messages_page(
	    store, &r->f->ann.id, &r->f->bob, PL_PAGE_AFTER, NULL, 200, &list);

	for (size_t i = 0; err == PL_OK && i < list.count; i++) {
		size_t at = strlen(r->texts);

		snprintf(r->texts + at, sizeof(r->texts) - at, "%s ", list.items[i].text);
	}
	pl_message_list_fini(&list);
	return err;
}

static void
on_read(struct pl_store_read_call *call)
{
	PL_CONTAINER(call, struct reading, call)->is_done = true;
}

static void
check_stored(struct fixture *f, const char *texts)
{
	struct reading r = {.f = f, .call = {.run = run, .done = on_read}};

	assert_int_equal(pl_store_async_read(f->rig.app.store, &r.call), PL_OK);
	RIG_UNTIL(&f->rig, r.is_done);
	assert_string_equal(r.texts, texts);
}

/* ---- tests ---- */

static void
sends_one_after_the_other_in_their_order(void **state)
{
	struct fixture *f = *state;
	const char *answers;

	say(f, &f->page, "a", 0);
	say(f, &f->page, "b", 0);
	say(f, &f->page, "c", 0);
	assert_int_equal(f->sends.waiting, 3);
	assert_int_equal(f->sends.sending.under_way, 1);
	until_done(f);
	assert_null(f->page.sends);
	check_stored(f, "a b c ");
	answers = sent_to(f, &f->page_client);
	assert_int_equal(rig_count(answers, "437[{\"message\":{\"senderId\""), 3);
}

static void
goes_on_at_other_sockets_meanwhile(void **state)
{
	struct fixture *f = *state;

	say(f, &f->page, "a", 0);
	say(f, &f->page, "b", 0);
	say(f, &f->phone, "c", 0);
	assert_int_equal(f->sends.sending.under_way, 2);
	until_done(f);
	assert_int_equal(rig_count(sent_to(f, &f->phone_client), "437["), 1);
}

static void
refuses_one_too_many_of_a_socket_and_no_other_socket(void **state)
{
	struct fixture *f = *state;
	const char *refused = "437[{\"error\":\"Too many requests, try again later\","
			      "\"code\":\"TOO_MANY_REQUESTS\",\"retryAfter\":1}]";

	for (size_t i = 0; i < SEND_WAITING_MAX; i++)
		say(f, &f->page, "x", 0);
	assert_int_equal(rig_count(sent_to(f, &f->page_client), "437["), 0);
	say(f, &f->page, "x", 0);
	assert_int_equal(rig_count(sent_to(f, &f->page_client), refused), 1);
	say(f, &f->phone, "x", 0);
	assert_int_equal(rig_count(sent_to(f, &f->phone_client), refused), 0);
	until_done(f);
	assert_int_equal(
	    rig_count(sent_to(f, &f->page_client), "437[{\"message\""), SEND_WAITING_MAX);
}

static void
counts_the_bytes_that_wait(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 6; i++)
		say(f, &f->page, "x", 60000);
	assert_int_equal(rig_count(sent_to(f, &f->page_client), "TOO_MANY_REQUESTS"), 2);
	assert_in_range(f->sends.bytes, 4 * 60000, SEND_BYTES_MAX + 1024);
	until_done(f);
}

static void
is_busy_while_all_of_its_sockets_hold_too_much(void **state)
{
	struct fixture *f = *state;
	const char *answers;

	f->sends.bytes = SEND_ALL_MAX; /* of others */
	say(f, &f->page, "x", 0);
	answers = sent_to(f, &f->page_client);
	assert_int_equal(
	    rig_count(answers, "\"code\":\"UNAVAILABLE\",\"retryAfter\":1"), 1);
	f->sends.bytes = 0;
	say(f, &f->page, "y", 0);
	until_done(f);
	check_stored(f, "y ");
}

static void
sends_what_came_of_a_socket_that_has_gone(void **state)
{
	struct fixture *f = *state;

	say(f, &f->page, "a", 0);
	say(f, &f->page, "b", 0);
	sends_end_socket(&f->page);
	assert_null(f->page.sends);
	f->page.user = NULL;
	until_done(f);
	assert_int_equal(rig_count(sent_to(f, &f->page_client), "437["), 0);
	check_stored(f, "a b ");
}

static void
goes_on_after_a_refusal(void **state)
{
	struct fixture *f = *state;
	const char *answers;

	pl_settings.limit_messages_per_second = 1;
	sends_stop(&f->sends);
	pl_settings.limit_messages_burst = 1;
	sends_start(&f->sends);
	say(f, &f->page, "a", 0);
	say(f, &f->page, "b", 0);
	say(f, &f->page, "c", 0);
	until_done(f);
	answers = sent_to(f, &f->page_client);
	assert_int_equal(rig_count(answers, "437[{\"message\""), 1);
	assert_int_equal(rig_count(answers, "\"retryAfter\":1"), 2);
	check_stored(f, "a ");
}

#define SEND_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SEND_TEST(sends_one_after_the_other_in_their_order),
	    SEND_TEST(goes_on_at_other_sockets_meanwhile),
	    SEND_TEST(refuses_one_too_many_of_a_socket_and_no_other_socket),
	    SEND_TEST(counts_the_bytes_that_wait),
	    SEND_TEST(is_busy_while_all_of_its_sockets_hold_too_much),
	    SEND_TEST(sends_what_came_of_a_socket_that_has_gone),
	    SEND_TEST(goes_on_after_a_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
