#include "sockets/websocket.h"

#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proto/ws_handshake.h"
#include "http/exchange.h"
#include "http/reply.h"
#include "sockets/tcp.h"

#define HEAD_BYTES_MAX 512 /* of our 101 */

_Static_assert(1 + 2 * PL_WEBSOCKET_SEND_MAX <= PL_TCP_PARTS_MAX,
    "the 101, then head and payload each");

struct pl_websocket {
	struct pl_ws_conn ws;
	struct pl_tcp *socket;
	struct pl_buf answer; /* the 101, until it has gone out with what comes first */
	struct pl_ws_conf conf;
	const struct pl_websocket_ops *ops;
	bool is_attached;
	void *arg;
	struct pl_timer close_timer;
};

/* ---- events -------------------------------------------------------------------------- */

/* parts[0] is kept free for the 101. A broken connection shows in on_closed. */
static void
send_parts(struct pl_websocket *w, struct pl_tcp_part *parts, size_t count)
{
	size_t first = w->answer.len > 0 ? 0 : 1;

	parts[0] = (struct pl_tcp_part){pl_buf_str(&w->answer), NULL};
	(void)pl_tcp_send(w->socket, parts + first, count - first);
	pl_buf_fini(&w->answer);
}

static void
ws_send(void *owner, struct pl_str head, struct pl_str payload)
{
	struct pl_tcp_part parts[] = {{PL_STR_NONE, NULL}, {head, NULL}, {payload, NULL}};

	send_parts(owner, parts, 3);
}

static void
detach(struct pl_websocket *w)
{
	if (!w->is_attached)
		return;
	w->is_attached = false;
	w->ops->on_gone(w->arg);
}

static void
on_event(struct pl_websocket *w, const struct pl_ws_event *ev, int64_t now)
{
	switch (ev->kind) {
	case PL_WS_EV_TEXT:
	case PL_WS_EV_BINARY:
		if (w->is_attached)
			w->ops->on_message(
			    w->arg, ev->data, ev->kind == PL_WS_EV_BINARY, now);
		return;
	case PL_WS_EV_PING:
	case PL_WS_EV_PONG:
		return;
	case PL_WS_EV_CLOSE:
	case PL_WS_EV_FAULT:
		detach(w);
		pl_tcp_finish(w->socket);
		return;
	}
}

static void
account(struct pl_websocket *w, size_t bytes, int64_t begun_cpu_us)
{
	int64_t pause_ms = 0;

	if (w->is_attached && w->ops->on_spent)
		pause_ms =
		    w->ops->on_spent(w->arg, bytes, pl_clock_thread_us() - begun_cpu_us);
	if (pause_ms > 0)
		pl_tcp_pause(w->socket, pause_ms);
}

/* Nothing that is called from here frees w: the end of a socket comes later, by
 * itself. */
static void
on_data(void *arg, char *data, size_t len)
{
	struct pl_websocket *w = arg;
	struct pl_ws_input in = {(uint8_t *)data, len};
	struct pl_ws_event ev;
	int64_t now = pl_loop_now_ms(pl_app.loop);
	int64_t begun_cpu_us = pl_clock_thread_us();

	while (pl_ws_conn_next(&w->ws, &in, now, &ev))
		on_event(w, &ev, now);
	if (w->is_attached && w->ops->on_part && pl_ws_conn_is_within(&w->ws))
		w->ops->on_part(w->arg);
	account(w, len, begun_cpu_us);
}

static void
on_writable(void *arg)
{
	struct pl_websocket *w = arg;

	if (w->is_attached && w->ops->on_writable)
		w->ops->on_writable(w->arg);
}

static void
on_closed(void *arg)
{
	struct pl_websocket *w = arg;

	detach(w);
	pl_timer_stop(pl_app.loop, &w->close_timer);
	pl_ws_conn_fini(&w->ws);
	pl_buf_fini(&w->answer);
	pl_mem_free(w);
}

static void
on_close_timer(struct pl_timer *t)
{
	struct pl_websocket *w = t->arg;

	pl_tcp_close(w->socket);
}

static const struct pl_tcp_ops socket_ops = {
    .on_data = on_data,
    .on_writable = on_writable,
    .on_closed = on_closed,
};

/* ---- the handshake ------------------------------------------------------------------- */

bool
pl_websocket_is_wanted(const struct pl_request *rq)
{
	return pl_request_header(rq, "upgrade").ptr != NULL;
}

static struct pl_ws_request
handshake_of(const struct pl_request *rq)
{
	const struct pl_request_impl *x = pl_exchange_of(rq);

	return (struct pl_ws_request){
	    .method = rq->method,
	    .http_major = 1,
	    .http_minor = (x->req->flags & HTTP_VERSION_1_0) != 0 ? 0 : 1,
	    .host = pl_request_header(rq, "host"),
	    .upgrade = pl_request_header(rq, "upgrade"),
	    .connection = pl_request_header(rq, "connection"),
	    .key = pl_request_header(rq, "sec-websocket-key"),
	    .key_repeated = pl_exchange_header_count(x, "sec-websocket-key") > 1,
	    .version = pl_request_header(rq, "sec-websocket-version"),
	    .protocols = pl_request_header(rq, "sec-websocket-protocol"),
	    .request_id = pl_request_header(rq, "x-request-id"),
	};
}

