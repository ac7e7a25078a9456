#include "sockets/sio_server.h"

#include "base/mem.h"
#include "proto/eio_query.h"
#include "proto/ws_handshake.h"
#include "http/reply.h"
#include "sockets/sio_client.h"
#include "sockets/handover.h"
#include "sockets/sio_polling.h"
#include "sockets/websocket.h"

/* ---- clients ------------------------------------------------------------------------- */

void
pl_sio_client_pays_as(struct pl_sio_client *c, struct pl_str key)
{
	struct pl_payers *payers = &c->server->payers;
	int64_t now = pl_loop_now_ms(c->server->loop);
	struct pl_payer *before = c->payer;

	c->payer = pl_payers_join(payers, key, now);
	pl_payers_leave(payers, before, now);
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
		pl_sio_client_pump(PL_CONTAINER(link, struct pl_sio_client, dirty));
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
	pl_sio_client_pump(c);
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
	int64_t wait_ms = pl_sio_client_spend(c, bytes, cpu_us);

	if (!pl_eio_session_is_open(&c->conn.eio))
		pl_sio_client_pump(c);
	return wait_ms;
}

static void
ws_on_writable(void *arg)
{
	struct pl_sio_client *c = arg;

	pl_eio_session_ws_writable(&c->conn.eio);
	pl_sio_client_pump(c);
}

static void
ws_on_gone(void *arg)
{
	struct pl_sio_client *c = arg;

	c->ws = NULL;
	if (c->is_leaving) {
		pl_sio_client_drop(c, PL_EIO_SHUTDOWN, PL_WS_CODE_GOING_AWAY);
		return;
	}
	pl_eio_session_ws_gone(&c->conn.eio);
	pl_sio_client_pump(c);
}

static const struct pl_websocket_ops ws_ops = {
    .on_message = ws_on_message,
    .on_part = ws_on_part,
    .on_spent = ws_on_spent,
    .on_writable = ws_on_writable,
    .on_gone = ws_on_gone,
};

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
		c = pl_sio_client_new(s, rq, true);
	} else if (!pl_eio_session_ws_open(&c->conn.eio, pl_loop_now_ms(s->loop))) {
		turn_away(rq);
		return;
	}
	c->ws = ws = pl_websocket_take(
	    rq, &ws_ops, pl_eio_session_ws_message_max(&c->conn.eio), c);
	if (!ws)
		pl_eio_session_ws_gone(&c->conn.eio);
	pl_sio_client_pump(c);
	if (ws)
		pl_websocket_begin(ws);
}

/* ---- requests ------------------------------------------------------------------------ */

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
		pl_sio_poll_get(pl_sio_client_new(s, rq, false), rq);
}

static void
serve(struct pl_sio_server *s, struct pl_request *rq, const struct pl_eio_query *query)
{
	struct pl_sio_client *c = pl_map_get(&s->clients, pl_str(query->sid));

	if (!c) {
		pl_sio_reply_error(s, rq, PL_EIO_UNKNOWN_SID);
		return;
	}
	pl_sio_client_catch_up(c);
	if (!query->is_coherent ||
	    (!c->has_ended && s->config.may_use && !s->config.may_use(c, rq)))
		pl_sio_reply_error(s, rq, PL_EIO_BAD_REQUEST);
	else if (query->is_websocket)
		upgrade(s, c, rq);
	else if (pl_str_eq(rq->method, PL_STR("GET")))
		pl_sio_poll_get(c, rq);
	else if (pl_str_eq(rq->method, PL_STR("POST")))
		pl_sio_poll_post(c, rq);
	else
		pl_sio_reply_error(s, rq, PL_EIO_BAD_METHOD);
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
		pl_sio_reply_error(s, rq, error);
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
	pl_sio_client_drop(PL_CONTAINER(h, struct pl_sio_client, half_open),
	    PL_EIO_FORCED_CLOSE, PL_WS_CODE_POLICY);
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
		pl_sio_client_drop(c, PL_EIO_SHUTDOWN, PL_WS_CODE_GOING_AWAY);
	pl_handover_close();
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
