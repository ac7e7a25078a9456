/* send: POST /api/messages/send/:id.  Threads: the loop's. */
#ifndef MESSAGE_SEND_H
#define MESSAGE_SEND_H

#include "web/request.h"

#define SEND_REPLY_WITHIN_MS                                                             \
	10000                    /* an automatic reply is due this long after createdAt */
#define SEND_BUS_PATIENCE_MS 250 /* a bus that is slow holds an answer up no longer */
#define SEND_IDEM_KEY_MAX    64
#define SEND_USERS_MAX       100000 /* whose rate is remembered at once */

void send_start(void);
void send_stop(void);
void message_send_post(struct pl_request *rq);

#endif