enum pl_ws_handshake
pl_websocket_judge(const struct pl_request *rq)
{
	struct pl_ws_request hs = handshake_of(rq);

	return pl_ws_handshake_check(&hs);
}

void
pl_websocket_refuse(struct pl_request *rq, enum pl_ws_handshake verdict)
{
	unsigned status = pl_ws_handshake_status(verdict);

	if (status == 426) {
		pl_reply_header(rq, "sec-websocket-version", "13");
		pl_reply_header(rq, "upgrade", "websocket");
	}
	pl_reply_bytes(
	    rq, (int)status, "text/plain", pl_str(pl_ws_handshake_text(verdict)));
}

struct pl_websocket *
pl_websocket_take(struct pl_request *rq, const struct pl_websocket_ops *ops,
    size_t message_bytes_max, void *arg)
{
	struct pl_ws_request hs = handshake_of(rq);
	struct pl_websocket *w = pl_mem_zalloc(sizeof(*w));

	w->conf = (struct pl_ws_conf){
	    .role = PL_WS_SERVER,
	    .message_limit_bytes = message_bytes_max,
	    .fragments_limit = PL_WS_FRAGMENTS_LIMIT,
	    .controls_per_s = PL_WS_CONTROLS_PER_S,
	    .send = ws_send,
	};
	w->ops = ops;
	w->is_attached = true;
	w->arg = arg;
	w->close_timer.on_fire = on_close_timer;
	w->close_timer.arg = w;
	pl_ws_conn_init(&w->ws, &w->conf, w);
	/* hs borrows from rq, which ends when its connection is taken. */
	pl_buf_init(&w->answer, HEAD_BYTES_MAX);
	if (pl_ws_handshake_answer(&w->answer, &hs) == PL_OK)
		w->socket = pl_tcp_take(rq, &socket_ops, w);
	else
		pl_reply_problem(rq, PL_PROBLEM_INTERNAL);
	if (w->socket)
		return w;
	pl_buf_fini(&w->answer);
	pl_mem_free(w);
	return NULL;
}

void
pl_websocket_begin(struct pl_websocket *w)
{
	struct pl_tcp_part part;

	if (w->answer.len > 0)
		send_parts(w, &part, 1);
}

/* ---- the owner's ----------------------------------------------------------------------- */

void
pl_websocket_limit(struct pl_websocket *w, size_t message_bytes_max)
{
	w->conf.message_limit_bytes = message_bytes_max;
}

/* Make the frames of messages, in two parts each; their headers go to heads. */
static void
frame(const struct pl_websocket_message *messages, size_t count,
    uint8_t heads[][PL_WS_HEADER_MAX], struct pl_tcp_part *parts)
{
	for (size_t i = 0; i < count; i++) {
		struct pl_ref *data = messages[i].data;
		size_t size = pl_ws_header_encode(heads[i],
		    messages[i].is_binary ? PL_WS_BINARY : PL_WS_TEXT, true, data->len,
		    NULL);

		parts[2 * i] = (struct pl_tcp_part){pl_str_n(heads[i], size), NULL};
		parts[2 * i + 1] = (struct pl_tcp_part){pl_ref_str(data), data};
	}
}

bool
pl_websocket_send(
    struct pl_websocket *w, const struct pl_websocket_message *messages, size_t count)
{
	uint8_t heads[PL_WEBSOCKET_SEND_MAX][PL_WS_HEADER_MAX];
	struct pl_tcp_part parts[1 + 2 * PL_WEBSOCKET_SEND_MAX];

	assert(count <= PL_WEBSOCKET_SEND_MAX);
	if (pl_ws_conn_is_open(&w->ws)) {
		frame(messages, count, heads, parts + 1);
		send_parts(w, parts, 1 + 2 * count);
	}
	return pl_tcp_queued(w->socket) == 0;
}

void
pl_websocket_close(struct pl_websocket *w, uint16_t code)
{
	w->is_attached = false;
	pl_ws_conn_close(&w->ws, code, PL_STR_NONE);
	pl_timer_start(pl_app.loop, &w->close_timer, PL_WEBSOCKET_CLOSE_WAIT_MS);
	/* RFC 6455 §7.1.7: an endpoint that fails a connection may end it without the
	 * peer's Close. A peer that is dead or does not read would not send one. */
	if (code == PL_WS_CODE_PROTOCOL_ERROR || code == PL_WS_CODE_POLICY)
		pl_tcp_finish(w->socket);
}

void
pl_websocket_close_heard_out(struct pl_websocket *w, uint16_t code)
{
	pl_ws_conn_close_heard_out(&w->ws, code, PL_STR_NONE);
	pl_timer_start(pl_app.loop, &w->close_timer, PL_WEBSOCKET_CLOSE_WAIT_MS);
}
