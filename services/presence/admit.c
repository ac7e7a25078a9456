#include "presence/admit.h"

#include <assert.h>

#include "base/mem.h"

_Static_assert(ADMIT_PATIENCE_MS > PL_BUS_NOTICE_MS,
    "who is let in without the bus gets what the tail reads from the store");

static int64_t
now_ms(const struct admission *a)
{
	return pl_loop_now_ms(a->admit->app->loop);
}

static struct admission *
of_socket(struct hub_socket *socket)
{
	return PL_CONTAINER(socket, struct admission, socket);
}

/* ---- states ---------------------------------------------------------------------------- */

static void
check(const struct admission *a)
{
	bool is_joined = a->state >= ADMIT_LISTENING && a->state <= ADMIT_IN;
	bool may_ask = a->state >= ADMIT_CHECKING && a->state <= ADMIT_READING;

	(void)is_joined, (void)may_ask;
	assert((a->socket.user != NULL) == is_joined);
	assert(!a->ask || may_ask);
	assert(a->ask || (a->state != ADMIT_PARTING && a->state != ADMIT_READING));
}

static void
forget_ask(struct admission *a)
{
	pl_mem_free(a->ask);
	a->ask = NULL;
}

/* Who was let in, and is not any more. */
static void
let_go(struct admission *a)
{
	if (a->is_held)
		held_drop(a->admit->held, a->socket.id);
	a->is_held = false;
}

/* The one place where the state changes. Nothing that the one before waited for comes any
 * more, but the answer to CHECKING. */
static void
enter(struct admission *a, enum admit_state state)
{
	pl_timer_stop(a->admit->app->loop, &a->patience);
	parting_cancel(&a->parting);
	recovery_cancel(&a->reading);
	online_list_unwait(&a->list);
	if (state < ADMIT_CHECKING || state > ADMIT_READING)
		forget_ask(a);
	if (state != ADMIT_BACK && state != ADMIT_IN)
		let_go(a);
	a->state = state;
	check(a);
}

/* ---- let in ---------------------------------------------------------------------------- */

/* Answer CONNECT with the socket's id; false if the session has ended. */
static bool
accept_socket(struct admission *a)
{
	char pid[RECOVERY_PID_MAX + 1];

	held_add(a->admit->held, a->socket.id);
	a->is_held = true;
	recovery_pid(&a->socket.user->id, a->socket.id, pid);
	return pl_sio_conn_accept(
	    &a->socket.client->conn, 0, a->socket.id, pid, now_ms(a));
}

static void
send_packet(struct admission *a, struct pl_ref *packet)
{
	(void)pl_sio_conn_send(&a->socket.client->conn, 0, packet, now_ms(a));
	pl_ref_drop(packet);
}

static void
send_first_list(struct admission *a)
{
	struct pl_message_pos pos;
	struct pl_ref *packet = online_list_first_packet(a->admit->online, &pos);

	held_id_new(a->socket.id);
	seen_start(&a->socket.seen, &pos);
	if (accept_socket(a))
		send_packet(a, pl_ref(packet));
	pl_ref_drop(packet);
}

/* An event whose one argument is where the socket can recover from: a stock client takes
 * the last argument of each event for that, if it is a string. */
static void
send_offset(struct admission *a)
{
	struct pl_message_pos pos;
	struct pl_ref *packet;
	struct pl_buf buf;

	held_id_new(a->socket.id);
	seen_floor_now(&pos);
	seen_start(&a->socket.seen, &pos);
	pl_buf_init(&buf, PL_BUF_UNLIMITED);
	(void)pl_buf_add_cstr(&buf, "2[\"offset\",\"");
	seen_write_offset(&a->socket.seen, &buf);
	(void)pl_buf_add_cstr(&buf, "\"]");
	packet = pl_eio_packet_encode(PL_EIO_MESSAGE, pl_buf_str(&buf));
	if (accept_socket(a))
		send_packet(a, pl_ref(packet));
	pl_ref_drop(packet);
	pl_buf_fini(&buf);
}

static void
on_list(void *arg)
{
	struct admission *a = arg;

	if (a->state == ADMIT_LISTING)
		send_first_list(a);
	else
		send_packet(a, online_list_packet(a->admit->online));
	enter(a, ADMIT_IN);
	pl_sio_client_touch(a->socket.client);
}

