/*
 * sio_client: one session of a sio_server: what it costs, what it has to send, and its
 * end. For the sources of sio_server alone; sio_server.h is for everybody else.
 *
 * Whoever did something to a session pumps it after that, and may not have it any longer
 * then.
 * Threads: the loop's.
 */
#ifndef PL_SOCKETS_SIO_CLIENT_H
#define PL_SOCKETS_SIO_CLIENT_H

#include "base/map.h"
#include "proto/eio_query.h"
#include "sockets/sio_server.h"

#define PL_SIO_LATE_MS 300

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

/* A POST that has begun, and is taken later: a goodbye, or one of a client in debt. */
struct pl_sio_post {
	struct pl_timer timer;
	struct pl_sio_client *client;
	struct pl_request *rq;
	bool is_goodbye;
};

/* rq is its handshake. */
struct pl_sio_client *pl_sio_client_new(
    struct pl_sio_server *s, struct pl_request *rq, bool is_websocket);
/* End it at once, whatever state it is in. */
void pl_sio_client_drop(
    struct pl_sio_client *c, enum pl_eio_reason reason, uint16_t code);
/* A timer is a little late; no request slips in between. If it is later than that, this
 * process stood still, and the request may have come in time: it is read first, as the
 * loop does with all that came (loop/loop.h). */
void pl_sio_client_catch_up(struct pl_sio_client *c);
/* Do what the session asks for, until it waits or is gone; in the latter case c is gone,
 * too. */
void pl_sio_client_pump(struct pl_sio_client *c);

/* How long it has to wait for its own debt and its user's. */
int64_t pl_sio_client_debt_ms(const struct pl_sio_client *c, int64_t now);
/* It has cost so much: how long it has to wait. Somebody pumps it after this. */
int64_t pl_sio_client_spend(struct pl_sio_client *c, size_t bytes, int64_t cpu_us);

/* CORS, of whatever answers a request. */
void pl_sio_cors(struct pl_sio_server *s, struct pl_request *rq);
void pl_sio_reply_error(
    struct pl_sio_server *s, struct pl_request *rq, enum pl_eio_error error);
/* Answer a request that its session has refused. */
void pl_sio_client_refuse(
    struct pl_sio_client *c, struct pl_request *rq, enum pl_err err);
/* Answer the GET that waits, c->poll. */
void pl_sio_client_answer_poll(struct pl_sio_client *c, struct pl_str body);
/* What was put off, c->post, is put off no longer: its request. */
struct pl_request *pl_sio_client_post_back(struct pl_sio_client *c);
/* Its session is over, or it is itself: nothing of it is taken. */
void pl_sio_client_drop_post(struct pl_sio_client *c);

#endif
