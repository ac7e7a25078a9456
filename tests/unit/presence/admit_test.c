/* Letting sockets in: the real hub, list, recovery and sessions over a real store and the
 * local bus; only the server is not there. What a socket is sent is read as
 * support/eio_trace.h says. */
#include "rig.h"

#include "presence/admit.h"
#include "support/busy_reader.h"
#include "support/redis_server.h"

#define SECRET "admit_test has a secret of its own"

struct fixture {
	struct rig rig;
	struct hub hub;
	struct recovery recovery;
	struct held held;
	struct watched_index watched;
	struct online_list online;
	struct admit admit;
	struct pl_sio_settings settings;
	struct pl_oid ann, bob;
	struct pl_buf ann_token, bob_token;
	struct eio_trace trace;
	struct busy_reader reader;
};

struct client {
	struct pl_sio_client c; /* app_data: its admission, NULL once it has ended */
};

/* ---- what a service does between the parts ------------------------------------------- */

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
	(void)arg;
	admit_on_ready(socket);
}

static void
on_put_out(void *arg, struct hub_socket *socket)
{
	(void)arg;
	admit_on_put_out(socket);
}

static bool
on_message(void *arg)
{
	(void)arg;
	return false;
}

static void
on_gap(void *arg)
{
	(void)arg;
}

static void
on_user(void *arg, const struct pl_oid *user)
{
	(void)arg, (void)user;
}

static const struct hub_events hub_events = {
    .on_join = on_join,
    .on_leave = on_leave,
    .on_ready = on_ready,
    .on_put_out = on_put_out,
    .on_message = on_message,
    .on_gap = on_gap,
    .on_sent = on_user,
    .on_status = on_user,
};

static bool
is_behind(void *arg)
{
	(void)arg;
	return false;
}

static void
on_connect(struct pl_sio_conn *conn, unsigned ns, const struct pl_json *auth, int64_t now)
{
	(void)ns, (void)now;
	admit_connect(pl_sio_client_of(conn), auth);
}

static void
on_disconnect(struct pl_sio_conn *conn, unsigned ns, int64_t now)
{
	(void)ns, (void)now;
	admit_goodbye(pl_sio_client_of(conn));
}

static const struct pl_sio_app app = {
    .on_connect = on_connect,
    .on_disconnect = on_disconnect,
};

/* ---- the fixture --------------------------------------------------------------------- */

static void
sign(const struct pl_oid *user, int64_t age_s, struct pl_buf *token)
{
	struct pl_jwt_claims claims;

	pl_buf_init(token, PL_JWT_BYTES_MAX);
	assert_int_equal(
	    pl_jwt_sign(user, pl_clock_unix_ms() / 1000 - age_s, token, &claims), PL_OK);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	static char process[] = "p1";
	const char *why;

	assert_int_equal(pl_jwt_init(SECRET, NULL, &why), PL_OK);
	pl_settings.process_name = process;
	pl_settings.sockets_per_user_max = 20;
	pl_settings.presence_grace_ms = 5000;
	pl_settings.send_queue_bytes_max = 1048576;
	rig_init(&f->rig);
	f->ann = rig_add_user(&f->rig, "ann");
	f->bob = rig_add_user(&f->rig, "bob");
	sign(&f->ann, 0, &f->ann_token);
	sign(&f->bob, 0, &f->bob_token);
	f->hub = (struct hub){.app = &f->rig.app, .events = &hub_events, .arg = f};
	f->recovery = (struct recovery){.app = &f->rig.app};
	f->held = (struct held){.app = &f->rig.app};
	f->online = (struct online_list){.app = &f->rig.app,
	    .hub = &f->hub,
	    .watched = &f->watched,
	    .is_behind = is_behind,
	    .arg = f};
	f->admit = (struct admit){.app = &f->rig.app,
	    .hub = &f->hub,
	    .recovery = &f->recovery,
	    .held = &f->held,
	    .online = &f->online};
	f->settings = (struct pl_sio_settings)PL_SIO_SETTINGS_DEFAULT;
	f->settings.eio.queue_max_bytes = 1048576;
	eio_trace_init(&f->trace);
	hub_start(&f->hub);
	recovery_start(&f->recovery);
	held_start(&f->held, "p1");
	watched_start(&f->watched);
	online_list_start(&f->online);
	*state = f;
	return 0;
}

/* The store has gone, and so has all that waited for it. */
static void
free_parts(void *arg)
{
	struct fixture *f = arg;

	hub_stop(&f->hub);
	online_list_stop(&f->online);
	held_stop(&f->held);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	int left;

	left = rig_fini(&f->rig, free_parts, f);
	eio_trace_fini(&f->trace);
	pl_buf_fini(&f->ann_token);
	pl_buf_fini(&f->bob_token);
	pl_jwt_fini();
	free(f);
	return left;
}

/* ---- a client ------------------------------------------------------------------------ */

static int64_t
now_ms(struct fixture *f)
{
	return pl_loop_now_ms(f->rig.app.loop);
}

