#include <stdio.h>

#include "presence/sockets.h"

#include "base/log.h"
#include "base/mem.h"
#include "presence/client_event.h"
#include "session/sessions.h"

/* For the bus to listen. */
#define PATIENCE_MS 1500
_Static_assert(PATIENCE_MS > PL_BUS_NOTICE_MS,
    "who is let in without the bus gets what the tail reads from the store");
/* For a client to fetch the word that its session ends; one that polls no more never does. */
#define GOODBYE_MS 500

/* A session of the server: its hub_socket, and what is needed to let it in. */
struct member {
	struct hub_socket socket;
	struct sockets *sockets;
	struct pl_credentials
	    credentials;          /* of the handshake request, for each CONNECT */
	struct recovery_ask *ask; /* of CONNECT, until it is answered; NULL for none */
	struct pl_timer patience; /* with the bus */
	struct parting_ask parting;
	bool is_waiting;   /* sessions or recovery will call back */
	bool has_ended;    /* meanwhile: the call-back frees it */
	bool said_goodbye; /* by DISCONNECT: no grace */
};

static int64_t
now_ms(const struct sockets *s)
{
	return pl_loop_now_ms(s->app->loop);
}

static void
member_free(struct member *m)
{
	parting_cancel(&m->parting);
	seen_fini(&m->socket.seen);
	pl_mem_free(m->ask);
	pl_credentials_fini(&m->credentials);
	pl_mem_free(m);
}

static void
on_open(struct pl_sio_client *c, struct pl_request *rq)
{
	struct member *m = pl_mem_zalloc(sizeof(*m));

	m->sockets = c->app_data;
	m->socket.client = c;
	pl_list_init(&m->socket.link);
	pl_list_init(&m->socket.list_link);
	c->app_data = m;
	pl_request_credentials(rq, &m->credentials);
}

/* A session belongs to whom its handshake named, or else to whom it let in: whoever else
 * learns its sid cannot use it. A request that names nobody proves by the sid alone, which only the
 * handshake's answer told, that it belongs to the session: some clients send their cookie with
 * the handshake and never again (python-socketio). A token that is not good names nobody. */
static bool
may_use(struct pl_sio_client *c, struct pl_request *rq)
{
	struct member *m = c->app_data;
	struct pl_credentials now;
	bool may;

	pl_request_credentials(rq, &now);
	if (now.count == 0)
		may = true;
	else if (m->credentials.count > 0)
		may = pl_credentials_meet(&now, &m->credentials);
	else
		may = !m->socket.user || pl_credentials_name(&now, &m->socket.user->id);
	pl_credentials_fini(&now);
	return may;
}

/* Whoever says goodbye begins anew, as with socket.io: its client asks for recovery even then. */
static void
note_parting(const struct member *m, bool is_for_good)
{
	char pid[RECOVERY_PID_MAX + 1];

	if (!m->socket.user || m->socket.id[0] == '\0')
		return;
	recovery_pid(&m->socket.user->id, m->socket.id, pid);
	parting_note(m->sockets->app->redis, pl_str(pid), is_for_good);
}

static void
on_end(struct pl_sio_client *c, enum pl_eio_reason reason)
{
	struct member *m = c->app_data;
	/* Whom a server that ends sends elsewhere is soon back. */
	bool just_broke = reason == PL_EIO_TRANSPORT_CLOSE ||
			  reason == PL_EIO_TRANSPORT_ERROR || reason == PL_EIO_SHUTDOWN;

	pl_metrics_count(PL_M_SOCKETS_ENDED, pl_eio_reason_name(reason), 1);
	note_parting(m, false);
	pl_timer_stop(m->sockets->app->loop, &m->patience);
	typing_end_socket(m->sockets->typing, &m->socket);
	hub_leave(&m->socket, just_broke && !m->said_goodbye);
	c->app_data = NULL;
	m->socket.client = NULL;
	m->has_ended = true;
	if (!m->is_waiting)
		member_free(m);
}

/* ---- CONNECT ----------------------------------------------------------------------- */

/* accept with the socket's id; false where the session has ended. */
static bool
accept_socket(struct member *m, int64_t now)
{
	char pid[RECOVERY_PID_MAX + 1];

	recovery_pid(&m->socket.user->id, m->socket.id, pid);
	return pl_sio_conn_accept(&m->socket.client->conn, 0, m->socket.id, pid, now);
}

static void
send_packet(struct member *m, struct pl_ref *packet, int64_t now)
{
	(void)pl_sio_conn_send(&m->socket.client->conn, 0, packet, now);
	pl_ref_drop(packet);
}

