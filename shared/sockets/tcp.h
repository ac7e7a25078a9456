/*
 * tcp: a TCP connection taken over from kore's HTTP, for a WebSocket. What comes in goes
 * to the owner; what the kernel does not take at once waits in a bounded queue.
 * Threads: the loop's.  Source of the take-over: kore 4.1.0, src/http.c, src/connection.c.
 */
#ifndef PL_SOCKETS_TCP_H
#define PL_SOCKETS_TCP_H

#include "base/ref.h"
#include "http/request.h"

#define PL_TCP_PARTS_MAX   33    /* of one send */
#define PL_TCP_STALL_MS    10000 /* queued bytes without progress: cut off */
#define PL_TCP_LINGER_MS   5000  /* after our end, for the peer's */
#define PL_TCP_HANDOVER_MS 5000  /* for the gateway to hand over what was promised it */

struct pl_tcp;

struct pl_tcp_ops {
	/* Bytes came; data may be changed in place and is gone after the call. */
	void (*on_data)(void *arg, char *data, size_t len);
	/* The queue was blocked and has drained. */
	void (*on_writable)(void *arg);
	/* The peer closed, the connection broke, or pl_tcp_close() was called: once,
	 * the last call. The socket is freed after it. */
	void (*on_closed)(void *arg);
};

/* Take rq's connection, which ends rq as an answer does, or, if its gateway can hand it over
 * (sockets/handover), that of its client; what is sent waits for that. NULL: the client has
 * gone already (rq is ended all the same). Nothing is read before the current callback
 * returns. */
struct pl_tcp *pl_tcp_take(
    struct pl_request *rq, const struct pl_tcp_ops *ops, void *arg);
/* Send or queue; false once the connection is broken. Parts that must be queued are
 * copied if they are borrowed, and get an owner more if they are shared: what is sent to
 * all is in memory once. With more than SEND_QUEUE_BYTES_MAX in the queue already, the
 * peer is cut off. */
struct pl_tcp_part {
	struct pl_str bytes;
	struct pl_ref *shared; /* whose bytes these are, all of them; NULL: borrowed */
};
bool pl_tcp_send(struct pl_tcp *s, const struct pl_tcp_part *parts, size_t count);
size_t pl_tcp_queued(const struct pl_tcp *s); /* bytes the kernel has not taken */
/* Read nothing more for so long: the kernel's buffer fills, and the peer has to wait. Its
 * end is seen only after that. Nothing happens once it is finishing. */
void pl_tcp_pause(struct pl_tcp *s, int64_t ms);
/* Close once what is queued has gone out, or at once. on_closed follows, never from
 * here. */
void pl_tcp_finish(struct pl_tcp *s);
void pl_tcp_close(struct pl_tcp *s);

#endif
