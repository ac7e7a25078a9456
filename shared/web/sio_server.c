#include "web/sio_server.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "ops/settings.h"
#include "proto/eio_query.h"
#include "proto/http_origin.h"
#include "proto/ws_conn.h"
#include "proto/ws_handshake.h"
#include "web/reply.h"
#include "web/socket.h"

struct pl_sio_server {
	struct pl_loop *loop;
	struct pl_sio_server_config config;
	struct pl_map clients;  /* sid -> struct pl_sio_client */
	struct pl_list dirty;   /* clients with something to let out */
	struct pl_list sockets; /* every struct pl_sio_ws */
	struct pl_task flush;
	bool flush_is_posted;
};

/* A WebSocket: attached to its client, or (client NULL) in its closing handshake. */
struct pl_sio_ws {
	struct pl_list link;
	struct pl_ws_conn ws;
	struct pl_socket *socket;
	struct pl_sio_client *client;
	struct pl_sio_server *server;
	struct pl_timer close_timer;
};

static void pump(struct pl_sio_client *c);

/* ---- letting out ------------------------------------------------------------------- */

static void
flush_dirty(struct pl_task *task)
{
	struct pl_sio_server *s = PL_CONTAINER(task, struct pl_sio_server, flush);

	s->flush_is_posted = false;
	for (unsigned n = 0; n < PL_SIO_FLUSH_MAX; n++) {
		struct pl_list *link = pl_list_pop(&s->dirty);

		if (!link)
			return;
		pump(PL_CONTAINER(link, struct pl_sio_client, dirty));
	}
	s->flush_is_posted = true;
	pl_loop_post(s->loop, &s->flush);
}

void
pl_sio_client_touch(struct pl_sio_client *c)
{
	struct pl_sio_server *s = c->server;

	if (pl_list_is_empty(&c->dirty))
		pl_list_push(&s->dirty, &c->dirty);
	if (!s->flush_is_posted) {
		s->flush_is_posted = true;
		pl_loop_post(s->loop, &s->flush);
	}
}

static void
client_free(struct pl_sio_client *c)
{
	pl_map_del(&c->server->clients, pl_str(c->conn.eio.sid));
	pl_list_unlink(&c->dirty);
	pl_timer_stop(c->server->loop, &c->timer);
	pl_sio_conn_fini(&c->conn);
	pl_mem_free(c);
}

static void
on_timer(struct pl_timer *t)
{
	struct pl_sio_client *c = t->arg;

	pl_sio_conn_tick(&c->conn, pl_loop_now_ms(c->server->loop));
	pump(c);
}

static void
arm_timer(struct pl_sio_client *c)
{
	struct pl_loop *loop = c->server->loop;
	int64_t due = pl_sio_conn_deadline(&c->conn);

	if (due == PL_EIO_NEVER)
		pl_timer_stop(loop, &c->timer);
	else if (!pl_timer_is_started(&c->timer) || c->timer.due_mono_ms != due)
		pl_timer_start(loop, &c->timer, due - pl_loop_now_ms(loop));
}

static void
cors_headers(struct pl_sio_server *s, struct pl_request *rq)
{
	/* Listed origins get theirs from web/dispatch, as on every route. */
	if (s->config.allows_any_origin)
		pl_reply_header(rq, "access-control-allow-origin", "*");
}

static void
answer_poll(struct pl_sio_client *c, struct pl_str body)
{
	struct pl_request *rq = c->poll;

	c->poll = NULL;
	rq->on_gone = NULL;
	cors_headers(c->server, rq);
	pl_reply_bytes(rq, 200, "text/plain; charset=UTF-8", body);
}

/* The WebSocket leaves its session and says goodbye by itself. */
static void
ws_end(struct pl_sio_ws *w, uint16_t code)
{
	w->client->ws = NULL;
	w->client = NULL;
	pl_ws_conn_close(&w->ws, code, PL_STR_NONE);
	pl_timer_start(w->server->loop, &w->close_timer, PL_SIO_WS_CLOSE_WAIT_MS);
}

static void
ws_write(struct pl_sio_client *c, const struct pl_eio_out *out)
{
	struct pl_sio_ws *w = c->ws;

	pl_ws_conn_send(
	    &w->ws, out->is_binary ? PL_WS_BINARY : PL_WS_TEXT, pl_ref_str(out->message));
	pl_ref_drop(out->message);
	if (pl_socket_queued(w->socket) > 0)
		pl_eio_session_ws_blocked(&c->conn.eio);
}

