/* Watching users: what a socket says, its answer, and what it is told after that, over
 * the real hub, list and store. Two sockets of Ann's watch; others come and go. */
#include "rig.h"

#include "loop/loop_impl.h"
#include "presence/client_event.h"
#include "presence/online/list.h"

/* A socket that is in. */
struct client {
	struct pl_sio_client c;
	struct hub_socket socket;
	struct fixture *f;
};

struct fixture {
	struct rig rig;
	struct hub hub;
	struct watched_index watched;
	struct watches watches;
	struct online_list online;
	struct client_events events;
	struct pl_sio_settings settings;
	struct eio_trace trace;
	bool is_behind;
	struct pl_oid ann, bob, eve;
	struct client one, two;
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

static void
on_status(void *arg, const struct pl_oid *user)
{
	struct fixture *f = arg;

	watched_note(&f->watched, user);
}

static void
on_updated(void *arg, const struct pl_oid *user, struct pl_ref *packet)
{
	struct fixture *f = arg;

	watched_tell(&f->watched, user, packet);
}

static const struct hub_events hub_events = {
    .on_join = on_join,
    .on_leave = on_leave,
    .on_ready = on_ready,
    .on_status = on_status,
    .on_updated = on_updated,
};

static bool
is_online(void *arg, const struct pl_oid *user)
{
	const struct fixture *f = arg;

	return online_list_has(&f->online, user);
}

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

static void
on_event(struct pl_sio_conn *conn, const struct pl_sio_event *event, int64_t now)
{
	struct client *client = PL_CONTAINER(conn, struct client, c.conn);

	(void)now;
	client_event(&client->f->events, &client->socket, event);
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
come_in(struct fixture *f, struct client *client, const struct pl_oid *user,
    enum hub_audience wants)
{
	struct pl_jwt_claims claims = {
	    .user = *user, .expires_unix_s = pl_clock_unix_ms() / 1000 + 86400};
	int64_t now = pl_loop_now_ms(f->rig.app.loop);

	*client =
	    (struct client){.socket = {.client = &client->c, .wants = wants}, .f = f};
	pl_list_init(&client->socket.link);
	pl_sio_conn_init(&client->c.conn, &f->settings, &app, "a-sid", true, now);
	pl_eio_session_ws_text(&client->c.conn.eio, PL_STR("40"), now);
	hub_join(&f->hub, &client->socket, &claims);
	(void)sent_to(f, client);
}

static void
go(struct client *client)
{
	watch_end_socket(&client->f->watches, &client->socket);
	hub_leave(&client->socket, false);
	seen_fini(&client->socket.seen);
	pl_sio_conn_fini(&client->c.conn);
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	static char process[] = "p1";

	pl_settings.process_name = process;
	pl_settings.sockets_per_user_max = 20;
	pl_settings.connections_max = 1000;
	pl_settings.send_queue_bytes_max = 1048576;
	rig_init(&f->rig);
	f->ann = rig_add_user(&f->rig, "ann");
	f->bob = rig_add_user(&f->rig, "bob");
	f->eve = rig_add_user(&f->rig, "eve");
	f->hub = (struct hub){.app = &f->rig.app, .events = &hub_events, .arg = f};
	f->watched = (struct watched_index){
	    .app = &f->rig.app, .is_online = is_online, .is_behind = is_behind, .arg = f};
	f->watches = (struct watches){.app = &f->rig.app, .index = &f->watched};
	f->online = (struct online_list){.app = &f->rig.app,
	    .hub = &f->hub,
	    .watched = &f->watched,
	    .is_behind = is_behind,
	    .arg = f};
	f->events = (struct client_events){.watches = &f->watches};
	f->settings = (struct pl_sio_settings)PL_SIO_SETTINGS_DEFAULT;
	f->settings.eio.queue_max_bytes = 1048576;
	eio_trace_init(&f->trace);
	hub_start(&f->hub);
	watched_start(&f->watched);
	watch_start(&f->watches);
	online_list_start(&f->online);
	come_in(f, &f->one, &f->ann, HUB_WATCH);
	come_in(f, &f->two, &f->ann, HUB_WATCH);
	fake_loop_advance(f->rig.app.loop, 5000);
	*state = f;
	return 0;
}

static void
free_parts(void *arg)
{
	struct fixture *f = arg;

	go(&f->one);
	go(&f->two);
	watch_stop(&f->watches);
	watched_stop(&f->watched);
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

/* ---- words ----------------------------------------------------------------------------- */

static void
say(struct client *client, const char *packet)
{
	pl_eio_session_ws_text(
	    &client->c.conn.eio, pl_str(packet), pl_loop_now_ms(client->f->rig.app.loop));
}

/* The event that names count ids, asking for answer 7. */
static void
say_watch(struct client *client, const struct pl_oid *ids, size_t count)
{
	char hex[PL_OID_HEX_LEN + 1];
	struct pl_buf text;

	pl_buf_init(&text, PL_BUF_UNLIMITED);
	(void)pl_buf_add_cstr(&text, "427[\"watch\",{\"users\":[");
	for (size_t i = 0; i < count; i++) {
		pl_oid_format(&ids[i], hex);
		(void)pl_buf_printf(&text, "%s\"%s\"", i == 0 ? "" : ",", hex);
	}
	(void)pl_buf_add_cstr(&text, "]}]");
	pl_eio_session_ws_text(&client->c.conn.eio, pl_buf_str(&text),
	    pl_loop_now_ms(client->f->rig.app.loop));
	pl_buf_fini(&text);
}

/* All that was asked is answered, and all that was noted is told or waits for its time. */
static void
settle(struct fixture *f)
{
	RIG_UNTIL(
	    &f->rig, f->watches.turns.under_way == 0 && f->watched.state == WATCHED_IDLE);
}

/* ... and what waits is told, too. */
static void
settle_all(struct fixture *f)
{
	settle(f);
	fake_loop_advance(f->rig.app.loop, WATCHED_EVERY_MS);
	settle(f);
}

static void
watch(struct client *client, const struct pl_oid *ids, size_t count)
{
	say_watch(client, ids, count);
	settle(client->f);
}

/* A user as the answer and the event show them; note: NULL for none. */
static const char *
shown(const struct pl_oid *user, bool is_online, const char *status, const char *note)
{
	static char texts[4][256];
	static unsigned turn;
	char *text = texts[turn++ % 4], hex[PL_OID_HEX_LEN + 1];
	int len;

	pl_oid_format(user, hex);
	len = snprintf(text, sizeof(texts[0]),
	    "{\"userId\":\"%s\",\"online\":%s,\"status\":\"%s\"", hex,
	    is_online ? "true" : "false", status);
	snprintf(text + len, sizeof(texts[0]) - (size_t)len,
	    note ? ",\"statusNote\":\"%s\"}" : "}", note);
	return text;
}

static void
expect_answer(struct client *client, const char *first, const char *second)
{
	char text[600];

	snprintf(text, sizeof(text), "ws<437[[%s%s%s]]>", first ? first : "",
	    second ? "," : "", second ? second : "");
	assert_string_equal(sent_to(client->f, client), text);
}

static void
expect_event(struct client *client, const char *user)
{
	char text[300];

	snprintf(text, sizeof(text), "ws<42[\"presence\",%s]>", user);
	assert_string_equal(sent_to(client->f, client), text);
}

static void
expect_refusal(struct client *client, const char *code)
{
	char word[100];
	const char *sent = sent_to(client->f, client);

	snprintf(word, sizeof(word), "\"code\":\"%s\"}]>", code);
	assert_memory_equal(sent, "ws<437[{\"error\":\"", 17);
	assert_non_null(strstr(sent, word));
}

static void
set_status(
    struct fixture *f, const struct pl_oid *user, enum pl_status status, const char *note)
{
	struct pl_buf buf;

	rig_set_note(&f->rig, user, status, note);
	pl_buf_init(&buf, PL_BUF_UNLIMITED);
	pl_event_status_changed(&buf, user, status, pl_str(note));
	pl_bus_publish(f->rig.app.bus, PL_STR(PL_CHANNEL_ALL), pl_buf_str(&buf), NULL);
	pl_buf_fini(&buf);
	fake_loop_run(f->rig.app.loop);
}

/* ---- the answer ------------------------------------------------------------------------ */

static void
answers_what_is_true_in_the_order_of_the_ids(void **state)
{
	struct fixture *f = *state;
	struct client eve;

	rig_set_note(&f->rig, &f->bob, PL_STATUS_BUSY, "till \\\"3\\\"");
	come_in(f, &eve, &f->eve, HUB_LIST);
	watch(&f->one, (struct pl_oid[]){f->eve, f->bob}, 2);
	expect_answer(&f->one, shown(&f->eve, true, "AVAILABLE", NULL),
	    shown(&f->bob, false, "BUSY", "till \\\\\\\"3\\\\\\\""));
	settle_all(f);
	assert_string_equal(sent_to(f, &f->one), ""); /* nothing of it again */
	go(&eve);
}

static void
takes_ids_twice_and_in_upper_case_once(void **state)
{
	struct fixture *f = *state;
	char hex[PL_OID_HEX_LEN + 1], text[256];

	watch(&f->one, (struct pl_oid[]){f->bob, f->eve, f->bob, f->bob}, 4);
	expect_answer(&f->one, shown(&f->bob, false, "AVAILABLE", NULL),
	    shown(&f->eve, false, "AVAILABLE", NULL));
	assert_int_equal(f->watched.watch_count, 2);
	pl_oid_format(&f->bob, hex);
	for (char *c = hex; *c; c++)
		if (*c >= 'a')
			*c = (char)(*c - 'a' + 'A');
	snprintf(text, sizeof(text), "427[\"watch\",{\"users\":[\"%s\"]}]", hex);
	say(&f->one, text);
	settle(f);
	expect_answer(&f->one, shown(&f->bob, false, "AVAILABLE", NULL), NULL);
}

static void
leaves_out_who_is_no_user_and_does_not_watch_them(void **state)
{
	struct fixture *f = *state;
	struct pl_oid nobody, nobody_else;

	pl_oid_new(&nobody);
	pl_oid_new(&nobody_else);
	watch(&f->one, (struct pl_oid[]){nobody, f->bob, nobody_else}, 3);
	expect_answer(&f->one, shown(&f->bob, false, "AVAILABLE", NULL), NULL);
	assert_int_equal(f->watched.users.count, 1);
	watch(&f->one, &nobody, 1);
	expect_answer(&f->one, NULL, NULL);
	assert_int_equal(f->watched.users.count, 0);
}

static void
the_empty_set_watches_nobody(void **state)
{
	struct fixture *f = *state;
	struct client bob;

	watch(&f->one, &f->bob, 1);
	(void)sent_to(f, &f->one);
	watch(&f->one, NULL, 0);
	expect_answer(&f->one, NULL, NULL);
	come_in(f, &bob, &f->bob, HUB_LIST);
	settle_all(f);
	assert_string_equal(sent_to(f, &f->one), "");
	go(&bob);
}

static void
refuses_what_is_no_set_and_keeps_the_one_before(void **state)
{
	static const struct {
		const char *packet, *code;
	} cases[] = {
	    {"427[\"watch\"]", "INVALID_FIELD"},
	    {"427[\"watch\",null]", "INVALID_FIELD"},
	    {"427[\"watch\",[]]", "INVALID_FIELD"},
	    {"427[\"watch\",{}]", "INVALID_FIELD"},
	    {"427[\"watch\",{\"users\":null}]", "INVALID_FIELD"},
	    {"427[\"watch\",{\"users\":\"65a000000000000000000001\"}]", "INVALID_FIELD"},
	    {"427[\"watch\",{\"users\":{\"length\":1}}]", "INVALID_FIELD"},
	    {"427[\"watch\",{\"users\":[1]}]", "BAD_ID"},
	    {"427[\"watch\",{\"users\":[null]}]", "BAD_ID"},
	    {"427[\"watch\",{\"users\":[\"\"]}]", "BAD_ID"},
	    {"427[\"watch\",{\"users\":[\"65a00000000000000000000\"]}]", "BAD_ID"},
	    {"427[\"watch\",{\"users\":[\"65a000000000000000000001\",\"x\"]}]", "BAD_ID"},
	    {"427[\"watch\",{\"users\":[{\"$gt\":\"\"}]}]", "BAD_ID"},
	};
	struct fixture *f = *state;
	struct client bob;

	watch(&f->one, &f->bob, 1);
	(void)sent_to(f, &f->one);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		say(&f->one, cases[i].packet);
		expect_refusal(&f->one, cases[i].code);
	}
	come_in(f, &bob, &f->bob, HUB_LIST);
	settle(f);
	expect_event(&f->one, shown(&f->bob, true, "AVAILABLE", NULL));
	go(&bob);
}

static void
takes_500_and_no_more(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ids[WATCH_USERS_MAX + 1];

	for (size_t i = 0; i <= WATCH_USERS_MAX; i++)
		pl_oid_new(&ids[i]);
	ids[WATCH_USERS_MAX - 1] = f->bob;
	watch(&f->one, ids, WATCH_USERS_MAX);
	expect_answer(&f->one, shown(&f->bob, false, "AVAILABLE", NULL), NULL);
	watch(&f->one, ids, WATCH_USERS_MAX + 1);
	expect_refusal(&f->one, "INVALID_FIELD");
}

static void
refuses_sockets_that_did_not_ask_to_watch(void **state)
{
	static const enum hub_audience others[] = {HUB_LIST, HUB_DELTA};
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		struct client bob;

		come_in(f, &bob, &f->bob, others[i]);
		say_watch(&bob, &f->ann, 1);
		expect_refusal(&bob, "NOT_WATCHING");
		go(&bob);
	}
}

static void
without_an_acknowledgement_it_watches_all_the_same(void **state)
{
	struct fixture *f = *state;
	char hex[PL_OID_HEX_LEN + 1], text[256];
	struct client bob;

	pl_oid_format(&f->bob, hex);
	snprintf(text, sizeof(text), "42[\"watch\",{\"users\":[\"%s\"]}]", hex);
	say(&f->one, text);
	settle(f);
	assert_string_equal(sent_to(f, &f->one), "");
	come_in(f, &bob, &f->bob, HUB_LIST);
	settle(f);
	expect_event(&f->one, shown(&f->bob, true, "AVAILABLE", NULL));
	go(&bob);
	say(&f->one, "42[\"watch\",{\"users\":1}]");
	assert_string_equal(sent_to(f, &f->one), "");
}

/* ---- changes --------------------------------------------------------------------------- */

static void
tells_each_change_once_to_those_who_watch_and_to_no_others(void **state)
{
	struct fixture *f = *state;
	struct client bob, eve;

	watch(&f->one, (struct pl_oid[]){f->bob, f->ann}, 2);
	watch(&f->two, &f->eve, 1);
	(void)sent_to(f, &f->one);
	(void)sent_to(f, &f->two);
	come_in(f, &bob, &f->bob, HUB_WATCH);
	settle(f);
	expect_event(&f->one, shown(&f->bob, true, "AVAILABLE", NULL)); /* at once */
	set_status(f, &f->bob, PL_STATUS_BUSY, "till 3");
	settle_all(f);
	expect_event(&f->one, shown(&f->bob, true, "BUSY", "till 3"));
	go(&bob);
	settle_all(f);
	expect_event(&f->one, shown(&f->bob, false, "BUSY", "till 3"));
	set_status(
	    f, &f->bob, PL_STATUS_BUSY, ""); /* whoever is offline may change it, too */
	settle_all(f);
	expect_event(&f->one, shown(&f->bob, false, "BUSY", NULL));
	assert_string_equal(sent_to(f, &f->two), "");
	come_in(f, &eve, &f->eve, HUB_LIST);
	settle_all(f);
	assert_string_equal(sent_to(f, &f->one), "");
	expect_event(&f->two, shown(&f->eve, true, "AVAILABLE", NULL));
	go(&eve);
}

static void
what_is_as_it_was_is_not_told(void **state)
{
	struct fixture *f = *state;
	struct client bob, second;

	come_in(f, &bob, &f->bob, HUB_LIST);
	watch(&f->one, &f->bob, 1);
	(void)sent_to(f, &f->one);
	come_in(f, &second, &f->bob, HUB_LIST);
	go(&bob);
	settle_all(f);
	set_status(f, &f->bob, PL_STATUS_AVAILABLE, "");
	settle_all(f);
	go(&second);
	come_in(f, &bob, &f->bob, HUB_LIST); /* before it was told */
	settle_all(f);
	assert_string_equal(sent_to(f, &f->one), "");
	go(&bob);
}

static void
many_changes_are_told_by_rounds(void **state)
{
	struct fixture *f = *state;
	struct client bob;
	int64_t begun = pl_loop_now_ms(f->rig.app.loop);
	size_t told = 0;

	watch(&f->one, &f->bob, 1);
	(void)sent_to(f, &f->one);
	for (int i = 0; i < 41; i++) {
		if (i % 2 == 0)
			come_in(f, &bob, &f->bob, HUB_LIST);
		else
			go(&bob);
		settle(f);
		fake_loop_advance(f->rig.app.loop, 50);
		settle(f);
		told += rig_count(sent_to(f, &f->one), "presence");
	}
	assert_true(told >= 2);
	assert_true(told <= 1 + (size_t)(pl_loop_now_ms(f->rig.app.loop) - begun) /
				    WATCHED_EVERY_MS);
	settle_all(f);
	(void)sent_to(f, &f->one);
	settle_all(f);
	watch(&f->one, &f->bob, 1);
	expect_answer(&f->one, shown(&f->bob, true, "AVAILABLE", NULL), NULL);
	go(&bob);
}

static void
waits_while_the_sockets_are_behind(void **state)
{
	struct fixture *f = *state;
	struct client bob;

	watch(&f->one, &f->bob, 1);
	(void)sent_to(f, &f->one);
	f->is_behind = true;
	come_in(f, &bob, &f->bob, HUB_LIST);
	fake_loop_advance(f->rig.app.loop, 5000);
	assert_string_equal(sent_to(f, &f->one), "");
	f->is_behind = false;
	fake_loop_advance(f->rig.app.loop, 100);
	settle(f);
	expect_event(&f->one, shown(&f->bob, true, "AVAILABLE", NULL));
	go(&bob);
}

/* What changes after the read, and before its answer, comes after the answer. */
static void
a_change_while_the_set_is_read_is_not_lost(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 20; i++) {
		const char *sent;
		enum pl_status status = i % 2 ? PL_STATUS_AVAILABLE : PL_STATUS_BUSY;
		const char *now =
		    shown(&f->bob, false, i % 2 ? "AVAILABLE" : "BUSY", NULL);

		say_watch(&f->one, &f->bob, 1);
		set_status(f, &f->bob, status, "");
		settle_all(f);
		sent = sent_to(f, &f->one);
		assert_memory_equal(sent, "ws<437[[{", 9);
		assert_true(rig_count(sent, "presence") <= 1);
		/* The last word is what is true now, and said once. */
		assert_int_equal(rig_count(sent, now), 1);
		assert_non_null(strstr(sent + strlen(sent) - strlen(now) - 3, now));
		say_watch(&f->one, NULL, 0);
		settle(f);
		(void)sent_to(f, &f->one);
		fake_loop_advance(f->rig.app.loop, 1000); /* for the limit */
	}
}

