#include "sockets/sio_server.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "proto/eio_query.h"
#include "proto/ws_handshake.h"
#include "sockets/handshakes.h"
#include "http/reply.h"
#include "sockets/websocket.h"

struct pl_sio_server {
	struct pl_loop *loop;
	struct pl_sio_server_config config;
	struct pl_map clients; /* sid -> struct pl_sio_client */
	struct pl_handshakes handshakes;
	struct pl_list dirty; /* clients with something to send */
	struct pl_task flush;
	bool flush_is_posted;
	bool is_behind; /* not all of dirty fitted into the last turn */
	struct pl_half_open_table half_open;
	struct pl_payers payers;
};

static void pump(struct pl_sio_client *c);
static void drop_post(struct pl_sio_client *c);

/* ---- the two layers ------------------------------------------------------------------ */

static bool
is_bare(const struct pl_sio_client *c)
{
	return c->server->config.eio_events != NULL;
}

static void
session_init(struct pl_sio_client *c, const char *sid, bool is_websocket, int64_t now)
{
	const struct pl_sio_server_config *config = &c->server->config;

	if (is_bare(c))
		pl_eio_session_init(&c->conn.eio, &config->settings->eio,
		    config->eio_events, sid, is_websocket, now);
	else
		pl_sio_conn_init(
		    &c->conn, config->settings, config->app, sid, is_websocket, now);
}

static void
session_fini(struct pl_sio_client *c)
{
	if (is_bare(c))
		pl_eio_session_fini(&c->conn.eio);
	else
		pl_sio_conn_fini(&c->conn);
}

static void
session_tick(struct pl_sio_client *c, int64_t now)
{
	if (is_bare(c))
		pl_eio_session_tick(&c->conn.eio, now);
	else
		pl_sio_conn_tick(&c->conn, now);
}

static int64_t
session_deadline(const struct pl_sio_client *c)
{
	return is_bare(c) ? pl_eio_session_deadline(&c->conn.eio)
			  : pl_sio_conn_deadline(&c->conn);
}

static enum pl_eio_action
session_next(struct pl_sio_client *c, struct pl_eio_out *out)
{
	return is_bare(c) ? pl_eio_session_next(&c->conn.eio, out)
			  : pl_sio_conn_next(&c->conn, out);
}

/* ---- budgets ------------------------------------------------------------------------- */

static const struct pl_budget_rule *
budget_rule(const struct pl_sio_client *c)
{
	const struct pl_sio_server_config *config = &c->server->config;

	return is_bare(c) || pl_sio_conn_is_connected(&c->conn)
		   ? &config->budget
		   : &config->stranger_budget;
}

/* How long it has to wait for its own debt and its user's. */
static int64_t
debt_ms(const struct pl_sio_client *c, int64_t now)
{
	int64_t own_ms = pl_budget_wait_ms(&c->budget, budget_rule(c), now), all_ms = 0;

	if (c->payer)
		all_ms = pl_budget_wait_ms(
		    &c->payer->budget, &c->server->config.payer_budget, now);
	return own_ms > all_ms ? own_ms : all_ms;
}

void
pl_sio_client_pays_as(struct pl_sio_client *c, struct pl_str key)
{
	struct pl_payers *payers = &c->server->payers;
	int64_t now = pl_loop_now_ms(c->server->loop);
	struct pl_payer *before = c->payer;

	c->payer = pl_payers_join(payers, key, now);
	pl_payers_leave(payers, before, now);
}

/* It has cost so much: how long it has to wait. Somebody pumps it after this. */
static int64_t
spend(struct pl_sio_client *c, size_t bytes, int64_t cpu_us)
{
	const struct pl_budget_rule *rule = budget_rule(c);
	const struct pl_budget_rule *all = &c->server->config.payer_budget;
	int64_t now = pl_loop_now_ms(c->server->loop);

	pl_budget_spend(&c->budget, rule, (int64_t)bytes, cpu_us, now);
	if (c->payer)
		pl_budget_spend(&c->payer->budget, all, (int64_t)bytes, cpu_us, now);
	if (pl_budget_is_used_up(&c->budget, rule, now) ||
	    (c->payer && pl_budget_is_used_up(&c->payer->budget, all, now)))
		pl_eio_session_close(&c->conn.eio, PL_EIO_OVER_BUDGET, now);
	return debt_ms(c, now);
}