/* A handshake, which brings token as its cookie; NULL: none. */
static void
open_client(struct fixture *f, struct client *client, const struct pl_buf *token)
{
	struct pl_credentials credentials;
	struct pl_buf cookie;

	pl_buf_init(&cookie, PL_BUF_UNLIMITED);
	pl_credentials_init(&credentials);
	if (token) {
		(void)pl_buf_add_cstr(&cookie, "jwt=");
		(void)pl_buf_add_str(&cookie, pl_buf_str(token));
		pl_credentials_add_cookies(&credentials, PL_CREDENTIAL_COOKIE,
		    PL_STR("jwt"), pl_buf_str(&cookie), pl_clock_unix_ms() / 1000);
	}
	pl_buf_fini(&cookie);
	*client = (struct client){0};
	pl_sio_conn_init(&client->c.conn, &f->settings, &app, "a-sid", true, now_ms(f));
	admit_open(&f->admit, &client->c, &credentials);
}

static void
say(struct fixture *f, struct client *client, const char *packet)
{
	pl_eio_session_ws_text(&client->c.conn.eio, pl_str(packet), now_ms(f));
}

/* CONNECT with a token and, if there is an offset, the ids of an earlier socket. */
static void
connect_as(struct fixture *f, struct client *client, const struct pl_buf *token,
    const char *pid, const char *offset)
{
	struct pl_buf packet;

	pl_buf_init(&packet, PL_BUF_UNLIMITED);
	(void)pl_buf_printf(&packet, "40{\"token\":\"%s\"", token->data);
	if (offset)
		(void)pl_buf_printf(
		    &packet, ",\"pid\":\"%s\",\"offset\":\"%s\"", pid, offset);
	(void)pl_buf_add_cstr(&packet, "}");
	pl_eio_session_ws_text(&client->c.conn.eio, pl_buf_str(&packet), now_ms(f));
	pl_buf_fini(&packet);
}

static const struct admission *
admission(const struct client *client)
{
	return client->c.app_data;
}

static enum admit_state
state_of(const struct client *client)
{
	return admission(client)->state;
}

/* All that was sent to it since the last time. */
static const char *
sent_to(struct fixture *f, struct client *client)
{
	return rig_sent(&f->trace, &client->c.conn);
}

static void
end_client(struct client *client, enum pl_eio_reason reason)
{
	admit_end(&client->c, reason);
	assert_null(client->c.app_data);
	pl_sio_conn_fini(&client->c.conn);
}

/* The list, which each who comes in gets, may not be due at once. */
static void
await_in(struct fixture *f, const struct client *client)
{
	for (int i = 0; i < 10000 && state_of(client) != ADMIT_IN; i++) {
		fake_loop_advance(f->rig.app.loop, 1);
		(void)poll(NULL, 0, 1);
	}
	assert_int_equal(state_of(client), ADMIT_IN);
}

/* Handshake and CONNECT, until it is in. */
static void
come_in(struct fixture *f, struct client *client, const struct pl_buf *token)
{
	open_client(f, client, NULL);
	connect_as(f, client, token, NULL, NULL);
	await_in(f, client);
}

static void
pid_of(const struct client *client, char out[RECOVERY_PID_MAX + 1])
{
	const struct hub_socket *s = &admission(client)->socket;

	recovery_pid(&s->user->id, s->id, out);
}

static void
hold_reader(struct fixture *f)
{
	if (f->reader.call.run != NULL)
		RIG_UNTIL(&f->rig, f->reader.is_done);
	busy_reader_hold(&f->reader, f->rig.app.store);
}

/* Everything that the store has comes after it. */
static void
offset_before_all(char out[PL_MESSAGE_POS_LEN + 1])
{
	struct pl_message_pos pos = {.created_unix_ms = pl_clock_unix_ms() - 60000};

	pl_message_pos_format(&pos, out);
}

/* ---- who comes new --------------------------------------------------------------------- */

static void
lets_in_who_has_a_good_token_with_the_list_first(void **state)
{
	struct fixture *f = *state;
	struct client ann;
	const char *sent;
	char pid[RECOVERY_PID_MAX + 1], hex[PL_OID_HEX_LEN + 1];

	open_client(f, &ann, NULL);
	assert_int_equal(state_of(&ann), ADMIT_OUT);
	hold_reader(f);
	connect_as(f, &ann, &f->ann_token, NULL, NULL);
	assert_int_equal(state_of(&ann), ADMIT_CHECKING);
	assert_int_equal(hub_user_count(&f->hub), 0);
	busy_reader_let(&f->reader);
	await_in(f, &ann);
	assert_int_equal(hub_user_count(&f->hub), 1);
	assert_true(pl_oid_eq(&f->rig.payer, &f->ann));
	sent = sent_to(f, &ann);
	pid_of(&ann, pid);
	pl_oid_format(&f->ann, hex);
	assert_non_null(strstr(sent, pid));
	assert_true(
	    strstr(sent, "ws<40{") < strstr(sent, "ws<42[\"getOnlineUsers\",[\""));
	assert_non_null(strstr(strstr(sent, "getOnlineUsers"), hex));
	end_client(&ann, PL_EIO_CLIENT_CLOSE);
	assert_int_equal(hub_user_count(&f->hub), 0);
}

static void
takes_the_token_of_the_handshake_if_connect_has_none(void **state)
{
	struct fixture *f = *state;
	struct client bob;

	open_client(f, &bob, &f->bob_token);
	say(f, &bob, "40");
	await_in(f, &bob);
	assert_true(pl_oid_eq(&admission(&bob)->socket.user->id, &f->bob));
	end_client(&bob, PL_EIO_CLIENT_CLOSE);
}

