/*
 * sio_conn: Socket.IO 5 over one Engine.IO session: namespaces, events, acknowledgements,
 * binary.
 *
 * A namespace of a connection, by its index in the settings:
 *
 *   OUT ──"0"──► ASKING ──accept──► IN ──"1", disconnect──► OUT
 *                   └──refuse──► OUT
 *
 *   OUT     the client may only CONNECT; any other packet ends the connection
 *   ASKING  on_connect was called, the application has not answered yet (it may take its
 * time, until connect_timeout_ms); any packet for the namespace ends the connection IN
 * events and acknowledgements pass both ways; a second CONNECT ends the connection
 *
 * A connection with nothing IN is closed connect_timeout_ms after it began, or after the
 * last namespace went OUT. A binary packet waits for its attachments, which together with
 * its text may have max_payload_bytes; when none comes for binary_timeout_ms, the
 * connection is closed. Every packet that breaks a rule closes the connection with
 * PL_EIO_PARSE_ERROR.
 *
 * How to use it. Inputs (GET, POST, WebSocket) go to the session, &conn->eio, by the
 * calls of proto/eio_session.h; but next(), tick(), deadline() and fini() are the ones
 * here. The application's callbacks come only from within post(), ws_text() and
 * ws_binary(); each may call accept, refuse, send, send_ack, disconnect and close on any
 * connection, and must not report inputs, ask next(), or fini this connection. That a
 * connection ended is not a callback: PL_EIO_ENDED from next() says it, once, for all its
 * namespaces.
 *
 * Sources: socket.io-protocol v5; socket.io 4.8 client.ts, socket.ts. Where we differ: an
 * EVENT or ACK without JSON, and binary for a namespace that is not IN, end the
 * connection at once. Threads: one at a time.
 */
#ifndef PL_PROTO_SIO_CONN_H
#define PL_PROTO_SIO_CONN_H

#include "proto/eio_session.h"
#include "proto/sio_packet.h"

#define PL_SIO_NAMESPACES_MAX 8

struct pl_sio_settings {
	struct pl_eio_settings eio;
	int64_t connect_timeout_ms; /* 45,000 */
	int64_t binary_timeout_ms;  /* 10,000 */
	/* The namespaces that exist, "/" or "/custom"; a name's index is its number
	 * below. */
	const char *namespaces[PL_SIO_NAMESPACES_MAX];
	unsigned namespace_count;
};
extern const struct pl_sio_settings pl_sio_settings_default; /* only "/" */

/* An event or an acknowledgement from the client, borrowed until the callback returns. */
struct pl_sio_event {
	unsigned ns;
	struct pl_str name; /* of an event; len 0 for an ack or where it is a number */
	int64_t ack_id;     /* an event's PL_SIO_NO_ACK: no answer is wanted */
	const struct pl_json
	    *args;             /* the whole array; an event's name is its first member */
	struct pl_str payload; /* the same as text */
	struct pl_ref *const *attachments; /* what placeholder num n stands for */
	unsigned attachment_count;
};

struct pl_sio_conn;

struct pl_sio_app {
	/* The client wants into a namespace; auth (an object, or NULL) is borrowed.
	 * Answer now or later with pl_sio_conn_accept() or pl_sio_conn_refuse(). */
	void (*on_connect)(struct pl_sio_conn *c, unsigned ns, const struct pl_json *auth,
	    int64_t now_mono_ms);
	void (*on_event)(
	    struct pl_sio_conn *c, const struct pl_sio_event *event, int64_t now_mono_ms);
	/* NULL where the application never asks for acks. The id may be one it has had.
	 */
	void (*on_ack)(
	    struct pl_sio_conn *c, const struct pl_sio_event *ack, int64_t now_mono_ms);
	/* The client left a namespace that was IN by a DISCONNECT packet. */
	void (*on_disconnect)(struct pl_sio_conn *c, unsigned ns, int64_t now_mono_ms);
};

struct pl_sio_pending;

/* All fields but eio are private. */
struct pl_sio_conn {
	struct pl_eio_session eio;
	const struct pl_sio_settings *settings;
	const struct pl_sio_app *app;
	struct pl_sio_pending *pending; /* a binary packet being put together, or NULL */
	int64_t connect_due_ms;         /* PL_EIO_NEVER while anything is IN */
	int64_t next_ack_id;
	uint8_t asking; /* bit n: namespace n is ASKING */
	uint8_t in;     /* bit n: namespace n is IN */
};

/* As pl_eio_session_init(); settings and app stay borrowed. */
void pl_sio_conn_init(struct pl_sio_conn *c, const struct pl_sio_settings *settings,
    const struct pl_sio_app *app, const char *sid, bool is_websocket,
    int64_t now_mono_ms);
void pl_sio_conn_fini(struct pl_sio_conn *c);

void pl_sio_conn_tick(struct pl_sio_conn *c, int64_t now_mono_ms);
int64_t pl_sio_conn_deadline(const struct pl_sio_conn *c);
enum pl_eio_action pl_sio_conn_next(struct pl_sio_conn *c, struct pl_eio_out *out);

/* Let the client in: 40{"sid":"…"} or, with a pid (NULL: none), 40{"sid":"…","pid":"…"}.
 * False when the namespace is not ASKING (any more) or the connection ended. */
bool pl_sio_conn_accept(struct pl_sio_conn *c, unsigned ns, const char *sid,
    const char *pid, int64_t now_mono_ms);
/* Turn it away: 44{"message":"…"[,"data":…]}; data is JSON text, len 0 for none. */
bool pl_sio_conn_refuse(struct pl_sio_conn *c, unsigned ns, const char *message,
    struct pl_str data, int64_t now_mono_ms);

static inline bool
pl_sio_conn_is_in(const struct pl_sio_conn *c, unsigned ns)
{
	return pl_eio_session_is_open(&c->eio) && (c->in >> ns & 1);
}

/* Send an encoded packet (pl_sio_packet_encode() with this namespace's name), and for a
 * binary one its attachments. Adds an owner to each. False when not IN, or the queue
 * overflowed and the connection ended. */
bool pl_sio_conn_send(
    struct pl_sio_conn *c, unsigned ns, struct pl_ref *packet, int64_t now_mono_ms);
bool pl_sio_conn_send_binary(struct pl_sio_conn *c, unsigned ns, struct pl_ref *packet,
    struct pl_ref *const *attachments, unsigned count, int64_t now_mono_ms);
/* Acknowledge event with the JSON array args, which may hold count placeholders. */
bool pl_sio_conn_send_ack(struct pl_sio_conn *c, unsigned ns, int64_t ack_id,
    struct pl_str args, struct pl_ref *const *attachments, unsigned count,
    int64_t now_mono_ms);
/* A fresh id for an event that asks for an acknowledgement. */
int64_t pl_sio_conn_ack_id(struct pl_sio_conn *c);

/* Put the client out of a namespace with packet 41: a stock client does not come back. */
void pl_sio_conn_disconnect(struct pl_sio_conn *c, unsigned ns, int64_t now_mono_ms);
/* End the whole connection in order; see pl_eio_session_close(). */
void pl_sio_conn_close(
    struct pl_sio_conn *c, enum pl_eio_reason reason, int64_t now_mono_ms);

#endif
