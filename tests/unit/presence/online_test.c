/* Who is online, as sockets are told: the list and the changes, over the real hub and
 * store. */
#include "rig.h"

#include "loop/loop_impl.h"
#include "presence/online/list.h"

/* A socket that is in. */
struct client {
	struct pl_sio_client c;
	struct hub_socket socket;
};

struct fixture {
	struct rig rig;
	struct hub hub;
	struct watched_index watched;
	struct online_list online;
	struct pl_sio_settings settings;
	struct eio_trace trace;
	bool is_behind;
	struct pl_oid ann, bob, eve;
	struct client list,
	    delta; /* Ann's, who wants lists, and Bob's, who wants changes */
};

static void
on_join(void *arg, const struct pl_oid *user)
{
	struct fixture *f = arg;

	online_list_join(&f->online, user);
}

static void
on_leave(void *arg, const struct pl_oid *user)
{
	struct fixture *f = arg;

	online_list_leave(&f->online, user);
}

static void
on_ready(void *arg, struct hub_socket *socket)
{
	(void)arg, (void)socket;
}

static const struct hub_events hub_events = {
    .on_join = on_join,
    .on_leave = on_leave,
    .on_ready = on_ready,
};

static bool
is_behind(void *arg)
{
	const struct fixture *f = arg;

	return f->is_behind;
}

static void
on_connect(struct pl_sio_conn *conn, unsigned ns, const struct pl_json *auth, int64_t now)
{
	(void)auth;
	assert_true(pl_sio_conn_accept(conn, ns, "id", NULL, now));
}

static const struct pl_sio_app app = {.on_connect = on_connect};

/* ---- the fixture --------------------------------------------------------------------- */

static void
come_in(
    struct fixture *f, struct client *client, const struct pl_oid *user, bool is_delta)
{
	struct pl_jwt_claims claims = {
	    .user = *user, .expires_unix_s = pl_clock_unix_ms() / 1000 + 86400};
	int64_t now = pl_loop_now_ms(f->rig.app.loop);

	*client = (struct client){
	    .socket = {.client = &client->c, .wants = is_delta ? HUB_DELTA : HUB_LIST}};
	pl_list_init(&client->socket.link);
	pl_sio_conn_init(&client->c.conn, &f->settings, &app, "a-sid", true, now);
	pl_eio_session_ws_text(&client->c.conn.eio, PL_STR("40"), now);
	hub_join(&f->hub, &client->socket, &claims);
}

static void
go(struct client *client)
{
	hub_leave(&client->socket, false);
	seen_fini(&client->socket.seen);
	pl_sio_conn_fini(&client->c.conn);
}

/* What was sent to it since the last time. */
static const char *
sent_to(struct fixture *f, struct client *client)
{
	RIG_UNTIL(&f->rig, !f->online.changes.is_reading);
	return rig_sent(&f->trace, &client->c.conn);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	static char process[] = "p1";

	pl_settings.process_name = process;
	pl_settings.sockets_per_user_max = 20;
	rig_init(&f->rig);
	f->ann = rig_add_user(&f->rig, "ann");
	f->bob = rig_add_user(&f->rig, "bob");
	f->eve = rig_add_user(&f->rig, "eve");
	f->hub = (struct hub){.app = &f->rig.app, .events = &hub_events, .arg = f};
	f->online = (struct online_list){.app = &f->rig.app,
	    .hub = &f->hub,
	    .watched = &f->watched,
	    .is_behind = is_behind,
	    .arg = f};
	f->settings = (struct pl_sio_settings)PL_SIO_SETTINGS_DEFAULT;
	f->settings.eio.queue_max_bytes = 1048576;
	eio_trace_init(&f->trace);
	hub_start(&f->hub);
	watched_start(&f->watched);
	online_list_start(&f->online);
	come_in(f, &f->list, &f->ann, false);
	come_in(f, &f->delta, &f->bob, true);
	fake_loop_advance(f->rig.app.loop, 5000); /* all of that is told */
	(void)sent_to(f, &f->list);
	(void)sent_to(f, &f->delta);
	*state = f;
	return 0;
}