/* state: LISTING, or BACK. */
static void
await_list(struct admission *a, enum admit_state state)
{
	enter(a, state);
	online_list_await(a->admit->online, &a->list);
}

/* With new ids. Whoever watches gets no list, and so does not wait for one. */
static void
welcome(struct admission *a)
{
	if (a->socket.wants != HUB_WATCH) {
		await_list(a, ADMIT_LISTING);
		return;
	}
	send_offset(a);
	enter(a, ADMIT_IN);
	pl_sio_client_touch(a->socket.client);
}

/* ---- let in again ---------------------------------------------------------------------- */

static void
note_known(
    struct seen *seen, const struct seen_offset *has, const struct recovery_found *found)
{
	seen_start(seen, &has->floor);
	for (size_t i = 0; i < found->count; i++)
		if (found->places[i].is_known)
			(void)seen_add(seen, &found->places[i].pos);
}

/* The next one of the two lists, both in their order: a message before its change. */
static const struct pl_message *
take_next(
    const struct recovery_found *found, size_t *missed, size_t *changed, bool *is_change)
{
	const struct pl_message_list *m = &found->missed, *c = &found->changed;

	if (*missed == m->count || *changed == c->count)
		*is_change = *missed == m->count;
	else
		*is_change = pl_message_changed(&c->items[*changed]) <
			     m->items[*missed].created_unix_ms;
	return *is_change ? &c->items[(*changed)++] : &m->items[(*missed)++];
}

/* The packets of what was missed, as many as it gives; what socket has seen from now on. */
static unsigned
encode_missed(struct hub_socket *socket, const struct seen_offset *has,
    const struct recovery_found *found, struct pl_ref **packets)
{
	struct seen *seen = &socket->seen;
	size_t missed = 0, changed = 0;
	unsigned count = 0;

	note_known(seen, has, found);
	while (missed < found->missed.count || changed < found->changed.count) {
		bool is_change;
		const struct pl_message *m =
		    take_next(found, &missed, &changed, &is_change);
		struct pl_message_pos pos = {m->created_unix_ms, m->id};

		if (is_change)
			pos = pl_message_change_pos(&m->id, pl_message_changed(m));
		if (seen_add(seen, &pos))
			packets[count++] = is_change ? hub_change_packet(seen, m)
						     : hub_message_packet(seen, m);
	}
	return count;
}

static size_t
missed_bytes_max(void)
{
	return (size_t)pl_settings.send_queue_bytes_max / 2;
}

/* Only now: if the connection breaks before it is let in, its client comes once more. */
static void
forget_parting(const struct admission *a)
{
	char pid[RECOVERY_PID_MAX + 1];

	held_catch_up(a->admit->held);
	recovery_pid(&a->ask->user, a->ask->socket_id, pid);
	parting_forget(a->admit->app->redis, pl_str(pid));
}

/* Let in with the old ids, and all that was missed. No offset comes with the list, for
 * the client goes on from that of its last message. False, and nothing sent, if it is
 * more than a socket takes. */
static bool
welcome_back(struct admission *a, const struct recovery_found *found)
{
	struct pl_ref *packets[RECOVERY_MESSAGES_MAX];
	size_t bytes = 0, limit = missed_bytes_max();
	unsigned count = encode_missed(&a->socket, &a->ask->has, found, packets);

	for (unsigned i = 0; i < count; i++)
		bytes += packets[i]->len;
	if (bytes <= limit) {
		memcpy(a->socket.id, a->ask->socket_id, sizeof(a->socket.id));
		if (accept_socket(a))
			for (unsigned i = 0; i < count; i++)
				send_packet(a, pl_ref(packets[i]));
		forget_parting(a);
		if (a->socket.wants == HUB_WATCH)
			enter(a, ADMIT_IN);
		else
			await_list(a, ADMIT_BACK);
	}
	for (unsigned i = 0; i < count; i++)
		pl_ref_drop(packets[i]);
	return bytes <= limit;
}

/* found: NULL if it cannot be recovered. */
static void
on_found(void *arg, const struct recovery_found *found)
{
	struct admission *a = arg;
	bool is_back = found && welcome_back(a, found);

	if (!is_back)
		welcome(a);
	pl_metrics_count(PL_M_RECOVERIES, is_back ? "recovered" : "new", 1);
	pl_sio_client_touch(a->socket.client);
}

