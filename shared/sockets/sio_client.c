#include "sockets/sio_client.h"

#include "base/mem.h"
#include "sockets/websocket.h"
#include "http/reply.h"

#define TOGETHER_SHARE   256
#define TOGETHER_MOST_MS 128

_Static_assert(2 * TOGETHER_MOST_MS < PL_SIO_LATE_MS,
    "a timer that waits for others is not one of a process that stood still");

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

int64_t
pl_sio_client_debt_ms(const struct pl_sio_client *c, int64_t now)
{
	int64_t own_ms = pl_budget_wait_ms(&c->budget, budget_rule(c), now), all_ms = 0;

	if (c->payer)
		all_ms = pl_budget_wait_ms(
		    &c->payer->budget, &c->server->config.payer_budget, now);
	return own_ms > all_ms ? own_ms : all_ms;
}

int64_t
pl_sio_client_spend(struct pl_sio_client *c, size_t bytes, int64_t cpu_us)
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
	return pl_sio_client_debt_ms(c, now);
}

/* ---- answers ------------------------------------------------------------------------- */

void
pl_sio_cors(struct pl_sio_server *s, struct pl_request *rq)
{
	/* Listed origins get their headers from http/dispatch, as on every route. */
	if (s->config.allows_any_origin)
		pl_reply_header(rq, "access-control-allow-origin", "*");
}

void
pl_sio_reply_error(
    struct pl_sio_server *s, struct pl_request *rq, enum pl_eio_error error)
{
	pl_sio_cors(s, rq);
	pl_reply_bytes(rq, pl_eio_error_status(error), "application/json",
	    pl_str(pl_eio_error_body(error)));
}

void
pl_sio_client_refuse(struct pl_sio_client *c, struct pl_request *rq, enum pl_err err)
{
	switch (err) {
	case PL_E_NOT_FOUND:
		pl_sio_reply_error(c->server, rq, PL_EIO_UNKNOWN_SID);
		break;
	case PL_E_DENIED:
		pl_sio_reply_error(c->server, rq, PL_EIO_BAD_REQUEST);
		break;
	case PL_E_TOO_BIG:
		pl_sio_cors(c->server, rq);
		pl_reply_problem(rq, PL_PROBLEM_TOO_BIG);
		break;
	default:
		pl_sio_cors(c->server, rq);
		pl_reply_bytes(rq, 400, "text/plain", PL_STR_NONE);
		break;
	}
}

/* ---- letting out --------------------------------------------------------------------- */

static void
on_timer(struct pl_timer *t)
{
	struct pl_sio_client *c = t->arg;

	session_tick(c, pl_loop_now_ms(c->server->loop));
	pl_sio_client_pump(c);
}

void
pl_sio_client_catch_up(struct pl_sio_client *c)
{
	int64_t now = pl_loop_now_ms(c->server->loop), due = session_deadline(c);

	if (due <= now && now - due < PL_SIO_LATE_MS)
		session_tick(c, now);
}

/* Timers that wait for long fire together: a turn of the loop for one costs more than its
 * ping. Late by less than a TOGETHER_SHARE of the wait, which is 64 ms of a heartbeat's
 * 25 s, and by less than TOGETHER_MOST_MS. */
static int64_t
together(int64_t due, int64_t wait_ms)
{
	int64_t step = 1;

	while (step < TOGETHER_MOST_MS && step * 2 <= wait_ms / TOGETHER_SHARE)
		step *= 2;
	return (due + step - 1) / step * step;
}

static void
arm_timer(struct pl_sio_client *c)
{
	struct pl_loop *loop = c->server->loop;
	int64_t due = session_deadline(c);

	if (due == PL_EIO_NEVER) {
		pl_timer_stop(loop, &c->timer);
	} else if (!pl_timer_is_started(&c->timer) || c->timer_mono_ms != due) {
		c->timer_mono_ms = due;
		pl_timer_start_at(
		    loop, &c->timer, together(due, due - pl_loop_now_ms(loop)));
	}
}

void
pl_sio_client_answer_poll(struct pl_sio_client *c, struct pl_str body)
{
	struct pl_request *rq = c->poll;

	c->poll = NULL;
	rq->on_gone = NULL;
	pl_sio_cors(c->server, rq);
	pl_reply_bytes(rq, 200, "text/plain; charset=UTF-8", body);
}

/* What pl_sio_client_pump() has for the WebSocket, and writes at once. */
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

/* ---- a POST that was put off --------------------------------------------------------- */

struct pl_request *
pl_sio_client_post_back(struct pl_sio_client *c)
{
	struct pl_sio_post *p = c->post;
	struct pl_request *rq = p->rq;

	c->post = NULL;
	pl_timer_stop(c->server->loop, &p->timer);
	rq->on_gone = NULL;
	pl_mem_free(p);
	return rq;
}

void
pl_sio_client_drop_post(struct pl_sio_client *c)
{
	if (c->post)
		pl_sio_client_refuse(c, pl_sio_client_post_back(c), PL_E_NOT_FOUND);
}

/* ---- clients ------------------------------------------------------------------------- */

struct pl_sio_client *
pl_sio_client_new(struct pl_sio_server *s, struct pl_request *rq, bool is_websocket)
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
	pl_sio_client_drop_post(c);
	pl_payers_leave(&c->server->payers, c->payer, pl_loop_now_ms(c->server->loop));
	session_fini(c);
	pl_mem_free(c);
}

void
pl_sio_client_drop(struct pl_sio_client *c, enum pl_eio_reason reason, uint16_t code)
{
	tell_end(c, reason);
	if (c->poll)
		pl_sio_client_answer_poll(c, PL_STR("1"));
	if (c->ws)
		ws_close(c, code);
	client_free(c);
}

void
pl_sio_client_pump(struct pl_sio_client *c)
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
			pl_sio_client_answer_poll(c, pl_buf_str(&out.body));
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
