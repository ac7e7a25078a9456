/*
 * sio_conn: Socket.IO 5 over one Engine.IO session: namespaces, events,
 * acknowledgements, binary.
 *
 * A namespace of a connection:
 *
 *   OUT --"0"--> ASKING --accept()--> IN --"1", disconnect()--> OUT
 *                   +---refuse()---> OUT
 *
 *   OUT     the client may only CONNECT; any other packet ends the connection
 *   ASKING  on_connect was called and the application has not answered: it may take its
 *           time; any packet for the namespace ends the connection
 *   IN      events and acknowledgements pass both ways; a second CONNECT ends the
 *           connection
 *
 * A connection with no namespace IN belongs to a stranger. It may send stranger_bytes_max
 * at once, in a POST body or a WebSocket message, so nothing longer is ever read or
 * parsed for it; and it is closed connect_timeout_ms after it began, or after its last
 * namespace went OUT. A binary packet waits for its attachments, which together with its
 * text may have max_payload_bytes; when none comes for binary_timeout_ms the connection
 * is closed. Each packet that breaks a rule closes the connection as PL_EIO_PARSE_ERROR.
 *
 * How to use it. Inputs (GET, POST, WebSocket) go to the session, &conn->eio, by the
 * calls of proto/eio_session.h; but tick(), deadline(), next() and fini() are those
 * below. The application's callbacks come only from within post(), ws_text() and
 * ws_binary(). They may accept, refuse, send, disconnect and close on any connection; on
 * this one they must not report inputs, ask next(), or fini it. No callback says that a
 * connection ended: PL_EIO_ENDED from next() does, once, for all its namespaces.
 *
 * Sources: socket.io-protocol v5; socket.io 4.8 client.ts, socket.ts. Where we differ: an
 * EVENT or ACK without JSON, a binary packet for a namespace that is not IN, and a second
 * CONNECT while ASKING end the connection at once.
 * Threads: one at a time.
 */
#ifndef PL_PROTO_SIO_CONN_H
#define PL_PROTO_SIO_CONN_H

#include "proto/eio_session.h"
#include "proto/sio_packet.h"

#define PL_SIO_NAMESPACES_MAX 8

struct pl_sio_settings {
	struct pl_eio_settings eio;
	int64_t connect_timeout_ms; /* with nothing IN */
	/* At once with nothing IN; max_payload_bytes if that is less. */
	size_t stranger_bytes_max;
	int64_t binary_timeout_ms; /* for the next attachment */
	/* The namespaces that are served, each "/" or "/name". All calls name a namespace
	 * by its index here. */
	const char *namespaces[PL_SIO_NAMESPACES_MAX];
	unsigned namespace_count;
};

/* Enough for CONNECT: a token of 4 KiB, what recovery and the application ask for. */
#define PL_SIO_STRANGER_BYTES_MAX 16384

#define PL_SIO_SETTINGS_DEFAULT                                                          \
	{                                                                                \
		.eio = PL_EIO_SETTINGS_DEFAULT, .connect_timeout_ms = 45000,             \
		.stranger_bytes_max = PL_SIO_STRANGER_BYTES_MAX,                         \
		.binary_timeout_ms = 10000, .namespaces = {"/"}, .namespace_count = 1    \
	}

/* An event or an acknowledgement from the client, borrowed until the callback returns. */
struct pl_sio_event {
	unsigned ns;
	struct pl_str name; /* of an event; len 0 for an ack, or if it is a number */
	int64_t ack_id;     /* PL_SIO_NO_ACK: the event wants no answer */
	const struct pl_json *args; /* the whole array; an event's name comes first */
	struct pl_str payload;      /* the same as text */
	struct pl_ref *const *attachments; /* placeholder num n stands for the nth */
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
	/* Only for ids that pl_sio_conn_ack_id() gave, perhaps twice. NULL: not
	 * wanted. */
	void (*on_ack)(
	    struct pl_sio_conn *c, const struct pl_sio_event *ack, int64_t now_mono_ms);
	/* The client left a namespace with a DISCONNECT packet. */
	void (*on_disconnect)(struct pl_sio_conn *c, unsigned ns, int64_t now_mono_ms);
};