/* The store was read before a change, and is answered for after a round has told of it. */
static void
a_set_hears_nothing_before_its_answer_and_no_old_news_in_it(void **state)
{
	struct fixture *f = *state;
	struct pl_oid ids[] = {f->bob};
	size_t count = 1;
	struct watch_set *set = watch_set_new(&f->watched, &f->one.socket, ids, &count);
	struct pl_user_state old = {.id = f->bob, .status = PL_STATUS_AVAILABLE};
	struct pl_oid missing[1];
	struct watched_reading reading;
	struct pl_json_out o;
	struct pl_buf text;

	watched_reading_begin(set, &reading, ids, missing);
	reading.found = (struct pl_user_state_list){.items = &old, .count = 1};
	set_status(f, &f->bob, PL_STATUS_BUSY, "news");
	settle_all(f);
	assert_string_equal(sent_to(f, &f->one), "");
	pl_buf_init(&text, PL_BUF_UNLIMITED);
	pl_jo_init(&o, &text);
	watch_set_begin(set, &reading, &o);
	assert_string_equal(
	    (const char *)text.data, shown(&f->bob, false, "BUSY", "news"));
	pl_buf_fini(&text);
	settle_all(f);
	assert_string_equal(sent_to(f, &f->one), "");
	watch_set_free(set);
}

