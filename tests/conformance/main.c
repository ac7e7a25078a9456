/*
 * conformance: what any suite for the protocols can be pointed at, made of the code that
 * presence is made of:  make conformance-server PORT=3000
 *
 *   /ws           a WebSocket that sends each message back
 *   /engine.io/   Engine.IO 4 that sends each message back
 *   /socket.io/   Socket.IO 5 with the namespaces / and /custom: on connection it emits "auth"
 *                 with the CONNECT payload; it answers "message" with "message-back" and
 *                 "message-with-ack" by acknowledging, both with the same arguments
 *
 * Anybody may use it, from any origin. Its times are short, so that suites are quick;
 * tests that must not be hurried set longer ones in its environment.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/config.h"
#include "base/mem.h"
#include "ops/settings.h"
#include "proto/ws_handshake.h"
#include "support/json_write.h"
#include "http/reply.h"
#include "http/service.h"
#include "sockets/sio_server.h"
#include "sockets/websocket.h"

#define PAYLOAD_BYTES_MAX 1000000
#define CLIENTS_MAX       10000

static const int64_t payload_bytes_max = PAYLOAD_BYTES_MAX;

static struct pl_sio_settings settings = {
    .eio = {.close_timeout_ms = 30000,
	.stall_timeout_ms = 10000,
	.max_payload_bytes = PAYLOAD_BYTES_MAX,
	.queue_max_bytes = (size_t)4 * 1024 * 1024},
    .stranger_bytes_max = PL_SIO_STRANGER_BYTES_MAX,
    .binary_timeout_ms = 10000,
    .namespaces = {"/", "/custom"},
    .namespace_count = 2,
};

#define TIME(name_, preset_, member_, help_)                                             \
	{                                                                                \
		.name = name_, .type = PL_SETTING_INT, .preset = preset_, .least = 10,   \
		.most = 300000, .unit = "ms", .services = 1, .help = help_,              \
		.offset = offsetof(struct pl_sio_settings, member_)                      \
	}

static const struct pl_setting times[] = {
    TIME("PING_INTERVAL_MS", "300", eio.ping_interval_ms, "Between two pings."),
    TIME("PING_TIMEOUT_MS", "200", eio.ping_timeout_ms, "For a pong."),
    TIME("UPGRADE_TIMEOUT_MS", "10000", eio.upgrade_timeout_ms, "For a probe's upgrade."),
    TIME("CONNECT_TIMEOUT_MS", "1000", connect_timeout_ms, "For the first CONNECT."),
};

static void
load_times(void)
{
	struct pl_buf why;

	pl_buf_init(&why, 1024);
	if (pl_config_load(times, sizeof(times) / sizeof(times[0]), 1, &settings, &why) !=
	    PL_OK) {
		fprintf(stderr, "%s\n", why.data);
		exit(PL_EXIT_CONFIG);
	}
	pl_buf_fini(&why);
}

/* ---- /ws ----------------------------------------------------------------------------- */

struct echo {
	struct pl_websocket *ws;
};

static void
echo_on_message(void *arg, struct pl_str data, bool is_binary, int64_t now)
{
	struct echo *e = arg;
	struct pl_websocket_message message = {pl_ref_new(data.ptr, data.len), is_binary};

	(void)now;
	(void)pl_websocket_send(e->ws, &message, 1);
	pl_ref_drop(message.data);
}

static void
echo_on_gone(void *arg)
{
	pl_mem_free(arg);
}

static const struct pl_websocket_ops echo_ops = {
    .on_message = echo_on_message,
    .on_gone = echo_on_gone,
};

static void
ws_get(struct pl_request *rq)
{
	enum pl_ws_handshake verdict = pl_websocket_judge(rq);
	struct echo *e;

	if (verdict != PL_WS_HS_ACCEPTED) {
		pl_websocket_refuse(rq, verdict);
		return;
	}
	e = pl_mem_zalloc(sizeof(*e));
	e->ws = pl_websocket_take(rq, &echo_ops, PAYLOAD_BYTES_MAX, e);
	if (e->ws)
		pl_websocket_begin(e->ws);
	else
		pl_mem_free(e);
}

/* ---- /engine.io/ --------------------------------------------------------------------- */

static struct pl_sio_server *engine;

static void
engine_on_message(
    struct pl_eio_session *s, struct pl_str data, bool is_binary, int64_t now)
{
	struct pl_ref *back = is_binary ? pl_ref_new(data.ptr, data.len)
					: pl_eio_packet_encode(PL_EIO_MESSAGE, data);

