/*
 * accept: connections of kore's listener, taken by us: kore 4.1.0 asks the kernel five
 * times for what one accept4() gives, and each connection inherits the options of the
 * listener.
 *
 * Threads: the loop's.  Source: kore 4.1.0, src/kore.c kore_listener_accept(),
 * src/connection.c kore_connection_accept().
 */
#ifndef PL_HTTP_ACCEPT_H
#define PL_HTTP_ACCEPT_H

#include "http/exchange.h"

#define PL_ACCEPT_SEND_BUFFER (256 * 1024) /* the kernel's share of a slow reader */
#define PL_ACCEPT_RECV_BUFFER (64 * 1024)  /* and of one that is not read */

/* In the parent, once server listens. has_sockets: its connections may become WebSockets,
 * and have the buffers above; else the kernel's own. */
void pl_accept_init(const struct kore_server *server, bool has_sockets);
/* May this process have one connection more? */
bool pl_accept_has_room(void);
/* One that came another way, as if l, which has sockets, had taken it: established, of no
 * protocol yet. fd is kore's from now on, which tells of its events once this callback has
 * returned. NULL if there is no room: fd is closed. */
struct connection *pl_accept_descriptor(struct listener *l, int fd);

#endif