struct pl_sio_pending;

/* All fields but eio are private. The owner embeds it and finds itself by
 * PL_CONTAINER(). */
struct pl_sio_conn {
	struct pl_eio_session eio;
	const struct pl_sio_settings *settings;
	const struct pl_sio_app *app;
	struct pl_sio_pending *pending; /* a binary packet on its way, or NULL */
	int64_t connect_due_ms;         /* PL_EIO_NEVER while anything is IN */
	int64_t next_ack_id;
	uint8_t asking; /* bit n: namespace n is ASKING */
	uint8_t in;     /* bit n: namespace n is IN */
};

_Static_assert(sizeof(struct pl_sio_conn) <= 256, "10,000 idle sockets must stay small");

/* As pl_eio_session_init(); settings and app stay borrowed. */
void pl_sio_conn_init(struct pl_sio_conn *c, const struct pl_sio_settings *settings,
    const struct pl_sio_app *app, const char *sid, bool is_websocket,
    int64_t now_mono_ms);
void pl_sio_conn_fini(struct pl_sio_conn *c);

/* ---- as in eio_session, for both layers ---- */

void pl_sio_conn_tick(struct pl_sio_conn *c, int64_t now_mono_ms);
int64_t pl_sio_conn_deadline(const struct pl_sio_conn *c);
enum pl_eio_action pl_sio_conn_next(struct pl_sio_conn *c, struct pl_eio_out *out);
void pl_sio_conn_close(
    struct pl_sio_conn *c, enum pl_eio_reason reason, int64_t now_mono_ms);

/* ---- namespaces ---- */

/* Let the client in: 40{"sid":"..."}, with a pid (NULL: none)
 * 40{"sid":"...","pid":"..."}. False when the namespace is not ASKING (any more). */
bool pl_sio_conn_accept(struct pl_sio_conn *c, unsigned ns, const char *sid,
    const char *pid, int64_t now_mono_ms);
/* Turn it away: 44{"message":"..."[,"data":...]}; data is JSON text, len 0 for none. */
bool pl_sio_conn_refuse(struct pl_sio_conn *c, unsigned ns, const char *message,
    struct pl_str data, int64_t now_mono_ms);
/* A text that came when the session had ended on our side already. If the client says
 * goodbye in it, on_disconnect is called; all else is dropped. */
void pl_sio_conn_hear_out(struct pl_sio_conn *c, struct pl_str text, int64_t now_mono_ms);
/* End it with packet 41: a stock client does not come back by itself. */
void pl_sio_conn_disconnect(struct pl_sio_conn *c, unsigned ns, int64_t now_mono_ms);

static inline bool
pl_sio_conn_is_in(const struct pl_sio_conn *c, unsigned ns)
{
	return pl_eio_session_is_open(&c->eio) && (c->in >> ns & 1) != 0;
}

/* In any namespace. */
static inline bool
pl_sio_conn_is_connected(const struct pl_sio_conn *c)
{
	return c->in != 0;
}

/* ---- sending ---- */

/* Send an encoded packet, made by pl_sio_packet_encode() with this namespace's name, and
 * the attachments it announces. Adds an owner to each. False when not IN, or when the
 * queue would not take it and the connection is over. */
bool pl_sio_conn_send(
    struct pl_sio_conn *c, unsigned ns, struct pl_ref *packet, int64_t now_mono_ms);
bool pl_sio_conn_send_binary(struct pl_sio_conn *c, unsigned ns, struct pl_ref *packet,
    struct pl_ref *const *attachments, unsigned count, int64_t now_mono_ms);
/* Acknowledge event ack_id with args, a JSON array that may hold placeholders for count
 * attachments. */
bool pl_sio_conn_send_ack(struct pl_sio_conn *c, unsigned ns, int64_t ack_id,
    struct pl_str args, struct pl_ref *const *attachments, unsigned count,
    int64_t now_mono_ms);
/* A fresh id for an event that asks the client for an acknowledgement. */
int64_t pl_sio_conn_ack_id(struct pl_sio_conn *c);

#endif