static void
on_parting(void *arg, int64_t ago_ms)
{
	struct admission *a = arg;

	if (!recovery_is_in_time(ago_ms)) {
		on_found(a, NULL);
		return;
	}
	enter(a, ADMIT_READING);
	recovery_read(a->admit->recovery, &a->reading, &a->socket, &a->ask->has,
	    missed_bytes_max());
}

/* From here on nothing that is published passes by. */
static void
go_on(struct admission *a)
{
	char pid[RECOVERY_PID_MAX + 1];

	if (!a->ask) {
		welcome(a);
		return;
	}
	enter(a, ADMIT_PARTING);
	held_catch_up(a->admit->held);
	recovery_pid(&a->ask->user, a->ask->socket_id, pid);
	parting_find(a->admit->app->redis, pl_str(pid), a->ask->socket_id, &a->parting);
}

static void
on_patience_over(struct pl_timer *t)
{
	go_on(t->arg);
}

void
admit_on_ready(struct hub_socket *socket)
{
	if (of_socket(socket)->state == ADMIT_LISTENING && hub_is_ready(socket))
		go_on(of_socket(socket));
}

/* ---- CONNECT --------------------------------------------------------------------------- */

static void
let_in(struct admission *a, const struct pl_jwt_claims *claims)
{
	if (a->ask && !pl_oid_eq(&a->ask->user, &claims->user))
		forget_ask(a);
	pl_sio_client_pays_as(a->socket.client, pl_str_n(claims->user.bytes, PL_OID_LEN));
	hub_join(a->admit->hub, &a->socket, claims);
	enter(a, ADMIT_LISTENING);
	if (hub_is_ready(&a->socket))
		go_on(a);
	else
		pl_timer_start(a->admit->app->loop, &a->patience, ADMIT_PATIENCE_MS);
}

static void
refuse(struct admission *a, enum pl_session_verdict verdict)
{
	static const char *const code[] = {
	    [PL_SESSION_NO_TOKEN] = "{\"code\":\"NO_TOKEN\"}",
	    [PL_SESSION_BAD_TOKEN] = "{\"code\":\"BAD_TOKEN\"}",
	    [PL_SESSION_EXPIRED] = "{\"code\":\"EXPIRED\"}",
	    [PL_SESSION_AMBIGUOUS] = "{\"code\":\"AMBIGUOUS_SESSION\"}",
	};
	struct pl_sio_conn *conn = &a->socket.client->conn;

	enter(a, ADMIT_OUT);
	/* If the store does not answer, the client should come again: no refusal, an end. */
	if (verdict == PL_SESSION_UNKNOWN)
		pl_sio_conn_close(conn, PL_EIO_SHUTDOWN, now_ms(a));
	else
		(void)pl_sio_conn_refuse(
		    conn, 0, "Unauthorized", pl_str(code[verdict]), now_ms(a));
}

static void
admission_free(struct admission *a)
{
	seen_fini(&a->socket.seen);
	pl_credentials_fini(&a->credentials);
	pl_mem_free(a);
}

static void
on_verdict(void *arg, enum pl_session_verdict verdict, const struct pl_jwt_claims *claims)
{
	struct admission *a = arg;

	if (a->state == ADMIT_ENDED) {
		admission_free(a);
		return;
	}
	if (verdict == PL_SESSION_OK) {
		if (a->credentials.count == 0 && a->admit->on_named != NULL)
			a->admit->on_named(a->admit, &claims->user);
		let_in(a, claims);
	} else {
		refuse(a, verdict);
	}
	pl_sio_client_touch(a->socket.client);
}

/* auth.token of CONNECT, also as a client writes it into Authorization. An empty one is
 * none, as a cookie that was cleared. */
static struct pl_str
token_said(const struct pl_json *auth)
{
	struct pl_str token = PL_STR_NONE;

	if (pl_json_str(pl_json_get(auth, "token"), &token))
		(void)!pl_bearer_token(token, &token);
	return token;
}