static void
on_first_list(struct hub_socket *socket)
{
	struct member *m = PL_CONTAINER(socket, struct member, socket);
	int64_t now = now_ms(m->sockets);
	struct pl_message_pos pos;
	struct pl_ref *packet = online_list_first_packet(m->sockets->online, &pos);

	pl_eio_sid_new("", socket->id);
	seen_start(&socket->seen, &pos);
	if (accept_socket(m, now))
		send_packet(m, pl_ref(packet), now);
	pl_ref_drop(packet);
	pl_sio_client_touch(socket->client);
}

/* Not before the list is there, and with it an offset: who is connected can recover. */
static void
welcome(struct member *m)
{
	m->socket.on_list = on_first_list;
	online_list_await(m->sockets->online, &m->socket);
}

static void
on_list_again(struct hub_socket *socket)
{
	struct member *m = PL_CONTAINER(socket, struct member, socket);

	send_packet(m, online_list_packet(m->sockets->online), now_ms(m->sockets));
	pl_sio_client_touch(socket->client);
}

/* The packets of what was missed, as many as it gives; what socket has seen from now on. */
static unsigned
encode_missed(struct hub_socket *socket, const struct seen_offset *has,
    const struct pl_message_list *found, struct pl_ref **packets)
{
	unsigned count = 0;

	seen_start(&socket->seen, &has->floor);
	for (int is_missed = 0; is_missed <= 1; is_missed++)
		for (size_t i = 0; i < found->count; i++) {
			const struct pl_message *msg = &found->items[i];

			if (seen_offset_has(has, &msg->id) == is_missed ||
			    !seen_add(&socket->seen,
				&(struct pl_message_pos){msg->created_unix_ms, msg->id}))
				continue;
			if (is_missed)
				packets[count++] = hub_message_packet(&socket->seen, msg);
		}
	return count;
}

/* As welcome(), and all that was missed; no offset with the list, for the client goes on from
 * that of its last message. False, and nothing done, where it is more than a socket takes. */
static bool
welcome_back(struct member *m, const struct pl_message_list *found, int64_t now)
{
	struct pl_ref *packets[RECOVERY_MESSAGES_MAX];
	size_t bytes = 0, limit = (size_t)pl_settings.send_queue_bytes_max / 2;
	unsigned count = encode_missed(&m->socket, &m->ask->has, found, packets);

	for (unsigned i = 0; i < count; i++)
		bytes += packets[i]->len;
	memcpy(m->socket.id, m->ask->socket_id, sizeof(m->socket.id));
	if (bytes <= limit && accept_socket(m, now)) {
		for (unsigned i = 0; i < count; i++)
			send_packet(m, pl_ref(packets[i]), now);
		m->socket.on_list = on_list_again;
		online_list_await(m->sockets->online, &m->socket);
	}
	for (unsigned i = 0; i < count; i++)
		pl_ref_drop(packets[i]);
	return bytes <= limit;
}

static void
forget_ask(struct member *m)
{
	pl_mem_free(m->ask);
	m->ask = NULL;
}

static void
on_found(void *arg, const struct pl_message_list *found)
{
	struct member *m = arg;
	int64_t now = now_ms(m->sockets);
	bool is_back;

	m->is_waiting = false;
	if (m->has_ended) {
		member_free(m);
		return;
	}
	/* Who was put out meanwhile has no user, and is closing. */
	if (m->socket.user) {
		is_back = found && welcome_back(m, found, now);
		if (!is_back)
			welcome(m);
		pl_metrics_count(PL_M_RECOVERIES, is_back ? "recovered" : "new", 1);
	}
	forget_ask(m);
	pl_sio_client_touch(m->socket.client);
}

static void
on_parting(void *arg, int64_t ago_ms)
{
	struct member *m = arg;

	if (m->socket.user && recovery_is_in_time(ago_ms)) {
		m->is_waiting = true;
		recovery_read(m->sockets->recovery, &m->socket, m->ask, on_found, m);
	} else {
		on_found(m, NULL);
	}
}

/* From here on nothing that is published passes by. */
static void
go_on(struct hub_socket *socket)
{
	struct member *m = PL_CONTAINER(socket, struct member, socket);
	char pid[RECOVERY_PID_MAX + 1];

	socket->on_ready = NULL;
	pl_timer_stop(m->sockets->app->loop, &m->patience);
	if (!socket->user)
		return; /* put out meanwhile, and closing */
	if (m->ask) {
		m->parting.on_answer = on_parting;
		m->parting.arg = m;
		recovery_pid(&m->ask->user, m->ask->socket_id, pid);
		parting_take(m->sockets->app->redis, pl_str(pid), &m->parting);
	} else {
		welcome(m);
	}
}