	(void)pl_eio_session_send(s, back, is_binary, now);
	pl_ref_drop(back);
}

static const struct pl_eio_events engine_events = {.on_message = engine_on_message};

static void
engine_io(struct pl_request *rq)
{
	pl_sio_server_handle(engine, rq);
}

/* ---- /socket.io/ --------------------------------------------------------------------- */

static struct pl_sio_server *socket_io;

static void
emit(struct pl_sio_conn *c, unsigned ns, const char *name, struct pl_str args,
    struct pl_ref *const *attachments, unsigned count, int64_t now)
{
	struct pl_sio_packet p = {
	    .type = count > 0 ? PL_SIO_BINARY_EVENT : PL_SIO_EVENT,
	    .attachments = count,
	    .nsp = pl_str(settings.namespaces[ns]),
	    .ack_id = PL_SIO_NO_ACK,
	};
	struct pl_ref *packet;
	struct pl_buf json;

	pl_buf_init(&json, PL_BUF_UNLIMITED);
	(void)pl_buf_printf(&json, "[\"%s\"%s", name, args.len > 0 ? "," : "");
	(void)pl_buf_add_str(&json, args);
	(void)pl_buf_add_char(&json, ']');
	p.payload = pl_buf_str(&json);
	packet = pl_sio_packet_encode(&p);
	(void)pl_sio_conn_send_binary(c, ns, packet, attachments, count, now);
	pl_ref_drop(packet);
	pl_buf_fini(&json);
}

/*
 * "auth" comes a moment after the answer to CONNECT. Suites that wait for one message
 * after the other lose the second where both come in one read of theirs; from socket.io
 * they come apart.
 */
#define GREETING_MS 20

struct greeting {
	struct pl_list link;
	struct pl_timer timer;
	struct pl_sio_conn *conn;
	unsigned ns;
	struct pl_buf auth;
};

static struct pl_list greetings = {&greetings, &greetings};

static void
greeting_free(struct greeting *g)
{
	pl_list_unlink(&g->link);
	pl_timer_stop(pl_app.loop, &g->timer);
	pl_buf_fini(&g->auth);
	pl_mem_free(g);
}

static void
greet(struct greeting *g, int64_t now)
{
	emit(g->conn, g->ns, "auth", pl_buf_str(&g->auth), NULL, 0, now);
	pl_sio_client_touch(pl_sio_client_of(g->conn));
	greeting_free(g);
}

static void
on_greeting_timer(struct pl_timer *t)
{
	greet(t->arg, pl_loop_now_ms(pl_app.loop));
}

/* Those of a connection, now: nothing overtakes them. Or, where it is over, never. */
static void
end_greetings(struct pl_sio_conn *c, bool is_over)
{
	struct pl_list *next;

	for (struct pl_list *l = greetings.next; l != &greetings; l = next) {
		struct greeting *g = PL_CONTAINER(l, struct greeting, link);

		next = l->next;
		if (g->conn != c)
			continue;
		if (is_over)
			greeting_free(g);
		else
			greet(g, pl_loop_now_ms(pl_app.loop));
	}
}

static void
on_connect(struct pl_sio_conn *c, unsigned ns, const struct pl_json *auth, int64_t now)
{
	char sid[PL_EIO_SID_MAX + 1];
	struct greeting *g;

	pl_eio_sid_new("", sid);
	if (!pl_sio_conn_accept(c, ns, sid, NULL, now))
		return;
	g = pl_mem_zalloc(sizeof(*g));
	g->conn = c;
	g->ns = ns;
	pl_buf_init(&g->auth, PL_BUF_UNLIMITED);
	if (auth)
		json_write(auth, &g->auth);
	else
		(void)pl_buf_add_cstr(&g->auth, "{}");
	g->timer.on_fire = on_greeting_timer;
	g->timer.arg = g;
	pl_list_push(&greetings, &g->link);
	pl_timer_start(pl_app.loop, &g->timer, GREETING_MS);
}

static void
on_end(struct pl_sio_client *c, enum pl_eio_reason reason)
{
	(void)reason;
	end_greetings(&c->conn, true);
}

static void
acknowledge(struct pl_sio_conn *c, const struct pl_sio_event *ev, int64_t now)
{
	struct pl_buf args;

	pl_buf_init(&args, PL_BUF_UNLIMITED);
	(void)pl_buf_add_char(&args, '[');
	(void)pl_buf_add_str(&args, pl_sio_event_args(ev->payload));
	(void)pl_buf_add_char(&args, ']');
	(void)pl_sio_conn_send_ack(c, ev->ns, ev->ack_id, pl_buf_str(&args),
	    ev->attachments, ev->attachment_count, now);
	pl_buf_fini(&args);
}

