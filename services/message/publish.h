/* publish: the events of a stored message.  Threads: the loop's. */
#ifndef MESSAGE_PUBLISH_H
#define MESSAGE_PUBLISH_H

#include "bus/gap.h"
#include "model/message.h"
#include "proto/trace.h"

void publish_start(void);
void publish_stop(void);

/* newMessage to the receiver; messageSent to those of the sender's sockets that asked for it,
 * except not_socket (empty: no exception). done (may be NULL) is called once, later, when the bus has both
 * or has failed. A failure notes the gap: the message is stored, and presence reads it
 * from there. */
void publish_message(const struct pl_message *m, const struct pl_trace *trace,
    struct pl_str not_socket, void (*done)(void *arg, enum pl_err err), void *arg);
/* For `to` the typing of `from` ends: an llm-responder that died may have shown it. */
void publish_typing_over(const struct pl_oid *from, const struct pl_oid *to);
/* The gap of what could not be published. NULL after publish_stop(). */
struct pl_gap *unpublished_gap(void);

#endif