static void
refuses_others_and_lets_them_try_again(void **state)
{
	struct fixture *f = *state;
	struct pl_buf expired;
	struct client ann;

	open_client(f, &ann, NULL);
	say(f, &ann, "40");
	RIG_UNTIL(&f->rig, state_of(&ann) == ADMIT_OUT);
	assert_non_null(strstr(sent_to(f, &ann),
	    "ws<44{\"message\":\"Unauthorized\",\"data\":{\"code\":\"NO_TOKEN\"}}>"));
	say(f, &ann, "40{\"token\":\"x.y.z\"}");
	RIG_UNTIL(&f->rig, state_of(&ann) == ADMIT_OUT);
	assert_non_null(strstr(sent_to(f, &ann), "BAD_TOKEN"));
	sign(&f->ann, PL_JWT_LIFETIME_S + 3600, &expired);
	connect_as(f, &ann, &expired, NULL, NULL);
	pl_buf_fini(&expired);
	RIG_UNTIL(&f->rig, state_of(&ann) == ADMIT_OUT);
	assert_non_null(strstr(sent_to(f, &ann), "EXPIRED"));
	connect_as(f, &ann, &f->ann_token, NULL, NULL);
	await_in(f, &ann);
	end_client(&ann, PL_EIO_CLIENT_CLOSE);
}

static void
sends_who_comes_in_a_drain_elsewhere(void **state)
{
	struct fixture *f = *state;
	struct client ann;

	open_client(f, &ann, NULL);
	f->rig.app.is_draining = true;
	connect_as(f, &ann, &f->ann_token, NULL, NULL);
	assert_int_equal(state_of(&ann), ADMIT_OUT);
	assert_non_null(strstr(sent_to(f, &ann), "close<1001> ended<shutdown>"));
	end_client(&ann, PL_EIO_SHUTDOWN);
}

/* ---- the bus --------------------------------------------------------------------------- */

static void
waits_until_the_bus_listens(void **state)
{
	struct fixture *f = *state;
	struct client ann;

	bus_local_stall(f->rig.app.bus, true);
	open_client(f, &ann, NULL);
	connect_as(f, &ann, &f->ann_token, NULL, NULL);
	RIG_UNTIL(&f->rig, state_of(&ann) == ADMIT_LISTENING);
	fake_loop_advance(f->rig.app.loop, 300);
	assert_int_equal(state_of(&ann), ADMIT_LISTENING);
	assert_null(strstr(sent_to(f, &ann), "ws<40"));
	bus_local_stall(f->rig.app.bus, false);
	fake_loop_run(f->rig.app.loop);
	assert_int_equal(state_of(&ann), ADMIT_IN);
	end_client(&ann, PL_EIO_CLIENT_CLOSE);
}

/* Each socket of a user hears of it, also when the bus listens again. */
static void
that_the_bus_listens_changes_nothing_later(void **state)
{
	struct fixture *f = *state;
	char pid[RECOVERY_PID_MAX + 1], now[RECOVERY_PID_MAX + 1];
	struct client ann;

	come_in(f, &ann, &f->ann_token);
	pid_of(&ann, pid);
	(void)sent_to(f, &ann);
	admit_on_ready(&((struct admission *)ann.c.app_data)->socket);
	fake_loop_advance(f->rig.app.loop, 500);
	assert_int_equal(state_of(&ann), ADMIT_IN);
	pid_of(&ann, now);
	assert_string_equal(now, pid);
	assert_string_equal(sent_to(f, &ann), "");
	end_client(&ann, PL_EIO_CLIENT_CLOSE);
}

static void
waits_no_longer_than_its_patience(void **state)
{
	struct fixture *f = *state;
	struct client ann;

	bus_local_stall(f->rig.app.bus, true);
	open_client(f, &ann, NULL);
	connect_as(f, &ann, &f->ann_token, NULL, NULL);
	RIG_UNTIL(&f->rig, state_of(&ann) == ADMIT_LISTENING);
	fake_loop_advance(f->rig.app.loop, ADMIT_PATIENCE_MS - 1);
	assert_int_equal(state_of(&ann), ADMIT_LISTENING);
	fake_loop_advance(f->rig.app.loop, 1);
	assert_int_equal(state_of(&ann), ADMIT_IN);
	end_client(&ann, PL_EIO_CLIENT_CLOSE);
}

static void
does_not_wait_for_a_bus_that_is_away(void **state)
{
	struct fixture *f = *state;
	struct client ann;

	bus_local_stall(f->rig.app.bus, true);
	bus_local_set_up(f->rig.app.bus, false);
	open_client(f, &ann, NULL);
	connect_as(f, &ann, &f->ann_token, NULL, NULL);
	RIG_UNTIL(&f->rig, state_of(&ann) == ADMIT_IN);
	end_client(&ann, PL_EIO_CLIENT_CLOSE);
}

/* ---- who comes back -------------------------------------------------------------------- */

/* Where nobody noted when the connection broke (there is no Redis here), it counts as in
 * time. */
