#include "presence/sockets.h"

#include <stdio.h>

/* For a client to fetch the word that its session ends; one that polls no more never
 * does. */
#define GOODBYE_MS 500
/* All sockets of a user together may cost so many times what one may. */
#define USER_BUDGET_TIMES 2
/* Sessions of one user that begin with users; more do with strangers. */
#define BEGINNINGS_PER_SECOND 2
#define BEGINNINGS_TIMES      2 /* of SOCKETS_PER_USER_MAX, at once */
#define BEGINNINGS_USERS_MAX  100000

static int64_t
now_ms(const struct sockets *s)
{
	return pl_loop_now_ms(s->app->loop);
}

/* ---- sessions of the server -------------------------------------------------------------- */

static struct admission *
admission_of(const struct pl_sio_client *c)
{
	return c->app_data;
}

static const struct client_events *
events_of(const struct pl_sio_client *c)
{
	return &PL_CONTAINER(admission_of(c)->admit, struct sockets, admit)->events;
}

static void
on_open(struct pl_sio_client *c, struct pl_request *rq)
{
	struct sockets *s = c->app_data;
	struct pl_credentials credentials;

	pl_request_credentials(rq, &credentials);
	admit_open(&s->admit, c, &credentials);
}

/* A user begins as many as they may have, twice as many when all come back at once. */
static bool
is_one_of_few(struct sockets *s, const struct pl_oid *user)
{
	return pl_bucket_table_take(s->beginnings, pl_oid_str(user), now_ms(s)) == 0;
}

static enum pl_handshake_from
whose(void *app_data, struct pl_request *rq)
{
	struct sockets *s = app_data;
	enum pl_handshake_from from = PL_HANDSHAKE_OF_STRANGER;
	struct pl_credentials brought;

	pl_request_credentials(rq, &brought);
	if (brought.count > 0)
		from = is_one_of_few(s, &brought.items[0].claims.user)
			   ? PL_HANDSHAKE_OF_USER
			   : PL_HANDSHAKE_OF_CROWD;
	pl_credentials_fini(&brought);
	return from;
}

/* A handshake without a token had one in CONNECT. */
static void
on_named(struct admit *admit, const struct pl_oid *user)
{
	struct sockets *s = PL_CONTAINER(admit, struct sockets, admit);

	if (is_one_of_few(s, user))
		pl_sio_server_vouch(s->server);
}

static bool
may_use(struct pl_sio_client *c, struct pl_request *rq)
{
	struct pl_credentials now;
	bool may;

	pl_request_credentials(rq, &now);
	may = admit_may_use(c, &now);
	pl_credentials_fini(&now);
	return may;
}

static void
on_end(struct pl_sio_client *c, enum pl_eio_reason reason)
{
	pl_metrics_count(PL_M_SOCKETS_ENDED, pl_eio_reason_name(reason), 1);
	client_event_end(events_of(c), &admission_of(c)->socket);
	admit_end(c, reason);
}

static void
on_connect(struct pl_sio_conn *conn, unsigned ns, const struct pl_json *auth, int64_t now)
{
	(void)ns, (void)now;
	admit_connect(pl_sio_client_of(conn), auth);
}

static void
on_event(struct pl_sio_conn *conn, const struct pl_sio_event *event, int64_t now)
{
	const struct pl_sio_client *c = pl_sio_client_of(conn);

	(void)now;
	client_event(events_of(c), &admission_of(c)->socket, event);
}

static void
on_disconnect(struct pl_sio_conn *conn, unsigned ns, int64_t now)
{
	struct pl_sio_client *c = pl_sio_client_of(conn);

	(void)ns, (void)now;
	client_event_end(events_of(c), &admission_of(c)->socket);
	admit_goodbye(c);
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

/* Not with a close packet after messages in one answer to a poll: socket.io-client
 * handles the close first, asks for recovery from before them, and shows them twice. */
static bool
may_end(const struct pl_sio_client *c, bool is_last_step)
{
	/* What it sends gets its answer first, as a request does. */
	return pl_eio_session_is_open(&c->conn.eio) &&
	       (is_last_step || admission_of(c)->socket.sends == NULL) &&
	       (c->ws || pl_eio_session_unsent(&c->conn.eio) == 0);
}

/* End a share of the sockets each 100 ms, so that their clients do not all come to the
 * other processes in one moment. */
static void
on_drain_step(struct pl_timer *t)
{
	struct sockets *s = PL_CONTAINER(t, struct sockets, drain);
	size_t left_steps = (size_t)(intptr_t)t->arg;
	size_t share = (pl_sio_server_count(s->server) + left_steps - 1) / left_steps;
	struct pl_sio_client *c;

	for (size_t it = 0; share > 0 && (c = pl_sio_server_next(s->server, &it));) {
		if (!may_end(c, left_steps == 1))
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

/* At once each is worth some of the longest packets, whatever their length is set to. */
static struct pl_budget_rule
socket_budget(int64_t times)
{
	int64_t bytes = pl_settings.limit_socket_bytes_per_second;
	int64_t cpu_us = pl_settings.limit_socket_cpu_ms * 1000;
	int64_t packet = pl_settings.packet_bytes_max;

	return (struct pl_budget_rule){
	    .bytes = {times * bytes, times * 4 * (bytes > packet ? bytes : packet)},
	    .cpu_us = {times * cpu_us, times * (20 * cpu_us + packet / 20)},
	};
}

void
sockets_start(struct sockets *s)
{
	struct pl_sio_server_config config = {
	    .settings = &s->settings,
	    .app = &app,
	    .sid_prefix = s->sid_prefix,
	    /* An eighth of the connections is left for requests: who comes too late is
	     * told so, and does not wait in vain for the connection to be taken. */
	    .app_data = s,
	    .clients_max = (size_t)(pl_settings.connections_max * 7 / 8),
	    .handshakes = {pl_settings.limit_handshakes_per_second,
		pl_settings.limit_strangers_per_second},
	    .whose = whose,
	    .stranger_budget = PL_SIO_STRANGER_BUDGET,
	    .budget = socket_budget(1),
	    .payer_budget = socket_budget(USER_BUDGET_TIMES),
	    .on_open = on_open,
	    .may_use = may_use,
	    .on_end = on_end,
	};

	s->beginnings =
	    pl_bucket_table_new(pl_bucket_rule(BEGINNINGS_PER_SECOND, 1000,
				    BEGINNINGS_TIMES * pl_settings.sockets_per_user_max),
		BEGINNINGS_USERS_MAX);
	s->admit.on_named = on_named;
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
	pl_bucket_table_free(s->beginnings);
}

void
sockets_handle(struct sockets *s, struct pl_request *rq)
{
	pl_sio_server_handle(s->server, rq);
}