/* What a set of these ids would ask the store for, and whether that is all it needs. */
static size_t
missing_of(struct fixture *f, const struct pl_oid *ids, size_t count, bool *is_as_known)
{
	struct pl_store_config config = {.data_dir = f->rig.dir};
	struct pl_oid own[4], missing[4];
	struct watched_reading reading;
	struct watch_set *set;
	struct pl_store *store;

	memcpy(own, ids, count * sizeof(own[0]));
	set = watch_set_new(&f->watched, &f->one.socket, own, &count);
	watched_reading_begin(set, &reading, own, missing);
	assert_int_equal(pl_store_open(&config, &store), PL_OK);
	assert_int_equal(watched_reading_run(&reading, store), PL_OK);
	pl_store_close(store);
	*is_as_known = reading.is_as_known;
	watched_reading_fini(&reading);
	watch_set_free(set);
	return reading.missing_count;
}

static void
who_is_watched_already_is_not_read_again_until_some_user_changes(void **state)
{
	struct fixture *f = *state;
	struct pl_oid both[2] = {f->bob, f->eve};
	bool is_as_known;

	assert_int_equal(missing_of(f, &f->bob, 1, &is_as_known), 1);
	watch(&f->one, &f->bob, 1);
	assert_int_equal(missing_of(f, both, 2, &is_as_known), 1);
	assert_true(is_as_known);
	watch(&f->two, both, 2);
	expect_answer(&f->two, shown(&f->bob, false, "AVAILABLE", NULL),
	    shown(&f->eve, false, "AVAILABLE", NULL));
	assert_int_equal(missing_of(f, both, 2, &is_as_known), 0);
	assert_true(is_as_known);
	rig_set_status(&f->rig, &f->ann, PL_STATUS_BUSY); /* who is of neither */
	assert_int_equal(missing_of(f, both, 2, &is_as_known), 0);
	assert_false(is_as_known);
	watch(&f->one, &f->bob, 1);
	assert_int_equal(missing_of(f, both, 2, &is_as_known), 1);
	assert_true(is_as_known);
}