/* What auth.presence of CONNECT asks for. */
static enum hub_audience
audience_said(const struct pl_json *auth)
{
	struct pl_str presence;

	if (!pl_json_str(pl_json_get(auth, "presence"), &presence))
		return HUB_LIST;
	if (pl_str_eq(presence, PL_STR("delta")))
		return HUB_DELTA;
	return pl_str_eq(presence, PL_STR("watch")) ? HUB_WATCH : HUB_LIST;
}

static bool
wants_sent(const struct pl_json *auth)
{
	bool wants;

	return pl_json_bool(pl_json_get(auth, "messageSent"), &wants) && wants;
}

void
admit_connect(struct pl_sio_client *c, const struct pl_json *auth)
{
	struct admission *a = c->app_data;
	struct pl_sessions *sessions = a->admit->app->sessions;
	struct pl_str token = token_said(auth);

	if (a->admit->app->is_draining) {
		refuse(a, PL_SESSION_UNKNOWN);
		return;
	}
	a->socket.wants = audience_said(auth);
	a->socket.wants_sent = wants_sent(auth);
	enter(a, ADMIT_CHECKING);
	a->ask = recovery_asked(auth);
	if (token.len > 0)
		pl_sessions_check(sessions, token, on_verdict, a);
	else
		pl_sessions_choose(sessions, &a->credentials, on_verdict, a);
}

/* ---- the session ----------------------------------------------------------------------- */

void
admit_open(struct admit *admit, struct pl_sio_client *c,
    const struct pl_credentials *credentials)
{
	struct admission *a = pl_mem_zalloc(sizeof(*a));

	a->admit = admit;
	a->credentials = *credentials;
	a->socket.client = c;
	pl_list_init(&a->socket.link);
	a->patience = (struct pl_timer){.on_fire = on_patience_over, .arg = a};
	a->parting = (struct parting_ask){.on_answer = on_parting, .arg = a};
	a->reading = (struct recovery_call){.on_found = on_found, .arg = a};
	online_list_wait_init(&a->list, on_list, a);
	c->app_data = a;
}

/* A session belongs to whom its handshake named, or else to whom it let in: whoever else
 * learns its sid cannot use it. A request that names nobody proves by the sid alone,
 * which only the handshake's answer told, that it belongs to the session: some clients
 * send their cookie with the handshake and never again (python-socketio). A token that is
 * not good names nobody. */
bool
admit_may_use(const struct pl_sio_client *c, const struct pl_credentials *now)
{
	const struct admission *a = c->app_data;

	if (now->count == 0)
		return true;
	if (a->credentials.count > 0)
		return pl_credentials_meet(now, &a->credentials);
	return !a->socket.user || pl_credentials_name(now, &a->socket.user->id);
}

/* Whoever says goodbye begins anew, as with socket.io: its client asks for recovery even
 * then. An earlier connection of a client that is back here already is no news. */
static void
note_parting(const struct admission *a, bool is_for_good)
{
	char pid[RECOVERY_PID_MAX + 1];

	if (!a->is_held || (!is_for_good && held_is_shared(a->admit->held, a->socket.id)))
		return;
	recovery_pid(&a->socket.claims.user, a->socket.id, pid);
	parting_note(a->admit->app->redis, pl_str(pid), is_for_good);
}

void
admit_goodbye(struct pl_sio_client *c)
{
	struct admission *a = c->app_data;

	note_parting(a, true);
	hub_leave(&a->socket, false);
	enter(a, ADMIT_OUT);
}

void
admit_on_put_out(struct hub_socket *socket)
{
	note_parting(of_socket(socket), false);
	enter(of_socket(socket), ADMIT_PUT_OUT);
}

void
admit_end(struct pl_sio_client *c, enum pl_eio_reason reason)
{
	struct admission *a = c->app_data;
	bool is_checking = a->state == ADMIT_CHECKING;
	/* Whom a server that ends sends elsewhere is soon back. */
	bool just_broke = reason == PL_EIO_TRANSPORT_CLOSE ||
			  reason == PL_EIO_TRANSPORT_ERROR || reason == PL_EIO_SHUTDOWN;

	note_parting(a, false);
	hub_leave(&a->socket, just_broke);
	enter(a, ADMIT_ENDED);
	c->app_data = NULL;
	a->socket.client = NULL;
	if (!is_checking)
		admission_free(a);
}