/* ---- letting out --------------------------------------------------------------------- */

static void
flush_dirty(struct pl_task *task)
{
	struct pl_sio_server *s = PL_CONTAINER(task, struct pl_sio_server, flush);

	s->is_behind = false;
	/* "is_posted" holds until the end: who is touched by a callback of this only joins
	 * the list. */
	for (unsigned n = 0; n < PL_SIO_FLUSH_MAX; n++) {
		struct pl_list *link = pl_list_pop(&s->dirty);

		if (!link)
			break;
		pump(PL_CONTAINER(link, struct pl_sio_client, dirty));
	}
	s->flush_is_posted = s->is_behind = !pl_list_is_empty(&s->dirty);
	if (s->flush_is_posted)
		pl_loop_post(s->loop, &s->flush);
}

bool
pl_sio_server_is_behind(const struct pl_sio_server *s)
{
	return s->is_behind;
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
on_timer(struct pl_timer *t)
{
	struct pl_sio_client *c = t->arg;

	session_tick(c, pl_loop_now_ms(c->server->loop));
	pump(c);
}

static void
arm_timer(struct pl_sio_client *c)
{
	struct pl_loop *loop = c->server->loop;
	int64_t due = session_deadline(c);

	if (due == PL_EIO_NEVER)
		pl_timer_stop(loop, &c->timer);
	else if (!pl_timer_is_started(&c->timer) || c->timer.due_mono_ms != due)
		pl_timer_start(loop, &c->timer, due - pl_loop_now_ms(loop));
}

static void
cors_headers(struct pl_sio_server *s, struct pl_request *rq)
{
	/* Listed origins get their headers from http/dispatch, as on every route. */
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

/* What pump() has for the WebSocket, and writes at once. */
struct batch {
	struct pl_websocket_message messages[PL_WEBSOCKET_SEND_MAX];
	size_t count;
};

static void
ws_flush(struct pl_sio_client *c, struct batch *b)
{
	if (b->count == 0)
		return;
	if (!pl_websocket_send(c->ws, b->messages, b->count))
		pl_eio_session_ws_blocked(&c->conn.eio, pl_loop_now_ms(c->server->loop));
	while (b->count > 0)
		pl_ref_drop(b->messages[--b->count].data);
}

/* The last message that is queued goes out before the session is asked again, which must
 * know by then whether it was taken. */
static void
ws_write(struct pl_sio_client *c, struct batch *b, const struct pl_eio_out *out)
{
	b->messages[b->count++] =
	    (struct pl_websocket_message){out->message, out->is_binary};
	if (b->count == PL_WEBSOCKET_SEND_MAX || pl_eio_session_unsent(&c->conn.eio) == 0)
		ws_flush(c, b);
}

static void
ws_close(struct pl_sio_client *c, uint16_t code)
{
	pl_websocket_close(c->ws, code);
	c->ws = NULL;
}

/* The session is over. Its client is heard out only if the process ends. */
static void
ws_end(struct pl_sio_client *c, uint16_t code)
{
	if (code != PL_WS_CODE_GOING_AWAY || is_bare(c) || c->has_ended ||
	    !c->conn.eio.on_websocket) {
		ws_close(c, code);
		return;
	}
	c->is_leaving = true;
	pl_websocket_close_heard_out(c->ws, code);
}

static void
tell_end(struct pl_sio_client *c, enum pl_eio_reason reason)
{
	if (c->has_ended)
		return;
	c->has_ended = true;
	if (c->server->config.on_end)
		c->server->config.on_end(c, reason);
}

/* ---- clients ------------------------------------------------------------------------- */

static struct pl_sio_client *
client_new(struct pl_sio_server *s, struct pl_request *rq, bool is_websocket)
{
	struct pl_sio_client *c = pl_mem_zalloc(sizeof(*c));
	char sid[PL_EIO_SID_MAX + 1];

	c->server = s;
	c->app_data = s->config.app_data;
	c->timer.on_fire = on_timer;
	c->timer.arg = c;
	pl_list_init(&c->dirty);
	pl_eio_sid_new(s->config.sid_prefix, sid);
	session_init(c, sid, is_websocket, pl_loop_now_ms(s->loop));
	(void)pl_map_put(&s->clients, pl_str(c->conn.eio.sid), c);
	if (!is_bare(c))
		pl_half_open_enter(
		    &s->half_open, &c->half_open, pl_request_client_address(rq));
	if (s->config.on_open)
		s->config.on_open(c, rq);
	return c;
}

static void
client_free(struct pl_sio_client *c)
{
	pl_map_del(&c->server->clients, pl_str(c->conn.eio.sid));
	pl_half_open_leave(&c->server->half_open, &c->half_open);
	pl_list_unlink(&c->dirty);
	pl_timer_stop(c->server->loop, &c->timer);
	drop_post(c);
	pl_payers_leave(&c->server->payers, c->payer, pl_loop_now_ms(c->server->loop));
	session_fini(c);
	pl_mem_free(c);
}

/* End it at once, whatever state it is in. */
static void
client_drop(struct pl_sio_client *c, enum pl_eio_reason reason, uint16_t code)
{
	tell_end(c, reason);
	if (c->poll)
		answer_poll(c, PL_STR("1"));
	if (c->ws)
		ws_close(c, code);
	client_free(c);
}

/* Do what the session asks for, until it waits or is gone; in the latter case c is gone,
 * too. */
static void
pump(struct pl_sio_client *c)
{
	struct pl_eio_out out = {0};
	struct batch batch = {.count = 0};
	bool is_alive = true;

	pl_buf_init(&out.body, PL_BUF_UNLIMITED); /* the queue's ceiling bounds it */
	for (bool is_busy = true; is_busy;) {
		enum pl_eio_action action = session_next(c, &out);

		if (action != PL_EIO_WS_SEND)
			ws_flush(c, &batch);
		switch (action) {
		case PL_EIO_WS_SEND:
			ws_write(c, &batch, &out);
			break;
		case PL_EIO_WS_CLOSE:
			ws_end(c, out.ws_code);
			break;
		case PL_EIO_POLL_ANSWER:
			answer_poll(c, pl_buf_str(&out.body));
			break;
		case PL_EIO_ENDED:
			if (!c->is_leaving)
				tell_end(c, out.reason);
			break;
		case PL_EIO_FREE:
			is_busy = false;
			is_alive = c->is_leaving;
			break;
		case PL_EIO_WAIT:
			is_busy = false;
			break;
		}
	}
	pl_buf_fini(&out.body);
	if (!is_alive) {
		client_free(c);
		return;
	}
	if (c->half_open.address && pl_sio_conn_is_connected(&c->conn)) {
		pl_half_open_leave(&c->server->half_open, &c->half_open);
		c->budget = (struct pl_budget){0};
	}
	if (c->ws)
		pl_websocket_limit(c->ws, pl_eio_session_ws_message_max(&c->conn.eio));
	arm_timer(c);
}

/* ---- WebSocket ----------------------------------------------------------------------- */

static void
ws_on_message(void *arg, struct pl_str data, bool is_binary, int64_t now)
{
	struct pl_sio_client *c = arg;

	if (c->is_leaving) {
		if (!is_binary)
			pl_sio_conn_hear_out(&c->conn, data, now);
		return;
	}
	if (is_binary)
		pl_eio_session_ws_binary(&c->conn.eio, data, now);
	else
		pl_eio_session_ws_text(&c->conn.eio, data, now);
	pump(c);
}

static void
ws_on_part(void *arg)
{
	struct pl_sio_client *c = arg;

	pl_half_open_count(&c->server->half_open, &c->half_open);
}

static int64_t
ws_on_spent(void *arg, size_t bytes, int64_t cpu_us)
{
	struct pl_sio_client *c = arg;
	int64_t wait_ms = spend(c, bytes, cpu_us);

	if (!pl_eio_session_is_open(&c->conn.eio))
		pump(c);
	return wait_ms;
}

static void
ws_on_writable(void *arg)
{
	struct pl_sio_client *c = arg;

	pl_eio_session_ws_writable(&c->conn.eio);
	pump(c);
}

static void
ws_on_gone(void *arg)
{
	struct pl_sio_client *c = arg;

	c->ws = NULL;
	if (c->is_leaving) {
		tell_end(c, PL_EIO_SHUTDOWN);
		client_free(c);
		return;
	}
	pl_eio_session_ws_gone(&c->conn.eio);
	pump(c);
}

static const struct pl_websocket_ops ws_ops = {
    .on_message = ws_on_message,
    .on_part = ws_on_part,
    .on_spent = ws_on_spent,
    .on_writable = ws_on_writable,
    .on_gone = ws_on_gone,
};

/* ---- HTTP ---------------------------------------------------------------------------- */

static void
reply_eio_error(struct pl_sio_server *s, struct pl_request *rq, enum pl_eio_error error)
{
	cors_headers(s, rq);
	pl_reply_bytes(rq, pl_eio_error_status(error), "application/json",
	    pl_str(pl_eio_error_body(error)));
}

/* Answer a request that its session has refused. */
static void
refuse(struct pl_sio_client *c, struct pl_request *rq, enum pl_err err)
{
	switch (err) {
	case PL_E_NOT_FOUND:
		reply_eio_error(c->server, rq, PL_EIO_UNKNOWN_SID);
		break;
	case PL_E_DENIED:
		reply_eio_error(c->server, rq, PL_EIO_BAD_REQUEST);
		break;
	case PL_E_TOO_BIG:
		cors_headers(c->server, rq);
		pl_reply_problem(rq, PL_PROBLEM_TOO_BIG);
		break;
	default:
		cors_headers(c->server, rq);
		pl_reply_bytes(rq, 400, "text/plain", PL_STR_NONE);
		break;
	}
}

static void
poll_gone(struct pl_request *rq)
{
	struct pl_sio_client *c = rq->arg;

	answer_poll(c, PL_STR_NONE); /* to nobody: ends the request */
	pl_eio_session_poll_gone(&c->conn.eio);
	pump(c);
}

/* ---- POST ---- */

/* A client that closes sends "1" while a GET of it waits, and often both at once, on two
 * connections: the POST may come first. So the POST waits for a moment, and the GET gets
 * the end of the session instead of an unknown session. */
#define GOODBYE_MS 20

/* One that has begun, and is taken later: a goodbye, or one of a client in debt. */
struct pl_sio_post {
	struct pl_timer timer;
	struct pl_sio_client *client;
	struct pl_request *rq;
	bool is_goodbye;
};

/* Take one that has begun. */
static void
take_post(struct pl_sio_client *c, struct pl_request *rq)
{
	bool is_octets = pl_str_starts(
	    pl_request_header(rq, "content-type"), PL_STR("application/octet-stream"));
	int64_t begun_cpu_us = pl_clock_thread_us();
	size_t max = pl_eio_session_payload_max(&c->conn.eio);
	size_t bytes =
	    rq->body.len < max ? rq->body.len : max; /* more is not looked at */
	enum pl_err err = pl_eio_session_post(
	    &c->conn.eio, rq->body, is_octets, pl_loop_now_ms(c->server->loop));

	if (err == PL_OK) {
		cors_headers(c->server, rq);
		pl_reply_bytes(rq, 200, "text/html", PL_STR("ok"));
	} else {
		refuse(c, rq, err);
	}
	(void)spend(c, bytes, pl_clock_thread_us() - begun_cpu_us);
}

/* What was put off is put off no longer. */
static struct pl_request *
post_free(struct pl_sio_client *c)
{
	struct pl_sio_post *p = c->post;
	struct pl_request *rq = p->rq;

	c->post = NULL;
	pl_timer_stop(c->server->loop, &p->timer);
	rq->on_gone = NULL;
	pl_mem_free(p);
	return rq;
}

static void
say_goodbye(struct pl_sio_client *c)
{
	if (c->post && c->post->is_goodbye)
		take_post(c, post_free(c));
}

/* Its session is over, or it is itself: nothing of it is taken. */
static void
drop_post(struct pl_sio_client *c)
{
	if (c->post)
		refuse(c, post_free(c), PL_E_NOT_FOUND);
}

static void
on_post_timer(struct pl_timer *t)
{
	struct pl_sio_client *c = ((struct pl_sio_post *)t->arg)->client;

	take_post(c, post_free(c));
	pump(c);
}

static void
post_gone(struct pl_request *rq)
{
	struct pl_sio_client *c = rq->arg;

	say_goodbye(c);
	if (c->post)
		pl_eio_session_post_gone(&c->conn.eio);
	drop_post(c); /* to nobody: ends the request */
	pump(c);
}

static void
put_off(struct pl_sio_client *c, struct pl_request *rq, bool is_goodbye, int64_t wait_ms)
{
	struct pl_sio_post *p = pl_mem_zalloc(sizeof(*p));

	p->client = c;
	p->rq = rq;
	p->is_goodbye = is_goodbye;
	p->timer.on_fire = on_post_timer;
	p->timer.arg = p;
	c->post = p;
	rq->arg = c;
	rq->on_gone = post_gone;
	pl_timer_start(c->server->loop, &p->timer, wait_ms);
}

static void
poll_get(struct pl_sio_client *c, struct pl_request *rq)
{
	enum pl_err err = pl_eio_session_poll(&c->conn.eio);

	if (err == PL_OK) {
		c->poll = rq;
		rq->arg = c;
		rq->on_gone = poll_gone;
	} else {
		refuse(c, rq, err);
	}
	say_goodbye(c);
	pump(c);
}

static void
poll_post(struct pl_sio_client *c, struct pl_request *rq)
{
	int64_t wait_ms = debt_ms(c, pl_loop_now_ms(c->server->loop));
	enum pl_err err;

	say_goodbye(c);
	err = pl_eio_session_post_begin(&c->conn.eio);
	if (err != PL_OK)
		refuse(c, rq, err);
	else if (!c->poll && !c->ws && pl_str_eq(rq->body, PL_STR("1")))
		put_off(c, rq, true, GOODBYE_MS);
	else if (wait_ms > 0 && rq->body.len <= pl_eio_session_payload_max(&c->conn.eio))
		put_off(c, rq, false, wait_ms);
	else
		take_post(c, rq);
	pump(c);
}

/* A WebSocket for a session that has one, or is over. The reference lets it in and closes
 * it, and for some clients a WebSocket that is refused is an error. */
static void
turn_away(struct pl_request *rq)
{
	static const struct pl_websocket_ops deaf;
	struct pl_websocket *ws =
	    pl_websocket_take(rq, &deaf, PL_EIO_PROBE_BYTES_MAX, NULL);

	if (!ws)
		return;
	pl_websocket_close(ws, PL_WS_CODE_POLICY);
	pl_websocket_begin(ws);
}

static void
upgrade(struct pl_sio_server *s, struct pl_sio_client *c, struct pl_request *rq)
{
	struct pl_websocket *ws;

	if (!c) {
		c = client_new(s, rq, true);
	} else if (!pl_eio_session_ws_open(&c->conn.eio, pl_loop_now_ms(s->loop))) {
		turn_away(rq);
		return;
	}
	c->ws = ws = pl_websocket_take(
	    rq, &ws_ops, pl_eio_session_ws_message_max(&c->conn.eio), c);
	if (!ws)
		pl_eio_session_ws_gone(&c->conn.eio);
	pump(c);
	if (ws)
		pl_websocket_begin(ws);
}

/* A handshake has its turn. */
static void
begin_session(void *arg, struct pl_request *rq, bool is_websocket)
{
	struct pl_sio_server *s = arg;

	if (s->clients.count >= s->config.clients_max)
		pl_reply_retry(rq, PL_PROBLEM_BUSY, PL_HANDSHAKES_AGAIN_MS);
	else if (is_websocket)
		upgrade(s, NULL, rq);
	else
		poll_get(client_new(s, rq, false), rq);
}

static void
serve(struct pl_sio_server *s, struct pl_request *rq, const struct pl_eio_query *query)
{
	struct pl_sio_client *c = pl_map_get(&s->clients, pl_str(query->sid));

	if (!c) {
		reply_eio_error(s, rq, PL_EIO_UNKNOWN_SID);
		return;
	}
	/* A timer is a little late; no request slips in between. */
	session_tick(c, pl_loop_now_ms(s->loop));
	if (!query->is_coherent ||
	    (!c->has_ended && s->config.may_use && !s->config.may_use(c, rq)))
		reply_eio_error(s, rq, PL_EIO_BAD_REQUEST);
	else if (query->is_websocket)
		upgrade(s, c, rq);
	else if (pl_str_eq(rq->method, PL_STR("GET")))
		poll_get(c, rq);
	else if (pl_str_eq(rq->method, PL_STR("POST")))
		poll_post(c, rq);
	else
		reply_eio_error(s, rq, PL_EIO_BAD_METHOD);
}

void
pl_sio_server_handle(struct pl_sio_server *s, struct pl_request *rq)
{
	bool wants_websocket = pl_websocket_is_wanted(rq);
	enum pl_ws_handshake verdict = pl_websocket_judge(rq);
	struct pl_eio_query query;
	enum pl_eio_error error = pl_eio_query_parse(rq->query,
	    pl_str_eq(rq->method, PL_STR("GET")), verdict == PL_WS_HS_ACCEPTED, &query);

	if (wants_websocket && verdict != PL_WS_HS_ACCEPTED)
		pl_websocket_refuse(rq, verdict);
	else if (error != PL_EIO_NO_ERROR)
		reply_eio_error(s, rq, error);
	else if (query.sid[0] == '\0')
		pl_handshakes_take(&s->handshakes, rq, query.is_websocket,
		    s->config.whose ? s->config.whose(s->config.app_data, rq)
				    : PL_HANDSHAKE_OF_USER);
	else
		serve(s, rq, &query);
}

static void
on_too_many(struct pl_half_open *h)
{
	client_drop(PL_CONTAINER(h, struct pl_sio_client, half_open), PL_EIO_FORCED_CLOSE,
	    PL_WS_CODE_POLICY);
}

/* ---- the server ---------------------------------------------------------------------- */

struct pl_sio_server *
pl_sio_server_new(struct pl_loop *loop, const struct pl_sio_server_config *config)
{
	struct pl_sio_server *s = pl_mem_zalloc(sizeof(*s));

	s->loop = loop;
	s->config = *config;
	pl_map_init(&s->clients);
	pl_list_init(&s->dirty);
	pl_list_init(&s->flush.link);
	s->flush.run = flush_dirty;
	pl_handshakes_init(&s->handshakes, loop, config->handshakes, begin_session, s);
	pl_half_open_table_init(&s->half_open, loop, on_too_many);
	pl_payers_init(&s->payers);
	return s;
}

void
pl_sio_server_turn_away(struct pl_sio_server *s)
{
	pl_handshakes_turn_away(&s->handshakes);
}

void
pl_sio_server_free(struct pl_sio_server *s)
{
	struct pl_sio_client *c;

	if (!s)
		return;
	pl_handshakes_fini(&s->handshakes);
	for (size_t it = 0; (c = pl_map_next(&s->clients, &it));)
		client_drop(c, PL_EIO_SHUTDOWN, PL_WS_CODE_GOING_AWAY);
	pl_loop_unpost(s->loop, &s->flush);
	pl_half_open_table_fini(&s->half_open);
	pl_payers_fini(&s->payers);
	pl_map_fini(&s->clients);
	pl_mem_free(s);
}

size_t
pl_sio_server_waiting(const struct pl_sio_server *s)
{
	return pl_handshakes_waiting(&s->handshakes);
}

void
pl_sio_server_vouch(struct pl_sio_server *s)
{
	pl_handshakes_vouch(&s->handshakes);
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
