/*
 * ws_conn: the WebSocket connection after its handshake; bytes in, events out.
 *
 *   state     what is true in it                        what ends it
 *   OPEN      frames go both ways                       a Close from either end, a fault
 *   CLOSING   our Close is out, the peer's is awaited   the peer's Close, a fault; the owner
 *                                                       waits only so long
 *   CLOSED    the last event is out: send what is       -
 *             queued, then close the TCP connection
 *
 * The owner feeds what it read, and pulls events until there are none:
 *
 *	struct pl_ws_input in = {data, len};
 *	while (pl_ws_conn_next(&ws, &in, now_mono_ms, &ev))
 *		switch (ev.kind) { ... }
 *
 * Between two pulls the owner may do anything, also close or free the connection. What an
 * event points at is borrowed until the next pull, or until the fed bytes change.
 *
 * Pings are answered and a Close is echoed here, through conf->send. Each connection
 * sends at most one Close, and no frame after it. A fault (RFC 6455 §7.1.7) sends a Close
 * with its code and text, and ends in CLOSED. In CLOSING the peer's messages and pings
 * are dropped, and not held; but if it is heard out, messages come until its Close.
 *
 * Memory: an idle connection holds nothing on the heap. A frame that is whole in the fed
 * bytes is unmasked there and never copied. Otherwise a message grows in one buffer with
 * the bytes that came, not with the length that was announced, so tiny fragments and big
 * promises cost the server no more than they cost the peer (CVE-2016-10542,
 * CVE-2026-48779).
 *
 * Text is checked as it arrives, and fails at the first byte that cannot be UTF-8.
 *
 * Source: RFC 6455 §5 to §8.  Threads: one at a time.
 */
#ifndef PL_PROTO_WS_CONN_H
#define PL_PROTO_WS_CONN_H

#include "proto/ws_frame.h"

#define PL_WS_MESSAGE_LIMIT_BYTES 1000000 /* one packet, as the contract says */
#define PL_WS_FRAGMENTS_LIMIT     1024    /* a message; browsers send one frame */
#define PL_WS_CONTROLS_PER_S      100

/* Shared by all connections of a kind, and borrowed as long as any lives. */
struct pl_ws_conf {
	enum pl_ws_role role;
	size_t message_limit_bytes; /* beyond it: 1009; may change between two feeds */
	unsigned fragments_limit;   /* frames in one message; beyond it: 1008 */
	unsigned controls_per_s;    /* pings, pongs; beyond it: 1008 */
	/* Queue one frame's bytes, head then payload (which may be empty), both borrowed
	 * for the call. It must not free the connection: note a failure and act after the
	 * pull. */
	void (*send)(void *owner, struct pl_str head, struct pl_str payload);
};

enum pl_ws_state { PL_WS_OPEN, PL_WS_CLOSING, PL_WS_CLOSED };

struct pl_ws_pending; /* what has come of a message or frame that is not whole yet */

struct pl_ws_conn {
	const struct pl_ws_conf *conf;
	void *owner;
	struct pl_ws_pending *pending; /* NULL while idle */
	int64_t controls_since_mono_ms;
	uint32_t controls;
	uint8_t state;
	bool hears_out;
	uint8_t head_len; /* bytes of a header that came in pieces */
	uint8_t head[PL_WS_HEADER_MAX];
};

_Static_assert(sizeof(struct pl_ws_conn) <= 96, "10,000 idle sockets must stay small");

enum pl_ws_event_kind {
	PL_WS_EV_TEXT,   /* a whole message, valid UTF-8 */
	PL_WS_EV_BINARY, /* a whole message */
	PL_WS_EV_PING,   /* already answered */
	PL_WS_EV_PONG,
	PL_WS_EV_CLOSE, /* the peer's Close came, and ours is out: the last event */
	PL_WS_EV_FAULT, /* the peer broke a rule, and our Close is out: the last event */
};

struct pl_ws_event {
	enum pl_ws_event_kind kind;
	enum pl_ws_verdict fault; /* FAULT: which */
	uint16_t code;            /* CLOSE: the peer's, or PL_WS_CODE_NONE; FAULT: ours */
	struct pl_str data;       /* the payload; CLOSE and FAULT: the reason */
};

/* Fed bytes: the connection takes from the front, and overwrites them when it unmasks. */
struct pl_ws_input {
	uint8_t *data;
	size_t len;
};

/* owner is what conf->send gets. The handshake is over, the state OPEN. */
void pl_ws_conn_init(struct pl_ws_conn *c, const struct pl_ws_conf *conf, void *owner);
/* Frees what is pending and sends nothing; leaves it zeroed. */
void pl_ws_conn_fini(struct pl_ws_conn *c);

/* Take bytes from *in up to the next event: true with *ev; false when all is taken. After
 * the last event everything is taken and dropped. */
bool pl_ws_conn_next(struct pl_ws_conn *c, struct pl_ws_input *in, int64_t now_mono_ms,
    struct pl_ws_event *ev) PL_MUST_CHECK;

/* Start the closing handshake; nothing happens unless OPEN. code: one that may be sent,
 * or PL_WS_CODE_NONE for an empty Close. */
void pl_ws_conn_close(struct pl_ws_conn *c, uint16_t code, struct pl_str reason);
/* The same, and what the peer sends before its Close still comes: it may have been under
 * way when ours left. */
void pl_ws_conn_close_heard_out(
    struct pl_ws_conn *c, uint16_t code, struct pl_str reason);

/* Has a message or frame begun to come that is not whole yet? */
static inline bool
pl_ws_conn_is_within(const struct pl_ws_conn *c)
{
	return c->head_len > 0 || c->pending != NULL;
}

/* While this is true, the owner may send whole messages, by pl_ws_header_encode(). */
static inline bool
pl_ws_conn_is_open(const struct pl_ws_conn *c)
{
	return c->state == PL_WS_OPEN;
}

#endif
