/* publish: the events of a stored message.  Threads: the loop's. */
#ifndef MESSAGE_PUBLISH_H
#define MESSAGE_PUBLISH_H

#include "bus/gap.h"
#include "model/message.h"
#include "proto/trace.h"

void publish_start(void);
void publish_stop(void);

/* newMessage to the receiver; messageSent to the sender's sockets but not_socket (empty:
 * none). done (may be NULL) is called once the bus took both, or could not; never from here.
 * A failed publish is no failure of the message: the store is the truth, and the gap is noted. */
void publish_message(const struct pl_message *m, const struct pl_trace *trace,
    struct pl_str not_socket, void (*done)(void *arg, enum pl_err err), void *arg);
/* An llm-responder that died may have told `to` that `from` is typing. */
void publish_typing_over(const struct pl_oid *from, const struct pl_oid *to);
/* What publish_message() noted, and who waits until that is told. NULL after publish_stop(). */
struct pl_gap *publish_gap(void);

#endif