/* Do what the session asks for, until it waits or is gone. */
static void
pump(struct pl_sio_client *c)
{
	struct pl_eio_out out = {0};
	bool is_alive = true;

	pl_buf_init(&out.body, PL_BUF_UNLIMITED); /* the queue's ceiling bounds it */
	for (bool is_busy = true; is_busy;) {
		switch (pl_sio_conn_next(&c->conn, &out)) {
		case PL_EIO_WS_SEND:
			ws_write(c, &out);
			break;
		case PL_EIO_WS_CLOSE:
			ws_end(c->ws, out.ws_code);
			break;
		case PL_EIO_POLL_ANSWER:
			answer_poll(c, pl_buf_str(&out.body));
			break;
		case PL_EIO_ENDED:
			c->server->config.on_end(c, out.reason);
			break;
		case PL_EIO_FREE:
			is_busy = is_alive = false;
			break;
		case PL_EIO_WAIT:
			is_busy = false;
			break;
		}
	}
	pl_buf_fini(&out.body);
	if (is_alive)
		arm_timer(c);
	else
		client_free(c);
}

/* ---- WebSocket -----------------------------------------------------------------------
 */

static void
ws_send(void *owner, struct pl_str head, struct pl_str payload)
{
	struct pl_sio_ws *w = owner;

	/* A broken connection shows in on_closed. */
	(void)pl_socket_send(w->socket, head, payload);
}

static void
ws_gone(struct pl_sio_ws *w)
{
	struct pl_sio_client *c = w->client;

	if (!c)
		return;
	w->client = NULL;
	c->ws = NULL;
	pl_eio_session_ws_gone(&c->conn.eio);
	pump(c);
}

static void
ws_on_event(struct pl_sio_ws *w, const struct pl_ws_event *ev, int64_t now)
{
	switch (ev->kind) {
	case PL_WS_EV_TEXT:
	case PL_WS_EV_BINARY:
		if (!w->client)
			return;
		if (ev->kind == PL_WS_EV_TEXT)
			pl_eio_session_ws_text(&w->client->conn.eio, ev->data, now);
		else
			pl_eio_session_ws_binary(&w->client->conn.eio, ev->data, now);
		pump(w->client);
		return;
	case PL_WS_EV_PING:
	case PL_WS_EV_PONG:
		return;
	case PL_WS_EV_CLOSE:
	case PL_WS_EV_FAULT:
		ws_gone(w);
		pl_socket_finish(w->socket);
		return;
	}
}

static void
ws_on_data(void *arg, char *data, size_t len)
{
	struct pl_sio_ws *w = arg;
	struct pl_ws_input in = {(uint8_t *)data, len};
	struct pl_ws_event ev;
	int64_t now = pl_loop_now_ms(w->server->loop);

	while (pl_ws_conn_next(&w->ws, &in, now, &ev))
		ws_on_event(w, &ev, now);
}

static void
ws_on_writable(void *arg)
{
	struct pl_sio_ws *w = arg;

	if (!w->client)
		return;
	pl_eio_session_ws_writable(&w->client->conn.eio);
	pump(w->client);
}

static void
ws_on_closed(void *arg)
{
	struct pl_sio_ws *w = arg;

	ws_gone(w);
	pl_timer_stop(w->server->loop, &w->close_timer);
	pl_list_unlink(&w->link);
	pl_ws_conn_fini(&w->ws);
	pl_mem_free(w);
}

static void
ws_on_close_timer(struct pl_timer *t)
{
	struct pl_sio_ws *w = t->arg;

	pl_socket_close(w->socket);
}

static const struct pl_socket_ops ws_socket_ops = {
    .on_data = ws_on_data,
    .on_writable = ws_on_writable,
    .on_closed = ws_on_closed,
};

static struct pl_ws_conf ws_conf = {
    .role = PL_WS_SERVER,
    .fragments_limit = PL_WS_FRAGMENTS_LIMIT,
    .controls_per_s = PL_WS_CONTROLS_PER_S,
    .send = ws_send,
};