static void
gives_who_comes_back_the_same_ids_and_what_was_missed(void **state)
{
	struct fixture *f = *state;
	char pid[RECOVERY_PID_MAX + 1], offset[PL_MESSAGE_POS_LEN + 1];
	struct client ann;
	const char *sent;

	come_in(f, &ann, &f->ann_token);
	pid_of(&ann, pid);
	end_client(&ann, PL_EIO_TRANSPORT_CLOSE);
	offset_before_all(offset);
	rig_send(&f->rig, &f->bob, &f->ann, "missed", 3);
	rig_send(&f->rig, &f->ann, &f->bob, "not for Ann", 1);
	open_client(f, &ann, NULL);
	connect_as(f, &ann, &f->ann_token, pid, offset);
	await_in(f, &ann);
	sent = sent_to(f, &ann);
	assert_non_null(strstr(sent, pid));
	assert_int_equal(rig_count(sent, "newMessage"), 3);
	assert_int_equal(rig_count(sent, "missed"), 3);
	assert_true(strstr(sent, "ws<40") < strstr(sent, "newMessage"));
	assert_true(strstr(sent, "newMessage") < strstr(sent, "getOnlineUsers"));
	end_client(&ann, PL_EIO_CLIENT_CLOSE);
}

#define OFFSET_EVENT "> ws<42[\"offset\",\""

/* pid and offset of an earlier socket, or NULL. */
static void
come_in_to_watch(
    struct fixture *f, struct client *ann, const char *pid, const char *offset)
{
	struct pl_buf packet;

	pl_buf_init(&packet, PL_BUF_UNLIMITED);
	(void)pl_buf_printf(
	    &packet, "40{\"token\":\"%s\",\"presence\":\"watch\"", f->ann_token.data);
	if (offset)
		(void)pl_buf_printf(
		    &packet, ",\"pid\":\"%s\",\"offset\":\"%s\"", pid, offset);
	(void)pl_buf_add_cstr(&packet, "}");
	open_client(f, ann, NULL);
	say(f, ann, (const char *)packet.data);
	pl_buf_fini(&packet);
	await_in(f, ann);
}

static void
who_watches_gets_an_offset_instead_of_the_list_and_comes_back_by_it(void **state)
{
	struct fixture *f = *state;
	char pid[RECOVERY_PID_MAX + 1], now[RECOVERY_PID_MAX + 1];
	char offset[PL_MESSAGE_POS_LEN + 1] = "";
	struct client ann;
	const char *sent;

	come_in_to_watch(f, &ann, NULL, NULL);
	pid_of(&ann, pid);
	sent = sent_to(f, &ann);
	assert_non_null(strstr(sent, "ws<40{\"sid\":\""));
	sent = strstr(sent, OFFSET_EVENT);
	assert_non_null(sent);
	sent += strlen(OFFSET_EVENT);
	assert_true(strcspn(sent, "\"") < sizeof(offset));
	memcpy(offset, sent, strcspn(sent, "\""));
	assert_string_equal(strchr(sent, ']'), "]>"); /* and nothing else */
	end_client(&ann, PL_EIO_TRANSPORT_CLOSE);
	rig_send(&f->rig, &f->bob, &f->ann, "missed", 1);
	come_in_to_watch(f, &ann, pid, offset);
	pid_of(&ann, now);
	assert_string_equal(now, pid);
	fake_loop_advance(f->rig.app.loop, 5000);
	sent = sent_to(f, &ann);
	assert_int_equal(rig_count(sent, "newMessage"), 1);
	assert_null(strstr(sent, "getOnlineUsers"));
	assert_null(strstr(sent, "\"offset\""));
	end_client(&ann, PL_EIO_CLIENT_CLOSE);
}

static void
begins_anew(struct fixture *f, const char *pid, const char *offset)
{
	char now[RECOVERY_PID_MAX + 1];
	struct client ann;
	const char *sent;

	open_client(f, &ann, NULL);
	connect_as(f, &ann, &f->ann_token, pid, offset);
	await_in(f, &ann);
	pid_of(&ann, now);
	assert_string_not_equal(now + PL_OID_HEX_LEN, pid + PL_OID_HEX_LEN);
	sent = sent_to(f, &ann);
	assert_non_null(strstr(sent, "ws<40"));
	assert_null(strstr(sent, "newMessage"));
	end_client(&ann, PL_EIO_CLIENT_CLOSE);
}

static void
begins_anew_if_more_was_missed_than_is_sent_again(void **state)
{
	struct fixture *f = *state;
	char pid[RECOVERY_PID_MAX + 1], offset[PL_MESSAGE_POS_LEN + 1];

	offset_before_all(offset);
	recovery_pid(&f->ann, "AAAAAAAAAAAAAAAAAAAAAA", pid);
	rig_send(&f->rig, &f->bob, &f->ann, "missed", RECOVERY_MESSAGES_MAX + 1);
	begins_anew(f, pid, offset);
}

static void
begins_anew_if_it_is_more_than_the_queue_takes(void **state)
{
	struct fixture *f = *state;
	char pid[RECOVERY_PID_MAX + 1], offset[PL_MESSAGE_POS_LEN + 1];

	offset_before_all(offset);
	recovery_pid(&f->ann, "AAAAAAAAAAAAAAAAAAAAAA", pid);
	rig_send(&f->rig, &f->bob, &f->ann, "missed", 20);
	pl_settings.send_queue_bytes_max = 2000;
	begins_anew(f, pid, offset);
}