static void
on_patience_over(struct pl_timer *t)
{
	struct member *m = t->arg;

	go_on(&m->socket);
}

/* The first socket of a user waits until the bus listens for him: who is told that he is
 * connected must not miss what is sent right then. */
static void
let_in(struct member *m, const struct pl_jwt_claims *claims)
{
	m->said_goodbye = false;
	if (m->ask && !pl_oid_eq(&m->ask->user, &claims->user))
		forget_ask(m);
	hub_join(m->sockets->hub, &m->socket, claims);
	if (hub_is_ready(&m->socket)) {
		go_on(&m->socket);
		return;
	}
	m->socket.on_ready = go_on;
	m->patience.on_fire = on_patience_over;
	m->patience.arg = m;
	pl_timer_start(m->sockets->app->loop, &m->patience, PATIENCE_MS);
}

static void
refuse(struct member *m, enum pl_session_verdict verdict, int64_t now)
{
	static const char *const code[] = {
	    [PL_SESSION_NO_TOKEN] = "{\"code\":\"NO_TOKEN\"}",
	    [PL_SESSION_BAD_TOKEN] = "{\"code\":\"BAD_TOKEN\"}",
	    [PL_SESSION_EXPIRED] = "{\"code\":\"EXPIRED\"}",
	    [PL_SESSION_AMBIGUOUS] = "{\"code\":\"AMBIGUOUS_SESSION\"}",
	};

	/* Where the store does not answer, the client should come again: no refusal, an end. */
	if (verdict == PL_SESSION_UNKNOWN)
		pl_sio_conn_close(&m->socket.client->conn, PL_EIO_SHUTDOWN, now);
	else
		(void)pl_sio_conn_refuse(&m->socket.client->conn, 0, "Unauthorized",
		    pl_str(code[verdict]), now);
}

static void
on_verdict(void *arg, enum pl_session_verdict verdict, const struct pl_jwt_claims *claims)
{
	struct member *m = arg;
	int64_t now = now_ms(m->sockets);

	m->is_waiting = false;
	if (m->has_ended) {
		member_free(m);
		return;
	}
	if (verdict == PL_SESSION_OK)
		let_in(m, claims);
	else
		refuse(m, verdict, now);
	pl_sio_client_touch(m->socket.client);
}

/* auth.token of CONNECT, also as a client writes it into Authorization. An empty one is none, as a
 * cookie that was cleared. */
static struct pl_str
token_said(const struct pl_json *auth)
{
	struct pl_str token = PL_STR_NONE;

	if (pl_json_str(pl_json_get(auth, "token"), &token))
		(void)!pl_bearer_token(token, &token);
	return token;
}

static void
on_connect(struct pl_sio_conn *conn, unsigned ns, const struct pl_json *auth, int64_t now)
{
	struct member *m = pl_sio_client_of(conn)->app_data;
	struct pl_str token = token_said(auth), presence;

	(void)ns;
	pl_mem_free(m->ask);
	m->ask = recovery_asked(auth);
	m->socket.is_delta = pl_json_str(pl_json_get(auth, "presence"), &presence) &&
			     pl_str_eq(presence, PL_STR("delta"));
	if (m->sockets->app->is_draining) {
		refuse(m, PL_SESSION_UNKNOWN, now);
		return;
	}
	m->is_waiting = true;
	if (token.len > 0)
		pl_sessions_check(m->sockets->app->sessions, token, on_verdict, m);
	else
		pl_sessions_choose(
		    m->sockets->app->sessions, &m->credentials, on_verdict, m);
}

/* ---- what clients send ------------------------------------------------------------- */

static void
on_event(struct pl_sio_conn *conn, const struct pl_sio_event *event, int64_t now)
{
	struct member *m = pl_sio_client_of(conn)->app_data;

	client_event(m->sockets->typing, &m->socket, event, now);
}

static void
on_disconnect(struct pl_sio_conn *conn, unsigned ns, int64_t now)
{
	struct member *m = pl_sio_client_of(conn)->app_data;

	(void)ns;
	(void)now;
	m->said_goodbye = true;
	note_parting(m, true);
	typing_end_socket(m->sockets->typing, &m->socket);
	hub_leave(&m->socket, false);
}

static const struct pl_sio_app app = {
    .on_connect = on_connect,
    .on_event = on_event,
    .on_disconnect = on_disconnect,
};

/* ---- life -------------------------------------------------------------------------- */

static void
on_revoked(void *arg, const struct pl_revocation *r)
{
	struct sockets *s = arg;

	hub_end_revoked(s->hub, r);
}

