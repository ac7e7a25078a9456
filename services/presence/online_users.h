/*
 * online_users: getOnlineUsers, the list of everybody online.
 *
 * Encoded once for each change of the set; sent to a socket when it comes in, and to all at
 * most once a second: the first change at once, what follows within the second together.
 * Threads: the loop's.
 */
#ifndef PRESENCE_ONLINE_USERS_H
#define PRESENCE_ONLINE_USERS_H

#include "base/oid.h"
#include "base/ref.h"

#define ONLINE_USERS_EVERY_MS 1000
#define ONLINE_USERS_FIRST_MS                                                            \
	100 /* new sockets share a packet, and its offset, so long */

void online_users_start(void);
void online_users_stop(void);
void online_users_join(const struct pl_oid *user);  /* his first socket here */
void online_users_leave(const struct pl_oid *user); /* his last one */
/* The event as it is now, a whole Engine.IO packet; one owner, the caller. */
struct pl_ref *online_users_packet(void);
/* The same for a socket that is new: with an offset behind the list, so that it can recover
 * from here before it has got a message. */
struct pl_ref *online_users_first_packet(void);

#endif