static void
free_parts(void *arg)
{
	struct fixture *f = arg;

	go(&f->list);
	go(&f->delta);
	hub_stop(&f->hub);
	online_list_stop(&f->online);
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

/* The event of a change, as the trace shows it. */
static const char *
change(const struct pl_oid *user, bool is_online, const char *status)
{
	static char text[128];
	char hex[PL_OID_HEX_LEN + 1];

	pl_oid_format(user, hex);
	snprintf(text, sizeof(text),
	    "ws<42[\"presence\",{\"userId\":\"%s\",\"online\":%s,\"status\":\"%s\"}]>",
	    hex, is_online ? "true" : "false", status);
	return text;
}

/* ---- lists --------------------------------------------------------------------------- */

static void
tells_the_first_change_at_once_and_others_of_that_second_together(void **state)
{
	struct fixture *f = *state;
	struct client eve, more[2];
	struct pl_oid users[2];
	const char *sent;

	come_in(f, &eve, &f->eve, true);
	sent = sent_to(f, &f->list);
	assert_int_equal(rig_count(sent, "getOnlineUsers"), 1);
	for (int i = 0; i < 2; i++) {
		pl_oid_new(&users[i]);
		come_in(f, &more[i], &users[i], true);
	}
	fake_loop_advance(f->rig.app.loop, ONLINE_LIST_EVERY_MS - 1);
	assert_string_equal(sent_to(f, &f->list), "");
	fake_loop_advance(f->rig.app.loop, 1);
	sent = sent_to(f, &f->list);
	assert_int_equal(rig_count(sent, "getOnlineUsers"), 1);
	for (int i = 0; i < 2; i++) {
		char hex[PL_OID_HEX_LEN + 1];

		pl_oid_format(&users[i], hex);
		assert_non_null(strstr(sent, hex));
		go(&more[i]);
	}
	fake_loop_advance(f->rig.app.loop, 5000);
	(void)sent_to(f, &f->list);
	go(&eve);
	assert_int_equal(rig_count(sent_to(f, &f->list), "getOnlineUsers"), 1);
}

static void
one_more_socket_of_a_user_who_is_online_is_no_change(void **state)
{
	struct fixture *f = *state;
	struct client second;

	come_in(f, &second, &f->bob, false);
	fake_loop_advance(f->rig.app.loop, 5000);
	go(&second);
	fake_loop_advance(f->rig.app.loop, 5000);
	assert_string_equal(sent_to(f, &f->list), "");
	assert_string_equal(sent_to(f, &f->delta), "");
}

static void
waits_while_the_sockets_are_behind(void **state)
{
	struct fixture *f = *state;
	struct client eve;

	f->is_behind = true;
	come_in(f, &eve, &f->eve, false);
	fake_loop_advance(f->rig.app.loop, 5000);
	assert_string_equal(sent_to(f, &f->list), "");
	assert_string_equal(sent_to(f, &f->delta), "");
	f->is_behind = false;
	fake_loop_advance(f->rig.app.loop, 100);
	assert_int_equal(rig_count(sent_to(f, &f->list), "getOnlineUsers"), 1);
	assert_string_equal(sent_to(f, &f->delta), change(&f->eve, true, "AVAILABLE"));
	go(&eve);
}

/* ---- who comes in -------------------------------------------------------------------- */

static void
count_one(void *arg)
{
	++*(int *)arg;
}

static void
who_comes_in_shares_a_list_that_is_true(void **state)
{
	struct fixture *f = *state;
	struct online_list_wait waits[3];
	struct client eve;
	int count = 0;

	pl_ref_drop(online_list_packet(&f->online));
	come_in(
	    f, &eve, &f->eve, true); /* what was encoded just now is not true any more */
	fake_loop_run(f->rig.app.loop);
	pl_ref_drop(online_list_packet(&f->online));
	go(&eve);
	for (int i = 0; i < 3; i++) {
		online_list_wait_init(&waits[i], count_one, &count);
		online_list_await(&f->online, &waits[i]);
	}
	online_list_unwait(&waits[1]);
	online_list_unwait(&waits[1]);
	fake_loop_advance(f->rig.app.loop, ONLINE_LIST_EVERY_FIRST_MS - 1);
	assert_int_equal(count, 0);
	fake_loop_advance(f->rig.app.loop, 1);
	assert_int_equal(count, 2);
}

/* ---- changes ------------------------------------------------------------------------- */

static void
tells_who_came_and_went_with_their_status(void **state)
{
	struct fixture *f = *state;
	struct client eve;

	rig_set_status(&f->rig, &f->eve, PL_STATUS_BUSY);
	come_in(f, &eve, &f->eve, false);
	fake_loop_run(f->rig.app.loop);
	assert_string_equal(sent_to(f, &f->delta), change(&f->eve, true, "BUSY"));
	go(&eve);
	fake_loop_advance(f->rig.app.loop, ONLINE_LIST_EVERY_MS);
	assert_string_equal(sent_to(f, &f->delta), change(&f->eve, false, "BUSY"));
}

/* Who came and went again within a telling is told as they are now, once. */
static void
tells_what_is_true_when_it_is_sent(void **state)
{
	struct fixture *f = *state;
	struct client eve;

	come_in(f, &eve, &f->eve, false);
	go(&eve);
	fake_loop_run(f->rig.app.loop);
	assert_string_equal(sent_to(f, &f->delta), change(&f->eve, false, "AVAILABLE"));
}

static void
tells_the_status_of_those_alone_who_are_online(void **state)
{
	struct fixture *f = *state;

	rig_set_status(&f->rig, &f->ann, PL_STATUS_BUSY);
	online_list_status_changed(&f->online, &f->ann);
	online_list_status_changed(&f->online, &f->eve);
	fake_loop_run(f->rig.app.loop);
	assert_string_equal(sent_to(f, &f->delta), change(&f->ann, true, "BUSY"));
	assert_string_equal(sent_to(f, &f->list), ""); /* no list says a status */
}

static void
a_user_whom_the_store_does_not_have_is_available(void **state)
{
	struct fixture *f = *state;
	struct client stranger;
	struct pl_oid id;

	pl_oid_new(&id);
	come_in(f, &stranger, &id, false);
	fake_loop_run(f->rig.app.loop);
	assert_string_equal(sent_to(f, &f->delta), change(&id, true, "AVAILABLE"));
	go(&stranger);
}

static void
come_in_at_once(struct fixture *f, size_t count)
{
	struct client *many = calloc(count, sizeof(*many));
	const char *sent;

	for (size_t i = 0; i < count; i++) {
		struct pl_oid id;

		pl_oid_new(&id);
		come_in(f, &many[i], &id, false);
	}
	fake_loop_run(f->rig.app.loop);
	sent = sent_to(f, &f->delta);
	assert_int_equal(rig_count(sent, "getOnlineUsers"), count > ONLINE_CHANGES_MAX);
	assert_int_equal(
	    rig_count(sent, "\"presence\""), count > ONLINE_CHANGES_MAX ? 0 : count);
	for (size_t i = 0; i < count; i++)
		go(&many[i]);
	fake_loop_advance(f->rig.app.loop, 5000);
	(void)sent_to(f, &f->delta);
	free(many);
}

static void
gives_the_list_if_more_changed_than_is_told_one_by_one(void **state)
{
	struct fixture *f = *state;

	come_in_at_once(f, ONLINE_CHANGES_MAX);
	fake_loop_advance(f->rig.app.loop, 5000);
	come_in_at_once(f, ONLINE_CHANGES_MAX + 1);
	fake_loop_advance(f->rig.app.loop, 5000);
	come_in_at_once(f, 1); /* and after it changes again */
}

static void
gives_the_list_if_the_store_does_not_answer(void **state)
{
	struct pl_store_config nowhere = {.data_dir = "/dev/null/data"};
	struct fixture *f = *state;
	struct pl_store_async *store = f->rig.app.store;
	struct client eve;
	const char *sent;

	f->rig.app.store = pl_store_async_new(f->rig.app.loop, &nowhere, 1);
	come_in(f, &eve, &f->eve, false);
	fake_loop_run(f->rig.app.loop);
	sent = sent_to(f, &f->delta);
	assert_int_equal(rig_count(sent, "getOnlineUsers"), 1);
	assert_int_equal(rig_count(sent, "\"presence\""), 0);
	go(&eve);
	pl_store_async_free(f->rig.app.store);
	f->rig.app.store = store;
}

static void
what_changes_during_a_look_is_told_by_the_next(void **state)
{
	struct fixture *f = *state;
	struct client eve;

	online_list_status_changed(&f->online, &f->ann);
	pl_loop_run_timers(f->rig.app.loop); /* the look is under way */
	assert_true(f->online.changes.is_reading);
	come_in(f, &eve, &f->eve, false);
	online_changes_tell(&f->online.changes); /* as if the store took a second */
	assert_true(online_changes_are_due(&f->online.changes));
	assert_string_equal(sent_to(f, &f->delta), change(&f->ann, true, "AVAILABLE"));
	fake_loop_advance(f->rig.app.loop, ONLINE_LIST_EVERY_MS);
	assert_string_equal(sent_to(f, &f->delta), change(&f->eve, true, "AVAILABLE"));
	go(&eve);
}

#define ONLINE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    ONLINE_TEST(
		tells_the_first_change_at_once_and_others_of_that_second_together),
	    ONLINE_TEST(one_more_socket_of_a_user_who_is_online_is_no_change),
	    ONLINE_TEST(waits_while_the_sockets_are_behind),
	    ONLINE_TEST(who_comes_in_shares_a_list_that_is_true),
	    ONLINE_TEST(tells_who_came_and_went_with_their_status),
	    ONLINE_TEST(tells_what_is_true_when_it_is_sent),
	    ONLINE_TEST(tells_the_status_of_those_alone_who_are_online),
	    ONLINE_TEST(a_user_whom_the_store_does_not_have_is_available),
	    ONLINE_TEST(gives_the_list_if_more_changed_than_is_told_one_by_one),
	    ONLINE_TEST(gives_the_list_if_the_store_does_not_answer),
	    ONLINE_TEST(what_changes_during_a_look_is_told_by_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
