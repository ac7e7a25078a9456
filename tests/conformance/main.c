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
 * Anybody may use it, from any origin. Its times are short, so that suites are quick; tests
 * that must not be hurried set longer ones in its environment.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/config.h"
#include "base/mem.h"
#include "ops/settings.h"
#include "proto/ws_handshake.h"
#include "web/reply.h"
#include "web/service.h"
#include "web/sio_server.h"
#include "web/websocket.h"

#define PAYLOAD_BYTES_MAX 1000000
#define CLIENTS_MAX       10000

static struct pl_sio_settings settings = {
    .eio = {.close_timeout_ms = 30000,
	.stall_timeout_ms = 10000,
	.max_payload_bytes = PAYLOAD_BYTES_MAX,
	.queue_max_bytes = (size_t)4 * 1024 * 1024},
    .binary_timeout_ms = 10000,
    .namespaces = {"/", "/custom"},
    .namespace_count = 2,
};

#define TIME(name, preset, member, help)                                                 \
	{                                                                                \
		name, NULL, PL_SETTING_INT, preset, 10, 300000, NULL, "ms", 1, help,     \
		    offsetof(struct pl_sio_settings, member)                             \
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
	if (!e->ws)
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

static void
on_connect(struct pl_sio_conn *c, unsigned ns, const struct pl_json *auth, int64_t now)
{
	char sid[PL_EIO_SID_MAX + 1];
	struct pl_buf json;

	pl_eio_sid_new("", sid);
	if (!pl_sio_conn_accept(c, ns, sid, NULL, now))
		return;
	pl_buf_init(&json, PL_BUF_UNLIMITED);
	if (auth)
		pl_json_write(auth, &json);
	else
		(void)pl_buf_add_cstr(&json, "{}");
	emit(c, ns, "auth", pl_buf_str(&json), NULL, 0, now);
	pl_buf_fini(&json);
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
	(void)c;
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

/* ---- the program --------------------------------------------------------------------- */

static const struct pl_route routes[] = {
    {"GET", "/ws", PL_ROUTE_RAW, ws_get, PL_M_NONE},
    {"POST", "/ws", PL_ROUTE_RAW, ws_get, PL_M_NONE},
    {"GET", "/engine.io/", PL_ROUTE_RAW, engine_io, PL_M_NONE},
    {"POST", "/engine.io/", PL_ROUTE_RAW, engine_io, PL_M_NONE},
    {"PUT", "/engine.io/", PL_ROUTE_RAW, engine_io, PL_M_NONE},
    {"GET", "/socket.io/", PL_ROUTE_RAW, socket_io_any, PL_M_NONE},
    {"POST", "/socket.io/", PL_ROUTE_RAW, socket_io_any, PL_M_NONE},
    {"PUT", "/socket.io/", PL_ROUTE_RAW, socket_io_any, PL_M_NONE},
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
    .body_bytes_max = PAYLOAD_BYTES_MAX,
    .is_bare = true,
    .start = start,
    .drain = drain,
    .stop = stop,
};
