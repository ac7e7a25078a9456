/*
 * sio_server: Socket.IO over HTTP and WebSocket on kore: the sessions of one process, and
 * their transports. The protocol is proto/sio_conn; this ties it to requests, sockets and
 * timers. presence and the conformance server are made of it.
 *
 *   GET, POST /socket.io/?...  ──►  pl_sio_server_handle()  ──►  struct pl_sio_client
 *                                                                 conn    the protocol
 *                                                                 poll    the waiting GET
 *                                                                 ws      its WebSocket
 *
 * Whatever is sent goes out after the current callback, many clients at most
 * PL_SIO_FLUSH_MAX a turn of the loop, so that telling everybody never holds up the rest.
 * Threads: the loop's.
 */
#ifndef PL_WEB_SIO_SERVER_H
#define PL_WEB_SIO_SERVER_H

#include "loop/loop.h"
#include "proto/sio_conn.h"
#include "web/request.h"

#define PL_SIO_FLUSH_MAX        500
#define PL_SIO_WS_CLOSE_WAIT_MS 5000 /* for the peer's answer to our Close */

struct pl_sio_server;
struct pl_sio_ws;

struct pl_sio_client {
	struct pl_sio_conn conn;
	void *app_data; /* the application's */
	/* inside */
	struct pl_sio_server *server;
	struct pl_request *poll;
	struct pl_sio_ws *ws;
	struct pl_timer timer;
	struct pl_list dirty;
};

struct pl_sio_server_config {
	const struct pl_sio_settings *settings;
	const struct pl_sio_app *app;
	const char *sid_prefix; /* "p1.": names the process; "" for none */
	bool allows_any_origin; /* CORS `*`; never with credentials */
	size_t clients_max;     /* beyond it: 503 */
	/* A handshake came: borrow what is wanted of rq. May be NULL. */
	void (*on_open)(struct pl_sio_client *c, struct pl_request *rq);
	/* May this request use this session? NULL: yes. */
	bool (*may_use)(struct pl_sio_client *c, struct pl_request *rq);
	/* The session is over: once, the last call. */
	void (*on_end)(struct pl_sio_client *c, enum pl_eio_reason reason);
};

struct pl_sio_server *pl_sio_server_new(
    struct pl_loop *loop, const struct pl_sio_server_config *config);
void pl_sio_server_free(struct pl_sio_server *s); /* ends all sessions at once */
size_t pl_sio_server_count(const struct pl_sio_server *s);
/* Walk all sessions in no order; as pl_map_next(). */
struct pl_sio_client *pl_sio_server_next(const struct pl_sio_server *s, size_t *it);
/* Serve one request; the origin was not checked yet. */
void pl_sio_server_handle(struct pl_sio_server *s, struct pl_request *rq);

static inline struct pl_sio_client *
pl_sio_client_of(struct pl_sio_conn *conn)
{
	return PL_CONTAINER(conn, struct pl_sio_client, conn);
}

/* Something was queued on, or done to, this client's conn outside its own callbacks: let
 * it out. (Inside them it happens by itself.) */
void pl_sio_client_touch(struct pl_sio_client *c);

#endif
