/* Whoever wrote with a user who was erased is told, over the real hub and store: Bob is
 * here, with two sockets; Eve is here, and never wrote with Ann. */
#include "rig.h"

#include "bus/events.h"
#include "loop/loop_impl.h"
#include "presence/erased.h"

struct client {
	struct pl_sio_client c;
	struct hub_socket socket;
};

struct fixture {
	struct rig rig;
	struct hub hub;
	struct erased erased;
	struct pl_sio_settings settings;
	struct eio_trace trace;
	struct pl_oid ann, bob, eve, dan;
	struct client bobs[2], eves;
};

static void
take_note(void *arg, const struct pl_oid *user)
{
	(void)arg, (void)user;
}

static void
on_ready(void *arg, struct hub_socket *socket)
{
	(void)arg, (void)socket;
}

static void
on_erased(void *arg, const struct pl_oid *user)
{
	struct fixture *f = arg;

	erased_tell(&f->erased, user);
}

static const struct hub_events hub_events = {
    .on_join = take_note,
    .on_leave = take_note,
    .on_ready = on_ready,
    .on_erased = on_erased,
};

static void
on_connect(struct pl_sio_conn *conn, unsigned ns, const struct pl_json *auth, int64_t now)
{
	(void)auth;
	assert_true(pl_sio_conn_accept(conn, ns, "id", NULL, now));
}

static void
on_event(struct pl_sio_conn *conn, const struct pl_sio_event *event, int64_t now)
{
	(void)conn, (void)event, (void)now;
}

static const struct pl_sio_app app = {.on_connect = on_connect, .on_event = on_event};

/* ---- the fixture --------------------------------------------------------------------- */

/* What was sent to it since the last time. */
static const char *
sent_to(struct fixture *f, struct client *client)
{
	return rig_sent(&f->trace, &client->c.conn);
}

static void
come_in(struct fixture *f, struct client *client, const struct pl_oid *user)
{
	struct pl_jwt_claims claims = {
	    .user = *user, .expires_unix_s = pl_clock_unix_ms() / 1000 + 86400};
	int64_t now = pl_loop_now_ms(f->rig.app.loop);

	*client = (struct client){
	    .socket = {.client = &client->c, .wants = HUB_WATCH, .id = "an-id"}};
	pl_list_init(&client->socket.link);
	pl_sio_conn_init(&client->c.conn, &f->settings, &app, "a-sid", true, now);
	pl_eio_session_ws_text(&client->c.conn.eio, PL_STR("40"), now);
	hub_join(&f->hub, &client->socket, &claims);
	(void)sent_to(f, client);
}

static void
go(struct client *client)
{
	hub_leave(&client->socket, false);
	seen_fini(&client->socket.seen);
	pl_sio_conn_fini(&client->c.conn);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	pl_settings.sockets_per_user_max = 20;
	rig_init(&f->rig);
	f->ann = rig_add_user(&f->rig, "ann");
	f->bob = rig_add_user(&f->rig, "bob");
	f->eve = rig_add_user(&f->rig, "eve");
	f->dan = rig_add_user(&f->rig, "dan");
	f->hub = (struct hub){.app = &f->rig.app, .events = &hub_events, .arg = f};
	f->erased = (struct erased){.app = &f->rig.app, .hub = &f->hub};
	f->settings = (struct pl_sio_settings)PL_SIO_SETTINGS_DEFAULT;
	f->settings.eio.queue_max_bytes = 1048576;
	eio_trace_init(&f->trace);
	hub_start(&f->hub);
	come_in(f, &f->bobs[0], &f->bob);
	come_in(f, &f->bobs[1], &f->bob);
	come_in(f, &f->eves, &f->eve);
	*state = f;
	return 0;
}

static void
free_parts(void *arg)
{
	struct fixture *f = arg;

	go(&f->bobs[0]);
	go(&f->bobs[1]);
	go(&f->eves);
	erased_stop(&f->erased);
	hub_stop(&f->hub);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	int left = rig_fini(&f->rig, free_parts, f);

	eio_trace_fini(&f->trace);
	free(f);
	return left;
}

/* As auth says it. */
static void
say_erased(struct fixture *f, const struct pl_oid *user)
{
	struct pl_buf event;

	pl_buf_init(&event, PL_BUF_UNLIMITED);
	pl_event_user_deleted(&event, user);
	pl_bus_publish(f->rig.app.bus, PL_STR(PL_CHANNEL_ALL), pl_buf_str(&event), NULL);
	pl_buf_fini(&event);
	fake_loop_run(f->rig.app.loop);
}

