/*
 * eio_session: one Engine.IO 4 session, the server's side: which transport may talk, and
 * until when.
 *
 *                 ws_open            "5"
 *   init -> POLLING ----> PROBING ---------> WEBSOCKET <- init
 *             | ^            | |                 |
 *             | +------------+ |                 |
 *             |  bad packet,   |                 |
 *             |  gone, 10 s    |                 |
 *             +------> CLOSING <-----------------+   pl_eio_session_close()
 *                         |
 *                         v
 *   any state -------> CLOSED                        whatever else ends it
 *
 *   POLLING    all packets go by HTTP; at most one GET waits and one POST is under way
 *   PROBING    as POLLING, and a WebSocket is attached that may take over: it has
 *              upgrade_timeout_ms for "2probe" and "5", nothing else may come on it
 *   WEBSOCKET  all packets go by the attached WebSocket; HTTP requests are refused
 *   CLOSING    nothing is taken in from either side any more; what is queued goes out
 *              by the next GET or the WebSocket, and then the close packet, at most
 *              close_timeout_ms later
 *   CLOSED     the queue is gone; next() still has to tell the transports
 *
 * How to use it. The owner reports what happened (inputs), and after each input, or
 * after sending, asks pl_eio_session_next() what to do until it says PL_EIO_WAIT or
 * PL_EIO_FREE. There is one callback, on_message, called only from within post(),
 * ws_text() and ws_binary(). It may send and close; it must not report inputs, ask
 * next(), or fini the session (asserted). Nothing else calls out, so anywhere else a
 * session may be freed. Time is the caller's monotonic milliseconds and never goes
 * back; call tick() when deadline() has come.
 *
 * The queue holds counted references, so that many sessions share one encoded event.
 * Its bytes, and the age of the oldest, have ceilings; a session that reaches one is
 * CLOSED as PL_EIO_SLOW and its queue freed at once. While idle, a session has nothing
 * on the heap.
 *
 * Sources: engine.io-protocol v4; engine.io 6.6 socket.ts and transports/polling.ts for
 * what the text leaves open. Where we differ, and why:
 *   - a GET that still waits when "5" comes gets a noop (as the text says), not a close
 *   - "1" on a WebSocket ends the session (as the text says); engine.io ignores it
 *   - a waiting GET gets its first noop with the probe, not 100 ms later
 *   - an unanswered ping still counts after an upgrade; engine.io forgets it
 *   - a second WebSocket is refused even if the first came without polling
 *   - a ping that goes out somewhat late does not move the end of its pong's time
 *   - what is queued when we close goes out with the close packet, in one answer
 * Threads: one at a time.
 */
#ifndef PL_PROTO_EIO_SESSION_H
#define PL_PROTO_EIO_SESSION_H

#include "proto/eio_handshake.h"
#include "proto/eio_packet.h"
#include "proto/eio_queue.h"

#define PL_EIO_NEVER INT64_MAX
/* "2probe" and "5" are all that comes while PROBING */
#define PL_EIO_PROBE_BYTES_MAX 1024
#define PL_EIO_NOOP_EVERY_MS   100 /* engine.io looks this often for a GET to end */

enum pl_eio_state {
	PL_EIO_POLLING,
	PL_EIO_PROBING,
	PL_EIO_WEBSOCKET,
	PL_EIO_CLOSING,
	PL_EIO_CLOSED,
};

/* Why a session is no longer open. */
enum pl_eio_reason {
	PL_EIO_STILL_OPEN,
	PL_EIO_CLIENT_CLOSE,    /* the client sent a close packet */
	PL_EIO_TRANSPORT_CLOSE, /* its WebSocket ended */
	PL_EIO_TRANSPORT_ERROR, /* a broken or second request, a ping from the client */
	PL_EIO_PING_TIMEOUT,    /* no pong in time */
	PL_EIO_PARSE_ERROR,     /* bytes that break the protocol */
	PL_EIO_SLOW,            /* it takes our bytes too slowly */
	PL_EIO_OVER_BUDGET,     /* what it sends costs too much, for too long */
	PL_EIO_FORCED_CLOSE,    /* the application closed it */
	PL_EIO_SHUTDOWN,        /* this server goes away, the client may come again */
};

