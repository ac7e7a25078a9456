/* send: POST /api/messages/send/:id.  Threads: the loop's. */
#ifndef MESSAGE_SEND_H
#define MESSAGE_SEND_H

#include "http/request.h"
#include "sending/send.h"

void send_start(void);
void send_stop(void);
void message_send_post(struct pl_request *rq);
/* Of this process, between the two: automatic replies are published by it, too. */
struct pl_publisher *message_publisher(void);
/* The same: its rates and quotas are those of everything that a user writes. */
struct pl_sending *message_sending(void);

#endif