static void
answer_into_nothing(struct watch_set *set, struct watched_reading *reading)
{
	struct pl_json_out o;
	struct pl_buf text;

	pl_buf_init(&text, PL_BUF_UNLIMITED);
	pl_jo_init(&o, &text);
	pl_jo_array(&o);
	watch_set_begin(set, reading, &o);
	pl_jo_end_array(&o);
	pl_buf_fini(&text);
	watched_reading_fini(reading);
}

/* Of two reads at once, that which began later comes to the store first, and bob changes
 * between them. What it said of him holds, by the order of their beginnings; but not as
 * of the tag that the other one found. */
static void
a_status_counts_as_of_the_tag_of_its_own_read(void **state)
{
	struct fixture *f = *state;
	struct pl_store_config config = {.data_dir = f->rig.dir};
	struct pl_oid ids[2] = {f->bob, f->bob}, missing[2];
	struct watched_reading readings[2];
	struct watch_set *sets[2];
	struct pl_store *store;
	bool is_as_known;
	size_t count;

	assert_int_equal(pl_store_open(&config, &store), PL_OK);
	for (int i = 0; i < 2; i++) {
		count = 1;
		sets[i] = watch_set_new(&f->watched, &f->one.socket, &ids[i], &count);
		watched_reading_begin(sets[i], &readings[i], &ids[i], &missing[i]);
	}
	assert_int_equal(watched_reading_run(&readings[1], store), PL_OK);
	rig_set_status(&f->rig, &f->bob, PL_STATUS_BUSY); /* and nobody is told */
	assert_int_equal(watched_reading_run(&readings[0], store), PL_OK);
	pl_store_close(store);
	answer_into_nothing(sets[1], &readings[1]);
	answer_into_nothing(sets[0], &readings[0]);
	count = missing_of(f, &f->bob, 1, &is_as_known);
	watch(&f->two, &f->bob, 1);
	watch_set_free(sets[0]);
	watch_set_free(sets[1]);
	assert_int_equal(count, 1);
	expect_answer(&f->two, shown(&f->bob, false, "BUSY", NULL), NULL);
}