/* Take the connection and send the 101; NULL where the client has gone meanwhile. */
static struct pl_sio_ws *
ws_new(struct pl_sio_server *s, struct pl_request *rq, const struct pl_ws_request *hs)
{
	struct pl_sio_ws *w = pl_mem_zalloc(sizeof(*w));
	struct pl_buf answer;

	w->server = s;
	w->close_timer.on_fire = ws_on_close_timer;
	w->close_timer.arg = w;
	ws_conf.message_limit_bytes = s->config.settings->eio.max_payload_bytes;
	pl_ws_conn_init(&w->ws, &ws_conf, w);
	pl_buf_init(&answer, 512);
	if (pl_ws_handshake_answer(&answer, PL_WS_HS_ACCEPTED, hs) == PL_OK)
		w->socket = pl_socket_take(rq, &ws_socket_ops, w);
	else
		pl_reply_problem(rq, PL_PROBLEM_INTERNAL);
	if (!w->socket) {
		pl_mem_free(w);
		w = NULL;
	} else {
		pl_list_push(&s->sockets, &w->link);
		(void)pl_socket_send(w->socket, pl_buf_str(&answer), PL_STR_NONE);
	}
	pl_buf_fini(&answer);
	return w;
}

/* ---- HTTP ----------------------------------------------------------------------------
 */

static void
reply_eio_error(struct pl_sio_server *s, struct pl_request *rq, enum pl_eio_error error)
{
	cors_headers(s, rq);
	pl_reply_bytes(rq, pl_eio_error_status(error), "application/json",
	    pl_str(pl_eio_error_body(error)));
}

static struct pl_sio_client *
client_new(struct pl_sio_server *s, struct pl_request *rq, bool is_websocket)
{
	struct pl_sio_client *c = pl_mem_zalloc(sizeof(*c));
	char sid[PL_EIO_SID_MAX + 1];

	c->server = s;
	c->timer.on_fire = on_timer;
	c->timer.arg = c;
	pl_list_init(&c->dirty);
	pl_eio_sid_new(s->config.sid_prefix, sid);
	pl_sio_conn_init(&c->conn, s->config.settings, s->config.app, sid, is_websocket,
	    pl_loop_now_ms(s->loop));
	(void)pl_map_put(&s->clients, pl_str(c->conn.eio.sid), c);
	if (s->config.on_open)
		s->config.on_open(c, rq);
	return c;
}

static void
poll_gone(struct pl_request *rq)
{
	struct pl_sio_client *c = rq->arg;

	c->poll = NULL;
	pl_reply_json(rq, 200, PL_STR_NONE); /* to nobody: ends the request */
	pl_eio_session_poll_gone(&c->conn.eio);
	pump(c);
}

static void
poll_get(struct pl_sio_client *c, struct pl_request *rq)
{
	switch (pl_eio_session_poll(&c->conn.eio)) {
	case PL_OK:
		c->poll = rq;
		rq->arg = c;
		rq->on_gone = poll_gone;
		break;
	case PL_E_CONFLICT:
		cors_headers(c->server, rq);
		pl_reply_bytes(rq, 400, "text/plain", PL_STR_NONE);
		break;
	default:
		reply_eio_error(c->server, rq, PL_EIO_BAD_REQUEST);
		break;
	}
	pump(c);
}

static void
poll_post(struct pl_sio_client *c, struct pl_request *rq)
{
	struct pl_eio_session *eio = &c->conn.eio;
	bool is_octets = pl_str_starts(
	    pl_request_header(rq, "content-type"), PL_STR("application/octet-stream"));
	enum pl_err err = pl_eio_session_post_begin(eio);

	if (err == PL_E_DENIED) {
		reply_eio_error(c->server, rq, PL_EIO_BAD_REQUEST);
		pump(c);
		return;
	}
	if (err == PL_OK)
		err = pl_eio_session_post(
		    eio, rq->body, is_octets, pl_loop_now_ms(c->server->loop));
	cors_headers(c->server, rq);
	if (err == PL_OK)
		pl_reply_bytes(rq, 200, "text/html", PL_STR("ok"));
	else if (err == PL_E_TOO_BIG)
		pl_reply_problem(rq, PL_PROBLEM_TOO_BIG);
	else
		pl_reply_bytes(rq, 400, "text/plain", PL_STR_NONE);
	pump(c);
}

static void
upgrade(struct pl_sio_server *s, struct pl_sio_client *c, struct pl_request *rq,
    const struct pl_ws_request *hs)
{
	struct pl_sio_ws *w;

	if (!c) {
		c = client_new(s, rq, true);
	} else if (!pl_eio_session_ws_open(&c->conn.eio, pl_loop_now_ms(s->loop))) {
		reply_eio_error(s, rq, PL_EIO_BAD_REQUEST);
		return;
	}
	w = ws_new(s, rq, hs);
	c->ws = w;
	if (w)
		w->client = c;
	else
		pl_eio_session_ws_gone(&c->conn.eio);
	pump(c);
}

