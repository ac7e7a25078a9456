/* send: POST /api/messages/send/:id.  Threads: the loop's. */
#ifndef MESSAGE_SEND_H
#define MESSAGE_SEND_H

#include "web/request.h"

#define SEND_REPLY_WITHIN_MS                                                             \
	10000 /* an automatic reply is due this long after createdAt */
/* A bus that is slow holds an answer up no longer: by then presence has noticed, too. */
#define SEND_BUS_PATIENCE_MS 1000
/* A retry this soon may be of a message whose first process died before it told of it. */
#define SEND_RETRY_TELLS_MS 60000
/* Above what a send takes from its commit to the failure that it ends in. */
#define SEND_UNSURE_MS    5000
#define SEND_IDEM_KEY_MAX 64
#define SEND_USERS_MAX    100000 /* whose rate is remembered at once */

void send_start(void);
void send_stop(void);
void message_send_post(struct pl_request *rq);

#endif