/* It says nothing of the tag. */
static void
who_was_read_in_a_round_is_read_again(void **state)
{
	struct fixture *f = *state;
	struct client bob;
	bool is_as_known;

	watch(&f->one, &f->bob, 1);
	assert_int_equal(missing_of(f, &f->bob, 1, &is_as_known), 0);
	come_in(f, &bob, &f->bob, HUB_LIST);
	settle_all(f);
	assert_int_equal(missing_of(f, &f->bob, 1, &is_as_known), 1);
	watch(&f->two, &f->bob, 1);
	assert_int_equal(missing_of(f, &f->bob, 1, &is_as_known), 0);
	go(&bob);
}

static void
who_watches_already_hears_what_the_answer_to_another_found(void **state)
{
	struct fixture *f = *state;

	watch(&f->one, &f->bob, 1);
	(void)sent_to(f, &f->one);
	rig_set_status(&f->rig, &f->bob, PL_STATUS_BUSY); /* and nobody is told */
	watch(&f->two, &f->bob, 1);
	expect_answer(&f->two, shown(&f->bob, false, "BUSY", NULL), NULL);
	settle_all(f);
	expect_event(&f->one, shown(&f->bob, false, "BUSY", NULL));
	assert_string_equal(sent_to(f, &f->two), "");
}