static void
refuse_handshake(struct pl_request *rq, enum pl_ws_handshake verdict)
{
	if (pl_ws_handshake_status(verdict) == 426) {
		pl_reply_header(rq, "sec-websocket-version", "13");
		pl_reply_header(rq, "upgrade", "websocket");
	}
	pl_reply_bytes(rq, (int)pl_ws_handshake_status(verdict), "text/plain",
	    pl_str(pl_ws_handshake_text(verdict)));
}

static void
serve(struct pl_sio_server *s, struct pl_request *rq, const struct pl_ws_request *hs,
    const struct pl_eio_query *query)
{
	struct pl_sio_client *c = NULL;

	if (query->sid[0]) {
		c = pl_map_get(&s->clients, pl_str(query->sid));
		if (!c || !pl_eio_session_is_open(&c->conn.eio)) {
			reply_eio_error(s, rq, PL_EIO_UNKNOWN_SID);
			return;
		}
		if (s->config.may_use && !s->config.may_use(c, rq)) {
			reply_eio_error(s, rq, PL_EIO_BAD_REQUEST);
			return;
		}
	} else if (s->clients.count >= s->config.clients_max) {
		pl_reply_problem(rq, PL_PROBLEM_BUSY);
		return;
	}
	if (query->is_websocket)
		upgrade(s, c, rq, hs);
	else if (pl_str_eq(rq->method, PL_STR("GET")))
		poll_get(c ? c : client_new(s, rq, false), rq);
	else
		poll_post(c, rq);
}

void
pl_sio_server_handle(struct pl_sio_server *s, struct pl_request *rq)
{
	struct pl_ws_request hs = {
	    .method = rq->method,
	    .http_major = 1, /* kore answers HTTP/1.0 without keeping the connection, and
				the gateway speaks 1.1 */
	    .http_minor = 1,
	    .host = pl_request_header(rq, "host"),
	    .upgrade = pl_request_header(rq, "upgrade"),
	    .connection = pl_request_header(rq, "connection"),
	    .key = pl_request_header(rq, "sec-websocket-key"),
	    .version = pl_request_header(rq, "sec-websocket-version"),
	};
	enum pl_ws_handshake verdict = pl_ws_handshake_check(&hs);
	struct pl_eio_query query;
	enum pl_eio_error error = pl_eio_query_parse(rq->query,
	    pl_str_eq(rq->method, PL_STR("GET")), verdict == PL_WS_HS_ACCEPTED, &query);

	if (hs.upgrade.len > 0 && verdict != PL_WS_HS_ACCEPTED)
		refuse_handshake(rq, verdict);
	else if (error != PL_EIO_NO_ERROR)
		reply_eio_error(s, rq, error);
	else
		serve(s, rq, &hs, &query);
}

/* ---- the server ----------------------------------------------------------------------
 */

struct pl_sio_server *
pl_sio_server_new(struct pl_loop *loop, const struct pl_sio_server_config *config)
{
	struct pl_sio_server *s = pl_mem_zalloc(sizeof(*s));

	s->loop = loop;
	s->config = *config;
	pl_map_init(&s->clients);
	pl_list_init(&s->dirty);
	pl_list_init(&s->sockets);
	s->flush.run = flush_dirty;
	return s;
}

void
pl_sio_server_free(struct pl_sio_server *s)
{
	struct pl_sio_client *c;

	for (size_t it = 0; s && (c = pl_map_next(&s->clients, &it));) {
		s->config.on_end(c, PL_EIO_SHUTDOWN);
		if (c->poll)
			answer_poll(c, PL_STR("6"));
		if (c->ws)
			c->ws->client = NULL;
		client_free(c);
	}
	if (!s)
		return;
	pl_list_for_each_safe(link, &s->sockets)
	{
		pl_socket_close(PL_CONTAINER(link, struct pl_sio_ws, link)->socket);
	}
	pl_map_fini(&s->clients);
	/* The sockets and the flush still point here; the process ends with the worker.
	 */
}

size_t
pl_sio_server_count(const struct pl_sio_server *s)
{
	return s->clients.count;
}

struct pl_sio_client *
pl_sio_server_next(const struct pl_sio_server *s, size_t *it)
{
	return pl_map_next(&s->clients, it);
}
