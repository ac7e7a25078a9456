/*
 * send: "sendMessage {to, message, key?}" of a client is a send as the POST is: by the
 * same rules (sending/send.h), with what it comes to in the acknowledgement:
 *
 *   4217["sendMessage",{"to":"65a0...","message":"hi","key":"7f3a"}]
 *   4317[{"message":{"senderId":"65a1...",...}}]
 *   4317[{"error":"Too many requests, try again later","code":"TOO_MANY_REQUESTS","retryAfter":1}]
 *
 * What one socket sends is stored in the order in which it was said: one at a time, and
 * the next when the last is done. So many wait, of so many bytes; one more is refused.
 * What different sockets send goes on at once.
 *
 * What has come is carried out even if its socket has gone by then: nobody hears of it,
 * as with a request whose client has gone. A client that says it again says it under its
 * key.
 *
 * This process stores by itself: it has the store, the bus and Redis already, and handing
 * it to a message process would cost each message a hop that does nothing but pass it on
 * (docs/decisions.md).
 * Threads: the loop's.
 */
#ifndef PRESENCE_SEND_H
#define PRESENCE_SEND_H

#include "presence/ack.h"
#include "presence/typing.h"
#include "sending/send.h"

#define SEND_WAITING_MAX 100 /* of one socket */
#define SEND_BYTES_MAX                                                                   \
	262144 /* of texts and keys, of one socket; a single one may be longer */
#define SEND_ALL_MAX  67108864 /* bytes, of all sockets here */
#define SEND_AGAIN_MS 1000     /* after which one that found no place may try again */

/* The caller's; zero it and set the first two. */
struct sends {
	const struct pl_app *app;
	struct typing *typing; /* ends when the message is sent */
	/* inside */
	struct pl_sending sending;
	struct pl_metrics_source metrics;
	size_t waiting; /* events whose outcome is not known yet */
	size_t bytes;   /* that they hold */
};

void sends_start(struct sends *s);
/* event's argument may be anything. ack is answered, now or from the loop. */
void send_said(struct sends *s, struct hub_socket *socket,
    const struct pl_sio_event *event, const struct ack *ack);
/* socket gets no answer any more; what it said is sent all the same. */
void sends_end_socket(struct hub_socket *socket);
void sends_stop(struct sends *s);

#endif