static void
after_a_gap_what_was_missed_is_told_and_nothing_else(void **state)
{
	struct fixture *f = *state;

	watch(&f->one, (struct pl_oid[]){f->bob, f->eve}, 2);
	(void)sent_to(f, &f->one);
	rig_set_status(&f->rig, &f->bob, PL_STATUS_BUSY);
	watched_note_all(&f->watched);
	settle_all(f);
	expect_event(&f->one, shown(&f->bob, false, "BUSY", NULL));
}

static void
tells_a_profile_to_those_who_watch_and_no_others(void **state)
{
	struct fixture *f = *state;
	struct client list;
	char hex[PL_OID_HEX_LEN + 1], text[256];

	come_in(f, &list, &f->eve, HUB_LIST);
	settle_all(f);
	(void)sent_to(f, &list);
	watch(&f->one, &f->bob, 1);
	(void)sent_to(f, &f->one);
	pl_oid_format(&f->bob, hex);
	snprintf(text, sizeof(text),
	    "{\"name\":\"userUpdated\",\"id\":\"%s\"}\n"
	    "2[\"userUpdated\",{\"_id\":\"%s\"}]",
	    hex, hex);
	pl_bus_publish(f->rig.app.bus, PL_STR(PL_CHANNEL_ALL), pl_str(text), NULL);
	fake_loop_run(f->rig.app.loop);
	snprintf(text, sizeof(text), "ws<42[\"userUpdated\",{\"_id\":\"%s\"}]>", hex);
	assert_string_equal(sent_to(f, &f->one), text);
	assert_string_equal(sent_to(f, &f->two), "");
	assert_string_equal(sent_to(f, &list), "");
	go(&list);
}

static void
lists_and_status_changes_are_for_the_others(void **state)
{
	struct fixture *f = *state;
	struct client list;

	come_in(f, &list, &f->eve, HUB_LIST);
	set_status(f, &f->bob, PL_STATUS_BUSY, "");
	settle_all(f);
	fake_loop_advance(f->rig.app.loop, 5000);
	assert_int_equal(rig_count(sent_to(f, &list), "statusChanged"), 1);
	assert_string_equal(sent_to(f, &f->one), "");
	go(&list);
}

/* More than one read takes, and more than one turn of the loop sends: the first 500 are
 * watched by many. */
