/*
 * sio_server: Socket.IO, or bare Engine.IO, over HTTP and WebSocket on kore: the sessions
 * of one process, and their transports. The protocol is proto/sio_conn or
 * proto/eio_session; this ties it to requests, sockets and timers. presence and the
 * conformance server are made of it.
 *
 *   GET, POST /socket.io/?...  ──►  pl_sio_server_handle()  ──►  struct pl_sio_client
 *                                                                 conn    the protocol
 *                                                                 poll    the waiting GET
 *                                                                 ws      its WebSocket
 *
 * A client is sio_client's, its GETs and POSTs are sio_polling's; requests, WebSockets and
 * turns of the loop are here.
 *
 * All that is sent goes out after the current callback, to at most twice PL_SIO_FLUSH_MAX
 * clients a turn of the loop, so that telling everybody never holds up the rest.
 *
 * What a client sends is paid from its budget (limits/budget), by one rule before it is
 * let in and by another after, and from one that all clients of its user share
 * (limits/payers). While either is in debt, its WebSocket is not read, and its next POST
 * waits; if that lasts for too long, it is put out as PL_EIO_OVER_BUDGET.
 *
 * A client that closes by POST gets 20 ms for the GET that should wait for the end, and
 * that may come later, on its own connection. A WebSocket for a session that has one is
 * let in and closed.
 * Threads: the loop's.
 */
#ifndef PL_SOCKETS_SIO_SERVER_H
#define PL_SOCKETS_SIO_SERVER_H

#include "loop/loop.h"
#include "proto/sio_conn.h"
#include "limits/budget.h"
#include "limits/half_open.h"
#include "limits/payers.h"
#include "sockets/handshakes.h"
#include "http/request.h"

#define PL_SIO_FLUSH_MAX 250

/* Of one that no namespace let in: a CONNECT has 16 KiB at most, and costs 2 ms at the
 * worst. */
#define PL_SIO_STRANGER_BUDGET                                                           \
	{                                                                                \
		.bytes = {.per_second = 16384, .at_once = 4 * 16384},                    \
		.cpu_us = {.per_second = 5000, .at_once = 50000},                        \
	}

struct pl_sio_server;
struct pl_websocket;
struct pl_sio_post;

struct pl_sio_client {
	struct pl_sio_conn conn; /* for bare Engine.IO only conn.eio */
	void *app_data;          /* the application's */
	/* inside */
	struct pl_sio_server *server;
	struct pl_request *poll;
	struct pl_websocket *ws;
	struct pl_sio_post *post; /* one that was put off, or NULL */
	struct pl_timer timer;
	int64_t timer_mono_ms; /* the deadline for which it is started */
	struct pl_list dirty;
	struct pl_half_open half_open; /* until its first CONNECT was accepted */
	struct pl_budget budget;
	struct pl_payer *payer; /* NULL until pl_sio_client_pays_as() */
	bool has_ended;         /* on_end was called */
	/* The session is over because this process ends, and its client is heard out: it
	 * may have said goodbye before it knew. on_end waits for that. */
	bool is_leaving;
};

struct pl_sio_server_config {
	const struct pl_sio_settings *settings;
	const struct pl_sio_app *app;
	/* Instead of app: bare Engine.IO, with settings->eio. */
	const struct pl_eio_events *eio_events;
	const char *sid_prefix; /* "p1.": names the process; "" for none */
	bool allows_any_origin; /* CORS `*`; never with credentials */
	size_t clients_max;     /* beyond it: 503 */
	/* More wait for their turn, or get 503. */
	struct pl_handshakes_rates handshakes;
	/* Who sends this handshake? NULL: a user. */
	enum pl_handshake_from (*whose)(void *app_data, struct pl_request *rq);
	void *app_data;                        /* of each client at first */
	struct pl_budget_rule stranger_budget; /* of a client that no namespace let in */
	struct pl_budget_rule budget;       /* and of one that is in; all 0: no limit */
	struct pl_budget_rule payer_budget; /* and of all of one user */
	/* A handshake came: copy what is wanted of rq. May be NULL. */
	void (*on_open)(struct pl_sio_client *c, struct pl_request *rq);
	/* May this request use this session, which has not ended? NULL: yes. */
	bool (*may_use)(struct pl_sio_client *c, struct pl_request *rq);
	/* The session is over: once, the last call. May be NULL. */
	void (*on_end)(struct pl_sio_client *c, enum pl_eio_reason reason);
};

struct pl_sio_server *pl_sio_server_new(
    struct pl_loop *loop, const struct pl_sio_server_config *config);
void pl_sio_server_free(struct pl_sio_server *s); /* ends all sessions at once */
size_t pl_sio_server_count(const struct pl_sio_server *s);
/* Handshakes that wait for their turn get 503: another process has room sooner. */
void pl_sio_server_turn_away(struct pl_sio_server *s);
/* Who began as a stranger turned out to be a user (sockets/handshakes). */
void pl_sio_server_vouch(struct pl_sio_server *s);
/* The number of handshakes that wait for their turn. */
size_t pl_sio_server_waiting(const struct pl_sio_server *s);
/* Is more due to clients than goes out in a turn? Then hold back what can wait: it could
 * grow the queue of a client past its bound, and put out one that is not slow. */
bool pl_sio_server_is_behind(const struct pl_sio_server *s);
/* Walk all sessions in no order; as pl_map_next(). */
struct pl_sio_client *pl_sio_server_next(const struct pl_sio_server *s, size_t *it);
/* Serve one request, whose origin has been checked. */
void pl_sio_server_handle(struct pl_sio_server *s, struct pl_request *rq);

static inline struct pl_sio_client *
pl_sio_client_of(struct pl_sio_conn *conn)
{
	return PL_CONTAINER(conn, struct pl_sio_client, conn);
}

/* c is now known to be of key, a user's id, which is copied: it pays from that user's
 * budget, too. */
void pl_sio_client_pays_as(struct pl_sio_client *c, struct pl_str key);
/* Call it after something was queued on, or done to, this client's conn outside its own
 * callbacks: it is then sent. (Inside them that happens by itself.) */
void pl_sio_client_touch(struct pl_sio_client *c);

#endif
