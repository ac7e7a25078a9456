/*
 * websocket: a request that becomes a WebSocket: proto/ws_handshake, proto/ws_conn and
 * sockets/tcp tied together.
 *
 *   state      what is true in it                                 what ends it
 *   attached   messages go both ways; the owner has a pointer     on_gone, close()
 *   leaving    our Close is out, messages still come              on_gone, close()
 *   on its own no owner; says goodbye, at most CLOSE_WAIT_MS      the peer's Close, time;
 *              for a fault of the peer's it ends once our Close
 *              has gone out
 *
 * Threads: the loop's.
 */
#ifndef PL_SOCKETS_WEBSOCKET_H
#define PL_SOCKETS_WEBSOCKET_H

#include "base/ref.h"
#include "proto/ws_conn.h"
#include "http/request.h"

#define PL_WEBSOCKET_SEND_MAX      16
#define PL_WEBSOCKET_CLOSE_WAIT_MS 5000 /* for the peer's answer to our Close */

struct pl_websocket;

struct pl_websocket_ops {
	/* A whole message; text is valid UTF-8. Borrowed until the return. */
	void (*on_message)(
	    void *arg, struct pl_str data, bool is_binary, int64_t now_mono_ms);
	/* What came ends within a message, and its beginning is kept. May be NULL. */
	void (*on_part)(void *arg);
	/* So many bytes came, and so much time of the processor went into all that
	 * followed from them. For how long should nothing more be read? 0: for none. May
	 * be NULL. */
	int64_t (*on_spent)(void *arg, size_t bytes, int64_t cpu_us);
	/* All that was sent has gone to the kernel again. May be NULL. */
	void (*on_writable)(void *arg);
	/* The peer closed it, broke a rule, or is gone: once, the last call. Not after
	 * pl_websocket_close(). */
	void (*on_gone)(void *arg);
};

/* Does the request ask for a WebSocket at all (it has an Upgrade header), and well? */
bool pl_websocket_is_wanted(const struct pl_request *rq);
enum pl_ws_handshake pl_websocket_judge(const struct pl_request *rq);
/* Answer a request judged other than PL_WS_HS_ACCEPTED: 400 or 426. */
void pl_websocket_refuse(struct pl_request *rq, enum pl_ws_handshake verdict);
/* Take the connection of a request judged as accepted. rq is ended. The 101 goes out with
 * what is sent first, in one packet, or by pl_websocket_begin(), which is due in this
 * callback. A longer message than message_bytes_max is a fault. NULL: the client has
 * gone. No callback comes before the current one has returned. */
struct pl_websocket *pl_websocket_take(struct pl_request *rq,
    const struct pl_websocket_ops *ops, size_t message_bytes_max, void *arg);
/* Whether or not something was sent, or the WebSocket was closed. */
void pl_websocket_begin(struct pl_websocket *w);
/* A longer message is a fault from now on. */
void pl_websocket_limit(struct pl_websocket *w, size_t message_bytes_max);
/* At most PL_WEBSOCKET_SEND_MAX messages, together. False: they have not all gone to the
 * kernel; on_writable follows. Until then each may have an owner more. */
struct pl_websocket_message {
	struct pl_ref *data;
	bool is_binary;
};
bool pl_websocket_send(
    struct pl_websocket *w, const struct pl_websocket_message *messages, size_t count);
/* Start the closing handshake and give the WebSocket up: no callback comes any more. */
void pl_websocket_close(struct pl_websocket *w, uint16_t code);
/* Start the closing handshake and hear the peer out: what it sends before its Close still
 * comes, and then on_gone, at most CLOSE_WAIT_MS later. */
void pl_websocket_close_heard_out(struct pl_websocket *w, uint16_t code);

#endif