static void
many_users_of_many_watchers_are_told_by_reads_and_turns(void **state)
{
	enum {
		MANY = WATCHED_READ_MAX + 1,
		WATCHERS = WATCHED_SENDS_MAX / WATCH_USERS_MAX + 2
	};
	struct fixture *f = *state;
	static struct client watchers[WATCHERS], last;
	static struct pl_oid ids[MANY];
	char name[16];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		ids[i] = rig_add_user(&f->rig, name);
	}
	pl_settings.sockets_per_user_max = WATCHERS + 1;
	come_in(f, &last, &f->eve, HUB_WATCH);
	watch(&last, &ids[MANY - 1], 1);
	(void)sent_to(f, &last);
	for (int i = 0; i < WATCHERS; i++) {
		come_in(f, &watchers[i], &f->eve, HUB_WATCH);
		watch(&watchers[i], ids, WATCH_USERS_MAX);
		(void)sent_to(f, &watchers[i]);
	}
	for (int i = 0; i < MANY; i++)
		rig_set_status(&f->rig, &ids[i], PL_STATUS_BUSY);
	watched_note_all(&f->watched);
	fake_loop_run(f->rig.app.loop);
	RIG_UNTIL(&f->rig,
	    f->watched.state == WATCHED_IDLE && pl_list_is_empty(&f->watched.noted));
	for (int i = 0; i < WATCHERS; i++) {
		assert_int_equal(
		    rig_count(sent_to(f, &watchers[i]), "presence"), WATCH_USERS_MAX);
		go(&watchers[i]);
	}
	assert_int_equal(rig_count(sent_to(f, &last), "presence"), 1);
	go(&last);
}

/* ---- when things fail ------------------------------------------------------------------ */

static void
if_the_store_does_not_answer_the_set_stays_and_who_comes_is_told(void **state)
{
	struct pl_store_config nowhere = {.data_dir = "/dev/null/data"};
	struct fixture *f = *state;
	struct pl_store_async *store = f->rig.app.store;
	struct client bob;

	rig_set_note(&f->rig, &f->bob, PL_STATUS_BUSY, "till 3");
	watch(&f->one, &f->bob, 1);
	(void)sent_to(f, &f->one);
	f->rig.app.store = pl_store_async_new(f->rig.app.loop, &nowhere, 1);
	watch(&f->one, &f->eve, 1);
	expect_refusal(&f->one, "UNAVAILABLE");
	come_in(f, &bob, &f->bob, HUB_LIST);
	settle(f);
	expect_event(&f->one, shown(&f->bob, true, "BUSY", "till 3"));
	pl_store_async_free(f->rig.app.store);
	f->rig.app.store = store;
	rig_set_status(&f->rig, &f->bob, PL_STATUS_AVAILABLE);
	fake_loop_advance(f->rig.app.loop, 1000); /* it is asked again by itself */
	settle(f);
	expect_event(&f->one, shown(&f->bob, true, "AVAILABLE", NULL));
	go(&bob);
}

static void
a_socket_may_go_while_its_set_waits_or_is_read(void **state)
{
	struct fixture *f = *state;
	struct client bob;

	come_in(f, &bob, &f->bob, HUB_WATCH);
	for (int i = 0; i < 3; i++)
		say_watch(&bob, (struct pl_oid[]){f->ann, f->eve}, 2);
	assert_int_equal(f->watches.turns.under_way, 1); /* one by one */
	go(&bob);
	settle(f);
	assert_int_equal(f->watched.watch_count, 0);
	assert_int_equal(f->watched.users.count, 0);
	assert_int_equal(f->watches.turns.groups.count, 0);
}

static void
answers_in_order_and_the_last_set_holds(void **state)
{
	struct fixture *f = *state;
	char *sent, *first, *second;

	say_watch(&f->one, &f->bob, 1);
	say_watch(&f->one, &f->eve, 1);
	settle(f);
	sent = pl_mem_strdup(sent_to(f, &f->one));
	first = strstr(sent, shown(&f->bob, false, "AVAILABLE", NULL));
	second = strstr(sent, shown(&f->eve, false, "AVAILABLE", NULL));
	assert_true(first && second && first < second);
	pl_mem_free(sent);
	set_status(f, &f->bob, PL_STATUS_BUSY, "");
	set_status(f, &f->eve, PL_STATUS_BUSY, "");
	settle_all(f);
	expect_event(&f->one, shown(&f->eve, false, "BUSY", NULL));
}

/* ---- bounds ---------------------------------------------------------------------------- */

static void
a_socket_has_few_that_are_not_answered(void **state)
{
	struct fixture *f = *state;
	const char *sent;

	for (int i = 0; i < WATCH_WAITING_MAX + 3; i++)
		say_watch(&f->one, &f->bob, 1);
	settle(f);
	sent = sent_to(f, &f->one);
	assert_int_equal(rig_count(sent, "TOO_MANY_REQUESTS"), 3);
	assert_int_equal(rig_count(sent, "ws<437"), WATCH_WAITING_MAX + 3);
}

