/* send: POST /api/messages/send/:id.  Threads: the loop's. */
#ifndef MESSAGE_SEND_H
#define MESSAGE_SEND_H

#include "bus/bus.h"
#include "store/store_async.h"
#include "http/request.h"

/* How long a slow bus may hold an answer up. */
#define SEND_BUS_PATIENCE_MS PL_REDIS_DEADLINE_MS
_Static_assert(SEND_BUS_PATIENCE_MS > PL_BUS_NOTICE_MS,
    "by then presence reads the store, and who was answered is not overtaken");
/* The process of a send that comes again so soon may have died before it published. */
#define SEND_RETRY_TELLS_MS 60000
/* Longer than from the commit of a send to the failure that it ends in. */
#define SEND_UNSURE_MS    PL_STORE_WAIT_MS
#define SEND_IDEM_KEY_MAX 64
#define SEND_USERS_MAX    100000 /* whose rate is remembered at once */

void send_start(void);
void send_stop(void);
void message_send_post(struct pl_request *rq);

#endif