static void
begins_anew_with_the_ids_of_another_user(void **state)
{
	struct fixture *f = *state;
	char pid[RECOVERY_PID_MAX + 1], offset[PL_MESSAGE_POS_LEN + 1];

	offset_before_all(offset);
	recovery_pid(&f->bob, "AAAAAAAAAAAAAAAAAAAAAA", pid);
	rig_send(&f->rig, &f->ann, &f->bob, "for Bob alone", 1);
	begins_anew(f, pid, offset);
}

/* ---- leaving --------------------------------------------------------------------------- */

static void
who_says_goodbye_may_connect_again(void **state)
{
	struct fixture *f = *state;
	struct client ann;

	come_in(f, &ann, &f->ann_token);
	say(f, &ann, "41");
	assert_int_equal(state_of(&ann), ADMIT_OUT);
	assert_int_equal(hub_user_count(&f->hub), 0); /* no grace */
	connect_as(f, &ann, &f->bob_token, NULL, NULL);
	await_in(f, &ann);
	assert_true(pl_oid_eq(&admission(&ann)->socket.user->id, &f->bob));
	assert_true(pl_oid_eq(&f->rig.payer, &f->bob));
	end_client(&ann, PL_EIO_CLIENT_CLOSE);
}

static void
only_a_connection_that_broke_has_a_grace(void **state)
{
	static const struct {
		enum pl_eio_reason reason;
		bool has_grace;
	} cases[] = {
	    {PL_EIO_TRANSPORT_CLOSE, true},
	    {PL_EIO_TRANSPORT_ERROR, true},
	    {PL_EIO_SHUTDOWN, true},
	    {PL_EIO_CLIENT_CLOSE, false},
	    {PL_EIO_PING_TIMEOUT, false},
	    {PL_EIO_PARSE_ERROR, false},
	    {PL_EIO_SLOW, false},
	    {PL_EIO_FORCED_CLOSE, false},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client ann;

		come_in(f, &ann, &f->ann_token);
		end_client(&ann, cases[i].reason);
		assert_int_equal(hub_user_count(&f->hub), cases[i].has_grace);
		fake_loop_advance(f->rig.app.loop, pl_settings.presence_grace_ms - 1);
		assert_int_equal(hub_user_count(&f->hub), cases[i].has_grace);
		fake_loop_advance(f->rig.app.loop, 1);
		assert_int_equal(hub_user_count(&f->hub), 0);
	}
}

/* As if the bus had said that it listens, for this one alone. */
static void
let_listen(const struct client *c)
{
	struct hub_socket *socket = &((struct admission *)c->c.app_data)->socket;

	socket->user->is_ready = true;
	admit_on_ready(socket);
	socket->user->is_ready = false;
}

/* Bring a new client of Ann's to state, and no further, while the clock stands and Bob is
 * in: the list that Bob got is no longer true then, and the next one is not due at once. */
static void
bring_to(struct fixture *f, struct client *ann, enum admit_state state)
{
	char pid[RECOVERY_PID_MAX + 1], offset[PL_MESSAGE_POS_LEN + 1];
	bool asks =
	    state == ADMIT_PARTING || state == ADMIT_READING || state == ADMIT_BACK;

	offset_before_all(offset);
	recovery_pid(&f->ann, "AAAAAAAAAAAAAAAAAAAAAA", pid);
	open_client(f, ann, NULL);
	if (state == ADMIT_OUT)
		return;
	bus_local_stall(f->rig.app.bus, true);
	hold_reader(f);
	connect_as(f, ann, &f->ann_token, pid, asks ? offset : NULL);
	busy_reader_let(&f->reader);
	if (state == ADMIT_CHECKING)
		return;
	RIG_UNTIL(&f->rig, state_of(ann) == ADMIT_LISTENING);
	if (state != ADMIT_LISTENING)
		let_listen(ann);
	if (state == ADMIT_IN)
		fake_loop_advance(f->rig.app.loop, ONLINE_LIST_EVERY_FIRST_MS);
	else if (state == ADMIT_BACK)
		RIG_UNTIL(&f->rig, state_of(ann) != ADMIT_READING);
	assert_int_equal(state_of(ann), state);
}

/* PARTING needs a Redis: see below. */
static const enum admit_state states[] = {ADMIT_OUT, ADMIT_CHECKING, ADMIT_LISTENING,
    ADMIT_READING, ADMIT_LISTING, ADMIT_BACK, ADMIT_IN};
#define STATE_COUNT (sizeof(states) / sizeof(states[0]))

static void
a_session_may_end_in_any_state(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < STATE_COUNT; i++) {
		struct client ann, bob;

		come_in(f, &bob, &f->bob_token);
		bring_to(f, &ann, states[i]);
		end_client(&ann, PL_EIO_CLIENT_CLOSE);
		bus_local_stall(f->rig.app.bus, false);
		assert_int_equal(hub_user_count(&f->hub), 1);
		RIG_UNTIL(&f->rig, f->recovery.turns.under_way == 0);
		fake_loop_advance(f->rig.app.loop, 5000);
		end_client(&bob, PL_EIO_CLIENT_CLOSE);
		fake_loop_advance(f->rig.app.loop, 5000); /* for the next round */
	}
}