static void
a_user_is_carried_out_some_at_once_and_then_a_few_a_second(void **state)
{
	struct fixture *f = *state;
	size_t ok = 0;

	for (int i = 0; i < 1000; i++) {
		struct client *client = i % 2 ? &f->one : &f->two;

		watch(client, &f->bob, 1);
		ok += rig_count(sent_to(f, client), "ws<437[[");
	}
	assert_int_equal(ok, WATCH_BURST);
	fake_loop_advance(f->rig.app.loop, 1000);
	ok = 0;
	for (int i = 0; i < 100; i++) {
		watch(&f->one, &f->bob, 1);
		ok += rig_count(sent_to(f, &f->one), "ws<437[[");
	}
	assert_int_equal(ok, WATCH_PER_SECOND);
}

static void
all_sockets_together_have_a_bound(void **state)
{
	struct fixture *f = *state;

	pl_settings.connections_max = 0;
	watch(&f->one, &f->bob, 1);
	expect_refusal(&f->one, "UNAVAILABLE");
	pl_settings.connections_max = 1;
	watch(&f->one, &f->bob, 1);
	expect_answer(&f->one, shown(&f->bob, false, "AVAILABLE", NULL), NULL);
	for (int i = 0; i < 10; i++) { /* what is replaced is given back */
		watch(&f->one, (struct pl_oid[]){f->bob, f->eve}, 2);
		assert_int_equal(f->watched.watch_count, 2);
	}
	(void)sent_to(f, &f->one);
}

static void
an_answer_that_the_queue_does_not_take_is_refused(void **state)
{
	struct fixture *f = *state;

	rig_set_note(&f->rig, &f->bob, PL_STATUS_BUSY, "till three");
	watch(&f->one, &f->eve, 1);
	(void)sent_to(f, &f->one);
	pl_settings.send_queue_bytes_max = 180; /* half of it takes Eve, and not Bob */
	watch(&f->one, &f->bob, 1);
	expect_refusal(&f->one, "TOO_LARGE");
	assert_int_equal(f->watched.watch_count, 1);
	set_status(f, &f->eve, PL_STATUS_BUSY, "");
	settle_all(f);
	expect_event(&f->one, shown(&f->eve, false, "BUSY", NULL));
}

#define WATCH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    WATCH_TEST(answers_what_is_true_in_the_order_of_the_ids),
	    WATCH_TEST(takes_ids_twice_and_in_upper_case_once),
	    WATCH_TEST(leaves_out_who_is_no_user_and_does_not_watch_them),
	    WATCH_TEST(the_empty_set_watches_nobody),
	    WATCH_TEST(refuses_what_is_no_set_and_keeps_the_one_before),
	    WATCH_TEST(takes_500_and_no_more),
	    WATCH_TEST(refuses_sockets_that_did_not_ask_to_watch),
	    WATCH_TEST(without_an_acknowledgement_it_watches_all_the_same),
	    WATCH_TEST(tells_each_change_once_to_those_who_watch_and_to_no_others),
	    WATCH_TEST(what_is_as_it_was_is_not_told),
	    WATCH_TEST(many_changes_are_told_by_rounds),
	    WATCH_TEST(waits_while_the_sockets_are_behind),
	    WATCH_TEST(a_change_while_the_set_is_read_is_not_lost),
	    WATCH_TEST(a_set_hears_nothing_before_its_answer_and_no_old_news_in_it),
	    WATCH_TEST(who_is_watched_already_is_not_read_again_until_some_user_changes),
	    WATCH_TEST(a_status_counts_as_of_the_tag_of_its_own_read),
	    WATCH_TEST(who_was_read_in_a_round_is_read_again),
	    WATCH_TEST(who_watches_already_hears_what_the_answer_to_another_found),
	    WATCH_TEST(after_a_gap_what_was_missed_is_told_and_nothing_else),
	    WATCH_TEST(tells_a_profile_to_those_who_watch_and_no_others),
	    WATCH_TEST(lists_and_status_changes_are_for_the_others),
	    WATCH_TEST(many_users_of_many_watchers_are_told_by_reads_and_turns),
	    WATCH_TEST(if_the_store_does_not_answer_the_set_stays_and_who_comes_is_told),
	    WATCH_TEST(a_socket_may_go_while_its_set_waits_or_is_read),
	    WATCH_TEST(answers_in_order_and_the_last_set_holds),
	    WATCH_TEST(a_socket_has_few_that_are_not_answered),
	    WATCH_TEST(a_user_is_carried_out_some_at_once_and_then_a_few_a_second),
	    WATCH_TEST(all_sockets_together_have_a_bound),
	    WATCH_TEST(an_answer_that_the_queue_does_not_take_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