enum pl_eio_action {
	/* Nothing to do. */
	PL_EIO_WAIT,
	/* Write out->message, whose reference the caller then owns, as one message. */
	PL_EIO_WS_SEND,
	/* Close the WebSocket with out->ws_code. It has left the session: report nothing
	 * more of it. */
	PL_EIO_WS_CLOSE,
	/* Answer the waiting GET: 200, text/plain; charset=UTF-8, out->body. */
	PL_EIO_POLL_ANSWER,
	/* Once, when it is no longer open: out->reason. No message comes or goes any
	 * more. */
	PL_EIO_ENDED,
	/* Nothing is left to tell: fini it, now or later. */
	PL_EIO_FREE,
};

struct pl_eio_out {
	struct pl_ref *message;
	bool is_binary;
	uint16_t ws_code; /* RFC 6455 §7.4 */
	enum pl_eio_reason reason;
	/* The caller inits it (limit: 2 * queue_max_bytes is enough) and finis it; one
	 * pl_eio_out may serve all sessions. */
	struct pl_buf body;
};

struct pl_eio_session;

struct pl_eio_events {
	/* A message of the client, borrowed until the return. Text is valid UTF-8. */
	void (*on_message)(struct pl_eio_session *s, struct pl_str data, bool is_binary,
	    int64_t now_mono_ms);
};

/* All fields are private. The owner embeds it and finds itself by PL_CONTAINER(). */
struct pl_eio_session {
	const struct pl_eio_settings *settings;
	const struct pl_eio_events *events;
	struct pl_eio_queue queue;
	int64_t heartbeat_due_ms; /* send a ping, or while awaiting_pong give up */
	int64_t state_due_ms;     /* PROBING: drop the WebSocket; CLOSING: the session */
	int64_t noop_due_ms;      /* PROBING: end a waiting GET with a noop */
	int64_t blocked_since_ms; /* while ws_is_blocked */
	size_t payload_bytes_max;
	char sid[PL_EIO_SID_MAX + 1];
	uint8_t state;
	uint8_t reason;
	bool on_websocket : 1;  /* the session's packets go by WebSocket */
	bool has_ws : 1;        /* a WebSocket is attached, as transport or as probe */
	bool ws_is_blocked : 1; /* it has taken only part of what next() gave last */
	bool poll_waits : 1;    /* a GET waits for its answer */
	bool closed_between_polls : 1;
	bool post_is_under_way : 1;
	bool awaiting_pong : 1;
	bool pong_wait_extended : 1; /* another packet came instead: more time, once */
	bool owes_probe_pong : 1;    /* what next() still has to say */
	bool owes_noop : 1;
	bool owes_ws_close : 1;
	bool owes_ended : 1;
	bool is_calling_out : 1; /* on_message runs */
};

/* A new session with its open packet queued. is_websocket: the handshake came on a
 * WebSocket, which is now attached; else report the handshake's own GET with
 * pl_eio_session_poll(). settings and events stay borrowed, sid is copied. */
void pl_eio_session_init(struct pl_eio_session *s, const struct pl_eio_settings *settings,
    const struct pl_eio_events *events, const char *sid, bool is_websocket,
    int64_t now_mono_ms);
void pl_eio_session_fini(struct pl_eio_session *s); /* leaves it zeroed */

/* How long a POST body or a WebSocket message may be from now on; at first it is the
 * settings' max_payload_bytes. For who stands above the session, and knows who asks. */
static inline void
pl_eio_session_set_payload_max(struct pl_eio_session *s, size_t bytes)
{
	s->payload_bytes_max = bytes;
}

static inline size_t
pl_eio_session_payload_max(const struct pl_eio_session *s)
{
	return s->payload_bytes_max;
}

