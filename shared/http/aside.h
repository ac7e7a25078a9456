/*
 * aside: connections that nobody's walk comes across. Twice a second kore looks at each of
 * its connections for one that has been idle for too long, and http/heads does so once a
 * second. Those that were taken over, as WebSockets, have their owner's deadlines and
 * none of kore's; they are thousands, and each look brings one from memory. So they are
 * kept here, off kore's list.
 *
 * Only http/ and sockets/ use it.  Threads: the loop's.
 * Source: kore 4.1.0, src/connection.c.
 */
#ifndef PL_HTTP_ASIDE_H
#define PL_HTTP_ASIDE_H

#include <kore.h>

/* c, a connection of kore's, is kept here until it is disconnected. */
void pl_aside_keep(struct connection *c);
/* To be called by c->disconnect: kore takes c off its own list next. */
void pl_aside_give_back(struct connection *c);
/* Disconnect all. */
void pl_aside_disconnect(void);

#endif
