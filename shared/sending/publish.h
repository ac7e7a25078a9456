/*
 * publish: the events of a stored message, and the gap of those that could not be
 * published.
 * Threads: the loop's.
 */
#ifndef PL_SENDING_PUBLISH_H
#define PL_SENDING_PUBLISH_H

#include "bus/gap.h"
#include "model/message.h"
#include "proto/trace.h"
#include "sending/unheard.h"

/* The caller's; zero it. It outlives the bus, whose last answers come here. */
struct pl_publisher {
	struct pl_bus *bus;
	struct pl_gap *gap;         /* of what could not be published; NULL after stop */
	struct pl_unheard *unheard; /* likewise */
};

void pl_publisher_start(struct pl_publisher *p, struct pl_loop *loop, struct pl_bus *bus);
void pl_publisher_stop(struct pl_publisher *p);

/* newMessage to the receiver; messageSent to those of the sender's sockets that asked for
 * it, if there are any, except not_socket (empty: no exception). json: the message's, of
 * pl_message_write(). done (may be NULL) is called once, later, when the bus has all or
 * has failed. A failure notes the gap: the message is stored, and presence reads it from
 * there. */
void pl_publish_message(struct pl_publisher *by, const struct pl_message *m,
    struct pl_str json, const struct pl_trace *trace, struct pl_str not_socket,
    void (*done)(void *arg, enum pl_err err), void *arg);
/* The same of its last change, to the sockets of both but not_socket. */
void pl_publish_change(struct pl_publisher *by, const struct pl_message *m,
    struct pl_str json, const struct pl_trace *trace, struct pl_str not_socket,
    void (*done)(void *arg, enum pl_err err), void *arg);
/* For `to` the typing of `from` ends: an llm-responder that died may have shown it. */
void pl_publish_typing_over(
    struct pl_publisher *p, const struct pl_oid *from, const struct pl_oid *to);

#endif
