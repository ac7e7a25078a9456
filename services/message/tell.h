/* tell: the events of a stored message.  Threads: the loop's. */
#ifndef MESSAGE_TELL_H
#define MESSAGE_TELL_H

#include "bus/gap.h"
#include "model/message.h"
#include "proto/trace.h"

void tell_start(void);
void tell_stop(void);

/* newMessage to the receiver; messageSent to the sender's sockets but not_socket (empty:
 * none). done (may be NULL) is called once the bus took both, or could not; never from here.
 * A failed publish is no failure of the message: the store is the truth, and the gap is noted. */
void message_tell(const struct pl_message *m, const struct pl_trace *trace,
    struct pl_str not_socket, void (*done)(void *arg, enum pl_err err), void *arg);
/* An llm-responder that died may have told `to` that `from` is typing. */
void message_tell_typing_over(const struct pl_oid *from, const struct pl_oid *to);
/* What message_tell() noted, and who waits until that is told. NULL after tell_stop(). */
struct pl_gap *message_gap(void);

#endif