static void
a_newer_socket_puts_the_oldest_out_in_any_state(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < STATE_COUNT; i++) {
		struct client ann, newer, bob;
		const char *sent;

		if (states[i] < ADMIT_LISTENING)
			continue; /* the hub has it not */
		come_in(f, &bob, &f->bob_token);
		bring_to(f, &ann, states[i]);
		(void)sent_to(f, &ann);
		pl_settings.sockets_per_user_max = 1;
		open_client(f, &newer, NULL);
		connect_as(f, &newer, &f->ann_token, NULL, NULL);
		assert_int_equal(state_of(&ann), ADMIT_PUT_OUT);
		sent = sent_to(f, &ann);
		assert_int_equal(rig_count(sent, "ws<41>"), states[i] >= ADMIT_BACK);
		assert_non_null(strstr(sent, "ended<forced_close>"));
		bus_local_stall(f->rig.app.bus, false);
		await_in(f, &newer);
		RIG_UNTIL(&f->rig, f->recovery.turns.under_way == 0);
		fake_loop_advance(f->rig.app.loop, 5000);
		assert_int_equal(state_of(&ann), ADMIT_PUT_OUT);
		end_client(&ann, PL_EIO_FORCED_CLOSE);
		assert_int_equal(hub_user_count(&f->hub), 2);
		end_client(&newer, PL_EIO_CLIENT_CLOSE);
		end_client(&bob, PL_EIO_CLIENT_CLOSE);
		pl_settings.sockets_per_user_max = 20;
		fake_loop_advance(f->rig.app.loop, 5000);
	}
}

static void
a_read_that_waits_for_its_turn_is_given_up_at_once(void **state)
{
	struct fixture *f = *state;
	struct client ann, bob;

	come_in(f, &bob, &f->bob_token);
	f->recovery.turns.under_way = RECOVERY_READS_MAX; /* as if by others */
	bring_to(f, &ann, ADMIT_READING);
	fake_loop_advance(f->rig.app.loop, 5000);
	assert_int_equal(state_of(&ann), ADMIT_READING);
	end_client(&ann, PL_EIO_TRANSPORT_CLOSE);
	assert_int_equal(f->recovery.turns.groups.count, 0);
	assert_int_equal(f->recovery.turns.under_way, RECOVERY_READS_MAX);
	f->recovery.turns.under_way = 0;
	end_client(&bob, PL_EIO_CLIENT_CLOSE);
}

static void
a_user_has_two_reads_at_once_and_the_third_waits(void **state)
{
	struct fixture *f = *state;
	char pid[RECOVERY_PID_MAX + 1], offset[PL_MESSAGE_POS_LEN + 1];
	struct client all[3];

	offset_before_all(offset);
	recovery_pid(&f->ann, "AAAAAAAAAAAAAAAAAAAAAA", pid);
	bus_local_stall(f->rig.app.bus, true);
	for (int i = 0; i < 3; i++) {
		open_client(f, &all[i], NULL);
		connect_as(f, &all[i], &f->ann_token, pid, offset);
		RIG_UNTIL(&f->rig, state_of(&all[i]) == ADMIT_LISTENING);
	}
	for (int i = 0; i < 3; i++)
		let_listen(&all[i]);
	assert_int_equal(f->recovery.turns.under_way, RECOVERY_READS_OF_USER_MAX);
	for (int i = 0; i < 3; i++)
		await_in(f, &all[i]);
	assert_int_equal(f->recovery.turns.groups.count, 0);
	bus_local_stall(f->rig.app.bus, false);
	for (int i = 0; i < 3; i++)
		end_client(&all[i], PL_EIO_CLIENT_CLOSE);
}

/* Messages that come, by the bus, while the store is read. */
struct rush {
	struct pl_task task;
	struct fixture *f;
	struct admission *a;
	int left; /* turns of the loop that bring one; negative: all */
	int64_t end_awake_ms;
};

static void
on_rush(struct pl_task *task)
{
	struct rush *r = PL_CONTAINER(task, struct rush, task);

	if (r->a->state != ADMIT_READING || r->left-- == 0 ||
	    awake_ms() > r->end_awake_ms)
		return;
	r->a->socket.has_missed = true;
	pl_loop_post(r->f->rig.app.loop, task);
}

/* Does Ann get the ids of her last socket again, while messages come for so many turns? */
static bool
comes_back_in_a_rush(struct fixture *f, int turns)
{
	char pid[RECOVERY_PID_MAX + 1], now[RECOVERY_PID_MAX + 1];
	struct client ann;
	struct rush rush = {.task.run = on_rush,
	    .f = f,
	    .left = turns,
	    .end_awake_ms = awake_ms() + RIG_LIMIT_MS};

	recovery_pid(&f->ann, "AAAAAAAAAAAAAAAAAAAAAA", pid);
	bring_to(f, &ann, ADMIT_READING);
	rush.a = ann.c.app_data;
	pl_list_init(&rush.task.link);
	on_rush(&rush.task); /* not posted: the first read may be done before that */
	bus_local_stall(f->rig.app.bus, false);
	await_in(f, &ann);
	pid_of(&ann, now);
	end_client(&ann, PL_EIO_CLIENT_CLOSE);
	return strcmp(now, pid) == 0;
}

