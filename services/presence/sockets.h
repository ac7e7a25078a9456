/*
 * sockets: the Socket.IO application: who may connect, and what clients may send.
 *
 * Who a socket is comes from the JWT of the handshake request (session/credentials.h), or of auth.token
 * in CONNECT, which goes first; never from the query.  Threads: the loop's.
 */
#ifndef PRESENCE_SOCKETS_H
#define PRESENCE_SOCKETS_H

#include "http/request.h"

void sockets_start(void);
void sockets_drain(void); /* end all sockets with 1001, spread over DRAIN_SECONDS */
bool sockets_are_drained(void);
bool sockets_are_behind(void); /* events wait for their turn to go out */
void sockets_stop(void);
/* The sids of new sessions begin with name. */
void sockets_set_name(void *arg, const char *name);
void presence_socket_io(struct pl_request *rq); /* any method */

#endif
