/*
 * sio_polling: the transport "polling" of a session: a GET that waits for what is sent,
 * and POSTs that bring something, now or later (sio_server.h).  Threads: the loop's.
 */
#ifndef PL_SOCKETS_SIO_POLLING_H
#define PL_SOCKETS_SIO_POLLING_H

#include "sockets/sio_server.h"

/* Each ends rq sooner or later, and pumps c, which may be gone after that. */
void pl_sio_poll_get(struct pl_sio_client *c, struct pl_request *rq);
void pl_sio_poll_post(struct pl_sio_client *c, struct pl_request *rq);

#endif