/* ---- inputs: HTTP ---- */

/* A GET with this sid came. PL_OK: it waits, next() answers it. Else answer it now, 400:
 *   PL_E_NOT_FOUND  as PL_EIO_UNKNOWN_SID   the session is CLOSED
 *   PL_E_DENIED     as PL_EIO_BAD_REQUEST   its packets go by WebSocket
 *   PL_E_CONFLICT   with an empty body      another GET waits: the session is over */
enum pl_err pl_eio_session_poll(struct pl_eio_session *s) PL_MUST_CHECK;
/* The waiting GET's connection broke: the session is over. */
void pl_eio_session_poll_gone(struct pl_eio_session *s);

/* A POST with this sid began (its head is there). Results as for a GET. */
enum pl_err pl_eio_session_post_begin(struct pl_eio_session *s) PL_MUST_CHECK;
/* Its connection broke, and nothing of it was taken: the session is over. */
void pl_eio_session_post_gone(struct pl_eio_session *s);
/* Its body is whole. on_message is called for each message in it.
 *   PL_OK         answer 200, text/html, "ok"
 *   PL_E_TOO_BIG  413; the session stays
 *   PL_E_INVALID  400; the session is over */
enum pl_err pl_eio_session_post(struct pl_eio_session *s, struct pl_str body,
    bool is_octet_stream, int64_t now_mono_ms) PL_MUST_CHECK;

/* ---- inputs: WebSocket ---- */

/* A WebSocket with this sid came. False: the session has one or is over; close this one,
 * it was never part of the session. */
bool pl_eio_session_ws_open(struct pl_eio_session *s, int64_t now_mono_ms) PL_MUST_CHECK;
/* How long its next message may be, asked anew after each input: a longer one need not be
 * read to its end. */
size_t pl_eio_session_ws_message_max(const struct pl_eio_session *s);
/* A whole message came on it; text is valid UTF-8. */
void pl_eio_session_ws_text(
    struct pl_eio_session *s, struct pl_str text, int64_t now_mono_ms);
void pl_eio_session_ws_binary(
    struct pl_eio_session *s, struct pl_str bytes, int64_t now_mono_ms);
void pl_eio_session_ws_gone(struct pl_eio_session *s); /* it closed or broke */
/* It took only a part of what next() gave: no PL_EIO_WS_SEND until it is writable. */
void pl_eio_session_ws_blocked(struct pl_eio_session *s, int64_t now_mono_ms);
void pl_eio_session_ws_writable(struct pl_eio_session *s);

/* ---- inputs: time ---- */

void pl_eio_session_tick(struct pl_eio_session *s, int64_t now_mono_ms);
/* When tick() has something to do at the earliest; PL_EIO_NEVER once CLOSED. */
int64_t pl_eio_session_deadline(const struct pl_eio_session *s);

/* ---- the application ---- */

/* Queue a packet: text with its type digit (pl_eio_packet_encode()), or the bare bytes
 * of a binary message. Adds an owner. False: the session is not open, or its queue would
 * not take this and it is over. */
bool pl_eio_session_send(
    struct pl_eio_session *s, struct pl_ref *packet, bool is_binary, int64_t now_mono_ms);
/* End it in order: what is queued goes out first. Nothing happens unless open. */
void pl_eio_session_close(
    struct pl_eio_session *s, enum pl_eio_reason reason, int64_t now_mono_ms);

/* What to do next. */
enum pl_eio_action pl_eio_session_next(struct pl_eio_session *s, struct pl_eio_out *out);

static inline bool
pl_eio_session_is_open(const struct pl_eio_session *s)
{
	return s->state <= PL_EIO_WEBSOCKET;
}

/* Bytes queued and not yet given out by next(). */
static inline size_t
pl_eio_session_unsent(const struct pl_eio_session *s)
{
	return s->queue.bytes;
}

/* For logs: "ping_timeout". Never NULL. */
const char *pl_eio_reason_name(enum pl_eio_reason reason);

#endif
