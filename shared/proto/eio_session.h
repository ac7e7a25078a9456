/*
 * eio_session: one Engine.IO 4 session, the server's side: who may talk, by which
 * transport, until when.
 *
 *                     ws_open               "5"
 *    init ──► POLLING ───────► PROBING ────────────► WEBSOCKET ◄── init
 *                ▲                │                      │
 *                └────────────────┘ wrong packet,        │
 *                │                  WebSocket gone, 10 s │
 *                └───────────┬───────────────────────────┤
 *          pl_eio_session_close()              anything that ends it
 *                            ▼                           ▼
 *                         CLOSING ───────────────────► CLOSED
 *
 *   POLLING    all packets go by HTTP; at most one GET waits and one POST is under way
 *   PROBING    as POLLING, and one WebSocket is attached that may take over: it has
 *              upgrade_timeout_ms for "2probe" and "5", and nothing else may come on it
 *   WEBSOCKET  all packets go by the one attached WebSocket; HTTP requests are refused
 *   CLOSING    nothing more is taken in from either side; what is queued still goes out,
 * by the next GET or the WebSocket, then the close, at most close_timeout_ms later CLOSED
 * the queue is gone; the transports still have to be told, then free it
 *
 * How to use it. The owner reports what happened (inputs), and after each input, or after
 * sending, asks pl_eio_session_next() what to do until it says PL_EIO_WAIT. There is one
 * callback, on_message, called only from within post(), ws_text() and ws_binary(). It may
 * send and close on this session; it must not report inputs, ask next(), or fini it
 * (asserted). Nothing else calls out, so a session may be freed anywhere else. Time is
 * the caller's monotonic milliseconds, never going back; call tick() when deadline() has
 * come.
 *
 * The queue holds counted references, so one encoded event is shared by many sessions.
 * Its bytes, and the age of the oldest, have ceilings; a session that reaches one is
 * CLOSED with PL_EIO_SLOW and its queue is freed at once. An idle session has nothing on
 * the heap.
 *
 * Sources: engine.io-protocol v4; engine.io 6.6 socket.ts, transports/polling.ts for all
 * the text leaves open. Where we differ, and why:
 *   - a GET that waits while "5" comes gets a noop (protocol text), not a close packet
 *   - "1" on a WebSocket ends the session (protocol text); engine.io ignores it
 *   - a waiting GET gets its first noop with the probe, not 100 ms later
 *   - the heartbeat runs on through an upgrade; engine.io forgets an unanswered ping
 * there
 *   - a second WebSocket is refused also where the first came without polling
 * Threads: one at a time.
 */
#ifndef PL_PROTO_EIO_SESSION_H
#define PL_PROTO_EIO_SESSION_H

#include "proto/eio_packet.h"

#define PL_EIO_SID_MAX        31 /* characters */
#define PL_EIO_SID_RANDOM_LEN 22 /* 128 bits in base64url */
#define PL_EIO_NEVER          INT64_MAX
#define PL_EIO_NOOP_EVERY_MS                                                             \
	100 /* ms; engine.io checks a probing session's GET this often */
#define PL_EIO_QUEUE_ITEM_COST 32 /* bytes a queued packet counts beyond its own */

struct pl_eio_settings {
	int64_t ping_interval_ms;   /* 25,000; from the open packet or a pong to our next
				       ping */
	int64_t ping_timeout_ms;    /* 20,000; for the pong */
	int64_t upgrade_timeout_ms; /* 10,000; from WebSocket to "5" */
	int64_t close_timeout_ms;   /* 30,000; for the GET that takes the close packet */
	int64_t stall_timeout_ms;   /* 10,000; the oldest unsent byte may be this old */
	size_t max_payload_bytes;   /* 1,000,000; a POST body, a WebSocket message */
	size_t queue_max_bytes;     /* 1 MiB unsent */
};
extern const struct pl_eio_settings pl_eio_settings_default;

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
	PL_EIO_PARSE_ERROR,     /* bytes that are no packet */
	PL_EIO_SLOW,            /* it took our bytes too slowly */
	PL_EIO_FORCED_CLOSE,    /* the application closed it */
	PL_EIO_SHUTDOWN,        /* this server goes away; the client should come again */
};

