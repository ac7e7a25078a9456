/* tell: the events of a stored message.  Threads: the loop's. */
#ifndef MESSAGE_TELL_H
#define MESSAGE_TELL_H

#include "base/err.h"
#include "model/message.h"

/* newMessage to the receiver; messageSent to the sender's sockets but not_socket (empty:
 * none). done (may be NULL) is called once the bus took both, or could not; never from here.
 * A failed publish is no failure of the message: the store is the truth. */
void message_tell(const struct pl_message *m, struct pl_str not_socket,
    void (*done)(void *arg, enum pl_err err), void *arg);

#endif