static void
on_event(struct pl_sio_conn *c, const struct pl_sio_event *ev, int64_t now)
{
	end_greetings(c, false);
	if (pl_str_eq(ev->name, PL_STR("message")))
		emit(c, ev->ns, "message-back", pl_sio_event_args(ev->payload),
		    ev->attachments, ev->attachment_count, now);
	else if (pl_str_eq(ev->name, PL_STR("message-with-ack")) &&
		 ev->ack_id != PL_SIO_NO_ACK)
		acknowledge(c, ev, now);
}

static void
on_disconnect(struct pl_sio_conn *c, unsigned ns, int64_t now)
{
	end_greetings(c, false);
	(void)ns;
	(void)now;
}

static const struct pl_sio_app app = {
    .on_connect = on_connect,
    .on_event = on_event,
    .on_disconnect = on_disconnect,
};

static void
socket_io_any(struct pl_request *rq)
{
	pl_sio_server_handle(socket_io, rq);
}

/* A page of another origin asks before it sends a PUT, or a header of its own. */
static void
preflight(struct pl_request *rq)
{
	pl_reply_header(rq, "access-control-allow-origin", "*");
	pl_reply_header(
	    rq, "access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
	pl_reply_header(rq, "access-control-allow-headers", "*");
	pl_reply_bytes(rq, 204, NULL, PL_STR_NONE);
}

/* ---- the program --------------------------------------------------------------------- */

static const struct pl_route routes[] = {
    {"GET", "/ws", PL_ROUTE_RAW, ws_get, PL_M_NONE},
    {"POST", "/ws", PL_ROUTE_RAW, ws_get, PL_M_NONE},
    {"GET", "/engine.io/", PL_ROUTE_RAW, engine_io, PL_M_NONE},
    {"POST", "/engine.io/", PL_ROUTE_RAW, engine_io, PL_M_NONE},
    {"PUT", "/engine.io/", PL_ROUTE_RAW, engine_io, PL_M_NONE},
    {"PATCH", "/engine.io/", PL_ROUTE_RAW, engine_io, PL_M_NONE},
    {"DELETE", "/engine.io/", PL_ROUTE_RAW, engine_io, PL_M_NONE},
    {"OPTIONS", "/engine.io/", PL_ROUTE_RAW, preflight, PL_M_NONE},
    {"GET", "/socket.io/", PL_ROUTE_RAW, socket_io_any, PL_M_NONE},
    {"POST", "/socket.io/", PL_ROUTE_RAW, socket_io_any, PL_M_NONE},
    {"PUT", "/socket.io/", PL_ROUTE_RAW, socket_io_any, PL_M_NONE},
    {"PATCH", "/socket.io/", PL_ROUTE_RAW, socket_io_any, PL_M_NONE},
    {"DELETE", "/socket.io/", PL_ROUTE_RAW, socket_io_any, PL_M_NONE},
    {"OPTIONS", "/socket.io/", PL_ROUTE_RAW, preflight, PL_M_NONE},
};

static void
start(void)
{
	struct pl_sio_server_config config = {
	    .settings = &settings,
	    .sid_prefix = "",
	    .allows_any_origin = true,
	    .clients_max = CLIENTS_MAX,
	};

	load_times();
	config.eio_events = &engine_events;
	engine = pl_sio_server_new(pl_app.loop, &config);
	config.eio_events = NULL;
	config.app = &app;
	config.on_end = on_end;
	socket_io = pl_sio_server_new(pl_app.loop, &config);
}

static void
end_all(struct pl_sio_server *s)
{
	struct pl_sio_client *c;

	for (size_t it = 0; (c = pl_sio_server_next(s, &it));) {
		pl_eio_session_close(
		    &c->conn.eio, PL_EIO_SHUTDOWN, pl_loop_now_ms(pl_app.loop));
		pl_sio_client_touch(c);
	}
}

static void
drain(void)
{
	end_all(engine);
	end_all(socket_io);
}

static void
stop(void)
{
	pl_sio_server_free(engine);
	pl_sio_server_free(socket_io);
}

const struct pl_service pl_service = {
    .name = "conformance",
    .bit = PL_SVC_PRESENCE,
    .routes = routes,
    .route_count = sizeof(routes) / sizeof(routes[0]),
    .body_bytes_max = &payload_bytes_max,
    .is_bare = true,
    .has_sockets = true,
    .start = start,
    .drain = drain,
    .stop = stop,
};