enum pl_eio_action {
	PL_EIO_WAIT,     /* nothing to do */
	PL_EIO_WS_SEND,  /* write out->message as one message; drop the reference then */
	PL_EIO_WS_CLOSE, /* close the WebSocket with out->ws_code; it has left the
			  * session: report nothing more of it */
	PL_EIO_POLL_ANSWER, /* answer the waiting GET: 200, text/plain; charset=UTF-8,
			       out->body */
	PL_EIO_ENDED,       /* once, when it left the open states: out->reason; no message
			     * comes or goes any more */
	PL_EIO_FREE,        /* all was told: fini it now or later */
};

struct pl_eio_out {
	struct pl_ref *message; /* PL_EIO_WS_SEND: the caller's now */
	bool is_binary;
	uint16_t ws_code;          /* RFC 6455 §7.4 */
	enum pl_eio_reason reason; /* PL_EIO_ENDED */
	struct pl_buf body; /* PL_EIO_POLL_ANSWER; the caller inits and finis it once */
};

struct pl_eio_session;

struct pl_eio_events {
	/* A message of the client; data is borrowed until the return. Text is valid
	 * UTF-8. */
	void (*on_message)(struct pl_eio_session *s, struct pl_str data, bool is_binary,
	    int64_t now_mono_ms);
};

struct pl_eio_item;

/* All fields are private; the owner embeds it and finds itself by PL_CONTAINER(). */
struct pl_eio_session {
	const struct pl_eio_settings *settings;
	const struct pl_eio_events *events;
	struct pl_eio_item *queue; /* count of cap, a ring from head; NULL while empty */
	uint32_t head;
	uint32_t count;
	uint32_t cap;
	uint32_t queued_bytes;    /* with PL_EIO_QUEUE_ITEM_COST for each packet */
	int64_t heartbeat_due_ms; /* send a ping, or while awaiting_pong give up */
	int64_t state_due_ms; /* PROBING: give the WebSocket up; CLOSING: the session */
	int64_t noop_due_ms;  /* PROBING: answer a waiting GET with a noop */
	int64_t unwritten_since_ms; /* ws_is_blocked: when its bytes were queued */
	char sid[PL_EIO_SID_MAX + 1];
	uint8_t state;
	uint8_t reason;
	bool on_websocket : 1;  /* the session's packets go by WebSocket */
	bool has_ws : 1;        /* a WebSocket is attached, as transport or probe */
	bool ws_is_blocked : 1; /* the socket took only part of what we gave */
	bool owes_ws_close : 1;
	bool owes_probe_pong : 1;
	bool owes_noop : 1; /* to the waiting GET */
	bool owes_ended : 1;
	bool poll_waits : 1; /* a GET waits for its answer */
	bool post_is_under_way : 1;
	bool awaiting_pong : 1;
	bool pong_wait_extended : 1; /* other packets buy time once a ping */
	bool closed_between_polls : 1;
	bool is_calling_out : 1; /* on_message runs */
};

/* A session id nobody can guess: prefix (may be "", at most 8 characters; it can name the
 * process) and 128 random bits in base64url. */
void pl_eio_sid_new(const char *prefix, char out[PL_EIO_SID_MAX + 1]);

/* A new session with its open packet queued. is_websocket: the handshake came as
 * WebSocket, which is now attached; else report the handshake's own GET with
 * pl_eio_session_poll(). settings and events stay borrowed, sid is copied (at most
 * PL_EIO_SID_MAX). */