static void
a_read_begins_anew_for_what_comes_meanwhile_but_not_for_ever(void **state)
{
	struct fixture *f = *state;

	assert_true(comes_back_in_a_rush(f, 1));
	assert_false(comes_back_in_a_rush(f, -1));
}

/* ---- Redis, which knows when a connection broke ----------------------------------------- */

static void
redis_begin(struct fixture *f, struct redis_server *server)
{
	struct pl_redis_config config = {.url = server->url, .role = "commands"};

	redis_server_init(server, NULL);
	redis_server_start(server);
	f->rig.app.redis = pl_redis_new(f->rig.app.loop, &config);
	RIG_UNTIL(&f->rig, pl_redis_is_up(f->rig.app.redis));
}

static void
redis_end(struct fixture *f, struct redis_server *server)
{
	pl_redis_free(f->rig.app.redis);
	f->rig.app.redis = NULL;
	redis_server_fini(server);
}

/* Ann comes with the ids of that socket: does she get them again? */
static bool
comes_back(struct fixture *f, const char *pid)
{
	char offset[PL_MESSAGE_POS_LEN + 1], now[RECOVERY_PID_MAX + 1];
	struct client ann;

	offset_before_all(offset);
	open_client(f, &ann, NULL);
	connect_as(f, &ann, &f->ann_token, pid, offset);
	await_in(f, &ann);
	pid_of(&ann, now);
	end_client(&ann, PL_EIO_CLIENT_CLOSE);
	return strcmp(now, pid) == 0;
}

static void
who_said_goodbye_or_was_away_for_long_begins_anew(void **state)
{
	struct fixture *f = *state;
	struct redis_server server;
	char pid[RECOVERY_PID_MAX + 1], key[128], then[24];
	struct client ann;

	redis_begin(f, &server);
	come_in(f, &ann, &f->ann_token);
	pid_of(&ann, pid);
	end_client(&ann, PL_EIO_TRANSPORT_CLOSE);
	assert_true(comes_back(f, pid));
	snprintf(key, sizeof(key), "parley:left:%s", pid);
	snprintf(then, sizeof(then), "%lld",
	    (long long)(pl_clock_unix_ms() - RECOVERY_AWAY_MAX_MS - 1000));
	pl_redis_command(f->rig.app.redis,
	    (struct pl_str[]){PL_STR("SET"), pl_str(key), pl_str(then)}, 3, NULL);
	assert_false(comes_back(f, pid));
	come_in(f, &ann, &f->ann_token);
	pid_of(&ann, pid);
	say(f, &ann, "41");
	end_client(&ann, PL_EIO_TRANSPORT_CLOSE);
	assert_false(comes_back(f, pid));
	/* Its goodbye stands, though the connection breaks before the next CONNECT is
	 * answered. */
	come_in(f, &ann, &f->ann_token);
	pid_of(&ann, pid);
	say(f, &ann, "41");
	bus_local_stall(f->rig.app.bus, true);
	connect_as(f, &ann, &f->ann_token, NULL, NULL);
	assert_int_equal(state_of(&ann), ADMIT_LISTENING);
	end_client(&ann, PL_EIO_TRANSPORT_CLOSE);
	bus_local_stall(f->rig.app.bus, false);
	assert_false(comes_back(f, pid));
	redis_end(f, &server);
}

static void
say_to_redis(struct fixture *f, const char *verb, const char *key, const char *value)
{
	pl_redis_command(f->rig.app.redis,
	    (struct pl_str[]){pl_str(verb), pl_str(key), pl_str(value)}, *value ? 3 : 2,
	    NULL);
}

/* What is held, once it has been told. */
static void
known_for_long(struct fixture *f)
{
	RIG_UNTIL(&f->rig, !pl_redis_call_is_waiting(&f->held.sending));
	say_to_redis(f, "SET", "parley:held-since", "1000");
}

/* Its note stands until it is in; and if it has none, a client is late. */
static void
who_breaks_again_before_it_is_in_comes_once_more(void **state)
{
	struct fixture *f = *state;
	struct redis_server server;
	char pid[RECOVERY_PID_MAX + 1], offset[PL_MESSAGE_POS_LEN + 1], key[128];
	struct client ann;

	offset_before_all(offset);
	redis_begin(f, &server);
	come_in(f, &ann, &f->ann_token);
	known_for_long(f);
	pid_of(&ann, pid);
	end_client(&ann, PL_EIO_TRANSPORT_CLOSE);
	open_client(f, &ann, NULL);
	redis_server_pause(&server);
	connect_as(f, &ann, &f->ann_token, pid, offset);
	RIG_UNTIL(&f->rig, state_of(&ann) == ADMIT_PARTING);
	end_client(&ann, PL_EIO_TRANSPORT_CLOSE);
	redis_server_resume(&server);
	assert_true(comes_back(f, pid));
	snprintf(key, sizeof(key), "parley:left:%s", pid);
	say_to_redis(f, "DEL", key, "");
	assert_false(comes_back(f, pid));
	RIG_UNTIL(&f->rig, f->recovery.turns.under_way == 0);
	redis_end(f, &server);
}