/* Not with a close packet behind messages in one answer to a poll: socket.io-client handles the
 * close first, asks for recovery from before them, and shows them twice. */
static bool
may_end(const struct pl_sio_client *c)
{
	return pl_eio_session_is_open(&c->conn.eio) &&
	       (c->ws || pl_eio_session_unsent(&c->conn.eio) == 0);
}

/* End a share of the sockets each 100 ms, so that their clients do not all come to the other
 * instances in one moment. */
static void
on_drain_step(struct pl_timer *t)
{
	struct sockets *s = PL_CONTAINER(t, struct sockets, drain);
	size_t left_steps = (size_t)(intptr_t)t->arg;
	size_t share = (pl_sio_server_count(s->server) + left_steps - 1) / left_steps;
	struct pl_sio_client *c;

	for (size_t it = 0; share > 0 && (c = pl_sio_server_next(s->server, &it));) {
		if (!may_end(c))
			continue;
		pl_sio_conn_close(&c->conn, PL_EIO_SHUTDOWN, now_ms(s));
		pl_sio_client_touch(c);
		share--;
	}
	if (left_steps > 1)
		t->arg = (void *)(intptr_t)(left_steps - 1);
	else if (!pl_timer_is_started(&s->patience))
		pl_timer_start(s->app->loop, &s->patience, GOODBYE_MS);
	pl_timer_start(s->app->loop, t, 100);
}

static void
on_patience_with_all_over(struct pl_timer *t)
{
	PL_CONTAINER(t, struct sockets, patience)->is_patience_over = true;
}

void
sockets_drain(struct sockets *s)
{
	s->patience.on_fire = on_patience_with_all_over;
	pl_sio_server_turn_away(s->server);
	s->drain.on_fire = on_drain_step;
	s->drain.arg = (void *)(intptr_t)(pl_settings.drain_s * 10 + 1);
	pl_timer_start(s->app->loop, &s->drain, 0);
}

bool
sockets_are_drained(const struct sockets *s)
{
	return s->is_patience_over || pl_sio_server_count(s->server) == 0;
}

bool
sockets_are_behind(const struct sockets *s)
{
	return pl_sio_server_is_behind(s->server);
}

/* Session ids begin with this process' name, by which the gateway finds it. */
void
sockets_set_name(struct sockets *s, const char *name)
{
	snprintf(s->sid_prefix, sizeof(s->sid_prefix), "%s.", name);
}

static void
collect(void *arg)
{
	const struct sockets *s = arg;

	pl_metrics_set(PL_M_SOCKETS, NULL, (int64_t)pl_sio_server_count(s->server));
	pl_metrics_set(
	    PL_M_HANDSHAKES_WAITING, NULL, (int64_t)pl_sio_server_waiting(s->server));
	pl_metrics_set(PL_M_USERS_HERE, NULL, (int64_t)hub_user_count(s->hub));
}

void
sockets_start(struct sockets *s)
{
	struct pl_sio_server_config config = {
	    .settings = &s->settings,
	    .app = &app,
	    .sid_prefix = s->sid_prefix,
	    /* An eighth of the connections is left for requests: who comes too late is
	     * told so, and does not wait in vain for his connection to be taken. */
	    .app_data = s,
	    .clients_max = (size_t)(pl_settings.connections_max * 7 / 8),
	    .handshakes_per_second = pl_settings.limit_handshakes_per_second,
	    .on_open = on_open,
	    .may_use = may_use,
	    .on_end = on_end,
	};

	sockets_set_name(s, pl_announcement_name(s->app->announcement));
	s->settings = (struct pl_sio_settings)PL_SIO_SETTINGS_DEFAULT;
	s->settings.eio.ping_interval_ms = pl_settings.ping_interval_ms;
	s->settings.eio.ping_timeout_ms = pl_settings.ping_timeout_ms;
	s->settings.eio.max_payload_bytes = (size_t)pl_settings.packet_bytes_max;
	s->settings.eio.queue_max_bytes = (size_t)pl_settings.send_queue_bytes_max;
	s->server = pl_sio_server_new(s->app->loop, &config);
	pl_sessions_on_revoked(s->app->sessions, on_revoked, s);
	s->metrics = (struct pl_metrics_source){.collect = collect, .arg = s};
	pl_metrics_add_source(&s->metrics);
}

void
sockets_stop(struct sockets *s)
{
	pl_metrics_remove_source(&s->metrics);
	pl_timer_stop(s->app->loop, &s->drain);
	pl_timer_stop(s->app->loop, &s->patience);
	pl_sio_server_free(s->server);
}

void
sockets_handle(struct sockets *s, struct pl_request *rq)
{
	pl_sio_server_handle(s->server, rq);
}