void pl_eio_session_init(struct pl_eio_session *s, const struct pl_eio_settings *settings,
    const struct pl_eio_events *events, const char *sid, bool is_websocket,
    int64_t now_mono_ms);
void pl_eio_session_fini(
    struct pl_eio_session *s); /* drops the queue; leaves it zeroed */

/* ---- inputs: HTTP --------------------------------------------------------------------
 */

/* A GET with this sid came. PL_OK: it waits, next() answers it. Otherwise answer it at
 * once with 400: PL_E_CONFLICT, empty body, another GET waits already and the session is
 * over; PL_E_DENIED, PL_EIO_BAD_REQUEST, the session is on its WebSocket or over. */
enum pl_err pl_eio_session_poll(
    struct pl_eio_session *s, int64_t now_mono_ms) PL_MUST_CHECK;
/* The waiting GET's connection broke before its answer: the session is over. */
void pl_eio_session_poll_gone(struct pl_eio_session *s);

/* A POST with this sid began (its header is there). Results as for a GET. */
enum pl_err pl_eio_session_post_begin(struct pl_eio_session *s) PL_MUST_CHECK;
/* Its body is whole: on_message is called for each message in it. PL_OK: answer 200,
 * "ok". PL_E_TOO_BIG: 413, the session stays. PL_E_INVALID: 400, the session is over. */
enum pl_err pl_eio_session_post(struct pl_eio_session *s, struct pl_str body,
    bool is_octet_stream, int64_t now_mono_ms) PL_MUST_CHECK;
/* Its connection broke before the body was whole: the session is over. */
void pl_eio_session_post_gone(struct pl_eio_session *s);

/* ---- inputs: WebSocket ---------------------------------------------------------------
 */

/* A WebSocket with this sid came. False: the session has one already or is over; refuse
 * this one, it never belongs to the session. */
bool pl_eio_session_ws_open(struct pl_eio_session *s, int64_t now_mono_ms) PL_MUST_CHECK;
void pl_eio_session_ws_text(
    struct pl_eio_session *s, struct pl_str text, int64_t now_mono_ms);
void pl_eio_session_ws_binary(
    struct pl_eio_session *s, struct pl_str bytes, int64_t now_mono_ms);
void pl_eio_session_ws_gone(struct pl_eio_session *s); /* it closed or broke */
/* The socket took only a part of what next() gave: no more PL_EIO_WS_SEND until writable.
 */
void pl_eio_session_ws_blocked(struct pl_eio_session *s);
void pl_eio_session_ws_writable(struct pl_eio_session *s);

/* ---- inputs: time --------------------------------------------------------------------
 */

void pl_eio_session_tick(struct pl_eio_session *s, int64_t now_mono_ms);
/* When tick() has something to do at the earliest; PL_EIO_NEVER once CLOSED. */
int64_t pl_eio_session_deadline(const struct pl_eio_session *s);

/* ---- the application -----------------------------------------------------------------
 */

/* Queue a packet: text with its type digit (pl_eio_packet_encode()), or the bare bytes of
 * a binary message. Adds an owner to packet. False: the session is not open, or this was
 * more than its queue takes and it is over. */
bool pl_eio_session_send(
    struct pl_eio_session *s, struct pl_ref *packet, bool is_binary, int64_t now_mono_ms);
/* End it in order: what is queued goes out first. Does nothing when not open. */
void pl_eio_session_close(
    struct pl_eio_session *s, enum pl_eio_reason reason, int64_t now_mono_ms);

/* What to do next. Repeat until PL_EIO_WAIT or PL_EIO_FREE. */
enum pl_eio_action pl_eio_session_next(struct pl_eio_session *s, struct pl_eio_out *out);

static inline bool
pl_eio_session_is_open(const struct pl_eio_session *s)
{
	return s->state <= PL_EIO_WEBSOCKET;
}

/* For logs: "ping_timeout". Never NULL. */
const char *pl_eio_reason_name(enum pl_eio_reason reason);

#endif