/* ---- tests --------------------------------------------------------------------------- */

static void
tells_each_socket_of_who_wrote_with_them(void **state)
{
	struct fixture *f = *state;
	char gone[128], hex[PL_OID_HEX_LEN + 1];

	rig_send(&f->rig, &f->ann, &f->bob, "secret", 3);
	rig_send(&f->rig, &f->bob, &f->ann, "bob's own", 2);
	rig_send(&f->rig, &f->ann, &f->dan, "to somebody who is away", 1);
	rig_erase(&f->rig, &f->ann);
	say_erased(f, &f->ann);
	RIG_UNTIL(&f->rig, f->erased.waiting_count == 0);
	pl_oid_format(&f->ann, hex);
	snprintf(gone, sizeof(gone), "42[\"userDeleted\",{\"userId\":\"%s\"}]", hex);
	for (int i = 0; i < 2; i++) {
		const char *sent = sent_to(f, &f->bobs[i]);

		assert_int_equal(rig_count(sent, "42[\"messageDeleted\""), 3);
		assert_int_equal(rig_count(sent, gone), 1);
		assert_int_equal(rig_count(sent, "bob's own"), 0);
		assert_int_equal(rig_count(sent, "secret"), 0);
	}
	assert_string_equal(sent_to(f, &f->eves), "");
	/* Told again, as after a kill: of messages they know. */
	say_erased(f, &f->ann);
	RIG_UNTIL(&f->rig, f->erased.waiting_count == 0);
	assert_int_equal(rig_count(sent_to(f, &f->bobs[0]), "42[\"messageDeleted\""), 0);
}

static void
tells_of_the_newest_messages_alone(void **state)
{
	struct fixture *f = *state;
	const char *sent;

	rig_send(&f->rig, &f->ann, &f->bob, "many", 200);
	rig_erase(&f->rig, &f->ann);
	say_erased(f, &f->ann);
	RIG_UNTIL(&f->rig, f->erased.waiting_count == 0);
	sent = sent_to(f, &f->bobs[0]);
	assert_int_equal(rig_count(sent, "42[\"messageDeleted\""), ERASED_NEWEST);
	assert_int_equal(rig_count(sent, "42[\"userDeleted\""), 1);
}

/* However many are erased at once, so many wait, and each is told once. */
static void
keeps_a_bounded_number_of_users_waiting(void **state)
{
	struct fixture *f = *state;
	const char *sent;
	struct pl_oid id;

	rig_send(&f->rig, &f->ann, &f->bob, "hi", 1);
	rig_erase(&f->rig, &f->ann);
	for (int i = 0; i < 1000; i++) {
		pl_oid_new(&id);
		erased_tell(&f->erased, i == 5 || i == 999 ? &f->ann : &id);
	}
	assert_int_equal(f->erased.waiting_count, ERASED_WAITING);
	RIG_UNTIL(&f->rig, f->erased.waiting_count == 0);
	sent = sent_to(f, &f->bobs[0]);
	assert_int_equal(rig_count(sent, "42[\"userDeleted\""), 1);
}

/* Those whom a page of ids does not hold are on the next one. */
static void
goes_through_all_correspondents(void **state)
{
	enum { MANY = PL_STORE_IDS_MAX + 20 };
	struct fixture *f = *state;
	struct client last;
	struct pl_oid one = {0};
	char name[16];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		one = rig_add_user(&f->rig, name);
		f->rig.sent_count = 0;
		rig_send(&f->rig, &one, &f->ann, "hi", 1);
	}
	rig_send(&f->rig, &f->ann, &one, "secret", 1);
	come_in(f, &last, &one);
	rig_erase(&f->rig, &f->ann);
	say_erased(f, &f->ann);
	RIG_UNTIL(&f->rig, f->erased.waiting_count == 0);
	assert_int_equal(rig_count(sent_to(f, &last), "42[\"userDeleted\""), 1);
	go(&last);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		tells_each_socket_of_who_wrote_with_them, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		tells_of_the_newest_messages_alone, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		keeps_a_bounded_number_of_users_waiting, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		goes_through_all_correspondents, setup, teardown),
	};

	return cmocka_run_group_tests_name("erased", tests, NULL, NULL);
}