/* Whom a newer socket put out may come back as in time as any other, and no later. */
static void
who_was_put_out_has_a_note(void **state)
{
	struct fixture *f = *state;
	struct redis_server server;
	char pid[RECOVERY_PID_MAX + 1];
	struct client ann, newer;

	redis_begin(f, &server);
	come_in(f, &ann, &f->ann_token);
	known_for_long(f);
	pid_of(&ann, pid);
	pl_settings.sockets_per_user_max = 1;
	come_in(f, &newer, &f->ann_token);
	assert_int_equal(state_of(&ann), ADMIT_PUT_OUT);
	end_client(&ann, PL_EIO_FORCED_CLOSE);
	end_client(&newer, PL_EIO_CLIENT_CLOSE);
	assert_int_equal(f->held.sockets.count, 0);
	assert_true(comes_back(f, pid));
	redis_end(f, &server);
}

static void
a_session_may_end_while_redis_is_asked(void **state)
{
	struct fixture *f = *state;
	struct redis_server server;
	struct client ann, newer;

	redis_begin(f, &server);
	redis_server_pause(&server);
	bring_to(f, &ann, ADMIT_PARTING);
	end_client(&ann, PL_EIO_TRANSPORT_CLOSE);
	bring_to(f, &ann, ADMIT_PARTING);
	pl_settings.sockets_per_user_max = 1;
	bring_to(f, &newer, ADMIT_PARTING);
	assert_int_equal(state_of(&ann), ADMIT_PUT_OUT);
	redis_server_resume(&server);
	RIG_UNTIL(&f->rig, state_of(&newer) != ADMIT_PARTING);
	assert_int_equal(state_of(&ann), ADMIT_PUT_OUT);
	end_client(&ann, PL_EIO_FORCED_CLOSE);
	end_client(&newer, PL_EIO_CLIENT_CLOSE);
	RIG_UNTIL(&f->rig, f->recovery.turns.under_way == 0);
	redis_end(f, &server);
}

/* ---- whose a session is ------------------------------------------------------------------ */

static bool
may_use(struct fixture *f, const struct client *client, const struct pl_buf *token)
{
	struct pl_credentials now;
	struct client other;
	bool may;

	open_client(f, &other, token);
	now = admission(&other)->credentials;
	may = admit_may_use(&client->c, &now);
	end_client(&other, PL_EIO_CLIENT_CLOSE);
	return may;
}

static void
a_session_is_its_users_alone(void **state)
{
	struct fixture *f = *state;
	struct client ann;

	open_client(f, &ann, &f->ann_token); /* named by the handshake */
	assert_true(may_use(f, &ann, NULL));
	assert_true(may_use(f, &ann, &f->ann_token));
	assert_false(may_use(f, &ann, &f->bob_token));
	end_client(&ann, PL_EIO_CLIENT_CLOSE);
	open_client(f, &ann, NULL); /* named by CONNECT */
	assert_true(may_use(f, &ann, &f->bob_token));
	connect_as(f, &ann, &f->ann_token, NULL, NULL);
	await_in(f, &ann);
	assert_true(may_use(f, &ann, NULL));
	assert_true(may_use(f, &ann, &f->ann_token));
	assert_false(may_use(f, &ann, &f->bob_token));
	end_client(&ann, PL_EIO_CLIENT_CLOSE);
}

#define ADMIT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    ADMIT_TEST(lets_in_who_has_a_good_token_with_the_list_first),
	    ADMIT_TEST(takes_the_token_of_the_handshake_if_connect_has_none),
	    ADMIT_TEST(refuses_others_and_lets_them_try_again),
	    ADMIT_TEST(sends_who_comes_in_a_drain_elsewhere),
	    ADMIT_TEST(waits_until_the_bus_listens),
	    ADMIT_TEST(that_the_bus_listens_changes_nothing_later),
	    ADMIT_TEST(waits_no_longer_than_its_patience),
	    ADMIT_TEST(does_not_wait_for_a_bus_that_is_away),
	    ADMIT_TEST(gives_who_comes_back_the_same_ids_and_what_was_missed),
	    ADMIT_TEST(
		who_watches_gets_an_offset_instead_of_the_list_and_comes_back_by_it),
	    ADMIT_TEST(begins_anew_if_more_was_missed_than_is_sent_again),
	    ADMIT_TEST(begins_anew_if_it_is_more_than_the_queue_takes),
	    ADMIT_TEST(begins_anew_with_the_ids_of_another_user),
	    ADMIT_TEST(who_says_goodbye_may_connect_again),
	    ADMIT_TEST(only_a_connection_that_broke_has_a_grace),
	    ADMIT_TEST(a_session_may_end_in_any_state),
	    ADMIT_TEST(a_newer_socket_puts_the_oldest_out_in_any_state),
	    ADMIT_TEST(a_read_that_waits_for_its_turn_is_given_up_at_once),
	    ADMIT_TEST(a_user_has_two_reads_at_once_and_the_third_waits),
	    ADMIT_TEST(a_read_begins_anew_for_what_comes_meanwhile_but_not_for_ever),
	    ADMIT_TEST(who_said_goodbye_or_was_away_for_long_begins_anew),
	    ADMIT_TEST(who_breaks_again_before_it_is_in_comes_once_more),
	    ADMIT_TEST(who_was_put_out_has_a_note),
	    ADMIT_TEST(a_session_may_end_while_redis_is_asked),
	    ADMIT_TEST(a_session_is_its_users_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
